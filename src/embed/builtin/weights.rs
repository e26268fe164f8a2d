//! The packed weights: f16, or 8 bits with one f16 scale a row (`name.scale`).

use candle_core::{Device, Tensor};
use half::f16;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use super::EmbedError;

pub(super) const CPU: Device = Device::Cpu;

/// What zero is stored as in 8 bits.
const ZERO: i16 = 128;

pub(super) struct Weights<'a>(SafeTensors<'a>);

impl<'a> Weights<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, EmbedError> {
        Ok(Self(SafeTensors::deserialize(bytes)?))
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.tensor(name).is_ok()
    }

    /// Names of all tensors under `prefix`, scales left out, the prefix taken off.
    pub(super) fn names(&self, prefix: &str) -> Vec<String> {
        let mut names: Vec<String> = (self.0.names().into_iter())
            .filter_map(|n| n.strip_prefix(prefix))
            .filter(|n| !n.ends_with(".scale"))
            .map(str::to_owned)
            .collect();
        names.sort();
        names
    }

    /// A tensor unpacked to f32.
    pub(super) fn tensor(&self, name: &str) -> Result<Tensor, EmbedError> {
        let view = self.0.tensor(name)?;
        let values = match view.dtype() {
            Dtype::F16 => floats(view.data()),
            Dtype::U8 => {
                let scales = floats(self.0.tensor(&format!("{name}.scale"))?.data());
                let columns = view.shape().last().copied().unwrap_or(1).max(1);
                let rows = view.data().chunks_exact(columns).zip(&scales);
                rows.flat_map(|(row, scale)| {
                    row.iter()
                        .map(move |&q| f32::from(i16::from(q) - ZERO) * scale)
                })
                .collect()
            }
            _ => {
                return Err(SafeTensorError::InvalidTensorView(
                    view.dtype(),
                    view.shape().to_vec(),
                    view.data().len(),
                )
                .into());
            }
        };
        Ok(Tensor::from_vec(values, view.shape(), &CPU)?)
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let pairs = bytes.chunks_exact(2);
    pairs
        .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
        .collect()
}
