//! What looks for things in frames.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use super::Error;
use crate::analyse::Detector;

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

impl DetectorChoice {
    /// `None` where nobody is to look.
    pub fn open(&self) -> Result<Option<Arc<Detector>>, Error> {
        Ok(match self {
            Self::Builtin => Some(Arc::new(Detector::builtin())),
            Self::File(path) => Some(Arc::new(Detector::open(path)?)),
            Self::Off => None,
        })
    }
}
