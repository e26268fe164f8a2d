//! Lettering in a frame.

use super::Region;

/// A line of text that was read in a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct TextLine {
    pub text: String,
    /// The mean probability of its characters, in (0, 1].
    pub score: f32,
    pub region: Region,
}
