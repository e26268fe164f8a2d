//! The HNSW graph as it lies on disk (docs/formats.md), mapped, and the search through it.
//!
//! Malkov & Yashunin 2018, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs", algorithms 2 and 5. Nodes are rows of the file of
//! vectors; a row's highest layer follows from its number, so that it need not be kept.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;

use simsimd::f16;

use super::exact::{Best, KeepRow};
use super::map::Mapped;
use super::{AnnError, Neighbour, Vectors, dot_halves, to_halves};

/// M of the paper: links a node keeps in each layer but the lowest, which keeps twice as many.
pub(super) const M: usize = 16;
/// In place of a link where there is none.
pub(super) const NONE: u32 = u32::MAX;
/// Rows of more layers are as good as impossible.
const MOST_LAYERS: usize = 16;

const MAGIC: [u8; 8] = *b"VSGRAPH1";
const HEADER: usize = 64;

/// Links a node keeps in a layer.
pub(super) fn width(layer: usize) -> usize {
    if layer == 0 { 2 * M } else { M }
}

/// The highest layer of a row: exponentially fewer rows reach each next one.
pub(super) fn level(row: u32) -> usize {
    // splitmix64, Steele et al. 2014
    let mut x = u64::from(row)
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^= x >> 31;
    let uniform = ((x >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
    ((-uniform.ln() / (M as f64).ln()) as usize).min(MOST_LAYERS - 1)
}

/// A row and how near it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Near {
    pub(super) similarity: f32,
    pub(super) row: u32,
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

/// Rows seen in one search.
pub(super) struct Visited {
    rows: usize,
    words: Vec<u64>,
    touched: Vec<u32>,
}

impl Visited {
    pub(super) fn new(rows: usize) -> Self {
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

    pub(super) fn clear(&mut self) {
        for word in self.touched.drain(..) {
            self.words[word as usize] = 0;
        }
    }
}

/// Who is linked to whom: on disk, or while it is built.
pub(super) trait Links {
    /// Hands each link of a row in a layer to `to`.
    fn each(&self, layer: usize, row: u32, to: impl FnMut(u32));
}

/// Algorithm 2: the `ef` nearest to `query` that one layer leads to from `entries`, best first.
/// Rows that are not kept are passed through and left out.
pub(super) fn search_layer(
    links: &impl Links,
    vectors: &Vectors,
    query: &[f16],
    entries: &[Near],
    (layer, ef): (usize, usize),
    visited: &mut Visited,
    keep: impl Fn(u32) -> bool,
) -> Vec<Near> {
    let mut open: BinaryHeap<Near> = BinaryHeap::with_capacity(ef);
    let mut best: BinaryHeap<Reverse<Near>> = BinaryHeap::with_capacity(ef + 1);
    for entry in entries {
        if visited.insert(entry.row) {
            open.push(*entry);
            if keep(entry.row) {
                best.push(Reverse(*entry));
            }
        }
    }
    let mut around = Vec::with_capacity(width(layer));
    while let Some(now) = open.pop() {
        if best.len() >= ef && best.peek().is_some_and(|worst| now < worst.0) {
            break;
        }
        around.clear();
        links.each(layer, now.row, |row| {
            if visited.insert(row) {
                around.push(row);
            }
        });
        for &row in &around {
            let similarity = dot_halves(query, vectors.vector(row as usize));
            let near = Near { similarity, row };
            if best.len() < ef || best.peek().is_some_and(|worst| near > worst.0) {
                open.push(near);
                if keep(row) {
                    best.push(Reverse(near));
                    if best.len() > ef {
                        best.pop();
                    }
                }
            }
        }
    }
    let sorted = best.into_sorted_vec();
    sorted.into_iter().map(|Reverse(near)| near).collect()
}

/// From the entry down to the layer above `layer`: the nearest row of each.
pub(super) fn descend(
    links: &impl Links,
    vectors: &Vectors,
    query: &[f16],
    (entry, layers): (u32, usize),
    layer: usize,
    visited: &mut Visited,
) -> Vec<Near> {
    let similarity = dot_halves(query, vectors.vector(entry as usize));
    let mut nearest = vec![Near {
        similarity,
        row: entry,
    }];
    for layer in (layer + 1..layers).rev() {
        visited.clear();
        nearest = search_layer(links, vectors, query, &nearest, (layer, 1), visited, |_| {
            true
        });
    }
    visited.clear();
    nearest
}

/// Where a layer lies: which rows it has, in order, and their links.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    /// Byte range of the rows; empty for the lowest layer, which has them all.
    rows: Range<usize>,
    links: Range<usize>,
}

/// A graph on disk, mapped.
pub struct Graph {
    map: Mapped,
    layers: Vec<Layer>,
    entry: u32,
    rows: usize,
    sum: [u8; 32],
}

impl Links for Graph {
    fn each(&self, layer: usize, row: u32, to: impl FnMut(u32)) {
        let links = self.links(layer, row).unwrap_or_default();
        let set = links.iter().copied().take_while(|l| *l != NONE);
        set.for_each(to);
    }
}

impl Graph {
    /// Opens the graph over the rows of `vectors`; `None` where there is none.
    ///
    /// # Errors
    /// Where it is not one, or cut short.
    pub fn open(vectors: &Vectors) -> Result<Option<Self>, AnnError> {
        let path = Self::path(vectors);
        let Ok(length) = path.metadata().map(|m| m.len()) else {
            return Ok(None);
        };
        let failed = |reason: &str| AnnError::Read {
            path: path.clone(),
            reason: reason.into(),
        };
        let map = Mapped::open(&path, length).map_err(|e| failed(&e.to_string()))?;
        let bytes = map.bytes();
        let number = |at: usize| {
            let eight = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
            eight.map(u64::from_le_bytes)
        };
        let graph = || {
            let rows = usize::try_from(number(8)?).ok()?;
            let layers_and_entry = number(16)?;
            let count = (layers_and_entry & 0xFFFF_FFFF) as usize;
            let entry = (layers_and_entry >> 32) as u32;
            let mut layers = Vec::new();
            let mut at = HEADER;
            for layer in 0..count {
                let nodes = match layer {
                    0 => rows,
                    _ => usize::try_from(number(at)?).ok()?,
                };
                let listed = if layer == 0 {
                    at..at
                } else {
                    at + 8..(at + 8).checked_add(nodes.checked_mul(4)?)?
                };
                let links = listed.end
                    ..listed
                        .end
                        .checked_add(nodes.checked_mul(4 * width(layer))?)?;
                // Numbers of eight bytes follow.
                at = links.end.next_multiple_of(8);
                bytes.get(links.clone())?;
                layers.push(Layer {
                    rows: listed,
                    links,
                });
            }
            let sum = bytes.get(32..64)?.try_into().ok()?;
            let fits = bytes.get(..8)? == MAGIC
                && number(24)? == vectors.epoch()
                && rows <= vectors.len()
                && (entry as usize) < rows
                && (1..=MOST_LAYERS).contains(&count);
            fits.then_some((layers, entry, rows, sum))
        };
        let (layers, entry, rows, sum) =
            graph().ok_or_else(|| failed("not a graph, or cut short"))?;
        Ok(Some(Self {
            map,
            layers,
            entry,
            rows,
            sum,
        }))
    }

    /// Takes the graph over `vectors` away where it is not what was written.
    pub fn discard_unsound(vectors: &Vectors) {
        let sound = match Self::open(vectors) {
            Ok(graph) => graph.is_none_or(|g| g.is_sound()),
            Err(_) => false,
        };
        if !sound {
            let _ = std::fs::remove_file(Self::path(vectors));
        }
    }

    fn path(vectors: &Vectors) -> PathBuf {
        vectors.dir().join(format!("graph.{}", vectors.epoch()))
    }

    /// Rows of the file of vectors that it covers: the first ones.
    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether its bytes are those that were written.
    pub fn is_sound(&self) -> bool {
        let body = self.map.bytes().get(HEADER..).unwrap_or_default();
        *blake3::hash(body).as_bytes() == self.sum
    }

    /// About the `limit` nearest to `query` of the rows it covers that are kept, best first. `ef`: how
    /// many are kept in view on the way; at least `limit`.
    pub fn search(
        &self,
        vectors: &Vectors,
        query: &[f32],
        limit: usize,
        ef: usize,
        keep: Option<&KeepRow>,
    ) -> Vec<Neighbour> {
        let halves = to_halves(query);
        let mut visited = Visited::new(self.rows);
        let start = (self.entry, self.layers.len());
        let entries = descend(self, vectors, &halves, start, 0, &mut visited);
        let rows = vectors.rows();
        let keep = |row: u32| keep.is_none_or(|keep| keep(&rows[row as usize]));
        let ef = ef.max(limit);
        let found = search_layer(
            self,
            vectors,
            &halves,
            &entries,
            (0, ef),
            &mut visited,
            keep,
        );
        let mut best = Best::new(limit);
        for near in found {
            best.push(Neighbour {
                id: rows[near.row as usize].id(),
                similarity: vectors.similarity(query, near.row as usize),
            });
        }
        best.finish()
    }

    pub(super) fn entry(&self) -> (u32, usize) {
        (self.entry, self.layers.len())
    }

    pub(super) fn links(&self, layer: usize, row: u32) -> Option<&[u32]> {
        let at = match layer {
            0 => row as usize,
            _ => self.rows_of(layer)?.binary_search(&row).ok()?,
        };
        let all: &[u32] =
            bytemuck::cast_slice(&self.map.bytes()[self.layers.get(layer)?.links.clone()]);
        all.get(at * width(layer)..(at + 1) * width(layer))
    }

    fn rows_of(&self, layer: usize) -> Option<&[u32]> {
        let range = self.layers.get(layer)?.rows.clone();
        Some(bytemuck::cast_slice(&self.map.bytes()[range]))
    }
}

/// The rows of a layer, in order (not listed for the lowest, which has them all), and their links.
pub(super) type NewLayer = (Vec<u32>, Vec<u32>);

/// Writes a graph: of each layer the rows it has (all, for the lowest) and their links.
pub(super) fn write(
    vectors: &Vectors,
    rows: usize,
    entry: u32,
    layers: &[NewLayer],
) -> Result<(), AnnError> {
    let path = Graph::path(vectors);
    // Another process may be at the same.
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let write = || -> io::Result<()> {
        let mut file = io::BufWriter::with_capacity(1 << 20, std::fs::File::create(&fresh)?);
        file.write_all(&[0; HEADER])?;
        let mut hasher = blake3::Hasher::new();
        let mut length = 0;
        let mut put = |bytes: &[u8]| {
            hasher.update(bytes);
            length += bytes.len();
            file.write_all(bytes)
        };
        let mut written = 0;
        for (layer, (nodes, links)) in layers.iter().enumerate() {
            if layer > 0 {
                put(&(nodes.len() as u64).to_le_bytes())?;
                put(bytemuck::cast_slice(nodes))?;
                written += 8 + 4 * nodes.len();
            }
            put(bytemuck::cast_slice(links))?;
            written += 4 * links.len();
            let padding = written.next_multiple_of(8) - written;
            put(&[0; 8][..padding])?;
            written += padding;
        }
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&MAGIC);
        header[8..16].copy_from_slice(&(rows as u64).to_le_bytes());
        header[16..20].copy_from_slice(&(layers.len() as u32).to_le_bytes());
        header[20..24].copy_from_slice(&entry.to_le_bytes());
        header[24..32].copy_from_slice(&vectors.epoch().to_le_bytes());
        header[32..].copy_from_slice(hasher.finalize().as_bytes());
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        io::Seek::rewind(&mut file)?;
        file.write_all(&header)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &path)
    };
    write().map_err(|cause| {
        let _ = std::fs::remove_file(&fresh);
        AnnError::Write {
            path: path.clone(),
            cause,
        }
    })
}
