//! The one that answers.

use std::cell::{Ref, RefCell};
use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{
    Concept, IndexError, Match, ModelRow, MomentRow, Note, VideoRef, VideoRow, Writer, derived_dir,
    text_dir,
};
use crate::ann::{Best, Graph, Neighbour, Row, Vectors, dot, scan};
use crate::catalog::{Catalog, Thumbnails, unpack};
use crate::text::Text;
use crate::types::{Embedding, Generation, ModelId, MomentId, VectorId, VideoId};

/// Of each vector that comes into view, the graph looks at about so many others; each lies elsewhere in
/// memory and costs as much as so many in a row (benches/search.rs).
const GRAPH_COST: f64 = 300.0;
/// What the graph keeps in view, at least: its recall (docs/performance.md).
const EF_AT_LEAST: usize = 128;

/// Of the nearest so many are compared with the catalogue: a damaged file must not make a hit.
const COMPARED: usize = 16;
/// Values up to which the whole file is compared with its checksums when it is opened.
const HASHED_AT_OPENING: usize = 16 << 20;

/// Whether a moment is looked at: start and end in seconds of its video.
pub type Holds = dyn Fn(VideoId, f64, f64) -> bool + Send + Sync;

/// Which vectors are looked at.
pub struct Filter {
    /// Those of these videos.
    pub videos: HashSet<VideoId>,
    /// And of moments for which this holds.
    pub moments: Option<Arc<Holds>>,
}

/// How neighbours were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Every vector in scope was looked at.
    Exact,
    /// By the HNSW graph; exactly where that does not reach.
    Hnsw,
}

/// Neighbours, best first.
#[derive(Debug)]
pub struct Found {
    pub neighbours: Vec<Neighbour>,
    pub method: Method,
    /// Vectors in scope.
    pub among: usize,
}

/// Reads a library. Each call sees what was committed when it began, whoever writes meanwhile.
pub struct Reader {
    catalog: Catalog,
    pub(super) dir: PathBuf,
    exact: bool,
    view: RefCell<Option<View>>,
}

/// The derived files of a model, and what of them counts at one generation of the catalogue.
struct View {
    model: ModelRow,
    generation: Generation,
    vectors: Option<Vectors>,
    graph: Option<Graph>,
    /// Videos whose moments are shown.
    shown: HashSet<VideoId>,
    /// Stretches of rows of those videos, and how many rows that is.
    live: Vec<Range<usize>>,
    count: usize,
}

impl View {
    /// Leaves the derived files out of account.
    fn distrust(&mut self) {
        self.vectors = None;
        self.graph = None;
        self.live.clear();
        self.count = 0;
    }
}

impl Reader {
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        Ok(Self {
            catalog: Catalog::open(dir)?,
            dir: dir.into(),
            exact: false,
            view: RefCell::new(None),
        })
    }

    /// Until it is dropped, all that is read is of one moment.
    pub fn snapshot(&self) -> Result<impl Sized + '_, IndexError> {
        Ok(self.catalog.snapshot()?)
    }

    /// Looks at every vector, however many there are.
    pub fn exact(mut self, exact: bool) -> Self {
        self.exact = exact;
        self
    }

    /// The model with this fingerprint; `None` where it made no vector here.
    pub fn model(&self, fingerprint: &str) -> Result<Option<ModelRow>, IndexError> {
        let models = self.models()?;
        Ok(models.into_iter().find(|m| m.fingerprint == fingerprint))
    }

    /// The models with vectors here, the one that answers first.
    pub fn models(&self) -> Result<Vec<ModelRow>, IndexError> {
        let mut models = self.catalog.models()?;
        models.retain(|m| m.has_vectors);
        Ok(models)
    }

    /// Names of the models with vectors here, the one that answers first.
    pub fn model_names(&self) -> Result<Vec<String>, IndexError> {
        Ok(self.models()?.into_iter().map(|m| m.name).collect())
    }

    /// The `limit` vectors of a model nearest to `query`, best first. The filter is applied before
    /// anything is ranked, so that it never costs a hit.
    pub fn neighbours(
        &self,
        model: &ModelRow,
        query: &Embedding,
        limit: usize,
        filter: Option<&Filter>,
    ) -> Result<Found, IndexError> {
        // One transaction: what is derived and what is not yet are of one moment.
        let _snapshot = self.snapshot()?;
        let view = self.view(model)?;
        let asked = query;
        let query = query.as_slice();
        if query.len() != model.dim {
            return Err(IndexError::OtherLength {
                model: model.name.clone(),
                held: model.dim,
                found: query.len(),
            });
        }
        let holds = |row: &Row| {
            let moments = filter.and_then(|f| f.moments.as_ref());
            moments.is_none_or(|holds| holds(row.video(), row.start(), row.end()))
        };
        let timed = filter.is_some_and(|f| f.moments.is_some());
        let wanted = |video: VideoId| filter.is_none_or(|f| f.videos.contains(&video));

        let mut best = Best::new(limit);
        let mut method = Method::Exact;
        let mut among = 0;
        if let Some(vectors) = &view.vectors {
            let kept: Vec<Range<usize>> = match filter {
                None => view.live.clone(),
                Some(_) => {
                    let runs = vectors.runs().iter();
                    let runs = runs.filter(|(v, _)| view.shown.contains(v) && wanted(*v));
                    runs.map(|(_, run)| run.clone()).collect()
                }
            };
            among = kept.iter().map(Range::len).sum();
            let keep_row = timed.then_some(&holds as &crate::ann::KeepRow);
            let ef = EF_AT_LEAST.max(limit);
            let graph = view.graph.as_ref().filter(|graph| {
                let passed_over = vectors.len() as f64 / among.max(1) as f64;
                let cost = ef as f64 * passed_over * GRAPH_COST;
                !self.exact && !timed && cost < among.min(graph.len()) as f64
            });
            let found = match graph {
                Some(graph) => {
                    method = Method::Hnsw;
                    let shown = &view.shown;
                    let inside = |row: &Row| shown.contains(&row.video()) && wanted(row.video());
                    let everything = among == vectors.len();
                    let inside = (!everything).then_some(&inside as &crate::ann::KeepRow);
                    let mut found = graph.search(vectors, query, limit, ef, inside);
                    let beyond = kept.iter().filter_map(|run| {
                        let from = run.start.max(graph.len());
                        (from < run.end).then_some(from..run.end)
                    });
                    let beyond: Vec<Range<usize>> = beyond.collect();
                    found.extend(scan(vectors, query, limit, &beyond, None));
                    found
                }
                None => scan(vectors, query, limit, &kept, keep_row),
            };
            found.into_iter().for_each(|n| best.push(n));
        }
        // What was committed since the file was last caught up.
        let last = view.vectors.as_ref().map_or(VectorId(0), Vectors::last_id);
        self.catalog.each_vector(model.id, last, |v| {
            let row = Row::new(v.id, v.video, v.start, v.end);
            if view.shown.contains(&v.video) && wanted(v.video) && holds(&row) {
                among += 1;
                let similarity = dot(query, &v.values());
                best.push(Neighbour {
                    id: v.id,
                    similarity,
                });
            }
        })?;
        let found = Found {
            neighbours: best.finish(),
            method,
            among,
        };
        if let Some(vectors) = &view.vectors
            && !self.are_true(vectors, &found.neighbours)?
        {
            // The file is damaged: the catalogue itself is read until the file is made anew.
            drop(view);
            if let Some(view) = &mut *self.view.borrow_mut() {
                view.distrust();
            }
            return self.neighbours(model, asked, limit, filter);
        }
        Ok(found)
    }

    /// Whether the nearest of what was found are what the catalogue holds.
    fn are_true(&self, vectors: &Vectors, found: &[Neighbour]) -> Result<bool, IndexError> {
        for neighbour in found.iter().take(COMPARED) {
            let row = vectors
                .rows()
                .binary_search_by_key(&neighbour.id, |r| r.id());
            if let (Ok(row), Some(bytes)) = (row, self.catalog.vector_bytes(neighbour.id)?)
                && bytes != vectors.bytes_of(row)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What of the derived files counts now.
    fn view(&self, model: &ModelRow) -> Result<Ref<'_, View>, IndexError> {
        let generation = self.catalog.generation()?;
        let fits = |v: &View| v.generation == generation && v.model.id == model.id;
        if !self.view.borrow().as_ref().is_some_and(fits) {
            let before = self.view.take();
            *self.view.borrow_mut() = Some(self.look(model, generation, before)?);
        }
        let view = self.view.borrow();
        Ok(Ref::map(view, |v| v.as_ref().expect("it was just set")))
    }

    fn look(
        &self,
        model: &ModelRow,
        generation: Generation,
        before: Option<View>,
    ) -> Result<View, IndexError> {
        let same = before.filter(|v| {
            v.model.id == model.id && v.vectors.as_ref().is_some_and(Vectors::is_latest)
        });
        let (vectors, graph) = match same {
            Some(view) => (view.vectors, view.graph),
            None => {
                let dir = derived_dir(&self.dir, &model.fingerprint);
                // Where it is damaged, or of a later state than the catalogue, which then was put back
                // from a copy, the catalogue itself is read.
                let vectors = Vectors::open(&dir, model.dim).ok().flatten();
                let vectors = vectors.filter(|v| {
                    let small = v.len() * model.dim <= HASHED_AT_OPENING;
                    let sound = || !small || v.damaged_rows().is_empty();
                    v.generation() <= generation.0 && sound()
                });
                (vectors, None)
            }
        };
        let graph = graph.or_else(|| Graph::open(vectors.as_ref()?).ok().flatten());
        let shown = self.catalog.shown_videos()?;
        let runs = vectors.iter().flat_map(Vectors::runs);
        let mut live: Vec<Range<usize>> = Vec::new();
        for (_, run) in runs.filter(|(video, _)| shown.contains(video)) {
            match live.last_mut() {
                Some(last) if last.end == run.start => last.end = run.end,
                _ => live.push(run.clone()),
            }
        }
        Ok(View {
            model: model.clone(),
            generation,
            vectors,
            graph,
            shown,
            count: live.iter().map(Range::len).sum(),
            live,
        })
    }

    /// Vectors of a model, those of readings that are not shown left out.
    pub fn vector_count(&self, model: &ModelRow) -> Result<usize, IndexError> {
        let view = self.view(model)?;
        let last = view.vectors.as_ref().map_or(VectorId(0), Vectors::last_id);
        let mut newer = 0;
        self.catalog.each_vector(model.id, last, |v| {
            newer += usize::from(view.shown.contains(&v.video));
        })?;
        Ok(view.count + newer)
    }

    /// Up to `limit` passages of words that hold words of `query`, best first, of videos that `keep` holds
    /// for.
    ///
    /// What was committed since the index of words was last caught up is not in it yet.
    pub fn words(
        &self,
        query: &str,
        limit: usize,
        keep: impl Fn(VideoId) -> bool,
    ) -> Result<Vec<Match>, IndexError> {
        let _snapshot = self.snapshot()?;
        let shown = self.catalog.shown_videos()?;
        let text = Text::open(&text_dir(&self.dir))?;
        // Of a later state than the catalogue, which then was put back from a copy.
        let now = self.catalog.generation()?.0;
        let text = text.filter(|t| t.state().is_some_and(|s| s.generation <= now));
        let kept = |video: VideoId| shown.contains(&video) && keep(video);
        Ok(text.map_or(Ok(Vec::new()), |t| t.search(query, limit, kept))?)
    }

    /// The moments of a video that touch a span of seconds, in order.
    pub fn moments_between(
        &self,
        video: VideoId,
        span: (f64, f64),
        limit: usize,
    ) -> Result<Vec<MomentRow>, IndexError> {
        Ok(self.catalog.moments_between(video, span, limit)?)
    }

    /// The JPEG kept of a moment.
    pub fn thumbnail(&self, moment: MomentId) -> Option<Vec<u8>> {
        self.catalog.thumbnails()?.of(moment)
    }

    /// How many thumbnails there are, and their bytes.
    pub fn thumbnails(&self) -> (u64, u64) {
        self.catalog.thumbnails().map_or((0, 0), Thumbnails::count)
    }

    pub fn notes(&self) -> Result<Vec<Note>, IndexError> {
        Ok(self.catalog.notes()?)
    }

    /// Copies the library as it is now to a new folder, while others read and write it.
    pub fn backup(&self, to: &Path) -> Result<(), IndexError> {
        self.catalog.backup(to)?;
        Writer::remove(to, &[])
    }

    /// Up to `limit` vectors of a model, taken at random.
    pub fn random_vectors(
        &self,
        model: ModelId,
        limit: usize,
    ) -> Result<Vec<(VectorId, Embedding)>, IndexError> {
        Ok(self.catalog.random_vectors(model, limit)?)
    }

    /// Up to `count` vectors of a model, evenly taken from all that are shown.
    pub fn sample(&self, model: &ModelRow, count: usize) -> Result<Vec<Embedding>, IndexError> {
        let view = self.view(model)?;
        let Some(vectors) = &view.vectors else {
            drop(view);
            let random = self.catalog.random_vectors(model.id, count)?;
            return Ok(random.into_iter().map(|(_, v)| v).collect());
        };
        let taken = count.min(view.count);
        let mut places = (0..taken).map(|i| i * view.count / taken).peekable();
        let (mut rows, mut passed) = (Vec::with_capacity(taken), 0);
        for run in &view.live {
            while let Some(place) = places.next_if(|place| *place < passed + run.len()) {
                rows.push(run.start + place - passed);
            }
            passed += run.len();
        }
        let values = rows.into_iter().map(|row| unpacked(vectors.bytes_of(row)));
        Ok(values.filter_map(Embedding::normalised).collect())
    }

    /// A vector as it is stored; `None` where it has been removed.
    pub fn vector(&self, id: VectorId) -> Result<Option<Embedding>, IndexError> {
        let bytes = self.catalog.vector_bytes(id)?;
        Ok(bytes.and_then(|b| Embedding::normalised(unpacked(&b))))
    }

    /// The vectors a model made of all views of a moment.
    pub fn vectors_of(
        &self,
        model: &ModelRow,
        moment: MomentId,
    ) -> Result<Vec<Embedding>, IndexError> {
        Ok(self.catalog.vectors_of(model.id, moment)?)
    }

    pub fn concept(&self, model: &ModelRow, name: &str) -> Result<Option<Concept>, IndexError> {
        Ok(self.catalog.concept(model.id, name)?)
    }

    /// Names of the concepts taught for a model, with the numbers of their positive and negative examples.
    pub fn concepts(&self, model: &ModelRow) -> Result<Vec<(String, usize, usize)>, IndexError> {
        Ok(self.catalog.concepts(model.id)?)
    }

    pub fn moment_of(&self, vector: VectorId) -> Result<Option<MomentRow>, IndexError> {
        Ok(self.catalog.moment_of(vector)?)
    }

    pub fn video(&self, video: VideoId) -> Result<Option<VideoRef>, IndexError> {
        Ok(self.catalog.video(video)?)
    }

    /// From how many cameras the videos come that `keep` holds for, one of an unknown camera being its own; and how
    /// many they are.
    pub fn scenes(&self, keep: impl Fn(VideoId) -> bool) -> Result<(usize, usize), IndexError> {
        let mut cameras = self.catalog.cameras()?;
        cameras.retain(|(video, _)| keep(*video));
        let videos = cameras.len();
        let kept = cameras.into_iter();
        let scenes: HashSet<_> = kept.map(|(video, camera)| camera.ok_or(video)).collect();
        Ok((scenes.len(), videos))
    }

    /// Every video, by path; without its number of moments.
    pub fn videos(&self) -> Result<Vec<VideoRow>, IndexError> {
        Ok(self.catalog.videos(false)?)
    }

    /// Every video, by path, with its number of moments.
    pub fn counted_videos(&self) -> Result<Vec<VideoRow>, IndexError> {
        Ok(self.catalog.videos(true)?)
    }
}

fn unpacked(bytes: &[u8]) -> Vec<f32> {
    let mut values = Vec::new();
    unpack(bytes, &mut values);
    values
}
