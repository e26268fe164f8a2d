use super::*;
use crate::types::{Embedding, TimeBase, Timestamp, VectorId};
use std::os::unix::ffi::OsStrExt;

const STAMP: FileStamp = FileStamp {
    size: 7,
    modified_ns: 1,
};

fn moment(video: crate::types::VideoId, ms: i64) -> NewMoment {
    let at = |ms| Timestamp::new(ms, TimeBase::new(1, 1000).unwrap());
    NewMoment {
        video,
        time: at(ms),
        start: at(ms),
        end: at(ms + 500),
        vectors: vec![(None, Embedding::normalised(vec![3.0, 4.0]).unwrap())],
        thumbnail: None,
    }
}

fn filled(dir: &Path) -> (Catalog, ModelId, crate::types::VideoId) {
    let mut catalog = Catalog::create_or_open(dir).unwrap();
    let model = catalog.model("m", "f", 2).unwrap();
    let video = catalog
        .begin_video(Path::new("/a.mp4"), STAMP, "s")
        .unwrap();
    catalog
        .add_moments(model, &[moment(video, 0), moment(video, 500)])
        .unwrap();
    let record = VideoRecord {
        frames: 2,
        ..Default::default()
    };
    catalog.finish_video(video, model, None, &record).unwrap();
    (catalog, model, video)
}

fn shown_vectors(catalog: &Catalog, model: ModelId) -> usize {
    let shown = catalog.shown_videos().unwrap();
    let mut count = 0;
    catalog
        .each_vector(model, VectorId(0), |v| {
            count += usize::from(shown.contains(&v.video));
        })
        .unwrap();
    count
}

#[test]
fn what_is_committed_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let (catalog, model, video) = filled(dir.path());
    assert_eq!(catalog.generation().unwrap(), Generation(1));
    assert_eq!(shown_vectors(&catalog, model), 2);
    let mut seen = Vec::new();
    catalog
        .each_vector(model, VectorId(0), |v| {
            seen.push((v.id, v.video, v.values()));
        })
        .unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].1, video);
    assert!((seen[0].2[0] - 0.6).abs() < 1e-3 && (seen[0].2[1] - 0.8).abs() < 1e-3);
    let row = catalog.moment_of(seen[1].0).unwrap().unwrap();
    assert_eq!((row.time.seconds(), row.end.seconds()), (0.5, 1.0));
}

#[test]
fn a_file_is_current_until_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (mut catalog, model, _) = filled(dir.path());
    let mut known = |stamp, sampling| {
        let path = Path::new("/a.mp4");
        catalog.known(path, stamp, sampling, model).unwrap()
    };
    assert_eq!(known(STAMP, "s"), Some(Known::Whole));
    assert_eq!(known(FileStamp { size: 8, ..STAMP }, "s"), None);
    assert_eq!(known(STAMP, "other"), None);
}

#[test]
fn a_whole_reading_stays_until_the_next_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (mut catalog, model, first) = filled(dir.path());
    let count = |c: &Catalog| shown_vectors(c, model);
    let second = catalog
        .begin_video(Path::new("/a.mp4"), STAMP, "s")
        .unwrap();
    catalog.add_moments(model, &[moment(second, 0)]).unwrap();
    assert_eq!(count(&catalog), 2);
    assert_eq!(catalog.videos(true).unwrap()[0].id, first);
    // Interrupted, and begun once more.
    let third = catalog
        .begin_video(Path::new("/a.mp4"), STAMP, "s")
        .unwrap();
    assert_eq!(count(&catalog), 2);
    catalog.add_moments(model, &[moment(third, 0)]).unwrap();
    catalog
        .finish_video(third, model, None, &VideoRecord::default())
        .unwrap();
    assert_eq!(count(&catalog), 1);
    assert_eq!(catalog.videos(true).unwrap().len(), 1);
    assert_eq!(catalog.videos(true).unwrap()[0].id, third);
}

#[test]
fn two_writers_are_one_too_many() {
    let dir = tempfile::tempdir().unwrap();
    let (catalog, ..) = filled(dir.path());
    let e = Catalog::create_or_open(dir.path()).unwrap_err();
    assert!(matches!(e, CatalogError::Busy { .. }), "{e}");
    let holder = format!("process {}", std::process::id());
    assert!(e.to_string().contains(&holder), "{e}");
    assert!(Catalog::open(dir.path()).is_ok());
    drop(catalog);
    assert!(Catalog::create_or_open(dir.path()).is_ok());
}

#[test]
fn removing_a_video_removes_its_vectors() {
    let dir = tempfile::tempdir().unwrap();
    let (mut catalog, model, video) = filled(dir.path());
    catalog.remove_videos(&[video]).unwrap();
    assert_eq!(shown_vectors(&catalog, model), 0);
    assert!(catalog.moment_of(VectorId(1)).unwrap().is_none());
    assert_eq!(catalog.generation().unwrap(), Generation(2));
}

#[test]
fn a_path_that_is_not_unicode_comes_back_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let mut catalog = Catalog::create_or_open(dir.path()).unwrap();
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"/v/\xff'\n.mp4"));
    let id = catalog.begin_video(odd, STAMP, "s").unwrap();
    assert_eq!(catalog.video(id).unwrap().unwrap().path, odd);
}

#[test]
fn a_newer_library_is_refused_by_readers_and_writers() {
    let dir = tempfile::tempdir().unwrap();
    let (catalog, ..) = filled(dir.path());
    catalog.db.pragma_update(None, "user_version", 99).unwrap();
    drop(catalog);
    let read = Catalog::open(dir.path()).unwrap_err();
    let write = Catalog::create_or_open(dir.path()).unwrap_err();
    assert!(matches!(read, CatalogError::Newer { found: 99, .. }));
    assert!(matches!(write, CatalogError::Newer { found: 99, .. }));
}

#[test]
fn a_file_that_is_no_catalogue_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join(FILE),
        "not a database, but long enough to be one",
    )
    .unwrap();
    let e = Catalog::open(dir.path()).unwrap_err();
    assert!(matches!(e, CatalogError::Damaged { .. }), "{e}");
    let e = Catalog::create_or_open(dir.path()).unwrap_err();
    assert!(matches!(e, CatalogError::Damaged { .. }), "{e}");
}

#[test]
fn an_immutable_copy_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let db = immutable(&dir.path().join(FILE)).unwrap();
    let videos: i64 = db
        .query_row("SELECT count(*) FROM videos", [], |r| r.get(0))
        .unwrap();
    assert_eq!(videos, 1);
}

#[test]
fn the_migrations_hold_together() {
    Migrations::from_slice(MIGRATIONS).validate().unwrap();
}

#[test]
fn a_full_disk_keeps_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut catalog, model, video) = filled(dir.path());
    let pages: i64 = catalog
        .db
        .pragma_query_value(None, "page_count", |r| r.get(0))
        .unwrap();
    catalog
        .db
        .pragma_update(None, "max_page_count", pages)
        .unwrap();
    let many: Vec<NewMoment> = (0..5000).map(|i| moment(video, i)).collect();
    let error = catalog.add_moments(model, &many).unwrap_err();
    assert!(matches!(error, CatalogError::Full { .. }), "{error}");
    assert_eq!(shown_vectors(&catalog, model), 2);
    drop(catalog);
    let mut catalog = Catalog::create_or_open(dir.path()).unwrap();
    catalog.add_moments(model, &many).unwrap();
    assert_eq!(shown_vectors(&catalog, model), 5002);
}

/// Where the power fails, a log may end anywhere, with nonsense in its last sectors.
#[test]
fn a_torn_log_gives_whole_commits_up_to_where_it_tore() {
    let dir = tempfile::tempdir().unwrap();
    let (mut catalog, model, video) = filled(dir.path());
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    let all = catalog.db.query_row(checkpoint, [], |_| Ok(()));
    all.unwrap();
    for n in 0..10 {
        let three: Vec<NewMoment> = (0..3).map(|i| moment(video, n * 3 + i)).collect();
        catalog.add_moments(model, &three).unwrap();
    }
    let main = std::fs::read(dir.path().join(FILE)).unwrap();
    let log = std::fs::read(dir.path().join(format!("{FILE}-wal"))).unwrap();
    let mut found = std::collections::BTreeSet::new();
    for torn in (0..=log.len()).step_by(log.len() / 37) {
        let mut rest = log[..torn].to_vec();
        let sector = torn.saturating_sub(512);
        rest[sector..].iter_mut().for_each(|b| *b ^= 0x5a);
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join(FILE), &main).unwrap();
        std::fs::write(copy.path().join(format!("{FILE}-wal")), rest).unwrap();
        let catalog = Catalog::create_or_open(copy.path()).unwrap();
        let integrity = "PRAGMA integrity_check";
        let said: String = catalog.db.query_row(integrity, [], |r| r.get(0)).unwrap();
        assert_eq!(said, "ok");
        let generation = catalog.generation().unwrap().0;
        let vectors = shown_vectors(&catalog, model);
        // filled() is the first generation, with two; each commit after it adds three.
        assert_eq!(vectors as i64, 2 + 3 * (generation - 1));
        found.insert(generation);
    }
    assert!(found.len() > 3, "{found:?}");
}
