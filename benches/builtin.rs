//! Images a second of the built-in model's image side, as ingest runs it: one single-threaded
//! worker a core. Prints one JSON line; `script/bench-builtin` compares it with ONNX Runtime.
//!
//!     cargo bench --bench builtin -- [SECONDS] [WORKERS]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use vsearch::embed::{Embedder, open_model};
use vsearch::types::Pixels;

fn main() {
    let mut numbers = std::env::args().filter_map(|a| a.parse::<usize>().ok());
    let seconds = numbers.next().unwrap_or(5);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = numbers.next().unwrap_or(cores);
    let model = open_model("builtin").expect("the built-in model opens");
    let noise = (0..224u32 * 224 * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
    let frame = Pixels::new(224, 224, noise.collect()).expect("a whole frame");
    let batch = vec![frame; model.batch_size()];

    let run = |length: Duration| {
        let images = AtomicUsize::new(0);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| worker(model.as_ref(), &batch, length, &images));
            }
        });
        images.into_inner() as f64 / start.elapsed().as_secs_f64()
    };
    run(Duration::from_secs(1)); // warm up
    let rate = run(Duration::from_secs(seconds as u64));
    let line = serde_json::json!({
        "images_per_second": rate, "workers": workers, "batch": batch.len(),
    });
    eprintln!("measured for {seconds} s");
    write(&line.to_string());
}

fn worker(model: &dyn Embedder, batch: &[Pixels], length: Duration, images: &AtomicUsize) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.expect("one thread can be started");
    let start = Instant::now();
    pool.install(|| {
        while start.elapsed() < length {
            model.embed_images(batch).expect("noise can be embedded");
            images.fetch_add(batch.len(), Ordering::Relaxed);
        }
    });
}

fn write(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}
