//! What becomes of a library whose files are damaged: found, answered around, rebuilt from the truth;
//! where the truth itself is damaged, said so.
//!
//!     cargo test faults -- --nocapture      prints the table

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use jiff::tz::TimeZone;
use vsearch::store::{
    FileStamp, Filter, GraphProgress, Library, ModelWriter, NewModel, NewMoment, Reading,
    VideoRecord,
};
use vsearch::types::{Embedding, TimeBase, Timestamp};

const DIM: usize = 16;
const MODEL: &str = "f00d";
const COUNT: usize = 600;

fn open(dir: &Path) -> ModelWriter {
    let model = NewModel {
        name: "m",
        fingerprint: MODEL,
        dim: DIM,
    };
    Library::at(dir).model_writer(model).unwrap()
}

/// A direction of its own for each `i`.
fn vector(i: usize) -> Embedding {
    let hash = |d: usize| blake3::hash(format!("{i} {d}").as_bytes()).as_bytes()[0];
    Embedding::normalised((0..DIM).map(|d| f32::from(hash(d)) - 127.5).collect()).unwrap()
}

fn add(writer: &mut ModelWriter, path: &str, range: std::ops::Range<usize>) {
    let stamp = FileStamp {
        size: 1,
        modified_ns: 1,
    };
    let reading = Reading {
        policy: "s".into(),
        views: "center".into(),
    };
    let video = writer
        .begin_video(Path::new(path), stamp, &reading)
        .unwrap();
    let at = |i: usize| Timestamp::new(i as i64, TimeBase::new(1, 1).unwrap());
    let moment = |i: usize| NewMoment {
        video,
        time: at(i),
        start: at(i),
        end: at(i + 1),
        vectors: vec![(None, vector(i))],
        thumbnail: None,
        objects: None,
        lettering: None,
    };
    writer
        .commit(&range.map(moment).collect::<Vec<_>>())
        .unwrap();
    let record = VideoRecord::default();
    writer.finish_video(video, None, &record).unwrap();
}

fn library(dir: &Path) {
    let mut writer = open(dir);
    add(&mut writer, "/a", 0..COUNT);
    writer.catch_up().unwrap();
    drop(writer);
    let progress = GraphProgress {
        report: &|_, _| {},
        stop: &AtomicBool::new(false),
    };
    Library::at(dir)
        .grow_graph((MODEL, DIM), 100, &progress)
        .unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(fs::copy(&path, &target).unwrap()),
        }
    }
}

/// Whether each of some moments is found as the nearest to itself; or what went wrong.
fn answers(dir: &Path) -> Result<bool, String> {
    let reader = Library::at(dir).reader().map_err(|e| e.to_string())?;
    let model = reader.model(MODEL).map_err(|e| e.to_string())?;
    let model = model.ok_or("no such model")?;
    let all = Filter::everything(TimeZone::UTC);
    let all = reader.select(&all).map_err(|e| e.to_string())?;
    for i in [3, 77, 300, COUNT - 1] {
        let found = reader
            .neighbours(&model, &vector(i), 5, &all, false)
            .map_err(|e| e.to_string())?;
        let ids: Vec<_> = found.neighbours.first().map(|n| n.id).into_iter().collect();
        let rows = reader.moments_of(&ids).map_err(|e| e.to_string())?;
        if ids.is_empty() || rows[&ids[0]].time.ticks != i as i64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What must hold of the damaged library.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    /// Every answer right, nothing to find.
    Sound,
    /// Every answer right; found by `check`, or made again by the next `index`; then all is well.
    Repaired,
    /// An error that says so.
    Refused(&'static str),
    /// Found by `check` and not repairable.
    Told(&'static str),
}
use Expected::{Refused, Repaired, Sound, Told};

fn flip(path: PathBuf, at: impl Fn(usize) -> usize) {
    let mut bytes = fs::read(&path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 0x10;
    fs::write(&path, bytes).unwrap();
}

fn cut(path: PathBuf, keep: impl Fn(u64) -> u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(keep(length)).unwrap();
}

fn sql(dir: &Path, sql: &str) {
    let db = rusqlite::Connection::open(dir.join("catalog.sqlite")).unwrap();
    db.execute_batch(sql).unwrap();
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is for reading")]
fn damaged_files_are_found_and_made_anew_or_named() {
    let scratch = tempfile::tempdir().unwrap();
    let whole = scratch.path().join("whole");
    library(&whole);
    let older = scratch.path().join("older");
    Library::at(&whole)
        .reader()
        .unwrap()
        .backup(&older)
        .unwrap();
    let derived = |dir: &Path, file: &str| dir.join("vectors").join(MODEL).join(file);
    let catalog = |dir: &Path| dir.join("catalog.sqlite");
    type Harm<'a> = Box<dyn Fn(&Path) + 'a>;
    let cases: Vec<(&str, Harm, Expected)> = vec![
        ("nothing", Box::new(|_| {}), Sound),
        (
            "vectors: cut in half",
            Box::new(|d| cut(derived(d, "vectors.0"), |n| n / 2)),
            Repaired,
        ),
        (
            "vectors: last byte gone",
            Box::new(|d| cut(derived(d, "vectors.0"), |n| n - 1)),
            Repaired,
        ),
        (
            "vectors: empty",
            Box::new(|d| cut(derived(d, "vectors.0"), |_| 0)),
            Repaired,
        ),
        (
            "vectors: a bit flipped",
            Box::new(|d| flip(derived(d, "vectors.0"), |_| 77 * 32 + 1)),
            Repaired,
        ),
        (
            "vectors: overwritten with zeros",
            Box::new(|d| fs::write(derived(d, "vectors.0"), vec![0; COUNT * 32]).unwrap()),
            Repaired,
        ),
        (
            "vectors: gone",
            Box::new(|d| fs::remove_file(derived(d, "vectors.0")).unwrap()),
            Repaired,
        ),
        (
            "rows: cut in half",
            Box::new(|d| cut(derived(d, "rows.0"), |n| n / 2)),
            Repaired,
        ),
        (
            "rows: a bit flipped",
            Box::new(|d| flip(derived(d, "rows.0"), |_| 300 * 32)),
            Repaired,
        ),
        (
            "rows: gone",
            Box::new(|d| fs::remove_file(derived(d, "rows.0")).unwrap()),
            Repaired,
        ),
        (
            "state: cut in half",
            Box::new(|d| cut(derived(d, "state.json"), |n| n / 2)),
            Repaired,
        ),
        (
            "state: gone",
            Box::new(|d| fs::remove_file(derived(d, "state.json")).unwrap()),
            Repaired,
        ),
        (
            "state: nonsense",
            Box::new(|d| fs::write(derived(d, "state.json"), "[1, 2]").unwrap()),
            Repaired,
        ),
        (
            "state: claims more rows than there are",
            Box::new(|d| {
                let path = derived(d, "state.json");
                let text = fs::read_to_string(&path)
                    .unwrap()
                    .replace("\"rows\":600", "\"rows\":4000");
                fs::write(path, text).unwrap();
            }),
            Repaired,
        ),
        (
            "state: of another layout",
            Box::new(|d| {
                let path = derived(d, "state.json");
                let text = fs::read_to_string(&path)
                    .unwrap()
                    .replace("\"version\":1", "\"version\":9");
                fs::write(path, text).unwrap();
            }),
            Repaired,
        ),
        (
            "an append that did not finish",
            Box::new(|d| {
                use std::io::Write;
                let mut file = fs::File::options()
                    .append(true)
                    .open(derived(d, "vectors.0"))
                    .unwrap();
                file.write_all(&[7; 1000]).unwrap();
                fs::write(derived(d, "state.json.new"), "{\"ver").unwrap();
            }),
            Sound,
        ),
        (
            "graph: cut in half",
            Box::new(|d| cut(derived(d, "graph.0"), |n| n / 2)),
            Repaired,
        ),
        (
            "graph: empty",
            Box::new(|d| cut(derived(d, "graph.0"), |_| 0)),
            Repaired,
        ),
        (
            "graph: its header flipped",
            Box::new(|d| flip(derived(d, "graph.0"), |_| 9)),
            Repaired,
        ),
        (
            "graph: links flipped",
            Box::new(|d| flip(derived(d, "graph.0"), |n| n / 2 + 3)),
            Repaired,
        ),
        (
            "graph: of another file",
            Box::new(|d| flip(derived(d, "graph.0"), |_| 24)),
            Repaired,
        ),
        (
            "graph: gone",
            Box::new(|d| fs::remove_file(derived(d, "graph.0")).unwrap()),
            Sound,
        ),
        (
            "all that is derived: gone",
            Box::new(|d| fs::remove_dir_all(d.join("vectors")).unwrap()),
            Sound,
        ),
        (
            "catalogue: a vector flipped",
            Box::new(|d| {
                sql(
                    d,
                    "UPDATE vectors SET vector = CAST(x'00' || substr(vector, 2) AS BLOB) WHERE id BETWEEN 10 AND 12",
                );
            }),
            Repaired,
        ),
        (
            "catalogue: a vector cut, its copy too",
            Box::new(|d| {
                fs::remove_dir_all(d.join("vectors")).unwrap();
                sql(d, "UPDATE vectors SET vector = zeroblob(32) WHERE id = 10");
            }),
            Told("1 vectors of m are damaged: index their videos again"),
        ),
        (
            "catalogue: a row points nowhere",
            Box::new(|d| {
                sql(
                    d,
                    "PRAGMA foreign_keys = OFF; INSERT INTO gaps VALUES (99, 0, 1)",
                );
            }),
            Told("a row of gaps points nowhere"),
        ),
        (
            "catalogue: pages overwritten",
            Box::new(|d| {
                let path = catalog(d);
                let mut bytes = fs::read(&path).unwrap();
                let half = bytes.len() / 2;
                bytes[half..half + 8192].fill(0xAA);
                fs::write(path, bytes).unwrap();
            }),
            Told(""),
        ),
        (
            "catalogue: cut in half",
            Box::new(|d| cut(catalog(d), |n| n / 2)),
            Told(""),
        ),
        (
            "catalogue: its first page overwritten",
            Box::new(|d| {
                let path = catalog(d);
                let mut bytes = fs::read(&path).unwrap();
                bytes[..4096].fill(0x55);
                fs::write(path, bytes).unwrap();
            }),
            Refused("not a vsearch catalogue, or damaged"),
        ),
        (
            "catalogue: gone",
            Box::new(|d| fs::remove_file(catalog(d)).unwrap()),
            Refused("there is no library here"),
        ),
        (
            "catalogue: of a later format",
            Box::new(|d| sql(d, "PRAGMA user_version = 99")),
            Refused("newer vsearch"),
        ),
        (
            "catalogue: an earlier copy put back",
            Box::new(|d| {
                let mut writer = open(d);
                add(&mut writer, "/b", 2000..2100);
                writer.catch_up().unwrap();
                drop(writer);
                fs::copy(catalog(&older), catalog(d)).unwrap();
            }),
            Sound,
        ),
        (
            "log: nonsense beside the catalogue",
            Box::new(|d| fs::write(d.join("catalog.sqlite-wal"), [9; 5000]).unwrap()),
            Sound,
        ),
    ];
    println!("{:42}  what happened", "fault");
    for (n, (fault, harm, expected)) in cases.iter().enumerate() {
        let dir = scratch.path().join(n.to_string());
        copy(&whole, &dir);
        harm(&dir);
        let answer = answers(&dir);
        let found = Library::at(&dir)
            .check()
            .map(|f| f.into_iter().map(|f| f.what).collect::<Vec<_>>());
        let said = match expected {
            Sound => {
                assert_eq!(answer, Ok(true), "{fault}");
                assert_eq!(found.as_deref().unwrap(), [] as [&str; 0], "{fault}");
                "answered, sound".to_owned()
            }
            Repaired => {
                // In the catalogue's own vectors a few are wrong until they are repaired.
                assert_eq!(answer, Ok(true), "{fault}");
                let said = found.unwrap();
                Library::at(&dir).repair().unwrap();
                assert_eq!(Library::at(&dir).check().unwrap(), [], "{fault}");
                let reader = Library::at(&dir).reader().unwrap();
                let model = reader.model(MODEL).unwrap().unwrap();
                assert_eq!(reader.vector_count(&model).unwrap(), COUNT, "{fault}");
                let said: Vec<String> = said
                    .iter()
                    .map(|s| s.replace(&*dir.to_string_lossy(), "LIBRARY"))
                    .collect();
                format!(
                    "answered; {}; repaired",
                    said.first().map_or("rebuilt when next used", |s| s)
                )
            }
            Refused(text) => {
                let error = answer.unwrap_err();
                assert!(error.contains(text), "{fault}: {error}");
                assert!(found.is_err(), "{fault}");
                format!(
                    "refused: {}",
                    error.replace(&*dir.to_string_lossy(), "LIBRARY")
                )
            }
            Told(text) => {
                let said = match found {
                    Ok(said) => said.join("; "),
                    Err(e) => e.to_string(),
                };
                assert!(!said.is_empty() && said.contains(text), "{fault}: {said}");
                let mut said = said
                    .replace(&*dir.to_string_lossy(), "LIBRARY")
                    .replace('\n', " ");
                said.truncate(90);
                format!("told: {said}")
            }
        };
        println!("{fault:42}  {said}");
        // Whatever the damage, asking and checking again end in an answer or an error.
        let _ = (answers(&dir), Library::at(&dir).check());
    }
    assert!(cases.len() > 30);
}
