//! Where a model computes.

use std::fmt;
use std::str::FromStr;

use candle_core::{DType, Device as Candle};

use super::EmbedError;

pub(super) const CPU_INT8: &str = "cpu-int8";

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first GPU this build can use, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// The CPU, the products of a CLIP picture tower in eight bits.
    CpuInt8,
    /// A CUDA device by its number.
    Cuda(usize),
    Metal,
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |n: &str| n.parse().map_err(|_| format!("{n:?} is no device number"));
        match (text, text.strip_prefix("cuda:")) {
            ("auto", _) => Ok(Self::Auto),
            ("cpu", _) => Ok(Self::Cpu),
            ("cpu-int8", _) => Ok(Self::CpuInt8),
            ("cuda", _) => Ok(Self::Cuda(0)),
            (_, Some(n)) => Ok(Self::Cuda(number(n)?)),
            ("metal", _) => Ok(Self::Metal),
            _ => Err("must be auto, cpu, cpu-int8, cuda, cuda:N or metal".into()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::CpuInt8 => f.write_str(CPU_INT8),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

/// A device that answers, and what its tensors are made of.
#[derive(Debug, Clone)]
pub struct Device {
    pub(super) candle: Candle,
    pub(super) dtype: DType,
    /// Whether the picture tower's products are of eight-bit integers.
    pub(super) int8: bool,
    /// Why this is not the GPU the build was made for.
    fell_back: Option<String>,
}

impl Device {
    /// f32 on the CPU.
    pub fn cpu() -> Self {
        Self {
            candle: Candle::Cpu,
            dtype: DType::F32,
            int8: false,
            fell_back: None,
        }
    }

    /// f16 on a GPU.
    fn gpu(candle: Candle) -> Self {
        Self {
            candle,
            dtype: DType::F16,
            int8: false,
            fell_back: None,
        }
    }

    /// Opens what was asked for. [`DeviceChoice::Auto`] always gives a device.
    ///
    /// # Errors
    /// [`EmbedError::NoDevice`] where a GPU was named and does not answer, or this build has no
    /// code for it.
    pub fn open(choice: DeviceChoice) -> Result<Self, EmbedError> {
        let refused = |cause: candle_core::Error| EmbedError::NoDevice {
            device: choice.to_string(),
            reason: first_line(&cause),
        };
        match choice {
            DeviceChoice::Cpu => Ok(Self::cpu()),
            DeviceChoice::CpuInt8 => Ok(Self {
                int8: true,
                ..Self::cpu()
            }),
            DeviceChoice::Cuda(n) => Candle::new_cuda(n).map(Self::gpu).map_err(refused),
            DeviceChoice::Metal => Candle::new_metal(0).map(Self::gpu).map_err(refused),
            DeviceChoice::Auto => {
                let tried = match () {
                    () if candle_core::utils::cuda_is_available() => Candle::new_cuda(0),
                    () if candle_core::utils::metal_is_available() => Candle::new_metal(0),
                    () => return Ok(Self::cpu()),
                };
                Ok(tried.map(Self::gpu).unwrap_or_else(|cause| Self {
                    fell_back: Some(first_line(&cause)),
                    ..Self::cpu()
                }))
            }
        }
    }

    /// Whether the products of picture towers are of eight-bit integers.
    pub fn is_int8(&self) -> bool {
        self.int8
    }

    pub fn is_gpu(&self) -> bool {
        !self.candle.is_cpu()
    }

    /// Why this is the CPU although the build has code for a GPU.
    pub fn fell_back(&self) -> Option<&str> {
        self.fell_back.as_deref()
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.candle {
            Candle::Cpu if self.int8 => CPU_INT8,
            Candle::Cpu => "cpu",
            Candle::Cuda(_) => "cuda",
            Candle::Metal(_) => "metal",
        })
    }
}

/// candle's errors may carry a backtrace.
fn first_line(cause: &candle_core::Error) -> String {
    let text = cause.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_they_are_printed() {
        for name in ["auto", "cpu", "cpu-int8", "cuda:0", "cuda:3", "metal"] {
            assert_eq!(name.parse::<DeviceChoice>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cuda:-1"] {
            assert!(wrong.parse::<DeviceChoice>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn auto_always_answers_and_a_missing_gpu_is_named() {
        Device::open(DeviceChoice::Auto).unwrap();
        assert!(!Device::open(DeviceChoice::Cpu).unwrap().is_gpu());
        // No machine has so many.
        let refused = Device::open(DeviceChoice::Cuda(4096)).unwrap_err();
        assert!(refused.to_string().starts_with("cuda:4096"), "{refused}");
    }
}
