//! Which frames of a file are looked at.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Fold;
use crate::media::Sampling;

/// Of the form below; a policy of another one is none we know.
const VERSION: u32 = 1;

/// What decides which frames of a file become moments: where it differs, the file is read again.
///
/// The catalogue keeps it as JSON and compares that as text: fields and their order are its format.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    version: u32,
    pub sampling: Sampling,
    pub fold: Fold,
    /// Which video stream, from 0; the one a player shows where `None`.
    pub stream: Option<usize>,
}

impl Policy {
    pub fn new(sampling: Sampling, fold: Fold, stream: Option<usize>) -> Self {
        Self {
            version: VERSION,
            sampling,
            fold,
            stream,
        }
    }

    /// As the catalogue keeps it.
    pub fn to_text(self) -> String {
        serde_json::to_string(&self).expect("numbers and names are JSON")
    }

    /// From what the catalogue keeps; `None` where this vsearch does not know the form.
    pub fn from_text(text: &str) -> Option<Self> {
        let policy: Self = serde_json::from_str(text).ok()?;
        (policy.version == VERSION).then_some(policy)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new(Sampling::DEFAULT, Fold::default(), None)
    }
}

/// As `status` shows it.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sampling)?;
        if self.fold != Fold::Off {
            write!(f, ", fold {}", self.fold)?;
        }
        match self.stream {
            Some(stream) => write!(f, ", stream {stream}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms are those of the catalogue's migration: what is written here must stay.
    #[test]
    fn policies_survive_the_catalogue() {
        for (policy, text, shown) in [
            (
                Policy::default(),
                r#"{"version":1,"sampling":{"gap_filled":{"max_gap":2.0}},"fold":"normal","stream":null}"#,
                "keyframes, gaps filled to 2 s, fold normal",
            ),
            (
                Policy::new(Sampling::Keyframes, Fold::Off, None),
                r#"{"version":1,"sampling":"keyframes","fold":"off","stream":null}"#,
                "keyframes",
            ),
            (
                Policy::new(Sampling::Every { seconds: 0.5 }, Fold::Strong, Some(1)),
                r#"{"version":1,"sampling":{"every":{"seconds":0.5}},"fold":"strong","stream":1}"#,
                "every 0.5 s, fold strong, stream 1",
            ),
            (
                Policy::new(Sampling::SCENES, Fold::Normal, None),
                r#"{"version":1,"sampling":{"scenes":{"max_gap":10.0}},"fold":"normal","stream":null}"#,
                "scenes, gaps filled to 10 s, fold normal",
            ),
        ] {
            assert_eq!(policy.to_text(), text);
            assert_eq!(Policy::from_text(text), Some(policy));
            assert_eq!(policy.to_string(), shown);
        }
        let later = Policy::default()
            .to_text()
            .replace("\"version\":1", "\"version\":2");
        assert_eq!(Policy::from_text(&later), None);
        assert_eq!(Policy::from_text("keyframes"), None);
    }
}
