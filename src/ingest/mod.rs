//! From files to committed moments: find, decode, fold, embed, commit.
//!
//! [`run`] is the whole of it. One bad file never stops the rest, and stopping loses nothing
//! that was committed.

mod commit;
mod embedding;
mod fold;
mod pipeline;
mod plan;
mod recorded;
mod reembed;
mod signature;
mod thumbnail;

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::embed::canary::{canaries, compare};
use crate::embed::{EmbedError, Embedder, Views};
use crate::index::{IndexError, Writer};
use crate::media::{Limits, Sampling, Worker};

pub use fold::Fold;
pub use plan::PathProblem;
pub use recorded::NameReader;
pub use reembed::{Reembedded, reembed};
pub use thumbnail::Thumbnail;

/// What to index and how.
#[derive(Debug, Clone)]
pub struct Job {
    /// Files, and folders to walk.
    pub paths: Vec<PathBuf>,
    /// The paths were found and not named: what is no video among them is passed over.
    pub found: bool,
    pub sampling: Sampling,
    pub fold: Fold,
    pub views: Views,
    /// How pictures of moments are kept, where they are.
    pub thumbnail: Option<Thumbnail>,
    /// Which video stream of each file, from 0; the one a player shows where `None`.
    pub stream: Option<usize>,
    pub names: NameReader,
    /// The program whose `decode-worker` verb reads files in a process of its own; in this process
    /// where there is none.
    pub decoder: Option<PathBuf>,
    pub limits: Limits,
}

impl Job {
    /// What decides which vectors a file gets: where it differs, the file is read again.
    fn policy(&self) -> String {
        let mut policy = self.sampling.to_string();
        if self.fold != Fold::Off {
            policy += &format!(", fold {}", self.fold);
        }
        if let Some(stream) = self.stream {
            policy += &format!(", stream {stream}");
        }
        if self.views != Views::Center {
            policy += &format!(", {}", self.views);
        }
        policy
    }

    /// A policy as it is with the views of this job.
    pub fn with_these_views(&self, policy: &str) -> String {
        let others = [Views::Fit, Views::Cover, Views::Tiles];
        let suffixes = others.map(|v| format!(", {v}"));
        let bare = suffixes
            .iter()
            .find_map(|s| policy.strip_suffix(s.as_str()));
        let bare = bare.unwrap_or(policy);
        match self.views {
            Views::Center => bare.to_owned(),
            views => format!("{bare}, {views}"),
        }
    }
}

/// What came of one file.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Indexed {
        frames: u64,
        decode_errors: u64,
    },
    /// Indexed as far as it can be read.
    Partly {
        frames: u64,
        reason: String,
    },
    Failed {
        reason: String,
    },
    /// Not read again: it has not changed since it was read as far as it goes.
    StillPartly {
        reason: String,
    },
    /// Interrupted; what was committed stays, the file is read again next time.
    Stopped,
}

/// What happens while it runs, for a display.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many files have been looked at to see which are videos.
    Looking { files: usize },
    /// What will be read: `seconds` of video where lengths are known.
    Planned {
        videos: usize,
        current: usize,
        seconds: f64,
    },
    /// A moment was committed that stands for `frames` samples and `seconds` of its video.
    Committed { frames: u64, seconds: f64 },
    /// A file is done; `left` seconds of it were not committed.
    Finished {
        path: &'a Path,
        outcome: &'a Outcome,
        left: f64,
    },
    /// All is committed; the derived indexes are brought up to it.
    CatchingUp,
}

/// How a run ended.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Summary {
    /// Files read to their end.
    pub indexed: usize,
    /// Files read as far as they go.
    pub partly: usize,
    /// Files that gave nothing.
    pub failed: usize,
    /// Files known and unchanged.
    pub current: usize,
    /// Of those, files that could be read only partly.
    pub still_partly: usize,
    /// Files of other kinds, passed over.
    pub other: usize,
    /// Samples looked at, and moments they were folded into.
    pub frames: u64,
    pub moments: u64,
    pub interrupted: bool,
}

impl Summary {
    /// Every file asked for is in the library, whole.
    pub fn all_indexed(&self) -> bool {
        self.partly + self.still_partly + self.failed == 0 && !self.interrupted
    }

    /// Videos that are in the library after this run.
    pub fn videos(&self) -> usize {
        self.indexed + self.partly + self.current
    }
}

/// Why a run could not go on at all.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("the model cannot be used: {0}")]
    Embed(#[from] EmbedError),
    #[error("a worker thread could not be started: {0}")]
    Threads(std::io::Error),
}

/// A model that sees nothing, or other things than when the library was made, writes nothing.
fn self_test(embedder: &dyn Embedder, writer: &mut Writer) -> Result<(), IngestError> {
    let device = embedder.device();
    let now = canaries(embedder)?;
    let before = writer.canaries(&device)?;
    match before.is_empty() {
        true => writer.record_canaries(&device, &now)?,
        false => compare(embedder, &now, &before)?,
    }
    Ok(())
}

fn spawn<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: String,
    work: impl FnOnce() + Send + 'scope,
) -> Result<(), IngestError> {
    let spawned = thread::Builder::new().name(name).spawn_scoped(scope, work);
    spawned.map(drop).map_err(IngestError::Threads)
}

/// Indexes `job` into the writer's library. `stop` ends it early and cleanly.
pub fn run(
    job: &Job,
    embedder: &dyn Embedder,
    writer: &mut Writer,
    stop: &Arc<AtomicBool>,
    report: &(dyn Fn(Event) + Sync),
) -> Result<Summary, IngestError> {
    let mut prober = Worker::new(job.decoder.clone(), job.limits, job.stream, stop.clone());
    thread::scope(|scope| {
        // The model comes in while files are still looked at.
        let mut loading = None;
        let mut found = || {
            loading.get_or_insert_with(|| {
                let builder = thread::Builder::new().name("load".into());
                builder.spawn_scoped(scope, || embedder.load())
            });
        };
        let plan = plan::make(job, writer, &mut prober, &mut found, stop, report)?;
        if let Some(loading) = loading {
            let loaded = loading.map_err(IngestError::Threads)?.join();
            loaded.unwrap_or_else(|panic| resume_unwind(panic))?;
        }
        let mut summary = Summary {
            current: plan.current,
            other: plan.other,
            ..Summary::default()
        };
        for (path, reason) in plan.still_partly {
            summary.still_partly += 1;
            report(Event::Finished {
                path: &path,
                outcome: &Outcome::StillPartly { reason },
                left: 0.0,
            });
        }
        for problem in plan.problems {
            problem.record(job, writer)?;
            summary.failed += 1;
            let outcome = Outcome::Failed {
                reason: problem.reason,
            };
            report(Event::Finished {
                path: &problem.path,
                outcome: &outcome,
                left: 0.0,
            });
        }
        if !plan.videos.is_empty() && !prober.stopped() {
            let videos = &plan.videos;
            pipeline::run(job, videos, prober, embedder, writer, report, &mut summary)?;
        }
        summary.interrupted = stop.load(Ordering::Relaxed);
        if !summary.interrupted {
            report(Event::CatchingUp);
            writer.catch_up()?;
        }
        Ok(summary)
    })
}
