//! What convolutions and pools see at once.

use serde::Deserialize;

use super::grid::{Grid, Shape};

/// Kernels are no longer than this, and no step is.
const LONGEST: usize = 32;

/// A window that slides over a grid. Heights come first.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Window {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    /// Top, left, bottom, right.
    pub(super) pads: [usize; 4],
}

impl Window {
    /// # Errors
    /// Where it is out of bounds, or may lie in the border as a whole.
    pub(super) fn check(&self) -> Result<(), String> {
        let sides = |side: usize| {
            let (kernel, stride) = (self.kernel[side], self.stride[side]);
            let pads = [self.pads[side], self.pads[side + 2]];
            let sound = |length| (1..=LONGEST).contains(&length);
            sound(kernel) && sound(stride) && pads.iter().all(|p| *p < kernel)
        };
        match sides(0) && sides(1) {
            true => Ok(()),
            false => Err(format!("{self:?} is no window")),
        }
    }

    /// The border it needs.
    pub(super) fn border(&self) -> usize {
        self.pads.into_iter().max().unwrap_or(0)
    }

    /// How many places it takes.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn places(&self, of: Shape, channels: usize) -> Result<Shape, String> {
        let places = |length: usize, side: usize| {
            let padded = length + self.pads[side] + self.pads[side + 2];
            let room = padded.checked_sub(self.kernel[side]);
            room.map(|room| room / self.stride[side] + 1)
                .ok_or_else(|| format!("{} x {} is too small", of.width, of.height))
        };
        Ok(Shape {
            height: places(of.height, 0)?,
            width: places(of.width, 1)?,
            channels,
        })
    }

    /// Where its top left corner lies in a grid's values, at the start of a row of places.
    #[inline(always)]
    pub(super) fn start(&self, grid: &Grid, y: usize) -> usize {
        let top = y * self.stride[0] + grid.border - self.pads[0];
        top * grid.pitch() + (grid.border - self.pads[1]) * grid.shape.channels
    }
}

/// How many of `length` things are taken together, `most` at most and all about the same: (first, count).
#[inline(always)]
pub(super) fn groups(length: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = length.div_ceil(most).max(1);
    let (each, more) = (length / count, length % count);
    (0..count).map(move |i| (i * each + i.min(more), each + usize::from(i < more)))
}
