//! From bytes to sampled frames: whatever the file, no panic of ours, no hang. A crash inside FFmpeg
//! is a finding too, though `index` survives it by decoding in a child process.
#![no_main]

#[path = "../../src/media/mod.rs"]
#[allow(dead_code, unused_imports)]
mod media;
#[path = "../../src/types/mod.rs"]
#[allow(dead_code)]
mod types;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use libfuzzer_sys::fuzz_target;
use media::{Sampling, Source, Span, sample};

/// Frames after which a file has shown what it can.
const FRAMES: usize = 40;

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_last() else {
        return;
    };
    let path = std::env::temp_dir().join(format!("vsearch-fuzz-{}", std::process::id()));
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    let sampling = match choice % 3 {
        0 => Sampling::DEFAULT,
        1 => Sampling::Keyframes,
        _ => Sampling::Every { seconds: 0.1 },
    };
    let stop = Arc::new(AtomicBool::new(false));
    let mut frames = 0;
    let mut last = f64::NEG_INFINITY;
    if let Ok(source) = Source::open(&path, &stop) {
        let report = sample(source, sampling, Span::WHOLE, 1, |frame| {
            frames += 1;
            assert!(frame.time.seconds() >= last, "samples go back in time");
            last = frame.time.seconds();
            match frames < FRAMES {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        if let Ok(report) = report {
            assert!(report.coverage.frames > 0 && report.coverage.seconds_read().is_finite());
        }
    }
});
