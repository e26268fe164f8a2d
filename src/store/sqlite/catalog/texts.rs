//! Words that belong to videos: paths, cameras, tags, subtitles, notes, and the lettering in them.

use std::path::Path;

use rusqlite::{Connection, params};

use super::Catalog;
use super::codec::{SqlPath, SqlPathBuf, id_list};
use crate::store::{MomentRow, NewText, Note, Passage, StoreError};
use crate::types::{VectorId, VideoId};

/// Seconds around a note's time that it speaks of.
const NOTE_REACH: f64 = 5.0;

pub(super) fn insert(t: &Connection, video: VideoId, texts: &[NewText]) -> rusqlite::Result<()> {
    let mut insert = t.prepare_cached(
        r#"INSERT INTO texts (video_id, kind, start, "end", text) VALUES (?1, ?2, ?3, ?4, ?5)"#,
    )?;
    for text in texts {
        let (start, end) = text.span.unzip();
        insert.execute(params![video.0, text.kind.name(), start, end, text.text])?;
    }
    Ok(())
}

/// What is told again with each reading that continues this one.
pub(super) fn forget_whole(t: &Connection, video: VideoId) -> rusqlite::Result<()> {
    let sql = "DELETE FROM texts WHERE video_id = ?1 AND kind IN ('tag', 'file')";
    t.execute(sql, [video.0]).map(drop)
}

impl Catalog {
    /// The number of the latest change of words.
    pub fn words_change(&self) -> Result<i64, StoreError> {
        Ok(super::words_changes(&self.db)?)
    }

    /// Videos whose words have changed since, those that are gone included.
    pub fn words_changed_since(&self, change: i64) -> Result<Vec<VideoId>, StoreError> {
        let sql = "SELECT video_id FROM words_changed WHERE change > ?1";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([change], |r| r.get(0).map(VideoId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Hands the passages of these videos, or of all there are, to `each`; none of those that are not shown.
    pub fn each_passage(
        &self,
        of: Option<&[VideoId]>,
        mut each: impl FnMut(Passage),
    ) -> Result<(), StoreError> {
        let (among, ids) = match of {
            Some(videos) => (
                "v.id IN (SELECT value FROM json_each(?1))",
                id_list(videos.iter().map(|v| v.0)),
            ),
            None => ("?1 = ?1", String::new()),
        };
        let sql = format!(
            "SELECT v.id, v.path, v.camera,
               (SELECT group_concat(text, char(10)) FROM texts t
                WHERE t.video_id = v.id AND kind = 'tag')
             FROM shown_videos v WHERE {among}"
        );
        let mut statement = self.db.prepare(&sql)?;
        let mut rows = statement.query([&ids])?;
        while let Some(r) = rows.next()? {
            let path = r.get::<_, SqlPathBuf>(1)?.0;
            let words = [
                Some(path.to_string_lossy().into_owned()),
                r.get(2)?,
                r.get(3)?,
            ];
            each(Passage {
                video: VideoId(r.get(0)?),
                span: None,
                text: words.into_iter().flatten().collect::<Vec<_>>().join("\n"),
                is_lettering: false,
            });
        }
        let sql = format!(
            r#"SELECT v.id, t.start, t."end", t.text FROM texts t
             JOIN shown_videos v ON v.id = t.video_id WHERE t.kind <> 'tag' AND {among}"#
        );
        let mut statement = self.db.prepare(&sql)?;
        let mut rows = statement.query([&ids])?;
        while let Some(r) = rows.next()? {
            each(Passage {
                video: VideoId(r.get(0)?),
                span: Some((r.get(1)?, r.get(2)?)),
                text: r.get(3)?,
                is_lettering: false,
            });
        }
        let sql = format!(
            "SELECT v.id, n.time, n.text FROM notes n
             JOIN shown_videos v ON v.path = n.path WHERE {among}"
        );
        let mut statement = self.db.prepare(&sql)?;
        let mut rows = statement.query([&ids])?;
        while let Some(r) = rows.next()? {
            let time: Option<f64> = r.get(1)?;
            each(Passage {
                video: VideoId(r.get(0)?),
                span: time.map(|t| (t, t + NOTE_REACH)),
                text: r.get(2)?,
                is_lettering: false,
            });
        }
        self.each_lettering((among, &ids), &mut each)
    }

    pub fn add_note(
        &mut self,
        path: &Path,
        time: Option<f64>,
        text: &str,
    ) -> Result<(), StoreError> {
        self.commit(|t, _| {
            let sql = "INSERT INTO notes (path, time, text) VALUES (?1, ?2, ?3)";
            t.execute(sql, params![SqlPath(path), time, text]).map(drop)
        })
    }

    /// Returns whether there was such a note.
    pub fn remove_note(&mut self, id: i64) -> Result<bool, StoreError> {
        self.commit(|t, _| Ok(t.execute("DELETE FROM notes WHERE id = ?1", [id])? > 0))
    }

    pub fn notes(&self) -> Result<Vec<Note>, StoreError> {
        let sql = "SELECT id, path, time, text FROM notes ORDER BY path, time, id";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([], |r| {
            Ok(Note {
                id: r.get(0)?,
                path: r.get::<_, SqlPathBuf>(1)?.0,
                time: r.get(2)?,
                text: r.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The moments of a video that touch `start` to `end`, in seconds, in order; with one vector each.
    pub fn moments_between(
        &self,
        video: VideoId,
        (start, end): (f64, f64),
        limit: usize,
    ) -> Result<Vec<MomentRow>, StoreError> {
        let sql = r#"SELECT min(x.id) FROM moments m JOIN vectors x ON x.moment_id = m.id
             WHERE m.video_id = ?1 AND m.start * 1.0 * m.base_num / m.base_den <= ?3
               AND m."end" * 1.0 * m.base_num / m.base_den >= ?2
             GROUP BY m.id ORDER BY m.start * 1.0 * m.base_num / m.base_den LIMIT ?4"#;
        let mut statement = self.db.prepare_cached(sql)?;
        let ids = statement.query_map(params![video.0, start, end, limit], |r| {
            r.get(0).map(VectorId)
        })?;
        let ids: Vec<VectorId> = ids.collect::<Result<_, _>>()?;
        let mut rows = self.moments_of(&ids)?;
        Ok(ids.iter().filter_map(|id| rows.remove(id)).collect())
    }
}
