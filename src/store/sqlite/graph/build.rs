//! Building the graph: INSERT (algorithm 1) and SELECT-NEIGHBORS-HEURISTIC (4), on all cores.

use std::num::NonZero;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::disk::{self, NewLayer, remove_abandoned};
use super::{Graph, Links, NONE, Near, Visited, descend, level, m_max, near, search_layer};
use crate::store::rows::GraphProgress;
use crate::store::sqlite::vectors::{Vectors, VectorsError, dot_halves};

/// efConstruction of the paper.
const EF_CONSTRUCTION: usize = 128;
/// Elements share this many locks.
const LOCKS: usize = 4096;
/// Elements inserted between two reports of progress.
const REPORT_EVERY: usize = 256;

/// Brings the graph over `vectors` up to all of its rows, from the one on disk where that is sound;
/// it is replaced when all are in.
///
/// # Errors
/// [`VectorsError::Stopped`] where it was told to stop; nothing has changed then.
pub fn build(vectors: &Vectors, progress: &GraphProgress) -> Result<(), VectorsError> {
    let rows = u32::try_from(vectors.len()).unwrap_or(NONE - 1);
    remove_abandoned(vectors.dir());
    Graph::discard_unsound(vectors);
    let before = Graph::open(vectors)?;
    let first = before.as_ref().map_or(0, |g| g.len() as u32);
    if first == rows {
        return Ok(());
    }
    tracing::info!(from = first, to = rows, "graph: growing");
    let mut growing = Growing::new(vectors, rows, before);
    growing.insert_all(first, progress)?;
    growing.reach_all();
    let (entry, layers) = growing.finish();
    disk::write(vectors, rows as usize, entry, &layers)
}

/// A graph that grows.
struct Growing<'v> {
    vectors: &'v Vectors,
    rows: u32,
    /// Rows of each layer, in order; the lowest has them all and lists none.
    nodes: Vec<Vec<u32>>,
    links: Vec<Vec<AtomicU32>>,
    locks: Vec<Mutex<()>>,
    /// ep: where a search begins, and how many layers it has (L + 1).
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
            let rows: Box<dyn Iterator<Item = u32>> = match layer {
                0 => Box::new(0..rows),
                _ => Box::new(of.iter().copied()),
            };
            let mut links: Vec<AtomicU32> = Vec::with_capacity(rows.size_hint().0 * m_max(layer));
            for row in rows {
                let known = before.as_ref().and_then(|g| g.links(layer, row));
                match known {
                    Some(known) => links.extend(known.iter().map(|l| AtomicU32::new(*l))),
                    None => links.extend((0..m_max(layer)).map(|_| AtomicU32::new(NONE))),
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
    fn insert_all(&mut self, first: u32, progress: &GraphProgress) -> Result<(), VectorsError> {
        // Those of high levels first, one by one while they raise the entry point: then it stays put.
        let mut order: Vec<u32> = (first..self.rows).collect();
        order.sort_by_key(|row| std::cmp::Reverse(level(*row)));
        let mut visited = Visited::new(self.rows as usize);
        let mut done = 0;
        for &row in &order {
            if level(row) < self.start.1 {
                break;
            }
            if self.start.0 != NONE {
                self.insert(row, &mut visited);
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
                this.insert(row, &mut visited);
                let done = next.load(Relaxed).min(order.len());
                if done.is_multiple_of(REPORT_EVERY) {
                    (progress.report)(done, order.len());
                }
            }
        };
        thread::scope(|scope| {
            for n in 1..cores {
                // Where the system gives no more threads, those there are do it all.
                let named = thread::Builder::new().name(format!("graph-{n}"));
                if named.spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
        match progress.stop.load(Relaxed) {
            true => Err(VectorsError::Stopped),
            false => Ok(()),
        }
    }

    /// INSERT (algorithm 1) of the element q = `row`.
    fn insert(&self, row: u32, visited: &mut Visited) {
        let q = self.vectors.vector(row as usize);
        let top = level(row).min(self.start.1 - 1);
        let mut ep = descend((self, self.vectors), q, self.start, top, visited);
        let mut neighbours = Vec::with_capacity(top + 1);
        for layer in (0..=top).rev() {
            let at = (layer, EF_CONSTRUCTION);
            let w = search_layer((self, self.vectors), q, &ep, at, visited, |_| true);
            visited.clear();
            let mut others: Vec<Near> = w.iter().copied().filter(|n| n.row != row).collect();
            nearest_first(&mut others, row);
            neighbours.push((
                layer,
                self.select_neighbors_heuristic(&others, m_max(layer)),
            ));
            ep = w;
        }
        // From the lowest layer up: who finds it in one finds its links in those below.
        for (layer, chosen) in neighbours.into_iter().rev() {
            self.connect(layer, row, &chosen);
            for e in &chosen {
                self.connect(layer, e.row, &[Near { row, ..*e }]);
            }
        }
    }

    /// Adds connections to a row, whose similarities are to it; where it has no room for all, it is
    /// shrunk to those the heuristic selects.
    fn connect(&self, layer: usize, row: u32, more: &[Near]) {
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
        let known = known.into_iter().map(|row| near(self.vectors, here, row));
        let mut all: Vec<Near> = known.chain(fresh).collect();
        nearest_first(&mut all, row);
        let chosen = self.select_neighbors_heuristic(&all, links.len());
        let padded = chosen.iter().map(|n| n.row).chain(std::iter::repeat(NONE));
        for (link, row) in links.iter().zip(padded) {
            link.store(row, Relaxed);
        }
    }

    /// SELECT-NEIGHBORS-HEURISTIC (algorithm 4): of candidates, best first, those nearer to the base
    /// element than to one selected already; then of the pruned ones (W_d) the nearest, up to half of `m`,
    /// which keeps crowds of look-alikes reachable and leaves room for links to come.
    fn select_neighbors_heuristic(&self, candidates: &[Near], m: usize) -> Vec<Near> {
        if candidates.len() <= m / 2 {
            return candidates.to_vec();
        }
        let mut selected: Vec<Near> = Vec::with_capacity(m);
        let mut pruned = Vec::new();
        for e in candidates {
            if selected.len() == m {
                break;
            }
            let vector = self.vectors.vector(e.row as usize);
            let nearer =
                |r: &Near| dot_halves(vector, self.vectors.vector(r.row as usize)) > e.similarity;
            if selected.iter().any(nearer) {
                pruned.push(*e);
            } else {
                selected.push(*e);
            }
        }
        let room = (m / 2).saturating_sub(selected.len());
        selected.extend(pruned.into_iter().take(room));
        selected
    }

    /// Links to what the lowest layer does not lead to from the entry point: shrinking connections may
    /// have taken the last link to an element.
    fn reach_all(&mut self) {
        let mut reached = vec![false; self.rows as usize];
        self.spread(self.start.0, &mut reached);
        let mut visited = Visited::new(self.rows as usize);
        for row in 0..self.rows {
            if reached[row as usize] {
                continue;
            }
            let q = self.vectors.vector(row as usize);
            let ep = [near(self.vectors, q, self.start.0)];
            let at = (0, EF_CONSTRUCTION);
            let w = search_layer((&*self, self.vectors), q, &ep, at, &mut visited, |_| true);
            visited.clear();
            let from = w.iter().find(|n| self.has_room(n.row)).or(w.first());
            if let Some(from) = from {
                self.lead(from.row, row);
            }
            self.spread(row, &mut reached);
        }
    }

    fn has_room(&self, row: u32) -> bool {
        let last = self.links(0, row).last();
        last.is_some_and(|l| l.load(Relaxed) == NONE)
    }

    /// Makes the lowest layer lead from one row to another that nothing leads to. Where there is no room,
    /// the link it takes the place of goes on behind it.
    fn lead(&self, from: u32, to: u32) {
        let place = |row: u32| {
            let links = self.links(0, row);
            let free = links.iter().find(|l| l.load(Relaxed) == NONE);
            free.or(links.last())
        };
        let (Some(link), Some(onward)) = (place(from), place(to)) else {
            return;
        };
        match link.swap(to, Relaxed) {
            NONE => {}
            // Nothing leads to `to` yet, so that nothing is lost where its own last link goes.
            displaced => onward.store(displaced, Relaxed),
        }
    }

    /// Marks all that the lowest layer leads to from a row.
    fn spread(&self, from: u32, reached: &mut [bool]) {
        let mut open = vec![from];
        while let Some(row) = open.pop() {
            match reached.get_mut(row as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            self.each(0, row, |link| open.push(link));
        }
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
        let range = at.map(|at| at * m_max(layer)..(at + 1) * m_max(layer));
        range.and_then(|range| all.get(range)).unwrap_or_default()
    }

    /// The entry point, and rows and links of each layer.
    fn finish(self) -> (u32, Vec<NewLayer>) {
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
    use crate::store::rows::Neighbour;
    use crate::store::sqlite::vectors::tests::{clustered, file};
    use crate::store::sqlite::vectors::{Predicate, Row, scan};
    use crate::types::VectorId;
    use std::sync::atomic::AtomicBool;

    static NEVER: AtomicBool = AtomicBool::new(false);
    static GO: GraphProgress = GraphProgress {
        report: &|_, _| {},
        stop: &NEVER,
    };

    fn recall(
        vectors: &Vectors,
        graph: &Graph,
        queries: &[Vec<f32>],
        keep: Option<&Predicate>,
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
        reach_every_row(&grown, &graph, &queries[0]);
    }

    /// A search that keeps everything in view comes by every vector.
    fn reach_every_row(vectors: &Vectors, graph: &Graph, query: &[f32]) {
        let count = vectors.len();
        let found = graph.search(vectors, query, count, count, None);
        let each: std::collections::BTreeSet<VectorId> = found.iter().map(|n| n.id).collect();
        assert_eq!(each.len(), count, "reached");
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
        reach_every_row(&vectors, &graph, &all[7].1);
    }

    /// Many builds by several threads, each by another interleaving: no vector is ever out of reach.
    #[test]
    fn however_it_is_built_every_vector_is_reached() {
        for round in 0..12 {
            let dir = tempfile::tempdir().unwrap();
            let mut all = clustered(900 + 50 * round, 6);
            // Crowds, where links are shrunk the most.
            for n in 0..all.len() / 3 {
                all[3 * n].1 = all[n % 5].1.clone();
            }
            let vectors = file(dir.path(), &all);
            build(&vectors, &GO).unwrap();
            let graph = Graph::open(&vectors).unwrap().unwrap();
            reach_every_row(&vectors, &graph, &all[round].1);
        }
    }

    #[test]
    fn what_a_killed_build_left_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let vectors = file(dir.path(), &clustered(300, 8));
        // No process has the greatest number there is; this one lives.
        let left = dir.path().join(format!("graph.new-{}", i32::MAX));
        let ours = dir
            .path()
            .join(format!("graph.new-{}", std::os::unix::process::parent_id()));
        std::fs::write(&left, "half").unwrap();
        std::fs::write(&ours, "being written").unwrap();
        build(&vectors, &GO).unwrap();
        assert!(!left.exists() && ours.exists());
    }

    #[test]
    fn a_graph_of_another_library_is_refused() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let all = clustered(300, 8);
        build(&file(one.path(), &all), &GO).unwrap();
        let vectors = file(other.path(), &all);
        let state = other.path().join("state.json");
        let text = std::fs::read_to_string(&state).unwrap();
        std::fs::write(&state, text.replace(r#""begun":"t""#, r#""begun":"u""#)).unwrap();
        drop(vectors);
        std::fs::copy(one.path().join("graph.0"), other.path().join("graph.0")).unwrap();
        let vectors = Vectors::open(other.path(), 8).unwrap().unwrap();
        assert!(Graph::open(&vectors).is_err());
        build(&vectors, &GO).unwrap();
        assert!(Graph::open(&vectors).unwrap().is_some());
    }

    #[test]
    fn a_stopped_build_changes_nothing_and_damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let vectors = file(dir.path(), &clustered(600, 8));
        let stopped = GraphProgress {
            report: &|_, _| {},
            stop: &AtomicBool::new(true),
        };
        assert!(matches!(
            build(&vectors, &stopped),
            Err(VectorsError::Stopped)
        ));
        assert!(Graph::open(&vectors).unwrap().is_none());
        build(&vectors, &GO).unwrap();
        let path = dir.path().join("graph.0");
        let sound = std::fs::read(&path).unwrap();
        for at in [100, 64 + 600 * 128 + 20] {
            let mut bytes = sound.clone();
            bytes[at] ^= 0xF0;
            std::fs::write(&path, &bytes).unwrap();
            // It may still be asked: a link that leads nowhere is skipped.
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
