use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::args::Common;
use super::output::json_line;
use super::query::cut_after;
use super::{session_in, tell_of_model};
use crate::analyse::Views;
use crate::app::{Error, default_model};
use crate::embed::{EmbedError, Templates, load_picture};
use crate::types::{Embedding, Region};

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
    /// Model to embed with: a name, or the folder of a CLIP model [default: CLIP ViT-B-32 where it
    /// is on this machine, else builtin]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Phrasings that are averaged: none, photo, cctv, or a file of one a line with {}
    #[arg(long, value_name = "NAME|FILE", default_value = "none")]
    templates: String,
    /// What of the picture is embedded, one line each: center, fit, cover or tiles
    #[arg(
        long,
        value_name = "VIEWS",
        default_value = "center",
        conflicts_with = "text"
    )]
    views: Views,
}

#[derive(Serialize)]
struct Line<'a> {
    model: &'a str,
    dim: usize,
    vector: &'a [f32],
    /// Of a view of a picture, in its pixels.
    #[serde(rename = "box", skip_serializing_if = "Option::is_none")]
    region: Option<[u32; 4]>,
}

pub(super) fn run(common: &Common, args: &EmbedArgs) -> Result<ExitCode, Error> {
    let templates = Templates::named(&args.templates)?;
    let session = session_in(PathBuf::new(), common);
    let embedder = session.model(args.model.as_deref().unwrap_or(default_model()))?;
    tell_of_model(&session, common, args.model.is_none());
    let embedder = embedder.as_ref();
    let vectors: Vec<(Option<Region>, Embedding)> = match (&args.text, &args.image) {
        (Some(text), _) => {
            let read = embedder.read(text).text;
            if let Some(read) = templates.cut(embedder, &read)? {
                note!("{}", cut_after(embedder.name(), read));
            }
            vec![(None, templates.embed(embedder, &read)?)]
        }
        (None, Some(path)) => {
            let crops = embedder.profile().crops;
            let views = args.views.cut(load_picture(path)?, crops).into_iter();
            let (regions, pixels): (Vec<_>, Vec<_>) = views.map(|v| (v.region, v.pixels)).unzip();
            let vectors = embedder.embed_images(&pixels)?;
            regions.into_iter().zip(vectors).collect()
        }
        (None, None) => return Err(EmbedError::EmptyText.into()),
    };
    for (region, vector) in &vectors {
        json_line(&Line {
            model: embedder.name(),
            dim: vector.dim(),
            vector: vector.as_slice(),
            region: region.map(Region::to_array),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}
