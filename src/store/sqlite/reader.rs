//! The one that answers.

use std::cell::{Ref, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use roaring::RoaringTreemap;

use super::Library;
use super::catalog::{Catalog, Thumbnails, unpack};
use super::graph::Graph;
use super::vectors::{Best, Predicate, Row, Vectors, dot, scan};
use super::words::{State, Words, WordsError};
use crate::store::{
    CameraRow, Concept, Filter, Found, Match, Method, ModelRow, MomentRow, MomentVectors,
    Neighbour, Note, ObjectCount, Selection, StoreError, VideoRef, VideoRow,
};
use crate::types::{
    Claim, Embedding, Generation, ModelId, MomentId, Object, TextLine, VectorId, VideoId,
};

/// What a vector that comes into view of the graph costs, in vectors of a scan: each lies elsewhere in memory
/// (benches/search.rs).
const GRAPH_COST: f64 = 300.0;
/// What the graph keeps in view, at least: its recall (docs/performance.md).
const EF_AT_LEAST: usize = 128;

/// Of the nearest so many are compared with the catalogue: a damaged file must not make a hit.
const COMPARED: usize = 16;
/// Values up to which the whole file is compared with its checksums when it is opened.
const HASHED_AT_OPENING: usize = 16 << 20;

/// Reads a library. Each call sees what was committed when it began, whoever writes meanwhile.
pub struct Reader {
    pub(super) catalog: Catalog,
    pub(super) library: Library,
    view: RefCell<Option<View>>,
    words: RefCell<Option<OpenWords>>,
}

/// The index of words, and when it was looked for.
struct OpenWords {
    generation: Generation,
    /// Of the index, which is caught up after the catalogue is.
    state: Option<State>,
    /// `None` where there is none, or one of another history.
    index: Option<Words>,
}

/// The derived files of a model, and what of them counts at one generation of the catalogue.
struct View {
    model: ModelRow,
    generation: Generation,
    vectors: Option<Vectors>,
    graph: Option<Graph>,
    /// Videos whose moments are shown.
    shown: RoaringTreemap,
    /// Stretches of rows of those videos, and how many rows that is.
    live: Vec<Range<usize>>,
    count: usize,
}

impl View {
    fn shows(&self, video: VideoId) -> bool {
        self.shown.contains(video.0 as u64)
    }

    /// Stretches of rows of the videos that are shown and selected.
    fn runs_in(&self, vectors: &Vectors, selection: &Selection) -> Vec<Range<usize>> {
        if let Some(ids) = selection.vectors() {
            return self.runs_of(vectors, selection, ids);
        }
        if selection.videos.is_none() {
            return self.live.clone();
        }
        let runs = vectors.runs().iter();
        let runs = runs.filter(|(v, _)| self.shows(*v) && selection.has(*v));
        runs.map(|(_, run)| run.clone()).collect()
    }

    /// Stretches of the rows of these vectors, of videos that are shown and selected.
    fn runs_of(
        &self,
        vectors: &Vectors,
        selection: &Selection,
        ids: &RoaringTreemap,
    ) -> Vec<Range<usize>> {
        let rows = vectors.rows();
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut from = 0;
        for id in ids {
            let id = VectorId(id as i64);
            // Both are in order of ids.
            let row = from + rows[from..].partition_point(|r| r.id() < id);
            from = row;
            let Some(found) = rows.get(row).filter(|r| r.id() == id) else {
                continue;
            };
            if !self.shows(found.video()) || !selection.has(found.video()) {
                continue;
            }
            match runs.last_mut() {
                Some(last) if last.end == row => last.end += 1,
                _ => runs.push(row..row + 1),
            }
        }
        runs
    }

    /// Leaves the derived files out of account.
    fn distrust(&mut self) {
        self.vectors = None;
        self.graph = None;
        self.live.clear();
        self.count = 0;
    }
}

impl Reader {
    pub(super) fn open(library: &Library) -> Result<Self, StoreError> {
        Ok(Self {
            catalog: Catalog::open(&library.dir)?,
            library: library.clone(),
            view: RefCell::new(None),
            words: RefCell::new(None),
        })
    }

    /// Where it lies.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Until it is dropped, all that is read is of one moment.
    pub fn snapshot(&self) -> Result<impl Sized + '_, StoreError> {
        self.catalog.snapshot()
    }

    /// The model with this fingerprint; `None` where it made no vector here.
    pub fn model(&self, fingerprint: &str) -> Result<Option<ModelRow>, StoreError> {
        let models = self.models()?;
        Ok(models.into_iter().find(|m| m.fingerprint == fingerprint))
    }

    /// The models with vectors here, the one that answers first.
    pub fn models(&self) -> Result<Vec<ModelRow>, StoreError> {
        let mut models = self.catalog.models()?;
        models.retain(|m| m.has_vectors);
        Ok(models)
    }

    /// Names of the models with vectors here, the one that answers first.
    pub fn model_names(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.models()?.into_iter().map(|m| m.name).collect())
    }

    /// The videos a filter leaves now, and what is known of them as a whole.
    pub fn select(&self, filter: &Filter) -> Result<Selection, StoreError> {
        self.catalog.select(filter)
    }

    /// The `limit` vectors of a model nearest to `query`, best first, among those selected; `exact`: by a look at
    /// each of them. A selection is applied before anything is ranked, so that it never costs a hit.
    pub fn neighbours(
        &self,
        model: &ModelRow,
        query: &Embedding,
        limit: usize,
        selection: &Selection,
        exact: bool,
    ) -> Result<Found, StoreError> {
        // One transaction: what is derived and what is not yet are of one moment.
        let _snapshot = self.snapshot()?;
        if query.dim() != model.dim {
            return Err(StoreError::OtherLength {
                model: model.name.clone(),
                held: model.dim,
                found: query.dim(),
            });
        }
        let view = self.view(model)?;
        let found = self.found(&view, query.as_slice(), limit, selection, exact)?;
        if let Some(vectors) = &view.vectors
            && !self.are_true(vectors, &found.neighbours)?
        {
            // The file is damaged: the catalogue itself is read until the file is rebuilt.
            drop(view);
            if let Some(view) = &mut *self.view.borrow_mut() {
                view.distrust();
            }
            let view = self.view(model)?;
            return self.found(&view, query.as_slice(), limit, selection, exact);
        }
        Ok(found)
    }

    fn found(
        &self,
        view: &View,
        query: &[f32],
        limit: usize,
        selection: &Selection,
        exact: bool,
    ) -> Result<Found, StoreError> {
        let in_scope = |video: VideoId| view.shows(video) && selection.has(video);
        let mut best = Best::new(limit);
        let (mut method, mut among) = (Method::Exact, 0);
        if let Some(vectors) = &view.vectors {
            let runs = view.runs_in(vectors, selection);
            among = runs.iter().map(Range::len).sum();
            let cheaper = |graph: &&Graph| !exact && is_cheaper(graph, vectors, among, limit);
            let graph = view.graph.as_ref().filter(|_| !selection.is_timed());
            let neighbours = match graph.filter(cheaper) {
                Some(graph) => {
                    method = Method::Hnsw;
                    let holds = |row: &Row| in_scope(row.video()) && selection.has_vector(row.id());
                    let everything = among == vectors.len();
                    let holds = (!everything).then_some(&holds as &Predicate);
                    let ef = EF_AT_LEAST.max(limit);
                    let mut found = graph.search(vectors, query, limit, ef, holds);
                    let beyond: Vec<Range<usize>> = runs
                        .iter()
                        .map(|run| run.start.max(graph.len())..run.end)
                        .filter(|run| !run.is_empty())
                        .collect();
                    found.extend(scan(vectors, query, limit, &beyond, None));
                    found
                }
                None => {
                    let holds = |row: &Row| selection.holds(row.video(), row.start(), row.end());
                    let timed = selection.is_timed().then_some(&holds as &Predicate);
                    scan(vectors, query, limit, &runs, timed)
                }
            };
            neighbours.into_iter().for_each(|n| best.push(n));
        }
        // What was committed since the file was last caught up.
        let last = view.vectors.as_ref().map_or(VectorId(0), Vectors::last_id);
        self.catalog.each_vector(view.model.id, last, |v| {
            let held = selection.has_vector(v.id) && selection.holds(v.video, v.start, v.end);
            if in_scope(v.video) && held {
                among += 1;
                best.push(Neighbour {
                    id: v.id,
                    similarity: dot(query, &v.values()),
                });
            }
        })?;
        Ok(Found {
            neighbours: best.finish(),
            method,
            among,
        })
    }

    /// Whether the nearest of what was found are what the catalogue holds.
    fn are_true(&self, vectors: &Vectors, found: &[Neighbour]) -> Result<bool, StoreError> {
        let nearest = &found[..found.len().min(COMPARED)];
        let ids: Vec<VectorId> = nearest.iter().map(|n| n.id).collect();
        let stored = self.catalog.vector_bytes(&ids)?;
        let rows = vectors.rows();
        Ok(stored.iter().all(|(id, bytes)| {
            let row = rows.binary_search_by_key(id, |r| r.id());
            row.map_or(true, |row| bytes == vectors.bytes_of(row))
        }))
    }

    /// What of the derived files counts now.
    fn view(&self, model: &ModelRow) -> Result<Ref<'_, View>, StoreError> {
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
    ) -> Result<View, StoreError> {
        let same = before.filter(|v| {
            v.model.id == model.id && v.vectors.as_ref().is_some_and(Vectors::is_latest)
        });
        let (vectors, graph) = match same {
            Some(view) => (view.vectors, view.graph),
            None => {
                let dir = self.library.vectors_dir(&model.fingerprint);
                // Where it is damaged, or of another history than the catalogue, the catalogue itself is
                // read.
                let vectors = Vectors::open(&dir, model.dim).ok().flatten();
                let small = |v: &Vectors| v.len().saturating_mul(model.dim) <= HASHED_AT_OPENING;
                let sound = |v: &Vectors| !small(v) || v.damaged_rows().is_empty();
                match vectors.filter(sound) {
                    Some(vectors) if self.catalog.knows(vectors.origin())? => (Some(vectors), None),
                    _ => (None, None),
                }
            }
        };
        let graph = graph.or_else(|| Graph::open(vectors.as_ref()?).ok().flatten());
        let shown = self.catalog.shown_videos()?;
        let runs = vectors.iter().flat_map(Vectors::runs);
        let mut live: Vec<Range<usize>> = Vec::new();
        for (_, run) in runs.filter(|(video, _)| shown.contains(video.0 as u64)) {
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
    pub fn vector_count(&self, model: &ModelRow) -> Result<usize, StoreError> {
        let view = self.view(model)?;
        let last = view.vectors.as_ref().map_or(VectorId(0), Vectors::last_id);
        let mut newer = 0;
        self.catalog.each_vector(model.id, last, |v| {
            newer += usize::from(view.shows(v.video));
        })?;
        Ok(view.count + newer)
    }

    /// Up to `limit` passages of videos selected that hold words of `query`, best first.
    ///
    /// What was committed since the index of words was last caught up is not in it yet.
    pub fn words(
        &self,
        query: &str,
        limit: usize,
        selection: &Selection,
    ) -> Result<Vec<Match>, StoreError> {
        self.passages(selection, |index, selected| {
            index.search(query, limit, move |v| selected.contains(v.0 as u64))
        })
    }

    /// The same of lettering that holds `asked`, or something misread for it.
    pub fn lettering(
        &self,
        asked: &str,
        limit: usize,
        selection: &Selection,
    ) -> Result<Vec<Match>, StoreError> {
        self.passages(selection, |index, selected| {
            index.lettering(asked, limit, move |v| selected.contains(v.0 as u64))
        })
    }

    /// What the index of words finds in videos selected; nothing where there is none.
    fn passages(
        &self,
        selection: &Selection,
        find: impl FnOnce(&Words, RoaringTreemap) -> Result<Vec<Match>, WordsError>,
    ) -> Result<Vec<Match>, StoreError> {
        let _snapshot = self.snapshot()?;
        let words = self.open_words()?;
        let Some(index) = &words.index else {
            return Ok(Vec::new());
        };
        let shown = self.catalog.shown_videos()?;
        let selected = match &selection.videos {
            Some(videos) => shown & videos,
            None => shown,
        };
        Ok(find(index, selected)?)
    }

    /// The index of words as it counts now.
    fn open_words(&self) -> Result<Ref<'_, OpenWords>, StoreError> {
        let generation = self.catalog.generation()?;
        let now = |w: &OpenWords| w.index.as_ref().and_then(Words::state);
        let fits =
            |w: &OpenWords| w.generation == generation && w.index.is_some() && now(w) == w.state;
        if !self.words.borrow().as_ref().is_some_and(fits) {
            let index = Words::open(&self.library.words_dir())?;
            let state = index.as_ref().and_then(Words::state);
            let known = match &state {
                Some(state) => self.catalog.knows(&state.origin())?,
                None => false,
            };
            *self.words.borrow_mut() = Some(OpenWords {
                generation,
                state,
                index: index.filter(|_| known),
            });
        }
        Ok(Ref::map(self.words.borrow(), |w| {
            w.as_ref().expect("it was just set")
        }))
    }

    /// The moments of a video that touch a span of seconds, in order.
    pub fn moments_between(
        &self,
        video: VideoId,
        span: (f64, f64),
        limit: usize,
    ) -> Result<Vec<MomentRow>, StoreError> {
        self.catalog.moments_between(video, span, limit)
    }

    /// The JPEG kept of a moment.
    pub fn thumbnail(&self, moment: MomentId) -> Option<Vec<u8>> {
        self.catalog.thumbnails()?.of(moment)
    }

    /// The things seen in moments, the surest first; a moment that none was seen in is left out.
    pub fn objects_of(
        &self,
        moments: &[MomentId],
    ) -> Result<HashMap<MomentId, Vec<Object>>, StoreError> {
        self.catalog.objects_of(moments)
    }

    /// The moments in scope that bear a claim out, with their things: those with the surest things of its classes
    /// first, up to `limit` of each class.
    pub fn bearing_out(
        &self,
        claim: &Claim,
        selection: &Selection,
        limit: usize,
    ) -> Result<Vec<(MomentRow, Vec<Object>)>, StoreError> {
        self.catalog.bearing_out(claim, selection, limit)
    }

    /// The lines read in moments, from the top; a moment in which none was read is left out.
    pub fn lettering_of(
        &self,
        moments: &[MomentId],
    ) -> Result<HashMap<MomentId, Vec<TextLine>>, StoreError> {
        self.catalog.lettering_of(moments)
    }

    /// Whether a detector has looked at any moment.
    pub fn has_looked(&self) -> Result<bool, StoreError> {
        self.catalog.has_looked()
    }

    /// Moments of the videos in scope that no detector has looked at.
    pub fn unlooked(&self, selection: &Selection) -> Result<usize, StoreError> {
        self.catalog.unlooked(selection.videos.as_ref())
    }

    /// Moments of the videos in scope of which the lettering has not been read.
    pub fn unread(&self, selection: &Selection) -> Result<usize, StoreError> {
        self.catalog.unread(selection.videos.as_ref())
    }

    /// How many things were seen, by class and camera.
    pub fn object_counts(&self) -> Result<Vec<ObjectCount>, StoreError> {
        self.catalog.object_counts()
    }

    /// How many thumbnails there are, and their bytes.
    pub fn thumbnails(&self) -> (u64, u64) {
        self.catalog.thumbnails().map_or((0, 0), Thumbnails::count)
    }

    pub fn notes(&self) -> Result<Vec<Note>, StoreError> {
        self.catalog.notes()
    }

    /// Up to `limit` vectors of a model, taken at random.
    pub fn random_vectors(
        &self,
        model: ModelId,
        limit: usize,
    ) -> Result<Vec<(VectorId, Embedding)>, StoreError> {
        self.catalog.random_vectors(model, limit)
    }

    /// Up to `count` vectors of a model, evenly taken from all that are shown.
    pub fn sample(&self, model: &ModelRow, count: usize) -> Result<Vec<Embedding>, StoreError> {
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

    /// Vectors as they are stored; those that have been removed are left out.
    pub fn vectors(&self, ids: &[VectorId]) -> Result<HashMap<VectorId, Embedding>, StoreError> {
        let bytes = self.catalog.vector_bytes(ids)?.into_iter();
        let vector = |bytes: &[u8]| Embedding::normalised(unpacked(bytes));
        let each = bytes.filter_map(|(id, bytes)| Some((id, vector(&bytes)?)));
        Ok(each.collect())
    }

    /// A vector as it is stored; `None` where it has been removed.
    pub fn vector(&self, id: VectorId) -> Result<Option<Embedding>, StoreError> {
        Ok(self.vectors(&[id])?.remove(&id))
    }

    /// The vectors a model made of all views of moments, in the order of the moments.
    pub fn vectors_of(
        &self,
        model: &ModelRow,
        moments: &[MomentId],
    ) -> Result<Vec<MomentVectors>, StoreError> {
        self.catalog.vectors_of(model.id, moments)
    }

    pub fn concept(&self, model: &ModelRow, name: &str) -> Result<Option<Concept>, StoreError> {
        self.catalog.concept(model.id, name)
    }

    /// Names of the concepts taught for a model, with the numbers of their positive and negative examples.
    pub fn concepts(&self, model: &ModelRow) -> Result<Vec<(String, usize, usize)>, StoreError> {
        self.catalog.concepts(model.id)
    }

    /// The moments that vectors belong to; those that are not shown, or have been removed, are left out.
    pub fn moments_of(
        &self,
        vectors: &[VectorId],
    ) -> Result<HashMap<VectorId, MomentRow>, StoreError> {
        self.catalog.moments_of(vectors)
    }

    /// What hits tell of videos; those that have been removed are left out.
    pub fn videos_by_id(
        &self,
        videos: &[VideoId],
    ) -> Result<HashMap<VideoId, VideoRef>, StoreError> {
        self.catalog.videos_by_id(videos)
    }

    /// The video at a path, as the catalogue has it.
    pub fn video_at(&self, path: &Path) -> Result<Option<VideoId>, StoreError> {
        self.catalog.video_at(path)
    }

    /// Seconds it lasts, as it claims or as far as it was read; 0 where nobody knows.
    pub fn video_length(&self, video: VideoId) -> Result<f64, StoreError> {
        self.catalog.video_length(video)
    }

    /// The cameras of videos, by name.
    pub fn cameras(&self) -> Result<Vec<CameraRow>, StoreError> {
        self.catalog.cameras()
    }

    /// Every video, by path; without its number of moments.
    pub fn videos(&self) -> Result<Vec<VideoRow>, StoreError> {
        self.catalog.videos(false)
    }

    /// Every video, by path, with its number of moments.
    pub fn counted_videos(&self) -> Result<Vec<VideoRow>, StoreError> {
        self.catalog.videos(true)
    }
}

/// Whether the graph costs less than a look at each of `among` vectors in scope. Of each vector that comes into
/// view it looks at about so many others, and at more the fewer are in scope.
fn is_cheaper(graph: &Graph, vectors: &Vectors, among: usize, limit: usize) -> bool {
    let passed_through = vectors.len() as f64 / among.max(1) as f64;
    let cost = EF_AT_LEAST.max(limit) as f64 * passed_through * GRAPH_COST;
    cost < among.min(graph.len()) as f64
}

fn unpacked(bytes: &[u8]) -> Vec<f32> {
    let mut values = Vec::new();
    unpack(bytes, &mut values);
    values
}
