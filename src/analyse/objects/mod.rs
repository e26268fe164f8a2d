//! A frame → the things in it: [`Detector`], and the colours of what it finds.

mod boxes;
mod colours;
mod detector;
mod input;

pub use colours::{Part, shares};
pub use detector::{Detector, DetectorError};

use crate::types::{Class, Object, Pixels, Region};

/// What a detector is surer of is kept.
pub const LEAST_SCORE: f32 = 0.3;

/// What a detector found in a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    pub class: Class,
    /// How sure it is, in (0, 1].
    pub score: f32,
    /// In the frame's pixels.
    pub region: Region,
}

impl Detector {
    /// The things in a frame with their colours, the surest first.
    pub fn look(&self, frame: &Pixels) -> Result<Vec<Object>, DetectorError> {
        let found = self.detect(frame, LEAST_SCORE)?;
        let palette = colours::Palette::of(frame);
        let object = |d: Detection| Object {
            class: d.class,
            score: d.score,
            region: d.region,
            colours: palette.colours(d.class, d.region),
        };
        Ok(found.into_iter().map(object).collect())
    }
}
