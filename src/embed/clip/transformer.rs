//! The pre-norm transformer both towers are made of (Radford et al. 2019; Dosovitskiy et al.
//! 2021).

use std::sync::{Mutex, PoisonError};

use candle_core::{Result as CandleResult, Tensor};
use candle_nn::ops::softmax_last_dim;
use candle_nn::{LayerNorm, Module};
use rayon::prelude::*;

use super::ClipError;
use super::config::{Activation, Layout, Tower};
use super::fused::{activate, add_bias, add_residual, is_fused, scaled_softmax};
use super::int8::Int8Matrix;
use super::packed::PackedMatrix;
use super::weights::Weights;

pub(super) const NORM_EPS: f64 = 1e-5;

/// `x W + b`.
pub(super) struct Linear {
    weight: Weight,
    pub(super) bias: Tensor,
}

enum Weight {
    /// `[in, out]`, the order in which a product reads it.
    Float(Tensor),
    /// For few rows at once.
    Packed(PackedMatrix),
    /// As `Float`, and the greatest activation each input has had.
    Watched(Tensor, Mutex<Vec<f32>>),
    Int8(Int8Matrix),
}

impl Linear {
    pub(super) fn load(w: &Weights, name: &str, from: usize, to: usize) -> Result<Self, ClipError> {
        Ok(Self {
            weight: Weight::Float(w.turned(&format!("{name}.weight"), [to, from])?),
            bias: w.tensor(&format!("{name}.bias"), &[to])?,
        })
    }

    /// Query, key and value of one width, joined to one product.
    pub(super) fn joined(w: &Weights, names: [&str; 3], width: usize) -> Result<Self, ClipError> {
        let turned = |name| w.turned(&format!("{name}.weight"), [width, width]);
        let bias = |name| w.tensor(&format!("{name}.bias"), &[width]);
        let weights = names.into_iter().map(turned);
        let weights = weights.collect::<Result<Vec<_>, ClipError>>()?;
        let biases = names.into_iter().map(bias);
        let biases = biases.collect::<Result<Vec<_>, ClipError>>()?;
        Ok(Self {
            weight: Weight::Float(Tensor::cat(&weights, 1)?),
            bias: Tensor::cat(&biases, 0)?,
        })
    }

    /// `[…, in]` → `[…, out]`.
    pub(super) fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        add_bias(self.product(x)?, &self.bias)
    }

    /// The same without the bias, which the step that follows adds.
    pub(super) fn product(&self, x: &Tensor) -> CandleResult<Tensor> {
        let mut shape = x.dims().to_vec();
        let width = shape.pop().unwrap_or(0);
        let rows: usize = shape.iter().product();
        let x = x.reshape((rows, width))?;
        let y = match &self.weight {
            Weight::Float(weight) => x.matmul(weight)?,
            Weight::Packed(matrix) => matrix.product(&x)?,
            Weight::Watched(weight, greatest) => {
                watch(&x, greatest)?;
                x.matmul(weight)?
            }
            Weight::Int8(matrix) => matrix.product(&x)?,
        };
        shape.push(y.dim(1)?);
        y.reshape(shape)
    }

    fn pack(&mut self) -> CandleResult<()> {
        if let Weight::Float(weight) = &self.weight
            && is_fused(weight)
        {
            self.weight = Weight::Packed(PackedMatrix::of(weight)?);
        }
        Ok(())
    }

    fn watch(&mut self) -> CandleResult<()> {
        if let Weight::Float(weight) = &self.weight {
            let greatest = Mutex::new(vec![0.0; weight.dim(0)?]);
            self.weight = Weight::Watched(weight.clone(), greatest);
        }
        Ok(())
    }

    fn quantise(&mut self) -> CandleResult<()> {
        if let Weight::Watched(weight, greatest) = &self.weight {
            let greatest = greatest.lock().unwrap_or_else(PoisonError::into_inner);
            let matrix = Int8Matrix::of(weight, &greatest)?;
            drop(greatest);
            self.weight = Weight::Int8(matrix);
        }
        Ok(())
    }
}

/// `x`: `[rows, in]`.
fn watch(x: &Tensor, greatest: &Mutex<Vec<f32>>) -> CandleResult<()> {
    let here = x.abs()?.max(0)?.to_vec1::<f32>()?;
    let mut greatest = greatest.lock().unwrap_or_else(PoisonError::into_inner);
    for (greatest, here) in greatest.iter_mut().zip(here) {
        *greatest = greatest.max(here);
    }
    Ok(())
}

pub(super) fn layer_norm(w: &Weights, name: &str, width: usize) -> Result<LayerNorm, ClipError> {
    layer_norm_eps(w, name, width, NORM_EPS)
}

pub(super) fn layer_norm_eps(
    w: &Weights,
    name: &str,
    width: usize,
    eps: f64,
) -> Result<LayerNorm, ClipError> {
    let weight = w.tensor(&format!("{name}.weight"), &[width])?;
    let bias = w.tensor(&format!("{name}.bias"), &[width])?;
    Ok(LayerNorm::new(weight, bias, eps))
}

/// A stack of blocks of which one row is read in the end.
pub(super) struct Transformer {
    blocks: Vec<Block>,
}

struct Block {
    ln_1: LayerNorm,
    /// Query, key and value in one product.
    qkv: Linear,
    out: Linear,
    ln_2: LayerNorm,
    fc: Linear,
    proj: Linear,
    activation: Activation,
    heads: usize,
}

impl Transformer {
    /// `prefix` ends before the number of the block.
    pub(super) fn load(
        w: &Weights,
        prefix: &str,
        layout: Layout,
        tower: Tower,
        activation: Activation,
    ) -> Result<Self, ClipError> {
        let blocks = (0..tower.layers)
            .into_par_iter()
            .map(|i| Block::load(w, &format!("{prefix}.{i}"), layout, tower, activation))
            .collect::<Result<_, _>>()?;
        Ok(Self { blocks })
    }

    /// Lays the weights out for products of few rows, where the CPU computes in f32.
    pub(super) fn pack(&mut self) -> CandleResult<()> {
        self.each_linear(Linear::pack)
    }

    /// Remembers from now on how great the activations are that come to each product.
    pub(super) fn watch(&mut self) -> CandleResult<()> {
        self.each_linear(Linear::watch)
    }

    /// Computes watched products in eight bits from now on; norms and attention stay as they are.
    pub(super) fn quantise(&mut self) -> CandleResult<()> {
        self.each_linear(Linear::quantise)
    }

    fn each_linear(&mut self, f: fn(&mut Linear) -> CandleResult<()>) -> CandleResult<()> {
        self.blocks.par_iter_mut().try_for_each(|b| {
            let all = [&mut b.qkv, &mut b.out, &mut b.fc, &mut b.proj];
            all.into_iter().try_for_each(f)
        })
    }

    /// `x`: `[n, tokens, width]`. Returns row `row` of the last block, `[n, width]`: the one that
    /// is read, so of the last block only that one is computed. `mask` is added to the scores,
    /// `[tokens, tokens]`.
    pub(super) fn forward_row(
        &self,
        x: &Tensor,
        row: usize,
        mask: Option<&Tensor>,
    ) -> CandleResult<Tensor> {
        let mut x = x.clone();
        let Some((last, blocks)) = self.blocks.split_last() else {
            return x.narrow(1, row, 1)?.squeeze(1);
        };
        for block in blocks {
            x = block.forward(&x, None, mask)?;
        }
        let mask = mask.map(|m| m.narrow(0, row, 1)).transpose()?;
        last.forward(&x, Some(row), mask.as_ref())?.squeeze(1)
    }
}

impl Block {
    fn load(
        w: &Weights,
        name: &str,
        layout: Layout,
        tower: Tower,
        activation: Activation,
    ) -> Result<Self, ClipError> {
        let (width, mlp) = (tower.width, tower.mlp_width);
        let part = |p: &str| format!("{name}.{p}");
        let linear = |p: &str, from, to| Linear::load(w, &part(p), from, to);
        let norm = |p: &str| layer_norm(w, &part(p), width);
        let (qkv, names) = match layout {
            Layout::OpenClip => {
                let qkv = Linear {
                    weight: Weight::Float(
                        w.turned(&part("attn.in_proj_weight"), [3 * width, width])?,
                    ),
                    bias: w.tensor(&part("attn.in_proj_bias"), &[3 * width])?,
                };
                (
                    qkv,
                    ["ln_1", "attn.out_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"],
                )
            }
            Layout::Transformers => {
                let [q, k, v] = ["q", "k", "v"].map(|n| part(&format!("self_attn.{n}_proj")));
                let qkv = Linear::joined(w, [&q, &k, &v], width)?;
                let names = [
                    "layer_norm1",
                    "self_attn.out_proj",
                    "layer_norm2",
                    "mlp.fc1",
                    "mlp.fc2",
                ];
                (qkv, names)
            }
        };
        Ok(Self {
            ln_1: norm(names[0])?,
            qkv,
            out: linear(names[1], width, width)?,
            ln_2: norm(names[2])?,
            fc: linear(names[3], width, mlp)?,
            proj: linear(names[4], mlp, width)?,
            activation,
            heads: tower.heads,
        })
    }

    /// `[n, tokens, width]` → the same, or `[n, 1, width]` where only `row` is wanted.
    fn forward(
        &self,
        x: &Tensor,
        row: Option<usize>,
        mask: Option<&Tensor>,
    ) -> CandleResult<Tensor> {
        let normed = self.ln_1.forward(x)?;
        let attended = attend(&self.qkv, self.heads, &normed, row, mask)?;
        let x = match row {
            Some(row) => x.narrow(1, row, 1)?,
            None => x.clone(),
        };
        let x = add_residual(self.out.product(&attended)?, &self.out.bias, &x)?;
        let wide = self.fc.product(&self.ln_2.forward(&x)?)?;
        let wide = activate(wide, &self.fc.bias, self.activation)?;
        add_residual(self.proj.product(&wide)?, &self.proj.bias, &x)
    }
}

/// Multi-head attention, before its output product. `x`: `[n, tokens, width]`, normed where the
/// block does so; `row`: the only one wanted; `mask` is added to the scores.
pub(super) fn attend(
    qkv: &Linear,
    heads: usize,
    x: &Tensor,
    row: Option<usize>,
    mask: Option<&Tensor>,
) -> CandleResult<Tensor> {
    let (n, tokens, width) = x.dims3()?;
    let head = width / heads;
    let scale = 1.0 / (head as f32).sqrt();
    let qkv = qkv.forward(x)?.reshape((n, tokens, 3, heads, head))?;
    if !is_fused(&qkv) {
        return attend_together(&qkv, scale, row, mask);
    }
    // One picture at a time: the products read queries, keys and values where they lie.
    let attended = (0..n).map(|i| {
        let part = |p| qkv.get(i)?.narrow(1, p, 1)?.squeeze(1)?.transpose(0, 1);
        let (mut q, k, v) = (part(0)?, part(1)?, part(2)?);
        if let Some(row) = row {
            q = q.narrow(1, row, 1)?;
        }
        let mut scores = q.matmul(&k.t()?)?;
        if let Some(mask) = mask {
            scores = scores.broadcast_add(mask)?;
        }
        let mixed = scaled_softmax(scores, scale)?.matmul(&v)?;
        let rows = mixed.dim(1)?;
        mixed.transpose(0, 1)?.reshape((1, rows, width))
    });
    Tensor::cat(&attended.collect::<CandleResult<Vec<_>>>()?, 0)
}

/// The same with all pictures in one product, as a GPU wants it. `qkv`: `[n, tokens, 3, heads,
/// head]`.
fn attend_together(
    qkv: &Tensor,
    scale: f32,
    row: Option<usize>,
    mask: Option<&Tensor>,
) -> CandleResult<Tensor> {
    let (n, _, _, heads, head) = qkv.dims5()?;
    #[cfg(feature = "flash-attn")]
    if qkv.device().is_cuda() {
        // Its causal mask is for whole sentences; of the last block one row sees all.
        let part = |p| qkv.narrow(2, p, 1)?.squeeze(2)?.contiguous();
        let (mut q, k, v) = (part(0)?, part(1)?, part(2)?);
        if let Some(row) = row {
            q = q.narrow(1, row, 1)?.contiguous()?;
        }
        let causal = mask.is_some() && row.is_none();
        let mixed = candle_flash_attn::flash_attn(&q, &k, &v, scale, causal)?;
        let rows = mixed.dim(1)?;
        return mixed.reshape((n, rows, heads * head));
    }
    let part = |p| {
        qkv.narrow(2, p, 1)?
            .squeeze(2)?
            .transpose(1, 2)?
            .contiguous()
    };
    let (mut q, k, v) = (part(0)?, part(1)?, part(2)?);
    if let Some(row) = row {
        q = q.narrow(2, row, 1)?.contiguous()?;
    }
    let mut scores = (q * f64::from(scale))?.matmul(&k.t()?.contiguous()?)?;
    if let Some(mask) = mask {
        scores = scores.broadcast_add(mask)?;
    }
    let mixed = softmax_last_dim(&scores)?.matmul(&v)?;
    let rows = mixed.dim(2)?;
    mixed.transpose(1, 2)?.reshape((n, rows, heads * head))
}
