//! What is shown while videos are read: a bar in a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::{count, length, shown};
use crate::ingest::{Event, Outcome, Summary};

const PLAIN_EVERY: Duration = Duration::from_secs(10);
const BAR: &str = "{bar:30} {percent:>3}% of {msg}  ETA {eta}";

/// Receives events from all threads.
pub(super) struct Progress {
    quiet: bool,
    bar: ProgressBar,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    videos: usize,
    done: usize,
    frames: u64,
    /// Seconds of video.
    total: f64,
    read: f64,
    last_line: Option<Instant>,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let target = match quiet || !std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("a valid template"));
        Self {
            quiet,
            bar,
            started: Instant::now(),
            state: Mutex::default(),
        }
    }

    pub(super) fn show(&self, event: Event) {
        // A thread that panicked while showing leaves numbers, not broken state.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Looking { files } => self.bar.set_message(format!("{files} files looked at")),
            Event::Planned {
                videos,
                current,
                seconds,
            } => {
                state.videos = videos;
                state.total = seconds;
                if current > 0 {
                    self.say(&format!(
                        "{} already indexed and unchanged",
                        count(current, "video")
                    ));
                }
                if videos > 0 {
                    let line = format!(
                        "{} to read, {} of footage",
                        count(videos, "video"),
                        length(seconds)
                    );
                    self.say(&line);
                    self.bar.set_length((seconds * 10.0) as u64);
                    self.bar
                        .set_style(ProgressStyle::with_template(BAR).expect("a valid template"));
                    self.bar.enable_steady_tick(Duration::from_millis(200));
                }
            }
            Event::Committed { frames, seconds } => {
                state.frames += frames;
                state.read += seconds;
                self.tick(&mut state);
            }
            Event::Finished {
                path,
                outcome,
                left,
            } => {
                state.done += 1;
                state.read += left.max(0.0);
                self.outcome(path, outcome);
                self.tick(&mut state);
            }
            Event::Sidecar {
                path,
                reason,
                partly,
            } => {
                let what = if partly { "only partly" } else { "ignored" };
                self.problem(&format!("{what} {}: {reason}", shown(path)));
            }
            Event::CatchingUp => self.bar.set_message("the search index"),
        }
    }

    pub(super) fn finish(&self, summary: &Summary, library: &Path) {
        self.bar.finish_and_clear();
        if self.quiet {
            return;
        }
        let took = self.started.elapsed().as_secs_f64();
        let mut line = format!(
            "{} indexed",
            count(summary.indexed + summary.partial, "video")
        );
        for (n, what) in [
            (summary.partial, "of them only partly"),
            (summary.failed, "could not be read"),
            (summary.current, "unchanged"),
            (summary.updated, "of them given another camera or time"),
            (summary.other, "of other kinds skipped"),
            (
                summary.outside,
                "linked to outside the folders and left out (--follow)",
            ),
        ] {
            if n > 0 {
                line += &format!(", {n} {what}");
            }
        }
        let rate = summary.frames as f64 / took.max(1e-3);
        note!(
            "{line}; {} frames in {} moments, {took:.1} s ({rate:.1} frames/s)",
            summary.frames,
            summary.moments
        );
        if summary.doubtful > 0 {
            note!(
                "{} whose time of recording may be wrong; why: vsearch status --json (recorded_doubt)",
                count(summary.doubtful, "video")
            );
        }
        if summary.untoned > 0 {
            note!(
                "{} in HDR, seen dim and pale: FFmpeg is built without zscale and tonemap here",
                count(summary.untoned, "video")
            );
        }
        if summary.interrupted {
            note!("stopped before the end; run the same command again to go on");
        }
        note!("library: {}", shown(library));
    }

    fn tick(&self, state: &mut State) {
        let rate = state.frames as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
        self.bar.set_position((state.read * 10.0) as u64);
        self.bar.set_message(format!(
            "{}, {} done, {rate:.1} frames/s",
            count(state.videos, "video"),
            state.done
        ));
        let due = state.last_line.unwrap_or(self.started).elapsed() >= PLAIN_EVERY;
        if self.bar.is_hidden() && !self.quiet && due {
            state.last_line = Some(Instant::now());
            let share = state.read / state.total.max(1e-9);
            let eta = match share > 0.0 && share < 1.0 {
                true => length(self.started.elapsed().as_secs_f64() * (1.0 / share - 1.0)),
                false => "unknown".into(),
            };
            note!(
                "{} of {} done, {} frames, {rate:.1} frames/s, ETA {eta}",
                state.done,
                count(state.videos, "video"),
                state.frames
            );
        }
    }

    fn outcome(&self, path: &Path, outcome: &Outcome) {
        let path = shown(path);
        match outcome {
            Outcome::Indexed {
                frames,
                decode_errors: 0,
            } => {
                if self.bar.is_hidden() {
                    self.say(&format!("indexed {path}: {frames} frames"));
                }
            }
            Outcome::Indexed {
                frames,
                decode_errors,
            } => self.problem(&format!(
                "indexed {path}: {frames} frames; {decode_errors} decode errors on the way"
            )),
            Outcome::Partial { frames, reason } => {
                self.problem(&format!("only partly {path}: {frames} frames; {reason}"));
            }
            Outcome::StillPartial { reason } => {
                self.problem(&format!("only partly, as before, {path}: {reason}"));
            }
            Outcome::Failed { reason } => self.problem(&format!("failed {path}: {reason}")),
            Outcome::Stopped => {}
        }
    }

    /// Problems are said even when quiet.
    fn problem(&self, line: &str) {
        self.bar.suspend(|| note!("{line}"));
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            self.problem(line);
        }
    }
}

/// Shows how far a count is.
pub(super) struct Counter {
    bar: ProgressBar,
    quiet: bool,
    /// What is done, and to what.
    doing: &'static str,
    things: &'static str,
    started: Instant,
    last_line: Mutex<Instant>,
}

impl Counter {
    pub(super) fn new(quiet: bool, doing: &'static str, things: &'static str) -> Self {
        let bar = match quiet {
            true => ProgressBar::hidden(),
            false => ProgressBar::new(0),
        };
        bar.set_style(ProgressStyle::with_template(BAR).expect("a valid template"));
        let now = Instant::now();
        Self {
            bar,
            quiet,
            doing,
            things,
            started: now,
            last_line: Mutex::new(now),
        }
    }

    pub(super) fn show(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.set_message(self.doing);
        let mut last = self
            .last_line
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.bar.is_hidden() && !self.quiet && last.elapsed() >= PLAIN_EVERY {
            *last = Instant::now();
            let share = done as f64 / total.max(1) as f64;
            let left = self.started.elapsed().as_secs_f64() * (1.0 / share.max(1e-9) - 1.0);
            let (doing, things) = (self.doing, self.things);
            note!("{doing}: {done} of {total} {things}, ETA {}", length(left));
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
