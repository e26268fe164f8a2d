use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::progress::{Counter, Progress};
use super::reading::{LimitArgs, NameArgs, OnlookerArgs};
use super::stop::on_interrupt;
use super::{session, tell_of_model, tell_of_modes};
use crate::analyse::Views;
use crate::app::{Error, IndexRequest, Indexer};
use crate::embed::builtin;
use crate::ingest::{Fold, Policy, Summary, Thumbnail};
use crate::media::Sampling;
use crate::store::GraphProgress;

/// Read videos into the library
///
/// Walks folders, recognises videos by their content, and reads those that are new or have
/// changed. A file that cannot be read is named with its reason and never stops the rest. Ctrl-C
/// ends cleanly; run the same command again to go on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch index ~/footage
  vsearch index cam1.mp4 cam2.mkv --every 1
  vsearch index /mnt/archive --keyframes --library archive.vsearch

Which frames are looked at:
  (default)     keyframes, and frames between them so that no gap exceeds 2 s; what is visible
                for less than that may be missed
  --every N     one frame every N seconds; decodes what leads up to each
  --scenes      the first frame after each cut, and one every 10 s; decodes everything; for edited
                video, and blind to what comes and goes within a scene
  --keyframes   keyframes only: the cheapest, and blind to all that comes and goes between two
                (often 2 to 10 s, in some files minutes)

What is folded (--fold): samples that look the same, told by the mean colours of a coarse grid, are
embedded once, as one moment with start and end
  off           every sample is embedded
  normal        sensor noise, slow light change and clocks in the picture are ignored; a scene
                that does not change is looked at again every minute
  strong        larger differences too (small and distant things may be missed), every five minutes

What of a frame is embedded (--views), each part a vector with its box:
  center        what the model takes by itself: CLIP the middle square (56 % of a 16:9 frame),
                builtin the whole frame
  fit           the whole frame with grey bars
  cover         the fewest squares that cover it: 2 for 16:9, twice the work
  tiles         cover and a grid of squares half as high, for small things: 10 for 16:9
  objects       cover and each thing that the detector saw, with a margin: up to 8 more")]
pub(super) struct IndexArgs {
    /// Videos, and folders to walk
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Follow links that lead out of the folders named
    #[arg(long)]
    follow: bool,
    /// Look at one frame every SECONDS
    #[arg(long, value_name = "SECONDS", value_parser = positive_seconds, conflicts_with = "keyframes")]
    every: Option<f64>,
    /// Look at keyframes only
    #[arg(long, conflicts_with = "scenes")]
    keyframes: bool,
    /// Look at the first frame of each scene, and at one every 10 s
    #[arg(long, conflicts_with = "every")]
    scenes: bool,
    /// Read the Nth video stream of each file, from 0 [default: the one a player shows]
    #[arg(long, value_name = "N")]
    stream: Option<usize>,
    /// Fold samples that look the same into one moment: off, normal or strong
    #[arg(long, value_name = "FOLD", default_value_t)]
    fold: Fold,
    /// Model to embed with: a name (vsearch model list), or the folder of a CLIP model [default: the
    /// library's own, else CLIP ViT-B-32 where it is on this machine, else builtin]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// What of each frame is embedded: center, fit, cover, tiles or objects [default: cover for CLIP, center
    /// for builtin]
    #[arg(long, value_name = "VIEWS")]
    views: Option<Views>,
    #[command(flatten)]
    onlookers: OnlookerArgs,
    /// Pictures kept of moments: their longer side in pixels, or that and the quality of JPEG, or off
    #[arg(long, value_name = "SIDE[:QUALITY]|off", default_value = "320:75", value_parser = thumbnails)]
    thumbnails: Kept,
    #[command(flatten)]
    names: NameArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// How pictures of moments are kept, where they are.
#[derive(Debug, Clone, Copy)]
struct Kept(Option<Thumbnail>);

fn thumbnails(text: &str) -> Result<Kept, String> {
    if text == "off" {
        return Ok(Kept(None));
    }
    let (side, quality) = text.split_once(':').unwrap_or((text, "75"));
    match (side.parse(), quality.parse()) {
        (Ok(side), Ok(quality)) if (16..=4096).contains(&side) && (1..=100).contains(&quality) => {
            Ok(Kept(Some(Thumbnail { side, quality })))
        }
        _ => Err("must be a side of 16 to 4096 pixels, as 320 or 320:75, or off".into()),
    }
}

pub(super) fn positive_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(s) if s.is_finite() && s >= 0.001 => Ok(s),
        _ => Err("must be a number of seconds, 0.001 or more".into()),
    }
}

impl IndexArgs {
    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// How files are to be read.
    pub(super) fn request(&self) -> IndexRequest {
        let sampling = match (self.every, self.keyframes, self.scenes) {
            (Some(seconds), ..) => Sampling::Every { seconds },
            (None, true, _) => Sampling::Keyframes,
            (None, false, true) => Sampling::SCENES,
            (None, false, false) => Sampling::DEFAULT,
        };
        IndexRequest {
            policy: Policy::new(sampling, self.fold, self.stream),
            follow: self.follow,
            model: self.model.clone(),
            views: self.views,
            onlookers: self.onlookers.choice(),
            thumbnail: self.thumbnails.0,
            names: self.names.reader(),
            limits: self.limits.limits(),
        }
    }
}

pub(super) fn run(common: &Common, args: &IndexArgs) -> Result<ExitCode, Error> {
    let session = session(common)?;
    let mut indexer = session.indexer(args.request())?;
    let is_default = args.model.is_none() && indexer.model_name() == builtin::NAME;
    tell_of_model(&session, common, is_default);
    let summary = read(common, &mut indexer, args.paths(), false)?;
    tell_of_modes(&session, common);
    if !summary.interrupted {
        grow(common, &indexer)?;
    }
    indexer.found_videos(&summary)?;
    Ok(match summary.all_indexed() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    })
}

/// Reads files with their progress shown; `found`: they were found and not named.
pub(super) fn read(
    common: &Common,
    indexer: &mut Indexer,
    paths: &[PathBuf],
    found: bool,
) -> Result<Summary, Error> {
    let progress = Progress::new(common.quiet);
    let stop = on_interrupt();
    let summary = indexer.run(paths, found, &stop, &|e| progress.show(e))?;
    progress.finish(&summary, indexer.dir());
    Ok(summary)
}

/// Grows the search graph of a large library. Queries are answered without it meanwhile.
fn grow(common: &Common, indexer: &Indexer) -> Result<(), Error> {
    with_graph_progress(common, |progress| indexer.grow_graph(progress))
}

/// Runs `work` with the progress of a search graph shown.
pub(super) fn with_graph_progress<T>(
    common: &Common,
    work: impl FnOnce(&GraphProgress) -> Result<T, Error>,
) -> Result<T, Error> {
    let counter = Counter::new(common.quiet, "growing the search graph", "vectors");
    let progress = GraphProgress {
        report: &|done, total| counter.show(done as u64, total as u64),
        stop: &on_interrupt(),
    };
    let done = work(&progress)?;
    counter.finish();
    Ok(done)
}
