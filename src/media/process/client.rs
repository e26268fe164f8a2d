//! The parent's side: has files read by a child, which it replaces when that dies, hangs or takes too
//! long.

use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};

use super::spawn::spawn;
use super::wire::{Message, Request, Task, version};
use crate::media::{
    Choice, Ending, FrameReader, MediaError, ReadReport, SampledFrame, Sampling, Source, Span,
    Subtitles, VideoInfo, sample, subtitles,
};
use crate::types::{MOST_PIXELS, Pixels};

/// Where files are decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoding {
    /// In children of this program, whose `decode-worker` verb calls [`super::server::serve`].
    Child(PathBuf),
    /// In this process: a file that crashes its decoder ends all.
    InProcess,
}

impl Decoding {
    /// In children of the program that runs.
    ///
    /// # Errors
    /// Where the system does not tell which that is.
    pub fn in_children() -> std::io::Result<Self> {
        // On Linux that which runs, also where its file has been replaced meanwhile.
        let own = Path::new("/proc/self/exe");
        let program = match own.exists() {
            true => own.to_owned(),
            false => std::env::current_exe()?,
        };
        Ok(Self::Child(program))
    }
}

/// Messages read ahead of the parent: one being looked at, one on its way.
const AHEAD: usize = 1;
/// How often a waiting parent looks whether it was told to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

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
            pixels: MOST_PIXELS,
        }
    }
}

/// Reads files, one after the other.
pub struct Worker {
    decoding: Decoding,
    limits: Limits,
    /// See [`Choice`].
    stream: Option<usize>,
    from_start: bool,
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
    /// Its standard error, once that has ended.
    last_words: JoinHandle<String>,
}

impl Worker {
    pub fn new(
        decoding: Decoding,
        limits: Limits,
        stream: Option<usize>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            decoding,
            limits,
            stream,
            from_start: false,
            stop,
            running: None,
            deadline: None,
        }
    }

    fn choice(&self) -> Choice {
        Choice {
            stream: self.stream,
            pixels: Some(self.limits.pixels),
            from_start: self.from_start,
        }
    }

    /// Another that reads under the same conditions.
    pub fn another(&self) -> Self {
        let decoding = self.decoding.clone();
        Self::new(decoding, self.limits, self.stream, self.stop.clone())
    }

    /// Reads this video stream of the files to come, their frames from the start on where asked; see
    /// [`Choice`].
    pub fn select(&mut self, stream: Option<usize>, from_start: bool) {
        self.stream = stream;
        self.from_start = from_start;
    }

    /// Whether it was told to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What the container says. See [`Source::open`].
    pub fn probe(&mut self, path: &Path) -> Result<VideoInfo, MediaError> {
        if self.decoding == Decoding::InProcess {
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
        if self.decoding == Decoding::InProcess {
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
        let mut seen = ReadReport::new(info.duration);
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
                MediaError::Lost { reason, .. } if seen.coverage.frames > 0 => {
                    let promised = span.to.or(info.duration);
                    let reached = seen.coverage.seconds_read();
                    seen.break_off(&format!("{reason} at {reached:.1} s"), promised);
                    Ok((info, seen))
                }
                error => Err(error),
            };
        }
    }

    /// Hands the frame shown at each of `times`, in seconds, or why there is none, to `take`, with how
    /// many times larger a player shows it; stops where that says so. No frame has a side longer than
    /// `max_side`. Times that grow are read in one pass.
    ///
    /// # Errors
    /// Where the decoder was lost or reading was stopped; frames handed on before that are good.
    pub fn frames(
        &mut self,
        path: &Path,
        times: &[f64],
        max_side: Option<u32>,
        mut take: impl FnMut(usize, Result<(Pixels, f64), MediaError>) -> ControlFlow<()>,
    ) -> Result<(), MediaError> {
        let mut here = FrameReader::new(path, self.choice(), max_side);
        for (n, seconds) in times.iter().enumerate() {
            let frame = match (&self.decoding, n) {
                (Decoding::InProcess, _) => here.frame_at(*seconds),
                (Decoding::Child(_), 0) => {
                    let times = times.to_vec();
                    shown(self.ask(path, Task::Frames { times, max_side })?, path)
                }
                (Decoding::Child(_), _) => shown(self.next(path)?, path),
            };
            let handed = Instant::now();
            let done = take(n, frame);
            // What others take is not the file's.
            self.deadline = self.deadline.map(|d| d + handed.elapsed());
            if done.is_break() {
                self.kill();
                return Err(MediaError::Stopped { path: path.into() });
            }
        }
        Ok(())
    }

    /// What a subtitle file says.
    ///
    /// # Errors
    /// Where it cannot be read, is too large, or ended its decoder.
    pub fn sidecar(&mut self, path: &Path) -> Result<Subtitles, MediaError> {
        if self.decoding == Decoding::InProcess {
            return subtitles::read(path);
        }
        match self.ask(path, Task::Sidecar)? {
            Message::Subtitles(said) => Ok(said),
            Message::Failed(failure) => Err(failure.into_error(path)),
            _ => Err(self.lost(path, "answered out of turn")),
        }
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
                tracing::debug!(path = %path.display(), "decoder: starting a process");
                let started = start(&self.decoding, self.limits.memory);
                let started = started.map_err(|cause| MediaError::NoWorker {
                    path: path.into(),
                    cause,
                })?;
                self.running = Some(started);
                self.greeted(path)?
            }
        };
        if request.write(&mut running.requests).is_err() {
            return Err(self.lost(path, "is gone"));
        }
        self.next(path)
    }

    /// The child that was just started, once it has said that it speaks as this program does.
    fn greeted(&mut self, path: &Path) -> Result<&mut Running, MediaError> {
        let expected = version();
        let found = match self.next(path) {
            Ok(Message::Hello(found)) if found == expected => None,
            Ok(Message::Hello(found)) => Some(found),
            Err(e @ MediaError::Stopped { .. }) => return Err(e),
            // Whatever it is, it is no decoder of ours.
            Ok(_) => Some("unknown".into()),
            Err(e) => return Err(e),
        };
        if let Some(found) = found {
            self.kill();
            return Err(MediaError::OtherVersion {
                path: path.into(),
                expected,
                found,
            });
        }
        let gone = || MediaError::Lost {
            path: path.into(),
            reason: "its decoder is gone".into(),
        };
        self.running.as_mut().ok_or_else(gone)
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
            match running.messages.recv_timeout(POLL_INTERVAL) {
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
        let end = self.kill();
        let how = match end.signal.filter(|_| what == "crashed") {
            Some(signal) => format!(" (signal {signal})"),
            None => String::new(),
        };
        let said = match end.last_words.as_str() {
            "" => String::new(),
            words => format!(": {words}"),
        };
        let reason = format!("its decoder {what}{how}{said}");
        tracing::warn!(path = %path.display(), reason, "decoder: lost");
        MediaError::Lost { path, reason }
    }

    /// Ends the child; says of what it had died before, and its last words.
    fn kill(&mut self) -> End {
        let Some(mut running) = self.running.take() else {
            return End::default();
        };
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
        End {
            signal: ended.and_then(|status| status.signal()),
            last_words: running.last_words.join().unwrap_or_default(),
        }
    }
}

/// How a child ended.
#[derive(Debug, Default)]
struct End {
    signal: Option<i32>,
    last_words: String,
}

fn shown(message: Message, path: &Path) -> Result<(Pixels, f64), MediaError> {
    match message {
        Message::Frame(frame) => Ok((frame.pixels, frame.scale)),
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

fn start(decoding: &Decoding, memory: u64) -> std::io::Result<Running> {
    let Decoding::Child(program) = decoding else {
        return Err(std::io::ErrorKind::Unsupported.into());
    };
    let mut command = Command::new(program);
    command
        .arg("decode-worker")
        .args([memory.to_string(), std::process::id().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = spawn(command)?;
    let gone = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    let requests = child.stdin.take().ok_or_else(gone)?;
    let output = child.stdout.take().ok_or_else(gone)?;
    let errors = child.stderr.take().ok_or_else(gone)?;
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
    let named = |name: &str| thread::Builder::new().name(name.into());
    Ok(Running {
        child,
        requests,
        messages,
        reader: named("decoder-pipe").spawn(read)?,
        last_words: named("decoder-errors").spawn(move || last_words(errors))?,
    })
}

/// Bytes of standard error that are kept: the last ones.
const WORDS_KEPT: usize = 4096;
/// Characters of them that are shown.
const WORDS_SHOWN: usize = 300;

/// Reads what a child says of itself to the end; the last of it, as one line.
fn last_words(mut errors: ChildStderr) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    while let Ok(n @ 1..) = errors.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..n]);
        kept.drain(..kept.len().saturating_sub(WORDS_KEPT));
    }
    let text = String::from_utf8_lossy(&kept);
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|l| !l.is_empty() && !l.starts_with("note: run with"));
    let line = lines.collect::<Vec<_>>().join(" ");
    let plain = line.chars().filter(|c| !c.is_control());
    plain.take(WORDS_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// What a worker says of a file whose decoder is a shell script.
    fn decoded_by(script: &str) -> MediaError {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("decoder");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let decoding = Decoding::Child(program);
        let mut worker = Worker::new(decoding, Limits::default(), None, Arc::default());
        worker.probe(Path::new("gate.mp4")).unwrap_err()
    }

    #[test]
    fn a_decoder_of_another_version_is_refused() {
        let mut hello = Vec::new();
        let other = Message::Hello("0.0.9 (protocol 1)".into());
        other.write(&mut hello).unwrap();
        let bytes: String = hello.iter().map(|b| format!("\\{b:03o}")).collect();
        let error = decoded_by(&format!("printf '{bytes}'; cat >/dev/null"));
        match error {
            MediaError::OtherVersion {
                expected, found, ..
            } => assert_eq!(
                (expected, found.as_str()),
                (version(), "0.0.9 (protocol 1)")
            ),
            error => panic!("{error}"),
        }
    }

    #[test]
    fn what_a_decoder_says_before_it_goes_is_told() {
        let error = decoded_by("echo 'libavcodec.so.60: no such file' >&2; exit 127");
        let said = error.to_string();
        assert!(matches!(error, MediaError::Lost { .. }));
        assert!(
            said.contains("gate.mp4") && said.contains("libavcodec.so.60"),
            "{said}"
        );
    }
}
