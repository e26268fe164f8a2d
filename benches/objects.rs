//! The detector over a folder of pictures: what it finds, as JSON Lines for `script/bench_objects.py`, and how long
//! it takes on one thread.
//!
//!     cargo bench -p vsearch-benches --bench objects -- FOLDER

use std::time::Instant;

use serde_json::json;
use vsearch::analyse::Detector;
use vsearch_benches::{pictures_asked_for, say};

/// Detections below this change no average precision that anybody prints.
const MINIMUM: f32 = 0.05;
const ROUNDS: usize = 3;

fn main() {
    let pictures = pictures_asked_for();
    let detector = Detector::builtin();
    detector.load().expect("the detector");
    let mut best = f64::INFINITY;
    for round in 0..ROUNDS {
        let start = Instant::now();
        for picture in &pictures {
            let found = detector.detect(&picture.pixels, MINIMUM);
            let found = found.expect("detections");
            if round == 0 {
                let objects = found.iter().map(|d| {
                    json!({"class": d.class.name(), "score": d.score, "box": d.region.to_array()})
                });
                say(json!({"file": picture.name, "objects": objects.collect::<Vec<_>>()}));
            }
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    say(json!({"pictures": pictures.len(), "seconds": best}));
}
