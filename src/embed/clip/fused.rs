//! What lies between two matrix products, in one pass over memory each.
//!
//! candle makes a new tensor for every step and calls the C library's `exp` for every value; on a
//! CPU that is a quarter of a ViT's time. Here bias, activation, residual and softmax change the
//! product in place, written so that the compiler vectorises them for the widest instructions the
//! machine has (`pulp` picks at run time). On a GPU, and in f16, candle's own steps serve.

use candle_core::{
    CpuStorage, D, DType, InplaceOp1, InplaceOp2, InplaceOp3, Layout, Result, Tensor, bail,
};

use super::config::Activation;

/// `x + bias`, the bias along the last dimension.
pub(super) fn add_bias(x: Tensor, bias: &Tensor) -> Result<Tensor> {
    if !is_fused(&x) {
        return x.broadcast_add(bias);
    }
    x.inplace_op2(bias, &BiasActivate(None))?;
    Ok(x)
}

/// `activation(x + bias)`.
pub(super) fn activate(x: Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    if !is_fused(&x) {
        let x = x.broadcast_add(bias)?;
        return match activation {
            Activation::QuickGelu => &x * candle_nn::ops::sigmoid(&(&x * 1.702)?)?,
            Activation::Gelu => x.gelu_erf(),
        };
    }
    x.inplace_op2(bias, &BiasActivate(Some(activation)))?;
    Ok(x)
}

/// `x + bias + residual`; the residual has the shape of `x`.
pub(super) fn add_residual(x: Tensor, bias: &Tensor, residual: &Tensor) -> Result<Tensor> {
    if !is_fused(&x) {
        return x.broadcast_add(bias)? + residual;
    }
    x.inplace_op3(bias, &residual.contiguous()?, &AddResidual)?;
    Ok(x)
}

/// Softmax of `scale * x` along the last dimension.
pub(super) fn scaled_softmax(x: Tensor, scale: f32) -> Result<Tensor> {
    if !is_fused(&x) {
        return candle_nn::ops::softmax(&(x * f64::from(scale))?, D::Minus1);
    }
    x.inplace_op1(&ScaledSoftmax(scale))?;
    Ok(x)
}

/// Whether these steps are written for such a tensor.
pub(super) fn is_fused(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

struct BiasActivate(Option<Activation>);
struct AddResidual;
struct ScaledSoftmax(f32);

impl InplaceOp2 for BiasActivate {
    fn name(&self) -> &'static str {
        "bias-activate"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        l: &Layout,
        bias: &CpuStorage,
        bl: &Layout,
    ) -> Result<()> {
        let (x, bias) = (values_mut(x, l)?, values(bias, bl)?);
        let arch = pulp::Arch::new();
        match self.0 {
            None => arch.dispatch(|| each(x, bias, |x| x)),
            Some(Activation::QuickGelu) => arch.dispatch(|| each(x, bias, quick_gelu)),
            Some(Activation::Gelu) => arch.dispatch(|| each(x, bias, gelu)),
        }
        Ok(())
    }
}

impl InplaceOp3 for AddResidual {
    fn name(&self) -> &'static str {
        "add-residual"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        l: &Layout,
        bias: &CpuStorage,
        bl: &Layout,
        residual: &CpuStorage,
        rl: &Layout,
    ) -> Result<()> {
        let (x, bias, residual) = (values_mut(x, l)?, values(bias, bl)?, values(residual, rl)?);
        if residual.len() != x.len() {
            bail!("a residual of {} for {} values", residual.len(), x.len());
        }
        pulp::Arch::new().dispatch(|| {
            let rows = x
                .chunks_exact_mut(bias.len())
                .zip(residual.chunks_exact(bias.len()));
            for (row, residual) in rows {
                for ((x, b), r) in row.iter_mut().zip(bias).zip(residual) {
                    *x += b + r;
                }
            }
        });
        Ok(())
    }
}

impl InplaceOp1 for ScaledSoftmax {
    fn name(&self) -> &'static str {
        "scaled-softmax"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, l: &Layout) -> Result<()> {
        let width = l.shape().dims().last().copied().unwrap_or(1);
        let x = values_mut(x, l)?;
        let scale = self.0;
        pulp::Arch::new().dispatch(|| {
            for row in x.chunks_exact_mut(width) {
                let greatest = row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
                for x in row.iter_mut() {
                    *x = exp((*x - greatest) * scale);
                }
                let sum: f32 = row.iter().sum();
                let share = 1.0 / sum;
                for x in row.iter_mut() {
                    *x *= share;
                }
            }
        });
        Ok(())
    }
}

#[inline(always)]
fn each(x: &mut [f32], bias: &[f32], f: impl Fn(f32) -> f32) {
    for row in x.chunks_exact_mut(bias.len()) {
        for (x, b) in row.iter_mut().zip(bias) {
            *x = f(*x + b);
        }
    }
}

#[inline(always)]
fn quick_gelu(x: f32) -> f32 {
    x / (1.0 + exp(-1.702 * x))
}

/// x Φ(x), the error function by Abramowitz and Stegun 7.1.26 (absolute error below 1.5e-7).
#[inline(always)]
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let poly = t
        * (0.254_829_6
            + t * (-0.284_496_72 + t * (1.421_413_8 + t * (-1.453_152 + t * 1.061_405_4))));
    let tail = 0.5 * poly * exp(-z * z);
    x * if x >= 0.0 { 1.0 - tail } else { tail }
}

/// e^x within a relative 3e-7 where f32 holds it, by 2^n · e^r with |r| ≤ ln 2 / 2 (Cephes' expf), without a
/// branch.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding 1.5 · 2^23 rounds to an integer in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_2e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    p * power
}

fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(v), Some((start, end))) => Ok(&mut v[start..end]),
        _ => bail!("this step needs contiguous f32"),
    }
}

pub(super) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(v), Some((start, end))) => Ok(&v[start..end]),
        _ => bail!("this step needs contiguous f32"),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn exp_is_the_librarys() {
        for i in -8_600..8_700 {
            let x = i as f32 / 100.0;
            let (ours, theirs) = (exp(x), x.exp());
            assert!((ours / theirs - 1.0).abs() < 3e-7, "{x}: {ours} {theirs}");
        }
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn activations_are_candles() {
        let x: Vec<f32> = (-800..800).map(|i| i as f32 / 100.0).collect();
        let x = Tensor::from_vec(x, (2, 800), &Device::Cpu).unwrap();
        let bias = Tensor::full(0.25f32, 800, &Device::Cpu).unwrap();
        let shifted = (&x + 0.25).unwrap();
        let sigmoid = candle_nn::ops::sigmoid(&(&shifted * 1.702).unwrap()).unwrap();
        for (activation, theirs) in [
            (Activation::Gelu, shifted.gelu_erf().unwrap()),
            (Activation::QuickGelu, (&shifted * sigmoid).unwrap()),
        ] {
            let ours = activate(x.copy().unwrap(), &bias, activation).unwrap();
            let off = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap();
            assert!(
                off.to_scalar::<f32>().unwrap() < 2e-6,
                "{activation:?}: {off}"
            );
        }
        let softmax = candle_nn::ops::softmax(&(&x * 0.5).unwrap(), D::Minus1).unwrap();
        let ours = scaled_softmax(x.copy().unwrap(), 0.5).unwrap();
        let off = (ours - softmax).unwrap().abs().unwrap().max_all().unwrap();
        assert!(off.to_scalar::<f32>().unwrap() < 1e-6, "{off}");
    }
}
