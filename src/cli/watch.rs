use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Args;
use notify::{EventKind, RecursiveMode, Watcher};

use super::args::Common;
use super::index::{IndexArgs, positive_seconds, read};
use super::output::shown;
use super::stop::on_interrupt;
use super::{session, tell_of_modes};
use crate::app::{Error, Indexer};
use crate::store::GraphProgress;

/// A file that never settles is indexed as far as it goes, so often.
const AT_LEAST_EVERY: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(250);

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
    /// Walk all folders again this often
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = positive_seconds)]
    rescan: f64,
}

/// What has changed since it was last read. The watcher's thread fills it.
#[derive(Default)]
struct Changes {
    /// When each path was first and last seen changing.
    paths: Mutex<HashMap<PathBuf, (Instant, Instant)>>,
    /// Some changes were missed.
    missed: AtomicBool,
}

impl Changes {
    fn note(&self, event: notify::Result<notify::Event>, library: &Path) {
        let event = match event {
            Ok(event) if !event.need_rescan() => event,
            _ => return self.missed.store(true, Ordering::Relaxed),
        };
        if !matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_)) {
            return;
        }
        let now = Instant::now();
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        // What indexing writes itself must not set it off again.
        for path in event.paths.into_iter().filter(|p| !p.starts_with(library)) {
            paths.entry(path).or_insert((now, now)).1 = now;
        }
    }

    /// Takes what has settled, or has been changing for long.
    fn settled(&self, settle: Duration) -> Vec<PathBuf> {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let due = |(first, last): &(Instant, Instant)| {
            last.elapsed() >= settle || first.elapsed() >= AT_LEAST_EVERY
        };
        let ready = paths.extract_if(|_, times| due(times));
        ready.map(|(path, _)| path).filter(|p| p.exists()).collect()
    }
}

/// Grows the search graph beside all else.
#[derive(Default)]
struct Growing(Option<JoinHandle<()>>);

impl Growing {
    fn start(&mut self, indexer: &Indexer) {
        let running = self.0.as_ref().is_some_and(|g| !g.is_finished());
        if running {
            return;
        }
        let grow = indexer.graph_grower();
        let work = move || {
            let progress = GraphProgress {
                report: &|_, _| {},
                stop: &on_interrupt(),
            };
            if let Err(e) = grow(&progress) {
                note!("{e}; queries compare every vector meanwhile");
            }
        };
        // Where no thread can be had, the next change tries again.
        let builder = std::thread::Builder::new().name("graph".into());
        self.0 = builder.spawn(work).ok();
    }
}

pub(super) fn run(common: &Common, args: &WatchArgs) -> Result<ExitCode, Error> {
    let stop = on_interrupt();
    let session = session(common)?;
    let mut indexer = session.indexer(args.index.request())?;
    session.library().make_folder()?;
    let library = indexer.dir().canonicalize()?;
    let changes = Arc::new(Changes::default());
    let noting = Arc::clone(&changes);
    let mut watcher = notify::recommended_watcher(move |event| noting.note(event, &library))
        .map_err(|e| Error::environment(e).hint("or run `vsearch index` from a timer"))?;
    for path in args.index.paths() {
        // By its real path, as the library's is.
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        watcher
            .watch(&real, RecursiveMode::Recursive)
            .map_err(|e| {
                let what = format!("{}: cannot be watched: {e}", shown(path));
                Error::environment(what).hint(
                    "check the name; on Linux, fs.inotify.max_user_watches limits how many folders",
                )
            })?;
    }
    read(common, &mut indexer, args.index.paths(), false)?;
    tell_of_modes(&session, common);
    let mut growing = Growing::default();
    if !common.quiet {
        note!("watching; Ctrl-C ends it");
    }
    let settle = Duration::from_secs_f64(args.settle);
    let rescan = Duration::from_secs_f64(args.rescan);
    let mut walked = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(POLL_INTERVAL);
        let missed = changes.missed.swap(false, Ordering::Relaxed);
        let ready = changes.settled(settle);
        let done = if missed || walked.elapsed() >= rescan {
            walked = Instant::now();
            read(common, &mut indexer, args.index.paths(), false)
        } else if ready.is_empty() {
            continue;
        } else {
            read(common, &mut indexer, &ready, true)
        };
        match done {
            Ok(_) => growing.start(&indexer),
            // Another vsearch has its turn; then everything is looked at again.
            Err(error) if error.is_busy() => changes.missed.store(true, Ordering::Relaxed),
            Err(error) => return Err(error),
        }
    }
    Ok(ExitCode::SUCCESS)
}
