use std::path::Path;

use super::*;
use crate::types::{Embedding, TimeBase, Timestamp, VideoId};

const STAMP: FileStamp = FileStamp {
    size: 1,
    modified_ns: 1,
};
const FINGERPRINT: &str = "f00d";

const DIM: usize = 16;

/// A direction of its own for each `i`: nearest to itself by far.
fn vector(i: usize) -> Embedding {
    let hash = |d: usize| blake3::hash(format!("{i} {d}").as_bytes()).as_bytes()[0];
    let values = (0..DIM).map(|d| f32::from(hash(d)) - 127.5).collect();
    Embedding::normalised(values).unwrap()
}

fn add(writer: &mut Writer, path: &str, range: std::ops::Range<usize>) -> VideoId {
    let video = writer.begin_video(Path::new(path), STAMP, "s").unwrap();
    let at = |i: usize| Timestamp::new(i as i64, TimeBase::new(1, 1).unwrap());
    let moments: Vec<NewMoment> = range
        .map(|i| NewMoment {
            video,
            time: at(i),
            start: at(i),
            end: at(i + 1),
            vectors: vec![(None, vector(i))],
        })
        .collect();
    writer.commit(&moments).unwrap();
    writer
        .finish_video(video, None, &VideoRecord::default())
        .unwrap();
    video
}

/// Time of the nearest moment, and how a reader that stays open finds it.
fn nearest(dir: &Path, i: usize, keep: Option<&Keep>) -> (f64, Method) {
    let reader = Reader::open(dir).unwrap();
    let model = reader.model(FINGERPRINT).unwrap().unwrap();
    let ask = || {
        reader
            .neighbours((model, FINGERPRINT), &vector(i), 3, keep)
            .unwrap()
    };
    let (exact, method) = ask();
    assert_eq!(method, Method::Exact, "the first answer of a reader");
    let (found, method) = ask();
    assert_eq!(found[0].id, exact[0].id);
    let row = reader.moment_of(found[0].id).unwrap().unwrap();
    (row.time.seconds(), method)
}

#[test]
fn a_graph_is_used_while_it_is_current_and_only_then() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        Writer::open(dir.path(), "m", FINGERPRINT, DIM)
            .unwrap()
            .graph_from(100)
    };
    let mut writer = open();
    let first = add(&mut writer, "/a", 0..200);
    assert_eq!(nearest(dir.path(), 40, None), (40.0, Method::Exact));

    writer.catch_up().unwrap();
    assert_eq!(nearest(dir.path(), 40, None), (40.0, Method::Hnsw));

    add(&mut writer, "/b", 200..300);
    assert_eq!(nearest(dir.path(), 250, None), (250.0, Method::Exact));
    drop(writer);
    let mut writer = open();
    writer.catch_up().unwrap();
    assert_eq!(nearest(dir.path(), 250, None), (250.0, Method::Hnsw));

    // A filter is applied before ranking: the nearest that is left is found.
    let not_first = move |v: VideoId, _: f64, _: f64| v != first;
    let (time, method) = nearest(dir.path(), 40, Some(&not_first));
    assert!(time >= 200.0 && method == Method::Exact, "{time}");

    writer.remove_videos(&[first]).unwrap();
    assert_eq!(nearest(dir.path(), 250, None), (250.0, Method::Exact));
    writer.catch_up().unwrap();
    assert_eq!(nearest(dir.path(), 250, None), (250.0, Method::Hnsw));
    assert!(nearest(dir.path(), 40, None).0 >= 200.0);
}

#[test]
fn a_small_library_has_no_graph() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), "m", FINGERPRINT, DIM).unwrap();
    add(&mut writer, "/a", 0..50);
    writer.catch_up().unwrap();
    assert!(!dir.path().join("ann").exists());
    assert_eq!(nearest(dir.path(), 7, None), (7.0, Method::Exact));
}
