//! The one that writes: what belongs to no model, and what is derived of the catalogue.

use std::path::Path;

use super::Library;
use super::catalog::Catalog;
use super::vectors::{Appender, Row, Vectors, VectorsError};
use super::words::{Changed, State, Words, update};
use crate::store::{CameraClock, CameraVideos, Concept, ModelRow, NewModel, StoreError};
use crate::types::{ModelId, VideoId};

/// The file of vectors is rebuilt when this share of it belongs to nothing any more.
const DEAD_SHARE: f64 = 0.3;
/// Blocks of the file of vectors that are compared with their checksums each time it is caught up; of a small
/// one that is all of it.
const BLOCKS_CHECKED: usize = 16;
/// The same of the index of words, which is checked as a whole or not: up to so many bytes.
const WORDS_CHECKED: u64 = 32 << 20;

/// Changes a library, the only one at a time to do so.
pub struct Writer {
    pub(super) catalog: Catalog,
    pub(super) library: Library,
}

impl Writer {
    pub(super) fn open(library: &Library) -> Result<Self, StoreError> {
        let catalog = Catalog::create_or_open(&library.dir)?;
        // What earlier formats derived.
        let _ = std::fs::remove_dir_all(library.dir.join("ann"));
        Ok(Self {
            catalog,
            library: library.clone(),
        })
    }

    /// Takes videos with their moments and vectors out of the library.
    pub fn remove_videos(&mut self, videos: &[VideoId]) -> Result<(), StoreError> {
        match videos.is_empty() {
            true => Ok(()),
            false => self.catalog.remove_videos(videos),
        }
    }

    /// Adds a note on a video, or a time of it in seconds.
    pub fn add_note(
        &mut self,
        video: &Path,
        time: Option<f64>,
        text: &str,
    ) -> Result<(), StoreError> {
        self.catalog.add_note(video, time, text)
    }

    /// Returns whether there was such a note.
    pub fn remove_note(&mut self, id: i64) -> Result<bool, StoreError> {
        self.catalog.remove_note(id)
    }

    /// Keeps a concept taught for a model, in place of an earlier one of its name.
    pub fn keep_concept(&mut self, model: ModelId, concept: &Concept) -> Result<(), StoreError> {
        self.catalog.keep_concept(model, concept)
    }

    /// Takes a concept away, of every model; returns whether there was one.
    pub fn forget_concept(&mut self, name: &str) -> Result<bool, StoreError> {
        self.catalog.forget_concept(name)
    }

    /// Puts a camera's clock right, of its videos and of those to come.
    pub fn set_clock(
        &mut self,
        camera: &str,
        clock: &CameraClock,
    ) -> Result<CameraVideos, StoreError> {
        self.catalog.set_clock(camera, clock)
    }

    /// Brings all that is derived up to the catalogue. It costs what has changed since it was last done.
    pub fn catch_up(&mut self) -> Result<(), StoreError> {
        for model in self.catalog.models()? {
            self.catch_up_vectors(&model)?;
        }
        self.catch_up_rest()
    }

    /// The words and the thumbnails.
    pub(super) fn catch_up_rest(&mut self) -> Result<(), StoreError> {
        self.catalog.prune_thumbnails()?;
        self.catch_up_words()
    }

    /// Appends what is new to a model's file of vectors; rebuilds it where it is damaged, of another history,
    /// or where much of it belongs to nothing any more.
    pub(super) fn catch_up_vectors(&mut self, model: &ModelRow) -> Result<(), StoreError> {
        let dir = self.library.vectors_dir(&model.fingerprint);
        let origin = self.catalog.origin()?;
        let deleted = self.catalog.deleted_vectors(model.id)?;
        let usable = match Vectors::open(&dir, model.dim) {
            Ok(Some(vectors)) => {
                let dead = deleted.saturating_sub(vectors.deleted_before()) as f64;
                let usable = self.catalog.knows(vectors.origin())?
                    && vectors.is_sound_in_part(BLOCKS_CHECKED, origin.generation as u64)
                    && dead <= DEAD_SHARE * vectors.len() as f64;
                if usable && *vectors.origin() == origin {
                    return Ok(());
                }
                usable
            }
            Ok(None) => true,
            Err(_) => false,
        };
        tracing::info!(
            model = model.name,
            deleted,
            append = usable,
            "vectors: catching up"
        );
        let mut appender = match usable {
            true => Appender::open(&dir, model.dim, deleted)?,
            false => Appender::rebuild(&dir, model.dim, deleted)?,
        };
        let mut failed: Option<VectorsError> = None;
        self.catalog
            .each_vector(model.id, appender.last_id(), |v| {
                let row = Row::new(v.id, v.video, v.start, v.end);
                if failed.is_none() {
                    failed = appender.push(row, v.bytes).err();
                }
            })?;
        match failed {
            Some(e) => Err(e.into()),
            None => Ok(appender.finish(&origin)?),
        }
    }

    /// Tells the index of words of the videos whose words have changed; builds it again where it is damaged or
    /// of another history.
    fn catch_up_words(&self) -> Result<(), StoreError> {
        let dir = self.library.words_dir();
        let change = self.catalog.words_change()?;
        let words = Words::open(&dir).ok().flatten();
        let state = words.as_ref().and_then(Words::state);
        let mut usable = None;
        if let (Some(words), Some(state)) = (&words, state) {
            let sound = size_of(&dir) > WORDS_CHECKED || words.is_sound();
            if sound && self.catalog.knows(&state.origin())? && state.change <= change {
                usable = Some(state.change);
            }
        }
        if usable == Some(change) {
            return Ok(());
        }
        tracing::info!(append = usable.is_some(), "words: catching up");
        let changed = match usable {
            Some(since) => Some(self.catalog.words_changed_since(since)?),
            None => None,
        };
        let changed = changed.as_deref();
        let state = State::new(self.catalog.origin()?, change);
        let update = |changed: Option<&[VideoId]>| {
            let videos = changed.map_or(Changed::Everything, Changed::These);
            let mut failed = None;
            let updated = update(&dir, &state, videos, |add| {
                failed = self.catalog.each_passage(changed, add).err();
                failed.is_none()
            });
            match failed {
                Some(e) => Err(e),
                None => updated.map_err(StoreError::from),
            }
        };
        match update(changed) {
            // Damaged where nobody has looked.
            Err(StoreError::Words(_)) if changed.is_some() => update(None),
            updated => updated,
        }
    }

    /// The row of a model, made where it is new.
    pub(super) fn row_of(&mut self, model: NewModel) -> Result<ModelRow, StoreError> {
        let id = self.catalog.model(model)?;
        let rows = self.catalog.models()?;
        let row = rows.into_iter().find(|m| m.id == id);
        row.ok_or_else(|| rusqlite::Error::QueryReturnedNoRows.into())
    }
}

/// Bytes of the files in a folder.
fn size_of(dir: &Path) -> u64 {
    let files = dir.read_dir().into_iter().flatten().flatten();
    files.filter_map(|f| Some(f.metadata().ok()?.len())).sum()
}
