//! The one thread that writes: moments in small transactions, then how each file ended.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};

use super::embedding::Seen;
use super::plan::Video;
use super::{Event, IngestError, Job, Outcome, Summary};
use crate::media::{Ending, ReadReport, Subtitle, VideoInfo};
use crate::store::{
    ModelWriter, NewMoment, NewText, Reading, SidecarTrouble, TextKind, VideoRecord,
};
use crate::types::{Timestamp, VideoId};

/// What a crash can lose: as many moments, or as much time.
const COMMIT_MOMENTS: usize = 64;
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// What a frame stands for.
pub(super) struct Stretch<'v> {
    pub(super) video: &'v Video,
    pub(super) time: Timestamp,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) samples: u64,
}

pub(super) enum Message<'v> {
    Moment {
        of: Stretch<'v>,
        seen: Seen,
        thumbnail: Option<Vec<u8>>,
    },
    Read(Box<ReadEnd<'v>>),
}

/// A decoder's last word on a stretch of a file. Its moments may still be on their way.
pub(super) struct ReadEnd<'v> {
    pub(super) video: &'v Video,
    /// Which of the video's spans.
    pub(super) part: usize,
    /// The earlier reading that this one continued.
    pub(super) continues: Option<VideoId>,
    pub(super) moments: usize,
    pub(super) result: Read,
    pub(super) beside: Beside,
}

/// What the files beside a video say.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) subtitles: Vec<Subtitle>,
    pub(super) problems: Vec<SidecarProblem>,
}

/// A file that gave nothing, or only some of what it says.
#[derive(Debug)]
pub(super) struct SidecarProblem {
    pub(super) path: PathBuf,
    pub(super) reason: String,
    pub(super) partly: bool,
}

/// Why a file gave no report.
pub(super) enum Unread {
    Stopped,
    Failed(String),
}

/// A file between its first message and its last.
#[derive(Default)]
struct InFlight<'v> {
    row: Option<VideoId>,
    received: usize,
    seconds: f64,
    embed_error: Option<String>,
    ends: Vec<ReadEnd<'v>>,
}

pub(super) struct Committer<'a, 'v> {
    job: &'a Job,
    reading: Reading,
    writer: &'a mut ModelWriter,
    report: &'a (dyn Fn(Event) + Sync),
    summary: Summary,
    in_flight: HashMap<&'v Path, InFlight<'v>>,
    pending: Vec<NewMoment>,
    /// Samples the pending moments stand for.
    samples: u64,
    committed: Instant,
}

impl<'a, 'v> Committer<'a, 'v> {
    pub(super) fn new(
        job: &'a Job,
        videos: &'v [Video],
        writer: &'a mut ModelWriter,
        report: &'a (dyn Fn(Event) + Sync),
    ) -> Self {
        Self {
            job,
            reading: job.reading(),
            writer,
            report,
            summary: Summary::default(),
            in_flight: HashMap::with_capacity(videos.len().min(64)),
            pending: Vec::new(),
            samples: 0,
            committed: Instant::now(),
        }
    }

    /// Takes messages until every decoder and worker has gone.
    pub(super) fn run(mut self, messages: Receiver<Message<'v>>) -> Result<Summary, IngestError> {
        loop {
            match messages.recv_timeout(COMMIT_EVERY) {
                Ok(message) => self.take(message)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let due = self.committed.elapsed() >= COMMIT_EVERY;
            if self.pending.len() >= COMMIT_MOMENTS || due {
                self.flush()?;
            }
        }
        self.flush()?;
        Ok(self.summary)
    }

    fn take(&mut self, message: Message<'v>) -> Result<(), IngestError> {
        let video = match message {
            Message::Moment {
                of,
                seen,
                thumbnail,
            } => {
                let Stretch {
                    video,
                    time,
                    start,
                    end,
                    samples,
                } = of;
                let row = self.row(video)?;
                let file = self.in_flight.entry(&video.path).or_default();
                file.received += 1;
                match seen {
                    Ok(seen) => {
                        file.seconds += end.since(start);
                        self.samples += samples;
                        (self.report)(Event::Committed {
                            frames: samples,
                            seconds: end.since(start),
                        });
                        self.pending.push(NewMoment {
                            video: row,
                            time,
                            start,
                            end,
                            vectors: seen.views,
                            thumbnail,
                            objects: seen.objects,
                            lettering: seen.lettering,
                        });
                    }
                    // The first says what went wrong; those after it may be of its making.
                    Err(reason) => drop(file.embed_error.get_or_insert(reason)),
                }
                video
            }
            Message::Read(end) => {
                let video = end.video;
                let file = self.in_flight.entry(&video.path).or_default();
                file.ends.push(*end);
                video
            }
        };
        self.finish_if_whole(video)
    }

    /// The video's row, made when its first moment comes.
    fn row(&mut self, video: &'v Video) -> Result<VideoId, IngestError> {
        let file = self.in_flight.entry(&video.path).or_default();
        if let Some(row) = file.row {
            return Ok(row);
        }
        let begun = self
            .writer
            .begin_video(&video.path, video.stamp, &self.reading)?;
        file.row = Some(begun);
        Ok(begun)
    }

    fn flush(&mut self) -> Result<(), IngestError> {
        self.committed = Instant::now();
        if !self.pending.is_empty() {
            self.writer.commit(&self.pending)?;
            self.summary.moments += self.pending.len() as u64;
            self.summary.frames += std::mem::take(&mut self.samples);
            self.pending.clear();
        }
        Ok(())
    }

    /// Closes a file once all of it is read and all its moments have come.
    fn finish_if_whole(&mut self, video: &'v Video) -> Result<(), IngestError> {
        let whole = |f: &InFlight| {
            let sent: usize = f.ends.iter().map(|end| end.moments).sum();
            f.ends.len() == video.spans.len() && sent == f.received
        };
        let path = video.path.as_path();
        if !self.in_flight.get(path).is_some_and(whole) {
            return Ok(());
        }
        let Some(mut file) = self.in_flight.remove(path) else {
            return Ok(());
        };
        let continues = file.ends.iter().find_map(|end| end.continues);
        let (mut beside, mut sidecars) = (Vec::new(), Vec::new());
        for end in &mut file.ends {
            beside.append(&mut end.beside.subtitles);
            for problem in end.beside.problems.drain(..) {
                (self.report)(Event::Sidecar {
                    path: &problem.path,
                    reason: &problem.reason,
                    partly: problem.partly,
                });
                let SidecarProblem { path, reason, .. } = problem;
                sidecars.push(SidecarTrouble { path, reason });
            }
        }
        let result = join(video, file.ends);
        self.flush()?;
        let info = result.as_ref().ok().map(|(info, _)| info);
        let info_tags = info.map_or(Vec::new(), |info| info.tags.clone());
        let recorded = self.job.recorded(&video.path, info, video.stamp);
        let untoned = result.as_ref().is_ok_and(|(_, report)| report.untoned);
        self.summary.untoned += usize::from(untoned);
        let (outcome, mut record) = judge(result, file.embed_error);
        record.recorded = recorded;
        record.texts.extend(words(info_tags, beside));
        record.sidecars = sidecars;
        record.digest = video.digest.clone();
        record.stream = self.job.policy.stream;
        if outcome != Outcome::Stopped {
            let row = match file.row {
                Some(row) => row,
                None => self
                    .writer
                    .begin_video(&video.path, video.stamp, &self.reading)?,
            };
            self.writer.finish_video(row, continues, &record)?;
            self.summary.doubtful += usize::from(record.recorded.doubt.is_some());
            tracing::debug!(
                path = %video.path.display(),
                frames = record.coverage.frames,
                decode_errors = record.coverage.decode_errors(),
                "video: read"
            );
        }
        match outcome {
            Outcome::Indexed { .. } => self.summary.indexed += 1,
            Outcome::Partial { .. } => self.summary.partial += 1,
            Outcome::Failed { .. } => self.summary.failed += 1,
            Outcome::Stopped | Outcome::StillPartial { .. } => {}
        }
        (self.report)(Event::Finished {
            path: &video.path,
            outcome: &outcome,
            left: video.duration.unwrap_or(0.0) - file.seconds,
        });
        Ok(())
    }
}

/// What is said of a video besides its own subtitles.
fn words(tags: Vec<String>, beside: Vec<Subtitle>) -> impl Iterator<Item = NewText> {
    let tags = tags.into_iter().map(|text| NewText {
        kind: TextKind::Tag,
        span: None,
        text,
    });
    let beside = beside.into_iter();
    tags.chain(beside.map(|s| spoken(TextKind::File, s)))
}

fn spoken(kind: TextKind, subtitle: Subtitle) -> NewText {
    NewText {
        kind,
        span: Some((subtitle.start, subtitle.end)),
        text: subtitle.text,
    }
}

type Read = Result<(VideoInfo, ReadReport), Unread>;

/// What the stretches of a file came to together. One that failed is a stretch not seen.
fn join(video: &Video, mut ends: Vec<ReadEnd>) -> Read {
    ends.sort_by_key(|end| end.part);
    let mut whole: Read = Err(Unread::Stopped);
    for (n, end) in ends.into_iter().enumerate() {
        whole = match (whole, end.result) {
            (_, first) if n == 0 => first,
            (_, Err(Unread::Stopped)) | (Err(Unread::Stopped), _) => return Err(Unread::Stopped),
            (Ok((info, mut report)), Ok((_, next))) => {
                report.join(next);
                Ok((info, report))
            }
            (Ok((info, mut report)), Err(Unread::Failed(reason))) => {
                let span = video.spans[end.part];
                report.break_off(&reason, span.to.or(video.duration));
                Ok((info, report))
            }
            (Err(failed), Ok((info, mut report))) => {
                if let Unread::Failed(reason) = failed {
                    report.miss_start(&reason, video.spans[end.part].from);
                }
                Ok((info, report))
            }
            (Err(failed), Err(_)) => Err(failed),
        };
    }
    whole
}

/// What a file came to, and what the catalogue keeps of it.
fn judge(result: Read, embed_error: Option<String>) -> (Outcome, VideoRecord) {
    let (info, report) = match result {
        Ok(read) => read,
        Err(Unread::Stopped) => return (Outcome::Stopped, VideoRecord::default()),
        Err(Unread::Failed(reason)) => {
            let record = VideoRecord {
                error: Some(reason.clone()),
                ..Default::default()
            };
            return (Outcome::Failed { reason }, record);
        }
    };
    let mut seen = report.coverage;
    // It was opened, so that it was read: up to nothing, at the least.
    seen.reach(0.0);
    seen.largest_gap.get_or_insert(0.0);
    let frames = seen.frames;
    let retry = report.lost || embed_error.is_some();
    let lost = embed_error.map(|e| format!("some frames could not be embedded: {e}"));
    let outcome = match (report.ending, lost) {
        (Ending::Stopped, _) => Outcome::Stopped,
        (Ending::Early(reason), _) | (_, Some(reason)) => Outcome::Partial { frames, reason },
        (Ending::Complete, None) => Outcome::Indexed {
            frames,
            decode_errors: seen.decode_errors(),
        },
    };
    let error = match &outcome {
        Outcome::Partial { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    seen.duration = seen.duration.or(info.duration);
    let subtitles = report.subtitles.into_iter();
    let record = VideoRecord {
        container: Some(info.container),
        codec: Some(info.codec),
        width: Some(report.width),
        height: Some(report.height),
        coverage: seen,
        texts: subtitles.map(|s| spoken(TextKind::Track, s)).collect(),
        error,
        retry,
        ..VideoRecord::default()
    };
    (outcome, record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Span;
    use crate::store::FileStamp;

    fn joined(ends: Vec<Result<(f64, f64), Unread>>) -> Read {
        let edge = |n: usize| 100.0 * n as f64;
        let count = ends.len();
        let spans = (0..count).map(|n| Span {
            from: edge(n),
            to: (n + 1 < count).then(|| edge(n + 1)),
        });
        let stamp = FileStamp {
            size: 1,
            modified_ns: 1,
        };
        let video = Video::new("/a".into(), stamp, edge(count), spans.collect());
        let info = VideoInfo {
            container: String::new(),
            codec: String::new(),
            duration: Some(edge(count)),
            created: None,
            tags: Vec::new(),
        };
        let end = |(part, result): (usize, Result<(f64, f64), Unread>)| ReadEnd {
            video: &video,
            part,
            continues: None,
            moments: 0,
            beside: Beside::default(),
            result: result.map(|(frames, read_to)| {
                let mut report = ReadReport::new(None);
                report.coverage.frames = frames as u64;
                report.coverage.reach(read_to);
                (info.clone(), report)
            }),
        };
        // In whatever order they come.
        join(
            &video,
            ends.into_iter().enumerate().rev().map(end).collect(),
        )
    }

    #[test]
    fn stretches_are_told_as_one_file() {
        let (_, whole) = joined(vec![Ok((5.0, 100.0)), Ok((6.0, 200.0))])
            .ok()
            .unwrap();
        let seen = &whole.coverage;
        assert_eq!((seen.frames, seen.read_to), (11, Some(200.0)));
        assert_eq!(whole.ending, Ending::Complete);

        let failed = || Err(Unread::Failed("bad".into()));
        let (_, end) = joined(vec![Ok((5.0, 100.0)), failed()]).ok().unwrap();
        assert_eq!(end.ending, Ending::Early("bad".into()));
        assert_eq!(end.coverage.gaps, [(100.0, 200.0)]);
        let (_, start) = joined(vec![failed(), Ok((5.0, 200.0))]).ok().unwrap();
        assert_eq!(start.ending, Ending::Early("bad".into()));
        assert_eq!(
            (start.coverage.gaps, start.lost),
            (vec![(0.0, 100.0)], true)
        );

        assert!(matches!(
            joined(vec![failed(), failed()]),
            Err(Unread::Failed(_))
        ));
        let stopped = joined(vec![Ok((5.0, 100.0)), Err(Unread::Stopped)]);
        assert!(matches!(stopped, Err(Unread::Stopped)));
    }
}
