//! From pictures and sentences to vectors of one space.
//!
//! [`Embedder`] is what the rest of vsearch sees; [`open_model`] finds one by name: the built-in
//! model ([`builtin`]), which is not CLIP, or a CLIP model in a folder ([`clip`]).

pub mod builtin;
pub mod clip;
mod picture;
mod preprocess;
mod templates;
mod views;

use std::path::{Path, PathBuf};

use unicode_script::{Script, UnicodeScript};

use crate::types::{Embedding, Pixels};

pub use picture::load_picture;
pub use templates::{TemplateError, Templates};
pub use views::{View, Views};

/// The model used where none is named.
pub const DEFAULT_MODEL: &str = builtin::NAME;

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

    /// Whether it looks at a square out of the middle of a picture only.
    fn crops(&self) -> bool;

    /// How many pictures are best embedded at once on this machine.
    fn batch_size(&self) -> usize;

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
    /// Bytes on disk (in the program, for the built-in model).
    pub bytes: usize,
    pub languages: &'static str,
    pub licence: &'static str,
    pub description: &'static str,
}

/// Every model this build can open.
pub fn models() -> Vec<ModelCard> {
    vec![builtin::card()]
}

/// Opens a model by its name, or the CLIP model in the folder of that name.
///
/// # Errors
/// [`EmbedError::UnknownModel`] where [`models`] does not list it and there is no such folder.
pub fn open_model(name: &str) -> Result<Box<dyn Embedder>, EmbedError> {
    match (name, Path::new(name)) {
        (builtin::NAME, _) => Ok(Box::new(builtin::Builtin::new())),
        (_, dir) if dir.is_dir() => Ok(Box::new(clip::Clip::open(dir)?)),
        _ => Err(EmbedError::UnknownModel { name: name.into() }),
    }
}

/// A model's raw vector, of length 1.
fn normalised(values: Vec<f32>) -> Result<Embedding, EmbedError> {
    Embedding::normalised(values).ok_or(EmbedError::NoDirection)
}
