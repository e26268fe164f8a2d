//! When and by which camera videos were recorded, and how a camera's clock is put right.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::Catalog;
use super::codec::SqlPath;
use crate::store::{
    CameraClock, CameraRow, CameraVideos, FROM_FILE, Recorded, RecordedVideo, StoreError,
    zone_from_text, zone_to_text,
};
use crate::types::VideoId;

/// Writes down when a video was recorded, with the clock of its camera put right.
pub(super) fn set_time(t: &Connection, video: VideoId, told: &Recorded) -> rusqlite::Result<()> {
    let clock = match &told.camera {
        Some(camera) => clock_of(t, camera)?,
        None => CameraClock::default(),
    };
    let sql = "UPDATE videos SET recorded_ms = ?2, recorded_from = ?3, read_ms = ?4, clock = ?5,
           clock_zone = ?6, created = ?7, recorded_doubt = ?8 WHERE id = ?1";
    t.execute(
        sql,
        params![
            video.0,
            clock.put_right(told),
            told.from,
            told.at_ms,
            told.clock,
            told.zone,
            told.created,
            told.doubt,
        ],
    )
    .map(drop)
}

/// What was said of a camera's clock.
fn clock_of(t: &Connection, camera: &str) -> rusqlite::Result<CameraClock> {
    let sql = "SELECT offset_ms, zone FROM cameras WHERE name = ?1";
    let found = t.query_row(sql, [camera], |r| Ok(clock(r.get(0)?, r.get(1)?)));
    Ok(found.optional()?.unwrap_or_default())
}

fn clock(offset_ms: i64, zone: Option<String>) -> CameraClock {
    CameraClock {
        offset_ms,
        zone: zone.as_deref().and_then(zone_from_text),
    }
}

impl Catalog {
    /// What the file at a path told of when and by whom it was recorded, where it was read.
    pub fn recorded(&self, path: &Path) -> Result<Option<RecordedVideo>, StoreError> {
        let sql = "SELECT id, camera, read_ms, recorded_from, clock, clock_zone, created,
               recorded_doubt, duration
             FROM videos WHERE path = ?1 AND indexed_at IS NOT NULL";
        let mut statement = self.db.prepare_cached(sql)?;
        let found = statement.query_row([SqlPath(path)], |r| {
            Ok(RecordedVideo {
                video: VideoId(r.get(0)?),
                recorded: Recorded {
                    camera: r.get(1)?,
                    at_ms: r.get(2)?,
                    from: r.get(3)?,
                    clock: r.get(4)?,
                    zone: r.get(5)?,
                    created: r.get(6)?,
                    doubt: r.get(7)?,
                },
                duration: r.get(8)?,
            })
        });
        Ok(found.optional()?)
    }

    /// Writes down anew when and by which cameras videos were recorded.
    pub fn set_recorded(&mut self, told: &[(VideoId, Recorded)]) -> Result<(), StoreError> {
        self.commit(|t, _| {
            let mut camera = t.prepare("UPDATE videos SET camera = ?2 WHERE id = ?1")?;
            told.iter().try_for_each(|(video, told)| {
                camera.execute(params![video.0, told.camera])?;
                set_time(t, *video, told)
            })
        })
    }

    /// The cameras of videos, by name.
    pub fn cameras(&self) -> Result<Vec<CameraRow>, StoreError> {
        let sql = "SELECT v.camera, count(*), coalesce(c.offset_ms, 0), c.zone
             FROM shown_videos v LEFT JOIN cameras c ON c.name = v.camera
             WHERE v.camera IS NOT NULL GROUP BY v.camera ORDER BY v.camera";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([], |r| {
            Ok(CameraRow {
                name: r.get(0)?,
                videos: r.get(1)?,
                clock: clock(r.get(2)?, r.get(3)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Puts a camera's clock right, of its videos and of those to come.
    pub fn set_clock(
        &mut self,
        camera: &str,
        clock: &CameraClock,
    ) -> Result<CameraVideos, StoreError> {
        self.commit(|t, _| {
            let sql = "INSERT INTO cameras (name, offset_ms, zone) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET offset_ms = excluded.offset_ms, zone = excluded.zone";
            let zone = clock.zone.as_ref().and_then(zone_to_text);
            t.execute(sql, params![camera, clock.offset_ms, zone])?;
            let sql = "SELECT id, read_ms, recorded_from, clock FROM videos WHERE camera = ?1";
            let mut statement = t.prepare(sql)?;
            let rows = statement.query_map([camera], |r| {
                let told = Recorded {
                    at_ms: r.get(1)?,
                    from: r.get(2)?,
                    clock: r.get(3)?,
                    ..Recorded::default()
                };
                Ok((r.get::<_, i64>(0)?, told))
            })?;
            let told: Vec<(i64, Recorded)> = rows.collect::<rusqlite::Result<_>>()?;
            let mut update = t.prepare("UPDATE videos SET recorded_ms = ?2 WHERE id = ?1")?;
            let mut videos = CameraVideos::default();
            for (id, told) in told {
                update.execute(params![id, clock.put_right(&told)])?;
                videos.all += 1;
                let by_clock = told.from.as_deref().is_some_and(|from| from != FROM_FILE);
                videos.by_clock += usize::from(by_clock);
                videos.zoneless += usize::from(by_clock && told.clock.is_some());
            }
            Ok(videos)
        })
    }
}
