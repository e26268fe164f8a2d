//! Small pictures of moments, in a SQLite file of their own. They are a convenience: where the file is
//! gone or damaged, nothing but they is lost.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::codec::SqlPath;
use super::{BUSY_TIMEOUT, FILE, open_to_read, writing};
use crate::store::StoreError;
use crate::store::sqlite::modes;
use crate::types::MomentId;

const THUMBNAILS: &str = "thumbnails.sqlite";
/// `library`: the identity of the library it is of; `deleted`: how many moments that had deleted when
/// pictures of such were last taken away.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS thumbnails (
    moment_id INTEGER PRIMARY KEY,
    jpeg      BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS origin (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    library TEXT NOT NULL,
    deleted INTEGER NOT NULL
) STRICT";

/// The thumbnails of a library.
#[derive(Debug)]
pub struct Thumbnails {
    db: Connection,
    dir: PathBuf,
    /// Identity of the library.
    library: String,
}

impl Thumbnails {
    pub(super) fn path(dir: &Path) -> PathBuf {
        dir.join(THUMBNAILS)
    }

    /// Opens them for writing; makes the file where there is none, or one of another library.
    /// `last_moment`: pictures of later moments are of a state the library was put back from.
    pub(super) fn create_or_open(
        dir: &Path,
        library: &str,
        last_moment: i64,
    ) -> Result<Self, StoreError> {
        let open = || -> rusqlite::Result<Connection> {
            // Where it cannot be made, opening it says so.
            let _ = modes::make(&Self::path(dir));
            let db = Connection::open(Self::path(dir))?;
            db.busy_timeout(BUSY_TIMEOUT)?;
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "NORMAL")?;
            db.execute_batch(SCHEMA)?;
            // Files of earlier formats say nothing, and are this library's.
            let adopt = "INSERT INTO origin (one, library, deleted) VALUES (1, ?1, -1)
                 ON CONFLICT DO NOTHING";
            db.execute(adopt, [library])?;
            if origin(&db)? != library {
                db.execute("DELETE FROM thumbnails", [])?;
                let now = "UPDATE origin SET library = ?1, deleted = -1";
                db.execute(now, [library])?;
            }
            let later = "DELETE FROM thumbnails WHERE moment_id > ?1";
            db.execute(later, [last_moment])?;
            Ok(db)
        };
        let db = open().or_else(|e| match is_damage(&e) {
            true => {
                Self::delete(dir);
                open().map_err(|e| writing(dir, e))
            }
            false => Err(writing(dir, e)),
        })?;
        Ok(Self {
            db,
            dir: dir.into(),
            library: library.into(),
        })
    }

    /// Opens them to read; `None` where there are none that can be read, or those of another library.
    pub(super) fn open(dir: &Path, library: &str) -> Option<Self> {
        let db = open_to_read(&Self::path(dir)).ok()?;
        if origin(&db).ok()? != library {
            return None;
        }
        Some(Self {
            db,
            dir: dir.into(),
            library: library.into(),
        })
    }

    fn delete(dir: &Path) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(dir.join(format!("{THUMBNAILS}{end}")));
        }
    }

    /// Keeps pictures of moments, in place of what was kept under their ids.
    pub(super) fn put(&mut self, pictures: &[(i64, Option<&[u8]>)]) -> Result<(), StoreError> {
        let mut put = || -> rusqlite::Result<()> {
            let t = self.db.transaction()?;
            for (moment, jpeg) in pictures {
                match jpeg {
                    Some(jpeg) => t
                        .prepare_cached(
                            "REPLACE INTO thumbnails (moment_id, jpeg) VALUES (?1, ?2)",
                        )?
                        .execute(params![moment, jpeg])?,
                    // What an id had before a copy was put back.
                    None => t
                        .prepare_cached("DELETE FROM thumbnails WHERE moment_id = ?1")?
                        .execute([moment])?,
                };
            }
            t.commit()
        };
        match put() {
            Err(e) if is_damage(&e) => self.start_over(),
            done => done.map_err(|e| writing(&self.dir, e)),
        }
    }

    /// Damaged pictures are not worth a stop: others take their place.
    fn start_over(&mut self) -> Result<(), StoreError> {
        Self::delete(&self.dir);
        *self = Self::create_or_open(&self.dir, &self.library, i64::MAX)?;
        Ok(())
    }

    /// Takes away those of moments that are gone, unless no more had been `deleted` when it was done last.
    pub(super) fn prune(&mut self, deleted: i64) -> Result<(), StoreError> {
        let prune = || -> rusqlite::Result<()> {
            let sql = "SELECT deleted FROM origin";
            let before: i64 = self.db.query_row(sql, [], |r| r.get(0))?;
            if before == deleted {
                return Ok(());
            }
            let catalog = self.dir.join(FILE);
            self.db.execute("ATTACH ?1 AS truth", [SqlPath(&catalog)])?;
            let sql =
                "DELETE FROM thumbnails WHERE moment_id NOT IN (SELECT id FROM truth.moments)";
            let pruned = self.db.execute(sql, []);
            self.db.execute("DETACH truth", [])?;
            pruned?;
            let now = "UPDATE origin SET deleted = ?1";
            self.db.execute(now, [deleted]).map(drop)
        };
        match prune() {
            Err(e) if is_damage(&e) => self.start_over(),
            done => done.map_err(|e| writing(&self.dir, e)),
        }
    }

    /// The JPEG kept of a moment.
    pub fn of(&self, moment: MomentId) -> Option<Vec<u8>> {
        let sql = "SELECT jpeg FROM thumbnails WHERE moment_id = ?1";
        let jpeg = self.db.query_row(sql, [moment.0], |r| r.get(0));
        jpeg.optional().ok().flatten()
    }

    /// How many there are, and their bytes.
    pub fn count(&self) -> (u64, u64) {
        let sql = "SELECT count(*), coalesce(sum(length(jpeg)), 0) FROM thumbnails";
        let row = self.db.query_row(sql, [], |r| Ok((r.get(0)?, r.get(1)?)));
        row.unwrap_or((0, 0))
    }

    /// What is wrong with the file; `None` where all is well.
    pub(super) fn fault(&self) -> Option<String> {
        let sql = "PRAGMA integrity_check(1)";
        match self.db.query_row(sql, [], |r| r.get::<_, String>(0)) {
            Ok(said) if said == "ok" => None,
            Ok(said) => Some(said),
            Err(e) => Some(e.to_string()),
        }
    }

    pub(super) fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let snapshot = self.db.unchecked_transaction();
        let _snapshot = snapshot.and_then(|t| origin(&t).map(|_| t));
        let path = Self::path(to);
        let made = modes::make(&path);
        match made.map(|()| self.db.backup("main", path, None)) {
            Ok(Err(e)) if is_damage(&e) => {
                Self::delete(to);
                Ok(())
            }
            Ok(copied) => copied.map_err(|e| writing(to, e)),
            Err(cause) => Err(StoreError::Copy {
                to: to.into(),
                cause,
            }),
        }
    }

    /// Rebuilds the file where it is damaged.
    pub(super) fn repair(&mut self) -> Result<(), StoreError> {
        self.fault().map_or(Ok(()), |_| self.start_over())
    }
}

/// The identity of the library a file is of.
fn origin(db: &Connection) -> rusqlite::Result<String> {
    db.query_row("SELECT library FROM origin", [], |r| r.get(0))
}

fn is_damage(e: &rusqlite::Error) -> bool {
    let code = e.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}
