//! The vectors of a model as a mapped file, and an exact scan of it. Ids and vectors in, ids out.

mod append;
mod dot;
mod exact;
mod file;
pub(super) mod map;

use std::path::PathBuf;

use half::slice::HalfFloatSliceExt;
use simsimd::f16;

pub use append::Appender;
pub use dot::dot;
pub(super) use dot::dot_halves;
pub use exact::{Best, Predicate, scan};
pub use file::{Origin, Row, Vectors};

/// Why a derived file could not be kept or opened. It can always be built again.
#[derive(Debug, thiserror::Error)]
pub enum VectorsError {
    #[error("{}: cannot be written: {cause}", path.display())]
    Write {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{}: cannot be read: {reason}", path.display())]
    Read { path: PathBuf, reason: String },
    #[error("vector {id} has {found} values, not {dim}")]
    Length { id: i64, found: usize, dim: usize },
    #[error("stopped")]
    Stopped,
}

pub(super) fn to_halves(values: &[f32]) -> Vec<f16> {
    let mut halves = vec![half::f16::ZERO; values.len()];
    halves.convert_from_f32_slice(values);
    halves.iter().map(|h| f16(h.to_bits())).collect()
}

impl Vectors {
    /// Cosine of a query and the vector of a row, the query in full precision.
    pub fn similarity(&self, query: &[f32], row: usize) -> f32 {
        let halves: Vec<half::f16> = self
            .vector(row)
            .iter()
            .map(|h| half::f16::from_bits(h.0))
            .collect();
        let mut values = vec![0.0; halves.len()];
        halves.convert_to_f32_slice(&mut values);
        dot(query, &values)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::*;
    use crate::types::{Embedding, VectorId, VideoId};

    /// Clustered like pictures are: `count` vectors around 40 centres. Seeded.
    pub(in super::super) fn clustered(count: usize, dim: usize) -> Vec<(VectorId, Vec<f32>)> {
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

    pub(in super::super) fn origin(generation: i64) -> Origin {
        Origin {
            generation,
            token: "t".into(),
        }
    }

    /// Appends those that are newer than what the file in `dir` has.
    pub(in super::super) fn file(dir: &Path, vectors: &[(VectorId, Vec<f32>)]) -> Vectors {
        let dim = vectors[0].1.len();
        let mut appender = Appender::open(dir, dim, 0).unwrap();
        let last = appender.last_id();
        for (id, values) in vectors.iter().filter(|(id, _)| *id > last) {
            let row = Row::new(*id, VideoId(id.0 / 100), id.0 as f64, id.0 as f64);
            let halves = to_halves(values);
            let bytes: Vec<u8> = halves.iter().flat_map(|h| h.0.to_le_bytes()).collect();
            appender.push(row, &bytes).unwrap();
        }
        appender.finish(&origin(1)).unwrap();
        Vectors::open(dir, dim).unwrap().unwrap()
    }
}
