//! Which frames of a video are looked at, and which stretch of it.

use serde::{Deserialize, Serialize};

use super::choose::KEYFRAME_SPACING;
use super::gate::Want;

/// Which frames of a video are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Keyframes, and frames between them so that no gap exceeds `max_gap` seconds.
    GapFilled { max_gap: f64 },
    /// One frame every `seconds`.
    Every { seconds: f64 },
    /// The first frame of each scene, and one every `max_gap` seconds.
    Scenes { max_gap: f64 },
    /// Only keyframes: cheapest, and blind to what comes and goes between two of them.
    Keyframes,
}

impl Sampling {
    pub const DEFAULT: Sampling = Sampling::GapFilled { max_gap: 2.0 };
    pub const SCENES: Sampling = Sampling::Scenes { max_gap: 10.0 };

    /// Seconds that may pass between two samples.
    pub fn allowed_gap(self) -> f64 {
        match self {
            Self::GapFilled { max_gap } | Self::Scenes { max_gap } => max_gap,
            Self::Every { seconds } => seconds,
            Self::Keyframes => f64::INFINITY,
        }
    }

    pub(super) fn want(self) -> Want {
        match self {
            Self::GapFilled { max_gap } => Want::GapFilled {
                spacing: KEYFRAME_SPACING.min(max_gap / 2.0),
                max_gap,
            },
            Self::Every { seconds } => Want::Every { seconds },
            Self::Scenes { .. } => Want::Everything,
            Self::Keyframes => Want::Keyframes {
                spacing: KEYFRAME_SPACING,
            },
        }
    }
}

/// As `status` shows it.
impl std::fmt::Display for Sampling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::GapFilled { max_gap } => write!(f, "keyframes, gaps filled to {max_gap} s"),
            Self::Every { seconds } => write!(f, "every {seconds} s"),
            Self::Scenes { max_gap } => write!(f, "scenes, gaps filled to {max_gap} s"),
            Self::Keyframes => write!(f, "keyframes"),
        }
    }
}

/// A stretch of a video, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub from: f64,
    /// The frames shown before it belong to the stretch; to the end of the video where `None`.
    pub to: Option<f64>,
}

impl Span {
    pub const WHOLE: Span = Span {
        from: 0.0,
        to: None,
    };

    /// From `from` seconds to the end of the video.
    pub fn from(from: f64) -> Self {
        Self { from, to: None }
    }
}
