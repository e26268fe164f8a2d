//! The graph as it lies on disk (docs/formats.md), mapped, and the search through it.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Links, MOST_LAYERS, NONE, Visited, descend, m_max, near, search_layer};
use crate::store::rows::Neighbour;
use crate::store::sqlite::modes::open;
use crate::store::sqlite::vectors::map::Mapped;
use crate::store::sqlite::vectors::{Best, Predicate, Vectors, VectorsError, to_halves};

const MAGIC: [u8; 8] = *b"VSGRAPH2";
/// Of formats before 7, which said nothing of the library they are of.
const MAGIC_1: [u8; 8] = *b"VSGRAPH1";
const HEADER: usize = 64;

/// Where a layer lies: which rows it has, in order, and their links.
#[derive(Debug, Clone, PartialEq)]
struct Layer {
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
    pub fn open(vectors: &Vectors) -> Result<Option<Self>, VectorsError> {
        let path = Self::path(vectors);
        let Ok(length) = path.metadata().map(|m| m.len()) else {
            return Ok(None);
        };
        let failed = |reason: &str| VectorsError::Read {
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
                        .checked_add(nodes.checked_mul(4 * m_max(layer))?)?;
                // Numbers of eight bytes follow.
                at = links.end.next_multiple_of(8);
                bytes.get(links.clone())?;
                layers.push(Layer {
                    rows: listed,
                    links,
                });
            }
            let sum = bytes.get(32..64)?.try_into().ok()?;
            let magic = bytes.get(..8)?;
            let ours = magic == MAGIC && number(24)? == binding(vectors);
            let before = magic == MAGIC_1 && number(24)? == vectors.epoch();
            let fits = (ours || before)
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

    /// K-NN-SEARCH (algorithm 5): about the `limit` nearest to `query` of the rows it covers that are in
    /// scope, best first. `ef`: how many are kept in view on the way; at least `limit`.
    pub fn search(
        &self,
        vectors: &Vectors,
        query: &[f32],
        limit: usize,
        ef: usize,
        in_scope: Option<&Predicate>,
    ) -> Vec<Neighbour> {
        let halves = to_halves(query);
        let mut visited = Visited::new(self.rows);
        let start = (self.entry, self.layers.len());
        let mut ep = descend((self, vectors), &halves, start, 0, &mut visited);
        // From here everything can be reached; from where the layers above led, nearly everything.
        ep.push(near(vectors, &halves, self.entry));
        let rows = vectors.rows();
        let in_scope = |row: u32| in_scope.is_none_or(|holds| holds(&rows[row as usize]));
        let at = (0, ef.max(limit));
        let found = search_layer((self, vectors), &halves, &ep, at, &mut visited, in_scope);
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
        all.get(at * m_max(layer)..(at + 1) * m_max(layer))
    }

    fn rows_of(&self, layer: usize) -> Option<&[u32]> {
        let range = self.layers.get(layer)?.rows.clone();
        Some(bytemuck::cast_slice(&self.map.bytes()[range]))
    }
}

/// A graph being written, and the process that does.
const UNFINISHED: &str = "graph.new-";

/// Takes away what processes left that were killed while they wrote a graph.
pub(super) fn remove_abandoned(dir: &Path) {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    for file in files {
        let name = file.file_name();
        let process = name.to_str().and_then(|n| n.strip_prefix(UNFINISHED));
        let process = process.and_then(|p| rustix::process::Pid::from_raw(p.parse().ok()?));
        let abandoned = |pid| rustix::process::test_kill_process(pid).is_err();
        if process.is_some_and(abandoned) {
            let _ = std::fs::remove_file(file.path());
        }
    }
}

/// What ties a graph to the one file of vectors it is over.
fn binding(vectors: &Vectors) -> u64 {
    let (begun, epoch) = vectors.identity();
    let mut hasher = blake3::Hasher::new();
    hasher.update(begun.as_bytes());
    hasher.update(&epoch.to_le_bytes());
    let hash = hasher.finalize();
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default())
}

/// The rows of a layer, in order (not listed for the lowest, which has them all), and their links.
pub(super) type NewLayer = (Vec<u32>, Vec<u32>);

/// Writes a graph: of each layer the rows it has (all, for the lowest) and their links.
pub(super) fn write(
    vectors: &Vectors,
    rows: usize,
    entry: u32,
    layers: &[NewLayer],
) -> Result<(), VectorsError> {
    let path = Graph::path(vectors);
    remove_abandoned(vectors.dir());
    // Another process may be at the same.
    let fresh = vectors
        .dir()
        .join(format!("{UNFINISHED}{}", std::process::id()));
    let write = || -> io::Result<()> {
        let file = open(&fresh, File::options().write(true).truncate(true))?;
        let mut file = io::BufWriter::with_capacity(1 << 20, file);
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
        header[24..32].copy_from_slice(&binding(vectors).to_le_bytes());
        header[32..].copy_from_slice(hasher.finalize().as_bytes());
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        io::Seek::rewind(&mut file)?;
        file.write_all(&header)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &path)
    };
    write().map_err(|cause| {
        let _ = std::fs::remove_file(&fresh);
        VectorsError::Write {
            path: path.clone(),
            cause,
        }
    })
}
