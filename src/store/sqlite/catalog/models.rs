//! Rows of models.

use super::Catalog;
use crate::store::{ModelRow, NewModel, StoreError};
use crate::types::ModelId;

impl Catalog {
    /// The row of a model, made where it is new. Two models never share a fingerprint.
    pub fn model(&mut self, model: NewModel) -> Result<ModelId, StoreError> {
        let NewModel {
            name,
            fingerprint,
            dim,
        } = model;
        let insert = "INSERT INTO models (name, fingerprint, dim) VALUES (?1, ?2, ?3)
             ON CONFLICT (fingerprint) DO NOTHING";
        self.db.execute(insert, (name, fingerprint, dim))?;
        self.find_model(fingerprint)?
            .ok_or(rusqlite::Error::QueryReturnedNoRows.into())
    }

    pub fn find_model(&self, fingerprint: &str) -> Result<Option<ModelId>, StoreError> {
        use rusqlite::OptionalExtension;
        let sql = "SELECT id FROM models WHERE fingerprint = ?1";
        let id = self.db.query_row(sql, [fingerprint], |r| r.get(0));
        Ok(id.optional()?.map(ModelId))
    }

    /// Every model that ever wrote here; the one that answers first.
    pub fn models(&self) -> Result<Vec<ModelRow>, StoreError> {
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

    /// From now on queries are answered by this model, which has vectors of all that is there, made of
    /// these views.
    pub fn answer_by(&mut self, model: ModelId, views: Option<&str>) -> Result<(), StoreError> {
        self.commit(|t, _| {
            t.execute("UPDATE library SET model_id = ?1", [model.0])?;
            let sql = "UPDATE videos SET model_id = ?1, views = coalesce(?2, views)";
            t.execute(sql, (model.0, views)).map(drop)
        })
    }

    /// Which views of frames a model's vectors are made of beside another's: what was told first.
    pub fn model_views(&mut self, model: ModelId, told: &str) -> Result<String, StoreError> {
        let sql = "UPDATE models SET views = coalesce(views, ?2) WHERE id = ?1 RETURNING views";
        Ok(self.db.query_row(sql, (model.0, told), |r| r.get(0))?)
    }

    /// Takes away the vectors of all models but the one that answers.
    pub fn prune_models(&mut self) -> Result<(), StoreError> {
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

    /// Vectors of a model deleted since the library began.
    pub fn deleted_vectors(&self, model: ModelId) -> Result<u64, StoreError> {
        let sql = "SELECT deleted_vectors FROM models WHERE id = ?1";
        Ok(self.db.query_row(sql, [model.0], |r| r.get(0))?)
    }
}
