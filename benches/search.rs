//! Where a graph begins to pay: one query against N vectors of 384 dimensions, cold, by exact
//! scan and by HNSW, through the same `Reader`. Prints a line for each N.
//!
//!     cargo bench --bench search -- [N…]

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use vsearch::index::{FileStamp, NewMoment, Reader, VideoRecord, Writer};
use vsearch::types::{Embedding, TimeBase, Timestamp, VideoId};

const DIM: usize = 384;
const FINGERPRINT: &str = "bench";

fn main() {
    let mut sizes: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 5_000, 10_000, 20_000, 40_000];
    }
    for n in sizes {
        measure(n);
    }
}

fn measure(n: usize) {
    let dir = std::env::temp_dir().join(format!("vsearch-bench-{}-{n}", std::process::id()));
    let mut writer = Writer::open(&dir, "bench", FINGERPRINT, DIM)
        .expect("a library can be made")
        .graph_from(0);
    let mut random = Random(7);
    let centres: Vec<Vec<f32>> = (0..100).map(|_| random.vector()).collect();
    fill(&mut writer, n, &centres, &mut random);
    let query = near(&centres[3], &mut random);

    let exact = time(&dir, &query, true);
    let start = Instant::now();
    writer.catch_up().expect("a graph can be built");
    let build = start.elapsed().as_secs_f64();
    let graph = time(&dir, &query, false);
    let _ = writeln!(
        std::io::stdout(),
        "{n} vectors: exact {:.1} ms, HNSW opened and asked {:.1} ms ({:.2}x), graph built in {build:.1} s",
        exact * 1e3,
        graph * 1e3,
        exact / graph
    );
    let _ = std::fs::remove_dir_all(&dir);
}

fn fill(writer: &mut Writer, n: usize, centres: &[Vec<f32>], random: &mut Random) {
    let stamp = FileStamp {
        size: 0,
        modified_ns: 0,
    };
    let video = writer.begin_video(Path::new("/bench"), stamp, "bench");
    let video = video.expect("a video can be begun");
    let at = |i: usize| Timestamp::new(i as i64, TimeBase::MICROS);
    let moments: Vec<NewMoment> = (0..n)
        .map(|i| NewMoment {
            video,
            time: at(i),
            start: at(i),
            end: at(i + 1),
            vectors: vec![(None, near(&centres[i % centres.len()], random))],
        })
        .collect();
    writer.commit(&moments).expect("moments can be committed");
    let record = VideoRecord::default();
    writer
        .finish_video(video, &record)
        .expect("a video can be finished");
}

/// Median seconds of five cold queries.
fn time(dir: &Path, query: &Embedding, exact: bool) -> f64 {
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let start = Instant::now();
            let reader = Reader::open(dir).expect("the library opens");
            let model = reader.model(FINGERPRINT).expect("the model is known");
            let model = model.expect("the model is there");
            let all = |_: VideoId| true;
            let keep: Option<&dyn Fn(VideoId) -> bool> = if exact { Some(&all) } else { None };
            let found = reader.neighbours((model, FINGERPRINT), query, 400, keep);
            assert!(!found.expect("a query is answered").0.is_empty());
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[2]
}

fn near(centre: &[f32], random: &mut Random) -> Embedding {
    let noisy = centre.iter().zip(random.vector()).map(|(c, r)| c + 0.7 * r);
    Embedding::normalised(noisy.collect()).expect("noise has a length")
}

/// xorshift64: seeded, so that every run measures the same.
struct Random(u64);

impl Random {
    fn vector(&mut self) -> Vec<f32> {
        let mut next = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        (0..DIM).map(|_| next()).collect()
    }
}
