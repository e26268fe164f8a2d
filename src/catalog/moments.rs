//! Rows of moments and their vectors.

use rusqlite::{Connection, OptionalExtension, params};

use super::codec::{pack, unpack};
use super::{Catalog, CatalogError, Thumbnails};
use crate::types::{
    Embedding, ModelId, MomentId, TimeBase, Timestamp, VectorId, VideoId, ViewBox, ViewVectors,
};

/// A moment to commit, with its vectors.
#[derive(Debug, Clone)]
pub struct NewMoment {
    pub video: VideoId,
    /// The representative frame; `start <= time <= end`, all in one time base.
    pub time: Timestamp,
    pub start: Timestamp,
    pub end: Timestamp,
    /// One for each view of the frame; `None` is the whole frame.
    pub vectors: ViewVectors,
    /// A JPEG of its frame, where one is kept.
    pub thumbnail: Option<Vec<u8>>,
}

/// A committed moment, found by one of its vectors.
#[derive(Debug, Clone)]
pub struct MomentRow {
    pub moment: MomentId,
    pub video: VideoId,
    pub time: Timestamp,
    pub start: Timestamp,
    pub end: Timestamp,
    /// What the vector was made from; `None` is the whole frame.
    pub view: Option<ViewBox>,
}

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

/// Moments of a video that have no vector of a model.
#[derive(Debug, Clone)]
pub struct Lacking {
    pub video: VideoId,
    /// With the times of their frames.
    pub moments: Vec<(MomentId, Timestamp)>,
}

fn insert_vectors(
    t: &Connection,
    moment: i64,
    model: ModelId,
    views: &[(Option<ViewBox>, Embedding)],
) -> rusqlite::Result<()> {
    let mut insert = t.prepare_cached(
        "INSERT INTO vectors (moment_id, model_id, x, y, width, height, vector)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for (view, embedding) in views {
        let at = |i: usize| view.map(|v| v[i]);
        let packed = pack(embedding.as_slice());
        let (x, y, w, h) = (at(0), at(1), at(2), at(3));
        insert.execute(params![moment, model.0, x, y, w, h, packed])?;
    }
    Ok(())
}

impl Catalog {
    /// Commits moments with their vectors: all or none.
    pub fn add_moments(
        &mut self,
        model: ModelId,
        moments: &[NewMoment],
    ) -> Result<(), CatalogError> {
        let mut pictures = Vec::with_capacity(moments.len());
        self.commit(|t, _| {
            let mut moment = t.prepare_cached(
                r#"INSERT INTO moments (video_id, base_num, base_den, time, start, "end")
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)"#,
            )?;
            for m in moments {
                let base = m.time.base;
                moment.execute(params![
                    m.video.0,
                    base.num(),
                    base.den(),
                    m.time.ticks,
                    m.start.ticks,
                    m.end.ticks
                ])?;
                let id = t.last_insert_rowid();
                insert_vectors(t, id, model, &m.vectors)?;
                pictures.push((id, m.thumbnail.as_deref()));
            }
            Ok(())
        })?;
        match &mut self.thumbnails {
            Some(thumbnails) => thumbnails.put(&pictures),
            None => Ok(()),
        }
    }

    /// Takes away the thumbnails of moments that are gone.
    pub fn prune_thumbnails(&mut self) -> Result<(), CatalogError> {
        self.thumbnails.as_mut().map_or(Ok(()), Thumbnails::prune)
    }

    /// The moment a vector belongs to; `None` where it has been removed.
    pub fn moment_of(&self, vector: VectorId) -> Result<Option<MomentRow>, CatalogError> {
        let sql = r#"SELECT m.id, m.video_id, m.base_num, m.base_den, m.time, m.start, m."end",
                x.x, x.y, x.width, x.height
             FROM vectors x JOIN moments m ON m.id = x.moment_id
             JOIN shown_videos v ON v.id = m.video_id WHERE x.id = ?1"#;
        let mut statement = self.db.prepare_cached(sql)?;
        let row = statement.query_row([vector.0], |r| {
            let base = TimeBase::new(r.get(2)?, r.get(3)?).unwrap_or(TimeBase::MICROS);
            let at = |i| Ok::<_, rusqlite::Error>(Timestamp::new(r.get(i)?, base));
            let view: [Option<u32>; 4] = [r.get(7)?, r.get(8)?, r.get(9)?, r.get(10)?];
            Ok(MomentRow {
                moment: MomentId(r.get(0)?),
                video: VideoId(r.get(1)?),
                time: at(4)?,
                start: at(5)?,
                end: at(6)?,
                view: match view {
                    [Some(x), Some(y), Some(w), Some(h)] => Some([x, y, w, h]),
                    _ => None,
                },
            })
        });
        Ok(row.optional()?)
    }

    /// Up to `limit` vectors of a model, taken at random.
    pub fn random_vectors(
        &self,
        model: ModelId,
        limit: usize,
    ) -> Result<Vec<(VectorId, Embedding)>, CatalogError> {
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
    ) -> Result<(), CatalogError> {
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

    /// The bytes of one vector; `None` where it has been removed.
    pub fn vector_bytes(&self, id: VectorId) -> Result<Option<Vec<u8>>, CatalogError> {
        let sql = "SELECT vector FROM vectors WHERE id = ?1";
        let mut statement = self.db.prepare_cached(sql)?;
        Ok(statement.query_row([id.0], |r| r.get(0)).optional()?)
    }

    /// The vectors a model made of all views of a moment.
    pub fn vectors_of(
        &self,
        model: ModelId,
        moment: MomentId,
    ) -> Result<Vec<Embedding>, CatalogError> {
        // The plus keeps SQLite from going through all vectors of the model.
        let sql = "SELECT vector FROM vectors WHERE moment_id = ?1 AND +model_id = ?2 ORDER BY id";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([moment.0, model.0], |r| r.get::<_, Vec<u8>>(0))?;
        let mut found = Vec::new();
        for bytes in rows {
            let mut values = Vec::new();
            unpack(&bytes?, &mut values);
            found.extend(Embedding::normalised(values));
        }
        Ok(found)
    }

    /// The moments shown that have no vector of a model, by their videos.
    pub fn lacking(&self, model: ModelId) -> Result<Vec<Lacking>, CatalogError> {
        let sql = "SELECT m.video_id, m.id, m.time, m.base_num, m.base_den
             FROM moments m JOIN shown_videos v ON v.id = m.video_id
             WHERE NOT EXISTS (SELECT 1 FROM vectors x WHERE x.moment_id = m.id AND x.model_id = ?1)
             ORDER BY v.path, m.time * 1.0 * m.base_num / m.base_den";
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query([model.0])?;
        let mut lacking: Vec<Lacking> = Vec::new();
        while let Some(r) = rows.next()? {
            let video = VideoId(r.get(0)?);
            let base = TimeBase::new(r.get(3)?, r.get(4)?).unwrap_or(TimeBase::MICROS);
            let moment = (MomentId(r.get(1)?), Timestamp::new(r.get(2)?, base));
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

    /// Adds vectors to moments that are there; those that have gone meanwhile are passed over.
    pub fn add_vectors(
        &mut self,
        model: ModelId,
        vectors: &[(MomentId, ViewVectors)],
    ) -> Result<(), CatalogError> {
        self.commit(|t, _| {
            for (moment, views) in vectors {
                let there = "SELECT EXISTS (SELECT 1 FROM moments WHERE id = ?1)";
                if t.query_row(there, [moment.0], |r| r.get(0))? {
                    insert_vectors(t, moment.0, model, views)?;
                }
            }
            Ok(())
        })
    }
}
