//! What each model gave for its self-test, for comparison at the next run.

use rusqlite::params;

use super::Catalog;
use super::codec::{pack, unpack};
use crate::store::StoreError;
use crate::types::{Embedding, ModelId};

impl Catalog {
    /// What the model gave on this kind of device when it first wrote here; empty if it never did.
    pub fn canaries(&self, model: ModelId, device: &str) -> Result<Vec<Embedding>, StoreError> {
        let sql = "SELECT vector FROM canaries WHERE model_id = ?1 AND device = ?2
             ORDER BY position";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map(params![model.0, device], |r| r.get::<_, Vec<u8>>(0))?;
        let mut found = Vec::new();
        for bytes in rows {
            let mut values = Vec::new();
            unpack(&bytes?, &mut values);
            found.extend(Embedding::normalised(values));
        }
        Ok(found)
    }

    pub fn record_canaries(
        &mut self,
        model: ModelId,
        device: &str,
        canaries: &[Embedding],
    ) -> Result<(), StoreError> {
        self.commit(|t, changed| {
            *changed = false;
            let sql = "INSERT INTO canaries (model_id, device, position, vector)
                 VALUES (?1, ?2, ?3, ?4)";
            let mut statement = t.prepare(sql)?;
            for (position, vector) in canaries.iter().enumerate() {
                let packed = pack(vector.as_slice());
                statement.execute(params![model.0, device, position, packed])?;
            }
            Ok(())
        })
    }
}
