use super::*;
use crate::store::{FileStamp, Fingerprints, Known, NewModel, NewMoment, Reading, VideoRecord};
use crate::types::{
    Coverage, Embedding, Generation, ModelId, TimeBase, Timestamp, VectorId, VideoId,
};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const MODEL: NewModel = NewModel {
    name: "m",
    fingerprint: "f",
    dim: 2,
};

fn reading(policy: &str) -> Reading {
    Reading {
        policy: policy.into(),
        views: "center".into(),
    }
}

const STAMP: FileStamp = FileStamp {
    size: 7,
    modified_ns: 1,
};

fn moment(video: VideoId, ms: i64) -> NewMoment {
    let at = |ms| Timestamp::new(ms, TimeBase::new(1, 1000).unwrap());
    NewMoment {
        video,
        time: at(ms),
        start: at(ms),
        end: at(ms + 500),
        vectors: vec![(None, Embedding::normalised(vec![3.0, 4.0]).unwrap())],
        thumbnail: None,
        objects: None,
        lettering: None,
    }
}

fn filled(dir: &Path) -> (Catalog, ModelId, VideoId) {
    let mut catalog = Catalog::create_or_open(dir).unwrap();
    let model = catalog.model(MODEL).unwrap();
    let video = catalog
        .begin_video(Path::new("/a.mp4"), STAMP, &reading("s"))
        .unwrap();
    catalog
        .add_moments(model, &[moment(video, 0), moment(video, 500)])
        .unwrap();
    let record = VideoRecord {
        coverage: Coverage {
            frames: 2,
            ..Default::default()
        },
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
            count += usize::from(shown.contains(v.video.0 as u64));
        })
        .unwrap();
    count
}

#[test]
fn what_is_committed_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let (catalog, model, video) = filled(dir.path());
    // One of what it began with, which gives the session its token, and one of the vectors.
    assert_eq!(catalog.generation().unwrap(), Generation(2));
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
fn a_cameras_clock_is_put_right_for_good() {
    use crate::store::{CameraClock, FROM_FILE, Recorded, zone_from_text};
    let dir = tempfile::tempdir().unwrap();
    let (mut catalog, model, first) = filled(dir.path());
    let second = catalog
        .begin_video(Path::new("/b.mp4"), STAMP, &reading("s"))
        .unwrap();
    let told = |from: &str| Recorded {
        camera: Some("gate".into()),
        at_ms: Some(1_714_566_600_000),
        from: Some(from.into()),
        clock: Some("2024-05-01T12:30:00".into()),
        ..Default::default()
    };
    let time = |catalog: &Catalog, video| catalog.video(video).unwrap().unwrap().recorded_ms;
    catalog.set_recorded(&[(first, told("name"))]).unwrap();
    let clock = CameraClock {
        offset_ms: 1000,
        zone: zone_from_text("Europe/Berlin"),
    };
    let moved = catalog.set_clock("gate", &clock).unwrap();
    assert_eq!((moved.all, moved.by_clock, moved.zoneless), (1, 1, 1));
    let right = Some(1_714_559_401_000);
    assert_eq!(time(&catalog, first), right);
    let kept = catalog.recorded(Path::new("/a.mp4")).unwrap().unwrap();
    assert_eq!(kept.recorded, told("name"));
    assert_eq!(catalog.cameras().unwrap()[0].clock, clock);
    // One that comes later, and one of which only the file tells.
    let record = VideoRecord {
        recorded: told("name"),
        ..Default::default()
    };
    catalog.finish_video(second, model, None, &record).unwrap();
    assert_eq!(time(&catalog, second), right);
    catalog.set_recorded(&[(second, told(FROM_FILE))]).unwrap();
    assert_eq!(time(&catalog, second), told(FROM_FILE).at_ms);
    // Said again, it is as it was.
    catalog.set_clock("gate", &clock).unwrap();
    assert_eq!(time(&catalog, first), right);
    catalog.set_clock("gate", &CameraClock::default()).unwrap();
    assert_eq!(time(&catalog, first), told("name").at_ms);
}

#[test]
fn a_file_is_current_until_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (mut catalog, model, _) = filled(dir.path());
    let mut known = |stamp, policy| {
        let path = Path::new("/a.mp4");
        catalog.known(path, stamp, &reading(policy), model).unwrap()
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
        .begin_video(Path::new("/a.mp4"), STAMP, &reading("s"))
        .unwrap();
    catalog.add_moments(model, &[moment(second, 0)]).unwrap();
    assert_eq!(count(&catalog), 2);
    assert_eq!(catalog.videos(true).unwrap()[0].id, first);
    // Interrupted, and begun once more.
    let third = catalog
        .begin_video(Path::new("/a.mp4"), STAMP, &reading("s"))
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
    assert!(matches!(e, StoreError::Busy { .. }), "{e}");
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
    assert_eq!(catalog.generation().unwrap(), Generation(3));
}

#[test]
fn a_path_that_is_not_unicode_comes_back_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let mut catalog = Catalog::create_or_open(dir.path()).unwrap();
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"/v/\xff'\n.mp4"));
    let id = catalog.begin_video(odd, STAMP, &reading("s")).unwrap();
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
    assert!(matches!(read, StoreError::Newer { found: 99, .. }));
    assert!(matches!(write, StoreError::Newer { found: 99, .. }));
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
    assert!(matches!(e, StoreError::Damaged { .. }), "{e}");
    let e = Catalog::create_or_open(dir.path()).unwrap_err();
    assert!(matches!(e, StoreError::Damaged { .. }), "{e}");
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
fn where_there_are_no_locks_nobody_writes() {
    let dir = tempfile::tempdir().unwrap();
    let unsupported = |_: &File| {
        let cause = std::io::Error::from(ErrorKind::Unsupported);
        Err(TryLockError::Error(cause))
    };
    let refused = lock_by(dir.path(), unsupported).unwrap_err();
    assert!(matches!(refused, StoreError::NoLocks { .. }), "{refused}");
    assert!(
        refused
            .to_string()
            .contains("two programs could write at once")
    );
}

/// The greatest ids are free again when their moments have been deleted; they must stay unused.
#[test]
fn ids_of_moments_are_never_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (mut catalog, model, video) = filled(dir.path());
    let last = catalog.last_moment().unwrap();
    catalog.remove_videos(&[video]).unwrap();
    drop(catalog);
    let mut catalog = Catalog::create_or_open(dir.path()).unwrap();
    let again = catalog
        .begin_video(Path::new("/b.mp4"), STAMP, &reading("s"))
        .unwrap();
    catalog.add_moments(model, &[moment(again, 0)]).unwrap();
    let row = catalog.moments_between(again, (0.0, 9.0), 5).unwrap();
    assert!(row[0].moment.0 > last, "{:?} after {last}", row[0].moment);
}

fn pictured(video: VideoId, ms: i64, picture: &[u8]) -> NewMoment {
    NewMoment {
        thumbnail: Some(picture.to_vec()),
        objects: None,
        ..moment(video, ms)
    }
}

fn pictures(catalog: &Catalog) -> Vec<Vec<u8>> {
    let each = (1..=catalog.last_moment().unwrap()).map(crate::types::MomentId);
    let thumbnails = catalog.thumbnails().unwrap();
    each.filter_map(|id| thumbnails.of(id)).collect()
}

/// Pictures lie in a file of their own: killed between the two commits, or put back from a copy, no moment
/// shows another one's picture.
#[test]
fn no_moment_shows_the_picture_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let (mut catalog, model, video) = filled(dir.path());
    catalog
        .add_moments(model, &[pictured(video, 0, b"first")])
        .unwrap();
    let copy = tempfile::tempdir().unwrap();
    catalog.backup(copy.path()).unwrap();
    catalog
        .add_moments(model, &[pictured(video, 500, b"second")])
        .unwrap();
    assert_eq!(pictures(&catalog), [b"first".to_vec(), b"second".to_vec()]);
    drop(catalog);

    // The catalogue alone is put back: pictures of later moments go before their ids are given again.
    std::fs::copy(copy.path().join(FILE), dir.path().join(FILE)).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.path().join(format!("{FILE}{end}")));
    }
    let mut catalog = Catalog::create_or_open(dir.path()).unwrap();
    // Killed before its picture was kept.
    let thumbnails = catalog.thumbnails.take();
    catalog.add_moments(model, &[moment(video, 900)]).unwrap();
    catalog.thumbnails = thumbnails;
    assert_eq!(pictures(&catalog), [b"first".to_vec()]);
    drop(catalog);

    // The file of another library shows nothing.
    let other = tempfile::tempdir().unwrap();
    let (mut stranger, model, video) = filled(other.path());
    stranger
        .add_moments(model, &[pictured(video, 0, b"foreign")])
        .unwrap();
    drop(stranger);
    std::fs::copy(
        other.path().join("thumbnails.sqlite"),
        dir.path().join("thumbnails.sqlite"),
    )
    .unwrap();
    assert!(Catalog::open(dir.path()).unwrap().thumbnails().is_none());
    let catalog = Catalog::create_or_open(dir.path()).unwrap();
    assert!(pictures(&catalog).is_empty());
}

/// A derived file knows of which history it is, not only of which generation.
#[test]
fn a_library_knows_its_own_history() {
    let dir = tempfile::tempdir().unwrap();
    let (mut catalog, model, video) = filled(dir.path());
    let copy = tempfile::tempdir().unwrap();
    catalog.backup(copy.path()).unwrap();
    let common = catalog.origin().unwrap();
    catalog.add_moments(model, &[moment(video, 1000)]).unwrap();
    let later = catalog.origin().unwrap();
    assert!(catalog.knows(&common).unwrap() && catalog.knows(&later).unwrap());

    // The copy goes another way, up to the same generation and on.
    let mut copied = Catalog::create_or_open(copy.path()).unwrap();
    assert!(copied.knows(&common).unwrap() && !copied.knows(&later).unwrap());
    for ms in [2000, 3000] {
        copied.add_moments(model, &[moment(video, ms)]).unwrap();
        assert!(copied.knows(&common).unwrap() && !copied.knows(&later).unwrap());
    }
    let other = copied.origin().unwrap();
    assert!(other.generation > later.generation && !catalog.knows(&other).unwrap());
    let earlier_format = crate::store::sqlite::vectors::Origin {
        generation: 0,
        token: String::new(),
    };
    assert!(catalog.knows(&earlier_format).unwrap());
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
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
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
        // filled() is the second generation, with two; each commit after it adds three.
        assert_eq!(vectors as i64, 2 + 3 * (generation - 2));
        found.insert(generation);
    }
    assert!(found.len() > 3, "{found:?}");
}

/// The steps of SQLite's virtual machine that `work` takes, in hundreds.
fn steps(catalog: &mut Catalog, work: impl FnOnce(&mut Catalog)) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let step = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        false
    };
    catalog.db.progress_handler(100, Some(step)).unwrap();
    work(catalog);
    catalog
        .db
        .progress_handler(0, None::<fn() -> bool>)
        .unwrap();
    count.load(Ordering::Relaxed)
}

#[test]
fn asking_for_one_file_costs_nothing_for_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let (mut catalog, model, _) = filled(dir.path());
    let ask = |catalog: &mut Catalog| {
        let known = catalog.known(Path::new("/a.mp4"), STAMP, &reading("s"), model);
        assert_eq!(known.unwrap(), Some(Known::Whole));
    };
    let alone = steps(&mut catalog, ask);
    let other = catalog
        .begin_video(Path::new("/b.mp4"), STAMP, &reading("s"))
        .unwrap();
    let moments: Vec<NewMoment> = (0..5000).map(|n| moment(other, 500 * n)).collect();
    catalog.add_moments(model, &moments).unwrap();
    let record = VideoRecord::default();
    catalog.finish_video(other, model, None, &record).unwrap();
    assert!(steps(&mut catalog, ask) <= alone + 5);
    // Every moment is looked at once, and no vector more than once.
    let none = Fingerprints::default();
    let lacking = |catalog: &mut Catalog| assert!(catalog.lacking(model, none).unwrap().is_empty());
    assert!(steps(&mut catalog, lacking) < 5000);
}
