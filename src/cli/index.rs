use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::embedder;
use super::failure::Failure;
use super::output::{library, shown};
use super::progress::{Counter, Progress};
use super::reading::{LimitArgs, NameArgs, decoder};
use super::stop::on_interrupt;
use crate::embed::{Embedder, Views};
use crate::index::{
    CatalogError, GRAPH_FROM, GraphProgress, IndexError, Reader, Writer, grow_graph,
};
use crate::ingest::{Fold, Job, Summary, Thumbnail, run as ingest};
use crate::media::Sampling;

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
  normal        sensor noise, slow light change and clocks in the picture are passed over; a scene
                that does not change is looked at again every minute
  strong        larger differences too (small and distant things may be missed), every five minutes

What of a frame is embedded (--views), each part a vector with its box:
  center        what the model takes by itself: CLIP the middle square (56 % of a 16:9 frame),
                builtin the whole frame
  fit           the whole frame with grey bars
  cover         the fewest squares that cover it: 2 for 16:9, twice the work
  tiles         cover and a grid of squares half as high, for small things: 10 for 16:9")]
pub(super) struct IndexArgs {
    /// Videos, and folders to walk
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
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
    /// What of each frame is embedded: center, fit, cover or tiles [default: cover for CLIP, center
    /// for builtin]
    #[arg(long, value_name = "VIEWS")]
    views: Option<Views>,
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
}

/// All that a run needs but the paths, opened once.
pub(super) struct Indexing<'a> {
    common: &'a Common,
    dir: PathBuf,
    embedder: Box<dyn Embedder>,
    job: Job,
}

impl<'a> Indexing<'a> {
    pub(super) fn new(common: &'a Common, args: &IndexArgs) -> Result<Self, Failure> {
        let sampling = match (args.every, args.keyframes, args.scenes) {
            (Some(seconds), ..) => Sampling::Every { seconds },
            (None, true, _) => Sampling::Keyframes,
            (None, false, true) => Sampling::SCENES,
            (None, false, false) => Sampling::DEFAULT,
        };
        let missing: Vec<&PathBuf> = args.paths.iter().filter(|p| !p.exists()).collect();
        if missing.len() == args.paths.len() {
            return Err(
                Failure::new(format!("{}: no such file or folder", shown(missing[0])))
                    .hint("check the name; a folder or any number of video files will do"),
            );
        }
        let dir = library(common)?;
        let own = own_model(&dir)?;
        let embedder = embedder::open(common, args.model.as_deref(), own.as_deref())?;
        let views = args.views;
        let job = Job {
            paths: Vec::new(),
            found: false,
            sampling,
            fold: args.fold,
            views: views.unwrap_or_else(|| Views::default_of(embedder.as_ref())),
            thumbnail: args.thumbnails.0,
            stream: args.stream,
            names: args.names.reader(),
            decoder: decoder(),
            limits: args.limits.limits(),
        };
        Ok(Self {
            common,
            dir,
            embedder,
            job,
        })
    }

    /// Fingerprint and length of vectors of its model.
    pub(super) fn model(&self) -> (String, usize) {
        (self.embedder.fingerprint().to_owned(), self.embedder.dim())
    }

    /// Where its library lies.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads what a watcher found.
    pub(super) fn run_found(&mut self, paths: &[PathBuf]) -> Result<Summary, Failure> {
        self.job.paths = paths.to_vec();
        self.job.found = true;
        index(self.common, &self.dir, self.embedder.as_ref(), &self.job)
    }

    pub(super) fn run(&mut self, paths: &[PathBuf]) -> Result<Summary, Failure> {
        self.job.paths = paths.to_vec();
        self.job.found = false;
        index(self.common, &self.dir, self.embedder.as_ref(), &self.job)
    }
}

pub(super) fn run(common: &Common, args: &IndexArgs) -> Result<ExitCode, Failure> {
    let mut indexing = Indexing::new(common, args)?;
    let summary = indexing.run(&args.paths)?;
    if !summary.interrupted {
        let embedder = indexing.embedder.as_ref();
        grow(
            common,
            &indexing.dir,
            (embedder.fingerprint(), embedder.dim()),
        )?;
    }
    if summary.videos() == 0 && summary.failed == 0 && !summary.interrupted {
        let paths: Vec<String> = args.paths.iter().map(|p| shown(p)).collect();
        return Err(
            Failure::new(format!("{}: no videos found", paths.join(", ")))
                .hint("name a folder that holds videos, or a video file itself"),
        );
    }
    Ok(match summary.all_indexed() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    })
}

/// Runs a job with its progress shown.
pub(super) fn index(
    common: &Common,
    dir: &Path,
    embedder: &dyn Embedder,
    job: &Job,
) -> Result<Summary, Failure> {
    let mut writer = Writer::open(dir, embedder.name(), embedder.fingerprint(), embedder.dim())?;
    let stop = on_interrupt();
    let progress = Progress::new(common.quiet);
    let summary = ingest(job, embedder, &mut writer, &stop, &|e| progress.show(e))?;
    progress.finish(&summary, dir);
    Ok(summary)
}

/// Grows the search graph of a large library. Queries are answered without it meanwhile.
pub(super) fn grow(common: &Common, dir: &Path, model: (&str, usize)) -> Result<(), Failure> {
    let stop = on_interrupt();
    let counter = Counter::new(common.quiet, "growing the search graph", "vectors");
    let progress = GraphProgress {
        report: &|done, total| counter.show(done as u64, total as u64),
        stop: &stop,
    };
    grow_graph(dir, model, GRAPH_FROM, &progress)?;
    counter.finish();
    Ok(())
}

/// Reads a library that is about to be written: one of an earlier format is brought up to date.
pub(super) fn open_reader(dir: &Path) -> Result<Reader, IndexError> {
    match Reader::open(dir) {
        Err(IndexError::Catalog(CatalogError::Older { .. })) => {
            Writer::upgrade(dir)?;
            Reader::open(dir)
        }
        opened => opened,
    }
}

/// The model the library was made with.
fn own_model(dir: &Path) -> Result<Option<String>, Failure> {
    match open_reader(dir) {
        Ok(reader) => Ok(reader.model_names()?.into_iter().next()),
        Err(IndexError::Catalog(CatalogError::NoLibrary { .. })) => Ok(None),
        Err(e) => Err(e.into()),
    }
}
