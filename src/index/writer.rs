//! The one that writes.

use std::path::{Path, PathBuf};

use super::{FileStamp, GRAPH_FROM, IndexError, Known, NewMoment, VideoRecord, graph_dir};
use crate::ann::Graph;
use crate::catalog::Catalog;
use crate::types::{Embedding, ModelId, VectorId, VideoId};

/// Vectors handed to the graph at once.
const CHUNK: usize = 5_000;

/// Writes one model's vectors into a library.
pub struct Writer {
    catalog: Catalog,
    model: ModelId,
    graph_dir: PathBuf,
    graph_from: usize,
}

impl Writer {
    /// Opens the library in `dir`, made where there is none, to add vectors of the model.
    pub fn open(
        dir: &Path,
        model: &str,
        fingerprint: &str,
        dim: usize,
    ) -> Result<Self, IndexError> {
        let mut catalog = Catalog::create_or_open(dir)?;
        let held = catalog.model_names()?;
        let known = catalog.find_model(fingerprint)?;
        if !held.is_empty() && known.is_none() {
            return Err(IndexError::OtherModel {
                dir: dir.into(),
                model: model.into(),
                held,
            });
        }
        let model = catalog.model(model, fingerprint, dim)?;
        Ok(Self {
            catalog,
            model,
            graph_dir: graph_dir(dir, fingerprint),
            graph_from: GRAPH_FROM,
        })
    }

    /// What this model gave for its self-test on this kind of device when it first wrote here;
    /// empty if it never did.
    pub fn canaries(&self, device: &str) -> Result<Vec<Embedding>, IndexError> {
        Ok(self.catalog.canaries(self.model, device)?)
    }

    pub fn record_canaries(&mut self, device: &str, now: &[Embedding]) -> Result<(), IndexError> {
        Ok(self.catalog.record_canaries(self.model, device, now)?)
    }

    /// Builds a graph from fewer vectors than [`GRAPH_FROM`]; for tests and measurements.
    pub fn graph_from(mut self, vectors: usize) -> Self {
        self.graph_from = vectors;
        self
    }

    /// What an earlier reading of a file, as it is now, came to. See [`Catalog::known`].
    pub fn known(
        &mut self,
        path: &Path,
        stamp: FileStamp,
        sampling: &str,
    ) -> Result<Option<Known>, IndexError> {
        Ok(self.catalog.known(path, stamp, sampling, self.model)?)
    }

    /// Starts a reading; an earlier whole one of the same file counts until this is finished.
    pub fn begin_video(
        &mut self,
        path: &Path,
        stamp: FileStamp,
        sampling: &str,
    ) -> Result<VideoId, IndexError> {
        Ok(self.catalog.begin_video(path, stamp, sampling)?)
    }

    /// Commits moments: all or none.
    pub fn commit(&mut self, moments: &[NewMoment]) -> Result<(), IndexError> {
        Ok(self.catalog.add_moments(self.model, moments)?)
    }

    /// Records how reading a video ended.
    ///
    /// Where it `continues` an earlier reading, that one's moments become its own.
    pub fn finish_video(
        &mut self,
        video: VideoId,
        continues: Option<VideoId>,
        record: &VideoRecord,
    ) -> Result<(), IndexError> {
        let model = self.model;
        Ok(self.catalog.finish_video(video, model, continues, record)?)
    }

    pub fn remove_videos(&mut self, videos: &[VideoId]) -> Result<(), IndexError> {
        Ok(self.catalog.remove_videos(videos)?)
    }

    /// Removes videos from the library in `dir`; the graphs of all its models follow.
    pub fn remove(dir: &Path, videos: &[VideoId]) -> Result<(), IndexError> {
        let mut catalog = Catalog::create_or_open(dir)?;
        if !videos.is_empty() {
            catalog.remove_videos(videos)?;
        }
        for (model, fingerprint) in catalog.models()? {
            let mut writer = Self {
                catalog,
                model,
                graph_dir: graph_dir(dir, &fingerprint),
                graph_from: GRAPH_FROM,
            };
            writer.catch_up()?;
            catalog = writer.catalog;
        }
        Ok(())
    }

    /// Brings the graph up to the catalogue: grown by what is new, built afresh where vectors
    /// have gone, left out where the library is small.
    pub fn catch_up(&mut self) -> Result<(), IndexError> {
        let total = self.catalog.vector_count(self.model)?;
        let generation = self.catalog.generation()?.0;
        let state = Graph::state(&self.graph_dir);
        if total < self.graph_from || state.is_some_and(|s| s.generation == generation) {
            return Ok(());
        }
        let newer = |last: i64| -> Result<usize, IndexError> {
            let mut count = 0;
            self.catalog
                .each_vector(self.model, VectorId(last), |_| count += 1)?;
            Ok(count)
        };
        let grown = match state {
            Some(s) if s.vectors + newer(s.last_id)? == total => {
                Graph::load(&self.graph_dir).ok().map(|g| (g, s.last_id))
            }
            _ => None,
        };
        let (mut graph, last) = grown.unwrap_or_default();
        let mut chunk = Vec::with_capacity(CHUNK);
        self.catalog.each_vector(self.model, VectorId(last), |v| {
            chunk.push((v.id, v.values.to_vec()));
            if chunk.len() == CHUNK {
                graph.insert(&chunk);
                chunk.clear();
            }
        })?;
        graph.insert(&chunk);
        Ok(graph.save(&self.graph_dir, generation)?)
    }
}
