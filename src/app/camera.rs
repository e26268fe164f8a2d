//! Cameras, and how their clocks are put right.

use jiff::tz::TimeZone;

use super::{Error, Session};
use crate::store::{CameraClock, CameraRow, CameraVideos};

/// What is said of a camera's clock.
#[derive(Debug, Clone, PartialEq)]
pub enum ClockChange {
    /// It is right: times are those the files tell.
    AsRead,
    /// What is `None` stays as it is.
    To {
        /// Milliseconds, added to what it says.
        offset_ms: Option<i64>,
        /// Of times that tell none.
        zone: Option<TimeZone>,
    },
}

impl Session {
    /// The cameras of the library's videos, by name.
    pub fn cameras(&self) -> Result<Vec<CameraRow>, Error> {
        Ok(self.current_reader()?.cameras()?)
    }

    /// The camera of this name.
    pub fn camera(&self, name: &str) -> Result<CameraRow, Error> {
        let found = self.cameras()?.into_iter().find(|c| c.name == name);
        found.ok_or_else(|| {
            Error::user(format!("no video is of a camera {name:?}"))
                .hint("see which cameras there are: vsearch camera")
                .hint("or name them: vsearch index FOLDER --camera NAME")
        })
    }

    /// Moves the times of a camera's videos, and of those to come, as its clock was wrong. No video is read.
    pub fn set_camera_clock(&self, name: &str, change: ClockChange) -> Result<CameraVideos, Error> {
        let before = self.camera(name)?.clock;
        let clock = match change {
            ClockChange::AsRead => CameraClock::default(),
            ClockChange::To { offset_ms, zone } => CameraClock {
                offset_ms: offset_ms.unwrap_or(before.offset_ms),
                zone: zone.or(before.zone),
            },
        };
        let mut writer = self.library().writer()?;
        let videos = writer.set_clock(name, &clock)?;
        writer.catch_up()?;
        Ok(videos)
    }
}
