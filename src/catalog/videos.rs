//! Rows of videos: what was read of each file, and how far.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use super::codec::{SqlPath, SqlPathBuf};
use super::{Catalog, CatalogError};
use crate::types::{ModelId, VideoId};

/// What tells a changed file from a known one without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    pub size: u64,
    pub modified_ns: i64,
}

impl FileStamp {
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let metadata = path.metadata()?;
        let modified = metadata.modified()?;
        let modified_ns = match modified.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
        };
        Ok(Self {
            size: metadata.len(),
            modified_ns,
        })
    }
}

/// A file that was read before and has not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    Whole,
    /// As far as it can be read; says why not further.
    Partly(String),
}

/// What reading a file came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VideoRecord {
    pub container: Option<String>,
    pub codec: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// Seconds, as the container claims.
    pub duration: Option<f64>,
    /// Seconds up to which frames were decoded.
    pub read_to: Option<f64>,
    pub frames: u64,
    /// Seconds.
    pub largest_gap: Option<f64>,
    pub decode_errors: u64,
    /// Why it gave nothing, or less than all.
    pub error: Option<String>,
}

/// A video of the library, as `status --json` prints it (docs/formats.md).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VideoRow {
    #[serde(skip)]
    pub id: VideoId,
    #[serde(serialize_with = "lossy")]
    pub video: PathBuf,
    pub moments: u64,
    pub frames: u64,
    pub duration: Option<f64>,
    pub read_to: Option<f64>,
    pub largest_gap: Option<f64>,
    pub decode_errors: u64,
    pub error: Option<String>,
    /// False while it is being read, or when that was interrupted.
    pub complete: bool,
    pub sampling: String,
    pub container: Option<String>,
    pub codec: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
}

fn lossy<S: serde::Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&path.to_string_lossy())
}

impl Catalog {
    /// What an earlier reading of `path`, as it is now, under `sampling`, by `model`, came to. A
    /// file that gave nothing is not known: it is tried again.
    pub fn known(
        &self,
        path: &Path,
        stamp: FileStamp,
        sampling: &str,
        model: ModelId,
    ) -> Result<Option<Known>, CatalogError> {
        let sql = "SELECT error FROM videos v
             WHERE path = ?1 AND size = ?2 AND modified_ns = ?3 AND sampling = ?4
               AND indexed_at IS NOT NULL
               AND EXISTS (SELECT 1 FROM moments m JOIN vectors x ON x.moment_id = m.id
                           WHERE m.video_id = v.id AND x.model_id = ?5)";
        let (size, modified) = (stamp.size, stamp.modified_ns);
        let row = params![SqlPath(path), size, modified, sampling, model.0];
        let error = self
            .db
            .query_row(sql, row, |r| r.get::<_, Option<String>>(0));
        Ok(error.optional()?.map(|error| match error {
            None => Known::Whole,
            Some(reason) => Known::Partly(reason),
        }))
    }

    /// Starts a reading. An unfinished one of the same path goes away; a whole one stays, and is
    /// what queries see, until this one is finished.
    pub fn begin_video(
        &mut self,
        path: &Path,
        stamp: FileStamp,
        sampling: &str,
    ) -> Result<VideoId, CatalogError> {
        self.commit(|t, changed| {
            let unfinished = "DELETE FROM videos WHERE path = ?1 AND indexed_at IS NULL";
            *changed = t.execute(unfinished, [SqlPath(path)])? > 0;
            t.execute(
                "INSERT INTO videos (path, size, modified_ns, sampling) VALUES (?1, ?2, ?3, ?4)",
                params![SqlPath(path), stamp.size, stamp.modified_ns, sampling],
            )?;
            Ok(VideoId(t.last_insert_rowid()))
        })
    }

    /// Marks a video as read to its end, or as far as it went; earlier readings of its path go
    /// away.
    pub fn finish_video(
        &mut self,
        video: VideoId,
        record: &VideoRecord,
    ) -> Result<(), CatalogError> {
        self.commit(|t, changed| {
            let earlier = "DELETE FROM videos WHERE id <> ?1
                 AND path = (SELECT path FROM videos WHERE id = ?1)";
            *changed = t.execute(earlier, [video.0])? > 0;
            t.execute(
                "UPDATE videos SET indexed_at = unixepoch(), container = ?2, codec = ?3, width = ?4,
                   height = ?5, duration = ?6, read_to = ?7, frames = ?8, largest_gap = ?9,
                   decode_errors = ?10, error = ?11 WHERE id = ?1",
                params![
                    video.0,
                    record.container,
                    record.codec,
                    record.width,
                    record.height,
                    record.duration,
                    record.read_to,
                    record.frames,
                    record.largest_gap,
                    record.decode_errors,
                    record.error,
                ],
            )
            .map(drop)
        })
    }

    /// Every video, by path.
    pub fn videos(&self) -> Result<Vec<VideoRow>, CatalogError> {
        let sql = "SELECT v.*, (SELECT count(*) FROM moments m WHERE m.video_id = v.id) AS moments
             FROM shown_videos v ORDER BY path";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([], video_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn video_path(&self, video: VideoId) -> Result<Option<PathBuf>, CatalogError> {
        let sql = "SELECT path FROM videos WHERE id = ?1";
        let path = self
            .db
            .query_row(sql, [video.0], |r| r.get::<_, SqlPathBuf>(0));
        Ok(path.optional()?.map(|p| p.0))
    }

    /// Takes videos with all their moments and vectors out of the library.
    pub fn remove_videos(&mut self, videos: &[VideoId]) -> Result<(), CatalogError> {
        self.commit(|t, _| {
            // With every reading of their paths, those hidden included.
            let mut delete = t.prepare(
                "DELETE FROM videos WHERE path = (SELECT path FROM videos WHERE id = ?1)",
            )?;
            videos
                .iter()
                .try_for_each(|v| delete.execute([v.0]).map(drop))
        })
    }
}

fn video_row(r: &Row) -> rusqlite::Result<VideoRow> {
    Ok(VideoRow {
        id: VideoId(r.get("id")?),
        video: r.get::<_, SqlPathBuf>("path")?.0,
        moments: r.get("moments")?,
        frames: r.get("frames")?,
        duration: r.get("duration")?,
        read_to: r.get("read_to")?,
        largest_gap: r.get("largest_gap")?,
        decode_errors: r.get("decode_errors")?,
        error: r.get("error")?,
        complete: r.get::<_, Option<i64>>("indexed_at")?.is_some(),
        sampling: r.get("sampling")?,
        container: r.get("container")?,
        codec: r.get("codec")?,
        width: r.get("width")?,
        height: r.get("height")?,
    })
}
