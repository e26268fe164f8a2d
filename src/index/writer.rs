//! The one that writes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{
    Concept, FileStamp, IndexError, Known, Lacking, NewMoment, VideoRecord, VideoRef, derived_dir,
    text_dir,
};
use crate::ann::{AnnError, Appender, Graph, Progress, Row, Vectors, build};
use crate::catalog::{Catalog, TextRow};
use crate::text::{Passage, Text, update};
use crate::types::{Embedding, Generation, ModelId, MomentId, VideoId, ViewVectors};

/// The graph is grown when it lacks this share of the vectors; until then those are scanned.
const GRAPH_LACKS: f64 = 0.2;
/// The file of vectors is made anew when this share of it belongs to nothing any more.
const DEAD_SHARE: f64 = 0.3;

/// Writes one model's vectors into a library.
pub struct Writer {
    catalog: Catalog,
    model: ModelId,
    dim: usize,
    derived: PathBuf,
    text: PathBuf,
}

impl Writer {
    /// Opens the library in `dir`, made where there is none, to add vectors of the model that answers
    /// there. The first one to write becomes that.
    pub fn open(
        dir: &Path,
        model: &str,
        fingerprint: &str,
        dim: usize,
    ) -> Result<Self, IndexError> {
        let mut catalog = Catalog::create_or_open(dir)?;
        let models = catalog.models()?;
        let answers = models.iter().find(|m| m.answers && m.has_vectors);
        if let Some(held) = answers.filter(|m| m.fingerprint != fingerprint) {
            return Err(IndexError::OtherModel {
                dir: dir.into(),
                model: model.into(),
                held: held.name.clone(),
            });
        }
        let id = catalog.model(model, fingerprint, dim)?;
        if answers.is_none() {
            catalog.answer_by(id, str::to_owned)?;
        }
        Self::of(catalog, dir, id, fingerprint, dim)
    }

    /// Brings a library of an earlier format up to date.
    pub fn upgrade(dir: &Path) -> Result<(), IndexError> {
        Ok(Catalog::create_or_open(dir).map(drop)?)
    }

    /// Opens the library in `dir` to add vectors of a model beside those of the one that answers.
    pub fn open_beside(
        dir: &Path,
        model: &str,
        fingerprint: &str,
        dim: usize,
    ) -> Result<Self, IndexError> {
        let mut catalog = Catalog::create_or_open(dir)?;
        let id = catalog.model(model, fingerprint, dim)?;
        Self::of(catalog, dir, id, fingerprint, dim)
    }

    /// Which views of frames [`Writer::add_vectors`] has been given: what was told first; `None` until it is
    /// told.
    pub fn views(&mut self, told: &str) -> Result<String, IndexError> {
        Ok(self.catalog.model_views(self.model, told)?)
    }

    fn of(
        catalog: Catalog,
        dir: &Path,
        model: ModelId,
        fingerprint: &str,
        dim: usize,
    ) -> Result<Self, IndexError> {
        let derived = derived_dir(dir, fingerprint);
        // Of a later state than the catalogue: that was put back from a copy since.
        let vectors = Vectors::open(&derived, dim).ok().flatten();
        if vectors.is_some_and(|v| catalog.generation().is_ok_and(|g| v.generation() > g.0)) {
            let removed = std::fs::remove_dir_all(&derived);
            removed.map_err(|cause| AnnError::Write {
                path: derived.clone(),
                cause,
            })?;
        }
        let words = text_dir(dir);
        let state = Text::open(&words).ok().flatten().and_then(|t| t.state());
        if state.is_some_and(|s| catalog.generation().is_ok_and(|g| s.generation > g.0)) {
            let removed = std::fs::remove_dir_all(&words);
            removed.map_err(|cause| AnnError::Write { path: words, cause })?;
        }
        // What earlier formats derived.
        let _ = std::fs::remove_dir_all(dir.join("ann"));
        Ok(Self {
            catalog,
            model,
            dim,
            derived,
            text: text_dir(dir),
        })
    }

    /// From now on queries are answered by this model; `sampling` tells how the readings of the one
    /// before are named for this one.
    pub fn answer(&mut self, sampling: impl Fn(&str) -> String) -> Result<(), IndexError> {
        Ok(self.catalog.answer_by(self.model, sampling)?)
    }

    /// The moments that have no vector of this model.
    pub fn lacking(&self) -> Result<Vec<Lacking>, IndexError> {
        Ok(self.catalog.lacking(self.model)?)
    }

    /// Adds vectors to moments that are there.
    pub fn add_vectors(&mut self, vectors: &[(MomentId, ViewVectors)]) -> Result<(), IndexError> {
        Ok(self.catalog.add_vectors(self.model, vectors)?)
    }

    pub fn video(&self, video: VideoId) -> Result<Option<VideoRef>, IndexError> {
        Ok(self.catalog.video(video)?)
    }

    /// Takes away the vectors of all models but the one that answers.
    pub fn prune_models(&mut self) -> Result<(), IndexError> {
        let others = self.catalog.models()?;
        self.catalog.prune_models()?;
        let folder = self.derived.parent().map(Path::to_path_buf);
        for model in others.iter().filter(|m| !m.answers) {
            if let Some(folder) = &folder {
                let _ = std::fs::remove_dir_all(folder.join(&model.fingerprint));
            }
        }
        Ok(())
    }

    /// What this model gave for its self-test on this kind of device when it first wrote here;
    /// empty if it never did.
    pub fn canaries(&self, device: &str) -> Result<Vec<Embedding>, IndexError> {
        Ok(self.catalog.canaries(self.model, device)?)
    }

    pub fn record_canaries(&mut self, device: &str, now: &[Embedding]) -> Result<(), IndexError> {
        Ok(self.catalog.record_canaries(self.model, device, now)?)
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

    /// Removes videos from the library in `dir`; the files derived for its models follow.
    pub fn remove(dir: &Path, videos: &[VideoId]) -> Result<(), IndexError> {
        let mut catalog = Catalog::create_or_open(dir)?;
        if !videos.is_empty() {
            catalog.remove_videos(videos)?;
        }
        for model in catalog.models()? {
            let mut writer = Self::of(catalog, dir, model.id, &model.fingerprint, model.dim)?;
            writer.catch_up()?;
            catalog = writer.catalog;
        }
        Ok(())
    }

    /// Brings the file of vectors up to the catalogue: appends what is new; makes it anew where it is
    /// damaged, or where much of it belongs to nothing any more.
    pub fn catch_up(&mut self) -> Result<(), IndexError> {
        let generation = self.catalog.generation()?;
        let sound = match Vectors::open(&self.derived, self.dim) {
            Ok(Some(vectors)) => {
                let shown = self.catalog.shown_videos()?;
                let sound = vectors.damaged_rows().is_empty();
                sound && dead_share(&vectors, &shown) <= DEAD_SHARE
            }
            Ok(None) => true,
            Err(_) => false,
        };
        let mut appender = match sound {
            true => Appender::open(&self.derived, self.dim)?,
            false => Appender::anew(&self.derived, self.dim)?,
        };
        let mut failed = None;
        self.catalog
            .each_vector(self.model, appender.last_id(), |v| {
                let row = Row::new(v.id, v.video, v.start, v.end);
                if failed.is_none() {
                    failed = appender.push(row, v.bytes).err();
                }
            })?;
        if let Some(e) = failed {
            return Err(e.into());
        }
        appender.finish(generation.0)?;
        self.catalog.prune_thumbnails()?;
        self.catch_up_words(generation)
    }

    /// Brings the index of words up to the catalogue; makes it anew where it is damaged, of a later
    /// state, or mostly of what is gone.
    fn catch_up_words(&self, generation: Generation) -> Result<(), IndexError> {
        let text = Text::open(&self.text).ok().flatten();
        let state = text.as_ref().and_then(Text::state);
        if state.is_some_and(|s| s.generation == generation.0) && text.is_some_and(|t| t.is_sound())
        {
            return Ok(());
        }
        let there = self.catalog.timed_texts()?;
        let good = state.filter(|s| s.generation <= generation.0 && s.timed <= 2 * there + 1_000);
        let good = good.filter(|_| {
            let text = Text::open(&self.text).ok().flatten();
            text.is_some_and(|t| t.is_sound())
        });
        let passage = |row: TextRow| Passage {
            video: row.video,
            span: row.span,
            text: row.text,
        };
        let whole: Vec<Passage> = self
            .catalog
            .whole_texts()?
            .into_iter()
            .map(passage)
            .collect();
        let mut failed = None;
        let after = good.map_or(0, |s| s.last);
        let updated = update(&self.text, good.is_none(), generation.0, &whole, |add| {
            let each = self.catalog.each_timed_text(after, |row| {
                add(row.id.unwrap_or(0), passage(row));
            });
            failed = each.err();
            failed.is_none()
        });
        match failed {
            Some(e) => Err(e.into()),
            None => Ok(updated?),
        }
    }

    /// Adds a note to the library in `dir`, on a video or a time of it.
    pub fn note(dir: &Path, video: &Path, time: Option<f64>, text: &str) -> Result<(), IndexError> {
        Catalog::create_or_open(dir)?.add_note(video, time, text)?;
        Self::remove(dir, &[])
    }

    /// Keeps a concept taught for a model, in place of an earlier one of its name.
    pub fn teach(dir: &Path, model: ModelId, concept: &Concept) -> Result<(), IndexError> {
        Ok(Catalog::create_or_open(dir)?.keep_concept(model, concept)?)
    }

    /// Takes a concept out of the library in `dir`; returns whether there was one.
    pub fn forget(dir: &Path, name: &str) -> Result<bool, IndexError> {
        Ok(Catalog::create_or_open(dir)?.forget_concept(name)?)
    }

    /// Takes a note out of the library in `dir`; returns whether there was one.
    pub fn remove_note(dir: &Path, id: i64) -> Result<bool, IndexError> {
        let there = Catalog::create_or_open(dir)?.remove_note(id)?;
        Self::remove(dir, &[])?;
        Ok(there)
    }
}

fn dead_share(vectors: &Vectors, shown: &HashSet<VideoId>) -> f64 {
    let runs = vectors.runs().iter();
    let live: usize = runs
        .filter(|(v, _)| shown.contains(v))
        .map(|(_, r)| r.len())
        .sum();
    1.0 - live as f64 / vectors.len().max(1) as f64
}

/// Builds or grows the graph of a model where enough is missing from it. Nothing waits for it: it only
/// reads the file of vectors, and queries are answered exactly until it is there.
pub fn grow_graph(
    library: &Path,
    (fingerprint, dim): (&str, usize),
    from: usize,
    progress: &Progress,
) -> Result<(), IndexError> {
    let Some(vectors) = Vectors::open(&derived_dir(library, fingerprint), dim)? else {
        return Ok(());
    };
    let covered = Graph::open(&vectors).ok().flatten().map_or(0, |g| g.len());
    let lacking = vectors.len() - covered;
    let enough = lacking as f64 > GRAPH_LACKS * vectors.len() as f64;
    if vectors.len() < from || !enough {
        return Ok(());
    }
    match build(&vectors, progress) {
        Err(AnnError::Stopped) => Ok(()),
        result => Ok(result?),
    }
}
