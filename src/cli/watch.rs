use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;
use crossbeam::channel::{RecvTimeoutError, unbounded};
use notify::{EventKind, RecursiveMode, Watcher};

use super::args::Common;
use super::failure::Failure;
use super::index::{IndexArgs, Indexing, positive_seconds};
use super::output::shown;
use super::stop::on_interrupt;

/// A file that never settles is indexed as far as it goes, so often.
const AT_LEAST_EVERY: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(250);

/// Keep folders indexed as files arrive and grow
///
/// Indexes PATHs, then waits for changes: a file that has not changed for --settle seconds is read, one
/// that keeps growing (a recorder's current segment) is read so far every minute and continued later.
/// Folders are also walked every --rescan seconds, for file systems that report no changes. Ctrl-C
/// ends it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch watch /srv/cameras
  vsearch watch /mnt/nas --rescan 60 --quiet")]
pub(super) struct WatchArgs {
    #[command(flatten)]
    index: IndexArgs,
    /// A file unchanged for so long is complete
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = positive_seconds)]
    settle: f64,
    /// Walk the folders anew so often
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = positive_seconds)]
    rescan: f64,
}

/// When a file was first and last seen changing since it was last read.
struct Change {
    first: Instant,
    last: Instant,
}

pub(super) fn run(common: &Common, args: &WatchArgs) -> Result<ExitCode, Failure> {
    let stop = on_interrupt();
    let (events, changes) = unbounded();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Nobody listens any more: the program is ending.
        let _ = events.send(event);
    })
    .map_err(|e| Failure::new(e).hint("or run `vsearch index` from a timer"))?;
    for path in args.index.paths() {
        watcher.watch(path, RecursiveMode::Recursive).map_err(|e| {
            Failure::new(format!("{}: cannot be watched: {e}", shown(path))).hint(
                "check the name; on Linux, fs.inotify.max_user_watches limits how many folders",
            )
        })?;
    }
    let mut indexing = Indexing::new(common, &args.index)?;
    indexing.run(args.index.paths())?;
    if !common.quiet {
        note!("watching; Ctrl-C ends it");
    }
    let settle = Duration::from_secs_f64(args.settle);
    let rescan = Duration::from_secs_f64(args.rescan);
    let mut pending: HashMap<PathBuf, Change> = HashMap::new();
    let mut walked = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        match changes.recv_timeout(GLANCE) {
            Ok(Ok(event)) => note_change(&mut pending, event),
            // Some changes were missed: walk.
            Ok(Err(_)) => walked = Instant::now().checked_sub(rescan).unwrap_or(walked),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let due = |c: &Change| c.last.elapsed() >= settle || c.first.elapsed() >= AT_LEAST_EVERY;
        let ready: Vec<PathBuf> = pending
            .extract_if(|_, c| due(c))
            .map(|(path, _)| path)
            .filter(|p| p.is_file())
            .collect();
        if walked.elapsed() >= rescan {
            walked = Instant::now();
            indexing.run(args.index.paths())?;
        } else if !ready.is_empty() {
            indexing.run(&ready)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn note_change(pending: &mut HashMap<PathBuf, Change>, event: notify::Event) {
    if !matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_)) {
        return;
    }
    let now = Instant::now();
    for path in event.paths {
        let change = pending.entry(path).or_insert(Change {
            first: now,
            last: now,
        });
        change.last = now;
    }
}
