//! The threads: decoders → bounded channel → embed workers → bounded channel → one committer.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Builder};

use crossbeam::channel::{Receiver, Sender, bounded};

use super::commit::{Committer, Message, ReadEnd, Unread};
use super::fold::{Folder, Moment};
use super::plan::Video;
use super::{Event, IngestError, Job, Summary, self_test};
use crate::embed::{EmbedError, Embedder, Views, Workers};
use crate::index::Writer;
use crate::media::{Ending, MediaError, ReadReport, Span, VideoInfo, Worker};
use crate::types::{Pixels, ViewVectors};

/// Moments waiting for a worker, for each worker: enough that none waits for a decoder, few
/// enough that the frames (6 MB each) stay a small part of memory.
const QUEUE_PER_WORKER: usize = 4;

/// Results waiting for the committer: small, so that a slow disk holds up the decoders.
const COMMIT_QUEUE: usize = 64;

pub(super) fn run(
    job: &Job,
    videos: &[Video],
    embedder: &dyn Embedder,
    writer: &mut Writer,
    stop: &Arc<AtomicBool>,
    report: &(dyn Fn(Event) + Sync),
    summary: &mut Summary,
) -> Result<(), IngestError> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let parts: Vec<(&Video, usize)> = videos
        .iter()
        .flat_map(|v| (0..v.spans.len()).map(move |part| (v, part)))
        .collect();
    let decoders = cores.min(parts.len());
    // One more than it has cores, as FFmpeg itself does: one waits while the others decode.
    let decoder_threads = cores / decoders + usize::from(decoders < cores);
    let next = AtomicUsize::new(0);
    let workers = embedder.workers(cores);
    let waiting = (QUEUE_PER_WORKER * workers.count).max(embedder.batch_size());
    let (to_workers, moments) = bounded(waiting);
    let (to_committer, messages) = bounded(COMMIT_QUEUE);

    thread::scope(|scope| {
        for n in 0..decoders {
            let (to_workers, to_committer) = (to_workers.clone(), to_committer.clone());
            let (next, parts) = (&next, &parts);
            let work = move || {
                let mut decoder = Decoder {
                    job,
                    threads: decoder_threads,
                    worker: Worker::new(job.decoder.clone(), job.limits, job.stream, stop.clone()),
                    to_workers: &to_workers,
                };
                while let Some((video, part)) = parts.get(next.fetch_add(1, Ordering::Relaxed))
                    && !stop.load(Ordering::Relaxed)
                {
                    let end = decoder.read(video, *part);
                    if to_committer.send(Message::Read(end)).is_err() {
                        return;
                    }
                }
            };
            spawn(scope, format!("decode-{n}"), work)?;
        }
        // Meanwhile the decoders fill their channel. On failure it closes, and they come home.
        self_test(embedder, writer)?;
        for n in 0..workers.count {
            let (moments, to_committer) = (moments.clone(), to_committer.clone());
            let work = move || {
                embed_all(embedder, workers, job, &moments, &to_committer);
            };
            spawn(scope, format!("embed-{n}"), work)?;
        }
        drop((to_workers, moments, to_committer));
        // When the committer fails its channel closes, and so every thread comes home.
        Committer::new(job, videos, writer, report, summary).run(messages)
    })
}

pub(super) fn spawn<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: String,
    work: impl FnOnce() + Send + 'scope,
) -> Result<(), IngestError> {
    let spawned = Builder::new().name(name).spawn_scoped(scope, work);
    spawned.map(drop).map_err(IngestError::Threads)
}

/// A moment on its way to a worker.
pub(super) struct Task<'v> {
    pub(super) video: &'v Video,
    pub(super) moment: Moment,
}

struct Decoder<'a, 'v> {
    job: &'a Job,
    threads: usize,
    worker: Worker,
    to_workers: &'a Sender<Task<'v>>,
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
            Ok(Ok((_, report))) => report.frames == 0 && report.ending != Ending::Stopped,
            Ok(Err(unread)) => matches!(unread, Unread::Failed(_)),
            Err(_) => false,
        };
        // Grown without a frame, or with a clock that began anew: only the whole file tells.
        if continues.is_some() && nothing {
            continues = None;
            read = attempt(Span::WHOLE);
        }
        let result = read.unwrap_or_else(|panic| {
            Err(Unread::Failed(format!(
                "vsearch failed on it: {}",
                said(&panic)
            )))
        });
        ReadEnd {
            video,
            part,
            continues: continues.map(|(earlier, _)| earlier),
            moments: sent,
            result,
        }
    }

    fn send_moments(
        &mut self,
        video: &'v Video,
        span: Span,
        sent: &mut usize,
    ) -> Result<(VideoInfo, ReadReport), Unread> {
        let mut folder = Folder::new(self.job.fold);
        let to_workers = self.to_workers;
        let mut send = |moment: Moment| {
            *sent += 1;
            match to_workers.send(Task { video, moment }) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let (path, sampling) = (&video.path, self.job.sampling);
        let read = self
            .worker
            .sample(path, sampling, span, self.threads, |frame| {
                folder
                    .push(frame)
                    .map_or(ControlFlow::Continue(()), &mut send)
            });
        let (info, report) = read.map_err(|e| unread(&e, video))?;
        if let Some(last) = folder.finish(report.read_to) {
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

/// Embeds moments until none are left: as many at once as give a batch of views, but no more than this worker's share
/// of what waits, so that the last of them end together.
fn embed_all<'v>(
    embedder: &dyn Embedder,
    workers: Workers,
    job: &Job,
    moments: &Receiver<Task<'v>>,
    to_committer: &Sender<Message<'v>>,
) {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(workers.threads)
        .build();
    let batch_size = (embedder.batch_size() / job.views.usual()).max(1);
    let work = || {
        while let Ok(first) = moments.recv() {
            let mut batch = vec![first];
            let share = moments.len() / workers.count.max(1);
            batch.extend(moments.try_iter().take(share.min(batch_size - 1)));
            for message in embed(embedder, job, batch) {
                if to_committer.send(message).is_err() {
                    return;
                }
            }
        }
    };
    match pool {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}

fn embed<'v>(embedder: &dyn Embedder, job: &Job, batch: Vec<Task<'v>>) -> Vec<Message<'v>> {
    let (mut heads, mut frames) = (Vec::new(), Vec::new());
    for Task { video, moment } in batch {
        let times = (moment.time, moment.start, moment.end);
        let thumbnail = job.thumbnail.and_then(|t| t.of(&moment.pixels));
        heads.push((video, times, moment.samples, thumbnail));
        frames.push((moment.pixels, moment.scale));
    }
    let embedded = embed_frames(embedder, job.views, frames);
    let message = |((video, (time, start, end), samples, thumbnail), vectors)| Message::Moment {
        video,
        time,
        start,
        end,
        samples,
        vectors,
        thumbnail,
    };
    heads.into_iter().zip(embedded).map(message).collect()
}

/// The vectors of each frame's views, with their parts in display pixels: those of the frame times its
/// scale.
pub(super) fn embed_frames(
    embedder: &dyn Embedder,
    views: Views,
    frames: Vec<(Pixels, f64)>,
) -> Vec<Result<ViewVectors, String>> {
    let embed = |pixels: &[Pixels]| {
        catch_unwind(AssertUnwindSafe(|| embedder.embed_images(pixels)))
            .map_err(|panic| said(&panic))
            .and_then(|r| r.map_err(|e: EmbedError| e.to_string()))
    };
    // The views of all frames in one row, and how many each frame has.
    let (mut parts, mut pixels, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for (frame, scale) in frames {
        let of_frame = views.of(frame, embedder);
        counts.push(of_frame.len());
        for view in of_frame {
            parts.push(view.part.map(|p| p.map(|v| (f64::from(v) * scale) as u32)));
            pixels.push(view.pixels);
        }
    }
    let mut together = Vec::with_capacity(pixels.len());
    for some in pixels.chunks(embedder.batch_size()) {
        match embed(some) {
            Ok(vectors) => together.extend(vectors.into_iter().map(Ok)),
            // One bad picture must not take the others with it.
            Err(_) => together.extend(
                some.iter()
                    .map(|p| embed(std::slice::from_ref(p)).map(|mut v| v.remove(0))),
            ),
        }
    }
    let mut both = parts.into_iter().zip(together);
    let of_frame = |count| {
        both.by_ref()
            .take(count)
            .map(|(part, v)| Ok((part, v?)))
            .collect()
    };
    counts.into_iter().map(of_frame).collect()
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "an unknown fault".into())
}
