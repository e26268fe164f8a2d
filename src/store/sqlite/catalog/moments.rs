//! Rows of moments and their vectors.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};

use super::Catalog;
use super::codec::{id_list, pack, unpack};
use super::lettering::put_lettering;
use super::objects::put_objects;
use crate::store::{
    Fingerprints, Lacking, LackingMoment, LaterSeen, MomentRow, MomentVectors, NewMoment,
    StoreError,
};
use crate::types::{Embedding, ModelId, MomentId, Region, TimeBase, Timestamp, VectorId, VideoId};

/// A vector as it lies in the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct StoredVector<'a> {
    pub id: VectorId,
    pub video: VideoId,
    /// Of its moment, in seconds.
    pub start: f64,
    pub end: f64,
    /// f16, little-endian, L2-normalised.
    pub bytes: &'a [u8],
}

impl StoredVector<'_> {
    pub fn values(&self) -> Vec<f32> {
        let mut values = Vec::new();
        unpack(self.bytes, &mut values);
        values
    }
}

/// Of the columns id, video_id, base_num, base_den, time, start, end, x, y, width, height.
pub(super) fn moment_row(r: &Row) -> rusqlite::Result<MomentRow> {
    let base = TimeBase::new(r.get(2)?, r.get(3)?).unwrap_or(TimeBase::MICROS);
    let at = |i| Ok::<_, rusqlite::Error>(Timestamp::new(r.get(i)?, base));
    let region: [Option<u32>; 4] = [r.get(7)?, r.get(8)?, r.get(9)?, r.get(10)?];
    Ok(MomentRow {
        moment: MomentId(r.get(0)?),
        video: VideoId(r.get(1)?),
        time: at(4)?,
        start: at(5)?,
        end: at(6)?,
        region: match region {
            [Some(x), Some(y), Some(w), Some(h)] => Some(Region::new(x, y, w, h)),
            _ => None,
        },
    })
}

/// `of_things`: they are of things in the frame, and not of its views.
pub(super) fn insert_vectors(
    t: &Connection,
    moment: i64,
    model: ModelId,
    (views, of_things): (&[(Option<Region>, Embedding)], bool),
) -> rusqlite::Result<()> {
    let mut insert = t.prepare_cached(
        "INSERT INTO vectors (moment_id, model_id, x, y, width, height, vector, thing)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (region, embedding) in views {
        let at = |i: usize| region.map(|r| r.to_array()[i]);
        let packed = pack(embedding.as_slice());
        let (x, y, w, h) = (at(0), at(1), at(2), at(3));
        insert.execute(params![moment, model.0, x, y, w, h, packed, of_things])?;
    }
    Ok(())
}

impl Catalog {
    /// Commits moments with their vectors: all or none.
    pub fn add_moments(&mut self, model: ModelId, moments: &[NewMoment]) -> Result<(), StoreError> {
        let mut pictures = Vec::with_capacity(moments.len());
        self.commit(|t, _| {
            let first: i64 = t.query_row(
                "UPDATE library SET last_moment = last_moment + ?1
                 RETURNING last_moment - ?1 + 1",
                [moments.len()],
                |r| r.get(0),
            )?;
            let mut moment = t.prepare_cached(
                r#"INSERT INTO moments (id, video_id, base_num, base_den, time, start, "end")
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"#,
            )?;
            for (m, id) in moments.iter().zip(first..) {
                let base = m.time.base;
                moment.execute(params![
                    id,
                    m.video.0,
                    base.num(),
                    base.den(),
                    m.time.ticks,
                    m.start.ticks,
                    m.end.ticks
                ])?;
                insert_vectors(t, id, model, (&m.vectors, false))?;
                if let Some(seen) = &m.objects {
                    put_objects(t, id, model, seen)?;
                }
                if let Some(read) = &m.lettering {
                    put_lettering(t, id, read)?;
                }
                pictures.push((id, m.thumbnail.as_deref()));
            }
            Ok(())
        })?;
        match &mut self.thumbnails {
            Some(thumbnails) => thumbnails.put(&pictures),
            None => Ok(()),
        }
    }

    /// Takes away the thumbnails of moments that are gone, where any have gone since it was last done.
    pub fn prune_thumbnails(&mut self) -> Result<(), StoreError> {
        let sql = "SELECT deleted_moments FROM library";
        let deleted: i64 = self.db.query_row(sql, [], |r| r.get(0))?;
        let thumbnails = self.thumbnails.as_mut();
        thumbnails.map_or(Ok(()), |t| t.prune(deleted))
    }

    /// The greatest id a moment ever had.
    pub(super) fn last_moment(&self) -> Result<i64, StoreError> {
        let sql = "SELECT last_moment FROM library";
        Ok(self.db.query_row(sql, [], |r| r.get(0))?)
    }

    /// The moments that vectors belong to; those that are not shown, or have been removed, are left out.
    pub fn moments_of(
        &self,
        vectors: &[VectorId],
    ) -> Result<HashMap<VectorId, MomentRow>, StoreError> {
        let sql = r#"SELECT m.id, m.video_id, m.base_num, m.base_den, m.time, m.start, m."end",
                x.x, x.y, x.width, x.height, x.id
             FROM json_each(?1) asked CROSS JOIN vectors x ON x.id = asked.value
             JOIN moments m ON m.id = x.moment_id
             JOIN shown_videos v ON v.id = m.video_id"#;
        let mut statement = self.db.prepare_cached(sql)?;
        let ids = id_list(vectors.iter().map(|v| v.0));
        let rows = statement.query_map([ids], |r| Ok((VectorId(r.get(11)?), moment_row(r)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The moment a vector belongs to; `None` where it has been removed.
    pub fn moment_of(&self, vector: VectorId) -> Result<Option<MomentRow>, StoreError> {
        Ok(self.moments_of(&[vector])?.remove(&vector))
    }

    /// Up to `limit` vectors of a model, taken at random.
    pub fn random_vectors(
        &self,
        model: ModelId,
        limit: usize,
    ) -> Result<Vec<(VectorId, Embedding)>, StoreError> {
        let sql = "SELECT x.id, x.vector FROM vectors x JOIN moments m ON m.id = x.moment_id
             JOIN shown_videos v ON v.id = m.video_id
             WHERE x.model_id = ?1 ORDER BY random() LIMIT ?2";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map(params![model.0, limit], |r| {
            Ok((VectorId(r.get(0)?), r.get::<_, Vec<u8>>(1)?))
        })?;
        let mut out = Vec::new();
        for row in rows {
            let (id, bytes) = row?;
            let mut values = Vec::new();
            unpack(&bytes, &mut values);
            out.extend(Embedding::normalised(values).map(|v| (id, v)));
        }
        Ok(out)
    }

    /// Hands every vector of a model newer than `after` to `each`, oldest first, also those of readings
    /// that are not shown.
    pub fn each_vector(
        &self,
        model: ModelId,
        after: VectorId,
        mut each: impl FnMut(StoredVector),
    ) -> Result<(), StoreError> {
        let sql = r#"SELECT x.id, m.video_id, x.vector,
               m.start * 1.0 * m.base_num / m.base_den, m."end" * 1.0 * m.base_num / m.base_den
             FROM vectors x
             JOIN moments m ON m.id = x.moment_id
             WHERE x.model_id = ?1 AND x.id > ?2 ORDER BY x.id"#;
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query([model.0, after.0])?;
        while let Some(row) = rows.next()? {
            each(StoredVector {
                id: VectorId(row.get(0)?),
                video: VideoId(row.get(1)?),
                bytes: row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?,
                start: row.get(3)?,
                end: row.get(4)?,
            });
        }
        Ok(())
    }

    /// The bytes of vectors; those that have been removed are left out.
    pub fn vector_bytes(
        &self,
        vectors: &[VectorId],
    ) -> Result<HashMap<VectorId, Vec<u8>>, StoreError> {
        let sql = "SELECT x.id, x.vector FROM json_each(?1) asked
             CROSS JOIN vectors x ON x.id = asked.value";
        let mut statement = self.db.prepare_cached(sql)?;
        let ids = id_list(vectors.iter().map(|v| v.0));
        let rows = statement.query_map([ids], |r| Ok((VectorId(r.get(0)?), r.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The vectors a model made of all views of moments, in the order of the moments; none of those that
    /// have been removed.
    pub fn vectors_of(
        &self,
        model: ModelId,
        moments: &[MomentId],
    ) -> Result<Vec<MomentVectors>, StoreError> {
        // The plus keeps SQLite from going through all vectors of the model.
        let sql = "SELECT x.moment_id, x.vector FROM json_each(?1) asked
             CROSS JOIN vectors x ON x.moment_id = asked.value
             WHERE +x.model_id = ?2 ORDER BY asked.key, x.id";
        let mut statement = self.db.prepare_cached(sql)?;
        let ids = id_list(moments.iter().map(|m| m.0));
        let mut rows = statement.query(params![ids, model.0])?;
        let mut found: Vec<MomentVectors> = Vec::new();
        while let Some(r) = rows.next()? {
            let moment = MomentId(r.get(0)?);
            let mut values = Vec::new();
            unpack(
                r.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?,
                &mut values,
            );
            let vector = Embedding::normalised(values);
            match found.last_mut() {
                Some((last, vectors)) if *last == moment => vectors.extend(vector),
                _ => found.push((moment, vector.into_iter().collect())),
            }
        }
        Ok(found)
    }

    /// The moments shown that have no vector of a model, by their videos; those also that one of the onlookers given
    /// has not looked at.
    pub fn lacking(
        &self,
        model: ModelId,
        Fingerprints { detector, ocr }: Fingerprints,
    ) -> Result<Vec<Lacking>, StoreError> {
        let sql = "SELECT * FROM (
               SELECT m.video_id, m.id, m.time, m.base_num, m.base_den,
                 EXISTS (SELECT 1 FROM vectors x WHERE x.moment_id = m.id AND +x.model_id = ?1) AS embedded,
                 m.detector, v.path, m.ocr
               FROM moments m JOIN shown_videos v ON v.id = m.video_id)
             WHERE NOT embedded OR (?2 IS NOT NULL AND detector IS NOT ?2)
               OR (?3 IS NOT NULL AND ocr IS NOT ?3)
             ORDER BY path, time * 1.0 * base_num / base_den";
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query(params![model.0, detector, ocr])?;
        let mut lacking: Vec<Lacking> = Vec::new();
        while let Some(r) = rows.next()? {
            let video = VideoId(r.get(0)?);
            let base = TimeBase::new(r.get(3)?, r.get(4)?).unwrap_or(TimeBase::MICROS);
            let by = |onlooker: Option<&str>, at| -> rusqlite::Result<bool> {
                let last: Option<String> = r.get(at)?;
                Ok(onlooker.is_some() && onlooker == last.as_deref())
            };
            let moment = LackingMoment {
                moment: MomentId(r.get(1)?),
                time: Timestamp::new(r.get(2)?, base),
                embedded: r.get(5)?,
                looked_at: by(detector, 6)?,
                read: by(ocr, 8)?,
            };
            match lacking.last_mut() {
                Some(last) if last.video == video => last.moments.push(moment),
                _ => lacking.push(Lacking {
                    video,
                    moments: vec![moment],
                }),
            }
        }
        Ok(lacking)
    }

    /// Adds vectors, things and lettering to moments that are there; those that have gone meanwhile are skipped.
    pub fn add_seen(&mut self, model: ModelId, seen: &[LaterSeen]) -> Result<(), StoreError> {
        self.commit(|t, _| {
            for later in seen {
                let there = "SELECT EXISTS (SELECT 1 FROM moments WHERE id = ?1)";
                if t.query_row(there, [later.moment.0], |r| r.get(0))? {
                    insert_vectors(t, later.moment.0, model, (&later.vectors, false))?;
                    if let Some(seen) = &later.objects {
                        put_objects(t, later.moment.0, model, seen)?;
                    }
                    if let Some(read) = &later.lettering {
                        put_lettering(t, later.moment.0, read)?;
                    }
                }
            }
            Ok(())
        })
    }
}
