//! The SQLite catalogue: videos, moments, vectors. The one truth of a library; every other
//! index is derived from it and can be thrown away.

mod canaries;
mod codec;
mod concepts;
mod moments;
mod soundness;
mod stamp;
mod texts;
mod thumbnails;
mod videos;

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::{M, Migrations};

use crate::types::{Generation, ModelId};

pub use codec::unpack;
pub use concepts::Concept;
pub use moments::{Lacking, MomentRow, NewMoment};
pub use stamp::{FileStamp, content_digest};
pub use texts::{NewText, Note, TextKind, TextRow};
pub use thumbnails::Thumbnails;
pub use videos::{Known, Recorded, VideoRecord, VideoRef, VideoRow};

const FILE: &str = "catalog.sqlite";
const LOCK: &str = "write.lock";
const MIGRATIONS: &[M] = &[
    M::up(include_str!("../../migrations/0001_library.sql")),
    M::up(include_str!("../../migrations/0002_canaries.sql")),
    M::up(include_str!("../../migrations/0003_ledger.sql")),
    M::up(include_str!("../../migrations/0004_answering_model.sql")),
    M::up(include_str!("../../migrations/0005_texts.sql")),
    M::up(include_str!("../../migrations/0006_concepts.sql")),
];

/// How long a write waits for another process's commit.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the catalogue did not answer.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("{}: there is no library here", dir.display())]
    NoLibrary { dir: PathBuf },
    #[error("{}: the library was written by a newer vsearch (format {found}; this one knows {known})", dir.display())]
    Newer {
        dir: PathBuf,
        found: i64,
        known: usize,
    },
    #[error("{}: the library was written by an older vsearch", dir.display())]
    Older { dir: PathBuf },
    #[error("{}: the library is read-only", dir.display())]
    ReadOnly { dir: PathBuf },
    #[error("{}: the library is in use by another vsearch that is writing{}", dir.display(), named(*.process))]
    Busy { dir: PathBuf, process: Option<u32> },
    #[error("{}: the disk of the library is full; what was committed stays", dir.display())]
    Full { dir: PathBuf },
    #[error("{}: the folder of the library cannot be made: {cause}", dir.display())]
    Folder { dir: PathBuf, cause: std::io::Error },
    #[error("{}: not a vsearch catalogue, or damaged: {cause}", path.display())]
    Damaged {
        path: PathBuf,
        cause: rusqlite::Error,
    },
    #[error("{}: the catalogue could not be brought up to date: {cause}", path.display())]
    Migration {
        path: PathBuf,
        cause: rusqlite_migration::Error,
    },
    #[error("the catalogue failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// A model that has written here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRow {
    pub id: ModelId,
    pub name: String,
    pub fingerprint: String,
    pub dim: usize,
    pub has_vectors: bool,
    /// Queries are answered by it where they name no other.
    pub answers: bool,
}

/// An open catalogue.
#[derive(Debug)]
pub struct Catalog {
    db: Connection,
    dir: PathBuf,
    thumbnails: Option<Thumbnails>,
    /// Held while this catalogue may write; the system lets go of it when the process ends.
    _lock: Option<File>,
}

impl Catalog {
    /// Opens the library in `dir` for writing; makes it where there is none.
    pub fn create_or_open(dir: &Path) -> Result<Self, CatalogError> {
        std::fs::create_dir_all(dir).map_err(|cause| CatalogError::Folder {
            dir: dir.into(),
            cause,
        })?;
        let lock = lock(dir)?;
        let path = dir.join(FILE);
        let mut db = Connection::open(&path).map_err(|e| opening(dir, e))?;
        prepare(&db).map_err(|e| opening(dir, e))?;
        refuse_newer(&db, dir)?;
        if db.is_readonly("main")? {
            return Err(CatalogError::ReadOnly { dir: dir.into() });
        }
        db.pragma_update(None, "journal_mode", "WAL")
            .and_then(|()| db.pragma_update(None, "synchronous", "FULL"))
            .map_err(|e| opening(dir, e))?;
        let migrated = Migrations::from_slice(MIGRATIONS).to_latest(&mut db);
        migrated.map_err(|cause| match cause {
            rusqlite_migration::Error::RusqliteError { err, .. } => opening(dir, err),
            cause => CatalogError::Migration { path, cause },
        })?;
        Ok(Self {
            db,
            thumbnails: Some(Thumbnails::create_or_open(dir)?),
            dir: dir.into(),
            _lock: Some(lock),
        })
    }

    /// Opens the library in `dir` to read, also from a disk that cannot be written.
    pub fn open(dir: &Path) -> Result<Self, CatalogError> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Err(CatalogError::NoLibrary { dir: dir.into() });
        }
        let ordinary = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .and_then(|db| prepare(&db).map(|()| db));
        // A write-ahead log needs files beside it even to read; where none can be made there
        // is no writer either, and the file may be read as it stands.
        let db = ordinary.or_else(|first| {
            let log = dir.join(format!("{FILE}-wal"));
            let empty = log.metadata().map_or(true, |m| m.len() == 0);
            match first.sqlite_error_code() {
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) if empty => immutable(&path),
                _ => Err(first),
            }
        });
        let db = db.map_err(|e| opening(dir, e))?;
        refuse_newer(&db, dir)?;
        let found: i64 = db.pragma_query_value(None, "user_version", |r| r.get(0))?;
        if found < MIGRATIONS.len() as i64 {
            return Err(CatalogError::Older { dir: dir.into() });
        }
        Ok(Self {
            db,
            thumbnails: Thumbnails::open(dir),
            dir: dir.into(),
            _lock: None,
        })
    }

    /// Until it is dropped, all that is read is of one moment; `None` inside another.
    pub fn snapshot(&self) -> Result<Option<rusqlite::Transaction<'_>>, CatalogError> {
        match self.db.is_autocommit() {
            true => Ok(Some(self.db.unchecked_transaction()?)),
            false => Ok(None),
        }
    }

    pub fn thumbnails(&self) -> Option<&Thumbnails> {
        self.thumbnails.as_ref()
    }

    pub fn generation(&self) -> Result<Generation, CatalogError> {
        let sql = "SELECT generation FROM library";
        Ok(Generation(self.db.query_row(sql, [], |r| r.get(0))?))
    }

    /// The row of a model, made where it is new. Two models never share a fingerprint.
    pub fn model(
        &mut self,
        name: &str,
        fingerprint: &str,
        dim: usize,
    ) -> Result<ModelId, CatalogError> {
        let insert = "INSERT INTO models (name, fingerprint, dim) VALUES (?1, ?2, ?3)
             ON CONFLICT (fingerprint) DO NOTHING";
        self.db.execute(insert, (name, fingerprint, dim))?;
        self.find_model(fingerprint)?
            .ok_or(rusqlite::Error::QueryReturnedNoRows.into())
    }

    pub fn find_model(&self, fingerprint: &str) -> Result<Option<ModelId>, CatalogError> {
        use rusqlite::OptionalExtension;
        let sql = "SELECT id FROM models WHERE fingerprint = ?1";
        let id = self.db.query_row(sql, [fingerprint], |r| r.get(0));
        Ok(id.optional()?.map(ModelId))
    }

    /// Every model that ever wrote here; the one that answers first.
    pub fn models(&self) -> Result<Vec<ModelRow>, CatalogError> {
        let sql = "SELECT id, name, fingerprint, dim,
               EXISTS (SELECT 1 FROM vectors WHERE model_id = models.id),
               id IS (SELECT model_id FROM library) AS answers
             FROM models ORDER BY answers DESC, id";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([], |r| {
            Ok(ModelRow {
                id: ModelId(r.get(0)?),
                name: r.get(1)?,
                fingerprint: r.get(2)?,
                dim: r.get(3)?,
                has_vectors: r.get(4)?,
                answers: r.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// From now on queries are answered by this model, which has vectors of all that is there;
    /// `sampling` tells how the readings of the one before are named for this one.
    pub fn answer_by(
        &mut self,
        model: ModelId,
        sampling: impl Fn(&str) -> String,
    ) -> Result<(), CatalogError> {
        self.commit(|t, _| {
            t.execute("UPDATE library SET model_id = ?1", [model.0])?;
            let mut names = t.prepare("SELECT DISTINCT sampling FROM videos")?;
            let names: Vec<String> = names
                .query_map([], |r| r.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            for name in names {
                let sql = "UPDATE videos SET sampling = ?2 WHERE sampling = ?1";
                t.execute(sql, (&name, sampling(&name)))?;
            }
            t.execute("UPDATE videos SET model_id = ?1", [model.0])
                .map(drop)
        })
    }

    /// Which views of frames a model's vectors are made of beside another's: what was told first.
    pub fn model_views(&mut self, model: ModelId, told: &str) -> Result<String, CatalogError> {
        let sql = "UPDATE models SET views = coalesce(views, ?2) WHERE id = ?1 RETURNING views";
        Ok(self.db.query_row(sql, (model.0, told), |r| r.get(0))?)
    }

    /// Takes away the vectors of all models but the one that answers.
    pub fn prune_models(&mut self) -> Result<(), CatalogError> {
        self.commit(|t, _| {
            let others = "(SELECT id FROM models WHERE id IS NOT (SELECT model_id FROM library))";
            t.execute(
                &format!("DELETE FROM vectors WHERE model_id IN {others}"),
                [],
            )?;
            t.execute(
                &format!("UPDATE videos SET model_id = NULL WHERE model_id IN {others}"),
                [],
            )?;
            t.execute(&format!("DELETE FROM models WHERE id IN {others}"), [])
                .map(drop)
        })
    }

    /// Runs `work` in one transaction: all of it is kept or none. It raises the generation unless
    /// `work` says that no vector came or went.
    fn commit<T>(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction, &mut bool) -> rusqlite::Result<T>,
    ) -> Result<T, CatalogError> {
        let behaviour = rusqlite::TransactionBehavior::Immediate;
        let dir = &self.dir;
        let fail = |e| writing(dir, e);
        let transaction = self.db.transaction_with_behavior(behaviour).map_err(fail)?;
        let mut changed = true;
        let done = work(&transaction, &mut changed).map_err(fail)?;
        if changed {
            let raise = "UPDATE library SET generation = generation + 1";
            transaction.execute(raise, []).map_err(fail)?;
        }
        transaction.commit().map_err(fail)?;
        Ok(done)
    }
}

fn named(process: Option<u32>) -> String {
    process.map_or(String::new(), |pid| format!(" (process {pid})"))
}

/// Makes sure that no other process writes. SQLite's own locks hold for one transaction only,
/// and a reading spans many.
fn lock(dir: &Path) -> Result<File, CatalogError> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(dir.join(LOCK));
    let file = file.map_err(|_| CatalogError::ReadOnly { dir: dir.into() })?;
    match file.try_lock() {
        Ok(()) => {
            // For the message of whoever comes next; where it cannot be written they learn less.
            let _ = file
                .set_len(0)
                .and_then(|()| write!(&file, "{}", std::process::id()));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let held = std::fs::read_to_string(dir.join(LOCK)).ok();
            Err(CatalogError::Busy {
                dir: dir.into(),
                process: held.and_then(|pid| pid.trim().parse().ok()),
            })
        }
        // A file system without locks: SQLite's own still keep each transaction whole.
        Err(TryLockError::Error(_)) => Ok(file),
    }
}

fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "foreign_keys", true)?;
    // The first read of the file: fails here where it is no database.
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

fn immutable(path: &Path) -> rusqlite::Result<Connection> {
    let name = path.to_string_lossy();
    let escaped = name
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)?;
    prepare(&db).map(|()| db)
}

fn refuse_newer(db: &Connection, dir: &Path) -> Result<(), CatalogError> {
    let found: i64 = db.pragma_query_value(None, "user_version", |r| r.get(0))?;
    if found > MIGRATIONS.len() as i64 {
        return Err(CatalogError::Newer {
            dir: dir.into(),
            found,
            known: MIGRATIONS.len(),
        });
    }
    Ok(())
}

fn opening(dir: &Path, cause: rusqlite::Error) -> CatalogError {
    match writing(dir, cause) {
        CatalogError::Sqlite(cause) => CatalogError::Damaged {
            path: dir.join(FILE),
            cause,
        },
        known => known,
    }
}

fn writing(dir: &Path, cause: rusqlite::Error) -> CatalogError {
    match cause.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            CatalogError::ReadOnly { dir: dir.into() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => CatalogError::Busy {
            dir: dir.into(),
            process: None,
        },
        Some(ErrorCode::DiskFull) => CatalogError::Full { dir: dir.into() },
        _ => CatalogError::Sqlite(cause),
    }
}

#[cfg(test)]
mod tests;
