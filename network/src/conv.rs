//! Convolutions over all channels.
//!
//! Sums for a few neighbouring pixels times a few vectors of channels stay in registers while the weights and what
//! lies beneath the window pass by. Nothing is copied together beforehand: grids have borders, and the channels of
//! the pixels beneath a row of the window follow each other in memory.

use pulp::{Arch, Simd, WithSimd};

use super::activation::{Activation, add};
use super::grid::{Grid, Line, Rows, aligned};
use super::window::{Window, groups};

/// What a band of rows reads should stay in the second-level cache, in floats.
const BAND: usize = 1 << 16;

/// A convolution of one or more grids, taken as one with all of their channels.
pub(super) struct Conv {
    window: Window,
    /// Of each input.
    sources: Vec<usize>,
    channels: usize,
    activation: Activation,
    blocks: Vec<Block>,
    /// By blocks, each by inputs, rows of the window, its columns, channels in and channels out.
    weights: Vec<Line>,
    biases: Vec<Line>,
}

/// Channels that are made together.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    /// How many vectors.
    vectors: usize,
    /// Where its weights and biases start, in lines.
    weights: usize,
    biases: usize,
}

/// What the machine's vectors are.
#[derive(Clone, Copy)]
struct Vectors {
    lanes: usize,
    many: bool,
}

struct Ask;

impl WithSimd for Ask {
    type Output = Vectors;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vectors {
        Vectors {
            lanes: S::F32_LANES,
            many: S::REGISTER_COUNT >= 32,
        }
    }
}

impl Vectors {
    /// How many vectors each block has.
    fn blocks(self, channels: usize) -> Vec<usize> {
        let vectors = channels.div_ceil(self.lanes);
        let most = match vectors {
            3 => 3,
            _ if self.many && (vectors.is_multiple_of(3) || !vectors.is_multiple_of(2)) => 3,
            _ => 2,
        };
        groups(vectors, most).map(|(_, count)| count).collect()
    }
}

impl Conv {
    /// `weights` are `[kernel height * kernel width * channels in, channels out]`.
    ///
    /// # Errors
    /// Where the weights are not as many as there should be.
    pub(super) fn new(
        arch: Arch,
        window: Window,
        sources: Vec<usize>,
        activation: Activation,
        (weights, biases): (&[f32], &[f32]),
    ) -> Result<Self, String> {
        window.check()?;
        let channels = biases.len();
        let taps = window.kernel[0] * window.kernel[1];
        let depth = taps * sources.iter().sum::<usize>();
        if depth * channels != weights.len() || depth * channels == 0 {
            return Err(format!(
                "{} weights for {depth} x {channels}",
                weights.len()
            ));
        }
        let mut conv = Self {
            window,
            sources,
            channels,
            activation,
            blocks: Vec::new(),
            weights: Vec::new(),
            biases: Vec::new(),
        };
        let vectors = arch.dispatch(Ask);
        let mut first = 0;
        for count in vectors.blocks(channels) {
            let width = count * vectors.lanes;
            conv.blocks.push(Block {
                first,
                vectors: count,
                weights: conv.weights.len(),
                biases: conv.biases.len(),
            });
            let of_block = first..channels.min(first + width);
            let mut packed = Vec::with_capacity(depth * width);
            for row in conv.order() {
                let row = &weights[row * channels..][..channels];
                packed.extend_from_slice(&row[of_block.clone()]);
                packed.resize(packed.len().next_multiple_of(width), 0.0);
            }
            conv.weights.extend(aligned(&packed));
            let mut packed = biases[of_block].to_vec();
            packed.resize(width, 0.0);
            conv.biases.extend(aligned(&packed));
            first += width;
        }
        Ok(conv)
    }

    /// The rows of the weights in the order in which they are used.
    fn order(&self) -> Vec<usize> {
        let [height, width] = self.window.kernel;
        let depth: usize = self.sources.iter().sum();
        let mut rows = Vec::new();
        let mut before = 0;
        for source in &self.sources {
            for tap in 0..height * width {
                rows.extend((0..*source).map(|c| tap * depth + before + c));
            }
            before += source;
        }
        rows
    }

    pub(super) fn window(&self) -> &Window {
        &self.window
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// All shapes and borders were checked.
    pub(super) fn run(&self, arch: Arch, inputs: &[&Grid], add: Option<&Grid>, out: &mut Grid) {
        let read: usize = inputs.iter().map(|g| g.pitch()).sum();
        let rows = BAND / (read * self.window.stride[0]).max(1);
        out.bands(rows.max(1), |first, rows| {
            arch.dispatch(Band {
                conv: self,
                inputs,
                add,
                first,
                rows,
            });
        });
    }
}

/// Some rows of what a convolution makes.
struct Band<'a> {
    conv: &'a Conv,
    inputs: &'a [&'a Grid],
    add: Option<&'a Grid>,
    first: usize,
    rows: Rows<'a>,
}

impl WithSimd for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for block in &self.conv.blocks {
            match block.vectors {
                1 => self.block::<S, 1>(simd, block),
                2 => self.block::<S, 2>(simd, block),
                _ => self.block::<S, 3>(simd, block),
            }
        }
    }
}

impl Band<'_> {
    #[inline(always)]
    fn block<S: Simd, const V: usize>(&mut self, simd: S, block: &Block) {
        let most = match V {
            _ if S::REGISTER_COUNT >= 32 => 8,
            1 => 8,
            2 => 6,
            _ => 4,
        };
        let count = V * S::F32_LANES;
        let weights = bytemuck::cast_slice(&self.conv.weights[block.weights..]);
        let (weights, _) = S::as_simd_f32s(weights);
        let biases: &[f32] = bytemuck::cast_slice(&self.conv.biases[block.biases..]);
        let (biases, _) = S::as_simd_f32s(&biases[..count]);
        let channels = self.conv.channels;
        let used = count.min(channels - block.first);
        for y in 0..self.rows.count() {
            let at = self.first + y;
            for (x, pixels) in groups(self.rows.row(y).len() / channels, most) {
                let tile = Tile {
                    conv: self.conv,
                    inputs: self.inputs,
                    weights,
                    biases,
                    x,
                    y: at,
                };
                let start = x * channels + block.first;
                let out = &mut self.rows.row(y)[start..][..(pixels - 1) * channels + used];
                match pixels {
                    1 => tile.run::<1, V>(simd, out),
                    2 => tile.run::<2, V>(simd, out),
                    3 => tile.run::<3, V>(simd, out),
                    4 => tile.run::<4, V>(simd, out),
                    5 => tile.run::<5, V>(simd, out),
                    6 => tile.run::<6, V>(simd, out),
                    7 => tile.run::<7, V>(simd, out),
                    _ => tile.run::<8, V>(simd, out),
                }
                // Where the block has all channels, the pixels follow each other.
                let (length, step) = match used == channels {
                    true => (out.len(), out.len()),
                    false => (used, channels),
                };
                for (pixel, values) in out.chunks_mut(step).enumerate() {
                    let values = &mut values[..length];
                    self.conv.activation.apply(simd, values);
                    if let Some(grid) = self.add {
                        let from = start + pixel * step;
                        add(simd, values, &grid.row(at)[from..from + length]);
                    }
                }
            }
        }
    }
}

/// A few pixels of a row, times a block of channels.
struct Tile<'a, S: Simd> {
    conv: &'a Conv,
    inputs: &'a [&'a Grid],
    weights: &'a [S::f32s],
    biases: &'a [S::f32s],
    x: usize,
    y: usize,
}

impl<S: Simd> Tile<'_, S> {
    /// `P` pixels times `V` vectors.
    // See `accumulate`.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn run<const P: usize, const V: usize>(self, simd: S, out: &mut [f32]) {
        let mut sums = [[simd.splat_f32s(0.0); V]; P];
        for p in 0..P {
            for v in 0..V {
                sums[p][v] = self.biases[v];
            }
        }
        let window = &self.conv.window;
        let mut weights = self.weights;
        for grid in self.inputs {
            let step = window.stride[1] * grid.shape.channels;
            let length = window.kernel[1] * grid.shape.channels;
            let mut start = window.start(grid, self.y) + self.x * step;
            for _ in 0..window.kernel[0] {
                let line = &grid.all()[start..start + (P - 1) * step + length];
                let (of_row, rest) = weights.split_at(length * V);
                sums = accumulate(simd, sums, line, step, of_row);
                weights = rest;
                start += grid.pitch();
            }
        }
        store(simd, &sums, self.conv.channels, out);
    }
}

/// Sums and the products of one row of the window.
// Plain indices keep the sums in registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
fn accumulate<S: Simd, const P: usize, const V: usize>(
    simd: S,
    mut sums: [[S::f32s; V]; P],
    line: &[f32],
    step: usize,
    weights: &[S::f32s],
) -> [[S::f32s; V]; P] {
    let (weights, _) = weights.as_chunks::<V>();
    let length = weights.len();
    let mut pixels = [&line[..length]; P];
    for p in 0..P {
        pixels[p] = &line[p * step..][..length];
    }
    for k in 0..length {
        let weights = weights[k];
        for p in 0..P {
            let value = simd.splat_f32s(pixels[p][k]);
            for v in 0..V {
                sums[p][v] = simd.mul_add_e_f32s(value, weights[v], sums[p][v]);
            }
        }
    }
    sums
}

/// Writes sums to pixels that lie `step` apart; the last has only the channels that there are.
#[inline(always)]
fn store<S: Simd, const P: usize, const V: usize>(
    simd: S,
    sums: &[[S::f32s; V]; P],
    step: usize,
    out: &mut [f32],
) {
    let used = out.len() - (P - 1) * step;
    for (p, sums) in sums.iter().enumerate() {
        let (vectors, rest) = S::as_mut_simd_f32s(&mut out[p * step..][..used]);
        if vectors.len() == V {
            vectors.copy_from_slice(sums);
        } else {
            let whole = vectors.len();
            vectors.copy_from_slice(&sums[..whole]);
            simd.partial_store_f32s(rest, sums[whole]);
        }
    }
}
