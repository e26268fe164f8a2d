//! From pictures and sentences to vectors of one space.
//!
//! [`Embedder`] is what the rest of vsearch sees. There are two: the built-in model ([`builtin`]),
//! which is not CLIP, and CLIP models ([`clip`]) from a folder.

pub mod builtin;
pub mod canary;
pub mod clip;
#[cfg(test)]
mod contract;
mod device;
mod lettering;
mod neutral;
mod picture;
mod preprocess;
mod templates;
#[cfg(test)]
#[path = "../../tests/it/tiny_clip.rs"]
pub(crate) mod tiny_clip;

use std::path::PathBuf;

use once_cell::sync::OnceCell;
use unicode_script::{Script, UnicodeScript};

use crate::types::{Claim, Embedding, Pixels};

pub use device::{Device, DeviceChoice};
pub use neutral::{neutral, neutral_digest};
pub use picture::{kept_picture, load_picture};
pub use templates::{TemplateError, Templates};

/// How a model is best run on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Pictures to embed at once.
    pub batch_size: usize,
    /// Threads that embed at the same time.
    pub workers: usize,
    /// Threads each of them may use: the size of the rayon pool it runs in.
    pub threads: usize,
}

/// What a model is: all that can be told of it without running it.
#[derive(Debug)]
pub struct Profile {
    /// What it is called on the command line and in every hit.
    pub name: String,
    /// Hex digest of the weights and all that shapes a vector: vectors compare only where it
    /// is the same.
    pub fingerprint: String,
    /// Length of every vector.
    pub dim: usize,
    /// Where it computes, as `--device` names it without a number.
    pub device: String,
    /// The scripts its sentences came in when it was trained.
    pub scripts: &'static [Script],
    /// What a cosine is multiplied with before a softmax over labels; `None` where the model was
    /// not trained with one.
    pub logit_scale: Option<f32>,
    /// Whether it looks at a square out of the middle of a picture only.
    pub crops: bool,
    /// What pictures of all kinds look like to it; `None` where that is not known.
    pub reference: Option<Reference>,
}

/// What pictures of all kinds look like to a model, and what it is worth that one stands out among
/// them (docs/confidence.md).
#[derive(Debug)]
pub struct Reference {
    load: fn() -> Result<Vec<Embedding>, EmbedError>,
    vectors: OnceCell<Vec<Embedding>>,
    /// The log-odds that a sentence shows in a picture are `slope * z + intercept`, where z counts the
    /// standard deviations by which their cosine exceeds the mean of that with the vectors.
    pub slope: f64,
    pub intercept: f64,
}

impl Reference {
    /// The vectors come from `load` when they are first asked for.
    fn new(slope: f64, intercept: f64, load: fn() -> Result<Vec<Embedding>, EmbedError>) -> Self {
        Self {
            load,
            vectors: OnceCell::new(),
            slope,
            intercept,
        }
    }

    /// Vectors of pictures of all kinds.
    pub fn vectors(&self) -> Result<&[Embedding], EmbedError> {
        Ok(self.vectors.get_or_try_init(self.load)?)
    }
}

/// What a model makes of a question before it looks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What is looked for.
    pub text: String,
    /// Words of the question that the model does not know.
    pub not_known: Vec<String>,
    /// Names of kinds that it cannot tell apart, and looks for as what they are.
    pub not_told_apart: Vec<String>,
    /// What it says of things that a detector finds; `None` where it says nothing of them, or the model does not take
    /// questions apart.
    pub claim: Option<Claim>,
    /// Words beside the claim: whether they hold cannot be told of boxes and colours.
    pub unchecked: Vec<String>,
    /// Lettering that it asks for.
    pub lettering: Vec<String>,
}

impl Reading {
    /// Whether something else is looked for than was asked.
    pub fn differs(&self, asked: &str) -> bool {
        self.text != asked
            || !self.not_known.is_empty()
            || !self.not_told_apart.is_empty()
            || !self.lettering.is_empty()
    }

    /// Nothing changed: what it asks for of lettering is looked for as such, too.
    pub fn as_asked(text: &str) -> Self {
        Self {
            lettering: lettering::asked(text).lettering,
            text: text.to_owned(),
            not_known: Vec::new(),
            not_told_apart: Vec::new(),
            claim: None,
            unchecked: Vec::new(),
        }
    }
}

/// Puts pictures and sentences into one space, where the cosine of two vectors says how well
/// they go together. One may be used from many threads; each call is single-threaded work
/// when it runs inside a one-thread rayon pool.
///
/// `contract.rs` is what every implementation must keep.
pub trait Embedder: Send + Sync {
    fn profile(&self) -> &Profile;

    /// How it is best run where there are so many cores.
    fn schedule(&self, cores: usize) -> Schedule;

    /// One vector for each picture, in order; the same as if each came alone.
    fn embed_images(&self, images: &[Pixels]) -> Result<Vec<Embedding>, EmbedError>;

    /// What it will look for where this is asked.
    fn read(&self, question: &str) -> Reading {
        Reading::as_asked(question)
    }

    /// The vector of a sentence.
    ///
    /// # Errors
    /// [`EmbedError::EmptyText`] where it has no words, and where the model fails.
    fn embed_text(&self, text: &str) -> Result<Embedding, EmbedError>;

    /// Whether it reads a sentence to its end.
    fn fits(&self, _text: &str) -> Result<bool, EmbedError> {
        Ok(true)
    }

    /// Brings in all that a first picture and a first sentence would, on all cores. A model may have
    /// nothing to bring in.
    ///
    /// # Errors
    /// What is wrong with the model's files.
    fn load(&self) -> Result<(), EmbedError> {
        Ok(())
    }
}

impl dyn Embedder + '_ {
    /// See [`Profile::name`].
    pub fn name(&self) -> &str {
        &self.profile().name
    }

    /// See [`Profile::fingerprint`].
    pub fn fingerprint(&self) -> &str {
        &self.profile().fingerprint
    }

    /// See [`Profile::dim`].
    pub fn dim(&self) -> usize {
        self.profile().dim
    }
}

/// The first script of `text` in which the model was not taught to read.
pub fn unread_script(embedder: &dyn Embedder, text: &str) -> Option<&'static str> {
    let known = embedder.profile().scripts;
    let common = [Script::Common, Script::Inherited, Script::Unknown];
    let mut scripts = text.chars().map(|c| c.script());
    scripts
        .find(|s| !known.contains(s) && !common.contains(s))
        .map(Script::full_name)
}

/// Why nothing could be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    #[error("{device}: {reason}")]
    NoDevice { device: String, reason: String },
    #[error("the model {model} fails its self-test on {device}: {reason}")]
    SelfTest {
        model: String,
        device: String,
        reason: String,
    },
    #[error("the sentence is empty")]
    EmptyText,
    #[error("the model's vector has no length; the input gives it nothing to hold on to")]
    NoDirection,
    #[error("{}: cannot be read as a picture: {cause}", path.display())]
    Picture {
        path: PathBuf,
        cause: image::ImageError,
    },
    #[error("{}: {reason}", path.display())]
    LargePicture { path: PathBuf, reason: String },
    #[error("{}: the picture has no pixels", path.display())]
    EmptyPicture { path: PathBuf },
    #[error("a frame could not be resized: {0}")]
    Resize(#[from] fast_image_resize::ResizeError),
    #[error("the sentence could not be tokenised: {0}")]
    Tokenizer(#[from] tokenizers::Error),
    #[error("the built-in model is damaged: {0}")]
    Weights(#[from] safetensors::SafeTensorError),
    #[error("the model failed: {0}")]
    Candle(#[from] candle_core::Error),
    #[error(transparent)]
    Clip(#[from] clip::ClipError),
}

/// Loads both sides of a model, where rayon has a thread for each core whatever a product may take.
fn load_both<A: Send, B: Send, E: Send>(
    pictures: impl FnOnce() -> Result<A, E> + Send,
    sentences: impl FnOnce() -> Result<B, E> + Send,
) -> Result<(), E> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores);
    let load = || rayon::join(pictures, sentences);
    let (pictures, sentences) = match pool.build() {
        Ok(pool) => pool.install(load),
        Err(_) => load(),
    };
    pictures.and(sentences.map(drop))
}

/// A model's raw vector, of length 1.
fn normalised(values: Vec<f32>) -> Result<Embedding, EmbedError> {
    Embedding::normalised(values).ok_or(EmbedError::NoDirection)
}
