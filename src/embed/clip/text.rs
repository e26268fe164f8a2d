//! The causal text tower (Radford et al. 2021, 2.4), read at the end-of-text token.
//!
//! What comes after that token cannot reach it, so it is not computed: exact, and for a short
//! sentence most of the 77 positions.

use candle_core::{DType, Result as CandleResult, Tensor};
use candle_nn::{LayerNorm, Module};

use super::ClipError;
use super::config::{Config, Layout};
use super::transformer::{Transformer, layer_norm};
use super::weights::Weights;

pub(super) struct TextTower {
    tokens: Tensor,
    positions: Tensor,
    transformer: Transformer,
    ln_final: LayerNorm,
    /// `[width, dim]`.
    projection: Tensor,
}

impl TextTower {
    pub(super) fn load(w: &Weights, config: &Config) -> Result<Self, ClipError> {
        let width = config.text.width;
        let names = match config.layout {
            Layout::OpenClip => [
                "token_embedding.weight",
                "positional_embedding",
                "transformer.resblocks",
                "ln_final",
            ],
            Layout::Transformers => [
                "text_model.embeddings.token_embedding.weight",
                "text_model.embeddings.position_embedding.weight",
                "text_model.encoder.layers",
                "text_model.final_layer_norm",
            ],
        };
        let projection = match config.layout {
            Layout::OpenClip => w.tensor("text_projection", &[width, config.dim])?,
            Layout::Transformers => w
                .tensor("text_projection.weight", &[config.dim, width])?
                .t()?,
        };
        let mut transformer =
            Transformer::load(w, names[2], config.layout, config.text, config.activation)?;
        transformer.pack()?;
        Ok(Self {
            tokens: w.tensor(names[0], &[config.vocabulary, width])?,
            positions: w.tensor(names[1], &[config.context, width])?,
            transformer,
            ln_final: layer_norm(w, names[3], width)?,
            projection,
        })
    }

    /// `ids`: start of text to end of text, both included, at most the context's length.
    /// Returns `dim` values, not normalised.
    pub(super) fn forward(&self, ids: &[u32]) -> CandleResult<Vec<f32>> {
        let n = ids.len();
        let ids = Tensor::new(ids, self.tokens.device())?;
        let x = self.tokens.index_select(&ids, 0)?;
        let x = (x + self.positions.narrow(0, 0, n)?)?.unsqueeze(0)?;
        let blocked = |i: usize| move |j: usize| if j > i { f32::NEG_INFINITY } else { 0.0 };
        let mask: Vec<f32> = (0..n).flat_map(|i| (0..n).map(blocked(i))).collect();
        let mask = Tensor::from_vec(mask, (n, n), x.device())?.to_dtype(x.dtype())?;
        let end = self.transformer.forward_row(&x, n - 1, Some(&mask))?;
        let vector = self
            .ln_final
            .forward(&end)?
            .matmul(&self.projection.contiguous()?)?;
        vector.squeeze(0)?.to_dtype(DType::F32)?.to_vec1()
    }
}
