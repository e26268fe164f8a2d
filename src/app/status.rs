//! What is in the library, and what was not seen.

use serde::Serialize;

use super::remove::is_gone;
use super::{Error, Session};
use crate::store::VideoRow;

/// Every file ever read, those that gave nothing included, and all of them summed up.
#[derive(Debug)]
pub struct Status {
    pub videos: Vec<VideoRow>,
    pub summary: Summary,
}

/// Serialised as it stands for `status --json` (docs/formats.md).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub library: String,
    pub videos: usize,
    /// Files that gave nothing, or less than all, or are gone.
    pub with_errors: usize,
    pub moments: u64,
    pub frames: u64,
    /// Seconds the containers claim, and seconds decoded.
    pub duration: f64,
    pub read_to: f64,
    pub largest_gap: f64,
    /// Seconds that were promised and not seen.
    pub unseen: f64,
    pub decode_errors: u64,
    /// The one that answers first.
    pub models: Vec<String>,
    /// Pictures kept of moments, and their bytes.
    pub thumbnails: u64,
    pub thumbnail_bytes: u64,
}

/// Why a file is not wholly in the library, or not wholly there any more.
pub fn trouble(video: &VideoRow) -> Option<String> {
    match (&video.error, video.complete) {
        _ if is_gone(&video.path) => Some("the file is gone; vsearch remove --missing".into()),
        (Some(error), _) => Some(error.clone()),
        (None, false) => Some("reading was interrupted; index it again".into()),
        (None, true) => None,
    }
}

impl Session {
    /// What is in the library.
    pub fn status(&self) -> Result<Status, Error> {
        let reader = self.reader()?;
        let _snapshot = reader.snapshot()?;
        let videos = reader.counted_videos()?;
        let (thumbnails, thumbnail_bytes) = reader.thumbnails();
        let seen = || videos.iter().map(|v| &v.coverage);
        let summary = Summary {
            library: self.library().dir().to_string_lossy().into_owned(),
            videos: videos.len(),
            with_errors: videos.iter().filter(|v| trouble(v).is_some()).count(),
            moments: videos.iter().map(|v| v.moments).sum(),
            frames: seen().map(|c| c.frames).sum(),
            duration: total(&mut seen().filter_map(|c| c.duration.or(c.read_to))),
            read_to: total(&mut seen().filter_map(|c| c.read_to)),
            largest_gap: seen().filter_map(|c| c.largest_gap).fold(0.0, f64::max),
            unseen: total(&mut seen().map(crate::types::Coverage::unseen)),
            decode_errors: seen().map(crate::types::Coverage::decode_errors).sum(),
            models: reader.model_names()?,
            thumbnails,
            thumbnail_bytes,
        };
        drop(_snapshot);
        Ok(Status { videos, summary })
    }
}

/// 0, not the -0 that `sum` begins with, where there are none.
fn total(seconds: &mut dyn Iterator<Item = f64>) -> f64 {
    seconds.fold(0.0, |sum, s| sum + s)
}
