//! Matrices packed beforehand into the order in which a product reads them.
//!
//! A sentence has few rows: its products wait for weights to come from memory, and come to 2.6 times as many
//! a second where those lie in one stream. For the many rows of pictures it makes no difference.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor, bail};
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::NdTensorView;

use super::fused::values;

/// A matrix `[in, out]`, f32 on the CPU.
pub(super) struct PackedMatrix(PackedBMatrix<f32>);

impl PackedMatrix {
    pub(super) fn of(weight: &Tensor) -> Result<Self> {
        let shape = weight.dims2()?;
        let weight = weight.contiguous()?;
        let (storage, layout) = weight.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else {
            bail!("only weights on the CPU are packed");
        };
        let view = NdTensorView::from_data([shape.0, shape.1], values(storage, layout)?);
        Ok(Self(GemmExecutor::<f32>::new().prepack_b(view)))
    }

    /// `[rows, in]` times this, `[rows, out]`.
    pub(super) fn product(&self, x: &Tensor) -> Result<Tensor> {
        x.apply_op1_no_bwd(self)
    }
}

impl CustomOp1 for PackedMatrix {
    fn name(&self) -> &'static str {
        "packed-product"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, depth) = layout.shape().dims2()?;
        let width = self.0.cols();
        let mut products = vec![0.0; rows * width];
        let left = NdTensorView::from_data([rows, depth], values(x, layout)?);
        let (left, right) = (GemmInputA::Unpacked(left), GemmInputB::Packed(&self.0));
        let product =
            GemmExecutor::<f32>::new().gemm(&mut products, left, right, GemmOptions::default());
        if let Err(e) = product {
            bail!("a product failed: {e}");
        }
        Ok((CpuStorage::F32(products), (rows, width).into()))
    }
}
