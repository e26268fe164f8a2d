use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::index::with_graph_progress;
use super::output::count;
use super::progress::Counter;
use super::reading::{LimitArgs, OnlookerArgs};
use super::stop::on_interrupt;
use super::{session, tell_of_model};
use crate::analyse::Views;
use crate::app::{Error, ReembedRequest};

/// Change to another model, or look for what is lacking
///
/// Embeds the frame of every moment in the library with another model, from its video or, where that is
/// gone, from the thumbnail kept of it. The old model goes on answering until all are done; then queries
/// and `vsearch index` use the new one. Sampling, folding and times stay. Ctrl-C loses nothing; run the
/// same command again to go on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch reembed --model ViT-B-32
  vsearch reembed --model ViT-L-14 --views tiles --prune
  vsearch reembed                            (things and lettering, in a library of an earlier vsearch)
  vsearch reembed --model ViT-B-32 --anyway   (also where some videos are gone)")]
pub(super) struct ReembedArgs {
    /// Model to change to: a name (vsearch model list), or the folder of a CLIP model [default: the library's
    /// own, which is given what it lacks]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// What of each frame is embedded: center, fit, cover, tiles or objects [default: cover for CLIP, center
    /// for builtin]
    #[arg(long, value_name = "VIEWS")]
    views: Option<Views>,
    #[command(flatten)]
    onlookers: OnlookerArgs,
    /// Change over even where some moments could not be embedded; queries then no longer find those
    #[arg(long)]
    anyway: bool,
    /// Then delete the vectors of other models
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

pub(super) fn run(common: &Common, args: &ReembedArgs) -> Result<ExitCode, Error> {
    let session = session(common)?;
    let mut reembedding = session.reembedding(&ReembedRequest {
        model: args.model.clone(),
        views: args.views,
        onlookers: args.onlookers.choice(),
        limits: args.limits.limits(),
    })?;
    tell_of_model(&session, common, false);
    let counter = Counter::new(common.quiet, "embedding again", "moments");
    let show = |done: u64, total: u64| counter.show(done, total);
    let done = reembedding.run(&on_interrupt(), &show)?;
    counter.finish();
    let moments = |n: u64| count(usize::try_from(n).unwrap_or(usize::MAX), "moment");
    for (problem, lacking) in &done.problems {
        note!("{problem} ({})", moments(*lacking));
    }
    if done.from_thumbnails > 0 {
        note!(
            "{} embedded from the thumbnails kept of them: their videos could not be read",
            moments(done.from_thumbnails)
        );
    }
    let (model, before) = reembedding.models();
    if done.interrupted {
        note!(
            "stopped; {} embedded and kept, {before} still answers; run the same command again to go on",
            moments(done.moments)
        );
        return Ok(ExitCode::from(1));
    }
    if done.missing > 0 && !args.anyway {
        return Err(Error::data(format!(
            "{} could not be embedded; {before} still answers",
            moments(done.missing)
        ))
        .hint("bring their videos back, or take them out (vsearch remove --missing), and run this again")
        .hint("or change over without them: --anyway"));
    }
    let said = format!(
        "{} embedded; queries are answered by {model} now",
        moments(done.moments)
    );
    with_graph_progress(common, |progress| reembedding.answer(args.prune, progress))?;
    if !common.quiet {
        note!("{said}");
    }
    Ok(ExitCode::SUCCESS)
}
