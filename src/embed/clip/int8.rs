//! Products of eight-bit integers, four times as many a second as of f32 where a CPU has instructions for
//! them (AVX-512 VNNI).
//!
//! Weights are quantised once, symmetrically, with a scale for each output (Jacob et al. 2018); activations
//! at run time, with a scale and a zero point for each row, so that one picture never changes another's
//! vector ("dynamic quantisation"). Inputs that are always great would leave no room for the others: part
//! of their size is moved to their weights ("SmoothQuant", Xiao et al. 2023). Sums are exact in 32 bits.
//! rten-gemm does the products.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::NdTensorView;

use super::fused::values;

/// Picks the kernel for this machine when it is made, which is cheap; it cannot be shared among threads.
type Executor = GemmExecutor<u8, i8, i32>;

/// An input or a weight below this counts as this.
const LEAST: f32 = 1e-5;

/// A matrix `[in, out]` in eight bits.
pub(super) struct Int8Matrix {
    packed: PackedBMatrix<i8>,
    /// What each input is multiplied with first; its weights are divided by it.
    smoothing: Vec<f32>,
    /// What 1 stands for, for each output.
    scales: Vec<f32>,
    /// Of the weights of each output.
    sums: Vec<i32>,
}

/// Activations in eight bits.
struct Rows {
    values: Vec<u8>,
    /// What 1 stands for, and the value that stands for 0, for each row.
    scales: Vec<(f32, i32)>,
}

impl Int8Matrix {
    /// `weight`: `[in, out]`, f32 on the CPU; `greatest`: how great each input gets.
    pub(super) fn of(weight: &Tensor, greatest: &[f32]) -> Result<Self> {
        let (depth, width) = weight.dims2()?;
        let smoothing = smoothing(weight, greatest)?;
        let divisor = Tensor::new(smoothing.as_slice(), weight.device())?.unsqueeze(1)?;
        let weight = weight.broadcast_div(&divisor)?;
        let executor = Executor::new();
        // Without VNNI two products are added in 16 bits: of 255 and 64 they still fit.
        let range = if executor.may_saturate() { 64.0 } else { 127.0 };
        // As files have it: the weights of one output lie together.
        let rows = weight.t()?.flatten_all()?.to_vec1::<f32>()?;
        let mut values = Vec::with_capacity(depth * width);
        let (mut scales, mut sums) = (Vec::with_capacity(width), Vec::with_capacity(width));
        for row in rows.chunks_exact(depth.max(1)) {
            let most = row.iter().fold(0.0f32, |most, w| most.max(w.abs()));
            let scale = if most > 0.0 { most / range } else { 1.0 };
            let before = values.len();
            values.extend(row.iter().map(|w| (w / scale).round() as i8));
            sums.push(values[before..].iter().map(|&v| i32::from(v)).sum());
            scales.push(scale);
        }
        let quantised = NdTensorView::from_data([width, depth], values.as_slice());
        let packed = executor.prepack_b(quantised.transposed());
        Ok(Self {
            packed,
            smoothing,
            scales,
            sums,
        })
    }

    /// `[rows, in]` times this, `[rows, out]`.
    pub(super) fn product(&self, x: &Tensor) -> Result<Tensor> {
        x.apply_op1_no_bwd(self)
    }

    fn width(&self) -> usize {
        self.scales.len()
    }
}

impl CustomOp1 for Int8Matrix {
    fn name(&self) -> &'static str {
        "int8-product"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (count, depth) = layout.shape().dims2()?;
        let rows = Rows::of(values(x, layout)?, &self.smoothing);
        let mut sums = vec![0i32; count * self.width()];
        let left = NdTensorView::from_data([count, depth], rows.values.as_slice());
        // Zero points are left to `scaled`: rten-gemm 0.27 takes those of the first rows for all.
        let options = GemmOptions::default();
        let (left, right) = (GemmInputA::Unpacked(left), GemmInputB::Packed(&self.packed));
        if let Err(e) = Executor::new().gemm(&mut sums, left, right, options) {
            bail!("an int8 product failed: {e}");
        }
        let products = self.scaled(sums, &rows.scales);
        Ok((CpuStorage::F32(products), (count, self.width()).into()))
    }
}

impl Int8Matrix {
    /// Sums of products to what they stand for, in the same memory.
    fn scaled(&self, mut sums: Vec<i32>, rows: &[(f32, i32)]) -> Vec<f32> {
        pulp::Arch::new().dispatch(|| {
            for (sums, (scale, zero)) in sums.chunks_exact_mut(self.width()).zip(rows) {
                for ((sum, column), weights) in sums.iter_mut().zip(&self.scales).zip(&self.sums) {
                    let exact = (*sum - zero * weights) as f32;
                    *sum = (exact * (scale * column)).to_bits() as i32;
                }
            }
        });
        bytemuck::cast_vec(sums)
    }
}

/// The root of weight over activation shares the range out evenly among the two (SmoothQuant's α of 0.5).
fn smoothing(weight: &Tensor, greatest: &[f32]) -> Result<Vec<f32>> {
    let weights = weight.abs()?.max(1)?.to_vec1::<f32>()?;
    let mut sorted = greatest.to_vec();
    sorted.sort_by(f32::total_cmp);
    // One that has been small so far may still become as great as others are.
    let usual = sorted.get(sorted.len() / 2).map_or(LEAST, |m| m.max(LEAST));
    let both = greatest.iter().zip(weights);
    Ok(both
        .map(|(a, w)| (w.max(LEAST) / a.max(usual)).sqrt())
        .collect())
}

impl Rows {
    fn of(x: &[f32], smoothing: &[f32]) -> Self {
        let depth = smoothing.len();
        let count = x.len() / depth;
        let mut rows = Self {
            values: vec![0; x.len()],
            scales: Vec::with_capacity(count),
        };
        pulp::Arch::new().dispatch(|| {
            let both = x
                .chunks_exact(depth)
                .zip(rows.values.chunks_exact_mut(depth));
            for (x, values) in both {
                rows.scales.push(quantise(x, smoothing, values));
            }
        });
        rows
    }
}

/// One row to eight bits; returns the scale and the zero point. Where a value is not finite the scale is
/// not a number, and so is all that comes of it.
#[inline(always)]
fn quantise(x: &[f32], smoothing: &[f32], values: &mut [u8]) -> (f32, i32) {
    // Zero is always among what can be said exactly.
    let (mut least, mut most) = (0, 0);
    for (x, s) in x.iter().zip(smoothing) {
        let rank = rank((x * s).to_bits());
        least = rank.min(least);
        most = rank.max(most);
    }
    let value = |r: i32| f32::from_bits(rank(r as u32) as u32);
    let (least, most) = (value(least), value(most));
    let range = most - least;
    if !range.is_finite() {
        return (f32::NAN, 0);
    }
    let scale = if range > 0.0 { range / 255.0 } else { 1.0 };
    let (per, zero) = (1.0 / scale, (-least / scale).round());
    for ((x, s), value) in x.iter().zip(smoothing).zip(values) {
        // Adding 1.5 · 2^23 rounds to an integer in the low bits.
        let rounded = (x * s * per + zero).clamp(0.0, 255.0) + 12_582_912.0;
        *value = rounded.to_bits() as u8;
    }
    (scale, zero as i32)
}

/// Orders the bits of floats as their values (IEEE 754 totalOrder), not-a-numbers outermost; its own
/// inverse. Unlike floats, integers may be compared in any order, so many at once.
#[inline(always)]
fn rank(bits: u32) -> i32 {
    let bits = bits as i32;
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use proptest::prelude::*;

    use super::*;

    /// Evenly spread over -0.5 to 0.5.
    fn noise(rows: usize, columns: usize) -> Tensor {
        let value = |i: u32| {
            let h = (i ^ (i >> 7)).wrapping_mul(2_654_435_761);
            let h = (h ^ (h >> 15)).wrapping_mul(2_246_822_519);
            (h >> 8) as f32 / 2f32.powi(24) - 0.5
        };
        let values = (0..(rows * columns) as u32).map(value).collect();
        Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap()
    }

    fn greatest(x: &Tensor) -> Vec<f32> {
        x.abs().unwrap().max(0).unwrap().to_vec1().unwrap()
    }

    /// How far the product is from that of f32, as a share.
    fn off(x: &Tensor, weight: &Tensor, greatest: &[f32]) -> f32 {
        let product = Int8Matrix::of(weight, greatest)
            .unwrap()
            .product(x)
            .unwrap();
        let exact = x.matmul(weight).unwrap();
        let size = |t: &Tensor| {
            let mean = t.sqr().unwrap().mean_all().unwrap();
            mean.to_scalar::<f32>().unwrap().sqrt()
        };
        size(&(product - &exact).unwrap()) / size(&exact)
    }

    #[test]
    fn a_great_input_takes_no_room_from_the_others() {
        let (x, weight) = (noise(50, 96), noise(96, 40));
        // The same product, one input a thousand times as great and its weights as small.
        let factor: Vec<f32> = (0..96).map(|i| if i == 7 { 1000.0 } else { 1.0 }).collect();
        let factor = Tensor::from_vec(factor, 96, &Device::Cpu).unwrap();
        let x = x.broadcast_mul(&factor).unwrap();
        let weight = weight.broadcast_div(&factor.unsqueeze(1).unwrap()).unwrap();
        let known = off(&x, &weight, &greatest(&x));
        let unknown = off(&x, &weight, &[1.0; 96]);
        assert!(known < 0.02 && unknown > 2.0 * known, "{known} {unknown}");
    }

    #[test]
    fn products_are_nearly_those_of_f32() {
        // More rows and outputs than one tile, depths of one block and of several.
        for (rows, depth, width) in [(1, 64, 40), (37, 96, 40), (70, 768, 130), (9, 3072, 64)] {
            // So that each row has another zero point.
            let shifts = (0..rows).map(|i| 0.3 - 0.01 * i as f32).collect();
            let shifts = Tensor::from_vec(shifts, (rows, 1), &Device::Cpu).unwrap();
            let x = noise(rows, depth).broadcast_add(&shifts).unwrap();
            let weight = (noise(depth, width) + 0.1).unwrap();
            let off = off(&x, &weight, &greatest(&x));
            assert!(off > 0.0 && off < 0.02, "{rows} {depth} {width}: {off}");
        }
    }

    #[test]
    fn a_row_that_is_no_number_stays_one_and_alone() {
        let weight = Tensor::ones((4, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        let matrix = Int8Matrix::of(&weight, &[4.0; 4]).unwrap();
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let rows = [[0.0; 4], [1.0, bad, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]];
            let x = Tensor::new(&rows, &Device::Cpu).unwrap();
            let product = matrix.product(&x).unwrap().to_vec2::<f32>().unwrap();
            assert_eq!(product[0], [0.0; 3]);
            assert!(product[1].iter().all(|v| v.is_nan()), "{product:?}");
            assert!(
                product[2].iter().all(|v| (v - 10.0).abs() < 0.1),
                "{product:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_row_is_kept_within_half_a_step(x in prop::collection::vec(-1e4f32..1e4, 1..200)) {
            let mut values = vec![0; x.len()];
            let (scale, zero) = quantise(&x, &vec![1.0; x.len()], &mut values);
            for (x, v) in x.iter().zip(values) {
                let kept = (i32::from(v) - zero) as f32 * scale;
                // Half a step of the value, and half of the zero point.
                prop_assert!((x - kept).abs() <= scale * 1.01, "{x} {kept} {scale}");
            }
        }
    }
}
