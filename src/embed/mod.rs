//! From pictures and sentences to vectors of one space.
//!
//! [`Embedder`] is what the rest of vsearch sees; [`open_model`] finds one by name: the built-in
//! model ([`builtin`]), which is not CLIP, or a CLIP model ([`clip`]) in a folder or from the hub
//! ([`store`]).

pub mod builtin;
pub mod canary;
pub mod clip;
mod device;
mod neutral;
mod picture;
mod preprocess;
pub mod store;
mod templates;
#[cfg(test)]
#[path = "../../tests/it/tiny_clip.rs"]
mod tiny_clip;
mod views;

use std::path::{Path, PathBuf};

use unicode_script::{Script, UnicodeScript};

use crate::types::{Embedding, Pixels};

pub use device::{Device, DeviceChoice};
pub use neutral::{neutral, neutral_digest};
pub use picture::load_picture;
pub use store::models;
pub use templates::{TemplateError, Templates};
pub use views::{View, Views, crop};

/// The model used where none is named and the library has none: CLIP where it is on this machine,
/// else the built-in one.
pub fn default_model() -> &'static str {
    match store::folder(store::RECOMMENDED) {
        Some(_) => store::RECOMMENDED,
        None => builtin::NAME,
    }
}

/// Threads that embed at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers {
    pub count: usize,
    /// Threads each may use: the size of the rayon pool it runs in.
    pub threads: usize,
}

/// What pictures of all kinds look like to a model, and what it is worth that one stands out among
/// them (docs/confidence.md).
#[derive(Debug, Clone)]
pub struct Reference {
    pub vectors: Vec<Embedding>,
    /// The log-odds that a sentence shows in a picture are `slope * z + intercept`, where z counts the
    /// standard deviations by which their cosine exceeds the mean of that with `vectors`.
    pub slope: f64,
    pub intercept: f64,
}

/// Puts pictures and sentences into one space, where the cosine of two vectors says how well
/// they go together. One may be used from many threads; each call is single-threaded work
/// when it runs inside a one-thread rayon pool.
pub trait Embedder: Send + Sync {
    /// What it is called on the command line and in every hit.
    fn name(&self) -> &str;

    /// Hex digest of the weights and all that shapes a vector: vectors compare only where it
    /// is the same.
    fn fingerprint(&self) -> &str;

    /// Length of every vector.
    fn dim(&self) -> usize;

    /// The scripts its sentences came in when it was trained.
    fn reads(&self) -> &[Script];

    /// What a cosine is multiplied with before a softmax over labels; `None` where the model was
    /// not trained with one.
    fn logit_scale(&self) -> Option<f32>;

    /// What pictures of all kinds look like to it; `None` where that is not known.
    fn reference(&self) -> Result<Option<&Reference>, EmbedError> {
        Ok(None)
    }

    /// Whether it looks at a square out of the middle of a picture only.
    fn crops(&self) -> bool;

    /// Where it computes, as `--device` names it without a number.
    fn device(&self) -> String;

    /// How many pictures are best embedded at once on this machine.
    fn batch_size(&self) -> usize;

    /// How `cores` are best shared out. On a CPU one single-threaded worker a core beats one
    /// many-threaded worker.
    fn workers(&self, cores: usize) -> Workers {
        Workers {
            count: cores,
            threads: 1,
        }
    }

    /// Brings in all that a first picture and a first sentence would, on all cores.
    ///
    /// # Errors
    /// What is wrong with the model's files.
    fn load(&self) -> Result<(), EmbedError> {
        Ok(())
    }

    /// One vector for each picture, in order; the same as if each came alone.
    fn embed_images(&self, images: &[Pixels]) -> Result<Vec<Embedding>, EmbedError>;

    /// The vector of a sentence.
    fn embed_text(&self, text: &str) -> Result<Embedding, EmbedError>;
}

/// The first script of `text` in which the model was not taught to read.
pub fn unread_script(embedder: &dyn Embedder, text: &str) -> Option<&'static str> {
    let known = embedder.reads();
    let common = [Script::Common, Script::Inherited, Script::Unknown];
    let mut scripts = text.chars().map(|c| c.script());
    scripts
        .find(|s| !known.contains(s) && !common.contains(s))
        .map(Script::full_name)
}

/// Why nothing could be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    #[error("unknown model {name:?}")]
    UnknownModel { name: String },
    #[error("the model {name} is not on this machine")]
    NotHere { name: String },
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

/// What `vsearch model list` shows of a model.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ModelCard {
    pub name: &'static str,
    pub dim: usize,
    /// Bytes on disk (in the program, for the built-in model); about, for a model of the hub.
    pub bytes: u64,
    pub languages: &'static str,
    pub licence: &'static str,
    pub description: &'static str,
    /// On the hub.
    pub repository: Option<&'static str>,
    /// On this machine.
    pub here: bool,
}

/// Opens a model: the CLIP model in the folder of that name, else the one [`models`] lists (or
/// that of a repository, `owner/name`) where it is on this machine.
///
/// # Errors
/// [`EmbedError::NotHere`] where it could be pulled, [`EmbedError::UnknownModel`] where not, and
/// what is wrong with the model's files.
pub fn open_model(name: &str, device: &Device) -> Result<Box<dyn Embedder>, EmbedError> {
    if name == builtin::NAME {
        if device.int8 {
            return Err(EmbedError::NoDevice {
                device: device.to_string(),
                reason: "the built-in model has no eight-bit products".into(),
            });
        }
        return Ok(Box::new(builtin::Builtin::new()));
    }
    let dir = Path::new(name);
    if dir.is_dir() {
        // Its whole path opens it again, from wherever.
        let whole = dir.canonicalize().unwrap_or_else(|_| dir.into());
        let clip = clip::Clip::open(dir, whole.to_string_lossy().into_owned(), device)?;
        return Ok(Box::new(clip));
    }
    let name = name.to_owned();
    match store::folder(&name) {
        Some(dir) => Ok(Box::new(clip::Clip::open(&dir, name, device)?)),
        None if store::Repository::of(&name).is_some() => Err(EmbedError::NotHere { name }),
        None => Err(EmbedError::UnknownModel { name }),
    }
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
