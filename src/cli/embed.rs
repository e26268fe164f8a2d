use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::failure::Failure;
use super::output::json_line;
use crate::embed::{DEFAULT_MODEL, EmbedError, Templates, load_picture, open_model};

/// Print the vector of a sentence or a picture
///
/// One JSON line: {"model":…,"dim":…,"vector":[…]}, L2-normalised; the dot product of two is
/// their cosine similarity.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch embed --text \"a white car\"
  vsearch embed --image frame.jpg",
    group(ArgGroup::new("input").required(true)))]
pub(super) struct EmbedArgs {
    /// A sentence
    #[arg(long, value_name = "SENTENCE", group = "input")]
    text: Option<String>,
    /// A picture file (JPEG, PNG, WebP, BMP, GIF, TIFF)
    #[arg(long, value_name = "FILE", group = "input")]
    image: Option<PathBuf>,
    /// Model to embed with: a name, or the folder of a CLIP model
    #[arg(long, value_name = "NAME", default_value = DEFAULT_MODEL)]
    model: String,
    /// Phrasings that are averaged: none, photo, cctv, or a file of one a line with {}
    #[arg(long, value_name = "NAME|FILE", default_value = "none")]
    templates: String,
}

#[derive(Serialize)]
struct Line<'a> {
    model: &'a str,
    dim: usize,
    vector: &'a [f32],
}

pub(super) fn run(args: &EmbedArgs) -> Result<ExitCode, Failure> {
    let templates = Templates::named(&args.templates)?;
    let embedder = open_model(&args.model)?;
    let embedding = match (&args.text, &args.image) {
        (Some(text), _) => templates.embed(embedder.as_ref(), text)?,
        (None, Some(path)) => {
            let pixels = load_picture(path)?;
            let mut vectors = embedder.embed_images(&[pixels])?;
            vectors.pop().ok_or(EmbedError::NoDirection)?
        }
        (None, None) => return Err(EmbedError::EmptyText.into()),
    };
    json_line(&Line {
        model: embedder.name(),
        dim: embedding.dim(),
        vector: embedding.as_slice(),
    })?;
    Ok(ExitCode::SUCCESS)
}
