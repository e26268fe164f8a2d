//! The threads: decoders → bounded channel → embed workers → bounded channel → one committer.

use std::iter;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crossbeam::channel::{Sender, bounded};

use super::commit::{Beside, Committer, Message, ReadEnd, SidecarProblem, Stretch, Unread};
use super::embedding::{EmbedWorkers, Frame, Wanted, panic_message, queue_capacity};
use super::fold::{Folder, Moment};
use super::plan::Video;
use super::{Event, IngestError, Job, Summary, self_test, spawn};
use crate::embed::Embedder;
use crate::media::{Ending, MediaError, ReadReport, Span, VideoInfo, Worker};
use crate::store::ModelWriter;

/// Capacity of the queue before the committer: small, so that a slow disk holds up the decoders.
const COMMIT_QUEUE_CAPACITY: usize = 64;
/// Subtitles kept of the files beside one video.
const SIDECAR_LINES: usize = 20_000;

/// Reads `videos`, the first by the process that probed them; the summary is of them only.
pub(super) fn run(
    job: &Job,
    (videos, prober): (&[Video], Worker),
    embedder: &dyn Embedder,
    writer: &mut ModelWriter,
    report: &(dyn Fn(Event) + Sync),
) -> Result<Summary, IngestError> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let parts: Vec<(&Video, usize)> = videos
        .iter()
        .flat_map(|v| (0..v.spans.len()).map(move |part| (v, part)))
        .collect();
    let decoders = cores.min(parts.len());
    // One more than it has cores, as FFmpeg itself does: one waits while the others decode.
    let decoder_threads = cores / decoders + usize::from(decoders < cores);
    let next = AtomicUsize::new(0);
    let schedule = embedder.schedule(cores);
    let (to_workers, frames) = bounded(queue_capacity(schedule));
    let (to_committer, messages) = bounded(COMMIT_QUEUE_CAPACITY);

    thread::scope(|scope| {
        // The process that has probed goes on to read.
        let others: Vec<_> = (1..decoders).map(|_| prober.another()).collect();
        for (n, worker) in iter::once(prober).chain(others).enumerate() {
            let (to_workers, to_committer) = (to_workers.clone(), to_committer.clone());
            let (next, parts) = (&next, &parts);
            let work = move || {
                let mut decoder = Decoder {
                    job,
                    threads: decoder_threads,
                    worker,
                    to_workers: &to_workers,
                };
                while let Some((video, part)) = parts.get(next.fetch_add(1, Ordering::Relaxed))
                    && !decoder.worker.stopped()
                {
                    let end = decoder.read(video, *part);
                    if to_committer.send(Message::Read(Box::new(end))).is_err() {
                        return;
                    }
                }
            };
            spawn(scope, format!("decode-{n}"), work)?;
        }
        drop(to_workers);
        let embed = EmbedWorkers {
            embedder,
            schedule,
            views: job.views,
            onlookers: &job.onlookers,
            thumbnail: job.thumbnail,
            frames,
            results: to_committer,
        };
        embed.start(scope, |of, thumbnail, seen| Message::Moment {
            of,
            seen,
            thumbnail,
        })?;
        // No vector is committed before the model has passed. On failure the channels close, and every
        // thread comes home.
        self_test(embedder, writer)?;
        // When the committer fails its channel closes, and so every thread comes home.
        Committer::new(job, videos, writer, report).run(messages)
    })
}

struct Decoder<'a, 'v> {
    job: &'a Job,
    threads: usize,
    worker: Worker,
    to_workers: &'a Sender<Frame<Stretch<'v>>>,
}

impl<'v> Decoder<'_, 'v> {
    /// Reads one stretch of a video to its end; whatever goes wrong is its own.
    fn read(&mut self, video: &'v Video, part: usize) -> ReadEnd<'v> {
        let mut sent = 0;
        let mut continues = video.continues;
        let mut attempt = |span: Span| {
            let read = AssertUnwindSafe(|| self.send_moments(video, span, &mut sent));
            catch_unwind(read)
        };
        let mut read = attempt(video.spans[part]);
        let nothing = match &read {
            Ok(Ok((_, report))) => report.coverage.frames == 0 && report.ending != Ending::Stopped,
            Ok(Err(unread)) => matches!(unread, Unread::Failed(_)),
            Err(_) => false,
        };
        // Grown without a frame, or with a clock that began again: only the whole file tells.
        if continues.is_some() && nothing {
            continues = None;
            read = attempt(Span::WHOLE);
        }
        let result = read.unwrap_or_else(|panic| {
            Err(Unread::Failed(format!(
                "vsearch failed on it: {}",
                panic_message(&*panic)
            )))
        });
        let beside = match &result {
            Err(Unread::Stopped) => Beside::default(),
            _ if part == 0 => self.read_sidecars(video),
            _ => Beside::default(),
        };
        ReadEnd {
            video,
            part,
            continues: continues.map(|(earlier, _)| earlier),
            moments: sent,
            result,
            beside,
        }
    }

    /// What the files beside a video say. One that cannot be read, or ends its decoder, says nothing.
    fn read_sidecars(&mut self, video: &Video) -> Beside {
        let mut beside = Beside::default();
        for path in &video.sidecars {
            let room = SIDECAR_LINES - beside.subtitles.len();
            let (mut lines, mut reason) = match self.worker.sidecar(path) {
                Ok(said) => (said.lines, said.trouble),
                Err(MediaError::Stopped { .. }) => break,
                Err(e) => (Vec::new(), Some(e.reason(path))),
            };
            if lines.len() > room {
                lines.truncate(room);
                let most =
                    format!("{SIDECAR_LINES} subtitles are kept of the files beside a video");
                reason = Some(most);
            }
            if let Some(reason) = reason {
                beside.problems.push(SidecarProblem {
                    path: path.clone(),
                    reason,
                    partly: !lines.is_empty(),
                });
            }
            beside.subtitles.append(&mut lines);
        }
        beside
    }

    fn send_moments(
        &mut self,
        video: &'v Video,
        span: Span,
        sent: &mut usize,
    ) -> Result<(VideoInfo, ReadReport), Unread> {
        let policy = self.job.policy;
        let mut folder = Folder::new(policy.fold, policy.sampling.allowed_gap());
        let to_workers = self.to_workers;
        let mut send = |moment: Moment| {
            *sent += 1;
            let of = Stretch {
                video,
                time: moment.time,
                start: moment.start,
                end: moment.end,
                samples: moment.samples,
            };
            let frame = Frame {
                of,
                pixels: moment.pixels,
                scale: moment.scale,
                wanted: Wanted::ALL,
            };
            match to_workers.send(frame) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let path = &video.path;
        let read = self
            .worker
            .sample(path, policy.sampling, span, self.threads, |frame| {
                folder
                    .push(frame)
                    .map_or(ControlFlow::Continue(()), &mut send)
            });
        let (info, report) = read.map_err(|e| unread(&e, video))?;
        if let Some(last) = folder.finish(report.coverage.seconds_read()) {
            // Nobody left to take it: the run is ending, and the report says so.
            let _ = send(last);
        }
        Ok((info, report))
    }
}

fn unread(error: &MediaError, video: &Video) -> Unread {
    match error {
        MediaError::Stopped { .. } => Unread::Stopped,
        e => Unread::Failed(e.reason(&video.path)),
    }
}
