//! A safetensors file; tensors are read one by one, checked, and put where the model computes.
//!
//! Read, not mapped: candle keeps tensors in memory of its own, so a map would hold every byte
//! twice while loading, and would need unsafe code.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device as Candle, Tensor};
use safetensors::tensor::Metadata;

use super::ClipError;
use crate::embed::Device;

/// The length of the header, before it: 64 bits, little-endian.
const LENGTH_BYTES: u64 = 8;
/// Tens of thousands of tensors: the largest CLIP has about 1,500. What is kept of each takes many times its bytes.
const LARGEST_HEADER: u64 = 4 << 20;

pub(super) struct Weights {
    file: File,
    metadata: Metadata,
    /// Where the tensors begin.
    data: u64,
    path: PathBuf,
    device: Device,
}

impl Weights {
    /// Reads the header, and checks that the file is as long as that says.
    pub(super) fn open(path: &Path, device: &Device) -> Result<Self, ClipError> {
        let file = File::open(path).map_err(|cause| ClipError::Unreadable {
            path: path.into(),
            cause,
        })?;
        let bad = |reason: String| ClipError::BadWeights {
            path: path.into(),
            reason,
        };
        let (metadata, data) = header(&file).map_err(bad)?;
        let expected = data.checked_add(metadata.data_len() as u64);
        let found = file.metadata().map_or(0, |m| m.len());
        if Some(found) != expected {
            let promised = expected.map_or("more than any file has".into(), |n| n.to_string());
            let reason = format!("it has {found} bytes, its header promises {promised}");
            return Err(bad(reason));
        }
        Ok(Self {
            file,
            metadata,
            data,
            path: path.into(),
            device: device.clone(),
        })
    }

    /// The tensor of this name, where the model computes.
    ///
    /// # Errors
    /// As [`Self::exact`].
    pub(super) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, ClipError> {
        self.placed(self.exact(name, shape)?)
    }

    /// A matrix of this name, columns for rows: `shape` as the file has it, `[out, in]`, the result `[in, out]`,
    /// the order in which a product reads it.
    ///
    /// # Errors
    /// As [`Self::exact`].
    pub(super) fn turned(&self, name: &str, shape: [usize; 2]) -> Result<Tensor, ClipError> {
        let [rows, columns] = shape;
        let values = self.values(name, &shape)?;
        let mut turned = vec![0.0; values.len()];
        transpose::transpose(&values, &mut turned, columns, rows);
        self.placed(Tensor::from_vec(turned, (columns, rows), &Candle::Cpu)?)
    }

    /// Puts a tensor where the model computes, in what it computes with.
    pub(super) fn placed(&self, tensor: Tensor) -> Result<Tensor, ClipError> {
        let converted = tensor.to_dtype(self.device.dtype)?;
        Ok(converted.to_device(&self.device.candle)?)
    }

    /// The tensor of this name, in f32 on the CPU.
    ///
    /// # Errors
    /// [`ClipError::MissingTensor`], and [`ClipError::WrongShape`] where it is not `shape`.
    pub(super) fn exact(&self, name: &str, shape: &[usize]) -> Result<Tensor, ClipError> {
        let values = self.values(name, shape)?;
        Ok(Tensor::from_vec(values, shape, &Candle::Cpu)?)
    }

    /// What a tensor holds, row by row.
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ClipError> {
        let path = self.path.clone();
        let Some(info) = self.metadata.info(name) else {
            let name = name.into();
            return Err(ClipError::MissingTensor { path, name });
        };
        if info.shape != shape {
            return Err(ClipError::WrongShape {
                path,
                name: name.into(),
                expected: shape.into(),
                found: info.shape.clone(),
            });
        }
        let (start, end) = info.data_offsets;
        let dtype = DType::try_from(info.dtype)?;
        let size = shape.iter().product::<usize>() * dtype.size_in_bytes();
        if end.checked_sub(start) != Some(size) || end > self.metadata.data_len() {
            let reason = format!("the tensor {name} does not lie where its header says");
            return Err(ClipError::BadWeights { path, reason });
        }
        let at = self.data + start as u64;
        let read = |bytes: &mut [u8]| {
            let read = self.file.read_exact_at(bytes, at);
            read.map_err(|cause| ClipError::Unreadable { path, cause })
        };
        // Read where it stays: these are most of the bytes there are.
        if dtype == DType::F32 && cfg!(target_endian = "little") {
            let mut values = vec![0.0; size / dtype.size_in_bytes()];
            read(bytemuck::cast_slice_mut(&mut values))?;
            return Ok(values);
        }
        let mut bytes = vec![0; size];
        read(&mut bytes)?;
        let tensor = Tensor::from_raw_buffer(&bytes, dtype, shape, &Candle::Cpu)?;
        Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }

    pub(super) fn scalar(&self, name: &str) -> Result<f32, ClipError> {
        Ok(self.exact(name, &[])?.to_scalar()?)
    }
}

/// What the file says of its tensors, and where they begin.
fn header(file: &File) -> Result<(Metadata, u64), String> {
    let mut length = [0; LENGTH_BYTES as usize];
    let read = file.read_exact_at(&mut length, 0);
    read.map_err(|e| e.to_string())?;
    let length = u64::from_le_bytes(length);
    if length > LARGEST_HEADER {
        return Err(format!(
            "its header would have {length} bytes, at most {LARGEST_HEADER} are read"
        ));
    }
    let mut json = vec![0; length as usize];
    let read = file.read_exact_at(&mut json, LENGTH_BYTES);
    read.map_err(|e| e.to_string())?;
    let metadata = serde_json::from_slice(&json).map_err(|e| e.to_string())?;
    Ok((metadata, LENGTH_BYTES + length))
}
