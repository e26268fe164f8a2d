//! The exact answer: every vector looked at, the best kept.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::{Neighbour, dot};
use crate::types::VectorId;

/// Collects the `limit` nearest of the vectors pushed.
pub struct Scan<'q> {
    query: &'q [f32],
    limit: usize,
    /// The worst kept on top.
    best: BinaryHeap<Reverse<Kept>>,
}

#[derive(PartialEq)]
struct Kept(Neighbour);

impl Eq for Kept {}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By similarity; of equals the older vector is the better, so that answers repeat.
impl Ord for Kept {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_similarity = self.0.similarity.total_cmp(&other.0.similarity);
        by_similarity.then_with(|| other.0.id.cmp(&self.0.id))
    }
}

impl<'q> Scan<'q> {
    pub fn new(query: &'q [f32], limit: usize) -> Self {
        Self {
            query,
            limit,
            best: BinaryHeap::new(),
        }
    }

    /// `values` must be normalised and as long as the query.
    pub fn push(&mut self, id: VectorId, values: &[f32]) {
        let similarity = dot(self.query, values);
        let kept = Kept(Neighbour { id, similarity });
        if self.best.len() < self.limit {
            self.best.push(Reverse(kept));
        } else if self.best.peek().is_some_and(|worst| kept > worst.0) {
            self.best.pop();
            self.best.push(Reverse(kept));
        }
    }

    /// The nearest, best first.
    pub fn finish(self) -> Vec<Neighbour> {
        let sorted = self.best.into_sorted_vec();
        sorted.into_iter().map(|Reverse(Kept(n))| n).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Embedding;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keeps_what_sorting_everything_would(
            vectors in proptest::collection::vec(proptest::collection::vec(-1f32..1.0, 8), 1..60),
            limit in 1usize..20,
        ) {
            let unit: Vec<Embedding> = vectors.into_iter().filter_map(Embedding::normalised).collect();
            prop_assume!(!unit.is_empty());
            let query = unit[0].clone();
            let mut scan = Scan::new(query.as_slice(), limit);
            for (i, v) in unit.iter().enumerate() {
                scan.push(VectorId(i as i64), v.as_slice());
            }
            let got: Vec<f32> = scan.finish().iter().map(|n| n.similarity).collect();
            let mut all: Vec<f32> = unit.iter().map(|v| query.similarity(v)).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            prop_assert_eq!(got.len(), limit.min(unit.len()));
            prop_assert!(got.iter().zip(&all).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }
}
