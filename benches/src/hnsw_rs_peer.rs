//! `hnsw_rs` at its best, for comparison: rows as halves, the distance vsearch's graph has, insertion by
//! all cores, and a dump that is checksummed, then mapped.

use std::fs::{self, File};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use half::slice::HalfFloatSliceExt;
use hnsw_rs::prelude::{AnnT, Distance, Hnsw, HnswIo, ReloadOptions};
use rayon::prelude::*;

/// Links of a row; twice as many in the lowest layer.
const M: usize = 16;
const EF_CONSTRUCTION: usize = 128;
/// A dump is refused with any other number.
const LAYERS: usize = 16;
/// Rows made, then inserted, at a time.
const CHUNK: usize = 10_000;
const NAME: &str = "graph";

pub struct Built {
    /// Of inserting; making the vectors and dumping are left out.
    pub seconds: f64,
    /// Both files, without their checksums.
    pub dump_bytes: u64,
}

pub struct Opening {
    pub checksum_seconds: f64,
    pub load_seconds: f64,
}

/// The graph in memory, over rows that are mapped.
pub struct Opened {
    hnsw: Hnsw<'static, u16, OneMinusDot>,
}

/// Of rows as bits of halves: what `hnsw_rs` can dump and map needs serde's traits, which `u16` has.
#[derive(Clone, Copy, Default)]
struct OneMinusDot;

impl Distance<u16> for OneMinusDot {
    fn eval(&self, a: &[u16], b: &[u16]) -> f32 {
        // A distance below zero stops hnsw_rs.
        (1.0 - dot(a, b)).max(0.0)
    }
}

/// Graph of `count` normalised vectors, made by their number from 0; their ids start at 1.
pub fn build_and_dump(
    count: usize,
    dim: usize,
    dir: &Path,
    vector: &(dyn Fn(usize) -> Vec<f32> + Sync),
) -> Built {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(cores)
        .build()
        .expect("threads");
    let hnsw: Hnsw<u16, OneMinusDot> = Hnsw::new(M, count, LAYERS, EF_CONSTRUCTION, OneMinusDot);
    let mut spent = Duration::ZERO;
    for from in (0..count).step_by(CHUNK) {
        let numbers = from..count.min(from + CHUNK);
        let rows: Vec<Vec<u16>> = pool.install(|| {
            let made = numbers.into_par_iter().map(|n| bits(&vector(n)));
            made.collect()
        });
        assert!(rows.iter().all(|r| r.len() == dim), "rows of one length");
        let items: Vec<(&Vec<u16>, usize)> = rows.iter().zip(from + 1..).collect();
        // Of two rows inserted at once into an empty graph, one may stay without links.
        let (alone, together) = items.split_at(usize::from(from == 0));
        let start = Instant::now();
        for (row, id) in alone {
            hnsw.insert((row.as_slice(), *id));
        }
        pool.install(|| hnsw.parallel_insert(together));
        spent += start.elapsed();
    }

    fs::create_dir_all(dir).expect("room on the disk");
    hnsw.file_dump(dir, NAME).expect("room on the disk");
    drop(hnsw);
    let parts = parts(dir);
    for (part, hash) in parts.iter().zip(hashes(&parts)) {
        fs::write(checksum_of(part), hash.to_hex().as_str()).expect("room on the disk");
    }
    let bytes = |part: &PathBuf| part.metadata().expect("a dump").len();
    Built {
        seconds: spent.as_secs_f64(),
        dump_bytes: parts.iter().map(bytes).sum(),
    }
}

/// Panics before loading where a part of the dump is damaged. The mapping stays until the process ends.
pub fn open(dir: &Path) -> (Opened, Opening) {
    let start = Instant::now();
    let parts = parts(dir);
    for (part, found) in parts.iter().zip(hashes(&parts)) {
        let written = fs::read_to_string(checksum_of(part)).expect("a checksum");
        let written = blake3::Hash::from_hex(written.trim()).expect("a checksum");
        assert!(written == found, "a whole dump: {}", part.display());
    }
    let checksum_seconds = start.elapsed().as_secs_f64();

    let start = Instant::now();
    // The graph borrows the mapping from it.
    let io: &'static mut HnswIo = Box::leak(Box::new(HnswIo::new_with_options(
        dir,
        NAME,
        ReloadOptions::new(true),
    )));
    // load_hnsw_with_dist maps nothing.
    let hnsw = io.load_hnsw::<u16, OneMinusDot>().expect("a graph");
    let load_seconds = start.elapsed().as_secs_f64();
    let opening = Opening {
        checksum_seconds,
        load_seconds,
    };
    (Opened { hnsw }, opening)
}

impl Opened {
    /// Ids of the `k` nearest, nearest first.
    pub fn search(&self, query: &[f32], k: usize, ef: usize) -> Vec<i64> {
        let found = self.hnsw.search(&bits(query), k, ef);
        found.iter().map(|n| n.d_id as i64).collect()
    }
}

/// The files of a dump: rows, and links.
fn parts(dir: &Path) -> [PathBuf; 2] {
    ["data", "graph"].map(|part| dir.join(format!("{NAME}.hnsw.{part}")))
}

fn checksum_of(part: &Path) -> PathBuf {
    let mut name = part.as_os_str().to_owned();
    name.push(".blake3");
    name.into()
}

fn hashes([data, graph]: &[PathBuf; 2]) -> [blake3::Hash; 2] {
    let (data, graph) = rayon::join(|| hash(data), || hash(graph));
    [data, graph]
}

fn hash(part: &Path) -> blake3::Hash {
    let file = File::open(part).expect("a dump");
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).expect("a dump");
    hasher.finalize()
}

fn bits(values: &[f32]) -> Vec<u16> {
    let mut halves = vec![half::f16::ZERO; values.len()];
    halves.convert_from_f32_slice(values);
    halves.iter().map(|h| h.to_bits()).collect()
}

/// Dot product of halves, summed in f32: as vsearch's graph has it.
fn dot(a: &[u16], b: &[u16]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if let Some(dot) = avx512::dot(a, b) {
        return dot;
    }
    simsimd::SpatialSimilarity::dot(halves(a), halves(b)).unwrap_or(-1.0) as f32
}

#[allow(unsafe_code)]
fn halves(bits: &[u16]) -> &[simsimd::f16] {
    // SAFETY: `f16` is one `u16`, each pattern of which is one.
    let (before, halves, after) = unsafe { bits.align_to::<simsimd::f16>() };
    debug_assert!(before.is_empty() && after.is_empty());
    halves
}

/// Halves widened 64 at a time, into four sums.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::sync::OnceLock;

    use pulp::NullaryFnOnce;
    use pulp::x86::V4;

    const LANES: usize = 16;
    const SUMS: usize = 4;

    struct Dot<'a> {
        simd: V4,
        a: &'a [u16],
        b: &'a [u16],
    }

    impl NullaryFnOnce for Dot<'_> {
        type Output = f32;

        #[inline(always)]
        fn call(self) -> f32 {
            let simd = self.simd.avx512f;
            let mut sums = [simd._mm512_setzero_ps(); SUMS];
            let (a, _) = self.a.as_chunks::<{ LANES * SUMS }>();
            let (b, _) = self.b.as_chunks::<{ LANES * SUMS }>();
            for (a, b) in a.iter().zip(b) {
                let (a, _) = a.as_chunks::<LANES>();
                let (b, _) = b.as_chunks::<LANES>();
                for n in 0..SUMS {
                    let a = simd._mm512_cvtph_ps(pulp::cast(a[n]));
                    let b = simd._mm512_cvtph_ps(pulp::cast(b[n]));
                    sums[n] = simd._mm512_fmadd_ps(a, b, sums[n]);
                }
            }
            let left = simd._mm512_add_ps(sums[0], sums[1]);
            let right = simd._mm512_add_ps(sums[2], sums[3]);
            simd._mm512_reduce_add_ps(simd._mm512_add_ps(left, right))
        }
    }

    /// `None` where the machine has no AVX-512, or where the length is no multiple of 64.
    pub(super) fn dot(a: &[u16], b: &[u16]) -> Option<f32> {
        static SIMD: OnceLock<Option<V4>> = OnceLock::new();
        let simd = (*SIMD.get_or_init(V4::try_new))?;
        let fits = a.len() == b.len() && a.len().is_multiple_of(LANES * SUMS);
        fits.then(|| simd.vectorize(Dot { simd, a, b }))
    }
}
