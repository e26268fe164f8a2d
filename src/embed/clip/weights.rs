//! A safetensors file, memory-mapped; tensors come out checked and in f32.

use std::path::{Path, PathBuf};

use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Tensor};

use super::ClipError;

pub(super) const CPU: Device = Device::Cpu;

pub(super) struct Weights {
    file: MmapedSafetensors,
    path: PathBuf,
}

impl Weights {
    pub(super) fn open(path: &Path) -> Result<Self, ClipError> {
        // SAFETY: the file must not change while it is mapped. Model files are written once,
        // under another name, and renamed; what a user does to one meanwhile can at worst give
        // wrong numbers, for the tensors are copied out of the map as they are loaded.
        #[allow(unsafe_code)]
        let file = unsafe { MmapedSafetensors::new(path) };
        let file = file.map_err(|cause| ClipError::BadWeights {
            path: path.into(),
            reason: cause.to_string(),
        })?;
        Ok(Self {
            file,
            path: path.into(),
        })
    }

    /// The tensor of this name, in f32.
    ///
    /// # Errors
    /// [`ClipError::MissingTensor`], and [`ClipError::WrongShape`] where it is not `shape`.
    pub(super) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, ClipError> {
        let view = self.file.get(name).map_err(|_| ClipError::MissingTensor {
            path: self.path.clone(),
            name: name.into(),
        })?;
        if view.shape() != shape {
            return Err(ClipError::WrongShape {
                path: self.path.clone(),
                name: name.into(),
                expected: shape.into(),
                found: view.shape().into(),
            });
        }
        Ok(self.file.load(name, &CPU)?.to_dtype(DType::F32)?)
    }

    pub(super) fn scalar(&self, name: &str) -> Result<f32, ClipError> {
        Ok(self.tensor(name, &[])?.to_scalar()?)
    }
}
