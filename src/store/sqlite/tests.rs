use std::path::Path;
use std::sync::atomic::AtomicBool;

use jiff::tz::TimeZone;

use super::*;
use crate::store::{
    FileStamp, Filter, Fingerprints, Known, LackingMoment, LaterSeen, Method, NewMoment, NewText,
    ObjectFilter, ReadLettering, Reading, Recorded, Searched, SeenObjects, Selection, TextKind,
    VideoRecord,
};
use crate::types::{
    Claim, Class, Colour, Colours, Embedding, Object, Region, TextLine, TimeBase, Timestamp,
    VideoId,
};

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

fn reading(policy: &str) -> Reading {
    Reading {
        policy: policy.into(),
        views: "center".into(),
    }
}

fn named<'a>(name: &'a str, fingerprint: &'a str, dim: usize) -> NewModel<'a> {
    NewModel {
        name,
        fingerprint,
        dim,
    }
}

/// A direction of its own for each `i`: nearest to itself by far.
fn vector(i: usize) -> Embedding {
    let hash = |d: usize| blake3::hash(format!("{i} {d}").as_bytes()).as_bytes()[0];
    let values = (0..DIM).map(|d| f32::from(hash(d)) - 127.5).collect();
    Embedding::normalised(values).unwrap()
}

fn open(dir: &Path) -> ModelWriter {
    let model = named("m", FINGERPRINT, DIM);
    Library::at(dir).model_writer(model).unwrap()
}

fn read(dir: &Path) -> Reader {
    Library::at(dir).reader().unwrap()
}

fn begin(writer: &mut ModelWriter, path: &str, range: std::ops::Range<usize>) -> VideoId {
    let video = writer
        .begin_video(Path::new(path), STAMP, &reading("s"))
        .unwrap();
    let at = |i: usize| Timestamp::new(i as i64, TimeBase::new(1, 1).unwrap());
    let moments: Vec<NewMoment> = range
        .map(|i| NewMoment {
            video,
            time: at(i),
            start: at(i),
            end: at(i + 1),
            vectors: vec![(None, vector(i))],
            thumbnail: None,
            objects: None,
            lettering: None,
        })
        .collect();
    writer.commit(&moments).unwrap();
    video
}

fn add(writer: &mut ModelWriter, path: &str, range: std::ops::Range<usize>) -> VideoId {
    let video = begin(writer, path, range);
    writer.finish_video(video, None, &recorded()).unwrap();
    video
}

/// Recorded at the epoch.
fn recorded() -> VideoRecord {
    VideoRecord {
        recorded: Recorded {
            at_ms: Some(0),
            ..Default::default()
        },
        coverage: crate::types::Coverage {
            read_to: Some(1e6),
            ..Default::default()
        },
        ..Default::default()
    }
}

/// Time of the moment nearest to `i`, how it was found, and among how many.
fn nearest(reader: &Reader, i: usize, filter: Option<&Filter>) -> (f64, Method, usize) {
    nearest_by(reader, i, filter, false)
}

fn nearest_by(
    reader: &Reader,
    i: usize,
    filter: Option<&Filter>,
    exact: bool,
) -> (f64, Method, usize) {
    let model = reader.model(FINGERPRINT).unwrap().unwrap();
    let everything = Filter::everything(TimeZone::UTC);
    let selection = reader.select(filter.unwrap_or(&everything)).unwrap();
    let found = reader
        .neighbours(&model, &vector(i), 3, &selection, exact)
        .unwrap();
    let id = found.neighbours[0].id;
    let row = reader.moments_of(&[id]).unwrap().remove(&id).unwrap();
    (row.time.seconds(), found.method, found.among)
}

fn grow(dir: &Path) {
    let library = Library::at(dir);
    library.grow_graph((FINGERPRINT, DIM), 100, &GO).unwrap();
}

#[test]
fn what_is_derived_never_hides_or_keeps_what_the_catalogue_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let first = add(&mut writer, "/a", 0..200);
    let reader = read(dir.path());
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
    let everything = || Filter::everything(TimeZone::UTC);
    let only_b = everything().only(Path::new("/b")).unwrap();
    let (time, _, among) = nearest(&reader, 40, Some(&only_b));
    assert!(time >= 200.0 && among == 100, "{time}");
    // Recorded at the epoch: moments that begin before 250 s.
    let early = Filter {
        before: Some(250_000),
        ..only_b
    };
    let (time, _, among) = nearest(&reader, 270, Some(&early));
    assert!((200.0..250.0).contains(&time) && among == 50, "{time}");

    // Another reading of a file counts when it is whole.
    let again = begin(&mut writer, "/b", 400..450);
    writer.catch_up().unwrap();
    assert_eq!(reader.vector_count(&model).unwrap(), 300);
    assert_ne!(nearest(&reader, 420, None).0, 420.0);
    writer.finish_video(again, None, &recorded()).unwrap();
    assert_eq!(nearest(&reader, 420, None), (420.0, Method::Exact, 250));

    writer.remove_videos(&[first]).unwrap();
    assert_eq!(reader.vector_count(&model).unwrap(), 50);
    assert!(nearest(&reader, 40, None).0 >= 400.0);
    // Most of the file belongs to nothing any more: it is rebuilt.
    writer.catch_up().unwrap();
    assert_eq!(nearest(&reader, 420, None), (420.0, Method::Exact, 50));
    assert_eq!(read(dir.path()).vector_count(&model).unwrap(), 50);
}

#[test]
fn a_continued_reading_keeps_its_first_moments() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let first = add(&mut writer, "/a", 0..20);
    writer.catch_up().unwrap();
    let more = begin(&mut writer, "/a", 20..30);
    writer.finish_video(more, Some(first), &recorded()).unwrap();
    let reader = read(dir.path());
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
    let reader = read(dir.path());
    let model = reader.model(FINGERPRINT).unwrap().unwrap();
    for i in [7, 39_000, count + 20] {
        let (near, all) = (
            nearest(&reader, i, None),
            nearest_by(&reader, i, None, true),
        );
        assert_eq!((near.0, near.1), (i as f64, Method::Hnsw));
        assert_eq!((all.0, all.1), (i as f64, Method::Exact));
    }
    let short = Embedding::normalised(vec![1.0; 8]).unwrap();
    let all = reader.select(&Filter::everything(TimeZone::UTC)).unwrap();
    let error = reader.neighbours(&model, &short, 3, &all, false);
    assert!(matches!(
        error,
        Err(StoreError::OtherLength {
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
    read(dir.path()).backup(&copy.path().join("b")).unwrap();
    add(&mut writer, "/b", 20..40);
    add(&mut writer, "/c", 40..60);
    writer.catch_up().unwrap();
    drop(writer);
    for file in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.path().join(file));
    }
    let from = copy.path().join("b").join("catalog.sqlite");
    std::fs::copy(from, dir.path().join("catalog.sqlite")).unwrap();
    let reader = read(dir.path());
    assert_eq!(nearest(&reader, 5, None).2, 20);
    let mut writer = open(dir.path());
    add(&mut writer, "/d", 100..120);
    assert_eq!(nearest(&reader, 110, None), (110.0, Method::Exact, 40));
    writer.catch_up().unwrap();
    assert_eq!(nearest(&reader, 110, None), (110.0, Method::Exact, 40));
    assert!(Library::at(dir.path()).check().unwrap().is_empty());
}

#[test]
fn a_second_model_is_refused_until_it_has_all() {
    let dir = tempfile::tempdir().unwrap();
    add(&mut open(dir.path()), "/a", 0..20);
    let library = Library::at(dir.path());
    let other = library.model_writer(named("n", "beef", 8));
    assert!(matches!(other, Err(StoreError::OtherModel { .. })));
    let mut beside = library.model_writer_beside(named("n", "beef", 8)).unwrap();
    let lacking = beside.lacking(Fingerprints::default()).unwrap();
    assert_eq!((lacking.len(), lacking[0].moments.len()), (1, 20));
    let both: Vec<_> = lacking[0].moments.iter().map(|m| m.moment).collect();
    let short =
        |i: usize| Embedding::normalised(vec![1.0 + i as f32, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let vectors = |i: usize| vec![(None, short(i).unwrap())];
    let new: Vec<_> = both
        .iter()
        .enumerate()
        .map(|(i, id)| LaterSeen {
            moment: *id,
            vectors: vectors(i),
            objects: None,
            lettering: None,
        })
        .collect();
    beside.add_seen(&new).unwrap();
    assert!(beside.lacking(Fingerprints::default()).unwrap().is_empty());
    let reader = read(dir.path());
    assert_eq!(reader.model_names().unwrap(), ["m", "n"]);
    beside.answer("cover").unwrap();
    assert_eq!(reader.model_names().unwrap(), ["n", "m"]);
    assert_eq!(nearest(&reader, 5, None), (5.0, Method::Exact, 20));
    drop(beside);
    let mut writer = library.model_writer(named("n", "beef", 8)).unwrap();
    let covered = Reading {
        views: "cover".into(),
        ..reading("s")
    };
    assert_eq!(
        writer.known(Path::new("/a"), STAMP, &covered).unwrap(),
        Some(Known::Whole)
    );
    writer.prune_models().unwrap();
    assert_eq!(reader.model_names().unwrap(), ["n"]);
}

/// What it costs to catch up is what has changed: nothing is written where nothing has.
#[test]
fn catching_up_costs_what_changed() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    for n in 0..40 {
        add(&mut writer, &format!("/clip {n}.mp4"), n..n + 1);
    }
    writer.catch_up().unwrap();
    let files = || {
        let mut files = Vec::new();
        for folder in ["text", "vectors/f00d"] {
            for file in dir.path().join(folder).read_dir().unwrap().flatten() {
                let metadata = file.metadata().unwrap();
                files.push((file.path(), metadata.len(), metadata.modified().unwrap()));
            }
        }
        files.sort();
        files
    };
    let before = files();
    writer.catch_up().unwrap();
    assert_eq!(files(), before, "nothing had changed");

    // One note tells the words of one video.
    let catalog = || read(dir.path());
    drop(writer);
    let mut writer = Library::at(dir.path()).writer().unwrap();
    writer
        .add_note(Path::new("/clip 7.mp4"), Some(3.0), "an elephant")
        .unwrap();
    let change = writer.catalog.words_change().unwrap();
    let changed = writer.catalog.words_changed_since(change - 1).unwrap();
    assert_eq!(changed.len(), 1);
    writer.catch_up().unwrap();
    let all = |reader: &Reader| reader.select(&Filter::everything(TimeZone::UTC)).unwrap();
    let found = |words: &str| {
        let reader = catalog();
        reader.words(words, 10, &all(&reader)).unwrap()
    };
    assert_eq!(found("elephant")[0].passage.video, changed[0]);
    assert_eq!(found("clip").len(), 10);
    assert_eq!(found("mp").len(), 10);
    let id = catalog().notes().unwrap()[0].id;
    assert!(writer.remove_note(id).unwrap());
    writer.catch_up().unwrap();
    assert!(found("elephant").is_empty());
    // A video that goes takes its words along.
    writer.remove_videos(&changed).unwrap();
    writer.catch_up().unwrap();
    let reader = catalog();
    let left = reader.words("clip", 100, &all(&reader)).unwrap();
    assert!(left.len() == 39 && left.iter().all(|m| m.passage.video != changed[0]));
}

#[test]
fn subtitles_are_words_of_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let video = begin(&mut writer, "/a", 0..2);
    let text = |kind, span, text: &str| NewText {
        kind,
        span,
        text: text.into(),
    };
    let record = VideoRecord {
        texts: vec![
            text(TextKind::Tag, None, "holiday"),
            text(TextKind::Track, Some((1.0, 2.0)), "a zebra"),
            text(TextKind::File, Some((5.0, 6.0)), "a giraffe"),
        ],
        ..recorded()
    };
    writer.finish_video(video, None, &record).unwrap();
    writer.catch_up().unwrap();
    let reader = read(dir.path());
    let all = reader.select(&Filter::everything(TimeZone::UTC)).unwrap();
    let span = |words: &str| {
        let found = reader.words(words, 10, &all).unwrap();
        (found.len(), found[0].passage.span)
    };
    assert_eq!(span("holiday"), (1, None));
    assert_eq!(span("zebra"), (1, Some((1.0, 2.0))));
    assert_eq!(span("giraffe"), (1, Some((5.0, 6.0))));
    assert_eq!(all.searched.videos, 1);
}

/// Puts the catalogue back to a copy that was made of it.
fn put_back(dir: &Path, copy: &Path) {
    for file in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.join(file));
    }
    std::fs::copy(copy.join("catalog.sqlite"), dir.join("catalog.sqlite")).unwrap();
}

/// Ids are given again after a copy is put back: what was derived holds other vectors under them.
#[test]
fn repair_takes_no_vector_from_another_history() {
    let dir = tempfile::tempdir().unwrap();
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("b");
    let mut writer = open(dir.path());
    add(&mut writer, "/a", 0..20);
    read(dir.path()).backup(&copy).unwrap();
    add(&mut writer, "/b", 20..40);
    writer.catch_up().unwrap();
    drop(writer);
    put_back(dir.path(), &copy);
    // It ends before it has caught up.
    add(&mut open(dir.path()), "/d", 100..120);
    let library = Library::at(dir.path());
    assert!(library.check().unwrap().is_empty());
    library.repair().unwrap();
    let reader = read(dir.path());
    for i in [5, 105, 119] {
        assert_eq!(nearest(&reader, i, None), (i as f64, Method::Exact, 40));
    }
    assert!(library.check().unwrap().is_empty());
}

/// Files of earlier formats name no history.
#[test]
fn a_file_that_names_no_history_counts_only_for_what_came_before_it() {
    let dir = tempfile::tempdir().unwrap();
    add(&mut open(dir.path()), "/a", 0..20);
    let writer = Library::at(dir.path()).writer().unwrap();
    let known = |generation| {
        let token = String::new();
        let origin = vectors::Origin { generation, token };
        writer.catalog.knows(&origin).unwrap()
    };
    let now = writer.catalog.origin().unwrap().generation;
    assert!(now > 1 && known(0) && (1..=now + 1).all(|later| !known(later)));
}

/// A file that goes on behind a damaged last block would give the damage a checksum.
#[test]
fn a_damaged_end_is_not_built_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    add(&mut writer, "/a", 0..20);
    writer.catch_up().unwrap();
    let file = dir.path().join("vectors/f00d/vectors.0");
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let path = dir.path().join("vectors/f00d");
    let appender = vectors::Appender::open(&path, DIM, 0).unwrap();
    assert_eq!(appender.last_id().0, 0, "it begins again");
    drop(appender);
    add(&mut writer, "/b", 20..40);
    writer.catch_up().unwrap();
    assert!(Library::at(dir.path()).check().unwrap().is_empty());
}

/// The index of words is caught up after the catalogue, at the same generation.
#[test]
fn a_reader_that_stays_open_sees_words_once_they_are_caught_up() {
    let dir = tempfile::tempdir().unwrap();
    add(&mut open(dir.path()), "/a.mp4", 0..20);
    let mut writer = Library::at(dir.path()).writer().unwrap();
    writer.catch_up().unwrap();
    let reader = read(dir.path());
    let all = reader.select(&Filter::everything(TimeZone::UTC)).unwrap();
    let found = || reader.words("elephant", 10, &all).unwrap().len();
    writer
        .add_note(Path::new("/a.mp4"), None, "an elephant")
        .unwrap();
    assert_eq!(found(), 0);
    writer.catch_up().unwrap();
    assert_eq!(found(), 1);
}

/// A thing, by its class and main colour.
fn thing(class: &str, score: f32, colour: Colour) -> Object {
    let shares = Some(vec![(colour, 0.8), (Colour::Grey, 0.2)]);
    let class: Class = class.parse().unwrap();
    let colours = match class == Class::PERSON {
        true => Colours {
            upper: shares,
            ..Colours::default()
        },
        false => Colours {
            whole: shares,
            ..Colours::default()
        },
    };
    Object {
        class,
        score,
        region: Region::new(1, 2, 30, 40),
        colours,
    }
}

fn seen(detector: &str, objects: Vec<Object>, of_things: usize) -> SeenObjects {
    let region = Some(Region::new(1, 2, 30, 40));
    SeenObjects {
        detector: detector.into(),
        vectors: objects
            .iter()
            .map(|_| (region, vector(of_things)))
            .collect(),
        objects,
    }
}

/// Ten moments: a red car in each even one, three people in the fifth; nobody has looked at the last.
fn with_things(writer: &mut ModelWriter) -> VideoId {
    let at = |i: usize| Timestamp::new(i as i64, TimeBase::new(1, 1).unwrap());
    let video = begin(writer, "/things", 0..0);
    let objects = |i: usize| match i {
        5 => vec![thing("person", 0.5, Colour::Blue); 3],
        i if i % 2 == 0 => vec![thing("car", 0.9 - 0.05 * i as f32, Colour::Red)],
        _ => Vec::new(),
    };
    let moments: Vec<NewMoment> = (0..10)
        .map(|i| NewMoment {
            video,
            time: at(i),
            start: at(i),
            end: at(i + 1),
            vectors: vec![(None, vector(i))],
            thumbnail: None,
            objects: (i < 9).then(|| seen("d", objects(i), 100 + i)),
            lettering: None,
        })
        .collect();
    writer.commit(&moments).unwrap();
    writer.finish_video(video, None, &recorded()).unwrap();
    video
}

#[test]
fn moments_are_left_by_what_is_seen_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    with_things(&mut writer);
    let filter = |objects: &[ObjectFilter]| Filter {
        objects: objects.to_vec(),
        ..Filter::everything(TimeZone::UTC)
    };
    let object = |text: &str| ObjectFilter::parse(text).unwrap();
    let count = |text: &str| ObjectFilter::parse_count(text).unwrap();
    // Vectors in scope: of each moment one of the frame and one of each thing.
    for caught_up in [false, true] {
        if caught_up {
            writer.catch_up().unwrap();
        }
        let reader = read(dir.path());
        for (conditions, vectors) in [
            (vec![object("car")], 10),
            (vec![object("car=red")], 10),
            (vec![object("car=white")], 0),
            // A third of it at least: the share of grey is less.
            (vec![object("car=grey")], 0),
            (vec![object("person upper=blue")], 4),
            (vec![count("person>=3")], 4),
            (vec![count("person>=4")], 0),
            (vec![count("car=0")], 7),
            (vec![count("car=0"), count("person=0")], 3),
        ] {
            let filter = filter(&conditions);
            let selection = reader.select(&filter).unwrap();
            assert_eq!(selection.searched.unlooked, 1);
            let model = reader.model(FINGERPRINT).unwrap().unwrap();
            let found = reader.neighbours(&model, &vector(4), 20, &selection, false);
            let found = found.unwrap();
            assert_eq!(
                (found.among, found.neighbours.len()),
                (vectors, vectors),
                "{conditions:?}, caught up: {caught_up}"
            );
        }
    }
    let reader = read(dir.path());
    let counts = reader.object_counts().unwrap();
    let told: Vec<_> = counts
        .iter()
        .map(|c| (c.class.as_str(), c.objects, c.moments))
        .collect();
    assert_eq!(told, [("car", 5, 5), ("person", 3, 1)]);
}

#[test]
fn the_surest_things_bear_a_claim_out_first() {
    let dir = tempfile::tempdir().unwrap();
    with_things(&mut open(dir.path()));
    let reader = read(dir.path());
    let selection = reader.select(&Filter::everything(TimeZone::UTC)).unwrap();
    let red = Claim {
        colour: Some(Colour::Red),
        ..Claim::of(vec![Class::CAR])
    };
    let times = |claim: &Claim, limit| -> Vec<f64> {
        let found = reader.bearing_out(claim, &selection, limit).unwrap();
        found.iter().map(|(row, _)| row.time.seconds()).collect()
    };
    assert_eq!(times(&red, 3), [0.0, 2.0, 4.0]);
    assert_eq!(times(&Claim::of(vec![Class::PERSON]), 9), [5.0]);
    let white = Claim {
        colour: Some(Colour::White),
        ..red
    };
    assert_eq!(times(&white, 9), [0.0; 0]);
}

fn by(detector: &str) -> Fingerprints<'_> {
    Fingerprints {
        detector: Some(detector),
        ocr: None,
    }
}

#[test]
fn another_detector_looks_again_and_takes_the_place_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    with_things(&mut writer);
    let lacking = writer.lacking(by("d")).unwrap();
    let [last] = &lacking[0].moments[..] else {
        panic!("{lacking:?}");
    };
    assert!(last.embedded && last.time.seconds() == 9.0);
    let lacking = writer.lacking(by("e")).unwrap();
    let later: Vec<_> = lacking[0]
        .moments
        .iter()
        .map(|m| LaterSeen {
            moment: m.moment,
            vectors: Vec::new(),
            objects: Some(seen("e", vec![thing("dog", 0.5, Colour::Black)], 7)),
            lettering: None,
        })
        .collect();
    assert_eq!(later.len(), 10);
    writer.add_seen(&later).unwrap();
    assert!(writer.lacking(by("e")).unwrap().is_empty());
    writer.catch_up().unwrap();
    let reader = read(dir.path());
    let model = reader.model(FINGERPRINT).unwrap().unwrap();
    // One of each frame and one of each dog.
    assert_eq!(reader.vector_count(&model).unwrap(), 20);
    let counts = reader.object_counts().unwrap();
    assert_eq!((counts.len(), counts[0].class.as_str()), (1, "dog"));
    let moments: Vec<_> = lacking[0].moments.iter().map(|m| m.moment).collect();
    // A moment may be asked for twice: words found it and its picture.
    let objects = reader.objects_of(&[&moments[..], &moments[2..5]].concat());
    let dog = thing("dog", 0.5, Colour::Black);
    assert_eq!(objects.unwrap()[&moments[3]], [dog]);
}

/// A moment a second, each with these lines.
fn with_lettering(writer: &mut ModelWriter, path: &str, lines: &[&[&str]]) -> VideoId {
    let at = |i: usize| Timestamp::new(i as i64, TimeBase::new(1, 1).unwrap());
    let video = begin(writer, path, 0..0);
    let line = |text: &&str| TextLine {
        text: (*text).into(),
        score: 0.9,
        region: Region::new(1, 2, 30, 40),
    };
    let moment = |(i, lines): (usize, &&[&str])| NewMoment {
        video,
        time: at(i),
        start: at(i),
        end: at(i + 1),
        vectors: vec![(None, vector(i))],
        thumbnail: None,
        objects: None,
        lettering: Some(ReadLettering {
            ocr: "r".into(),
            lines: lines.iter().map(line).collect(),
        }),
    };
    let moments: Vec<NewMoment> = lines.iter().enumerate().map(moment).collect();
    writer.commit(&moments).unwrap();
    writer.finish_video(video, None, &recorded()).unwrap();
    video
}

#[test]
fn what_stands_still_is_one_passage_of_lettering() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = open(dir.path());
    let (sign, both): (&[&str], &[&str]) = (&["STOP"], &["STOP", "JCN 7"]);
    let none: &[&str] = &[];
    let lines = [sign, both, none, sign, none, none, none, none, sign, none];
    let video = with_lettering(&mut writer, "/signs", &lines);
    writer.catch_up().unwrap();
    let reader = read(dir.path());
    let all = Selection::everything(Searched::default());
    let found = |asked: &str| -> Vec<(f64, f64)> {
        let matches = reader.lettering(asked, 10, &all).unwrap();
        let mut spans: Vec<_> = matches.iter().filter_map(|m| m.passage.span).collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(matches.iter().all(|m| m.passage.video == video));
        spans
    };
    assert_eq!(found("stop"), [(0.0, 4.0), (8.0, 9.0)]);
    assert_eq!(found("JCN-7"), [(1.0, 2.0)]);
    assert!(found("GO").is_empty());

    // Read again by another, and the words follow.
    let others = Fingerprints {
        detector: None,
        ocr: Some("s"),
    };
    let lacking = writer.lacking(others).unwrap().remove(0).moments;
    assert_eq!(lacking.len(), 10);
    let twice = [lacking[1].moment; 2];
    let there = reader.lettering_of(&twice).unwrap();
    let texts = there[&twice[0]].iter().map(|l| l.text.as_str());
    assert!(texts.eq(["STOP", "JCN 7"]));
    assert!(lacking.iter().all(|m| m.embedded && !m.read));
    let again = |m: &LackingMoment| LaterSeen {
        moment: m.moment,
        vectors: Vec::new(),
        objects: None,
        lettering: Some(ReadLettering {
            ocr: "s".into(),
            lines: Vec::new(),
        }),
    };
    let again: Vec<LaterSeen> = lacking.iter().map(again).collect();
    writer.add_seen(&again).unwrap();
    writer.catch_up().unwrap();
    assert!(writer.lacking(others).unwrap().is_empty());
    let reader = read(dir.path());
    assert!(reader.lettering("stop", 10, &all).unwrap().is_empty());
    let moments: Vec<_> = lacking.iter().map(|m| m.moment).collect();
    assert!(reader.lettering_of(&moments).unwrap().is_empty());
}
