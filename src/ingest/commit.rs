//! The one thread that writes: moments in small transactions, then how each file ended.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};

use super::plan::Video;
use super::{Event, IngestError, Job, Outcome, Summary};
use crate::index::{NewMoment, VideoRecord, Writer};
use crate::media::{Ending, ReadReport, VideoInfo};
use crate::types::{Embedding, Timestamp, VideoId, ViewBox};

/// What a crash can lose: as many moments, or as much time.
const COMMIT_MOMENTS: usize = 64;
const COMMIT_EVERY: Duration = Duration::from_secs(1);

pub(super) enum Message<'v> {
    Moment {
        video: &'v Video,
        time: Timestamp,
        start: Timestamp,
        end: Timestamp,
        /// Samples it stands for.
        samples: u64,
        /// One for each view of the frame.
        vectors: Result<Vec<(Option<ViewBox>, Embedding)>, String>,
    },
    Read(ReadEnd<'v>),
}

/// A decoder's last word on a file. Its moments may still be on their way.
pub(super) struct ReadEnd<'v> {
    pub(super) video: &'v Video,
    /// The earlier reading that this one continued.
    pub(super) continues: Option<VideoId>,
    pub(super) moments: usize,
    pub(super) result: Result<(VideoInfo, ReadReport), Unread>,
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
    end: Option<ReadEnd<'v>>,
}

pub(super) struct Committer<'a, 'v> {
    job: &'a Job,
    sampling: String,
    writer: &'a mut Writer,
    report: &'a (dyn Fn(Event) + Sync),
    summary: &'a mut Summary,
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
        writer: &'a mut Writer,
        report: &'a (dyn Fn(Event) + Sync),
        summary: &'a mut Summary,
    ) -> Self {
        Self {
            job,
            sampling: job.policy(),
            writer,
            report,
            summary,
            in_flight: HashMap::with_capacity(videos.len().min(64)),
            pending: Vec::new(),
            samples: 0,
            committed: Instant::now(),
        }
    }

    /// Takes messages until every decoder and worker has gone.
    pub(super) fn run(mut self, messages: Receiver<Message<'v>>) -> Result<(), IngestError> {
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
        self.flush()
    }

    fn take(&mut self, message: Message<'v>) -> Result<(), IngestError> {
        let video = match message {
            Message::Moment {
                video,
                time,
                start,
                end,
                samples,
                vectors,
            } => {
                let row = self.row(video)?;
                let file = self.in_flight.entry(&video.path).or_default();
                file.received += 1;
                match vectors {
                    Ok(vectors) => {
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
                            vectors,
                        });
                    }
                    Err(reason) => file.embed_error = Some(reason),
                }
                video
            }
            Message::Read(end) => {
                let video = end.video;
                self.in_flight.entry(&video.path).or_default().end = Some(end);
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
            .begin_video(&video.path, video.stamp, &self.sampling)?;
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

    /// Closes a file once its decoder is done and all its moments have come.
    fn finish_if_whole(&mut self, video: &'v Video) -> Result<(), IngestError> {
        let whole = self
            .in_flight
            .get(video.path.as_path())
            .is_some_and(|f| f.end.as_ref().is_some_and(|end| end.moments == f.received));
        if !whole {
            return Ok(());
        }
        let Some(file) = self.in_flight.remove(video.path.as_path()) else {
            return Ok(());
        };
        let Some(end) = file.end else {
            return Ok(());
        };
        self.flush()?;
        let info = end.result.as_ref().ok().map(|(info, _)| info);
        let recorded = self.job.names.read(&video.path, info, video.stamp);
        let (outcome, mut record) = judge(end.result, file.embed_error);
        record.recorded = recorded;
        record.digest = video.digest.clone();
        record.stream = self.job.stream;
        if outcome != Outcome::Stopped {
            let row = match file.row {
                Some(row) => row,
                None => self
                    .writer
                    .begin_video(&video.path, video.stamp, &self.sampling)?,
            };
            self.writer.finish_video(row, end.continues, &record)?;
        }
        match outcome {
            Outcome::Indexed { .. } => self.summary.indexed += 1,
            Outcome::Partly { .. } => self.summary.partly += 1,
            Outcome::Failed { .. } => self.summary.failed += 1,
            Outcome::Stopped | Outcome::StillPartly { .. } => {}
        }
        (self.report)(Event::Finished {
            path: &video.path,
            outcome: &outcome,
            left: video.duration.unwrap_or(0.0) - file.seconds,
        });
        Ok(())
    }
}

/// What a file came to, and what the catalogue keeps of it.
fn judge(
    result: Result<(VideoInfo, ReadReport), Unread>,
    embed_error: Option<String>,
) -> (Outcome, VideoRecord) {
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
    let frames = report.frames;
    let decode_errors = report.decode_errors();
    let retry = report.lost || embed_error.is_some();
    let lost = embed_error.map(|e| format!("some frames could not be embedded: {e}"));
    let outcome = match (report.ending, lost) {
        (Ending::Stopped, _) => Outcome::Stopped,
        (Ending::Early(reason), _) | (_, Some(reason)) => Outcome::Partly { frames, reason },
        (Ending::Complete, None) => Outcome::Indexed {
            frames,
            decode_errors,
        },
    };
    let error = match &outcome {
        Outcome::Partly { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    let record = VideoRecord {
        container: Some(info.container),
        codec: Some(info.codec),
        width: Some(report.width),
        height: Some(report.height),
        duration: info.duration,
        read_to: Some(report.read_to),
        frames,
        largest_gap: Some(report.largest_gap),
        lost_packets: report.lost_packets,
        lost_frames: report.lost_frames,
        gaps: report.gaps,
        faults: report.faults,
        error,
        retry,
        ..VideoRecord::default()
    };
    (outcome, record)
}
