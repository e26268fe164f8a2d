//! The file of vectors and its graph against usearch and a brute force in memory, over seeded vectors
//! clustered like CLIP's: build rate, bytes, opening, latency and recall@10, the scan's share of what
//! memory gives, filtered recall. `script/bench-search` calls it.
//!
//!     cargo bench -p vsearch-benches --bench search -- N… [PEER…]   compare at N vectors of 512 dimensions
//!     cargo bench -p vsearch-benches --bench search -- library N DIR   make a library of N moments for `vsearch query`
//!     cargo bench -p vsearch-benches --bench search -- questions DIR   plain, composed and chained questions of a library

use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use half::f16;
use half::slice::HalfFloatSliceExt;
use vsearch::embed::builtin::Builtin;
use vsearch::embed::{Embedder, Profile};
use vsearch::search::{Chain, Line, Options, Part, Question, query, query_sequence};
use vsearch::store::sqlite::graph::{Graph, build};
use vsearch::store::sqlite::vectors::{Appender, Best, Origin, Predicate, Row, Vectors, dot, scan};
use vsearch::store::{
    FileStamp, Filter, GRAPH_FROM, GraphProgress, Library, Neighbour, NewModel, NewMoment, Reading,
    VideoRecord,
};
use vsearch::types::{Coverage, Embedding, TimeBase, Timestamp, VectorId, VideoId};
use vsearch_benches::hnsw_rs_peer;

const DIM: usize = 512;
const QUERIES: usize = 200;
/// What a search is asked for.
const K: usize = 10;
const PEERS: [&str; 2] = ["usearch", "hnsw_rs"];
/// Efforts (efSearch) compared.
const EFFORTS: [usize; 3] = [64, 128, 256];

macro_rules! say {
    ($($arg:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($arg)*);
        let _ = std::io::stdout().flush();
    }};
}

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    match args
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["library", count, dir] => library(count.parse().expect("a number"), Path::new(dir)),
        ["questions", dir] => questions(Path::new(dir)),
        ["ask", count, dir] => ask(count.parse().expect("a number"), Path::new(dir)),
        words => {
            let bandwidth = bandwidth();
            say!("memory, read by all cores: {bandwidth:.1} GB/s");
            let (sizes, mut peers): (Vec<&str>, Vec<&str>) =
                words.iter().partition(|w| w.parse::<usize>().is_ok());
            if peers.is_empty() {
                peers = PEERS.to_vec();
            }
            for size in sizes {
                compare(size.parse().expect("a number"), &peers, bandwidth);
            }
        }
    }
}

/// Vectors by their number: centres that share a direction, as CLIP's pictures do, with noise around
/// them; a few clusters are large, most are small.
struct Generator {
    centres: Vec<Vec<f32>>,
}

impl Generator {
    fn new(count: usize) -> Self {
        let mut random = Random(7);
        let shared = random.vector(DIM);
        let centre = |random: &mut Random| {
            let own = random.vector(DIM);
            own.iter().zip(&shared).map(|(o, s)| o + 0.7 * s).collect()
        };
        let clusters = (count / 50).clamp(50, 10_000);
        Self {
            centres: (0..clusters).map(|_| centre(&mut random)).collect(),
        }
    }

    fn vector(&self, number: usize) -> Vec<f32> {
        let mut random = Random((number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        random.next();
        let skewed = f64::from(random.unit()).powi(2);
        let centre = &self.centres[(skewed * self.centres.len() as f64) as usize];
        let noise = random.vector(DIM);
        let noisy = centre.iter().zip(noise).map(|(c, n)| c + 0.8 * n).collect();
        let unit = Embedding::normalised(noisy).expect("noise has a length");
        unit.as_slice().to_vec()
    }

    /// A query: not one of the vectors, but among them.
    fn query(&self, number: usize) -> Vec<f32> {
        self.vector(usize::MAX / 2 + number)
    }
}

/// xorshift64: seeded, so that every run measures the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    fn vector(&mut self, dim: usize) -> Vec<f32> {
        (0..dim).map(|_| self.unit() - 0.5).collect()
    }
}

fn packed(values: &[f32]) -> Vec<f16> {
    let mut halves = vec![f16::ZERO; values.len()];
    halves.convert_from_f32_slice(values);
    halves
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// What reading gives where hardly anything else is done: a dot product over 1 GB, by all cores.
fn bandwidth() -> f64 {
    let numbers = vec![1f32; 1 << 28];
    let mut best = 0f64;
    for _ in 0..5 {
        let start = Instant::now();
        let sum: f32 = std::thread::scope(|scope| {
            let parts = numbers.chunks(numbers.len().div_ceil(cores()));
            let read = |part: &[f32]| part.chunks(1 << 16).map(|p| dot(p, p)).sum::<f32>();
            let sums: Vec<_> = parts.map(|p| scope.spawn(move || read(p))).collect();
            sums.into_iter().map(|s| s.join().expect("a sum")).sum()
        });
        assert!(sum > 0.0);
        best = best.max(4.0 * numbers.len() as f64 / start.elapsed().as_secs_f64() / 1e9);
    }
    best
}

fn compare(count: usize, peers: &[&str], bandwidth: f64) {
    let dir = std::env::temp_dir().join(format!("vsearch-bench-{}-{count}", std::process::id()));
    let generator = Generator::new(count);
    say!("\n{count} vectors of {DIM} dimensions");

    let start = Instant::now();
    let mut appender = Appender::open(&dir, DIM, 0).expect("a file of vectors");
    for n in 0..count {
        let halves = packed(&generator.vector(n));
        let bytes: Vec<u8> = halves.iter().flat_map(|h| h.to_le_bytes()).collect();
        let (id, video) = (VectorId(n as i64 + 1), VideoId(n as i64 / 1000));
        let row = Row::new(id, video, n as f64, n as f64);
        appender.push(row, &bytes).expect("room on the disk");
    }
    appender
        .finish(&Origin::default())
        .expect("room on the disk");
    let appended = count as f64 / start.elapsed().as_secs_f64();
    let vectors = Vectors::open(&dir, DIM).expect("a file").expect("a file");
    let queries: Vec<Vec<f32>> = (0..QUERIES).map(|n| generator.query(n)).collect();
    let truth = brute_force(&generator, count, &queries);

    let progress = GraphProgress {
        report: &|_, _| {},
        stop: &AtomicBool::new(false),
    };
    let start = Instant::now();
    build(&vectors, &progress).expect("a graph");
    let built = count as f64 / start.elapsed().as_secs_f64();
    let start = Instant::now();
    let reopened = Vectors::open(&dir, DIM).expect("a file").expect("a file");
    let graph = Graph::open(&reopened).expect("a graph").expect("a graph");
    let opened = start.elapsed().as_secs_f64() * 1e3;
    drop(reopened);
    let of_vectors = size(&dir.join("vectors.0"), count) + size(&dir.join("rows.0"), count);
    say!(
        "file of vectors: {appended:.0} vectors/s appended (making them included), {of_vectors:.0} bytes each"
    );
    say!(
        "graph: {built:.0} vectors/s built, {:.0} bytes each, opened with the vectors in {opened:.1} ms",
        size(&dir.join("graph.0"), count)
    );
    for effort in EFFORTS {
        let ask = |q: &[f32]| ids(&graph.search(&vectors, q, K, effort, None));
        told(&format!("  ef {effort}"), &asked(&queries, &truth, ask));
    }
    for peer in peers {
        let compared = match *peer {
            "usearch" => usearch_compared,
            "hnsw_rs" => hnsw_rs_compared,
            other => panic!("{other}: peers are {PEERS:?}"),
        };
        compared(&generator, count, &dir, (&queries, &truth), built);
    }
    let whole = std::slice::from_ref(&(0..count)).to_vec();
    let exact = asked(&queries[..50], &truth, |q| {
        ids(&scan(&vectors, q, K, &whole, None))
    });
    told("exact scan", &exact);
    let rate = 2.0 * DIM as f64 * count as f64 / exact.0[0] / 1e6;
    let share = 100.0 * rate / bandwidth;
    say!("  {rate:.1} GB/s, {share:.0} % of what memory gives");
    filtered(&vectors, &graph, &queries);
    drop((vectors, graph));
    let me = std::env::current_exe().expect("a program");
    let asked = std::process::Command::new(me)
        .args(["ask", &count.to_string()])
        .arg(&dir)
        .status();
    assert!(asked.is_ok_and(|s| s.success()));
    let _ = std::fs::remove_dir_all(&dir);
}

/// Bytes of a file for each vector.
fn size(path: &Path, count: usize) -> f64 {
    path.metadata().map_or(0, |m| m.len()) as f64 / count as f64
}

fn told(what: &str, (times, recall): &([f64; 2], f64)) {
    let [p50, p99] = times;
    say!("{what}: p50 {p50:.3} ms, p99 {p99:.3} ms, recall@10 {recall:.3}");
}

/// The same by usearch, with the same M and efConstruction, in f16.
fn usearch_compared(
    generator: &Generator,
    count: usize,
    dir: &Path,
    (queries, truth): (&[Vec<f32>], &[Vec<i64>]),
    ours: f64,
) {
    let start = Instant::now();
    let index = usearch(generator, count);
    let built = count as f64 / start.elapsed().as_secs_f64();
    let file = dir.join("usearch");
    let name = file.to_str().expect("a plain path");
    index.save(name).expect("room on the disk");
    drop(index);
    let start = Instant::now();
    let index = usearch::Index::new(&options()).expect("an index");
    index.view(name).expect("an index");
    let opened = start.elapsed().as_secs_f64() * 1e3;
    say!(
        "usearch: {built:.0} vectors/s built (vsearch / usearch {:.2}), {:.0} bytes each with the vectors, viewed in \
         {opened:.1} ms",
        ours / built,
        size(&file, count)
    );
    for effort in EFFORTS {
        index.change_expansion_search(effort);
        let ask = |q: &[f32]| -> Vec<i64> {
            let halves: Vec<i16> = packed(q).iter().map(|h| h.to_bits() as i16).collect();
            let found = index.search(usearch::f16::from_i16s(&halves), K);
            let keys = found.expect("an answer").keys;
            keys.iter().map(|k| *k as i64).collect()
        };
        told(&format!("  ef {effort}"), &asked(queries, truth, ask));
    }
}

/// The same by hnsw_rs at its best: rows as halves, mapped, checksummed when opened.
fn hnsw_rs_compared(
    generator: &Generator,
    count: usize,
    dir: &Path,
    (queries, truth): (&[Vec<f32>], &[Vec<i64>]),
    ours: f64,
) {
    let folder = dir.join("hnsw_rs");
    std::fs::create_dir_all(&folder).expect("room on the disk");
    let made = hnsw_rs_peer::build_and_dump(count, DIM, &folder, &|n| generator.vector(n));
    let before = anonymous();
    let (opened, opening) = hnsw_rs_peer::open(&folder);
    let rate = count as f64 / made.seconds;
    say!(
        "hnsw_rs: {rate:.0} vectors/s built (vsearch / hnsw_rs {:.2}), {:.0} bytes each with the vectors, opened in \
         {:.1} ms and checked in {:.1} ms, {:.0} MB in memory beyond the mapped rows",
        ours / rate,
        made.dump_bytes as f64 / count as f64,
        opening.load_seconds * 1e3,
        opening.checksum_seconds * 1e3,
        anonymous() - before
    );
    for effort in EFFORTS {
        let ask = |q: &[f32]| opened.search(q, K, effort);
        told(&format!("  ef {effort}"), &asked(queries, truth, ask));
    }
}

/// Memory of this process that is no file's, in MB.
fn anonymous() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
    let kilobytes = kilobytes.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.map_or(f64::NAN, |k: f64| k / 1e3)
}

/// Of a fresh process: what querying takes beyond the mapped files.
fn ask(count: usize, dir: &Path) {
    let vectors = Vectors::open(dir, DIM).expect("a file").expect("a file");
    let graph = Graph::open(&vectors).expect("a graph").expect("a graph");
    let generator = Generator::new(1);
    for n in 0..50 {
        let query = generator.query(n);
        scan(
            &vectors,
            &query,
            400,
            std::slice::from_ref(&(0..count)),
            None,
        );
        graph.search(&vectors, &query, 400, 400, None);
    }
    say!(
        "memory of querying beyond the mapped files: {:.1} MB",
        anonymous()
    );
}

/// A filter is applied on the way through the graph, or before a scan of what it leaves: what a reader
/// chooses by cost.
fn filtered(vectors: &Vectors, graph: &Graph, queries: &[Vec<f32>]) {
    for share in [2, 20, 200, 2000] {
        // Whole videos, as filters leave them.
        let keep = move |row: &Row| (row.video().0 * 2654435761 % 1_000_003) % share == 0;
        let keep: &Predicate = &keep;
        let runs = vectors
            .runs()
            .iter()
            .filter(|(_, run)| keep(&vectors.rows()[run.start]));
        let kept: Vec<_> = runs.map(|(_, run)| run.clone()).collect();
        let whole = 0..vectors.len();
        let truth: Vec<Vec<i64>> = queries
            .iter()
            .map(|q| {
                ids(&scan(
                    vectors,
                    q,
                    K,
                    std::slice::from_ref(&whole),
                    Some(keep),
                ))
            })
            .collect();
        let (by_scan, scan_recall) =
            asked(queries, &truth, |q| ids(&scan(vectors, q, K, &kept, None)));
        let (by_graph, graph_recall) = asked(queries, &truth, |q| {
            ids(&graph.search(vectors, q, K, 128, Some(keep)))
        });
        say!(
            "filter that leaves 1 in {share} ({} vectors): scan of what it leaves p50 {:.3} ms, recall@10 {scan_recall:.3}; \
             through the graph p50 {:.3} ms, recall@10 {graph_recall:.3}",
            kept.iter().map(ExactSizeIterator::len).sum::<usize>(),
            by_scan[0],
            by_graph[0]
        );
    }
}

fn ids(found: &[Neighbour]) -> Vec<i64> {
    found.iter().map(|n| n.id.0).collect()
}

/// p50 and p99 in milliseconds, and recall.
fn asked(
    queries: &[Vec<f32>],
    truth: &[Vec<i64>],
    ask: impl Fn(&[f32]) -> Vec<i64>,
) -> ([f64; 2], f64) {
    let (mut times, mut right, mut all) = (Vec::new(), 0, 0);
    for (query, truth) in queries.iter().zip(truth) {
        let start = Instant::now();
        let found = ask(query);
        times.push(start.elapsed().as_secs_f64() * 1e3);
        right += found.iter().filter(|id| truth.contains(id)).count();
        all += truth.len();
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    ([at(0.5), at(0.99)], right as f64 / all.max(1) as f64)
}

/// In full precision, on vectors made again.
fn brute_force(generator: &Generator, count: usize, queries: &[Vec<f32>]) -> Vec<Vec<i64>> {
    let share = count.div_ceil(cores());
    let parts: Vec<Vec<Best>> = std::thread::scope(|scope| {
        let parts = (0..cores()).map(|core| {
            scope.spawn(move || {
                let mut best: Vec<Best> = queries.iter().map(|_| Best::new(K)).collect();
                for n in core * share..count.min((core + 1) * share) {
                    let vector = generator.vector(n);
                    for (best, query) in best.iter_mut().zip(queries) {
                        let id = VectorId(n as i64 + 1);
                        let similarity = dot(query, &vector);
                        best.push(Neighbour { id, similarity });
                    }
                }
                best
            })
        });
        let parts: Vec<_> = parts.collect();
        parts
            .into_iter()
            .map(|p| p.join().expect("a part"))
            .collect()
    });
    let mut whole: Vec<Best> = queries.iter().map(|_| Best::new(K)).collect();
    for part in parts {
        for (best, more) in whole.iter_mut().zip(part) {
            more.finish().into_iter().for_each(|n| best.push(n));
        }
    }
    whole.into_iter().map(|best| ids(&best.finish())).collect()
}

fn options() -> usearch::IndexOptions {
    usearch::IndexOptions {
        dimensions: DIM,
        metric: usearch::MetricKind::IP,
        quantization: usearch::ScalarKind::F16,
        connectivity: 16,
        expansion_add: 128,
        expansion_search: 64,
        multi: false,
    }
}

fn usearch(generator: &Generator, count: usize) -> usearch::Index {
    let index = usearch::Index::new(&options()).expect("an index");
    index.reserve(count).expect("memory");
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let halves: Vec<i16> = packed(&generator.vector(n))
                        .iter()
                        .map(|h| h.to_bits() as i16)
                        .collect();
                    index
                        .add(n as u64 + 1, usearch::f16::from_i16s(&halves))
                        .expect("memory");
                }
            });
        }
    });
    index
}

/// A library of the built-in model with `count` moments of made-up vectors, a thousand to a video.
fn library(count: usize, dir: &Path) {
    let model = Builtin::new();
    let Profile {
        name,
        fingerprint,
        dim,
        ..
    } = model.profile();
    let of = NewModel {
        name,
        fingerprint,
        dim: *dim,
    };
    let library = Library::at(dir);
    let mut writer = library.model_writer(of).expect("a new library");
    let generator = Generator::new(count);
    let reading = Reading {
        policy: "\"bench\"".into(),
        views: "\"center\"".into(),
    };
    for from in (0..count).step_by(1000) {
        let stamp = FileStamp {
            size: 0,
            modified_ns: 0,
        };
        let path = format!("/bench/{}/{from}.mp4", from / 100_000);
        let video = writer
            .begin_video(Path::new(&path), stamp, &reading)
            .expect("a video");
        let at = |s: usize| Timestamp::new(s as i64, TimeBase::new(1, 1).expect("seconds"));
        let moment = |n: usize| {
            let values = generator.vector(from + n)[..*dim].to_vec();
            NewMoment {
                video,
                time: at(10 * n),
                start: at(10 * n),
                end: at(10 * n + 10),
                vectors: vec![(None, Embedding::normalised(values).expect("a direction"))],
                thumbnail: None,
                objects: None,
                lettering: None,
            }
        };
        let moments: Vec<NewMoment> = (0..1000.min(count - from)).map(moment).collect();
        writer.commit(&moments).expect("room on the disk");
        let record = VideoRecord {
            coverage: Coverage {
                duration: Some(10_000.0),
                read_to: Some(10_000.0),
                frames: 1000,
                ..Default::default()
            },
            ..Default::default()
        };
        writer
            .finish_video(video, None, &record)
            .expect("room on the disk");
    }
    writer.catch_up().expect("room on the disk");
    drop(writer);
    let progress = GraphProgress {
        report: &|_, _| {},
        stop: &AtomicBool::new(false),
    };
    library
        .grow_graph((fingerprint, *dim), GRAPH_FROM, &progress)
        .expect("room on the disk");
    say!("{count} moments in {}", dir.display());
}

const SENTENCES: [&str; 8] = [
    "a white car at the gate",
    "a person riding a bicycle",
    "two people shaking hands",
    "an empty parking lot at night",
    "a dog on a leash",
    "a truck with a red trailer",
    "someone carrying a ladder",
    "a broken window",
];

/// What whole questions cost beside a sentence's vector and its bare search, by turns.
fn questions(dir: &Path) {
    let model: &dyn Embedder = &Builtin::new();
    let reader = Library::at(dir).reader().expect("a library");
    let row = reader.model(model.fingerprint()).expect("a model");
    let row = row.expect("vectors of the built-in model");
    let everywhere = Filter::everything(jiff::tz::TimeZone::UTC);
    let selection = reader.select(&everywhere).expect("a selection");
    let part = |s: &str| Part::sentence(s, model.embed_text(s).expect("a vector"));
    let all = Options::top(10);
    let plain = |s: &str| {
        let question = Question {
            words: Some(s.into()),
            ..Question::new(vec![part(s)])
        };
        query(&reader, model, &question, all, &everywhere).expect("an answer");
    };
    let composed = |s: &str| {
        let question = Question {
            unwanted: vec![part("a street in the rain")],
            ..Question::new(vec![part(s), part("at night")])
        };
        query(&reader, model, &question, all, &everywhere).expect("an answer");
    };
    let diverse = |s: &str| {
        let options = Options {
            diverse: true,
            ..all
        };
        query(
            &reader,
            model,
            &Question::new(vec![part(s)]),
            options,
            &everywhere,
        )
        .expect("an answer");
    };
    let chained = |s: &str| {
        let both = [s, "a person leaves"].map(|s| Question::new(vec![part(s)]));
        let chain = Chain {
            questions: &both,
            within: 3600.0,
            line: Line::Video,
        };
        query_sequence(&reader, model, chain, all, &everywhere).expect("an answer");
    };
    let bare = |s: &str| {
        let vector = model.embed_text(s).expect("a vector");
        reader
            .neighbours(&row, &vector, 10, &selection, false)
            .expect("an answer");
    };
    type Ask<'a> = &'a dyn Fn(&str);
    let asked: [(&str, Ask); 5] = [
        ("sentence and bare search", &bare),
        ("plain question", &plain),
        ("composed of two, one not wanted", &composed),
        ("diverse", &diverse),
        ("chain of two", &chained),
    ];
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); asked.len()];
    for round in 0..6 {
        for sentence in SENTENCES {
            for ((_, ask), times) in asked.iter().zip(&mut times) {
                let start = Instant::now();
                ask(sentence);
                // The first round warms up.
                if round > 0 {
                    times.push(start.elapsed().as_secs_f64() * 1e3);
                }
            }
        }
    }
    let middle = |times: &[f64]| {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    let of_bare = middle(&times[0]);
    for ((what, _), times) in asked.iter().zip(&times) {
        let ms = middle(times);
        say!("{what}: p50 {ms:.2} ms, {:.2}x", ms / of_bare);
    }
}
