//! From files to committed moments: find, decode, fold, embed, commit.
//!
//! [`run`] is the whole of it. One bad file never stops the rest, and stopping loses nothing
//! that was committed.

mod commit;
mod embedding;
mod fold;
mod job;
mod outcome;
mod pipeline;
mod plan;
mod policy;
mod recorded;
mod reembed;
mod signature;
mod thumbnail;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::analyse::OnlookerError;
use crate::embed::canary::{canaries, compare};
use crate::embed::{EmbedError, Embedder};
use crate::media::Worker;
use crate::store::{ModelWriter, StoreError};

pub use fold::Fold;
pub use job::Job;
pub use outcome::{Event, Outcome, Summary};
pub use policy::Policy;
pub use recorded::{NamePattern, NamePatternError, NameReader};
pub use reembed::{Reembedded, reembed};
pub use thumbnail::Thumbnail;

/// Why a run could not go on at all.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the model cannot be used: {0}")]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    Onlooker(#[from] OnlookerError),
    #[error("a worker thread could not be started: {0}")]
    Threads(std::io::Error),
}

/// A model that sees nothing, or other things than when the library was made, writes nothing.
fn self_test(embedder: &dyn Embedder, writer: &mut ModelWriter) -> Result<(), IngestError> {
    let device = &embedder.profile().device;
    let now = canaries(embedder)?;
    let before = writer.canaries(device)?;
    match before.is_empty() {
        true => writer.record_canaries(device, &now)?,
        false => compare(embedder, &now, &before)?,
    }
    Ok(())
}

/// Ends a run early, and hears what it does.
#[derive(Clone, Copy)]
struct Controls<'a> {
    stop: &'a AtomicBool,
    report: &'a (dyn Fn(Event) + Sync),
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
    writer: &mut ModelWriter,
    stop: &Arc<AtomicBool>,
    report: &(dyn Fn(Event) + Sync),
) -> Result<Summary, IngestError> {
    let mut prober = Worker::new(
        job.decoding.clone(),
        job.limits,
        job.policy.stream,
        stop.clone(),
    );
    thread::scope(|scope| {
        // The model comes in while files are still looked at.
        let mut loading = None;
        let mut found = || {
            loading.get_or_insert_with(|| {
                let builder = thread::Builder::new().name("load".into());
                builder.spawn_scoped(scope, || {
                    job.onlookers.load()?;
                    Ok::<_, IngestError>(embedder.load()?)
                })
            });
        };
        let controls = Controls { stop, report };
        let plan = plan::make(job, writer, &mut prober, &mut found, controls)?;
        if let Some(loading) = loading {
            let loaded = loading.map_err(IngestError::Threads)?.join();
            loaded.unwrap_or_else(|panic| resume_unwind(panic))?;
        }
        for (path, reason) in &plan.still_partial {
            report(Event::Finished {
                path,
                outcome: &Outcome::StillPartial {
                    reason: reason.clone(),
                },
                left: 0.0,
            });
        }
        for problem in &plan.problems {
            problem.record(job, writer)?;
            report(Event::Finished {
                path: &problem.path,
                outcome: &Outcome::Failed {
                    reason: problem.reason.clone(),
                },
                left: 0.0,
            });
        }
        writer.forget_closed(&plan.folders)?;
        writer.set_recorded(&plan.anew)?;
        let videos = &plan.videos;
        let read = match videos.is_empty() || prober.stopped() {
            true => Summary::default(),
            false => pipeline::run(job, (videos, prober), embedder, writer, report)?,
        };
        let mut summary = Summary {
            current: plan.current,
            other: plan.other,
            outside: plan.outside,
            still_partial: plan.still_partial.len(),
            failed: plan.problems.len() + read.failed,
            updated: plan.anew.len(),
            doubtful: read.doubtful + plan.doubtful(),
            ..read
        };
        summary.interrupted = stop.load(Ordering::Relaxed);
        if !summary.interrupted {
            report(Event::CatchingUp);
            writer.catch_up()?;
        }
        Ok(summary)
    })
}
