//! The Vision Transformer image tower (Dosovitskiy et al. 2021), as CLIP uses it: a norm before
//! the first block, the class token read after the last.

use candle_core::{Result as CandleResult, Tensor};
use candle_nn::{LayerNorm, Module};

use super::ClipError;
use super::config::{Config, Layout, Tower};
use super::transformer::{Transformer, layer_norm};
use super::weights::Weights;

pub(super) struct Vit {
    /// `[3 * patch * patch, width]`.
    patches: Tensor,
    class: Tensor,
    positions: Tensor,
    ln_pre: LayerNorm,
    transformer: Transformer,
    ln_post: LayerNorm,
    /// `[width, dim]`.
    projection: Tensor,
    patch: usize,
}

impl Vit {
    pub(super) fn load(
        w: &Weights,
        config: &Config,
        patch: usize,
        tower: Tower,
    ) -> Result<Self, ClipError> {
        let width = tower.width;
        let grid = config.image_size / patch;
        let tokens = grid * grid + 1;
        let names = match config.layout {
            Layout::OpenClip => [
                "visual.conv1.weight",
                "visual.class_embedding",
                "visual.positional_embedding",
                "visual.ln_pre",
                "visual.transformer.resblocks",
                "visual.ln_post",
            ],
            Layout::Transformers => [
                "vision_model.embeddings.patch_embedding.weight",
                "vision_model.embeddings.class_embedding",
                "vision_model.embeddings.position_embedding.weight",
                "vision_model.pre_layrnorm",
                "vision_model.encoder.layers",
                "vision_model.post_layernorm",
            ],
        };
        let projection = match config.layout {
            Layout::OpenClip => w.tensor("visual.proj", &[width, config.dim])?,
            Layout::Transformers => w
                .tensor("visual_projection.weight", &[config.dim, width])?
                .t()?,
        };
        let kernel = w.tensor(names[0], &[width, 3, patch, patch])?;
        Ok(Self {
            patches: kernel.reshape((width, 3 * patch * patch))?.t()?,
            class: w.tensor(names[1], &[width])?.reshape((1, 1, width))?,
            positions: w.tensor(names[2], &[tokens, width])?,
            ln_pre: layer_norm(w, names[3], width)?,
            transformer: Transformer::load(w, names[4], config.layout, tower, config.activation)?,
            ln_post: layer_norm(w, names[5], width)?,
            projection,
            patch,
        })
    }

    pub(super) fn watch(&mut self) -> CandleResult<()> {
        self.transformer.watch()
    }

    pub(super) fn quantise(&mut self) -> CandleResult<()> {
        self.transformer.quantise()
    }

    /// `[n, 3, side, side]` → `[n, dim]`, not normalised.
    pub(super) fn forward(&self, images: &Tensor) -> CandleResult<Tensor> {
        let (n, _, side, _) = images.dims4()?;
        let (p, g) = (self.patch, side / self.patch);
        // A convolution whose stride is its kernel is one product over patches.
        let patches = images.narrow(2, 0, g * p)?.narrow(3, 0, g * p)?;
        let patches = patches.contiguous()?.reshape((n, 3, g, p, g, p))?;
        let patches = patches
            .permute((0, 2, 4, 1, 3, 5))?
            .reshape((n * g * g, 3 * p * p))?;
        let width = self.class.dim(2)?;
        let x = patches.matmul(&self.patches)?.reshape((n, g * g, width))?;
        let x = Tensor::cat(&[&self.class.expand((n, 1, width))?.contiguous()?, &x], 1)?;
        let x = self.ln_pre.forward(&x.broadcast_add(&self.positions)?)?;
        let class = self.transformer.forward_row(&x, 0, None)?;
        self.ln_post.forward(&class)?.matmul(&self.projection)
    }
}
