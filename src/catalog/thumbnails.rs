//! Small pictures of moments, in a SQLite file of their own. They are a convenience: where the file is
//! gone or damaged, nothing but they is lost.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};

use super::codec::SqlPath;
use super::{BUSY_TIMEOUT, CatalogError, FILE, writing};
use crate::types::MomentId;

const THUMBNAILS: &str = "thumbnails.sqlite";
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS thumbnails (
    moment_id INTEGER PRIMARY KEY,
    jpeg      BLOB NOT NULL
) STRICT";

/// The thumbnails of a library.
#[derive(Debug)]
pub struct Thumbnails {
    db: Connection,
    dir: PathBuf,
}

impl Thumbnails {
    pub(super) fn path(dir: &Path) -> PathBuf {
        dir.join(THUMBNAILS)
    }

    /// Opens them for writing; makes the file where there is none.
    pub(super) fn create_or_open(dir: &Path) -> Result<Self, CatalogError> {
        let open = || -> rusqlite::Result<Connection> {
            let db = Connection::open(Self::path(dir))?;
            db.busy_timeout(BUSY_TIMEOUT)?;
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "NORMAL")?;
            db.execute_batch(SCHEMA)?;
            Ok(db)
        };
        let db = open().or_else(|e| match is_damage(&e) {
            true => {
                Self::delete(dir);
                open().map_err(|e| writing(dir, e))
            }
            false => Err(writing(dir, e)),
        })?;
        let dir = dir.into();
        Ok(Self { db, dir })
    }

    /// Opens them to read; `None` where there are none that can be read.
    pub fn open(dir: &Path) -> Option<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let db = Connection::open_with_flags(Self::path(dir), flags).ok()?;
        db.busy_timeout(BUSY_TIMEOUT).ok()?;
        let dir = dir.into();
        Some(Self { db, dir })
    }

    fn delete(dir: &Path) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(dir.join(format!("{THUMBNAILS}{end}")));
        }
    }

    /// Keeps pictures of moments, in place of what was kept under their ids.
    pub(super) fn put(&mut self, pictures: &[(i64, Option<&[u8]>)]) -> Result<(), CatalogError> {
        let mut put = || -> rusqlite::Result<()> {
            let t = self.db.transaction()?;
            for (moment, jpeg) in pictures {
                match jpeg {
                    Some(jpeg) => t
                        .prepare_cached(
                            "REPLACE INTO thumbnails (moment_id, jpeg) VALUES (?1, ?2)",
                        )?
                        .execute(params![moment, jpeg])?,
                    // An id may have been another moment's.
                    None => t
                        .prepare_cached("DELETE FROM thumbnails WHERE moment_id = ?1")?
                        .execute([moment])?,
                };
            }
            t.commit()
        };
        match put() {
            Err(e) if is_damage(&e) => self.begin_anew(),
            done => done.map_err(|e| writing(&self.dir, e)),
        }
    }

    /// Damaged pictures are not worth a stop: others take their place.
    fn begin_anew(&mut self) -> Result<(), CatalogError> {
        Self::delete(&self.dir);
        *self = Self::create_or_open(&self.dir)?;
        Ok(())
    }

    /// Takes away those of moments that are gone.
    pub(super) fn prune(&mut self) -> Result<(), CatalogError> {
        let prune = || -> rusqlite::Result<()> {
            let catalog = self.dir.join(FILE);
            self.db.execute("ATTACH ?1 AS truth", [SqlPath(&catalog)])?;
            let sql =
                "DELETE FROM thumbnails WHERE moment_id NOT IN (SELECT id FROM truth.moments)";
            let pruned = self.db.execute(sql, []);
            self.db.execute("DETACH truth", [])?;
            pruned.map(drop)
        };
        match prune() {
            Err(e) if is_damage(&e) => self.begin_anew(),
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

    pub(super) fn backup(&self, to: &Path) -> Result<(), CatalogError> {
        match self.db.backup("main", Self::path(to), None) {
            Err(e) if is_damage(&e) => {
                Self::delete(to);
                Ok(())
            }
            copied => copied.map_err(|e| writing(to, e)),
        }
    }

    /// Makes the file anew where it is damaged.
    pub(super) fn mend(&mut self) -> Result<(), CatalogError> {
        self.fault().map_or(Ok(()), |_| self.begin_anew())
    }
}

fn is_damage(e: &rusqlite::Error) -> bool {
    let code = e.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}
