//! A cheap description of a frame, by which two samples are told to look the same before anything
//! is embedded: mean colours of a coarse grid. Means over hundreds of pixels hardly feel sensor
//! noise; a common factor takes out slow light change; a robust noise floor, infrared and coding.

use crate::types::Pixels;

const COLUMNS: usize = 32;
const MAX_ROWS: usize = 32;
/// Pixels looked at in a row and in a column of each cell.
const PROBES: usize = 32;
/// Added before brightnesses are divided, so that black cells have a say and no more.
const DARK: f32 = 8.0;
/// A light change beyond this factor is a change of the scene.
const LIGHT: std::ops::RangeInclusive<f32> = 0.7..=1.43;
/// Cells from the seconds of a clock to its other digits.
const TEXT_REACH: usize = 3;
/// How far above the noise of the whole frame a cell must lie.
const ABOVE_NOISE: f32 = 6.0;
/// What differs everywhere by more is no noise: noise may raise the threshold so many times.
const MOST_NOISE: f32 = 2.0;

/// Mean colours of the cells: brightness, and two colour differences, 0 to 255.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signature {
    cells: Vec<[f32; 3]>,
    rows: usize,
}

impl Signature {
    pub(super) fn of(pixels: &Pixels) -> Self {
        let (width, height) = (pixels.width() as usize, pixels.height() as usize);
        let rows = (COLUMNS * height / width).clamp(1, MAX_ROWS).min(height);
        let columns = COLUMNS.min(width);
        let mut cells = Vec::with_capacity(rows * columns);
        let edges = |i: usize, n: usize, length: usize| (i * length / n, (i + 1) * length / n);
        for row in 0..rows {
            let (top, bottom) = edges(row, rows, height);
            for column in 0..columns {
                let (left, right) = edges(column, columns, width);
                cells.push(mean(pixels, (left, right), (top, bottom)));
            }
        }
        Self { cells, rows }
    }

    /// The cells around each of `cells` that text in a line with it may reach.
    pub(super) fn in_line_with(&self, cells: &[bool]) -> Vec<bool> {
        let columns = self.cells.len() / self.rows.max(1);
        let mut out = vec![false; cells.len()];
        for i in (0..cells.len()).filter(|i| cells[*i]) {
            let (row, column) = (i / columns, i % columns);
            for row in row.saturating_sub(1)..(row + 2).min(self.rows) {
                let from = column.saturating_sub(TEXT_REACH);
                let to = (column + TEXT_REACH + 1).min(columns);
                out[row * columns + from..row * columns + to].fill(true);
            }
        }
        out
    }

    /// How much each cell differs from the same cell of `before`, light change taken out, as
    /// multiples of what counts as a change at all (`threshold`, of 255, or the noise where that is
    /// more). `None` where the whole scene is another.
    pub(super) fn changes(&self, before: &Self, threshold: f32) -> Option<Vec<f32>> {
        if self.cells.len() != before.cells.len() || self.rows != before.rows {
            return None;
        }
        let pairs = || self.cells.iter().zip(&before.cells);
        let factor = median(
            pairs()
                .map(|(a, b)| (a[0] + DARK) / (b[0] + DARK))
                .collect(),
        );
        if !LIGHT.contains(&factor) {
            return None;
        }
        let difference = |(now, then): (&[f32; 3], &[f32; 3])| {
            let light = (now[0] + DARK - factor * (then[0] + DARK)).abs();
            // Clipped highlights do not brighten.
            let light = light.min((now[0] - then[0]).abs());
            let colour = |c: usize| (now[c] - factor * then[c]).abs();
            light.max(colour(1) + colour(2))
        };
        let differences: Vec<f32> = pairs().map(difference).collect();
        let noise = median(differences.clone());
        let threshold = (ABOVE_NOISE * noise).clamp(threshold, MOST_NOISE * threshold);
        Some(differences.into_iter().map(|d| d / threshold).collect())
    }
}

/// Mean brightness and colour differences (ITU-R BT.601) of a part, by a grid of its pixels.
fn mean(pixels: &Pixels, (left, right): (usize, usize), (top, bottom): (usize, usize)) -> [f32; 3] {
    let stride = pixels.width() as usize * 3;
    let step = |length: usize| length.div_ceil(PROBES).max(1);
    let (mut sum, mut count) = ([0u32; 3], 0u32);
    for y in (top..bottom).step_by(step(bottom - top)) {
        for x in (left..right).step_by(step(right - left)) {
            let at = y * stride + x * 3;
            for (s, v) in sum.iter_mut().zip(&pixels.rgb()[at..at + 3]) {
                *s += u32::from(*v);
            }
            count += 1;
        }
    }
    let [r, g, b] = sum.map(|s| s as f32 / count.max(1) as f32);
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    [y, 0.564 * (b - y), 0.713 * (r - y)]
}

fn median(mut values: Vec<f32>) -> f32 {
    let middle = values.len() / 2;
    match values.is_empty() {
        true => 0.0,
        false => *values.select_nth_unstable_by(middle, f32::total_cmp).1,
    }
}
