//! What was read of a file, and what was not: the ledger behind a "nothing found".

use serde::{Deserialize, Serialize};

use super::{SampledFrame, Subtitle};

/// Times of faults kept for one file; more say nothing new.
const FAULTS_KEPT: usize = 100;
/// Faults closer than this, in seconds, are kept as one.
const FAULTS_APART: f64 = 0.5;
/// Gaps kept for one file.
const GAPS_KEPT: usize = 1_000;
/// A gap this much longer than allowed, in seconds, was not seen. Frame lengths and the spacing of
/// what cannot be decoded by itself stay below.
const GAP_FORGIVEN: f64 = 0.5;

/// Why reading ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// At the end of the file, everything its container promised read.
    Complete,
    /// Before that; says what happened.
    Early(String),
    /// The consumer asked to stop.
    Stopped,
}

/// What was read of a file, for the catalogue. Times are seconds on the player's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadReport {
    pub ending: Ending,
    /// Frames handed on.
    pub frames: u64,
    /// Frames the decoder gave.
    pub decoded: u64,
    /// Packets that could not be read or used.
    pub lost_packets: u64,
    /// Frames that came damaged or not at all.
    pub lost_frames: u64,
    /// When: the first [`FAULTS_KEPT`] of both.
    pub faults: Vec<f64>,
    /// From the start of the video to the end of what was read: of the last frame, or, where
    /// frames were passed over on purpose, of the last packet.
    pub read_to: f64,
    /// Longest stretch between two sampled frames, or before the first and after the last.
    pub largest_gap: f64,
    /// Stretches longer than the sampling allows in which no frame was sampled.
    pub gaps: Vec<(f64, f64)>,
    /// Subtitles found inside the file.
    pub subtitles: Vec<Subtitle>,
    /// Its decoder was lost, or out of time: what ended the reading may not be the file.
    pub lost: bool,
    /// Display size of the sampled frames.
    pub width: u32,
    pub height: u32,
}

impl ReadReport {
    /// Of nothing read yet.
    pub fn empty() -> Self {
        Self {
            ending: Ending::Complete,
            frames: 0,
            decoded: 0,
            lost_packets: 0,
            lost_frames: 0,
            faults: Vec::new(),
            read_to: 0.0,
            largest_gap: 0.0,
            gaps: Vec::new(),
            subtitles: Vec::new(),
            lost: false,
            width: 0,
            height: 0,
        }
    }

    /// Packets and frames lost.
    pub fn decode_errors(&self) -> u64 {
        self.lost_packets + self.lost_frames
    }

    /// A frame goes out.
    pub(super) fn count(&mut self, frame: &SampledFrame) {
        self.frames += 1;
        self.read_to = self.read_to.max(frame.time.seconds());
        (self.width, self.height) = (frame.pixels.width(), frame.pixels.height());
    }

    pub(super) fn fault(&mut self, time: f64) {
        let near = |last: &f64| (time - last).abs() < FAULTS_APART;
        if self.faults.len() < FAULTS_KEPT && !self.faults.last().is_some_and(near) {
            self.faults.push(time);
        }
    }

    /// No frame was sampled between two times.
    pub(super) fn unseen(&mut self, from: f64, to: f64, allowed: f64) {
        self.largest_gap = self.largest_gap.max(to - from);
        if to - from > allowed + GAP_FORGIVEN && self.gaps.len() < GAPS_KEPT {
            self.gaps.push((from, to));
        }
    }

    /// Adds what the next stretch of the same file came to.
    pub fn join(&mut self, next: ReadReport) {
        self.frames += next.frames;
        self.decoded += next.decoded;
        self.lost_packets += next.lost_packets;
        self.lost_frames += next.lost_frames;
        self.faults.extend(next.faults);
        self.faults.truncate(FAULTS_KEPT);
        self.gaps.extend(next.gaps);
        self.gaps.truncate(GAPS_KEPT);
        self.largest_gap = self.largest_gap.max(next.largest_gap);
        self.read_to = self.read_to.max(next.read_to);
        self.subtitles.extend(next.subtitles);
        self.lost |= next.lost;
        if next.frames > 0 {
            (self.width, self.height) = (next.width, next.height);
        }
        if self.ending == Ending::Complete {
            self.ending = next.ending;
        }
    }

    /// Nothing was read before `from` seconds.
    pub fn missed(&mut self, reason: &str, from: f64) {
        self.ending = Ending::Early(reason.into());
        self.lost = true;
        self.gaps.insert(0, (0.0, from));
        self.largest_gap = self.largest_gap.max(from);
    }

    /// Reading broke off; `promised` is how long the container says the file goes on.
    pub fn lose(&mut self, reason: &str, promised: Option<f64>) {
        self.ending = Ending::Early(reason.into());
        self.lost = true;
        self.lost_frames += 1;
        self.fault(self.read_to);
        let end = promised.unwrap_or(self.read_to);
        self.unseen(self.read_to, end, 0.0);
    }
}
