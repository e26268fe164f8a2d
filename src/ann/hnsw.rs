//! The HNSW graph (Malkov & Yashunin 2018) by hnsw_rs, with a SIMD distance, on disk beside a
//! state that says which generation of the catalogue it reflects.

use std::fs;
use std::path::{Path, PathBuf};

use hnsw_rs::api::AnnT;
use hnsw_rs::prelude::{Distance, Hnsw, HnswIo};
use serde::{Deserialize, Serialize};

use super::{AnnError, Neighbour, dot};
use crate::types::VectorId;

/// M of the paper: links a node keeps in each layer.
const M: usize = 16;
const EF_CONSTRUCTION: usize = 200;
const MAX_LAYER: usize = 16;
/// efSearch; the paper wants it above k.
const EF_SEARCH: usize = 128;
/// Expected size told to hnsw_rs; it grows beyond.
const CAPACITY: usize = 100_000;

const NAME: &str = "graph";
const STATE: &str = "state.json";

/// 1 - cosine, never below 0.
#[derive(Default, Clone, Copy)]
pub struct CosineDistance;

impl Distance<f32> for CosineDistance {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - dot(a, b)).max(0.0)
    }
}

/// What a stored graph reflects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphState {
    /// The catalogue's generation.
    pub generation: i64,
    pub vectors: usize,
    /// The newest vector in it.
    pub last_id: i64,
    /// Bytes of the two files, so that a cut one is not opened.
    bytes: u64,
}

/// A graph in memory.
pub struct Graph {
    hnsw: Hnsw<'static, f32, CosineDistance>,
    last_id: i64,
}

impl Default for Graph {
    fn default() -> Self {
        let hnsw = Hnsw::new(M, CAPACITY, MAX_LAYER, EF_CONSTRUCTION, CosineDistance);
        Self { hnsw, last_id: 0 }
    }
}

impl Graph {
    pub fn len(&self) -> usize {
        self.hnsw.get_nb_point()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds vectors, on all cores. They must be newer than those inside.
    pub fn insert(&mut self, vectors: &[(VectorId, Vec<f32>)]) {
        let items: Vec<(&Vec<f32>, usize)> =
            vectors.iter().map(|(id, v)| (v, id.0 as usize)).collect();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // A pool of its own: the global one may have been told to keep to one thread.
        match rayon::ThreadPoolBuilder::new().num_threads(cores).build() {
            Ok(pool) => pool.install(|| self.hnsw.parallel_insert(&items)),
            Err(_) => self.hnsw.parallel_insert(&items),
        }
        let newest = vectors.iter().map(|(id, _)| id.0).max();
        self.last_id = self.last_id.max(newest.unwrap_or(0));
    }

    /// About the `limit` nearest, best first.
    pub fn search(&self, query: &[f32], limit: usize) -> Vec<Neighbour> {
        let found = self.hnsw.search(query, limit, EF_SEARCH.max(2 * limit));
        let neighbour = |n: hnsw_rs::prelude::Neighbour| Neighbour {
            id: VectorId(n.d_id as i64),
            similarity: 1.0 - n.distance,
        };
        found.into_iter().map(neighbour).collect()
    }

    /// Writes the graph to `dir` and takes the place of the one there only when all is written.
    pub fn save(&self, dir: &Path, generation: i64) -> Result<(), AnnError> {
        let fresh = dir.with_extension("new");
        let write = |path: &Path, result: std::io::Result<()>| {
            result.map_err(|cause| AnnError::Write {
                path: path.into(),
                cause,
            })
        };
        let _ = fs::remove_dir_all(&fresh);
        write(&fresh, fs::create_dir_all(&fresh))?;
        let dumped = self.hnsw.file_dump(&fresh, NAME);
        dumped.map_err(|e| AnnError::Dump {
            path: fresh.clone(),
            reason: e.to_string(),
        })?;
        let state = GraphState {
            generation,
            vectors: self.len(),
            last_id: self.last_id,
            bytes: bytes(&fresh),
        };
        let json = serde_json::to_vec(&state).expect("four numbers are JSON");
        write(&fresh, fs::write(fresh.join(STATE), json))?;
        let _ = fs::remove_dir_all(dir);
        write(dir, fs::rename(&fresh, dir))
    }

    /// What the graph in `dir` reflects; `None` where there is none, or not all of it.
    pub fn state(dir: &Path) -> Option<GraphState> {
        let state: GraphState = serde_json::from_slice(&fs::read(dir.join(STATE)).ok()?).ok()?;
        (state.bytes == bytes(dir)).then_some(state)
    }

    /// Opens the graph in `dir`.
    pub fn load(dir: &Path) -> Result<Self, AnnError> {
        let failed = |reason: String| AnnError::Read {
            path: dir.into(),
            reason,
        };
        let state = Self::state(dir).ok_or_else(|| failed("incomplete".into()))?;
        let dir = dir.to_owned();
        // hnsw_rs asserts where it should answer: a damaged graph must not end the program.
        let loaded = std::panic::catch_unwind(move || {
            // The graph borrows its loader for as long as it lives, which is to the end.
            let io: &'static mut HnswIo = Box::leak(Box::new(HnswIo::new(&dir, NAME)));
            io.load_hnsw::<f32, CosineDistance>()
                .map_err(|e| e.to_string())
        });
        let hnsw = match loaded {
            Ok(result) => result.map_err(failed)?,
            Err(_) => return Err(failed("damaged".into())),
        };
        Ok(Self {
            hnsw,
            last_id: state.last_id,
        })
    }
}

fn bytes(dir: &Path) -> u64 {
    let file = |end: &str| -> PathBuf { dir.join(format!("{NAME}.hnsw.{end}")) };
    let size = |path: PathBuf| path.metadata().map_or(0, |m| m.len());
    size(file("graph")) + size(file("data"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ann::Scan;
    use crate::types::Embedding;

    /// Clustered like pictures are: `count` vectors around 40 centres. Seeded.
    fn clustered(count: usize, dim: usize) -> Vec<(VectorId, Vec<f32>)> {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        let centres: Vec<Vec<f32>> = (0..40)
            .map(|_| (0..dim).map(|_| random()).collect())
            .collect();
        (0..count)
            .map(|i| {
                let noisy = centres[i % 40].iter().map(|c| c + 0.5 * random()).collect();
                let unit = Embedding::normalised(noisy).unwrap();
                (VectorId(i as i64 + 1), unit.as_slice().to_vec())
            })
            .collect()
    }

    fn recall(graph: &Graph, vectors: &[(VectorId, Vec<f32>)]) -> f64 {
        let mut found = 0;
        for (_, query) in vectors.iter().step_by(97) {
            let mut scan = Scan::new(query, 10);
            vectors.iter().for_each(|(id, v)| scan.push(*id, v));
            let exact: Vec<VectorId> = scan.finish().iter().map(|n| n.id).collect();
            let near = graph.search(query, 10);
            found += near.iter().filter(|n| exact.contains(&n.id)).count();
        }
        found as f64 / (vectors.iter().step_by(97).count() * 10) as f64
    }

    #[test]
    fn finds_what_an_exact_scan_finds_also_after_growing_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("g");
        let vectors = clustered(3000, 48);
        let mut graph = Graph::default();
        graph.insert(&vectors[..2000]);
        graph.save(&at, 5).unwrap();

        let mut graph = Graph::load(&at).unwrap();
        assert_eq!(Graph::state(&at).unwrap().last_id, 2000);
        graph.insert(&vectors[2000..]);
        graph.save(&at, 6).unwrap();

        let graph = Graph::load(&at).unwrap();
        let state = Graph::state(&at).unwrap();
        assert_eq!(
            (state.generation, state.vectors, state.last_id),
            (6, 3000, 3000)
        );
        let recall = recall(&graph, &vectors);
        assert!(recall >= 0.95, "recall@10 {recall}");
    }

    #[test]
    fn a_damaged_graph_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("g");
        let mut graph = Graph::default();
        graph.insert(&clustered(50, 8));
        graph.save(&at, 1).unwrap();
        let file = at.join("graph.hnsw.data");
        let mut data = fs::read(&file).unwrap();
        data[..4].fill(0);
        fs::write(&file, &data).unwrap();
        assert!(matches!(Graph::load(&at), Err(AnnError::Read { .. })));
        fs::write(&file, &data[..20]).unwrap();
        assert_eq!(Graph::state(&at), None);
    }
}
