//! The exact answer: every vector looked at, the best kept.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use simsimd::f16;

use super::{Row, Vectors, dot_halves, to_halves};
use crate::store::rows::Neighbour;

/// Rows a thread takes at a time.
const PIECE: usize = 2048;
/// Beyond what was asked, kept until they are compared in full precision: rounding the question to f16
/// moves a similarity by less than 0.0001.
const SPARE: usize = 64;

/// Collects the `limit` nearest of those pushed.
pub struct Best {
    limit: usize,
    /// The worst kept on top.
    kept: BinaryHeap<Reverse<Kept>>,
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

impl Best {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: BinaryHeap::new(),
        }
    }

    pub fn push(&mut self, neighbour: Neighbour) {
        let kept = Kept(neighbour);
        if self.kept.len() < self.limit {
            self.kept.push(Reverse(kept));
        } else if self.kept.peek().is_some_and(|worst| kept > worst.0) {
            self.kept.pop();
            self.kept.push(Reverse(kept));
        }
    }

    /// The nearest, best first.
    pub fn finish(self) -> Vec<Neighbour> {
        let sorted = self.kept.into_sorted_vec();
        sorted.into_iter().map(|Reverse(Kept(n))| n).collect()
    }
}

/// Whether a row is in scope, where not all of its stretch are.
pub type Predicate<'a> = dyn Fn(&Row) -> bool + Sync + 'a;

/// The `limit` vectors nearest to `query` among `stretches` of rows, best first, on all cores.
pub fn scan(
    vectors: &Vectors,
    query: &[f32],
    limit: usize,
    stretches: &[Range<usize>],
    keep: Option<&Predicate>,
) -> Vec<Neighbour> {
    let halves = to_halves(query);
    let pieces: Vec<Range<usize>> = pieces(stretches).collect();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = cores.min(pieces.len().div_ceil(2)).max(1);
    let next = AtomicUsize::new(0);
    let wanted = limit.saturating_add(SPARE);
    let work = || {
        let mut best = Best::new(wanted);
        while let Some(piece) = pieces.get(next.fetch_add(1, Relaxed)) {
            look(vectors, &halves, piece.clone(), keep, &mut best);
        }
        best.finish()
    };
    let found = thread::scope(|scope| {
        // Where the system gives no more threads, those there are do it all.
        let others = (1..threads).map_while(|n| {
            let named = thread::Builder::new().name(format!("scan-{n}"));
            named.spawn_scoped(scope, work).ok()
        });
        let others: Vec<_> = others.collect();
        let mut found = work();
        for other in others {
            match other.join() {
                Ok(more) => found.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        found
    });
    let mut rough = Best::new(wanted);
    found.into_iter().for_each(|n| rough.push(n));
    let mut best = Best::new(limit);
    for n in rough.finish() {
        let row = n.id.0 as usize;
        best.push(Neighbour {
            id: vectors.rows()[row].id(),
            similarity: vectors.similarity(query, row),
        });
    }
    best.finish()
}

/// While a scan goes on, neighbours bear their row for an id.
fn look(
    vectors: &Vectors,
    query: &[f16],
    piece: Range<usize>,
    keep: Option<&Predicate>,
    best: &mut Best,
) {
    for row in piece {
        if keep.is_some_and(|keep| !keep(&vectors.rows()[row])) {
            continue;
        }
        best.push(Neighbour {
            id: crate::types::VectorId(row as i64),
            similarity: dot_halves(query, vectors.vector(row)),
        });
    }
}

fn pieces(stretches: &[Range<usize>]) -> impl Iterator<Item = Range<usize>> {
    stretches.iter().flat_map(|s| {
        let end = s.end;
        let starts = s.clone().step_by(PIECE);
        starts.map(move |from| from..end.min(from + PIECE))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::vectors::tests::{clustered, file};
    use crate::types::{Embedding, VectorId};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keeps_what_sorting_everything_would(
            similarities in proptest::collection::vec(-1f32..1.0, 0..60),
            limit in 1usize..20,
        ) {
            let mut best = Best::new(limit);
            for (i, &similarity) in similarities.iter().enumerate() {
                best.push(Neighbour { id: VectorId(i as i64), similarity });
            }
            let got: Vec<f32> = best.finish().iter().map(|n| n.similarity).collect();
            let mut all = similarities;
            all.sort_by(|a, b| b.total_cmp(a));
            all.truncate(limit);
            prop_assert_eq!(got, all);
        }
    }

    #[test]
    fn a_scan_in_pieces_finds_what_looking_at_each_in_full_precision_finds() {
        let dir = tempfile::tempdir().unwrap();
        let vectors = clustered(9000, 48);
        let file = file(dir.path(), &vectors);
        let query = Embedding::normalised(vectors[77].1.clone()).unwrap();
        let within = [10..4000, 4500..4501, 7000..9000];
        let every_third = |row: &Row| row.id().0 % 3 == 0;
        for keep in [None, Some(&every_third as &Predicate)] {
            let found = scan(&file, query.as_slice(), 50, &within, keep);
            let mut all = Best::new(50);
            for row in within.iter().cloned().flatten() {
                if keep.is_none_or(|keep| keep(&file.rows()[row])) {
                    all.push(Neighbour {
                        id: file.rows()[row].id(),
                        similarity: file.similarity(query.as_slice(), row),
                    });
                }
            }
            assert_eq!(found, all.finish());
        }
        assert!(scan(&file, query.as_slice(), 5, &[], None).is_empty());
    }
}
