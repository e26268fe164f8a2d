//! Values between the steps of a network: pixels by rows, channels last, with zeros around them.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

/// Floats of a cache line; vectors are read fastest where they start with one.
const LINE: usize = 16;

/// Values are no larger, in floats.
const LARGEST: usize = 1 << 28;

/// A cache line.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Line([f32; LINE]);

/// Floats that start at a cache line; there are up to [`LINE`] - 1 more than asked for.
pub(super) fn aligned(values: &[f32]) -> Vec<Line> {
    let mut lines = vec![Line([0.0; LINE]); values.len().div_ceil(LINE)];
    bytemuck::cast_slice_mut(&mut lines)[..values.len()].copy_from_slice(values);
    lines
}

/// How many pixels and channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
}

impl Shape {
    /// Floats with a border of so many pixels on each side.
    fn bordered(self, border: usize) -> Result<usize, String> {
        let side = |length: usize| length.checked_add(2 * border);
        let floats = side(self.height)
            .zip(side(self.width))
            .and_then(|(h, w)| h.checked_mul(w)?.checked_mul(self.channels));
        match floats {
            _ if self.height * self.width == 0 => Err("it has no pixels".into()),
            Some(floats) if floats <= LARGEST => Ok(floats),
            _ => Err(format!("{} x {} is too large", self.width, self.height)),
        }
    }
}

/// `[height, width, channels]` with a border of zeros.
#[derive(Debug)]
pub(super) struct Grid {
    pub(super) shape: Shape,
    pub(super) border: usize,
    lines: Vec<Line>,
}

impl Grid {
    /// One of which only the border is written, in the smallest of the spare buffers that holds it.
    pub(super) fn new(
        shape: Shape,
        border: usize,
        spare: &mut Vec<Vec<Line>>,
    ) -> Result<Self, String> {
        let lines = shape.bordered(border)?.div_ceil(LINE);
        let fitting = spare.iter().enumerate().filter(|(_, s)| s.len() >= lines);
        let smallest = fitting.min_by_key(|(_, s)| s.len()).map(|(at, _)| at);
        let lines = match smallest {
            Some(at) => spare.swap_remove(at),
            None => {
                // In place of the largest that is too small: buffers grow rather than become more and more.
                let largest = spare.iter().enumerate().max_by_key(|(_, s)| s.len());
                if let Some((at, _)) = largest {
                    spare.swap_remove(at);
                }
                vec![Line([0.0; LINE]); lines]
            }
        };
        let mut grid = Self {
            shape,
            border,
            lines,
        };
        grid.clear_border();
        Ok(grid)
    }

    /// Its buffer, for another.
    pub(super) fn into_spare(self) -> Vec<Line> {
        self.lines
    }

    fn clear_border(&mut self) {
        let (pitch, side) = (self.pitch(), self.border * self.shape.channels);
        let rows = self.shape.height + 2 * self.border;
        let inside = self.border..self.border + self.shape.height;
        let all = &mut self.all_mut()[..rows * pitch];
        for (y, row) in all.chunks_exact_mut(pitch).enumerate() {
            if inside.contains(&y) {
                row[..side].fill(0.0);
                row[pitch - side..].fill(0.0);
            } else {
                row.fill(0.0);
            }
        }
    }

    /// From one pixel to that below it.
    pub(super) fn pitch(&self) -> usize {
        (self.shape.width + 2 * self.border) * self.shape.channels
    }

    /// Everything with the border.
    pub(super) fn all(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
    }

    fn all_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }

    /// Where a row starts, left of it its border.
    fn start(&self, y: usize) -> usize {
        (y + self.border) * self.pitch() + self.border * self.shape.channels
    }

    /// A row without its border.
    pub(super) fn row(&self, y: usize) -> &[f32] {
        let start = self.start(y);
        &self.all()[start..start + self.shape.width * self.shape.channels]
    }

    /// The values without the border.
    pub(super) fn inside(&self) -> Vec<f32> {
        (0..self.shape.height)
            .flat_map(|y| self.row(y))
            .copied()
            .collect()
    }

    /// Writes bands of at most so many rows, by several threads where rayon has them. `write` is told the first row.
    pub(super) fn bands(&mut self, most: usize, write: impl Fn(usize, Rows) + Sync) {
        let (pitch, side) = (self.pitch(), self.border * self.shape.channels);
        let (border, height) = (self.border, self.shape.height);
        let inside = side..pitch - side;
        let threads = rayon::current_num_threads();
        let rows = most.min(height.div_ceil(threads)).max(1);
        let all = &mut self.all_mut()[border * pitch..(border + height) * pitch];
        let band = |(at, values)| {
            let rows_of_band = Rows {
                values,
                pitch,
                inside: inside.clone(),
            };
            write(at * rows, rows_of_band);
        };
        match threads {
            1 => all.chunks_mut(rows * pitch).enumerate().for_each(band),
            _ => all.par_chunks_mut(rows * pitch).enumerate().for_each(band),
        }
    }

    /// Writes row by row, as [`Grid::bands`] does.
    pub(super) fn rows(&mut self, write: impl Fn(usize, &mut [f32]) + Sync) {
        self.bands(usize::MAX, |first, mut rows| {
            for y in 0..rows.count() {
                write(first + y, rows.row(y));
            }
        });
    }
}

/// Rows that follow each other.
pub(super) struct Rows<'a> {
    values: &'a mut [f32],
    pitch: usize,
    inside: std::ops::Range<usize>,
}

impl Rows<'_> {
    #[inline(always)]
    pub(super) fn count(&self) -> usize {
        self.values.len() / self.pitch
    }

    /// One without its border.
    #[inline(always)]
    pub(super) fn row(&mut self, y: usize) -> &mut [f32] {
        &mut self.values[y * self.pitch..][self.inside.clone()]
    }
}
