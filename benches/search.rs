//! Where a graph begins to pay: a query against N vectors of 384 dimensions by exact scan, by a
//! graph that must be opened, and by one that is open, through the same `Reader`.
//!
//!     cargo bench --bench search -- [N…]

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use vsearch::index::{FileStamp, Method, NewMoment, Reader, VideoRecord, Writer};
use vsearch::types::{Embedding, TimeBase, Timestamp};

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

    let start = Instant::now();
    writer.catch_up().expect("a graph can be built");
    let build = start.elapsed().as_secs_f64();
    let [exact, opening, graph] = times(&dir, &query).map(|s| s * 1e3);
    let _ = writeln!(
        std::io::stdout(),
        "{n:>7} vectors: exact {exact:.1} ms, graph opened and asked {opening:.1} ms ({:.1}x), \
         graph asked again {graph:.2} ms ({:.2}x), built in {build:.1} s",
        opening / exact,
        graph / exact,
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
        .finish_video(video, None, &record)
        .expect("a video can be finished");
}

/// Median seconds, over five readers, of a first answer (exact), a second (which opens the graph)
/// and a third (by the graph).
fn times(dir: &Path, query: &Embedding) -> [f64; 3] {
    let mut runs: Vec<[f64; 3]> = (0..5)
        .map(|_| {
            let reader = Reader::open(dir).expect("the library opens");
            let model = reader.model(FINGERPRINT).expect("the model is known");
            let model = model.expect("the model is there");
            [Method::Exact, Method::Hnsw, Method::Hnsw].map(|expected| {
                let start = Instant::now();
                let found = reader.neighbours((model, FINGERPRINT), query, 400, None);
                let (_, method) = found.expect("a query is answered");
                assert_eq!(method, expected);
                start.elapsed().as_secs_f64()
            })
        })
        .collect();
    [0, 1, 2].map(|i| {
        runs.sort_by(|a, b| a[i].total_cmp(&b[i]));
        runs[2][i]
    })
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
