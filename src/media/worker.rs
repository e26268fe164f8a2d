//! Reading a file in a child process, so that a decoder that crashes or hangs takes one file down and
//! not the run (docs/decisions/0009-decoding-in-a-child-process.md). [`Worker`] is the parent's side,
//! [`serve`] the child's.

use std::io::{BufReader, BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};

use super::protocol::{Message, Request, Task};
use super::{
    Choice, Ending, MediaError, ReadReport, SampledFrame, Sampling, Source, Span, VideoInfo,
    frame_at, sample,
};
use crate::types::{Pixels, TimeBase, Timestamp};

/// Messages read ahead of the parent: one being looked at, one on its way.
const AHEAD: usize = 1;
/// How often a waiting parent looks whether it was told to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// What one file may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Without any progress (no packet, no frame) for so long, a decoder has hung.
    pub stall: Duration,
    /// A file may take so long in all.
    pub whole: Option<Duration>,
    /// Address space of the process that decodes, in bytes.
    pub memory: u64,
    /// Width times height of a frame.
    pub pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(30),
            whole: None,
            memory: 4 << 30,
            pixels: 1 << 28,
        }
    }
}

/// Reads files, one after the other.
pub struct Worker {
    /// The program whose `decode-worker` verb calls [`serve`]; in this process where there is none.
    program: Option<PathBuf>,
    limits: Limits,
    /// Which video stream; see [`Choice`].
    stream: Option<usize>,
    stop: Arc<AtomicBool>,
    running: Option<Running>,
    /// When the file being read has had its time.
    deadline: Option<Instant>,
}

struct Running {
    child: Child,
    requests: ChildStdin,
    messages: Receiver<std::io::Result<Message>>,
    reader: JoinHandle<()>,
}

impl Worker {
    pub fn new(
        program: Option<PathBuf>,
        limits: Limits,
        stream: Option<usize>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            program,
            limits,
            stream,
            stop,
            running: None,
            deadline: None,
        }
    }

    fn choice(&self) -> Choice {
        Choice {
            stream: self.stream,
            pixels: Some(self.limits.pixels),
        }
    }

    /// Another that reads under the same conditions.
    pub fn another(&self) -> Self {
        let program = self.program.clone();
        Self::new(program, self.limits, self.stream, self.stop.clone())
    }

    /// Whether it was told to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What the container says. See [`Source::open`].
    pub fn probe(&mut self, path: &Path) -> Result<VideoInfo, MediaError> {
        if self.program.is_none() {
            let source = Source::open_with(path, &self.stop, self.choice())?;
            return Ok(source.info().clone());
        }
        match self.ask(path, Task::Probe)? {
            Message::Info(info) => Ok(info),
            Message::Failed(failure) => Err(failure.into_error(path)),
            _ => Err(self.lost(path, "answered out of turn")),
        }
    }

    /// Reads a stretch of a file, as [`sample()`].
    pub fn sample(
        &mut self,
        path: &Path,
        sampling: Sampling,
        span: Span,
        threads: usize,
        mut emit: impl FnMut(SampledFrame) -> ControlFlow<()>,
    ) -> Result<(VideoInfo, ReadReport), MediaError> {
        if self.program.is_none() {
            let source = Source::open_with(path, &self.stop, self.choice())?;
            let info = source.info().clone();
            return Ok((info, sample(source, sampling, span, threads, emit)?));
        }
        let task = Task::Sample {
            sampling,
            span,
            threads,
        };
        let info = match self.ask(path, task)? {
            Message::Info(info) => info,
            Message::Failed(failure) => return Err(failure.into_error(path)),
            _ => return Err(self.lost(path, "answered out of turn")),
        };
        let mut seen = ReadReport::empty();
        loop {
            let error = match self.next(path) {
                Ok(Message::Frame(frame)) => {
                    seen.count(&frame);
                    let handed = Instant::now();
                    let done = emit(frame);
                    // What others take is not the file's.
                    self.deadline = self.deadline.map(|d| d + handed.elapsed());
                    if done.is_break() {
                        self.kill();
                        seen.ending = Ending::Stopped;
                        return Ok((info, seen));
                    }
                    continue;
                }
                Ok(Message::Report(report)) => return Ok((info, report)),
                Ok(Message::Failed(failure)) => return Err(failure.into_error(path)),
                Ok(_) => self.lost(path, "answered out of turn"),
                Err(error) => error,
            };
            // What was seen before it went stays.
            return match error {
                MediaError::Lost { reason, .. } if seen.frames > 0 => {
                    let promised = span.to.or(info.duration);
                    seen.lose(&format!("{reason} at {:.1} s", seen.read_to), promised);
                    Ok((info, seen))
                }
                error => Err(error),
            };
        }
    }

    /// Hands the frame shown at each of `times`, in seconds, or why there is none, to `take`; stops where
    /// that says so.
    ///
    /// # Errors
    /// Where the decoder was lost or reading was stopped; frames handed on before that are good.
    pub fn frames(
        &mut self,
        path: &Path,
        times: &[f64],
        mut take: impl FnMut(usize, Result<Pixels, MediaError>) -> ControlFlow<()>,
    ) -> Result<(), MediaError> {
        for (n, seconds) in times.iter().enumerate() {
            let frame = match (&self.program, n) {
                (None, _) => frame_at(path, self.stream, *seconds),
                (Some(_), 0) => {
                    let times = times.to_vec();
                    shown(self.ask(path, Task::Frames { times })?, path)
                }
                (Some(_), _) => shown(self.next(path)?, path),
            };
            if take(n, frame).is_break() {
                self.kill();
                return Err(MediaError::Stopped { path: path.into() });
            }
        }
        Ok(())
    }

    fn ask(&mut self, path: &Path, task: Task) -> Result<Message, MediaError> {
        self.deadline = self.limits.whole.map(|whole| Instant::now() + whole);
        let request = Request {
            path: path.as_os_str().as_bytes().to_vec(),
            task,
            choice: self.choice(),
        };
        let running = match &mut self.running {
            Some(running) => running,
            None => {
                let started = start(self.program.as_deref(), self.limits.memory);
                let started = started.map_err(|cause| MediaError::NoWorker {
                    path: path.into(),
                    cause,
                })?;
                self.running.insert(started)
            }
        };
        if request.write(&mut running.requests).is_err() {
            return Err(self.lost(path, "is gone"));
        }
        self.next(path)
    }

    /// The next message that is more than a sign of life.
    fn next(&mut self, path: &Path) -> Result<Message, MediaError> {
        let mut quiet = Instant::now();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                self.kill();
                return Err(MediaError::Stopped { path: path.into() });
            }
            if self.deadline.is_some_and(|d| Instant::now() > d) {
                return Err(self.lost(path, "took longer than a file may take"));
            }
            let Some(running) = &self.running else {
                return Err(self.lost(path, "is gone"));
            };
            match running.messages.recv_timeout(GLANCE) {
                Ok(Ok(Message::Alive)) => quiet = Instant::now(),
                Ok(Ok(message)) => return Ok(message),
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.lost(path, "crashed"));
                }
                Err(RecvTimeoutError::Timeout) if quiet.elapsed() < self.limits.stall => {}
                Err(RecvTimeoutError::Timeout) => return Err(self.lost(path, "hung")),
            }
        }
    }

    /// The child is no more use; the next file gets another.
    fn lost(&mut self, path: &Path, what: &str) -> MediaError {
        let path = path.to_owned();
        if self.stop.load(Ordering::Relaxed) {
            self.kill();
            return MediaError::Stopped { path };
        }
        let how = match self.kill() {
            Some(signal) if what == "crashed" => format!(" (signal {signal})"),
            _ => String::new(),
        };
        let reason = format!("its decoder {what}{how}");
        MediaError::Lost { path, reason }
    }

    /// Ends the child; returns the signal it had died of before.
    fn kill(&mut self) -> Option<i32> {
        let mut running = self.running.take()?;
        drop(running.requests);
        // One that is dying gets to say of what.
        let mut ended = None;
        for _ in 0..20 {
            ended = running.child.try_wait().ok().flatten();
            if ended.is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = running.child.kill();
        let _ = running.child.wait();
        drop(running.messages);
        let _ = running.reader.join();
        ended?.signal()
    }
}

fn shown(message: Message, path: &Path) -> Result<Pixels, MediaError> {
    match message {
        Message::Frame(frame) => Ok(frame.pixels),
        Message::Failed(failure) => Err(failure.into_error(path)),
        _ => Err(MediaError::Lost {
            path: path.into(),
            reason: "its decoder answered out of turn".into(),
        }),
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn start(program: Option<&Path>, memory: u64) -> std::io::Result<Running> {
    let mut child = Command::new(program.unwrap_or(Path::new("vsearch")))
        .arg("decode-worker")
        .arg(memory.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let gone = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    let requests = child.stdin.take().ok_or_else(gone)?;
    let output = child.stdout.take().ok_or_else(gone)?;
    let (to_parent, messages) = bounded(AHEAD);
    let read = move || {
        let mut output = BufReader::with_capacity(1 << 20, output);
        loop {
            let message = Message::read(&mut output);
            let last = message.is_err();
            if to_parent.send(message).is_err() || last {
                return;
            }
        }
    };
    let reader = thread::Builder::new()
        .name("decoder-pipe".into())
        .spawn(read)?;
    Ok(Running {
        child,
        requests,
        messages,
        reader,
    })
}

/// The child's side: answers requests from standard input on standard output until there are no
/// more. `memory` limits the address space of this process, in bytes.
///
/// # Errors
/// Where the parent has gone.
pub fn serve(memory: u64) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, Signal};
    // Each is a precaution: where the system refuses one, reading still works.
    let _ = rustix::process::setrlimit(
        Resource::As,
        Rlimit {
            current: Some(memory),
            maximum: Some(memory),
        },
    );
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let out = Arc::new(std::sync::Mutex::new(BufWriter::with_capacity(
        1 << 16,
        std::io::stdout(),
    )));
    let send = |message: &Message| {
        let mut out = out.lock().map_err(|_| std::io::ErrorKind::Other)?;
        message.write(&mut *out)?;
        out.flush()
    };
    let beating = Arc::clone(&out);
    let beat = move || {
        let mut before = super::progress();
        loop {
            thread::sleep(Duration::from_millis(500));
            let now = super::progress();
            // Where a message is being written the parent hears enough.
            if now != before
                && let Ok(mut out) = beating.try_lock()
            {
                let _ = Message::Alive.write(&mut *out).and_then(|()| out.flush());
            }
            before = now;
        }
    };
    thread::Builder::new()
        .name("heartbeat".into())
        .spawn(beat)?;
    let never = Arc::new(AtomicBool::new(false));
    let mut input = std::io::stdin().lock();
    while let Some(request) = Request::read(&mut input)? {
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(&request.path));
        if let Task::Frames { times } = request.task {
            for seconds in times {
                super::step();
                match frame_at(&path, request.choice.stream, seconds) {
                    Ok(pixels) => send(&Message::Frame(SampledFrame {
                        time: Timestamp::from_seconds(seconds, TimeBase::MICROS),
                        pixels,
                        scale: 1.0,
                    }))?,
                    Err(e) => send(&Message::failed(&e, &path))?,
                }
            }
            continue;
        }
        let source = match Source::open_with(&path, &never, request.choice) {
            Ok(source) => source,
            Err(e) => {
                send(&Message::failed(&e, &path))?;
                continue;
            }
        };
        send(&Message::Info(source.info().clone()))?;
        let Task::Sample {
            sampling,
            span,
            threads,
        } = request.task
        else {
            continue;
        };
        let mut broken = None;
        let report = sample(source, sampling, span, threads, |frame| {
            match send(&Message::Frame(frame)) {
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
        match report {
            Ok(report) => send(&Message::Report(report))?,
            Err(e) => send(&Message::failed(&e, &path))?,
        }
    }
    Ok(())
}

/// Reads exactly `n` bytes, or says that the other side has gone.
pub(super) fn exactly(input: &mut impl Read, n: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; n];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}
