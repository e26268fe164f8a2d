//! Nearest neighbours: an exact scan and an HNSW graph. Ids and vectors in, ids out.

mod exact;
mod hnsw;

use std::path::PathBuf;

use crate::types::VectorId;

pub use exact::Scan;
pub use hnsw::{Graph, GraphState};

/// A vector near the query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    pub id: VectorId,
    /// Cosine, in [-1, 1].
    pub similarity: f32,
}

/// Why a graph could not be kept or opened. It is derived: it can always be built again.
#[derive(Debug, thiserror::Error)]
pub enum AnnError {
    #[error("{}: the graph cannot be written: {cause}", path.display())]
    Write {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{}: the graph cannot be written: {reason}", path.display())]
    Dump { path: PathBuf, reason: String },
    #[error("{}: the graph cannot be read: {reason}", path.display())]
    Read { path: PathBuf, reason: String },
}

/// Cosine of two normalised vectors of one length, with the machine's widest instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    use simsimd::SpatialSimilarity;
    f32::dot(a, b).unwrap_or(-1.0) as f32
}
