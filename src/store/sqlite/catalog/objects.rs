//! Rows of the things seen in moments.

use std::collections::{HashMap, HashSet};

use roaring::RoaringTreemap;
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row, params};

use super::Catalog;
use super::codec::id_list;
use super::moments::{insert_vectors, moment_row};
use crate::store::objects::COLOUR_SHARE;
use crate::store::{MomentRow, ObjectCount, ObjectFilter, SeenObjects, Selection, StoreError};
use crate::types::{
    Claim, Class, Colour, Colours, ModelId, MomentId, Object, Region, Shares, VideoId,
};

/// Things of one class that are looked at for a claim where nothing narrows the scope, the surest first.
const LOOKED_AT: i64 = 50_000;

/// As JSON; NULL where there are none.
fn to_json(shares: &Option<Shares>) -> Option<String> {
    let shares = shares.as_ref()?;
    let pairs = shares
        .iter()
        .map(|(colour, share)| (colour.name(), (f64::from(*share) * 100.0).round() / 100.0));
    serde_json::to_string(&pairs.collect::<Vec<_>>()).ok()
}

fn from_json(text: Option<String>) -> Option<Shares> {
    let pairs: Vec<(String, f32)> = serde_json::from_str(&text?).ok()?;
    let known = |(name, share): (String, f32)| Some((name.parse::<Colour>().ok()?, share));
    Some(pairs.into_iter().filter_map(known).collect())
}

/// `None` where it is of a class that this vsearch does not know.
fn object(r: &Row) -> rusqlite::Result<Option<Object>> {
    let class: String = r.get(1)?;
    let Ok(class) = class.parse::<Class>() else {
        return Ok(None);
    };
    Ok(Some(Object {
        class,
        score: r.get(2)?,
        region: Region::new(r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?),
        colours: Colours {
            whole: from_json(r.get(7)?),
            upper: from_json(r.get(8)?),
            lower: from_json(r.get(9)?),
        },
    }))
}

/// Keeps what was seen in a moment and what a model makes of it, in place of what was there.
pub(super) fn put_objects(
    t: &Connection,
    moment: i64,
    model: ModelId,
    seen: &SeenObjects,
) -> rusqlite::Result<()> {
    let mut forget = t.prepare_cached("DELETE FROM objects WHERE moment_id = ?1")?;
    forget.execute([moment])?;
    let sql = "DELETE FROM vectors WHERE moment_id = ?1 AND +model_id = ?2 AND thing";
    t.prepare_cached(sql)?.execute(params![moment, model.0])?;
    insert_vectors(t, moment, model, (&seen.vectors, true))?;
    let mut looked = t.prepare_cached("UPDATE moments SET detector = ?2 WHERE id = ?1")?;
    looked.execute(params![moment, seen.detector])?;
    let mut insert = t.prepare_cached(
        "INSERT INTO objects (moment_id, class, score, x, y, width, height, colour, upper, lower)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for o in &seen.objects {
        let [x, y, width, height] = o.region.to_array();
        let score = (f64::from(o.score) * 1e4).round() / 1e4;
        insert.execute(params![
            moment,
            o.class.name(),
            score,
            x,
            y,
            width,
            height,
            to_json(&o.colours.whole),
            to_json(&o.colours.upper),
            to_json(&o.colours.lower),
        ])?;
    }
    Ok(())
}

impl Catalog {
    /// The things seen in moments, the surest first; a moment that none was seen in is left out.
    pub fn objects_of(
        &self,
        moments: &[MomentId],
    ) -> Result<HashMap<MomentId, Vec<Object>>, StoreError> {
        let sql = "SELECT o.moment_id, o.class, o.score, o.x, o.y, o.width, o.height,
               o.colour, o.upper, o.lower
             FROM json_each(?1) asked CROSS JOIN objects o ON o.moment_id = asked.value
             ORDER BY asked.key, o.score DESC, o.id";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query([id_list(moments.iter().map(|m| m.0))])?;
        let mut found: HashMap<MomentId, Vec<Object>> = HashMap::new();
        while let Some(r) = rows.next()? {
            if let Some(object) = object(r)? {
                found.entry(MomentId(r.get(0)?)).or_default().push(object);
            }
        }
        Ok(found)
    }

    /// The moments in scope that bear a claim out, with their things: those with the surest things of its classes first.
    /// Up to `limit` of each class.
    pub fn bearing_out(
        &self,
        claim: &Claim,
        selection: &Selection,
        limit: usize,
    ) -> Result<Vec<(MomentRow, Vec<Object>)>, StoreError> {
        let sql = r#"SELECT m.id, m.video_id, m.base_num, m.base_den, m.time, m.start, m."end",
               o.x, o.y, o.width, o.height
             FROM objects o CROSS JOIN moments m ON m.id = o.moment_id
             JOIN shown_videos v ON v.id = m.video_id
             WHERE o.class = ?1 ORDER BY o.score DESC LIMIT ?2"#;
        let most = match selection.is_everything() {
            true => LOOKED_AT,
            // None: what is in scope may lie behind much that is not.
            false => -1,
        };
        let mut statement = self.db.prepare_cached(sql)?;
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for class in &claim.classes {
            let before = found.len();
            let mut rows = statement.query(params![class.name(), most])?;
            while let Some(r) = rows.next()? {
                let row = moment_row(r)?;
                let (start, end) = (row.start.seconds(), row.end.seconds());
                let in_scope = selection.has(row.video)
                    && selection.has_moment(row.moment)
                    && selection.holds(row.video, start, end);
                if !in_scope || !seen.insert(row.moment) {
                    continue;
                }
                let objects = self.objects_of(&[row.moment])?.remove(&row.moment);
                let objects = objects.unwrap_or_default();
                if claim.borne_out(&objects).is_some() {
                    found.push((row, objects));
                }
                if found.len() - before >= limit {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// How many things of each class and camera were seen in moments that are shown, by class and camera.
    pub fn object_counts(&self) -> Result<Vec<ObjectCount>, StoreError> {
        let sql = "SELECT o.class, v.camera, count(*), count(DISTINCT o.moment_id)
             FROM objects o JOIN moments m ON m.id = o.moment_id
             JOIN shown_videos v ON v.id = m.video_id
             GROUP BY o.class, v.camera ORDER BY o.class, v.camera";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([], |r| {
            Ok(ObjectCount {
                class: r.get(0)?,
                camera: r.get(1)?,
                objects: r.get(2)?,
                moments: r.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether a detector has looked at any moment.
    pub fn has_looked(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM objects)
             OR EXISTS (SELECT 1 FROM moments WHERE detector IS NOT NULL)";
        Ok(self.db.query_row(sql, [], |r| r.get(0))?)
    }

    /// Moments shown, of these videos or of all, that no detector has looked at.
    pub fn unlooked(&self, videos: Option<&RoaringTreemap>) -> Result<usize, StoreError> {
        self.moments_without("detector", videos)
    }

    /// The same of which the lettering has not been read.
    pub fn unread(&self, videos: Option<&RoaringTreemap>) -> Result<usize, StoreError> {
        self.moments_without("ocr", videos)
    }

    fn moments_without(
        &self,
        onlooker: &str,
        videos: Option<&RoaringTreemap>,
    ) -> Result<usize, StoreError> {
        let sql = format!(
            "SELECT m.video_id, count(*) FROM moments m
             JOIN shown_videos v ON v.id = m.video_id
             WHERE m.{onlooker} IS NULL GROUP BY m.video_id"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut count = 0;
        while let Some(r) = rows.next()? {
            let video = VideoId(r.get(0)?);
            if videos.is_none_or(|videos| videos.contains(video.0 as u64)) {
                count += r.get::<_, usize>(1)?;
            }
        }
        Ok(count)
    }

    /// The moments that hold all of some conditions.
    pub(super) fn moments_with(
        &self,
        conditions: &[ObjectFilter],
    ) -> Result<RoaringTreemap, StoreError> {
        let mut left: Option<RoaringTreemap> = None;
        for condition in conditions {
            let held = self.moments_with_one(condition)?;
            left = Some(match left {
                Some(left) => left & held,
                None => held,
            });
        }
        Ok(left.unwrap_or_default())
    }

    fn moments_with_one(&self, condition: &ObjectFilter) -> Result<RoaringTreemap, StoreError> {
        let coloured = |column: &str, name: &str| {
            format!(
                "AND ({name} IS NULL OR EXISTS (SELECT 1 FROM json_each(o.{column}) s
                   WHERE json_extract(s.value, '$[0]') = {name}
                     AND (s.key = 0 OR json_extract(s.value, '$[1]') >= {COLOUR_SHARE})))"
            )
        };
        let such = format!(
            "SELECT o.moment_id FROM objects o WHERE o.class = ?1 {} {} {} GROUP BY o.moment_id",
            coloured("colour", "?2"),
            coloured("upper", "?3"),
            coloured("lower", "?4"),
        );
        let name = |c: Option<Colour>| c.map(Colour::name);
        let class = condition.class.name();
        let (whole, upper, lower) = (
            name(condition.whole),
            name(condition.upper),
            name(condition.lower),
        );
        let ids = |sql: &str, values: &[&dyn ToSql]| -> Result<RoaringTreemap, StoreError> {
            let mut statement = self.db.prepare_cached(sql)?;
            let mut rows = statement.query(values)?;
            let mut ids = RoaringTreemap::new();
            while let Some(r) = rows.next()? {
                ids.insert(r.get::<_, i64>(0)? as u64);
            }
            Ok(ids)
        };
        let most = condition.at_most.unwrap_or(usize::from(u16::MAX));
        if !condition.holds_for_none() {
            let sql = format!("{such} HAVING count(*) BETWEEN ?5 AND ?6");
            let least = condition.at_least;
            return ids(&sql, &[&class, &whole, &upper, &lower, &least, &most]);
        }
        let sql = format!("{such} HAVING count(*) > ?5");
        let too_many = ids(&sql, &[&class, &whole, &upper, &lower, &most])?;
        Ok(ids("SELECT id FROM moments WHERE detector IS NOT NULL", &[])? - too_many)
    }

    /// The vectors, of any model, of moments.
    pub(super) fn vectors_in(
        &self,
        moments: &RoaringTreemap,
    ) -> Result<RoaringTreemap, StoreError> {
        let sql = "SELECT id FROM vectors WHERE moment_id = ?1";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut vectors = RoaringTreemap::new();
        for moment in moments {
            let mut rows = statement.query([moment as i64])?;
            while let Some(r) = rows.next()? {
                vectors.insert(r.get::<_, i64>(0)? as u64);
            }
        }
        Ok(vectors)
    }
}
