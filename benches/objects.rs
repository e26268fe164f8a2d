//! The detector over a folder of pictures: what it finds, as JSON Lines for `script/bench_objects.py`, and how long
//! it takes on one thread.
//!
//!     cargo bench -p vsearch-benches --bench objects -- FOLDER

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;
use vsearch::analyse::Detector;
use vsearch::embed::load_picture;

/// Detections below this change no average precision that anybody prints.
const MINIMUM: f32 = 0.05;
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
    let detector = Detector::builtin();
    detector.load().expect("the detector");
    let pictures: Vec<_> = files
        .iter()
        .map(|f| load_picture(f).expect("a picture"))
        .collect();
    let mut best = f64::INFINITY;
    for round in 0..ROUNDS {
        let start = Instant::now();
        for (file, picture) in files.iter().zip(&pictures) {
            let found = detector.detect(picture, MINIMUM).expect("detections");
            if round == 0 {
                let objects = found.iter().map(|d| {
                    json!({"class": d.class.name(), "score": d.score, "box": d.region.to_array()})
                });
                say(&json!({"file": name(file), "objects": objects.collect::<Vec<_>>()}));
            }
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    say(&json!({"pictures": pictures.len(), "seconds": best}));
}

fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn say(line: &serde_json::Value) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
