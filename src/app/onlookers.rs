//! What looks at frames beside the model.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use super::Error;
use crate::analyse::{Detector, Ocr, Onlookers};

/// Which detector looks for things.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DetectorChoice {
    /// The one in the program.
    #[default]
    Builtin,
    /// One from a file.
    File(PathBuf),
    /// Nobody looks.
    Off,
}

impl FromStr for DetectorChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "builtin" => Self::Builtin,
            "off" => Self::Off,
            file => Self::File(file.into()),
        })
    }
}

/// What is to look at frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnlookerChoice {
    pub detector: DetectorChoice,
    /// Lettering is read.
    pub lettering: bool,
}

impl Default for OnlookerChoice {
    fn default() -> Self {
        Self {
            detector: DetectorChoice::default(),
            lettering: true,
        }
    }
}

impl OnlookerChoice {
    pub(super) fn open(&self) -> Result<Onlookers, Error> {
        let detector = match &self.detector {
            DetectorChoice::Builtin => Some(Detector::builtin()),
            DetectorChoice::File(path) => Some(Detector::open(path)?),
            DetectorChoice::Off => None,
        };
        Ok(Onlookers {
            detector: detector.map(Arc::new),
            ocr: self.lettering.then(|| Arc::new(Ocr::builtin())),
        })
    }
}
