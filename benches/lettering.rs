//! The OCR over a folder of pictures: what it reads, as JSON Lines for `script/bench_lettering.py`, and how long it takes
//! on one thread, beside the detector of things.
//!
//!     cargo bench -p vsearch-benches --bench lettering -- FOLDER

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;
use vsearch::analyse::{Detector, Ocr};
use vsearch::embed::load_picture;

const ROUNDS: usize = 3;

fn main() {
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    let folder = PathBuf::from(args.next_back().expect("a folder of pictures"));
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "jpg" || e == "png"))
        .collect();
    files.sort();
    let (ocr, detector) = (Ocr::builtin(), Detector::builtin());
    ocr.load().expect("the OCR");
    detector.load().expect("the detector");
    let pictures: Vec<_> = files
        .iter()
        .map(|f| load_picture(f).expect("a picture"))
        .collect();
    let (mut reading, mut looking) = (f64::INFINITY, f64::INFINITY);
    for round in 0..ROUNDS {
        let start = Instant::now();
        for (file, picture) in files.iter().zip(&pictures) {
            let lines = ocr.read(picture).expect("lines");
            if round == 0 {
                let lines = lines
                    .iter()
                    .map(|l| json!({"text": l.text, "score": l.score, "box": l.region.to_array()}));
                say(&json!({"file": name(file), "lines": lines.collect::<Vec<_>>()}));
            }
        }
        reading = reading.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        for picture in &pictures {
            detector.look(picture).expect("things");
        }
        looking = looking.min(start.elapsed().as_secs_f64());
    }
    say(&json!({"pictures": pictures.len(), "reading": reading, "looking": looking}));
}

fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn say(line: &serde_json::Value) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
