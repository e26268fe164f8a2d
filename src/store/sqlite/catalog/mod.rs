//! The SQLite catalogue: videos, moments, vectors. The one truth of a library; every other
//! index is derived from it and can be thrown away.

mod cameras;
mod canaries;
mod codec;
mod concepts;
mod history;
mod lettering;
mod migrate;
mod models;
mod moments;
mod objects;
mod selection;
mod soundness;
mod texts;
mod thumbnails;
mod videos;

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use self::migrate::{FORMAT, migrations};
use super::modes;
use crate::store::StoreError;

pub use codec::unpack;
pub use thumbnails::Thumbnails;

pub(super) const FILE: &str = "catalog.sqlite";
const LOCK: &str = "write.lock";

/// How long a write waits for another process's commit.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// An open catalogue.
#[derive(Debug)]
pub struct Catalog {
    db: Connection,
    dir: PathBuf,
    thumbnails: Option<Thumbnails>,
    /// What this session writes is told by, once it has written anything.
    token: Option<String>,
    /// Held while this catalogue may write; the system lets go of it when the process ends.
    _lock: Option<File>,
}

impl Catalog {
    /// Opens the library in `dir` for writing; makes it where there is none.
    pub fn create_or_open(dir: &Path) -> Result<Self, StoreError> {
        modes::make_folder(dir).map_err(|cause| StoreError::Folder {
            dir: dir.into(),
            cause,
        })?;
        let lock = lock(dir)?;
        let path = dir.join(FILE);
        modes::make(&path).map_err(|_| StoreError::ReadOnly { dir: dir.into() })?;
        modes::align(dir);
        let mut db = Connection::open(&path).map_err(|e| opening(dir, e))?;
        prepare(&db).map_err(|e| opening(dir, e))?;
        refuse_newer(&db, dir)?;
        if db.is_readonly("main")? {
            return Err(StoreError::ReadOnly { dir: dir.into() });
        }
        db.pragma_update(None, "journal_mode", "WAL")
            .and_then(|()| db.pragma_update(None, "synchronous", "FULL"))
            .map_err(|e| opening(dir, e))?;
        let migrated = migrations().to_latest(&mut db);
        migrated.map_err(|cause| match cause {
            rusqlite_migration::Error::RusqliteError { err, .. } => opening(dir, err),
            cause => StoreError::Migration { path, cause },
        })?;
        let mut catalog = Self {
            db,
            thumbnails: None,
            dir: dir.into(),
            token: None,
            _lock: Some(lock),
        };
        catalog.thumbnails = Some(Thumbnails::create_or_open(
            dir,
            &catalog.identity()?,
            catalog.last_moment()?,
        )?);
        Ok(catalog)
    }

    /// Opens the library in `dir` to read, also from a disk that cannot be written.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        match path.try_exists() {
            Ok(true) => {}
            Err(e) if e.kind() == ErrorKind::PermissionDenied => {
                return Err(StoreError::Forbidden { dir: dir.into() });
            }
            Ok(false) | Err(_) => return Err(StoreError::NoLibrary { dir: dir.into() }),
        }
        let db = open_to_read(&path).map_err(|e| match File::open(&path) {
            Err(denied) if denied.kind() == ErrorKind::PermissionDenied => {
                StoreError::Forbidden { dir: dir.into() }
            }
            _ if has_log(&path) && is_closed(&e) => StoreError::Unfinished { dir: dir.into() },
            _ => opening(dir, e),
        })?;
        refuse_newer(&db, dir)?;
        let found: i64 = db.pragma_query_value(None, "user_version", |r| r.get(0))?;
        if found < FORMAT as i64 {
            return Err(StoreError::Older { dir: dir.into() });
        }
        let mut catalog = Self {
            db,
            thumbnails: None,
            dir: dir.into(),
            token: None,
            _lock: None,
        };
        catalog.thumbnails = Thumbnails::open(dir, &catalog.identity()?);
        Ok(catalog)
    }

    /// Until it is dropped, all that is read is of one moment; `None` inside another.
    pub fn snapshot(&self) -> Result<Option<rusqlite::Transaction<'_>>, StoreError> {
        match self.db.is_autocommit() {
            true => Ok(Some(self.db.unchecked_transaction()?)),
            false => Ok(None),
        }
    }

    pub fn thumbnails(&self) -> Option<&Thumbnails> {
        self.thumbnails.as_ref()
    }

    /// Runs `work` in one transaction: all of it is kept or none. It raises the generation unless
    /// `work` says that no vector came or went.
    fn commit<T>(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction, &mut bool) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let behaviour = rusqlite::TransactionBehavior::Immediate;
        let dir = &self.dir;
        let fail = |e| writing(dir, e);
        let transaction = self.db.transaction_with_behavior(behaviour).map_err(fail)?;
        let mut changed = true;
        let words = || words_changes(&transaction).map_err(fail);
        let before = self.token.is_none().then(words).transpose()?;
        let done = work(&transaction, &mut changed).map_err(fail)?;
        let mut token = self.token.clone();
        // Words change with no vector: the session's first change of any kind gives it its token.
        if let Some(before) = before {
            changed |= words()? != before;
        }
        if changed {
            let raise = "UPDATE library SET generation = generation + 1";
            transaction.execute(raise, []).map_err(fail)?;
            if token.is_none() {
                token = Some(history::begin(&transaction).map_err(fail)?);
            }
        }
        transaction.commit().map_err(fail)?;
        self.token = token;
        Ok(done)
    }
}

/// The number of the last change of words.
fn words_changes(t: &Connection) -> rusqlite::Result<i64> {
    t.query_row("SELECT words_changes FROM library", [], |r| r.get(0))
}

/// Makes sure that no other process writes. SQLite's own locks hold for one transaction only,
/// and a reading spans many.
fn lock(dir: &Path) -> Result<File, StoreError> {
    lock_by(dir, File::try_lock)
}

fn lock_by(
    dir: &Path,
    try_lock: impl FnOnce(&File) -> Result<(), TryLockError>,
) -> Result<File, StoreError> {
    let file = modes::open(&dir.join(LOCK), File::options().append(true));
    let file = file.map_err(|_| StoreError::ReadOnly { dir: dir.into() })?;
    match try_lock(&file) {
        Ok(()) => {
            // For the message of whoever comes next; where it cannot be written they learn less.
            let _ = file
                .set_len(0)
                .and_then(|()| write!(&file, "{}", std::process::id()));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let held = std::fs::read_to_string(dir.join(LOCK)).ok();
            Err(StoreError::Busy {
                dir: dir.into(),
                process: held.and_then(|pid| pid.trim().parse().ok()),
            })
        }
        // SQLite's own locks would keep each transaction whole, but not a reading, which spans many.
        Err(TryLockError::Error(cause)) => Err(StoreError::NoLocks {
            dir: dir.into(),
            cause,
        }),
    }
}

fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "foreign_keys", true)?;
    // The first read of the file: fails here where it is no database.
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// Opens a database to read, also from a disk or a folder that cannot be written. A write-ahead log needs files beside
/// it even to read; where there are none, and none can be made, nobody writes, and the file may be read as it stands.
fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let ordinary = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|db| prepare(&db).map(|()| db));
    ordinary.or_else(|first| match is_closed(&first) && !has_log(path) {
        true => immutable(path),
        false => Err(first),
    })
}

/// Something could not be opened or made.
fn is_closed(e: &rusqlite::Error) -> bool {
    let code = e.sqlite_error_code();
    matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// Whether there is anything in a database's write-ahead log.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    Path::new(&log).metadata().is_ok_and(|m| m.len() > 0)
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

fn refuse_newer(db: &Connection, dir: &Path) -> Result<(), StoreError> {
    let found: i64 = db.pragma_query_value(None, "user_version", |r| r.get(0))?;
    if found > FORMAT as i64 {
        return Err(StoreError::Newer {
            dir: dir.into(),
            found,
            known: FORMAT,
        });
    }
    Ok(())
}

fn opening(dir: &Path, cause: rusqlite::Error) -> StoreError {
    match writing(dir, cause) {
        StoreError::Sqlite(cause) => StoreError::Damaged {
            path: dir.join(FILE),
            cause,
        },
        known => known,
    }
}

fn writing(dir: &Path, cause: rusqlite::Error) -> StoreError {
    match cause.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly { dir: dir.into() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy {
            dir: dir.into(),
            process: None,
        },
        Some(ErrorCode::DiskFull) => StoreError::Full { dir: dir.into() },
        _ => StoreError::Sqlite(cause),
    }
}

#[cfg(test)]
mod tests;
