//! Another model's vectors for the moments that are there, from their videos or, where those are gone,
//! from the pictures kept of them. The model that answers goes on answering.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crossbeam::channel::{Receiver, Sender, bounded};

use super::embedding::{EmbedWorkers, Frame, Seen, Wanted, queue_capacity};
use super::{IngestError, Job, self_test, spawn};
use crate::analyse::{Onlookers, Views};
use crate::embed::{Embedder, kept_picture};
use crate::media::{LARGEST_SIDE, MediaError, Worker};
use crate::store::{
    Fingerprints, Lacking, LackingMoment, LaterSeen, Library, ModelWriter, Reader, VideoRef,
};
use crate::types::ViewVectors;

/// Moments committed at once.
const COMMIT_MOMENTS: usize = 64;

/// What came of it.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Reembedded {
    pub moments: u64,
    /// Of those, moments whose videos could not be read.
    pub from_thumbnails: u64,
    /// Moments that still lack a vector; and why, with how many lack it for that.
    pub missing: u64,
    pub problems: BTreeMap<String, u64>,
    pub interrupted: bool,
}

enum Message {
    Embedded(LackingMoment, Seen),
    /// So many moments of a video were seen by their thumbnails only, and so many not at all.
    Unread {
        kept: u64,
        missing: u64,
        problem: String,
    },
}

impl Reembedded {
    fn lacks(&mut self, moments: u64, problem: String) {
        self.missing += moments;
        *self.problems.entry(problem).or_default() += moments;
    }
}

/// Embeds what lacks a vector of the writer's model in a library. `job` says how files are read and which views are
/// embedded; `report` is told how many moments are done, of how many.
pub fn reembed(
    (job, library): (&Job, &Library),
    embedder: &dyn Embedder,
    writer: &mut ModelWriter,
    stop: &Arc<AtomicBool>,
    report: &(dyn Fn(u64, u64) + Sync),
) -> Result<Reembedded, IngestError> {
    let mut videos = Vec::new();
    let Onlookers { detector, ocr } = &job.onlookers;
    let onlookers = Fingerprints {
        detector: detector.as_ref().map(|d| d.fingerprint()),
        ocr: ocr.as_ref().map(|o| o.fingerprint()),
    };
    for lacking in writer.lacking(onlookers)? {
        if let Some(video) = writer.video(lacking.video)? {
            videos.push((lacking, video));
        }
    }
    let total: u64 = videos.iter().map(|(l, _)| l.moments.len() as u64).sum();
    let mut done = Reembedded::default();
    if total == 0 {
        return Ok(done);
    }
    embedder.load()?;
    job.onlookers.load()?;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let schedule = embedder.schedule(cores);
    let (to_workers, frames) = bounded(queue_capacity(schedule));
    let (to_committer, messages) = bounded(COMMIT_MOMENTS);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for n in 0..cores.min(videos.len()) {
            let (to_workers, to_committer) = (to_workers.clone(), to_committer.clone());
            let (next, videos) = (&next, &videos);
            let read = move || {
                // Where the library cannot be read there are no thumbnails.
                let kept = library.reader().ok();
                let mut worker = Worker::new(job.decoding.clone(), job.limits, None, stop.clone());
                while let Some((lacking, video)) = videos.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    worker.select(video.stream, video.clock_jumps);
                    let to = (job.views, &to_workers);
                    let read = read(&mut worker, video, lacking, kept.as_ref(), to);
                    let ControlFlow::Continue(unread) = read else {
                        return;
                    };
                    let sent = unread.map(|message| to_committer.send(message).is_ok());
                    if sent == Some(false) || stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            };
            spawn(scope, format!("decode-{n}"), read)?;
        }
        drop(to_workers);
        let embed = EmbedWorkers {
            embedder,
            schedule,
            views: job.views,
            onlookers: &job.onlookers,
            thumbnail: None,
            frames,
            results: to_committer,
        };
        embed.start(scope, |moment, _, seen| Message::Embedded(moment, seen))?;
        self_test(embedder, writer)?;
        commit(messages, writer, &mut done, &|n| report(n, total))
    })?;
    done.interrupted = stop.load(Ordering::Relaxed);
    Ok(done)
}

/// Sends the frames of a video's moments on; says which could not be had. Breaks off where nobody takes them.
fn read(
    worker: &mut Worker,
    video: &VideoRef,
    lacking: &Lacking,
    kept: Option<&Reader>,
    (views, to_workers): (Views, &Sender<Frame<LackingMoment>>),
) -> ControlFlow<(), Option<Message>> {
    let times: Vec<f64> = lacking.moments.iter().map(|m| m.time.seconds()).collect();
    let (mut seen, mut why) = (vec![false; times.len()], None);
    let mut from = 0;
    while from < times.len() {
        let mut reached = from;
        let side = Some(LARGEST_SIDE);
        let read = worker.frames(&video.path, &times[from..], side, |n, frame| {
            reached = from + n + 1;
            match frame {
                Ok((pixels, scale)) => {
                    seen[from + n] = true;
                    let of = lacking.moments[from + n];
                    let frame = Frame {
                        of,
                        pixels,
                        scale,
                        wanted: Wanted {
                            vectors: !of.embedded,
                            // Things that are views are looked for again, to be embedded.
                            objects: !of.looked_at || (views == Views::Objects && !of.embedded),
                            lettering: !of.read,
                        },
                    };
                    match to_workers.send(frame) {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(_) => ControlFlow::Break(()),
                    }
                }
                Err(e) => {
                    why.get_or_insert(e);
                    ControlFlow::Continue(())
                }
            }
        });
        match read {
            Ok(()) => break,
            Err(MediaError::Stopped { .. }) => return ControlFlow::Break(()),
            // The frame that ended its decoder is skipped.
            Err(e) => {
                why.get_or_insert(e);
                from = reached + 1;
            }
        }
    }
    let Some(why) = why else {
        return ControlFlow::Continue(None);
    };
    // The pictures kept of them are better than nothing.
    let mut from_kept = 0;
    for (seen, moment) in seen.iter_mut().zip(&lacking.moments) {
        let jpeg = kept
            .filter(|_| !*seen && !moment.embedded)
            .and_then(|k| k.thumbnail(moment.moment));
        if let Some(pixels) = jpeg.and_then(|jpeg| kept_picture(&jpeg)) {
            *seen = true;
            from_kept += 1;
            let shown = f64::from(video.width.unwrap_or(pixels.width()));
            let frame = Frame {
                of: *moment,
                scale: shown / f64::from(pixels.width()),
                pixels,
                // A small picture would take the place of what its own frame may still show.
                wanted: Wanted {
                    vectors: true,
                    objects: false,
                    lettering: false,
                },
            };
            if to_workers.send(frame).is_err() {
                return ControlFlow::Break(());
            }
        }
    }
    let without = seen.iter().zip(&lacking.moments);
    let missing = without.filter(|(s, m)| !**s && !m.embedded).count() as u64;
    let (kept, problem) = (from_kept, why.to_string());
    ControlFlow::Continue(Some(Message::Unread {
        kept,
        missing,
        problem,
    }))
}

fn commit(
    messages: Receiver<Message>,
    writer: &mut ModelWriter,
    done: &mut Reembedded,
    report: &dyn Fn(u64),
) -> Result<(), IngestError> {
    let mut pending = Vec::new();
    for message in messages {
        match message {
            Message::Embedded(of, Ok(seen)) => {
                pending.push(LaterSeen {
                    moment: of.moment,
                    vectors: match of.embedded {
                        true => ViewVectors::new(),
                        false => seen.views,
                    },
                    objects: seen.objects,
                    lettering: seen.lettering,
                });
            }
            Message::Embedded(of, Err(problem)) if !of.embedded => done.lacks(1, problem),
            Message::Embedded(_, Err(problem)) => tracing::warn!(problem, "reembed: not looked at"),
            Message::Unread {
                kept,
                missing,
                problem,
            } => {
                done.from_thumbnails += kept;
                if missing > 0 {
                    done.lacks(missing, problem);
                }
            }
        }
        if pending.len() >= COMMIT_MOMENTS {
            writer.add_seen(&pending)?;
            done.moments += pending.len() as u64;
            pending.clear();
            report(done.moments);
        }
    }
    writer.add_seen(&pending)?;
    done.moments += pending.len() as u64;
    Ok(())
}
