//! Convolutions of each channel by itself.

use pulp::{Arch, Simd, WithSimd};

use super::grid::{Grid, Rows};
use super::window::{Window, groups};

/// Pixels whose sums are made together.
const PIXELS: usize = 8;
/// Rows that are made of one vector of channels before the next.
const ROWS: usize = 16;

/// A depthwise convolution.
pub(super) struct Depthwise {
    window: Window,
    /// `[kernel height * kernel width, channels]`.
    weights: Vec<f32>,
    biases: Vec<f32>,
}

impl Depthwise {
    /// # Errors
    /// Where the weights are not as many as there should be.
    pub(super) fn new(
        window: Window,
        channels: usize,
        weights: Vec<f32>,
        biases: Vec<f32>,
    ) -> Result<Self, String> {
        window.check()?;
        let taps = window.kernel[0] * window.kernel[1];
        if biases.len() != channels || weights.len() != taps * channels {
            return Err(format!("{} weights for {taps} x {channels}", weights.len()));
        }
        Ok(Self {
            window,
            weights,
            biases,
        })
    }

    pub(super) fn window(&self) -> &Window {
        &self.window
    }

    /// All shapes and borders were checked.
    pub(super) fn run(&self, arch: Arch, input: &Grid, out: &mut Grid) {
        out.bands(ROWS, |first, rows| {
            arch.dispatch(Band {
                of: self,
                input,
                first,
                rows,
            });
        });
    }
}

struct Band<'a> {
    of: &'a Depthwise,
    input: &'a Grid,
    first: usize,
    rows: Rows<'a>,
}

impl WithSimd for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let channels = self.input.shape.channels;
        let whole = match channels.is_multiple_of(S::F32_LANES) {
            true => channels,
            false => 0,
        };
        let taps = self.of.window.kernel[0] * self.of.window.kernel[1];
        let mut weights = Vec::with_capacity(taps);
        for vector in 0..whole / S::F32_LANES {
            weights.clear();
            let (all, _) = S::as_simd_f32s(&self.of.weights);
            for tap in 0..taps {
                weights.push(all[tap * channels / S::F32_LANES + vector]);
            }
            for y in 0..self.rows.count() {
                self.vector(simd, vector, &weights, y);
            }
        }
        if whole == 0 {
            self.slowly();
        }
    }
}

impl Band<'_> {
    /// A vector of channels of a row.
    #[inline(always)]
    fn vector<S: Simd>(&mut self, simd: S, vector: usize, weights: &[S::f32s], y: usize) {
        let window = &self.of.window;
        let (all, _) = S::as_simd_f32s(self.input.all());
        let channels = self.input.shape.channels / S::F32_LANES;
        let start = window.start(self.input, self.first + y) / S::F32_LANES + vector;
        let (biases, _) = S::as_simd_f32s(&self.of.biases);
        let (row, _) = S::as_mut_simd_f32s(self.rows.row(y));
        let step = window.stride[1] * channels;
        for (x, pixels) in groups(row.len() / channels, PIXELS) {
            let group = Group::<S> {
                simd,
                all: &all[start + x * step..],
                pitch: self.input.pitch() / S::F32_LANES,
                channels,
                step,
                weights,
                columns: window.kernel[1],
                bias: biases[vector],
            };
            let out = &mut row[x * channels + vector..][..(pixels - 1) * channels + 1];
            match pixels {
                1 => group.run::<1>(out),
                2 => group.run::<2>(out),
                3 => group.run::<3>(out),
                4 => group.run::<4>(out),
                5 => group.run::<5>(out),
                6 => group.run::<6>(out),
                7 => group.run::<7>(out),
                _ => group.run::<PIXELS>(out),
            }
        }
    }

    /// Channels that fill no vectors.
    fn slowly(&mut self) {
        let window = &self.of.window;
        let channels = self.input.shape.channels;
        let all = self.input.all();
        for y in 0..self.rows.count() {
            let start = window.start(self.input, self.first + y);
            for (at, to) in self.rows.row(y).iter_mut().enumerate() {
                let (x, channel) = (at / channels, at % channels);
                let corner = start + x * window.stride[1] * channels + channel;
                *to = self.of.biases[channel];
                for ky in 0..window.kernel[0] {
                    for kx in 0..window.kernel[1] {
                        let tap = (ky * window.kernel[1] + kx) * channels + channel;
                        let from = corner + ky * self.input.pitch() + kx * channels;
                        *to += all[from] * self.of.weights[tap];
                    }
                }
            }
        }
    }
}

/// Neighbouring pixels of a row; all lengths are in vectors.
struct Group<'a, S: Simd> {
    simd: S,
    all: &'a [S::f32s],
    pitch: usize,
    channels: usize,
    step: usize,
    weights: &'a [S::f32s],
    columns: usize,
    bias: S::f32s,
}

impl<S: Simd> Group<'_, S> {
    #[inline(always)]
    fn run<const P: usize>(self, out: &mut [S::f32s]) {
        let mut sums = [self.bias; P];
        let span = (self.columns - 1) * self.channels + 1;
        let mut start = 0;
        for weights in self.weights.chunks_exact(self.columns) {
            let line = &self.all[start..];
            let mut pixels = [&line[..span]; P];
            for p in 0..P {
                pixels[p] = &line[p * self.step..][..span];
            }
            for (kx, weight) in weights.iter().enumerate() {
                let at = kx * self.channels;
                for p in 0..P {
                    sums[p] = self.simd.mul_add_e_f32s(pixels[p][at], *weight, sums[p]);
                }
            }
            start += self.pitch;
        }
        for p in 0..P {
            out[p * self.channels] = sums[p];
        }
    }
}
