//! The built-in model: zero-shot retrieval without a download. It is not CLIP.
//!
//! ConSE (Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings",
//! ICLR 2014): a picture's vector is the sum of the text vectors of its ten most probable
//! ImageNet classes, weighted by their probabilities. So a sentence meets a picture by way of
//! 1,000 nouns: objects are found, colours and actions hardly.
//!
//! The weights lie in the program; `models/make.py` made them.

mod depthwise;
mod efficientnet;
mod reading;
mod sentence;
mod weights;

use candle_core::{D, Tensor};
use once_cell::sync::OnceCell;
use unicode_script::Script;

use self::efficientnet::EfficientNetLite0;
use self::sentence::SentenceEncoder;
use self::weights::Weights;
use super::preprocess::bicubic;
use super::{Device, EmbedError, Embedder, Profile, Reading, Reference, Schedule, load_both};
use crate::types::{Embedding, Pixels};

pub const NAME: &str = "builtin";
pub const DIM: usize = 384;
/// Classes a picture's vector is made of (ConSE's T).
const TOP_CLASSES: usize = 10;
/// Fitted by `script/bench-confidence`, where pictures are taken to be of single classes.
const SLOPE: f64 = 0.79;
const INTERCEPT: f64 = -4.6;

static WEIGHTS: &[u8] = include_bytes!("../../../models/builtin.safetensors");
static TOKENIZER: &[u8] = include_bytes!("../../../models/builtin-tokenizer.json");
/// BLAKE3 of the weights and the preprocessing's name; a test recomputes it.
const FINGERPRINT: &str = "8ffbcf17161d15f6a26832a9ddc7b0d0";
#[cfg(test)]
const PREPROCESSING: &[u8] = b"squash 224, top 10";

/// Bytes of its weights and tokenizer.
pub const BYTES: usize = WEIGHTS.len() + TOKENIZER.len();

/// The built-in model. Its two sides are unpacked when first used.
pub struct Builtin {
    profile: Profile,
    image: OnceCell<ImageSide>,
    text: OnceCell<SentenceEncoder>,
}

impl Default for Builtin {
    fn default() -> Self {
        Self::new()
    }
}

struct ImageSide {
    classifier: EfficientNetLite0,
    /// `[1000, DIM]`, rows normalised.
    classes: Tensor,
}

impl Builtin {
    pub fn new() -> Self {
        Self {
            profile: Profile {
                name: NAME.into(),
                fingerprint: FINGERPRINT.into(),
                dim: DIM,
                device: Device::cpu().to_string(),
                scripts: &[Script::Latin],
                logit_scale: None,
                crops: false,
                reference: Some(Reference::new(SLOPE, INTERCEPT, classes)),
            },
            image: OnceCell::new(),
            text: OnceCell::new(),
        }
    }

    fn image_side(&self) -> Result<&ImageSide, EmbedError> {
        self.image.get_or_try_init(|| {
            let weights = Weights::parse(WEIGHTS)?;
            Ok(ImageSide {
                classifier: EfficientNetLite0::load(&weights)?,
                classes: weights.tensor("classes")?,
            })
        })
    }

    fn text_side(&self) -> Result<&SentenceEncoder, EmbedError> {
        self.text
            .get_or_try_init(|| SentenceEncoder::load(&Weights::parse(WEIGHTS)?, TOKENIZER))
    }
}

impl Embedder for Builtin {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    /// One single-threaded worker a core. Four pictures at once are no quicker than one, and take four
    /// times the memory.
    fn schedule(&self, cores: usize) -> Schedule {
        Schedule {
            batch_size: 1,
            workers: cores,
            threads: 1,
        }
    }

    fn load(&self) -> Result<(), EmbedError> {
        load_both(|| self.image_side(), || self.text_side())
    }

    fn embed_images(&self, images: &[Pixels]) -> Result<Vec<Embedding>, EmbedError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let side = self.image_side()?;
        let squashed: Vec<Vec<u8>> = images.iter().map(squash).collect::<Result<_, _>>()?;
        let logits = side.classifier.logits(&squashed)?;
        let probabilities = candle_nn::ops::softmax(&logits, D::Minus1)?.to_vec2::<f32>()?;
        let weights: Vec<f32> = probabilities.into_iter().flat_map(keep_top).collect();
        let weights =
            Tensor::from_vec(weights, (images.len(), side.classes.dim(0)?), &weights::CPU)?;
        let vectors = weights.matmul(&side.classes)?.to_vec2::<f32>()?;
        vectors.into_iter().map(super::normalised).collect()
    }

    fn read(&self, question: &str) -> Reading {
        reading::read(question)
    }

    fn fits(&self, text: &str) -> Result<bool, EmbedError> {
        self.text_side()?.fits(text)
    }

    fn embed_text(&self, text: &str) -> Result<Embedding, EmbedError> {
        if text.trim().is_empty() {
            return Err(EmbedError::EmptyText);
        }
        let vector = self.text_side()?.encode(text)?;
        super::normalised(vector)
    }
}

/// The vectors of its classes: what pictures of all kinds look like to it.
fn classes() -> Result<Vec<Embedding>, EmbedError> {
    let classes = Weights::parse(WEIGHTS)?.tensor("classes")?;
    let rows = classes.to_vec2()?.into_iter();
    rows.map(super::normalised).collect()
}

/// The whole frame in the network's square, its aspect given up.
fn squash(pixels: &Pixels) -> Result<Vec<u8>, EmbedError> {
    let from = (pixels.width() as usize, pixels.height() as usize);
    Ok(bicubic(
        pixels.rgb(),
        from,
        (efficientnet::SIDE, efficientnet::SIDE),
    )?)
}

/// Sets all but the [`TOP_CLASSES`] greatest to zero.
fn keep_top(mut probabilities: Vec<f32>) -> Vec<f32> {
    let mut sorted = probabilities.clone();
    let (_, &mut least, _) = sorted.select_nth_unstable_by(TOP_CLASSES - 1, |a, b| b.total_cmp(a));
    for p in &mut probabilities {
        if *p < least {
            *p = 0.0;
        }
    }
    probabilities
}

#[cfg(test)]
mod tests;
