//! Rows of the lettering read in moments.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::Catalog;
use super::codec::id_list;
use crate::store::{Passage, ReadLettering, StoreError};
use crate::types::{MomentId, Region, TextLine, VideoId};

/// Seconds between two moments with the same line that are one passage: it may be missed in between.
const MISSED: f64 = 3.0;

/// Keeps what was read in a moment, in place of what was there.
pub(super) fn put_lettering(
    t: &Connection,
    moment: i64,
    read: &ReadLettering,
) -> rusqlite::Result<()> {
    let mut forget = t.prepare_cached("DELETE FROM lettering WHERE moment_id = ?1")?;
    forget.execute([moment])?;
    let mut insert = t.prepare_cached(
        "INSERT INTO lettering (moment_id, text, score, x, y, width, height)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for line in &read.lines {
        let [x, y, width, height] = line.region.to_array();
        let score = (f64::from(line.score) * 1e4).round() / 1e4;
        insert.execute(params![moment, line.text, score, x, y, width, height])?;
    }
    // Last: it tells the index of words.
    let mut done = t.prepare_cached("UPDATE moments SET ocr = ?2 WHERE id = ?1")?;
    done.execute(params![moment, read.ocr])?;
    Ok(())
}

impl Catalog {
    /// The lines read in moments, from the top; a moment in which none was read is left out.
    pub fn lettering_of(
        &self,
        moments: &[MomentId],
    ) -> Result<HashMap<MomentId, Vec<TextLine>>, StoreError> {
        let sql = "SELECT l.moment_id, l.text, l.score, l.x, l.y, l.width, l.height
             FROM json_each(?1) asked CROSS JOIN lettering l ON l.moment_id = asked.value
             ORDER BY asked.key, l.id";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query([id_list(moments.iter().map(|m| m.0))])?;
        let mut found: HashMap<MomentId, Vec<TextLine>> = HashMap::new();
        while let Some(r) = rows.next()? {
            let line = TextLine {
                text: r.get(1)?,
                score: r.get(2)?,
                region: Region::new(r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?),
            };
            found.entry(MomentId(r.get(0)?)).or_default().push(line);
        }
        Ok(found)
    }

    /// Hands the lettering of videos shown to `each`; what stands still for long is one passage. `among`: a condition
    /// on `v.id`, of which `?1` are the ids.
    pub(super) fn each_lettering(
        &self,
        (among, ids): (&str, &str),
        each: &mut dyn FnMut(Passage),
    ) -> Result<(), StoreError> {
        let sql = format!(
            r#"SELECT v.id, l.text, m.start * 1.0 * m.base_num / m.base_den,
               m."end" * 1.0 * m.base_num / m.base_den
             FROM lettering l JOIN moments m ON m.id = l.moment_id
             JOIN shown_videos v ON v.id = m.video_id
             WHERE {among} ORDER BY 1, 2, 3"#
        );
        let mut statement = self.db.prepare(&sql)?;
        let mut rows = statement.query([ids])?;
        let mut passage: Option<Passage> = None;
        while let Some(r) = rows.next()? {
            let next = Passage {
                video: VideoId(r.get(0)?),
                text: r.get(1)?,
                span: Some((r.get(2)?, r.get(3)?)),
                is_lettering: true,
            };
            passage = match passage {
                Some(last) if goes_on(&last, &next) => Some(Passage {
                    span: last.span.zip(next.span).map(|(a, b)| (a.0, a.1.max(b.1))),
                    ..last
                }),
                last => {
                    last.into_iter().for_each(&mut *each);
                    Some(next)
                }
            };
        }
        passage.into_iter().for_each(each);
        Ok(())
    }
}

fn goes_on(last: &Passage, next: &Passage) -> bool {
    let apart = last.span.zip(next.span).map(|(a, b)| b.0 - a.1);
    last.video == next.video
        && last.text == next.text
        && apart.is_some_and(|seconds| seconds <= MISSED)
}
