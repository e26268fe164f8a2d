//! Whether the catalogue is what was written, and copies of it.

use std::path::{Path, PathBuf};

use rusqlite::params;

use super::{Catalog, FILE, Thumbnails};
use crate::store::StoreError;
use crate::store::sqlite::modes;
use crate::types::VectorId;

/// Faults SQLite lists at most.
const FAULTS: u32 = 20;

impl Catalog {
    pub fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }

    /// What SQLite finds wrong with its pages, and rows that point nowhere; empty where all is well.
    pub fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let mut said = Vec::new();
        let sql = format!("PRAGMA integrity_check({FAULTS})");
        let pages = self.db.prepare(&sql).and_then(|mut statement| {
            let rows = statement.query_map([], |r| r.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        match pages {
            Ok(lines) => said.extend(lines.into_iter().filter(|l| l != "ok")),
            // So damaged that it cannot be checked through.
            Err(e) => said.push(e.to_string()),
        }
        if said.is_empty() {
            let mut statement = self.db.prepare("PRAGMA foreign_key_check")?;
            let rows = statement.query_map([], |r| r.get::<_, String>(0))?;
            for table in rows {
                said.push(format!("a row of {} points nowhere", table?));
            }
        }
        Ok(said)
    }

    /// Puts vectors back to the bytes of a sound copy.
    pub fn restore_vectors(&mut self, vectors: &[(VectorId, Vec<u8>)]) -> Result<(), StoreError> {
        if vectors.is_empty() {
            return Ok(());
        }
        self.commit(|t, _| {
            let mut update = t.prepare("UPDATE vectors SET vector = ?2 WHERE id = ?1")?;
            let mut put = |(id, bytes): &(VectorId, Vec<u8>)| update.execute(params![id.0, bytes]);
            vectors.iter().try_for_each(|v| put(v).map(drop))
        })
    }

    /// Copies the catalogue as it is now to an empty folder, while others read and write it.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let file = to.join(FILE);
        modes::make(&file).map_err(|cause| StoreError::Copy {
            to: to.into(),
            cause,
        })?;
        // A copy is made in steps: in one transaction they are all of one state, however others write.
        let _snapshot = self.snapshot()?;
        // It begins with the first look.
        self.generation()?;
        self.db
            .backup("main", file, None)
            .map_err(|e| super::writing(to, e))?;
        self.thumbnails.as_ref().map_or(Ok(()), |t| t.backup(to))
    }

    /// Where the thumbnails lie, and what is wrong with them; `None` where all is well.
    pub fn thumbnail_fault(&self) -> Option<(PathBuf, String)> {
        let path = Thumbnails::path(&self.dir);
        let fault = match &self.thumbnails {
            Some(thumbnails) => thumbnails.fault()?,
            None if path.exists() => "not thumbnails, or damaged".into(),
            None => return None,
        };
        Some((path, fault))
    }

    /// Rebuilds the file of thumbnails where it is damaged.
    pub fn repair_thumbnails(&mut self) -> Result<(), StoreError> {
        self.thumbnails.as_mut().map_or(Ok(()), Thumbnails::repair)
    }
}
