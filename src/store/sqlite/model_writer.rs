//! The one that adds vectors of one model.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::Writer;
use crate::store::{
    FileStamp, Fingerprints, Known, Lacking, LaterSeen, ModelRow, NewModel, NewMoment, Reading,
    Recorded, RecordedVideo, StoreError, VideoRecord, VideoRef,
};
use crate::types::{Embedding, MomentId, VideoId};

/// Writes one model's vectors into a library.
pub struct ModelWriter {
    writer: Writer,
    model: ModelRow,
}

impl ModelWriter {
    pub(super) fn open(mut writer: Writer, model: NewModel) -> Result<Self, StoreError> {
        let models = writer.catalog.models()?;
        let answers = models.iter().find(|m| m.answers && m.has_vectors);
        if let Some(held) = answers.filter(|m| m.fingerprint != model.fingerprint) {
            return Err(StoreError::OtherModel {
                dir: writer.library.dir.clone(),
                model: model.name.into(),
                held: held.name.clone(),
            });
        }
        let row = writer.row_of(model)?;
        if answers.is_none() && !row.answers {
            writer.catalog.answer_by(row.id, None)?;
        }
        Ok(Self { writer, model: row })
    }

    pub(super) fn open_beside(mut writer: Writer, model: NewModel) -> Result<Self, StoreError> {
        let model = writer.row_of(model)?;
        Ok(Self { writer, model })
    }

    /// Which views of frames [`ModelWriter::add_seen`] has been given: what was told first.
    pub fn views(&mut self, told: &str) -> Result<String, StoreError> {
        self.writer.catalog.model_views(self.model.id, told)
    }

    /// From now on queries are answered by this model, whose vectors are made of these views.
    pub fn answer(&mut self, views: &str) -> Result<(), StoreError> {
        self.writer.catalog.answer_by(self.model.id, Some(views))
    }

    /// The moments that have no vector of this model, or that one of the onlookers has not looked at.
    pub fn lacking(&self, onlookers: Fingerprints) -> Result<Vec<Lacking>, StoreError> {
        self.writer.catalog.lacking(self.model.id, onlookers)
    }

    /// Adds vectors, things and lettering to moments that are there.
    pub fn add_seen(&mut self, seen: &[LaterSeen]) -> Result<(), StoreError> {
        self.writer.catalog.add_seen(self.model.id, seen)
    }

    pub fn video(&self, video: VideoId) -> Result<Option<VideoRef>, StoreError> {
        self.writer.catalog.video(video)
    }

    /// The JPEG kept of a moment.
    pub fn thumbnail(&self, moment: MomentId) -> Option<Vec<u8>> {
        self.writer.catalog.thumbnails()?.of(moment)
    }

    /// Takes away the vectors of all models but the one that answers.
    pub fn prune_models(&mut self) -> Result<(), StoreError> {
        let others = self.writer.catalog.models()?;
        self.writer.catalog.prune_models()?;
        for model in others.iter().filter(|m| !m.answers) {
            let derived = self.writer.library.vectors_dir(&model.fingerprint);
            let _ = std::fs::remove_dir_all(derived);
        }
        Ok(())
    }

    /// What this model gave for its self-test on this kind of device when it first wrote here;
    /// empty if it never did.
    pub fn canaries(&self, device: &str) -> Result<Vec<Embedding>, StoreError> {
        self.writer.catalog.canaries(self.model.id, device)
    }

    pub fn record_canaries(&mut self, device: &str, now: &[Embedding]) -> Result<(), StoreError> {
        let id = self.model.id;
        self.writer.catalog.record_canaries(id, device, now)
    }

    /// What an earlier reading of a file, as it is now, came to.
    pub fn known(
        &mut self,
        path: &Path,
        stamp: FileStamp,
        reading: &Reading,
    ) -> Result<Option<Known>, StoreError> {
        self.writer
            .catalog
            .known(path, stamp, reading, self.model.id)
    }

    /// What the file at a path told of when and by whom it was recorded, where it was read.
    pub fn recorded(&self, path: &Path) -> Result<Option<RecordedVideo>, StoreError> {
        self.writer.catalog.recorded(path)
    }

    /// Forgets that these folders could not be read: they can.
    pub fn forget_closed(&mut self, folders: &HashSet<PathBuf>) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for folder in folders {
            rows.extend(self.writer.catalog.video_at(folder)?);
        }
        self.writer.remove_videos(&rows)
    }

    /// Writes down anew when and by which cameras videos were recorded.
    pub fn set_recorded(&mut self, told: &[(VideoId, Recorded)]) -> Result<(), StoreError> {
        match told.is_empty() {
            true => Ok(()),
            false => self.writer.catalog.set_recorded(told),
        }
    }

    /// Starts a reading; an earlier whole one of the same file counts until this is finished.
    pub fn begin_video(
        &mut self,
        path: &Path,
        stamp: FileStamp,
        reading: &Reading,
    ) -> Result<VideoId, StoreError> {
        self.writer.catalog.begin_video(path, stamp, reading)
    }

    /// Commits moments: all or none.
    pub fn commit(&mut self, moments: &[NewMoment]) -> Result<(), StoreError> {
        self.writer.catalog.add_moments(self.model.id, moments)
    }

    /// Records how reading a video ended.
    ///
    /// Where it `continues` an earlier reading, that one's moments become its own.
    pub fn finish_video(
        &mut self,
        video: VideoId,
        continues: Option<VideoId>,
        record: &VideoRecord,
    ) -> Result<(), StoreError> {
        let model = self.model.id;
        self.writer
            .catalog
            .finish_video(video, model, continues, record)
    }

    /// Takes videos with their moments and vectors out of the library.
    pub fn remove_videos(&mut self, videos: &[VideoId]) -> Result<(), StoreError> {
        self.writer.remove_videos(videos)
    }

    /// Brings this model's files, the words and the thumbnails up to the catalogue.
    pub fn catch_up(&mut self) -> Result<(), StoreError> {
        self.writer.catch_up_vectors(&self.model)?;
        self.writer.catch_up_rest()
    }
}
