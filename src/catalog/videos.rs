//! Rows of videos: what was read of each file, and how far.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use serde::Serialize;

use super::codec::{SqlPath, SqlPathBuf};
use super::stamp::{FileStamp, content_digest};
use super::texts::{self, NewText};
use super::{Catalog, CatalogError};
use crate::types::{ModelId, VideoId};

/// What an earlier reading of a file came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    Whole,
    /// As far as it can be read; says why not further.
    Partly(String),
    /// The file has only grown since; it was read up to so many seconds.
    Grown {
        earlier: VideoId,
        read_to: f64,
    },
}

/// When a video was recorded, and by which camera, as far as is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorded {
    pub camera: Option<String>,
    /// Wall clock at the start of the video, milliseconds since 1970 in UTC.
    pub at_ms: Option<i64>,
    /// How that is known: `container`, `name` or `file`.
    pub from: Option<&'static str>,
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
    pub lost_packets: u64,
    pub lost_frames: u64,
    /// Stretches that were not seen, and times of faults, in seconds.
    pub gaps: Vec<(f64, f64)>,
    pub faults: Vec<f64>,
    /// Why it gave nothing, or less than all.
    pub error: Option<String>,
    /// What ended it was not the file: it is worth another try unchanged.
    pub retry: bool,
    /// Which video stream was read; the one a player shows where `None`.
    pub stream: Option<usize>,
    pub digest: Option<String>,
    pub recorded: Recorded,
    pub texts: Vec<NewText>,
}

impl VideoRecord {
    /// Adds what an earlier reading, which this one continues, had come to.
    fn add_earlier(&mut self, t: &Connection, earlier: VideoId) -> rusqlite::Result<()> {
        // Where it ended, this one began: nothing is missing there any more.
        let ended = r#"DELETE FROM gaps WHERE video_id = ?1
             AND "end" > (SELECT read_to FROM videos WHERE id = ?1)"#;
        t.execute(ended, [earlier.0])?;
        let sql = "SELECT frames, lost_packets, lost_frames, largest_gap, error,
               EXISTS (SELECT 1 FROM gaps WHERE video_id = ?1) FROM videos WHERE id = ?1";
        t.query_row(sql, [earlier.0], |r| {
            // Stretches it had not seen are still unseen.
            if r.get(5)? && self.error.is_none() {
                self.error = r.get(4)?;
            }
            self.frames += r.get::<_, u64>(0)?;
            self.lost_packets += r.get::<_, u64>(1)?;
            self.lost_frames += r.get::<_, u64>(2)?;
            let largest: Option<f64> = r.get(3)?;
            self.largest_gap = [self.largest_gap, largest]
                .into_iter()
                .flatten()
                .reduce(f64::max);
            Ok(())
        })
    }
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
    pub lost_packets: u64,
    pub lost_frames: u64,
    /// `[start, end]` of stretches that were not seen, in seconds.
    pub gaps: Vec<(f64, f64)>,
    /// When packets or frames were lost, in seconds; the first hundred.
    pub faults: Vec<f64>,
    pub error: Option<String>,
    /// False while it is being read, or when that was interrupted.
    pub complete: bool,
    pub sampling: String,
    pub model: Option<String>,
    /// When it was read, seconds since 1970 in UTC.
    pub indexed_at: Option<i64>,
    pub camera: Option<String>,
    /// Milliseconds since 1970 in UTC.
    #[serde(skip)]
    pub recorded_ms: Option<i64>,
    pub recorded_from: Option<String>,
    pub container: Option<String>,
    pub codec: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
}

impl VideoRow {
    /// Seconds that were promised and not seen.
    pub fn unseen(&self) -> f64 {
        let gaps: f64 = self.gaps.iter().map(|(from, to)| to - from).sum();
        match self.read_to {
            Some(_) => gaps,
            None => self.duration.unwrap_or(0.0),
        }
    }
}

fn lossy<S: serde::Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&path.to_string_lossy())
}

/// What a hit tells of its video.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoRef {
    pub path: PathBuf,
    /// Which frames and views of it were embedded.
    pub sampling: String,
    /// Which video stream was read; the one a player shows where `None`.
    pub stream: Option<usize>,
    pub camera: Option<String>,
    /// Wall clock at its start, milliseconds since 1970 in UTC.
    pub recorded_ms: Option<i64>,
    /// Of its frames as a player shows them, in pixels.
    pub width: Option<u32>,
}

/// Whether an earlier reading tells more than this one, which gave nothing: the one it continues, or
/// one of the file as it still is.
fn has_better(
    t: &Connection,
    video: VideoId,
    continues: Option<VideoId>,
) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM videos v JOIN videos w ON w.path = v.path
           WHERE v.id = ?1 AND w.id <> v.id AND w.indexed_at IS NOT NULL AND w.frames > 0
             AND (w.id = ?2 OR (w.size = v.size AND w.modified_ns = v.modified_ns)))";
    t.query_row(sql, params![video.0, continues.map(|c| c.0)], |r| r.get(0))
}

/// A whole reading of a file.
struct Reading {
    id: VideoId,
    path: PathBuf,
    stamp: FileStamp,
    digest: Option<String>,
    error: Option<String>,
    read_to: Option<f64>,
}

impl Reading {
    fn came_to(&self) -> Known {
        match &self.error {
            None => Known::Whole,
            Some(reason) => Known::Partly(reason.clone()),
        }
    }
}

impl Catalog {
    /// What an earlier reading of `path`, as it is now, under `sampling`, by `model`, came to. A
    /// file that gave nothing is not known: it is tried again. One that was moved here, or only
    /// touched, is recognised by its content, and the catalogue follows.
    pub fn known(
        &mut self,
        path: &Path,
        stamp: FileStamp,
        sampling: &str,
        model: ModelId,
    ) -> Result<Option<Known>, CatalogError> {
        let readings = self.readings("path", &SqlPath(path), sampling, model)?;
        let unchanged = |r: &&Reading| r.stamp == stamp;
        if let Some(reading) = readings.iter().find(unchanged) {
            return Ok(Some(reading.came_to()));
        }
        // Where it cannot be read, reading it will say so.
        let Ok(digest) = content_digest(path, stamp.size) else {
            return Ok(None);
        };
        // A file with holes may have been filled between the samples.
        let same = |r: &&Reading| r.digest.as_ref() == Some(&digest) && r.error.is_none();
        let touched = readings.iter().find(same);
        if let Some(reading) = touched {
            self.follow(reading.id, path, stamp)?;
            return Ok(Some(reading.came_to()));
        }
        let grown = readings.into_iter().find(|r| {
            let same_start = || content_digest(path, r.stamp.size).ok();
            r.stamp.size < stamp.size && r.digest.is_some() && same_start() == r.digest
        });
        if let Some(reading) = grown {
            return Ok(reading.read_to.map(|read_to| Known::Grown {
                earlier: reading.id,
                read_to,
            }));
        }
        let same = self.readings("digest", &digest, sampling, model)?;
        let moved = same.into_iter().find(|r| !r.path.exists());
        if let Some(reading) = moved {
            self.follow(reading.id, path, stamp)?;
            return Ok(Some(reading.came_to()));
        }
        Ok(None)
    }

    /// Whole readings with vectors of `model` where `column` holds `value`.
    fn readings(
        &self,
        column: &str,
        value: &dyn ToSql,
        sampling: &str,
        model: ModelId,
    ) -> Result<Vec<Reading>, CatalogError> {
        let sql = format!(
            "SELECT id, path, size, modified_ns, digest, error, read_to FROM videos v
             WHERE {column} = ?1 AND sampling = ?2 AND indexed_at IS NOT NULL AND retry = 0
               AND EXISTS (SELECT 1 FROM moments m JOIN vectors x ON x.moment_id = m.id
                           WHERE m.video_id = v.id AND x.model_id = ?3)"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map(params![value, sampling, model.0], |r| {
            Ok(Reading {
                id: VideoId(r.get(0)?),
                path: r.get::<_, SqlPathBuf>(1)?.0,
                stamp: FileStamp {
                    size: r.get(2)?,
                    modified_ns: r.get(3)?,
                },
                digest: r.get(4)?,
                error: r.get(5)?,
                read_to: r.get(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The file of a reading now lies at `path`, or bears another time.
    fn follow(
        &mut self,
        video: VideoId,
        path: &Path,
        stamp: FileStamp,
    ) -> Result<(), CatalogError> {
        self.commit(|t, changed| {
            // Other readings of the new path, and unfinished ones of the old.
            let other = "DELETE FROM videos WHERE id <> ?2 AND (path = ?1 OR (indexed_at IS NULL
                 AND path = (SELECT path FROM videos WHERE id = ?2)))";
            *changed = t.execute(other, params![SqlPath(path), video.0])? > 0;
            let before = "SELECT path FROM videos WHERE id = ?1";
            let before: SqlPathBuf = t.query_row(before, [video.0], |r| r.get(0))?;
            if before.0 != path {
                *changed = true;
                let notes = "UPDATE notes SET path = ?2 WHERE path = ?1";
                t.execute(notes, params![SqlPath(&before.0), SqlPath(path)])?;
            }
            let sql = "UPDATE videos SET path = ?2, size = ?3, modified_ns = ?4 WHERE id = ?1";
            let row = params![video.0, SqlPath(path), stamp.size, stamp.modified_ns];
            t.execute(sql, row).map(drop)
        })
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
    /// away. Where it `continues` one of them, its moments become that one's, which stays.
    pub fn finish_video(
        &mut self,
        video: VideoId,
        model: ModelId,
        continues: Option<VideoId>,
        record: &VideoRecord,
    ) -> Result<(), CatalogError> {
        self.commit(|t, changed| {
            let nothing = record.frames == 0 && record.error.is_some();
            if nothing && has_better(t, video, continues)? {
                *changed = false;
                let sql = "DELETE FROM videos WHERE id = ?1";
                return t.execute(sql, [video.0]).map(drop);
            }
            let mut record = record.clone();
            let mut kept = video;
            if let Some(earlier) = continues {
                record.add_earlier(t, earlier)?;
                let both = [earlier.0, video.0];
                texts::forget_whole(t, earlier)?;
                for table in ["moments", "gaps", "faults"] {
                    let sql = format!("UPDATE {table} SET video_id = ?1 WHERE video_id = ?2");
                    t.execute(&sql, both)?;
                }
                let now = "UPDATE videos SET (size, modified_ns, sampling)
                     = (SELECT size, modified_ns, sampling FROM videos WHERE id = ?2) WHERE id = ?1";
                t.execute(now, both)?;
                kept = earlier;
            }
            let others = "DELETE FROM videos WHERE id <> ?1
                 AND path = (SELECT path FROM videos WHERE id = ?1)";
            *changed = t.execute(others, [kept.0])? > 0;
            t.execute(
                "UPDATE videos SET indexed_at = unixepoch(), container = ?2, codec = ?3, width = ?4,
                   height = ?5, duration = ?6, read_to = ?7, frames = ?8, largest_gap = ?9,
                   decode_errors = ?10, error = ?11, lost_packets = ?12, lost_frames = ?13,
                   model_id = ?14, digest = ?15, camera = ?16, recorded_ms = ?17,
                   recorded_from = ?18, retry = ?19, stream = ?20 WHERE id = ?1",
                params![
                    kept.0,
                    record.container,
                    record.codec,
                    record.width,
                    record.height,
                    record.duration,
                    record.read_to,
                    record.frames,
                    record.largest_gap,
                    record.lost_packets + record.lost_frames,
                    record.error,
                    record.lost_packets,
                    record.lost_frames,
                    model.0,
                    record.digest,
                    record.recorded.camera,
                    record.recorded.at_ms,
                    record.recorded.from,
                    record.retry,
                    record.stream,
                ],
            )?;
            let gap = r#"INSERT INTO gaps (video_id, start, "end") VALUES (?1, ?2, ?3)"#;
            texts::insert(t, kept, &record.texts)?;
            for (start, end) in &record.gaps {
                t.execute(gap, params![kept.0, start, end])?;
            }
            for time in &record.faults {
                let fault = "INSERT INTO faults (video_id, time) VALUES (?1, ?2)";
                t.execute(fault, params![kept.0, time])?;
            }
            Ok(())
        })
    }

    /// The videos shown, with their cameras where these are known.
    pub fn cameras(&self) -> Result<Vec<(VideoId, Option<String>)>, CatalogError> {
        let sql = "SELECT id, camera FROM shown_videos";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([], |r| Ok((VideoId(r.get(0)?), r.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Videos whose moments a query sees.
    pub fn shown_videos(&self) -> Result<HashSet<VideoId>, CatalogError> {
        let mut statement = self.db.prepare_cached("SELECT id FROM shown_videos")?;
        let rows = statement.query_map([], |r| r.get(0).map(VideoId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every video, by path; with the number of its moments where they are `counted`.
    pub fn videos(&self, counted: bool) -> Result<Vec<VideoRow>, CatalogError> {
        let sql = "SELECT v.*, iif(?1, (SELECT count(*) FROM moments m WHERE m.video_id = v.id), 0)
                 AS moments,
               (SELECT name FROM models WHERE models.id = v.model_id) AS model
             FROM shown_videos v ORDER BY path";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([counted], video_row)?;
        let mut videos = rows.collect::<Result<Vec<_>, _>>()?;
        let mut gaps = self.by_video(r#"video_id, start, "end" FROM gaps"#, |r| {
            Ok((r.get(1)?, r.get(2)?))
        })?;
        let mut faults = self.by_video("video_id, time FROM faults", |r| r.get(1))?;
        for video in &mut videos {
            video.gaps = gaps.remove(&video.id).unwrap_or_default();
            video.faults = faults.remove(&video.id).unwrap_or_default();
        }
        Ok(videos)
    }

    /// Rows of a table of details, in order of time, by their videos.
    fn by_video<T>(
        &self,
        columns: &str,
        row: impl Fn(&Row) -> rusqlite::Result<T>,
    ) -> Result<HashMap<VideoId, Vec<T>>, CatalogError> {
        let mut statement = self
            .db
            .prepare(&format!("SELECT {columns} ORDER BY 1, 2"))?;
        let mut rows = statement.query([])?;
        let mut found: HashMap<_, Vec<T>> = HashMap::new();
        while let Some(r) = rows.next()? {
            found.entry(VideoId(r.get(0)?)).or_default().push(row(r)?);
        }
        Ok(found)
    }

    pub fn video(&self, video: VideoId) -> Result<Option<VideoRef>, CatalogError> {
        let sql =
            "SELECT path, camera, recorded_ms, sampling, stream, width FROM videos WHERE id = ?1";
        let row = self.db.query_row(sql, [video.0], |r| {
            Ok(VideoRef {
                path: r.get::<_, SqlPathBuf>(0)?.0,
                camera: r.get(1)?,
                recorded_ms: r.get(2)?,
                sampling: r.get(3)?,
                stream: r.get(4)?,
                width: r.get(5)?,
            })
        });
        Ok(row.optional()?)
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
        lost_packets: r.get("lost_packets")?,
        lost_frames: r.get("lost_frames")?,
        gaps: Vec::new(),
        faults: Vec::new(),
        model: r.get("model")?,
        indexed_at: r.get("indexed_at")?,
        camera: r.get("camera")?,
        recorded_ms: r.get("recorded_ms")?,
        recorded_from: r.get("recorded_from")?,
        error: r.get("error")?,
        complete: r.get::<_, Option<i64>>("indexed_at")?.is_some(),
        sampling: r.get("sampling")?,
        container: r.get("container")?,
        codec: r.get("codec")?,
        width: r.get("width")?,
        height: r.get("height")?,
    })
}
