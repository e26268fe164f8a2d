//! The OCR over a folder of pictures: what it reads, as JSON Lines for `script/bench_lettering.py`, and how long it takes
//! on one thread, beside the detector of things.
//!
//!     cargo bench -p vsearch-benches --bench lettering -- FOLDER

use std::time::Instant;

use serde_json::json;
use vsearch::analyse::{Detector, Ocr};
use vsearch_benches::{pictures_asked_for, say};

const ROUNDS: usize = 3;

fn main() {
    let pictures = pictures_asked_for();
    let (ocr, detector) = (Ocr::builtin(), Detector::builtin());
    ocr.load().expect("the OCR");
    detector.load().expect("the detector");
    let (mut reading, mut looking) = (f64::INFINITY, f64::INFINITY);
    for round in 0..ROUNDS {
        let start = Instant::now();
        for picture in &pictures {
            let lines = ocr.read(&picture.pixels).expect("lines");
            if round == 0 {
                let lines = lines
                    .iter()
                    .map(|l| json!({"text": l.text, "score": l.score, "box": l.region.to_array()}));
                say(json!({"file": picture.name, "lines": lines.collect::<Vec<_>>()}));
            }
        }
        reading = reading.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        for picture in &pictures {
            detector.look(&picture.pixels).expect("things");
        }
        looking = looking.min(start.elapsed().as_secs_f64());
    }
    say(json!({"pictures": pictures.len(), "reading": reading, "looking": looking}));
}
