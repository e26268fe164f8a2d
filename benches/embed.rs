//! Images and sentences a second of a model, as ingest and query run it: one single-threaded
//! worker a core, one picture after the other or in batches. Prints one JSON line;
//! `script/bench-builtin` and `script/bench-clip` compare it with other runtimes.
//!
//!     cargo bench -p vsearch-benches --bench embed -- [MODEL [DEVICE]] [SECONDS] [WORKERS] [BATCH]

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use vsearch::app::open_model;
use vsearch::embed::Device;
use vsearch::types::Pixels;

const SENTENCE: &str = "a person in blue riding a bicycle";

fn main() {
    let mut args = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let name = args.next().unwrap_or_else(|| "builtin".into());
    let (devices, numbers): (Vec<_>, Vec<_>) = args.partition(|a| a.parse::<usize>().is_err());
    let device = devices.first().map_or("cpu", String::as_str);
    let device = device.parse().expect("a device");
    let device = Device::open(device).expect("the device answers");
    let mut numbers = numbers.into_iter().filter_map(|a| a.parse::<usize>().ok());
    let length = Duration::from_secs(numbers.next().unwrap_or(5) as u64);
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let workers = numbers.next().unwrap_or(cores);
    let model = open_model(&name, &device).expect("the model opens");
    let model = model.as_ref();
    let size = numbers.next().unwrap_or(model.schedule(cores).batch_size);
    let noise = (0..224u32 * 224 * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
    let frame = Pixels::new(224, 224, noise.collect()).expect("a whole frame");
    let batch = vec![frame; size];
    let images = || {
        model.embed_images(&batch).expect("noise can be embedded");
        batch.len()
    };
    let texts = || {
        model.embed_text(SENTENCE).expect("a sentence can be");
        1
    };
    rate(workers, length / 5, &images); // warm up
    let line = serde_json::json!({
        "model": name, "device": model.profile().device, "workers": workers, "batch": size,
        "images_per_second": rate(workers, length, &images),
        "texts_per_second": rate(workers, length, &texts),
    });
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// How much `work` gets done a second by so many workers.
fn rate(workers: usize, length: Duration, work: &(dyn Fn() -> usize + Sync)) -> f64 {
    let done = AtomicUsize::new(0);
    let start = Instant::now();
    let worker = || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        pool.expect("one thread can be started").install(|| {
            while start.elapsed() < length {
                done.fetch_add(work(), Ordering::Relaxed);
            }
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(worker);
        }
    });
    done.into_inner() as f64 / start.elapsed().as_secs_f64()
}
