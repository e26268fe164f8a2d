//! What to index and how.

use std::path::{Path, PathBuf};

use super::recorded::{Facts, below};
use super::{NameReader, Policy, Thumbnail};
use crate::analyse::{Onlookers, Views};
use crate::media::{Decoding, Limits, VideoInfo};
use crate::store::{FileStamp, Reading, Recorded, RecordedVideo};

/// What to index and how.
#[derive(Debug, Clone)]
pub struct Job {
    /// Files, and folders to walk.
    pub paths: Vec<PathBuf>,
    /// Real paths of what names are read below: what was named itself.
    pub roots: Vec<PathBuf>,
    /// The paths were found and not named: what is no video among them is skipped.
    pub found: bool,
    /// Links out of the folders named are followed.
    pub follow: bool,
    pub policy: Policy,
    pub views: Views,
    /// What looks at frames beside the model.
    pub onlookers: Onlookers,
    /// How pictures of moments are kept, where they are.
    pub thumbnail: Option<Thumbnail>,
    pub names: NameReader,
    pub decoding: Decoding,
    pub limits: Limits,
}

impl Job {
    /// Nothing yet, in the way that is usual: no pictures kept.
    pub fn new(views: Views, decoding: Decoding) -> Self {
        Self {
            paths: Vec::new(),
            roots: Vec::new(),
            found: false,
            follow: false,
            policy: Policy::default(),
            views,
            onlookers: Onlookers::default(),
            thumbnail: None,
            names: NameReader::default(),
            decoding,
            limits: Limits::default(),
        }
    }

    /// How its files are read, as the library keeps it.
    pub fn reading(&self) -> Reading {
        Reading {
            policy: self.policy.to_text(),
            views: self.views.to_string(),
        }
    }

    /// When and by whom a video was recorded.
    pub(super) fn recorded(
        &self,
        path: &Path,
        info: Option<&VideoInfo>,
        stamp: FileStamp,
    ) -> Recorded {
        let facts = Facts {
            created: info.and_then(|i| i.created.as_deref()),
            duration: info.and_then(|i| i.duration),
            stamp,
        };
        self.names.read(below(&self.roots, path), facts)
    }

    /// The same of a file that is known, without reading it, where this job says how names are read and it
    /// comes out otherwise.
    pub(super) fn recorded_anew(
        &self,
        path: &Path,
        stamp: FileStamp,
        before: &RecordedVideo,
    ) -> Option<Recorded> {
        let facts = Facts {
            created: before.recorded.created.as_deref(),
            duration: before.duration,
            stamp,
        };
        let below = below(&self.roots, path);
        let now = self.names.read_again(below, facts, &before.recorded);
        (now != before.recorded).then_some(now)
    }
}
