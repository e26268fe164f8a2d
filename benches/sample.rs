//! Reads videos as ingest does, up to the sampled pixels, and throws those away. Prints one JSON
//! line; `script/bench-ingest` compares it with the ffmpeg program.
//!
//!     cargo bench -p vsearch-benches --bench sample -- keyframes|gaps|SECONDS FILE…

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use vsearch::media::{Sampling, Source, Span, sample};

fn main() {
    let mut args = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let sampling = match args.next().as_deref() {
        Some("keyframes") => Sampling::Keyframes,
        Some("gaps") | None => Sampling::DEFAULT,
        Some(seconds) => Sampling::Every {
            seconds: seconds.parse().expect("keyframes, gaps or seconds"),
        },
    };
    // As ingest does for a single file.
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) + 1;
    let stop = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let mut frames = 0;
    let mut bytes = 0;
    for file in args {
        let source = Source::open(Path::new(&file), &stop).expect("a video");
        let report = sample(source, sampling, Span::WHOLE, threads, |frame| {
            bytes += frame.pixels.rgb().len();
            ControlFlow::Continue(())
        });
        frames += report.expect("frames").coverage.frames;
    }
    use std::io::Write;
    let seconds = start.elapsed().as_secs_f64();
    let line = serde_json::json!({"frames": frames, "bytes": bytes, "seconds": seconds});
    let _ = writeln!(std::io::stdout(), "{line}");
}
