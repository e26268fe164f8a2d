//! The two steps candle has no fast CPU form of: a depthwise convolution over channels-last
//! tensors, and bias with ReLU6 in place.
//!
//! candle's grouped convolution runs one group at a time; here a block of channels stays in
//! registers while the kernel's taps pass by. `pulp` picks the widest instructions the machine
//! has at run time.

use candle_core::{CpuStorage, CustomOp2, InplaceOp2, Layout, Result, Shape, bail};

/// Channels kept in registers; every width of the network is a multiple.
const LANES: usize = 16;

/// Rows or columns of zeros put before a side of `size` by TensorFlow's SAME padding.
pub(super) fn same_padding(size: usize, kernel: usize, stride: usize) -> usize {
    let out = size.div_ceil(stride);
    ((out - 1) * stride + kernel).saturating_sub(size) / 2
}

/// `[n, h, w, c]` filtered by `[k, k, c]`, then bias and ReLU6; SAME padding.
pub(super) struct DepthwiseRelu6 {
    pub(super) bias: Vec<f32>,
    pub(super) stride: usize,
}

impl CustomOp2 for DepthwiseRelu6 {
    fn name(&self) -> &'static str {
        "depthwise-relu6"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, h, w, c) = x_layout.shape().dims4()?;
        let (kernel, _, channels) = weight_layout.shape().dims3()?;
        if channels != c || self.bias.len() != c || c % LANES != 0 {
            bail!("depthwise: {c} channels against {channels} filters");
        }
        let x = contiguous(x, x_layout)?;
        let weight = contiguous(weight, weight_layout)?;
        let (oh, ow) = (h.div_ceil(self.stride), w.div_ceil(self.stride));
        let mut out = vec![0f32; n * oh * ow * c];
        let geometry = Geometry {
            h,
            w,
            c,
            kernel,
            stride: self.stride,
            pad_y: same_padding(h, kernel, self.stride),
            pad_x: same_padding(w, kernel, self.stride),
        };
        let arch = pulp::Arch::new();
        for (image, out) in x
            .chunks_exact(h * w * c)
            .zip(out.chunks_exact_mut(oh * ow * c))
        {
            for (y, row) in out.chunks_exact_mut(ow * c).enumerate() {
                arch.dispatch(|| geometry.row(y, image, weight, &self.bias, row));
            }
        }
        Ok((CpuStorage::F32(out), Shape::from((n, oh, ow, c))))
    }
}

struct Geometry {
    h: usize,
    w: usize,
    c: usize,
    kernel: usize,
    stride: usize,
    pad_y: usize,
    pad_x: usize,
}

impl Geometry {
    /// Fills row `y` of the output, `[ow, c]`.
    #[inline(always)]
    fn row(&self, y: usize, image: &[f32], weight: &[f32], bias: &[f32], out: &mut [f32]) {
        let taps = |at: usize, pad: usize, size: usize| {
            let first = pad.saturating_sub(at);
            first..self.kernel.min(size + pad - at)
        };
        let top = y * self.stride;
        let rows = taps(top, self.pad_y, self.h);
        for (x, pixel) in out.chunks_exact_mut(self.c).enumerate() {
            let left = x * self.stride;
            let columns = taps(left, self.pad_x, self.w);
            for (block, to) in pixel.chunks_exact_mut(LANES).enumerate() {
                let c = block * LANES;
                let mut sum = [0f32; LANES];
                sum.copy_from_slice(&bias[c..c + LANES]);
                for ky in rows.clone() {
                    let iy = top + ky - self.pad_y;
                    for kx in columns.clone() {
                        let ix = left + kx - self.pad_x;
                        let at = (iy * self.w + ix) * self.c + c;
                        let from = &image[at..at + LANES];
                        let tap = (ky * self.kernel + kx) * self.c + c;
                        let by = &weight[tap..tap + LANES];
                        for i in 0..LANES {
                            sum[i] += from[i] * by[i];
                        }
                    }
                }
                for i in 0..LANES {
                    to[i] = sum[i].clamp(0.0, 6.0);
                }
            }
        }
    }
}

/// `min(max(x + bias, 0), 6)` in place; `bias` runs along the last dimension.
pub(super) struct BiasRelu6;

impl InplaceOp2 for BiasRelu6 {
    fn name(&self) -> &'static str {
        "bias-relu6"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<()> {
        let bias = contiguous(bias, bias_layout)?;
        let (Some((start, end)), CpuStorage::F32(x)) = (x_layout.contiguous_offsets(), x) else {
            bail!("bias-relu6: wants contiguous f32");
        };
        pulp::Arch::new().dispatch(|| {
            for row in x[start..end].chunks_exact_mut(bias.len()) {
                for (v, b) in row.iter_mut().zip(bias) {
                    *v = (*v + b).clamp(0.0, 6.0);
                }
            }
        });
        Ok(())
    }
}

fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (layout.contiguous_offsets(), storage) {
        (Some((start, end)), CpuStorage::F32(values)) => Ok(&values[start..end]),
        _ => bail!("depthwise: wants contiguous f32"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Tensor};

    /// Against candle's own grouped convolution, padded by hand.
    #[test]
    fn agrees_with_candles_grouped_convolution() {
        for (side, kernel, stride) in [(9, 3, 1), (8, 3, 2), (9, 5, 2), (7, 5, 1), (2, 5, 1)] {
            let c = 2 * LANES;
            let x = Tensor::randn(0f32, 1.0, (2, side, side, c), &Device::Cpu).unwrap();
            let w = Tensor::randn(0f32, 1.0, (kernel, kernel, c), &Device::Cpu).unwrap();
            let bias = vec![0.5f32; c];
            let ours = x
                .apply_op2_no_bwd(&w, &DepthwiseRelu6 { bias, stride })
                .unwrap();

            let before = same_padding(side, kernel, stride);
            let total = (side.div_ceil(stride) - 1) * stride + kernel - side;
            let pad = |t: &Tensor, d| t.pad_with_zeros(d, before, total - before).unwrap();
            let nchw = pad(&pad(&x.permute((0, 3, 1, 2)).unwrap(), 2), 3);
            let filters = w.permute((2, 0, 1)).unwrap().unsqueeze(1).unwrap();
            let theirs = nchw
                .conv2d(&filters.contiguous().unwrap(), 0, stride, 1, c)
                .and_then(|t| t + 0.5)
                .and_then(|t| t.clamp(0f32, 6f32))
                .and_then(|t| t.permute((0, 2, 3, 1)))
                .unwrap();
            let worst = (ours - theirs)
                .and_then(|d| d.abs()?.max_all()?.to_scalar::<f32>())
                .unwrap();
            assert!(worst < 1e-4, "{side} {kernel} {stride}: {worst}");
        }
    }
}
