use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::types::{Embedding, TimeBase, Timestamp, VideoId};

const STAMP: FileStamp = FileStamp {
    size: 1,
    modified_ns: 1,
};
const FINGERPRINT: &str = "f00d";
const DIM: usize = 16;
static NEVER: AtomicBool = AtomicBool::new(false);
static GO: GraphProgress = GraphProgress {
    report: &|_, _| {},
    stop: &NEVER,
};

/// A direction of its own for each `i`: nearest to itself by far.
fn vector(i: usize) -> Embedding {
    let hash = |d: usize| blake3::hash(format!("{i} {d}").as_bytes()).as_bytes()[0];
    let values = (0..DIM).map(|d| f32::from(hash(d)) - 127.5).collect();
    Embedding::normalised(values).unwrap()
}

fn open(dir: &Path) -> Writer {
    Writer::open(dir, "m", FINGERPRINT, DIM).unwrap()
}

fn begin(writer: &mut Writer, path: &str, range: std::ops::Range<usize>) -> VideoId {
    let video = writer.begin_video(Path::new(path), STAMP, "s").unwrap();
    let at = |i: usize| Timestamp::new(i as i64, TimeBase::new(1, 1).unwrap());
    let moments: Vec<NewMoment> = range
        .map(|i| NewMoment {
            video,
            time: at(i),
            start: at(i),
            end: at(i + 1),
            vectors: vec![(None, vector(i))],
            thumbnail: None,
        })
        .collect();
    writer.commit(&moments).unwrap();
    video
}

fn add(writer: &mut Writer, path: &str, range: std::ops::Range<usize>) -> VideoId {
    let video = begin(writer, path, range);
    writer
        .finish_video(video, None, &VideoRecord::default())
        .unwrap();
    video
}

/// Time of the moment nearest to `i`, how it was found, and among how many.
fn nearest(reader: &Reader, i: usize, filter: Option<&Filter>) -> (f64, Method, usize) {
    let model = reader.model(FINGERPRINT).unwrap().unwrap();
    let found = reader.neighbours(&model, &vector(i), 3, filter).unwrap();
    let row = reader.moment_of(found.neighbours[0].id).unwrap().unwrap();
    (row.time.seconds(), found.method, found.among)
}

fn grow(dir: &Path) {
    grow_graph(dir, (FINGERPRINT, DIM), 100, &GO).unwrap();
}

#[test]
fn what_is_derived_never_hides_or_keeps_what_the_catalogue_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let first = add(&mut writer, "/a", 0..200);
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(nearest(&reader, 40, None), (40.0, Method::Exact, 200));

    // Caught up, and grown beyond: a reader that stays open sees all of it.
    writer.catch_up().unwrap();
    assert_eq!(nearest(&reader, 40, None), (40.0, Method::Exact, 200));
    add(&mut writer, "/b", 200..300);
    assert_eq!(nearest(&reader, 250, None), (250.0, Method::Exact, 300));
    writer.catch_up().unwrap();
    grow(dir.path());
    assert_eq!(nearest(&reader, 250, None).0, 250.0);

    // A filter is applied before ranking: the nearest that is left is found.
    let model = reader.model(FINGERPRINT).unwrap().unwrap();
    let only = |videos: HashSet<VideoId>, moments: bool| Filter {
        videos,
        moments: moments.then(|| {
            let early: std::sync::Arc<Holds> = std::sync::Arc::new(|_, start, _| start < 250.0);
            early
        }),
    };
    let mut videos: HashSet<VideoId> = reader.videos().unwrap().iter().map(|v| v.id).collect();
    videos.remove(&first);
    let (time, _, among) = nearest(&reader, 40, Some(&only(videos.clone(), false)));
    assert!(time >= 200.0 && among == 100, "{time}");
    let (time, _, among) = nearest(&reader, 270, Some(&only(videos, true)));
    assert!((200.0..250.0).contains(&time) && among == 50, "{time}");

    // Another reading of a file counts when it is whole.
    let again = begin(&mut writer, "/b", 400..450);
    writer.catch_up().unwrap();
    assert_eq!(reader.vector_count(&model).unwrap(), 300);
    assert_ne!(nearest(&reader, 420, None).0, 420.0);
    writer
        .finish_video(again, None, &VideoRecord::default())
        .unwrap();
    assert_eq!(nearest(&reader, 420, None), (420.0, Method::Exact, 250));

    writer.remove_videos(&[first]).unwrap();
    assert_eq!(reader.vector_count(&model).unwrap(), 50);
    assert!(nearest(&reader, 40, None).0 >= 400.0);
    // Most of the file belongs to nothing any more: it is made anew.
    writer.catch_up().unwrap();
    assert_eq!(nearest(&reader, 420, None), (420.0, Method::Exact, 50));
    assert_eq!(
        Reader::open(dir.path())
            .unwrap()
            .vector_count(&model)
            .unwrap(),
        50
    );
}

#[test]
fn a_continued_reading_keeps_its_first_moments() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let first = add(&mut writer, "/a", 0..20);
    writer.catch_up().unwrap();
    let more = begin(&mut writer, "/a", 20..30);
    writer
        .finish_video(more, Some(first), &VideoRecord::default())
        .unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(nearest(&reader, 5, None), (5.0, Method::Exact, 30));
    assert_eq!(nearest(&reader, 25, None), (25.0, Method::Exact, 30));
}

#[test]
fn the_graph_answers_where_it_is_quicker() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let count = 40_000;
    add(&mut writer, "/a", 0..count);
    writer.catch_up().unwrap();
    grow(dir.path());
    add(&mut writer, "/b", count..count + 50);
    let reader = Reader::open(dir.path()).unwrap();
    let model = reader.model(FINGERPRINT).unwrap().unwrap();
    let exact = Reader::open(dir.path()).unwrap().exact(true);
    for i in [7, 39_000, count + 20] {
        let (near, all) = (nearest(&reader, i, None), nearest(&exact, i, None));
        assert_eq!((near.0, near.1), (i as f64, Method::Hnsw));
        assert_eq!((all.0, all.1), (i as f64, Method::Exact));
    }
    let error = reader.neighbours(
        &model,
        &Embedding::normalised(vec![1.0; 8]).unwrap(),
        3,
        None,
    );
    assert!(matches!(
        error,
        Err(IndexError::OtherLength {
            held: DIM,
            found: 8,
            ..
        })
    ));
}

#[test]
fn a_catalogue_put_back_from_a_copy_is_not_answered_from_later_files() {
    let dir = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    add(&mut writer, "/a", 0..20);
    Reader::open(dir.path())
        .unwrap()
        .backup(&copy.path().join("b"))
        .unwrap();
    add(&mut writer, "/b", 20..40);
    add(&mut writer, "/c", 40..60);
    writer.catch_up().unwrap();
    drop(writer);
    for file in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.path().join(file));
    }
    let from = copy.path().join("b").join("catalog.sqlite");
    std::fs::copy(from, dir.path().join("catalog.sqlite")).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(nearest(&reader, 5, None).2, 20);
    let mut writer = open(dir.path());
    add(&mut writer, "/d", 100..120);
    assert_eq!(nearest(&reader, 110, None), (110.0, Method::Exact, 40));
    writer.catch_up().unwrap();
    assert_eq!(nearest(&reader, 110, None), (110.0, Method::Exact, 40));
    assert!(check(dir.path()).unwrap().is_empty());
}

#[test]
fn a_second_model_is_refused_until_it_has_all() {
    let dir = tempfile::tempdir().unwrap();
    add(&mut open(dir.path()), "/a", 0..20);
    let other = Writer::open(dir.path(), "n", "beef", 8);
    assert!(matches!(other, Err(IndexError::OtherModel { .. })));
    let mut beside = Writer::open_beside(dir.path(), "n", "beef", 8).unwrap();
    let lacking = beside.lacking().unwrap();
    assert_eq!((lacking.len(), lacking[0].moments.len()), (1, 20));
    let both: Vec<_> = lacking[0].moments.iter().map(|(id, _)| *id).collect();
    let short =
        |i: usize| Embedding::normalised(vec![1.0 + i as f32, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let vectors = |i: usize| vec![(None, short(i).unwrap())];
    let new: Vec<_> = both
        .iter()
        .enumerate()
        .map(|(i, id)| (*id, vectors(i)))
        .collect();
    beside.add_vectors(&new).unwrap();
    assert!(beside.lacking().unwrap().is_empty());
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.model_names().unwrap(), ["m", "n"]);
    beside
        .answer(|sampling| sampling.replace('s', "t"))
        .unwrap();
    assert_eq!(reader.model_names().unwrap(), ["n", "m"]);
    assert_eq!(nearest(&reader, 5, None), (5.0, Method::Exact, 20));
    drop(beside);
    let mut writer = Writer::open(dir.path(), "n", "beef", 8).unwrap();
    assert_eq!(
        writer.known(Path::new("/a"), STAMP, "t").unwrap(),
        Some(Known::Whole)
    );
    writer.prune_models().unwrap();
    assert_eq!(reader.model_names().unwrap(), ["n"]);
}
