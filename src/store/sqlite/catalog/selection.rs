//! What a filter leaves of the library.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use roaring::RoaringTreemap;

use super::Catalog;
use super::codec::SqlPathBuf;
use crate::store::StoreError;
use crate::store::filter::{FROM_FILE, Filter, Searched, Selection, VideoFacts};
use crate::types::VideoId;

/// Seconds of a video `v` that were promised, and that were not seen.
const LENGTH: &str = "max(coalesce(v.duration, 0), coalesce(v.read_to, 0))";
const UNSEEN: &str = r#"iif(v.read_to IS NULL, coalesce(v.duration, 0),
    coalesce((SELECT sum(g."end" - g.start) FROM gaps g WHERE g.video_id = v.id), 0))"#;
const TROUBLED: &str = "(v.error IS NOT NULL OR v.indexed_at IS NULL)";

/// What is told of a video to choose it by, and to sum it up.
struct Facts {
    id: i64,
    path: PathBuf,
    camera: Option<String>,
    recorded_ms: Option<i64>,
    recorded_from: Option<String>,
    /// As far as it was read, for the wall clock.
    read_to: f64,
    length: f64,
    unseen: f64,
    troubled: bool,
}

impl Catalog {
    /// The videos a filter leaves, and what is known of them as a whole.
    pub fn select(&self, filter: &Filter) -> Result<Selection, StoreError> {
        let selected = self.select_videos(filter)?;
        if filter.objects.is_empty() {
            return Ok(selected);
        }
        let moments = self.moments_with(&filter.objects)?;
        let vectors = self.vectors_in(&moments)?;
        let unlooked = self.unlooked(selected.videos.as_ref())?;
        let mut selected = selected.seen(moments, vectors);
        selected.searched.unlooked = unlooked;
        Ok(selected)
    }

    fn select_videos(&self, filter: &Filter) -> Result<Selection, StoreError> {
        if filter.has_all_videos() {
            return Ok(Selection::everything(self.everything(filter)?));
        }
        let mut searched = Searched::default();
        let (mut videos, mut recorded) = (RoaringTreemap::new(), HashMap::new());
        let mut cameras: HashSet<String> = HashSet::new();
        self.each_facts(|f| {
            searched.all_videos += 1;
            let recorded_ms = filter.clock(f.recorded_ms, f.recorded_from.as_deref());
            let facts = VideoFacts {
                path: &f.path,
                camera: f.camera.as_deref(),
                recorded_ms,
                length: f.read_to,
            };
            if filter.lacks_time(&facts) {
                match f.recorded_ms {
                    Some(_) => searched.guessed += 1,
                    None => searched.undated += 1,
                }
            }
            if !filter.contains(&facts) {
                return;
            }
            videos.insert(f.id as u64);
            recorded.extend(recorded_ms.map(|ms| (VideoId(f.id), ms)));
            searched.videos += 1;
            searched.length += f.length;
            searched.unseen += f.unseen;
            searched.troubled += usize::from(f.troubled);
            searched.clockless += usize::from(recorded_ms.is_none());
            match f.camera {
                Some(camera) => drop(cameras.insert(camera)),
                None => searched.cameras += 1,
            }
        })?;
        searched.cameras += cameras.len();
        Ok(Selection::new(filter, videos, recorded, searched))
    }

    fn everything(&self, filter: &Filter) -> Result<Searched, StoreError> {
        let sql = format!(
            "SELECT count(*), count(DISTINCT v.camera) + sum(v.camera IS NULL), sum({LENGTH}),
               sum({UNSEEN}), sum({TROUBLED}),
               sum(v.recorded_ms IS NULL OR (v.recorded_from = '{FROM_FILE}' AND NOT ?1)) FROM shown_videos v"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let searched = statement.query_row([filter.trust_file_times], |r| {
            let count = |i| Ok::<_, rusqlite::Error>(r.get::<_, Option<usize>>(i)?.unwrap_or(0));
            let seconds = |i| Ok::<_, rusqlite::Error>(r.get::<_, Option<f64>>(i)?.unwrap_or(0.0));
            Ok(Searched {
                all_videos: count(0)?,
                videos: count(0)?,
                cameras: count(1)?,
                length: seconds(2)?,
                unseen: seconds(3)?,
                troubled: count(4)?,
                undated: 0,
                guessed: 0,
                clockless: count(5)?,
                unlooked: 0,
                unread: 0,
            })
        });
        Ok(searched?)
    }

    fn each_facts(&self, mut each: impl FnMut(Facts)) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT v.id, v.path, v.camera, v.recorded_ms, coalesce(v.read_to, v.duration, 0), {LENGTH},
               {UNSEEN}, {TROUBLED}, v.recorded_from FROM shown_videos v"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            each(Facts {
                id: r.get(0)?,
                path: r.get::<_, SqlPathBuf>(1)?.0,
                camera: r.get(2)?,
                recorded_ms: r.get(3)?,
                read_to: r.get(4)?,
                length: r.get(5)?,
                unseen: r.get(6)?,
                troubled: r.get(7)?,
                recorded_from: r.get(8)?,
            });
        }
        Ok(())
    }
}
