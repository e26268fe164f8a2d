//! EfficientNet-Lite0 (Tan & Le 2019; the Lite variants drop squeeze-and-excitation and use
//! ReLU6): 1,000 ImageNet classes.
//!
//! Channels-last throughout, so that a pointwise convolution is one matrix product and the
//! depthwise one runs along the channels ([`super::depthwise`]). Batch norm is folded into the
//! weights.

use candle_core::{Result as CandleResult, Tensor};

use super::EmbedError;
use super::depthwise::{BiasRelu6, DepthwiseRelu6, same_padding};
use super::weights::{CPU, Weights};

/// Side of the square the network takes, in pixels.
pub(super) const SIDE: usize = 224;
const MEAN: f32 = 127.0;
const STD: f32 = 128.0;
const STEM_KERNEL: usize = 3;
const STEM_STRIDE: usize = 2;

/// (blocks, stride of the first) for each stage; kernels and widths are read off the weights.
const STAGES: [(usize, usize); 7] = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)];

pub(super) struct EfficientNetLite0 {
    stem: Dense,
    blocks: Vec<Block>,
    head: Dense,
    classifier: Dense,
}

/// A matrix `[in, out]` and a bias `[out]`.
struct Dense {
    weight: Tensor,
    bias: Tensor,
}

/// Inverted residual (Sandler et al. 2018): widen, filter each channel, narrow.
struct Block {
    expand: Option<Dense>,
    /// `[kernel, kernel, channels]`.
    depthwise: Tensor,
    filter: DepthwiseRelu6,
    project: Dense,
}

impl EfficientNetLite0 {
    pub(super) fn load(weights: &Weights) -> Result<Self, EmbedError> {
        let dense = |name: &str| -> Result<Dense, EmbedError> {
            Ok(Dense {
                weight: weights.tensor(&format!("image.{name}.weight"))?,
                bias: weights.tensor(&format!("image.{name}.bias"))?,
            })
        };
        let strides = STAGES.iter().flat_map(|&(blocks, stride)| {
            (0..blocks).map(move |i| if i == 0 { stride } else { 1 })
        });
        let blocks = strides
            .enumerate()
            .map(|(i, stride)| {
                let name = |part| format!("blocks.{i}.{part}");
                let has_expand = weights.contains(&format!("image.{}.weight", name("expand")));
                let filter = dense(&name("depthwise"))?;
                Ok(Block {
                    expand: has_expand.then(|| dense(&name("expand"))).transpose()?,
                    depthwise: filter.weight,
                    filter: DepthwiseRelu6 {
                        bias: filter.bias.to_vec1()?,
                        stride,
                    },
                    project: dense(&name("project"))?,
                })
            })
            .collect::<Result<_, EmbedError>>()?;
        Ok(Self {
            stem: dense("stem")?,
            blocks,
            head: dense("head")?,
            classifier: dense("classifier")?,
        })
    }

    /// `images`: each `SIDE * SIDE * 3` bytes. Returns `[images, 1000]`.
    pub(super) fn logits(&self, images: &[Vec<u8>]) -> CandleResult<Tensor> {
        let mut patches = Vec::new();
        let side = SIDE.div_ceil(STEM_STRIDE);
        for image in images {
            stem_patches(image, &mut patches);
        }
        let columns = STEM_KERNEL * STEM_KERNEL * 3;
        let patches = Tensor::from_vec(patches, (images.len() * side * side, columns), &CPU)?;
        let x = self.stem.relu6(&patches)?;
        let mut x = x.reshape((images.len(), side, side, ()))?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        let (n, h, w, c) = x.dims4()?;
        let x = self.head.relu6(&x.reshape((n * h * w, c))?)?;
        let pooled = x.reshape((n, h * w, ()))?.mean(1)?;
        self.classifier.linear(&pooled)
    }
}

impl Dense {
    /// `[rows, in]` → `[rows, out]`.
    fn linear(&self, x: &Tensor) -> CandleResult<Tensor> {
        x.matmul(&self.weight)?.broadcast_add(&self.bias)
    }

    fn relu6(&self, x: &Tensor) -> CandleResult<Tensor> {
        let y = x.matmul(&self.weight)?;
        y.inplace_op2(&self.bias, &BiasRelu6)?;
        Ok(y)
    }
}

impl Block {
    /// `[n, h, w, in]` → `[n, h / stride, w / stride, out]`.
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        let (n, h, w, c) = x.dims4()?;
        let wide = match &self.expand {
            Some(expand) => expand
                .relu6(&x.reshape((n * h * w, c))?)?
                .reshape((n, h, w, ()))?,
            None => x.clone(),
        };
        let filtered = wide.apply_op2_no_bwd(&self.depthwise, &self.filter)?;
        let (n, h, w, c) = filtered.dims4()?;
        let y = self.project.linear(&filtered.reshape((n * h * w, c))?)?;
        let y = y.reshape((n, h, w, ()))?;
        if y.shape() == x.shape() { y + x } else { Ok(y) }
    }
}

/// Appends the normalised 3x3 neighbourhoods of every second pixel: `[112 * 112, 27]`.
fn stem_patches(image: &[u8], to: &mut Vec<f32>) {
    let pad = same_padding(SIDE, STEM_KERNEL, STEM_STRIDE) as isize;
    let side = SIDE.div_ceil(STEM_STRIDE);
    to.reserve(side * side * STEM_KERNEL * STEM_KERNEL * 3);
    for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
        for (ky, kx) in (0..STEM_KERNEL).flat_map(|ky| (0..STEM_KERNEL).map(move |kx| (ky, kx))) {
            let iy = (y * STEM_STRIDE + ky) as isize - pad;
            let ix = (x * STEM_STRIDE + kx) as isize - pad;
            let inside = |i: isize| (0..SIDE as isize).contains(&i);
            if inside(iy) && inside(ix) {
                let at = (iy as usize * SIDE + ix as usize) * 3;
                let rgb = &image[at..at + 3];
                to.extend(rgb.iter().map(|&v| (f32::from(v) - MEAN) / STD));
            } else {
                to.extend([0.0; 3]);
            }
        }
    }
}
