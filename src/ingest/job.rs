//! What to index and how.

use std::path::PathBuf;

use super::{NameReader, Policy, Thumbnail};
use crate::analyse::{Onlookers, Views};
use crate::media::{Decoding, Limits};
use crate::store::Reading;

/// What to index and how.
#[derive(Debug, Clone)]
pub struct Job {
    /// Files, and folders to walk.
    pub paths: Vec<PathBuf>,
    /// The paths were found and not named: what is no video among them is skipped.
    pub found: bool,
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
            found: false,
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
}
