//! The steps that are no convolutions. All shapes were checked.

use pulp::{Arch, Simd, WithSimd};

use super::activation::Activation;
use super::grid::Grid;
use super::window::Window;

/// The largest of each window; what lies in its pads does not count.
pub(super) fn max_pool(arch: Arch, window: &Window, input: &Grid, out: &mut Grid) {
    let channels = input.shape.channels;
    let taps = |place: usize, side: usize, length: usize| {
        let start = place * window.stride[side];
        let end = (start + window.kernel[side]).min(length + window.pads[side]);
        start.saturating_sub(window.pads[side])..end - window.pads[side]
    };
    out.rows(|y, row| {
        arch.dispatch(|| {
            row.fill(f32::NEG_INFINITY);
            for from in taps(y, 0, input.shape.height) {
                let from = input.row(from);
                if window.stride[1] == 1 {
                    // Each column of the window is the whole row, moved.
                    for kx in 0..window.kernel[1] {
                        let before = window.pads[1].saturating_sub(kx) * channels;
                        let skipped = kx.saturating_sub(window.pads[1]) * channels;
                        let to = row.iter_mut().skip(before);
                        for (to, from) in to.zip(from.iter().skip(skipped)) {
                            *to = if *from > *to { *from } else { *to };
                        }
                    }
                    continue;
                }
                for (x, to) in row.chunks_exact_mut(channels).enumerate() {
                    for tap in taps(x, 1, input.shape.width) {
                        let from = &from[tap * channels..][..channels];
                        for (to, from) in to.iter_mut().zip(from) {
                            *to = if *from > *to { *from } else { *to };
                        }
                    }
                }
            }
        });
    });
}

/// The mean of each block of pixels; what is left at the ends is left out.
pub(super) fn average_pool(arch: Arch, kernel: [usize; 2], input: &Grid, out: &mut Grid) {
    let channels = input.shape.channels;
    let factor = 1.0 / (kernel[0] * kernel[1]) as f32;
    out.rows(|y, row| {
        arch.dispatch(|| {
            row.fill(0.0);
            for ky in 0..kernel[0] {
                let blocks = input
                    .row(y * kernel[0] + ky)
                    .chunks_exact(kernel[1] * channels);
                for (to, block) in row.chunks_exact_mut(channels).zip(blocks) {
                    for pixel in block.chunks_exact(channels) {
                        for (to, from) in to.iter_mut().zip(pixel) {
                            *to += from * factor;
                        }
                    }
                }
            }
        });
    });
}

/// The mean of everything.
pub(super) fn global_average(arch: Arch, input: &Grid, out: &mut Grid) {
    let channels = input.shape.channels;
    let factor = 1.0 / (input.shape.height * input.shape.width) as f32;
    out.rows(|_, to| {
        arch.dispatch(|| {
            to.fill(0.0);
            for y in 0..input.shape.height {
                for pixel in input.row(y).chunks_exact(channels) {
                    for (to, from) in to.iter_mut().zip(pixel) {
                        *to += from;
                    }
                }
            }
            for to in to.iter_mut() {
                *to *= factor;
            }
        });
    });
}

/// Every pixel times one.
pub(super) fn scale(arch: Arch, input: &Grid, gate: &Grid, out: &mut Grid) {
    let gate = gate.row(0);
    out.rows(|y, row| {
        arch.dispatch(|| {
            let pixels = input.row(y).chunks_exact(gate.len());
            for (to, from) in row.chunks_exact_mut(gate.len()).zip(pixels) {
                for ((to, from), gate) in to.iter_mut().zip(from).zip(gate) {
                    *to = from * gate;
                }
            }
        });
    });
}

/// The sum of two.
pub(super) fn sum(arch: Arch, a: &Grid, b: &Grid, out: &mut Grid) {
    out.rows(|y, row| {
        arch.dispatch(|| {
            for ((to, a), b) in row.iter_mut().zip(a.row(y)).zip(b.row(y)) {
                *to = a + b;
            }
        });
    });
}

/// How a grid is enlarged, and what is added.
pub(super) struct Upsampling<'a> {
    pub(super) factor: usize,
    /// Between neighbours, or the nearest.
    pub(super) linear: bool,
    pub(super) add: Option<&'a Grid>,
    /// What each pixel of that is multiplied by.
    pub(super) gate: Option<&'a Grid>,
}

impl Upsampling<'_> {
    pub(super) fn run(&self, arch: Arch, input: &Grid, out: &mut Grid) {
        let channels = input.shape.channels;
        out.rows(|y, row| {
            arch.dispatch(|| {
                match self.linear {
                    true => self.between(input, y, row),
                    false => self.nearest(input, y, row),
                }
                match (self.add, self.gate) {
                    (Some(add), Some(gate)) => {
                        let pixels = add.row(y).chunks_exact(channels);
                        for (to, add) in row.chunks_exact_mut(channels).zip(pixels) {
                            for ((to, add), gate) in to.iter_mut().zip(add).zip(gate.row(0)) {
                                *to += add * gate;
                            }
                        }
                    }
                    (Some(add), None) => {
                        for (to, add) in row.iter_mut().zip(add.row(y)) {
                            *to += add;
                        }
                    }
                    _ => {}
                }
            });
        });
    }

    #[inline(always)]
    fn nearest(&self, input: &Grid, y: usize, row: &mut [f32]) {
        let channels = input.shape.channels;
        let pixels = input.row(y / self.factor).chunks_exact(channels);
        for (to, from) in row.chunks_exact_mut(self.factor * channels).zip(pixels) {
            for to in to.chunks_exact_mut(channels) {
                to.copy_from_slice(from);
            }
        }
    }

    #[inline(always)]
    fn between(&self, input: &Grid, y: usize, row: &mut [f32]) {
        let channels = input.shape.channels;
        let (above, below, down) = self.neighbours(y, input.shape.height);
        let (above, below) = (input.row(above), input.row(below));
        for (x, to) in row.chunks_exact_mut(channels).enumerate() {
            let (left, right, across) = self.neighbours(x, input.shape.width);
            let pixel =
                |row: &'_ [f32], x: usize| (x * channels, row.len().min((x + 1) * channels));
            let (l, r) = (pixel(above, left), pixel(above, right));
            let [a, b] = [&above[l.0..l.1], &above[r.0..r.1]];
            let [c, d] = [&below[l.0..l.1], &below[r.0..r.1]];
            for ((((to, a), b), c), d) in to.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                let above = a + (b - a) * across;
                let below = c + (d - c) * across;
                *to = above + (below - above) * down;
            }
        }
    }

    /// Between which two a place lies, and how far from the first.
    #[inline(always)]
    fn neighbours(&self, place: usize, length: usize) -> (usize, usize, f32) {
        let at = ((place as f32 + 0.5) / self.factor as f32 - 0.5).clamp(0.0, (length - 1) as f32);
        let first = at as usize;
        (first, (first + 1).min(length - 1), at - first as f32)
    }
}

/// Four pixels of each, two rows of two, that lie as its channels.
pub(super) fn spread(input: &Grid, out: &mut Grid) {
    let pair = 2 * out.shape.channels;
    out.rows(|y, row| {
        let pixels = input.row(y / 2).chunks_exact(2 * pair);
        for (to, from) in row.chunks_exact_mut(pair).zip(pixels) {
            to.copy_from_slice(&from[(y % 2) * pair..][..pair]);
        }
    });
}

/// Of the first channels; the others stay as they are.
pub(super) fn sigmoid(arch: Arch, first: usize, input: &Grid, out: &mut Grid) {
    let channels = input.shape.channels;
    out.rows(|y, row| {
        row.copy_from_slice(input.row(y));
        arch.dispatch(Sigmoid {
            row,
            channels,
            first,
        });
    });
}

struct Sigmoid<'a> {
    row: &'a mut [f32],
    channels: usize,
    first: usize,
}

impl WithSimd for Sigmoid<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for pixel in self.row.chunks_exact_mut(self.channels) {
            Activation::Sigmoid.apply(simd, &mut pixel[..self.first]);
        }
    }
}
