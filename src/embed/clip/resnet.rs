//! CLIP's modified ResNet (Radford et al. 2021, 2.4): three convolutions in the stem, average
//! pooling wherever ResNet strides, and attention pooling at the end. Batch norm is folded into
//! the convolutions as they are loaded.

use candle_core::{D, Module, Result as CandleResult, Tensor};
use candle_nn::ops::softmax_last_dim;
use candle_nn::{Conv2d, Conv2dConfig};

use super::ClipError;
use super::transformer::Linear;
use super::weights::Weights;

const NORM_EPS: f64 = 1e-5;
/// Output channels of a bottleneck for each of its inner ones.
const EXPANSION: usize = 4;

pub(super) struct ResNet {
    stem: [Conv2d; 3],
    blocks: Vec<Bottleneck>,
    pool: AttentionPool,
}

struct Bottleneck {
    convs: [Conv2d; 3],
    stride: usize,
    /// Where the shortcut must change shape.
    shortcut: Option<Conv2d>,
}

/// A convolution with its batch norm folded in.
fn conv(
    w: &Weights,
    (conv, norm): (&str, &str),
    (from, to): (usize, usize),
    kernel: usize,
    stride: usize,
) -> Result<Conv2d, ClipError> {
    let weight = w.exact(&format!("{conv}.weight"), &[to, from, kernel, kernel])?;
    let of = |part: &str| w.exact(&format!("{norm}.{part}"), &[to]);
    let deviation = (of("running_var")? + NORM_EPS)?.sqrt()?;
    let scale = (of("weight")? / deviation)?;
    let bias = (of("bias")? - (of("running_mean")? * &scale)?)?;
    let weight = weight.broadcast_mul(&scale.reshape((to, 1, 1, 1))?)?;
    let config = Conv2dConfig {
        padding: kernel / 2,
        stride,
        ..Default::default()
    };
    Ok(Conv2d::new(
        w.placed(weight)?,
        Some(w.placed(bias)?),
        config,
    ))
}

impl ResNet {
    pub(super) fn load(
        w: &Weights,
        blocks: [usize; 4],
        width: usize,
        heads: usize,
        image_size: usize,
        dim: usize,
    ) -> Result<Self, ClipError> {
        let stem = |i: usize, from, to, stride| {
            let names = (format!("visual.conv{i}"), format!("visual.bn{i}"));
            conv(w, (&names.0, &names.1), (from, to), 3, stride)
        };
        let stem = [
            stem(1, 3, width / 2, 2)?,
            stem(2, width / 2, width / 2, 1)?,
            stem(3, width / 2, width, 1)?,
        ];
        let mut from = width;
        let mut layers = Vec::new();
        for (stage, count) in blocks.into_iter().enumerate() {
            let inner = width << stage;
            for i in 0..count {
                let stride = if i == 0 && stage > 0 { 2 } else { 1 };
                let name = format!("visual.layer{}.{i}", stage + 1);
                layers.push(Bottleneck::load(w, &name, from, inner, stride)?);
                from = inner * EXPANSION;
            }
        }
        let pool = AttentionPool::load(w, from, heads, image_size / 32, dim)?;
        Ok(Self {
            stem,
            blocks: layers,
            pool,
        })
    }

    /// `[n, 3, side, side]` → `[n, dim]`, not normalised.
    pub(super) fn forward(&self, images: &Tensor) -> CandleResult<Tensor> {
        let mut x = images.clone();
        for conv in &self.stem {
            x = conv.forward(&x)?.relu()?;
        }
        x = x.avg_pool2d(2)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        self.pool.forward(&x)
    }
}

impl Bottleneck {
    fn load(
        w: &Weights,
        name: &str,
        from: usize,
        inner: usize,
        stride: usize,
    ) -> Result<Self, ClipError> {
        let part = |i: usize, from, to, kernel| {
            let names = (format!("{name}.conv{i}"), format!("{name}.bn{i}"));
            conv(w, (&names.0, &names.1), (from, to), kernel, 1)
        };
        let to = inner * EXPANSION;
        let shortcut = (stride > 1 || from != to).then(|| {
            let names = (
                format!("{name}.downsample.0"),
                format!("{name}.downsample.1"),
            );
            conv(w, (&names.0, &names.1), (from, to), 1, 1)
        });
        Ok(Self {
            convs: [
                part(1, from, inner, 1)?,
                part(2, inner, inner, 3)?,
                part(3, inner, to, 1)?,
            ],
            stride,
            shortcut: shortcut.transpose()?,
        })
    }

    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        let pooled = |t: Tensor| match self.stride {
            1 => Ok(t),
            s => t.avg_pool2d(s),
        };
        let y = self.convs[0].forward(x)?.relu()?;
        let y = pooled(self.convs[1].forward(&y)?.relu()?)?;
        let y = self.convs[2].forward(&y)?;
        let x = match &self.shortcut {
            Some(conv) => conv.forward(&pooled(x.clone())?)?,
            None => x.clone(),
        };
        (y + x)?.relu()
    }
}

/// One attention whose query is the mean of all positions.
struct AttentionPool {
    positions: Tensor,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
}

impl AttentionPool {
    fn load(
        w: &Weights,
        width: usize,
        heads: usize,
        grid: usize,
        dim: usize,
    ) -> Result<Self, ClipError> {
        let linear = |n: &str, to| Linear::load(w, &format!("visual.attnpool.{n}_proj"), width, to);
        let tokens = grid * grid + 1;
        Ok(Self {
            positions: w.tensor("visual.attnpool.positional_embedding", &[tokens, width])?,
            query: linear("q", width)?,
            key: linear("k", width)?,
            value: linear("v", width)?,
            out: linear("c", dim)?,
            heads,
        })
    }

    /// `[n, width, grid, grid]` → `[n, dim]`.
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        let (n, width, _, _) = x.dims4()?;
        let x = x.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
        let x = Tensor::cat(&[&x.mean_keepdim(1)?, &x], 1)?;
        let x = x.broadcast_add(&self.positions)?;
        let tokens = x.dim(1)?;
        let head = width / self.heads;
        let split = |t: Tensor, tokens| {
            t.reshape((n, tokens, self.heads, head))?
                .transpose(1, 2)?
                .contiguous()
        };
        let q = split(self.query.forward(&x.narrow(1, 0, 1)?.contiguous()?)?, 1)?;
        let k = split(self.key.forward(&x)?, tokens)?;
        let v = split(self.value.forward(&x)?, tokens)?;
        let scale = 1.0 / (head as f64).sqrt();
        let scores = (q * scale)?.matmul(&k.transpose(D::Minus2, D::Minus1)?)?;
        let mixed = softmax_last_dim(&scores)?.matmul(&v)?;
        self.out
            .forward(&mixed.transpose(1, 2)?.reshape((n, width))?)
    }
}
