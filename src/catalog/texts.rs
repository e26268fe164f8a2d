//! Words that belong to videos: tags, subtitles, notes.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::codec::{SqlPath, SqlPathBuf};
use super::{Catalog, CatalogError, MomentRow};
use crate::types::{VectorId, VideoId};

/// Where words come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// The container's tags.
    Tag,
    /// Subtitles inside the file, and beside it.
    Track,
    File,
}

impl TextKind {
    fn name(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Track => "track",
            Self::File => "file",
        }
    }
}

/// Words of a video, to commit with it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewText {
    pub kind: TextKind,
    /// Seconds; `None` where they are of the whole video.
    pub span: Option<(f64, f64)>,
    pub text: String,
}

/// Words as they lie in the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct TextRow {
    /// `None` for what may change.
    pub id: Option<i64>,
    pub video: VideoId,
    pub span: Option<(f64, f64)>,
    pub text: String,
}

/// The user's own words on a video.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    pub id: i64,
    pub path: PathBuf,
    /// Seconds; `None` for the whole video.
    pub time: Option<f64>,
    pub text: String,
}

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

/// What is told anew with each reading that continues this one.
pub(super) fn forget_whole(t: &Connection, video: VideoId) -> rusqlite::Result<()> {
    let sql = "DELETE FROM texts WHERE video_id = ?1 AND kind IN ('tag', 'file')";
    t.execute(sql, [video.0]).map(drop)
}

impl Catalog {
    /// Words that may change: path, camera and tags of each video, subtitles beside it, and notes.
    pub fn whole_texts(&self) -> Result<Vec<TextRow>, CatalogError> {
        let sql = r#"SELECT v.id, v.path, v.camera,
               (SELECT group_concat(text, char(10)) FROM texts t WHERE t.video_id = v.id AND kind = 'tag')
             FROM shown_videos v"#;
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut texts = Vec::new();
        while let Some(r) = rows.next()? {
            let path = r.get::<_, SqlPathBuf>(1)?.0;
            let words = [
                Some(path.to_string_lossy().into_owned()),
                r.get(2)?,
                r.get(3)?,
            ];
            texts.push(TextRow {
                id: None,
                video: VideoId(r.get(0)?),
                span: None,
                text: words.into_iter().flatten().collect::<Vec<_>>().join("\n"),
            });
        }
        let sql = r#"SELECT v.id, t.start, t."end", t.text FROM texts t
             JOIN shown_videos v ON v.id = t.video_id WHERE t.kind = 'file'"#;
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            texts.push(TextRow {
                id: None,
                video: VideoId(r.get(0)?),
                span: Some((r.get(1)?, r.get(2)?)),
                text: r.get(3)?,
            });
        }
        let sql = "SELECT v.id, n.time, n.text FROM notes n JOIN shown_videos v ON v.path = n.path";
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let time: Option<f64> = r.get(1)?;
            texts.push(TextRow {
                id: None,
                video: VideoId(r.get(0)?),
                span: time.map(|t| (t, t + NOTE_REACH)),
                text: r.get(2)?,
            });
        }
        Ok(texts)
    }

    /// Hands every subtitle inside a file newer than `after` to `each`, oldest first.
    pub fn each_timed_text(
        &self,
        after: i64,
        mut each: impl FnMut(TextRow),
    ) -> Result<(), CatalogError> {
        let sql = r#"SELECT id, video_id, start, "end", text FROM texts
             WHERE id > ?1 AND kind = 'track' ORDER BY id"#;
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query([after])?;
        while let Some(r) = rows.next()? {
            each(TextRow {
                id: Some(r.get(0)?),
                video: VideoId(r.get(1)?),
                span: Some((r.get(2)?, r.get(3)?)),
                text: r.get(4)?,
            });
        }
        Ok(())
    }

    /// How many of those there are.
    pub fn timed_texts(&self) -> Result<u64, CatalogError> {
        let sql = "SELECT count(*) FROM texts WHERE kind = 'track'";
        Ok(self.db.query_row(sql, [], |r| r.get(0))?)
    }

    pub fn add_note(
        &mut self,
        path: &Path,
        time: Option<f64>,
        text: &str,
    ) -> Result<(), CatalogError> {
        self.commit(|t, _| {
            let sql = "INSERT INTO notes (path, time, text) VALUES (?1, ?2, ?3)";
            t.execute(sql, params![SqlPath(path), time, text]).map(drop)
        })
    }

    /// Returns whether there was such a note.
    pub fn remove_note(&mut self, id: i64) -> Result<bool, CatalogError> {
        self.commit(|t, _| Ok(t.execute("DELETE FROM notes WHERE id = ?1", [id])? > 0))
    }

    pub fn notes(&self) -> Result<Vec<Note>, CatalogError> {
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
    ) -> Result<Vec<MomentRow>, CatalogError> {
        let sql = r#"SELECT min(x.id) FROM moments m JOIN vectors x ON x.moment_id = m.id
             WHERE m.video_id = ?1 AND m.start * 1.0 * m.base_num / m.base_den <= ?3
               AND m."end" * 1.0 * m.base_num / m.base_den >= ?2
             GROUP BY m.id ORDER BY m.start * 1.0 * m.base_num / m.base_den LIMIT ?4"#;
        let mut statement = self.db.prepare_cached(sql)?;
        let ids = statement.query_map(params![video.0, start, end, limit], |r| r.get(0))?;
        let ids = ids.collect::<Result<Vec<i64>, _>>()?;
        let rows = ids.into_iter().map(|id| self.moment_of(VectorId(id)));
        rows.filter_map(Result::transpose).collect()
    }
}
