//! CLIP (Radford et al. 2021): a picture tower and a sentence tower trained into one space.
//!
//! [`Clip::open`] loads the OpenAI and OpenCLIP encoders from a folder, in the layout of open_clip
//! or of transformers, and Chinese-CLIP in the latter; from safetensors only.

mod bert;
mod config;
mod digest;
mod fused;
mod int8;
mod numbers;
mod packed;
mod preprocess;
mod resnet;
mod text;
mod tokenizer;
mod transformer;
mod vit;
mod weights;

use std::path::{Path, PathBuf};

use candle_core::{DType, Result as CandleResult, Tensor};
use once_cell::sync::OnceCell;
use rayon::prelude::*;
use unicode_script::Script;

use self::bert::{BertTokenizer, BertTower};
use self::config::{Config, Reading, Vision};
use self::preprocess::Preprocess;
use self::resnet::ResNet;
use self::text::TextTower;
use self::tokenizer::ClipTokenizer;
use self::vit::Vit;
use self::weights::Weights;
use super::{Device, EmbedError, Embedder, Profile, Schedule, canary, load_both};
use crate::types::{Embedding, Pixels};

/// Pictures embedded at once on a CPU: few enough that activations stay in cache.
const BATCH: usize = 10;
/// On a GPU: enough to fill it.
const GPU_BATCH: usize = 64;
/// Workers of a GPU: while one computes there, the other prepares the next batch on the CPU.
const GPU_WORKERS: usize = 2;

/// The least cosine of a test picture's vectors in eight bits and in f32.
const INT8_KEEPS: f32 = 0.99;

/// Why a model folder gives no model.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    #[error("{}: holds no CLIP model (no open_clip_config.json or config.json)", dir.display())]
    NoConfig { dir: PathBuf },
    #[error("{}: cannot be read: {cause}", path.display())]
    Unreadable {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{}: not a config this vsearch understands: {reason}", path.display())]
    BadConfig { path: PathBuf, reason: String },
    #[error("{}: an architecture this vsearch does not know: {name}", path.display())]
    UnknownArchitecture { path: PathBuf, name: String },
    #[error("{}: the weights are missing", path.display())]
    NoWeights { path: PathBuf },
    #[error("{}: weights in a pickle can run code when they are read; only safetensors are", path.display())]
    Pickle { path: PathBuf },
    #[error("{}: not a whole safetensors file: {reason}", path.display())]
    BadWeights { path: PathBuf, reason: String },
    #[error("{}: the tensor {name} is missing", path.display())]
    MissingTensor { path: PathBuf, name: String },
    #[error("{}: the tensor {name} has the shape {found:?}, the config wants {expected:?}", path.display())]
    WrongShape {
        path: PathBuf,
        name: String,
        expected: Vec<usize>,
        found: Vec<usize>,
    },
    #[error("{}: the tokenizer has {found} tokens, the model {expected}", dir.display())]
    Tokenizer {
        dir: PathBuf,
        found: usize,
        expected: usize,
    },
    #[error("cpu-int8: {reason}")]
    Int8 { reason: String },
    #[error("a frame could not be resized: {0}")]
    Resize(#[from] fast_image_resize::ResizeError),
    #[error("the model failed: {0}")]
    Candle(#[from] candle_core::Error),
}

/// A CLIP model. Each tower is loaded when it is first used: a query needs one of them.
pub struct Clip {
    profile: Profile,
    dir: PathBuf,
    config: Config,
    weights: Weights,
    preprocess: Preprocess,
    vision: OnceCell<VisionTower>,
    text: OnceCell<Sentences>,
    device: Device,
}

enum Sentences {
    Causal(ClipTokenizer, TextTower),
    Bert(Box<BertTokenizer>, BertTower),
}

enum VisionTower {
    Vit(Vit),
    ResNet(Box<ResNet>),
}

impl Clip {
    /// Opens the model in `dir`; `name` opens it again.
    ///
    /// # Errors
    /// What is wrong with its config or with its weights as a whole; a single tensor is looked at
    /// when its tower is first used.
    pub fn open(dir: &Path, name: String, device: &Device) -> Result<Self, ClipError> {
        let config = Config::read(dir)?;
        let weights = Weights::open(&config.weights, device)?;
        Ok(Self {
            profile: Profile {
                name,
                fingerprint: fingerprint(&config)?,
                dim: config.dim,
                device: device.to_string(),
                scripts: match config.reading {
                    Reading::Causal => &[Script::Latin],
                    Reading::Bert => &[Script::Latin, Script::Han],
                },
                // Learned as a logarithm; 1/temperature.
                logit_scale: Some(weights.scalar("logit_scale")?.exp()),
                crops: true,
                reference: None,
            },
            dir: dir.into(),
            device: device.clone(),
            preprocess: Preprocess::new(config.image_size, config.mean, config.std),
            vision: OnceCell::new(),
            text: OnceCell::new(),
            weights,
            config,
        })
    }

    fn vision(&self) -> Result<&VisionTower, ClipError> {
        let (config, weights) = (&self.config, &self.weights);
        self.vision.get_or_try_init(|| match config.vision {
            Vision::Vit { patch, tower } => {
                let mut vit = Vit::load(weights, config, patch, tower)?;
                if self.device.int8 {
                    self.quantise(&mut vit)?;
                }
                Ok(VisionTower::Vit(vit))
            }
            Vision::ResNet { .. } if self.device.int8 => Err(ClipError::Int8 {
                reason: format!(
                    "{} is no vision transformer, which alone can be had in eight bits",
                    self.profile.name
                ),
            }),
            Vision::ResNet {
                blocks,
                width,
                heads,
            } => {
                let (size, dim) = (config.image_size, config.dim);
                let resnet = ResNet::load(weights, blocks, width, heads, size, dim)?;
                Ok(VisionTower::ResNet(Box::new(resnet)))
            }
        })
    }

    /// Turns the tower to eight bits, provided that it sees the test pictures as before.
    fn quantise(&self, vit: &mut Vit) -> Result<(), ClipError> {
        let pictures = self.prepared(&canary::pictures())?;
        vit.watch()?;
        let exact = vit.forward(&pictures)?.to_vec2()?;
        vit.quantise()?;
        let rounded = vit.forward(&pictures)?.to_vec2()?;
        for (exact, rounded) in exact.into_iter().zip(rounded) {
            // What is wrong with a model that has no vectors in f32 is for its self-test to say.
            let Some(exact) = Embedding::normalised(exact) else {
                continue;
            };
            let rounded = Embedding::normalised(rounded);
            let similarity = rounded.map_or(0.0, |r| exact.similarity(&r));
            if similarity < INT8_KEEPS {
                let reason = format!(
                    "rounded to eight bits, {} sees a test picture too differently (cosine {similarity:.4}, at least \
                     {INT8_KEEPS} is asked)",
                    self.profile.name
                );
                return Err(ClipError::Int8 { reason });
            }
        }
        Ok(())
    }

    /// `[n, 3, side, side]`, where and in what the model computes.
    fn prepared(&self, images: &[Pixels]) -> Result<Tensor, ClipError> {
        let side = self.config.image_size;
        let mut values = vec![0.0; images.len() * 3 * side * side];
        let each = values.par_chunks_exact_mut(3 * side * side).zip(images);
        each.try_for_each(|(values, image)| self.preprocess.fill(image, values))?;
        let batch = Tensor::from_vec(values, (images.len(), 3, side, side), &self.device.candle)?;
        Ok(batch.to_dtype(self.device.dtype)?)
    }

    fn text(&self) -> Result<&Sentences, ClipError> {
        let (config, weights, dir) = (&self.config, &self.weights, &self.dir);
        self.text.get_or_try_init(|| match config.reading {
            Reading::Causal => {
                let tokenizer = ClipTokenizer::open(dir, config.vocabulary)?;
                let tower = TextTower::load(weights, config)?;
                Ok(Sentences::Causal(tokenizer, tower))
            }
            Reading::Bert => {
                let tokenizer = BertTokenizer::open(dir, config.vocabulary)?;
                let tower = BertTower::load(weights, config)?;
                Ok(Sentences::Bert(Box::new(tokenizer), tower))
            }
        })
    }
}

impl VisionTower {
    fn forward(&self, images: &Tensor) -> CandleResult<Tensor> {
        match self {
            Self::Vit(vit) => vit.forward(images),
            Self::ResNet(resnet) => resnet.forward(images),
        }
    }
}

/// BLAKE3 over weights and config.
fn fingerprint(config: &Config) -> Result<String, ClipError> {
    let weights = digest::of(&config.weights).map_err(|cause| ClipError::Unreadable {
        path: config.weights.clone(),
        cause,
    })?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(weights.as_bytes());
    hasher.update(config.written().as_bytes());
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

impl Embedder for Clip {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    /// On a CPU one single-threaded worker a core beats one many-threaded worker.
    fn schedule(&self, cores: usize) -> Schedule {
        match self.device.is_gpu() {
            true => Schedule {
                batch_size: GPU_BATCH,
                workers: GPU_WORKERS,
                threads: (cores / GPU_WORKERS).max(1),
            },
            false => Schedule {
                batch_size: BATCH,
                workers: cores,
                threads: 1,
            },
        }
    }

    fn load(&self) -> Result<(), EmbedError> {
        Ok(load_both(|| self.vision(), || self.text())?)
    }

    fn embed_images(&self, images: &[Pixels]) -> Result<Vec<Embedding>, EmbedError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let vectors = self.vision()?.forward(&self.prepared(images)?)?;
        let vectors = vectors.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        vectors.into_iter().map(super::normalised).collect()
    }

    fn fits(&self, text: &str) -> Result<bool, EmbedError> {
        let whole = match self.text()? {
            Sentences::Causal(tokenizer, _) => tokenizer.encode(text, usize::MAX)?,
            Sentences::Bert(tokenizer, _) => tokenizer.encode(text, usize::MAX)?,
        };
        Ok(whole.len() <= self.config.context)
    }

    fn embed_text(&self, text: &str) -> Result<Embedding, EmbedError> {
        if text.trim().is_empty() {
            return Err(EmbedError::EmptyText);
        }
        let context = self.config.context;
        super::normalised(match self.text()? {
            Sentences::Causal(tokenizer, tower) => {
                tower.forward(&tokenizer.encode(text, context)?)?
            }
            Sentences::Bert(tokenizer, tower) => {
                tower.forward(&tokenizer.encode(text, context)?)?
            }
        })
    }
}

#[cfg(test)]
mod tests;
