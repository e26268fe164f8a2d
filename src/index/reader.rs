//! The one that answers.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use super::{IndexError, MomentRow, VideoRef, VideoRow, graph_dir};
use crate::ann::{Graph, Neighbour, Scan};
use crate::catalog::Catalog;
use crate::types::{Embedding, Generation, ModelId, VectorId, VideoId};

/// Whether a vector is looked at: its video, and start and end of its moment in seconds.
pub type Keep = dyn Fn(VideoId, f64, f64) -> bool;

/// How neighbours were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Every vector was looked at.
    Exact,
    Hnsw,
}

/// Reads a library. It sees what was committed when each of its calls began.
pub struct Reader {
    catalog: Catalog,
    dir: PathBuf,
    /// Opening a graph costs more than one exact answer, so the first query goes without.
    asked: Cell<bool>,
    graph: RefCell<Option<OpenGraph>>,
}

/// A graph kept open, and what it answers for.
struct OpenGraph {
    fingerprint: String,
    generation: Generation,
    graph: Graph,
}

impl Reader {
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        Ok(Self {
            catalog: Catalog::open(dir)?,
            dir: dir.into(),
            asked: Cell::new(false),
            graph: RefCell::new(None),
        })
    }

    /// The row of the model with this fingerprint; `None` where it made no vector here.
    pub fn model(&self, fingerprint: &str) -> Result<Option<ModelId>, IndexError> {
        Ok(self.catalog.find_model(fingerprint)?)
    }

    /// Names of the models with vectors here, the most used first.
    pub fn model_names(&self) -> Result<Vec<String>, IndexError> {
        Ok(self.catalog.model_names()?)
    }

    pub fn vector_count(&self, model: ModelId) -> Result<usize, IndexError> {
        Ok(self.catalog.vector_count(model)?)
    }

    /// The `limit` vectors of a model nearest to `query`, best first. `keep` leaves out videos
    /// before anything is ranked, so that a filter never costs a hit.
    pub fn neighbours(
        &self,
        model: (ModelId, &str),
        query: &Embedding,
        limit: usize,
        keep: Option<&Keep>,
    ) -> Result<(Vec<Neighbour>, Method), IndexError> {
        let (model, fingerprint) = model;
        let again = self.asked.replace(true);
        if again && keep.is_none() {
            self.open_graph(fingerprint)?;
            if let Some(open) = &*self.graph.borrow() {
                return Ok((open.graph.search(query.as_slice(), limit), Method::Hnsw));
            }
        }
        let mut scan = Scan::new(query.as_slice(), limit);
        self.catalog.each_vector(model, VectorId(0), |v| {
            if keep.is_none_or(|keep| keep(v.video, v.start, v.end)) {
                scan.push(v.id, v.values);
            }
        })?;
        Ok((scan.finish(), Method::Exact))
    }

    /// Opens the graph of a model, where it reflects the catalogue as it is now; closes one that
    /// does not.
    fn open_graph(&self, fingerprint: &str) -> Result<(), IndexError> {
        let generation = self.catalog.generation()?;
        let mut open = self.graph.borrow_mut();
        let fits = |o: &OpenGraph| o.generation == generation && o.fingerprint == fingerprint;
        if open.as_ref().is_some_and(fits) {
            return Ok(());
        }
        let dir = graph_dir(&self.dir, fingerprint);
        let current = Graph::state(&dir).is_some_and(|s| s.generation == generation.0);
        // Where one turns out damaged the scan answers; its folder can be deleted.
        let graph = current.then(|| Graph::load(&dir).ok()).flatten();
        *open = graph.map(|graph| OpenGraph {
            fingerprint: fingerprint.into(),
            generation,
            graph,
        });
        Ok(())
    }

    /// Up to `limit` vectors of a model, taken at random.
    pub fn random_vectors(
        &self,
        model: ModelId,
        limit: usize,
    ) -> Result<Vec<(VectorId, Embedding)>, IndexError> {
        Ok(self.catalog.random_vectors(model, limit)?)
    }

    pub fn moment_of(&self, vector: VectorId) -> Result<Option<MomentRow>, IndexError> {
        Ok(self.catalog.moment_of(vector)?)
    }

    pub fn video(&self, video: VideoId) -> Result<Option<VideoRef>, IndexError> {
        Ok(self.catalog.video(video)?)
    }

    /// Every video, by path.
    pub fn videos(&self) -> Result<Vec<VideoRow>, IndexError> {
        Ok(self.catalog.videos()?)
    }
}
