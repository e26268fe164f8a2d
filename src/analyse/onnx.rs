//! ONNX models with one picture in and one tensor out, on rten.

use std::sync::Arc;

use rten::{Dimension, Model, NodeId, RunOptions, ThreadPool};
use rten_tensor::Tensor;

/// An ONNX model that was loaded.
pub(super) struct Onnx {
    model: Model,
    input: NodeId,
    output: NodeId,
}

impl Onnx {
    /// From the bytes of a file.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn load(bytes: Vec<u8>) -> Result<Self, String> {
        Self::new(Model::load(bytes).map_err(|e| e.to_string())?)
    }

    /// From bytes in the program.
    pub(super) fn load_static(bytes: &'static [u8]) -> Result<Self, String> {
        Self::new(Model::load_static_slice(bytes).map_err(|e| e.to_string())?)
    }

    fn new(model: Model) -> Result<Self, String> {
        let (&[input], &[output]) = (model.input_ids(), model.output_ids()) else {
            return Err(format!(
                "it has {} inputs and {} outputs, not one of each",
                model.input_ids().len(),
                model.output_ids().len()
            ));
        };
        Ok(Self {
            model,
            input,
            output,
        })
    }

    /// Of its input, as the model states it.
    pub(super) fn input_shape(&self) -> Vec<Dimension> {
        self.model.input_shape(0).unwrap_or_default()
    }

    /// What it makes of values of a shape.
    ///
    /// # Errors
    /// Why it makes nothing of them.
    pub(super) fn run(
        &self,
        shape: &[usize],
        values: Vec<f32>,
        pool: &Arc<ThreadPool>,
    ) -> Result<Tensor<f32>, String> {
        let input = Tensor::from_data(shape, values);
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(pool)));
        let inputs = vec![(self.input, input.into())];
        let run = self.model.run_n(inputs, [self.output], Some(options));
        let [output] = run.map_err(|e| e.to_string())?;
        let floats: Result<Tensor<f32>, _> = output.try_into();
        floats.map_err(|_| "its output holds no floats".into())
    }
}
