//! The child's side: reads files for its parent.

use std::io::{BufWriter, Stdout, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::wire::{Message, Request, Task, version};
use crate::media::{
    Choice, FrameReader, MediaError, SampledFrame, Sampling, Source, Span, sample, subtitles,
};
use crate::types::{TimeBase, Timestamp};

/// How often the parent hears that there is progress.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Answers requests from standard input on standard output until there are no more. `memory` limits
/// the address space of this process, in bytes; `parent` is the process it must not outlive.
///
/// # Errors
/// Where the parent has gone.
pub fn serve(memory: u64, parent: u32) -> std::io::Result<()> {
    confine(memory);
    if die_with(parent).is_break() {
        return Ok(());
    }
    let out = Output::new();
    out.send(&Message::Hello(version()))?;
    let beating = out.clone();
    let heart = thread::Builder::new().name("heartbeat".into());
    heart.spawn(move || beating.beat())?;
    let mut input = std::io::stdin().lock();
    while let Some(request) = Request::read(&mut input)? {
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(&request.path));
        match request.task {
            Task::Probe => out.probe(&path, request.choice)?,
            Task::Sample {
                sampling,
                span,
                threads,
            } => out.sample((&path, request.choice), sampling, span, threads)?,
            Task::Frames { times, max_side } => {
                out.frames((&path, request.choice), &times, max_side)?;
            }
            Task::Sidecar => match subtitles::read(&path) {
                Ok(said) => out.send(&Message::Subtitles(said))?,
                Err(e) => out.send(&Message::failed(&e, &path))?,
            },
        }
    }
    Ok(())
}

/// A precaution: where the system refuses it, reading still works.
fn confine(memory: u64) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = Rlimit {
        current: Some(memory),
        maximum: Some(memory),
    };
    let _ = setrlimit(Resource::As, limit);
}

/// Makes the system end this process with its parent; breaks where that is gone already.
fn die_with(parent: u32) -> ControlFlow<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    #[cfg(target_os = "linux")]
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // It may have ended before the signal was asked for.
    let now = getppid().map(|pid| pid.as_raw_nonzero().get());
    match now.is_some_and(|pid| u32::try_from(pid) == Ok(parent)) {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    }
}

/// What goes to the parent, one message at a time.
#[derive(Clone)]
struct Output(Arc<Mutex<BufWriter<Stdout>>>);

impl Output {
    fn new() -> Self {
        let stdout = BufWriter::with_capacity(1 << 16, std::io::stdout());
        Self(Arc::new(Mutex::new(stdout)))
    }

    fn send(&self, message: &Message) -> std::io::Result<()> {
        let out = self.0.lock().map_err(|_| std::io::ErrorKind::Other)?;
        Self::write(out, message)
    }

    fn write(mut out: MutexGuard<BufWriter<Stdout>>, message: &Message) -> std::io::Result<()> {
        message.write(&mut *out)?;
        out.flush()
    }

    /// Tells the parent of progress, for ever.
    fn beat(&self) {
        let mut before = crate::media::progress();
        loop {
            thread::sleep(HEARTBEAT);
            let now = crate::media::progress();
            // Where a message is being written the parent hears enough.
            if now != before
                && let Ok(out) = self.0.try_lock()
            {
                let _ = Self::write(out, &Message::Alive);
            }
            before = now;
        }
    }

    fn probe(&self, path: &Path, choice: Choice) -> std::io::Result<()> {
        self.opened(path, choice).map(drop)
    }

    /// Opens a file and says what it is, or why it cannot be read.
    fn opened(&self, path: &Path, choice: Choice) -> std::io::Result<Option<Source>> {
        let never = Arc::new(AtomicBool::new(false));
        match Source::open_with(path, &never, choice) {
            Ok(source) => {
                self.send(&Message::Info(source.info().clone()))?;
                Ok(Some(source))
            }
            Err(e) => {
                self.send(&Message::failed(&e, path))?;
                Ok(None)
            }
        }
    }

    fn sample(
        &self,
        (path, choice): (&Path, Choice),
        sampling: Sampling,
        span: Span,
        threads: usize,
    ) -> std::io::Result<()> {
        let Some(source) = self.opened(path, choice)? else {
            return Ok(());
        };
        let mut broken = None;
        let report = sample(source, sampling, span, threads, |frame| {
            match self.send(&Message::Frame(frame)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(e) => {
                    broken = Some(e);
                    ControlFlow::Break(())
                }
            }
        });
        if let Some(e) = broken {
            return Err(e);
        }
        self.send(&match report {
            Ok(report) => Message::Report(report),
            Err(e) => Message::failed(&e, path),
        })
    }

    fn frames(
        &self,
        (path, choice): (&Path, Choice),
        times: &[f64],
        max_side: Option<u32>,
    ) -> std::io::Result<()> {
        let mut reader = FrameReader::new(path, choice, max_side);
        for &seconds in times {
            crate::media::step();
            let framed = |(pixels, scale)| SampledFrame {
                time: Timestamp::from_seconds(seconds, TimeBase::MICROS),
                pixels,
                scale,
            };
            let answer: Result<SampledFrame, MediaError> = reader.frame_at(seconds).map(framed);
            self.send(&match answer {
                Ok(frame) => Message::Frame(frame),
                Err(e) => Message::failed(&e, path),
            })?;
        }
        Ok(())
    }
}
