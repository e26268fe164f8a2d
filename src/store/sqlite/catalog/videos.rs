//! Rows of videos: what was read of each file, and how far.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use roaring::RoaringTreemap;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::Catalog;
use super::cameras;
use super::codec::{SqlPath, SqlPathBuf, id_list};
use super::texts;
use crate::store::{
    FileStamp, Known, Reading, SidecarTrouble, StoreError, VideoRecord, VideoRef, VideoRow,
    content_digest,
};
use crate::types::{Coverage, ModelId, VideoId};

/// Adds what an earlier reading, which this one continues, had come to.
fn add_earlier(record: &mut VideoRecord, t: &Connection, earlier: VideoId) -> rusqlite::Result<()> {
    // Where it ended, this one began: nothing is missing there any more.
    let ended = r#"DELETE FROM gaps WHERE video_id = ?1
         AND "end" > (SELECT read_to FROM videos WHERE id = ?1)"#;
    t.execute(ended, [earlier.0])?;
    let sql = "SELECT frames, lost_packets, lost_frames, largest_gap, error,
           EXISTS (SELECT 1 FROM gaps WHERE video_id = ?1), wrong_times FROM videos WHERE id = ?1";
    let (before, error) = t.query_row(sql, [earlier.0], |r| {
        let before = Coverage {
            frames: r.get(0)?,
            lost_packets: r.get(1)?,
            lost_frames: r.get(2)?,
            largest_gap: r.get(3)?,
            wrong_times: r.get(6)?,
            ..Coverage::default()
        };
        // Stretches it had not seen are still unseen.
        let unseen: bool = r.get(5)?;
        let error: Option<String> = r.get(4)?;
        Ok((before, error.filter(|_| unseen)))
    })?;
    record.coverage.join(before);
    record.error = record.error.take().or(error);
    Ok(())
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
struct WholeReading {
    id: VideoId,
    path: PathBuf,
    stamp: FileStamp,
    digest: Option<String>,
    error: Option<String>,
    read_to: Option<f64>,
    clock_jumps: bool,
}

impl WholeReading {
    fn came_to(&self) -> Known {
        match &self.error {
            None => Known::Whole,
            Some(reason) => Known::Partial(reason.clone()),
        }
    }
}

impl Catalog {
    /// What an earlier reading of `path`, as it is now, in this way, by `model`, came to. A
    /// file that gave nothing is not known: it is tried again. One that was moved here, or only
    /// touched, is recognised by its content, and the catalogue follows.
    pub fn known(
        &mut self,
        path: &Path,
        stamp: FileStamp,
        reading: &Reading,
        model: ModelId,
    ) -> Result<Option<Known>, StoreError> {
        let readings = self.readings("path", &SqlPath(path), reading, model)?;
        let unchanged = |r: &&WholeReading| r.stamp == stamp;
        if let Some(found) = readings.iter().find(unchanged) {
            return Ok(Some(found.came_to()));
        }
        // Where it cannot be read, reading it will say so.
        let Ok(digest) = content_digest(path, stamp.size) else {
            return Ok(None);
        };
        // A file with holes may have been filled between the samples.
        let same = |r: &&WholeReading| r.digest.as_ref() == Some(&digest) && r.error.is_none();
        let touched = readings.iter().find(same);
        if let Some(found) = touched {
            self.follow(found.id, path, stamp)?;
            return Ok(Some(found.came_to()));
        }
        let grown = readings.into_iter().find(|r| {
            let same_start = || content_digest(path, r.stamp.size).ok();
            r.stamp.size < stamp.size && r.digest.is_some() && same_start() == r.digest
        });
        if let Some(found) = grown {
            // Where its clock jumps, a seek does not lead to where it ended: it is read again.
            let read_to = found.read_to.filter(|_| !found.clock_jumps);
            return Ok(read_to.map(|read_to| Known::Grown {
                earlier: found.id,
                read_to,
            }));
        }
        let same = self.readings("digest", &digest, reading, model)?;
        let moved = same
            .into_iter()
            .find(|r| r.path.try_exists().is_ok_and(|there| !there));
        if let Some(found) = moved {
            self.follow(found.id, path, stamp)?;
            return Ok(Some(found.came_to()));
        }
        Ok(None)
    }

    /// Whole readings with vectors of `model` where `column` holds `value`.
    fn readings(
        &self,
        column: &str,
        value: &dyn ToSql,
        reading: &Reading,
        model: ModelId,
    ) -> Result<Vec<WholeReading>, StoreError> {
        // From the moments of the video to their vectors: the other way leads through all vectors of the model.
        let sql = format!(
            "SELECT id, path, size, modified_ns, digest, error, read_to,
               EXISTS (SELECT 1 FROM jumps j WHERE j.video_id = v.id) FROM videos v
             WHERE {column} = ?1 AND sampling = ?2 AND views = ?4 AND indexed_at IS NOT NULL AND retry = 0
               AND EXISTS (SELECT 1 FROM moments m CROSS JOIN vectors x ON x.moment_id = m.id
                           WHERE m.video_id = v.id AND +x.model_id = ?3)"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map(
            params![value, reading.policy, model.0, reading.views],
            |r| {
                Ok(WholeReading {
                    id: VideoId(r.get(0)?),
                    path: r.get::<_, SqlPathBuf>(1)?.0,
                    stamp: FileStamp {
                        size: r.get(2)?,
                        modified_ns: r.get(3)?,
                    },
                    digest: r.get(4)?,
                    error: r.get(5)?,
                    read_to: r.get(6)?,
                    clock_jumps: r.get(7)?,
                })
            },
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The file of a reading now lies at `path`, or bears another time.
    fn follow(&mut self, video: VideoId, path: &Path, stamp: FileStamp) -> Result<(), StoreError> {
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
        reading: &Reading,
    ) -> Result<VideoId, StoreError> {
        self.commit(|t, changed| {
            let unfinished = "DELETE FROM videos WHERE path = ?1 AND indexed_at IS NULL";
            *changed = t.execute(unfinished, [SqlPath(path)])? > 0;
            t.execute(
                "INSERT INTO videos (path, size, modified_ns, sampling, views)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    SqlPath(path),
                    stamp.size,
                    stamp.modified_ns,
                    reading.policy,
                    reading.views
                ],
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
    ) -> Result<(), StoreError> {
        self.commit(|t, changed| {
            let nothing = record.coverage.frames == 0 && record.error.is_some();
            if nothing && has_better(t, video, continues)? {
                *changed = false;
                let sql = "DELETE FROM videos WHERE id = ?1";
                return t.execute(sql, [video.0]).map(drop);
            }
            let mut record = record.clone();
            let mut kept = video;
            if let Some(earlier) = continues {
                add_earlier(&mut record, t, earlier)?;
                let both = [earlier.0, video.0];
                texts::forget_whole(t, earlier)?;
                // They are read whole each time.
                t.execute("DELETE FROM sidecars WHERE video_id = ?1", [earlier.0])?;
                for table in ["moments", "gaps", "faults", "jumps"] {
                    let sql = format!("UPDATE {table} SET video_id = ?1 WHERE video_id = ?2");
                    t.execute(&sql, both)?;
                }
                let now = "UPDATE videos SET (size, modified_ns, sampling, views)
                     = (SELECT size, modified_ns, sampling, views FROM videos WHERE id = ?2)
                     WHERE id = ?1";
                t.execute(now, both)?;
                kept = earlier;
            }
            let seen = &record.coverage;
            let others = "DELETE FROM videos WHERE id <> ?1
                 AND path = (SELECT path FROM videos WHERE id = ?1)";
            *changed = t.execute(others, [kept.0])? > 0;
            t.execute(
                "UPDATE videos SET indexed_at = unixepoch(), container = ?2, codec = ?3, width = ?4,
                   height = ?5, duration = ?6, read_to = ?7, frames = ?8, largest_gap = ?9,
                   decode_errors = ?10, error = ?11, lost_packets = ?12, lost_frames = ?13,
                   model_id = ?14, digest = ?15, camera = ?16, retry = ?17, stream = ?18,
                   wrong_times = ?19 WHERE id = ?1",
                params![
                    kept.0,
                    record.container,
                    record.codec,
                    record.width,
                    record.height,
                    seen.duration,
                    seen.read_to,
                    seen.frames,
                    seen.largest_gap,
                    seen.decode_errors(),
                    record.error,
                    seen.lost_packets,
                    seen.lost_frames,
                    model.0,
                    record.digest,
                    record.recorded.camera,
                    record.retry,
                    record.stream,
                    seen.wrong_times,
                ],
            )?;
            cameras::set_time(t, kept, &record.recorded)?;
            let gap = r#"INSERT INTO gaps (video_id, start, "end") VALUES (?1, ?2, ?3)"#;
            texts::insert(t, kept, &record.texts)?;
            for SidecarTrouble { path, reason } in &record.sidecars {
                let sidecar = "INSERT INTO sidecars (video_id, path, reason) VALUES (?1, ?2, ?3)";
                t.execute(sidecar, params![kept.0, SqlPath(path), reason])?;
            }
            for (start, end) in &seen.gaps {
                t.execute(gap, params![kept.0, start, end])?;
            }
            for time in &seen.faults {
                let fault = "INSERT INTO faults (video_id, time) VALUES (?1, ?2)";
                t.execute(fault, params![kept.0, time])?;
            }
            for (time, moved) in &seen.jumps {
                let jump = "INSERT INTO jumps (video_id, time, moved) VALUES (?1, ?2, ?3)";
                t.execute(jump, params![kept.0, time, moved])?;
            }
            Ok(())
        })
    }

    /// Videos whose moments a query sees.
    pub fn shown_videos(&self) -> Result<RoaringTreemap, StoreError> {
        let mut statement = self.db.prepare_cached("SELECT id FROM shown_videos")?;
        let rows = statement.query_map([], |r| r.get::<_, u64>(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every video, by path; with the number of its moments where they are `counted`.
    pub fn videos(&self, counted: bool) -> Result<Vec<VideoRow>, StoreError> {
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
        let mut jumps = self.by_video("video_id, time, moved FROM jumps", |r| {
            Ok((r.get(1)?, r.get(2)?))
        })?;
        let mut sidecars = self.by_video("video_id, path, reason FROM sidecars", |r| {
            Ok(SidecarTrouble {
                path: r.get::<_, SqlPathBuf>(1)?.0,
                reason: r.get(2)?,
            })
        })?;
        for video in &mut videos {
            video.sidecars = sidecars.remove(&video.id).unwrap_or_default();
            video.coverage.gaps = gaps.remove(&video.id).unwrap_or_default();
            video.coverage.faults = faults.remove(&video.id).unwrap_or_default();
            video.coverage.jumps = jumps.remove(&video.id).unwrap_or_default();
        }
        Ok(videos)
    }

    /// Rows of a table of details, in order of time or path, by their videos.
    fn by_video<T>(
        &self,
        columns: &str,
        row: impl Fn(&Row) -> rusqlite::Result<T>,
    ) -> Result<HashMap<VideoId, Vec<T>>, StoreError> {
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

    /// What hits tell of these videos; those that have been removed are left out.
    pub fn videos_by_id(
        &self,
        videos: &[VideoId],
    ) -> Result<HashMap<VideoId, VideoRef>, StoreError> {
        let sql =
            "SELECT v.id, v.path, v.camera, v.recorded_ms, v.sampling, v.views, v.stream, v.width,
                v.size, v.modified_ns, v.recorded_from,
                EXISTS (SELECT 1 FROM jumps j WHERE j.video_id = v.id)
             FROM json_each(?1) asked CROSS JOIN videos v ON v.id = asked.value";
        let mut statement = self.db.prepare_cached(sql)?;
        let ids = id_list(videos.iter().map(|v| v.0));
        let rows = statement.query_map([ids], |r| {
            let video = VideoRef {
                path: r.get::<_, SqlPathBuf>(1)?.0,
                stamp: FileStamp {
                    size: r.get(8)?,
                    modified_ns: r.get(9)?,
                },
                camera: r.get(2)?,
                recorded_from: r.get(10)?,
                recorded_ms: r.get(3)?,
                reading: Reading {
                    policy: r.get(4)?,
                    views: r.get(5)?,
                },
                stream: r.get(6)?,
                width: r.get(7)?,
                clock_jumps: r.get(11)?,
            };
            Ok((VideoId(r.get(0)?), video))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn video(&self, video: VideoId) -> Result<Option<VideoRef>, StoreError> {
        Ok(self.videos_by_id(&[video])?.remove(&video))
    }

    /// The shown video at a path.
    pub fn video_at(&self, path: &Path) -> Result<Option<VideoId>, StoreError> {
        let sql = "SELECT id FROM shown_videos WHERE path = ?1";
        let id = self.db.query_row(sql, [SqlPath(path)], |r| r.get(0));
        Ok(id.optional()?.map(VideoId))
    }

    /// Seconds it lasts, as it claims or as far as it was read; 0 where nobody knows.
    pub fn video_length(&self, video: VideoId) -> Result<f64, StoreError> {
        let sql = "SELECT max(coalesce(duration, 0.0), coalesce(read_to, 0.0)) FROM videos
             WHERE id = ?1";
        Ok(self.db.query_row(sql, [video.0], |r| r.get(0))?)
    }

    /// Takes videos with all their moments and vectors out of the library.
    pub fn remove_videos(&mut self, videos: &[VideoId]) -> Result<(), StoreError> {
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
        path: r.get::<_, SqlPathBuf>("path")?.0,
        moments: r.get("moments")?,
        coverage: Coverage {
            duration: r.get("duration")?,
            read_to: r.get("read_to")?,
            frames: r.get("frames")?,
            largest_gap: r.get("largest_gap")?,
            lost_packets: r.get("lost_packets")?,
            lost_frames: r.get("lost_frames")?,
            wrong_times: r.get("wrong_times")?,
            gaps: Vec::new(),
            faults: Vec::new(),
            jumps: Vec::new(),
        },
        model: r.get("model")?,
        indexed_at: r.get("indexed_at")?,
        camera: r.get("camera")?,
        recorded_ms: r.get("recorded_ms")?,
        recorded_from: r.get("recorded_from")?,
        recorded_doubt: r.get("recorded_doubt")?,
        error: r.get("error")?,
        sidecars: Vec::new(),
        complete: r.get::<_, Option<i64>>("indexed_at")?.is_some(),
        reading: Reading {
            policy: r.get("sampling")?,
            views: r.get("views")?,
        },
        container: r.get("container")?,
        codec: r.get("codec")?,
        width: r.get("width")?,
        height: r.get("height")?,
    })
}
