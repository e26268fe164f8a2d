//! The HNSW graph over the file of vectors.
//!
//! Malkov & Yashunin 2018, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs"; names are the paper's: `insert` (algorithm 1),
//! `search_layer` (2), `select_neighbors_heuristic` (4), the k-NN search (5, [`Graph::search`]); M,
//! M_max0, m_L, ef_construction, ep (entry points), W (nearest found), C (candidates). An element is a
//! row of the file of vectors.
//!
//! Where this deviates:
//! - Nearness is the cosine similarity (greater is nearer) and not a distance.
//! - An element's level l follows from its row by a hash, not from a random number: it need not be
//!   kept, and a graph grown twice is the same graph.
//! - Elements of high levels are inserted first, so that the entry point stays put while the rest is
//!   inserted in parallel. All layers of an element are searched before any is linked, and it is linked
//!   from the lowest layer up: whoever finds it in a layer finds its links in those below.
//! - The heuristic keeps pruned connections only up to half of M: room for links to come.
//! - Equal vectors (a still scene, unfolded) are linked to neighbours in time: else they would all be
//!   linked to the same few, and most could not be reached.
//! - When all are in, what cannot be reached from the entry point in the lowest layer is linked to
//!   (`reach_all`), and a search of that layer begins at the entry point besides where it was led.
//! - A filter is applied in the lowest layer: elements that are not in scope are passed through.

mod build;
mod disk;

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use simsimd::f16;

use super::vectors::{Vectors, dot_halves};

pub use build::build;
pub use disk::Graph;

/// Links an element gets, and keeps in each layer but the lowest (M_max).
const M: usize = 16;
/// Links it keeps in the lowest layer.
const M_MAX0: usize = 2 * M;
/// In place of a link where there is none.
const NONE: u32 = u32::MAX;
/// Elements of more layers are as good as impossible.
const MOST_LAYERS: usize = 16;

/// Links an element keeps in a layer.
fn m_max(layer: usize) -> usize {
    if layer == 0 { M_MAX0 } else { M }
}

/// l of an element: the highest layer it is in, floor(-ln(unif(0..1)) * m_L) with m_L = 1/ln(M).
fn level(row: u32) -> usize {
    // splitmix64, Steele et al. 2014
    let mut x = u64::from(row)
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^= x >> 31;
    let uniform = ((x >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
    let m_l = 1.0 / (M as f64).ln();
    ((-uniform.ln() * m_l) as usize).min(MOST_LAYERS - 1)
}

/// An element and how near it is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Near {
    similarity: f32,
    row: u32,
}

impl Eq for Near {}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By similarity; of equals the later row is the nearer, so that a crowd of the same vector is linked
/// to its end and not all to its beginning.
impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_similarity = self.similarity.total_cmp(&other.similarity);
        by_similarity.then_with(|| self.row.cmp(&other.row))
    }
}

/// v of the paper: elements visited in one search.
struct Visited {
    rows: usize,
    words: Vec<u64>,
    touched: Vec<u32>,
}

impl Visited {
    fn new(rows: usize) -> Self {
        Self {
            rows,
            words: vec![0; rows.div_ceil(64)],
            touched: Vec::new(),
        }
    }

    /// Whether the row is new, and one of those there are.
    fn insert(&mut self, row: u32) -> bool {
        let (word, bit) = (row / 64, 1 << (row % 64));
        match self.words.get_mut(word as usize) {
            // A damaged link may lead behind the last row.
            Some(w) if *w & bit == 0 && (row as usize) < self.rows => {
                *w |= bit;
                self.touched.push(word);
                true
            }
            _ => false,
        }
    }

    fn clear(&mut self) {
        for word in self.touched.drain(..) {
            self.words[word as usize] = 0;
        }
    }
}

/// Who is linked to whom: on disk, or while it is built.
trait Links {
    /// Hands each link of a row in a layer to `to`.
    fn each(&self, layer: usize, row: u32, to: impl FnMut(u32));
}

/// How near a row is to a query.
fn near(vectors: &Vectors, query: &[f16], row: u32) -> Near {
    let similarity = dot_halves(query, vectors.vector(row as usize));
    Near { similarity, row }
}

/// SEARCH-LAYER (algorithm 2): W, the `ef` nearest to `query` that one layer leads to from `ep`, best
/// first. Elements that are not in scope are passed through and left out.
fn search_layer(
    (links, vectors): (&impl Links, &Vectors),
    query: &[f16],
    ep: &[Near],
    (layer, ef): (usize, usize),
    visited: &mut Visited,
    in_scope: impl Fn(u32) -> bool,
) -> Vec<Near> {
    // C, the nearest first; and W, the farthest first.
    let mut candidates: BinaryHeap<Near> = BinaryHeap::with_capacity(ef.min(1024));
    let mut nearest: BinaryHeap<Reverse<Near>> = BinaryHeap::with_capacity(ef.min(1024) + 1);
    for entry in ep {
        if visited.insert(entry.row) {
            candidates.push(*entry);
            if in_scope(entry.row) {
                nearest.push(Reverse(*entry));
            }
        }
    }
    let mut neighbourhood = Vec::with_capacity(m_max(layer));
    while let Some(c) = candidates.pop() {
        if nearest.len() >= ef && nearest.peek().is_some_and(|farthest| c < farthest.0) {
            break;
        }
        neighbourhood.clear();
        links.each(layer, c.row, |row| {
            if visited.insert(row) {
                neighbourhood.push(row);
            }
        });
        for &row in &neighbourhood {
            let e = near(vectors, query, row);
            if nearest.len() < ef || nearest.peek().is_some_and(|farthest| e > farthest.0) {
                candidates.push(e);
                if in_scope(row) {
                    nearest.push(Reverse(e));
                    if nearest.len() > ef {
                        nearest.pop();
                    }
                }
            }
        }
    }
    let sorted = nearest.into_sorted_vec();
    sorted.into_iter().map(|Reverse(near)| near).collect()
}

/// The greedy part of algorithms 1 and 5: from the entry point down to the layer above `layer`, the
/// nearest element of each.
fn descend(
    (links, vectors): (&impl Links, &Vectors),
    query: &[f16],
    (entry, layers): (u32, usize),
    layer: usize,
    visited: &mut Visited,
) -> Vec<Near> {
    let mut ep = vec![near(vectors, query, entry)];
    for layer in (layer + 1..layers).rev() {
        visited.clear();
        ep = search_layer((links, vectors), query, &ep, (layer, 1), visited, |_| true);
    }
    visited.clear();
    ep
}
