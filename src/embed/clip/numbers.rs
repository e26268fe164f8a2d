//! Where the numbers of a config may lie. A folder may come from anywhere: a number that no model has ends here,
//! named with its field, before anything is computed or taken by it.
//!
//! The ranges hold every published CLIP several times over (ViT-bigG: width 1,664, 48 layers; ViT-H at 378 pixels:
//! 729 patches; 250,112 tokens of the multilingual ones).

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::Number;

use super::ClipError;

/// Side of the picture, in pixels.
pub(super) const SIDE: RangeInclusive<usize> = 1..=2048;
/// Length of vectors, those between the layers included.
pub(super) const WIDTH: RangeInclusive<usize> = 1..=16_384;
/// Of the wide layer of a block.
pub(super) const MLP_WIDTH: RangeInclusive<usize> = 1..=1 << 18;
/// Of a stack, or of one stage.
pub(super) const LAYERS: RangeInclusive<usize> = 1..=512;
/// Tokens of a sentence, the first and the last included.
pub(super) const CONTEXT: RangeInclusive<usize> = 2..=8192;
pub(super) const VOCABULARY: RangeInclusive<usize> = 2..=1_000_000;
/// How many times wider the wide layer is.
const MLP_RATIO: RangeInclusive<f64> = 0.1..=64.0;
const MEAN: RangeInclusive<f32> = -10.0..=10.0;
const STD: RangeInclusive<f32> = 0.001..=100.0;
/// Patches of a picture, each of which looks at each.
const MOST_PATCHES: usize = 4096;

/// The numbers of one file.
#[derive(Clone, Copy)]
pub(super) struct Numbers<'a>(pub(super) &'a Path);

impl Numbers<'_> {
    fn bad(self, reason: String) -> ClipError {
        ClipError::BadConfig {
            path: self.0.into(),
            reason,
        }
    }

    fn out<T: Display>(
        self,
        field: &str,
        value: impl Display,
        range: &RangeInclusive<T>,
    ) -> ClipError {
        let (least, most) = (range.start(), range.end());
        self.bad(format!(
            "{field} is {value}; it must be from {least} to {most}"
        ))
    }

    /// A whole number.
    pub(super) fn whole(
        self,
        field: &str,
        value: &Number,
        range: RangeInclusive<usize>,
    ) -> Result<usize, ClipError> {
        let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
        let inside = number.filter(|n| range.contains(n));
        inside.ok_or_else(|| self.out(field, value, &range))
    }

    /// The same, or what is meant where it is left out.
    pub(super) fn whole_or(
        self,
        field: &str,
        value: Option<&Number>,
        meant: usize,
        range: RangeInclusive<usize>,
    ) -> Result<usize, ClipError> {
        let meant = Number::from(meant);
        self.whole(field, value.unwrap_or(&meant), range)
    }

    /// Heads among which a width is divided evenly.
    pub(super) fn heads(self, field: &str, heads: usize, width: usize) -> Result<usize, ClipError> {
        match heads > 0 && width.is_multiple_of(heads) {
            true => Ok(heads),
            false => Err(self.bad(format!(
                "{field} makes {heads} heads of a width of {width}, which they must divide evenly"
            ))),
        }
    }

    /// The width that a ratio makes of another.
    pub(super) fn wider(
        self,
        field: &str,
        ratio: Option<f64>,
        width: usize,
    ) -> Result<usize, ClipError> {
        let ratio = ratio.unwrap_or(4.0);
        if !MLP_RATIO.contains(&ratio) {
            return Err(self.out(field, ratio, &MLP_RATIO));
        }
        let wide = (width as f64 * ratio) as usize;
        match MLP_WIDTH.contains(&wide) {
            true => Ok(wide),
            false => Err(self.out(&format!("{field} times the width"), wide, &MLP_WIDTH)),
        }
    }

    /// The side of patches that a picture is cut into.
    pub(super) fn patch(
        self,
        field: &str,
        value: Option<&Number>,
        meant: usize,
        side: usize,
    ) -> Result<usize, ClipError> {
        let patch = self.whole_or(field, value, meant, 1..=side)?;
        let patches = (side / patch).pow(2);
        match patches <= MOST_PATCHES {
            true => Ok(patch),
            false => Err(self.bad(format!(
                "{field} is {patch}, which cuts {side}x{side} pixels into {patches} patches; at most {MOST_PATCHES} \
                 are computed"
            ))),
        }
    }

    pub(super) fn mean(self, field: &str, values: [f32; 3]) -> Result<[f32; 3], ClipError> {
        self.channels(field, values, &MEAN)
    }

    pub(super) fn std(self, field: &str, values: [f32; 3]) -> Result<[f32; 3], ClipError> {
        self.channels(field, values, &STD)
    }

    fn channels(
        self,
        field: &str,
        values: [f32; 3],
        range: &RangeInclusive<f32>,
    ) -> Result<[f32; 3], ClipError> {
        match values.iter().find(|v| !range.contains(v)) {
            Some(value) => Err(self.out(field, value, range)),
            None => Ok(values),
        }
    }
}
