//! What users taught, by name and model.

use rusqlite::{OptionalExtension, params};

use super::Catalog;
use crate::store::{Concept, StoreError};
use crate::types::ModelId;

impl Catalog {
    /// Keeps a concept, in place of an earlier one of its name.
    pub fn keep_concept(&mut self, model: ModelId, concept: &Concept) -> Result<(), StoreError> {
        self.commit(|t, changed| {
            *changed = false;
            let sql = "INSERT OR REPLACE INTO concepts
                 (name, model_id, weights, bias, positives, negatives)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let weights = concept.weights.iter().flat_map(|v| v.to_le_bytes());
            let weights: Vec<u8> = weights.collect();
            t.execute(
                sql,
                params![
                    concept.name,
                    model.0,
                    weights,
                    concept.bias,
                    concept.positives,
                    concept.negatives
                ],
            )
            .map(drop)
        })
    }

    /// Takes a concept away, of every model. Says whether there was one.
    pub fn forget_concept(&mut self, name: &str) -> Result<bool, StoreError> {
        self.commit(|t, changed| {
            *changed = false;
            Ok(t.execute("DELETE FROM concepts WHERE name = ?1", [name])? > 0)
        })
    }

    pub fn concept(&self, model: ModelId, name: &str) -> Result<Option<Concept>, StoreError> {
        let sql = "SELECT name, weights, bias, positives, negatives FROM concepts
             WHERE model_id = ?1 AND name = ?2";
        let found = self.db.query_row(sql, params![model.0, name], |r| {
            let bytes: Vec<u8> = r.get(1)?;
            let (values, _) = bytes.as_chunks::<4>();
            Ok(Concept {
                name: r.get(0)?,
                weights: values.iter().map(|v| f32::from_le_bytes(*v)).collect(),
                bias: r.get(2)?,
                positives: r.get(3)?,
                negatives: r.get(4)?,
            })
        });
        Ok(found.optional()?)
    }

    /// Names of all concepts of a model, with the numbers of their examples.
    pub fn concepts(&self, model: ModelId) -> Result<Vec<(String, usize, usize)>, StoreError> {
        let sql =
            "SELECT name, positives, negatives FROM concepts WHERE model_id = ?1 ORDER BY name";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([model.0], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
