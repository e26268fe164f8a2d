//! Which history a generation is of: what tells a library from a copy that went another way.

use rusqlite::{Connection, OptionalExtension};

use super::Catalog;
use crate::store::StoreError;
use crate::store::sqlite::vectors::Origin;
use crate::types::Generation;

/// The session that writes now begins with the generation there is. Returns its token.
pub(super) fn begin(t: &Connection) -> rusqlite::Result<String> {
    let sql = "INSERT INTO history (first, token)
         SELECT generation, lower(hex(randomblob(16))) FROM library RETURNING token";
    t.query_row(sql, [], |r| r.get(0))
}

impl Catalog {
    pub fn generation(&self) -> Result<Generation, StoreError> {
        let sql = "SELECT generation FROM library";
        Ok(Generation(self.db.query_row(sql, [], |r| r.get(0))?))
    }

    /// What a file that is derived now reflects.
    pub fn origin(&self) -> Result<Origin, StoreError> {
        let generation = self.generation()?.0;
        Ok(Origin {
            generation,
            token: self.token_at(generation)?.unwrap_or_default(),
        })
    }

    /// Whether a state that a derived file reflects is one this library was in.
    pub fn knows(&self, origin: &Origin) -> Result<bool, StoreError> {
        if origin.generation > self.generation()?.0 {
            return Ok(false);
        }
        let at = self.token_at(origin.generation)?;
        if origin.token.is_empty() {
            // Files of earlier formats tell no history: those count that came before there was one.
            return Ok(at == Some(self.identity()?));
        }
        Ok(at.as_ref() == Some(&origin.token))
    }

    fn token_at(&self, generation: i64) -> Result<Option<String>, StoreError> {
        let sql = "SELECT token FROM history WHERE first <= ?1 ORDER BY id DESC LIMIT 1";
        let mut statement = self.db.prepare_cached(sql)?;
        Ok(statement.query_row([generation], |r| r.get(0)).optional()?)
    }

    /// What tells this library from all others.
    pub(super) fn identity(&self) -> Result<String, StoreError> {
        let sql = "SELECT token FROM history ORDER BY id LIMIT 1";
        Ok(self.db.query_row(sql, [], |r| r.get(0))?)
    }
}
