use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::embedder;
use super::failure::Failure;
use super::index::{grow, open_reader};
use super::output::{count, library};
use super::progress::Counter;
use super::reading::{LimitArgs, decoder};
use super::stop::on_interrupt;
use crate::embed::Views;
use crate::index::{VideoRow, Writer};
use crate::ingest::{Fold, Job, NameReader, reembed};
use crate::media::Sampling;

/// Change to another model
///
/// Embeds the frame of every moment in the library again, by another model, from its video or, where that
/// is gone, from the thumbnail kept of it. Until all
/// are done the model of before goes on answering; then queries and `vsearch index` use the new one.
/// Nothing is sampled, folded or timed anew. Ctrl-C loses nothing; the same command goes on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch reembed --model ViT-B-32
  vsearch reembed --model ViT-L-14 --views tiles --prune
  vsearch reembed --model ViT-B-32 --anyway   (also where some videos are gone)")]
pub(super) struct ReembedArgs {
    /// Model to change to: a name (vsearch model list), or the folder of a CLIP model
    #[arg(long, value_name = "NAME")]
    model: String,
    /// What of each frame is embedded: center, fit, cover or tiles [default: cover for CLIP, center
    /// for builtin]
    #[arg(long, value_name = "VIEWS")]
    views: Option<Views>,
    /// Change over even where some moments could not be embedded; queries then no longer find those
    #[arg(long)]
    anyway: bool,
    /// Then delete the vectors of other models
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

pub(super) fn run(common: &Common, args: &ReembedArgs) -> Result<ExitCode, Failure> {
    let dir = library(common)?;
    let reader = open_reader(&dir)?;
    let held = reader.model_names()?;
    if held.is_empty() {
        return Err(Failure::new("the library has no vectors yet")
            .hint("index some videos first: vsearch index FOLDER"));
    }
    let embedder = embedder::open(common, Some(&args.model), None)?;
    let embedder = embedder.as_ref();
    let views = args.views;
    let job = Job {
        paths: Vec::new(),
        found: false,
        sampling: Sampling::DEFAULT,
        fold: Fold::default(),
        views: views.unwrap_or_else(|| Views::default_of(embedder)),
        thumbnail: None,
        stream: None,
        names: NameReader::default(),
        decoder: decoder(),
        limits: args.limits.limits(),
    };
    let (fingerprint, dim) = (embedder.fingerprint(), embedder.dim());
    let answers = reader
        .models()?
        .iter()
        .any(|m| m.answers && m.fingerprint == fingerprint);
    let other_views = |v: &VideoRow| job.with_these_views(&v.sampling) != v.sampling;
    if answers && reader.videos()?.iter().any(other_views) {
        return Err(Failure::new(format!(
            "{} has vectors of other views than {} here already",
            embedder.name(),
            job.views
        ))
        .hint(
            "views of one model change only where videos are read again: vsearch index --views",
        ));
    }
    drop(reader);
    let mut writer = Writer::open_beside(&dir, embedder.name(), fingerprint, dim)?;
    let begun = writer.views(&job.views.to_string())?;
    if begun != job.views.to_string() {
        return Err(Failure::new(format!(
            "changing to {} was begun with other views",
            embedder.name()
        ))
        .hint(format!("go on with them: --views {begun}")));
    }
    let stop = on_interrupt();
    let counter = Counter::new(common.quiet, "embedding again", "moments");
    let show = |done: u64, total: u64| counter.show(done, total);
    let done = reembed((&job, &dir), embedder, &mut writer, &stop, &show)?;
    counter.finish();
    for problem in &done.problems {
        note!("{problem}");
    }
    let moments = |n: u64| count(usize::try_from(n).unwrap_or(usize::MAX), "moment");
    if done.from_thumbnails > 0 {
        note!(
            "{} embedded from the thumbnails kept of them: their videos could not be read",
            moments(done.from_thumbnails)
        );
    }
    if done.interrupted {
        note!(
            "stopped; {} embedded and kept, {} still answers; run the same command again to go on",
            moments(done.moments),
            held[0]
        );
        return Ok(ExitCode::from(1));
    }
    if done.missing > 0 && !args.anyway {
        return Err(Failure::new(format!(
            "{} could not be embedded; {} still answers",
            moments(done.missing),
            held[0]
        ))
        .hint("bring their videos back, or take them out (vsearch remove --missing), and run this again")
        .hint("or change over without them: --anyway"));
    }
    writer.answer(|policy| job.with_these_views(policy))?;
    if args.prune {
        writer.prune_models()?;
    }
    writer.catch_up()?;
    drop(writer);
    grow(common, &dir, (fingerprint, dim))?;
    if !common.quiet {
        note!(
            "{} embedded; queries are answered by {} now",
            moments(done.moments),
            embedder.name()
        );
    }
    Ok(ExitCode::SUCCESS)
}
