//! Building the graph: Malkov & Yashunin 2018, algorithms 1 and 4, on all cores.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::graph::{self, Graph, Links, NONE, Near, Visited, descend, level, search_layer, width};
use super::{AnnError, Vectors, dot_halves};

/// efConstruction of the paper.
const EF_CONSTRUCTION: usize = 128;
/// Nodes share this many locks.
const LOCKS: usize = 4096;

/// Told how many rows are in, of how many; and whether to go on.
pub struct Progress<'a> {
    pub report: &'a (dyn Fn(usize, usize) + Sync),
    pub stop: &'a AtomicBool,
}

/// Brings the graph over `vectors` up to all of its rows, from the one on disk where that is sound;
/// it is replaced when all are in.
///
/// # Errors
/// [`AnnError::Stopped`] where it was told to stop; nothing has changed then.
pub fn build(vectors: &Vectors, progress: &Progress) -> Result<(), AnnError> {
    let rows = u32::try_from(vectors.len()).unwrap_or(NONE - 1);
    Graph::discard_unsound(vectors);
    let before = Graph::open(vectors)?;
    let first = before.as_ref().map_or(0, |g| g.len() as u32);
    if first == rows {
        return Ok(());
    }
    let mut growing = Growing::new(vectors, rows, before);
    growing.insert(first, progress)?;
    let (entry, layers) = growing.finish();
    graph::write(vectors, rows as usize, entry, &layers)
}

struct Growing<'v> {
    vectors: &'v Vectors,
    rows: u32,
    /// Rows of each layer, in order; the lowest has them all.
    nodes: Vec<Vec<u32>>,
    links: Vec<Vec<AtomicU32>>,
    locks: Vec<Mutex<()>>,
    /// Where a search begins, and how many layers it has.
    start: (u32, usize),
}

impl Links for Growing<'_> {
    fn each(&self, layer: usize, row: u32, mut to: impl FnMut(u32)) {
        for link in self.links(layer, row) {
            match link.load(Relaxed) {
                NONE => return,
                link => to(link),
            }
        }
    }
}

impl<'v> Growing<'v> {
    fn new(vectors: &'v Vectors, rows: u32, before: Option<Graph>) -> Self {
        let mut nodes: Vec<Vec<u32>> = vec![Vec::new()];
        for row in 0..rows {
            for layer in 1..=level(row) {
                if nodes.len() == layer {
                    nodes.push(Vec::new());
                }
                nodes[layer].push(row);
            }
        }
        let links = nodes.iter().enumerate().map(|(layer, of)| {
            let count = if layer == 0 { rows as usize } else { of.len() };
            let mut links: Vec<AtomicU32> = Vec::with_capacity(count * width(layer));
            let rows: Vec<u32> = match layer {
                0 => (0..rows).collect(),
                _ => of.clone(),
            };
            for row in rows {
                let known = before.as_ref().and_then(|g| g.links(layer, row));
                match known {
                    Some(known) => links.extend(known.iter().map(|l| AtomicU32::new(*l))),
                    None => links.extend((0..width(layer)).map(|_| AtomicU32::new(NONE))),
                }
            }
            links
        });
        let links = links.collect();
        Self {
            start: before.as_ref().map_or((NONE, 0), Graph::entry),
            vectors,
            rows,
            nodes,
            links,
            locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
        }
    }

    /// Inserts the rows from `first` on.
    fn insert(&mut self, first: u32, progress: &Progress) -> Result<(), AnnError> {
        // Those of high layers first, one by one while they raise the entry: then it stays put.
        let mut order: Vec<u32> = (first..self.rows).collect();
        order.sort_by_key(|row| std::cmp::Reverse(level(*row)));
        let mut visited = Visited::new(self.rows as usize);
        let mut done = 0;
        for &row in &order {
            if level(row) < self.start.1 {
                break;
            }
            if self.start.0 != NONE {
                self.link(row, &mut visited);
            }
            self.start = (row, level(row) + 1);
            done += 1;
        }
        let this: &Self = self;
        let next = AtomicUsize::new(done);
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let work = || {
            let mut visited = Visited::new(this.rows as usize);
            while let Some(&row) = order.get(next.fetch_add(1, Relaxed)) {
                if progress.stop.load(Relaxed) {
                    return;
                }
                this.link(row, &mut visited);
                let done = next.load(Relaxed).min(order.len());
                if done.is_multiple_of(256) {
                    (progress.report)(done, order.len());
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..cores {
                scope.spawn(work);
            }
            work();
        });
        match progress.stop.load(Relaxed) {
            true => Err(AnnError::Stopped),
            false => Ok(()),
        }
    }

    /// Algorithm 1.
    fn link(&self, row: u32, visited: &mut Visited) {
        let query = self.vectors.vector(row as usize);
        let top = level(row).min(self.start.1 - 1);
        let mut entries = descend(self, self.vectors, query, self.start, top, visited);
        for layer in (0..=top).rev() {
            let at = (layer, EF_CONSTRUCTION);
            let near = search_layer(self, self.vectors, query, &entries, at, visited, |_| true);
            visited.clear();
            let mut others: Vec<Near> = near.iter().copied().filter(|n| n.row != row).collect();
            nearest_first(&mut others, row);
            let chosen = self.choose(&others, width(layer));
            self.add(layer, row, &chosen);
            for near in &chosen {
                let back = Near { row, ..*near };
                self.add(layer, near.row, &[back]);
            }
            entries = near;
        }
    }

    /// Adds links to a row, whose similarities are to it; where it has no room the best spread stay.
    fn add(&self, layer: usize, row: u32, more: &[Near]) {
        let lock = &self.locks[row as usize % LOCKS];
        let _held = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let links = self.links(layer, row);
        let mut known = Vec::with_capacity(links.len() + more.len());
        self.each(layer, row, |l| known.push(l));
        let fresh: Vec<Near> = more
            .iter()
            .copied()
            .filter(|n| !known.contains(&n.row))
            .collect();
        if known.len() + fresh.len() <= links.len() {
            for (link, near) in links[known.len()..].iter().zip(&fresh) {
                link.store(near.row, Relaxed);
            }
            return;
        }
        let here = self.vectors.vector(row as usize);
        let similarity = |other: u32| dot_halves(here, self.vectors.vector(other as usize));
        let mut all: Vec<Near> = known
            .into_iter()
            .map(|row| Near {
                similarity: similarity(row),
                row,
            })
            .chain(fresh)
            .collect();
        nearest_first(&mut all, row);
        let chosen = self.choose(&all, links.len());
        let padded = chosen.iter().map(|n| n.row).chain(std::iter::repeat(NONE));
        for (link, row) in links.iter().zip(padded) {
            link.store(row, Relaxed);
        }
    }

    /// Algorithm 4: of candidates, best first, those nearer to the row than to one chosen already; then
    /// of the others the nearest, up to half of `limit`, which keeps crowds of look-alikes reachable and
    /// leaves room for links to come.
    fn choose(&self, candidates: &[Near], limit: usize) -> Vec<Near> {
        if candidates.len() <= limit / 2 {
            return candidates.to_vec();
        }
        let mut chosen: Vec<Near> = Vec::with_capacity(limit);
        let mut passed = Vec::new();
        for near in candidates {
            if chosen.len() == limit {
                break;
            }
            let vector = self.vectors.vector(near.row as usize);
            let nearer = |c: &Near| {
                dot_halves(vector, self.vectors.vector(c.row as usize)) > near.similarity
            };
            if chosen.iter().any(nearer) {
                passed.push(*near);
            } else {
                chosen.push(*near);
            }
        }
        let room = (limit / 2).saturating_sub(chosen.len());
        chosen.extend(passed.into_iter().take(room));
        chosen
    }

    fn links(&self, layer: usize, row: u32) -> &[AtomicU32] {
        let at = match layer {
            0 => Some(row as usize),
            _ => self
                .nodes
                .get(layer)
                .and_then(|nodes| nodes.binary_search(&row).ok()),
        };
        let all = self.links.get(layer).map_or(&[][..], Vec::as_slice);
        let range = at.map(|at| at * width(layer)..(at + 1) * width(layer));
        range.and_then(|range| all.get(range)).unwrap_or_default()
    }

    /// The entry, and rows and links of each layer.
    fn finish(self) -> (u32, Vec<graph::NewLayer>) {
        let layers = self.nodes.into_iter().zip(self.links).take(self.start.1);
        let plain = |(nodes, links): (Vec<u32>, Vec<AtomicU32>)| {
            (
                nodes,
                links.into_iter().map(AtomicU32::into_inner).collect(),
            )
        };
        (self.start.0, layers.map(plain).collect())
    }
}

/// Of equals those of rows close by: each of a crowd of the same vector has others around it.
fn nearest_first(all: &mut [Near], row: u32) {
    let apart = |n: &Near| n.row.abs_diff(row);
    all.sort_unstable_by(|a, b| {
        let nearer = b.similarity.total_cmp(&a.similarity);
        nearer.then_with(|| apart(a).cmp(&apart(b)))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ann::exact::{KeepRow, scan};
    use crate::ann::tests::{clustered, file};
    use crate::ann::{Neighbour, Row};
    use crate::types::VectorId;

    static NEVER: AtomicBool = AtomicBool::new(false);
    static GO: Progress = Progress {
        report: &|_, _| {},
        stop: &NEVER,
    };

    fn recall(
        vectors: &Vectors,
        graph: &Graph,
        queries: &[Vec<f32>],
        keep: Option<&KeepRow>,
    ) -> f64 {
        let ids =
            |found: Vec<Neighbour>| found.into_iter().map(|n| n.id).collect::<Vec<VectorId>>();
        let whole = 0..vectors.len();
        let mut found = 0;
        for query in queries {
            let all = std::slice::from_ref(&whole);
            let exact = ids(scan(vectors, query, 10, all, keep));
            let near = ids(graph.search(vectors, query, 10, 64, keep));
            found += near.iter().filter(|id| exact.contains(id)).count();
        }
        found as f64 / (10 * queries.len()) as f64
    }

    #[test]
    fn finds_what_a_scan_finds_also_after_growing() {
        let dir = tempfile::tempdir().unwrap();
        let all = clustered(4000, 48);
        let queries: Vec<Vec<f32>> = all.iter().step_by(97).map(|(_, v)| v.clone()).collect();
        build(&file(dir.path(), &all[..2500]), &GO).unwrap();
        let grown = file(dir.path(), &all);
        assert_eq!(Graph::open(&grown).unwrap().unwrap().len(), 2500);
        build(&grown, &GO).unwrap();
        let graph = Graph::open(&grown).unwrap().unwrap();
        assert_eq!(graph.len(), 4000);
        assert!(graph.is_sound());
        let whole = recall(&grown, &graph, &queries, None);
        assert!(whole >= 0.97, "recall@10 {whole}");
        let half = |row: &Row| row.id().0 % 2 == 0;
        let half = recall(&grown, &graph, &queries, Some(&half));
        assert!(half >= 0.97, "recall@10 of every second {half}");
        let vector_once: std::collections::BTreeSet<VectorId> = graph
            .search(&grown, &queries[0], 4000, 4000, None)
            .iter()
            .map(|n| n.id)
            .collect();
        assert!(vector_once.len() > 3990, "{} reached", vector_once.len());
    }

    #[test]
    fn a_crowd_of_look_alikes_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut all = clustered(1500, 32);
        for n in 0..300 {
            all[5 * n].1 = all[0].1.clone();
        }
        let vectors = file(dir.path(), &all);
        build(&vectors, &GO).unwrap();
        let graph = Graph::open(&vectors).unwrap().unwrap();
        let found = graph.search(&vectors, &all[0].1, 300, 600, None);
        let alike = found.iter().filter(|n| n.similarity > 0.999).count();
        assert!(
            alike >= 290,
            "{alike} of {}, worst {}",
            found.len(),
            found[found.len() - 1].similarity
        );
    }

    #[test]
    fn a_stopped_build_changes_nothing_and_damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let vectors = file(dir.path(), &clustered(600, 8));
        let stopped = Progress {
            report: &|_, _| {},
            stop: &AtomicBool::new(true),
        };
        assert!(matches!(build(&vectors, &stopped), Err(AnnError::Stopped)));
        assert!(Graph::open(&vectors).unwrap().is_none());
        build(&vectors, &GO).unwrap();
        let path = dir.path().join("graph.0");
        let sound = std::fs::read(&path).unwrap();
        for at in [100, 64 + 600 * 128 + 20] {
            let mut bytes = sound.clone();
            bytes[at] ^= 0xF0;
            std::fs::write(&path, &bytes).unwrap();
            // It may still be asked: a link that leads nowhere is passed over.
            if let Ok(Some(graph)) = Graph::open(&vectors) {
                assert!(!graph.is_sound());
                graph.search(&vectors, &[0.5; 8], 10, 64, None);
            }
        }
        for cut in [0, 10, 64, sound.len() / 2, sound.len() - 9] {
            std::fs::write(&path, &sound[..cut]).unwrap();
            assert!(Graph::open(&vectors).is_err(), "{cut} bytes");
        }
        build(&vectors, &GO).unwrap();
        assert!(Graph::open(&vectors).unwrap().unwrap().is_sound());
    }
}
