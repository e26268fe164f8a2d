//! How much of a video was seen: the ledger behind a "nothing found".

use serde::{Deserialize, Serialize};

/// Times of faults kept for one file; more say nothing new.
const FAULTS_KEPT: usize = 100;
/// Faults closer than this, in seconds, are kept as one.
const FAULTS_APART: f64 = 0.5;
/// Gaps kept for one file.
const GAPS_KEPT: usize = 1_000;
/// A gap this much longer than allowed, in seconds, was not seen. Frame lengths and the spacing of
/// what cannot be decoded by itself stay below.
const GAP_FORGIVEN: f64 = 0.5;

/// What was seen of a video and what was not: made by the decoder, kept in the catalogue, shown by
/// `status`. Times are seconds on the player's clock.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// How long the container claims to be.
    pub duration: Option<f64>,
    /// From the start of the video to the end of what was read: of the last frame, or, where
    /// frames were skipped on purpose, of the last packet. `None` where nothing was.
    pub read_to: Option<f64>,
    /// Sampled frames.
    pub frames: u64,
    /// Longest stretch between two sampled frames, or before the first and after the last.
    pub largest_gap: Option<f64>,
    /// Packets that could not be read or used.
    pub lost_packets: u64,
    /// Frames that came damaged or not at all.
    pub lost_frames: u64,
    /// Frames whose time was wrong: one out of order, or far from those around it. They are not lost.
    #[serde(default)]
    pub wrong_times: u64,
    /// Where the file's clock began anew: the time, and by how much what its stamps say is moved from
    /// there on more than before, in seconds. The first [`GAPS_KEPT`].
    #[serde(default)]
    pub jumps: Vec<(f64, f64)>,
    /// Stretches, longer than the sampling allows, in which no frame was sampled.
    pub gaps: Vec<(f64, f64)>,
    /// When packets, frames or their times were lost: the first [`FAULTS_KEPT`].
    pub faults: Vec<f64>,
}

impl Coverage {
    /// Packets and frames lost.
    pub fn decode_errors(&self) -> u64 {
        self.lost_packets + self.lost_frames
    }

    /// Seconds the video lasts, as far as anybody knows.
    pub fn length(&self) -> f64 {
        self.duration
            .unwrap_or(0.0)
            .max(self.read_to.unwrap_or(0.0))
    }

    /// Seconds that were promised and not seen.
    pub fn unseen(&self) -> f64 {
        match self.read_to {
            Some(_) => self
                .gaps
                .iter()
                .fold(0.0, |sum, (from, to)| sum + (to - from)),
            None => self.duration.unwrap_or(0.0),
        }
    }

    /// Seconds read so far; 0 where none were.
    pub fn seconds_read(&self) -> f64 {
        self.read_to.unwrap_or(0.0)
    }

    /// It was read up to `seconds`.
    pub fn reach(&mut self, seconds: f64) {
        self.read_to = Some(self.seconds_read().max(seconds));
    }

    /// A frame's time was wrong; it is taken to be shown at `time`.
    pub fn wrong_time(&mut self, time: f64) {
        self.wrong_times += 1;
        self.fault(time);
    }

    /// The clock began anew at `time`; stamps from there on are moved by so many seconds more.
    pub fn jump(&mut self, time: f64, seconds: f64) {
        if self.jumps.len() < GAPS_KEPT {
            self.jumps.push((time, seconds));
        }
    }

    /// Something was lost at `time`.
    pub fn fault(&mut self, time: f64) {
        let near = |last: &f64| (time - last).abs() < FAULTS_APART;
        if self.faults.len() < FAULTS_KEPT && !self.faults.last().is_some_and(near) {
            self.faults.push(time);
        }
    }

    /// Whether so many seconds without a sampled frame were not seen, where `allowed` are as they should
    /// be.
    pub fn is_gap(seconds: f64, allowed: f64) -> bool {
        seconds > allowed + GAP_FORGIVEN
    }

    /// No frame was sampled between two times; `allowed` seconds of that are as they should be.
    pub fn skip(&mut self, from: f64, to: f64, allowed: f64) {
        self.widen_largest_gap(to - from);
        if Self::is_gap(to - from, allowed) && self.gaps.len() < GAPS_KEPT {
            self.gaps.push((from, to));
        }
    }

    /// Nothing was read before `from` seconds.
    pub fn miss_start(&mut self, from: f64) {
        self.gaps.insert(0, (0.0, from));
        self.widen_largest_gap(from);
    }

    fn widen_largest_gap(&mut self, seconds: f64) {
        self.largest_gap = Some(self.largest_gap.unwrap_or(0.0).max(seconds));
    }

    /// Adds what another reading of the same video came to: its next stretch, or what was read of
    /// it before. What the container claims stays.
    pub fn join(&mut self, other: Coverage) {
        self.frames += other.frames;
        self.lost_packets += other.lost_packets;
        self.lost_frames += other.lost_frames;
        self.wrong_times += other.wrong_times;
        self.jumps.extend(other.jumps);
        self.jumps.truncate(GAPS_KEPT);
        self.faults.extend(other.faults);
        self.faults.truncate(FAULTS_KEPT);
        self.gaps.extend(other.gaps);
        self.gaps.truncate(GAPS_KEPT);
        self.read_to = self
            .read_to
            .into_iter()
            .chain(other.read_to)
            .reduce(f64::max);
        let gaps = self.largest_gap.into_iter().chain(other.largest_gap);
        self.largest_gap = gaps.reduce(f64::max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_is_summed() {
        let mut seen = Coverage {
            duration: Some(60.0),
            ..Default::default()
        };
        assert_eq!((seen.unseen(), seen.length()), (60.0, 60.0));
        seen.reach(50.0);
        seen.skip(10.0, 12.0, 2.0);
        seen.skip(20.0, 30.0, 2.0);
        assert_eq!((seen.unseen(), seen.largest_gap), (10.0, Some(10.0)));
        seen.miss_start(5.0);
        assert_eq!(seen.gaps, [(0.0, 5.0), (20.0, 30.0)]);
    }

    #[test]
    fn joined_readings_are_one() {
        let part = |frames, to, gap| Coverage {
            read_to: Some(to),
            frames,
            largest_gap: gap,
            lost_frames: 1,
            ..Default::default()
        };
        let mut whole = part(3, 10.0, None);
        whole.join(part(4, 20.0, Some(2.0)));
        assert_eq!((whole.frames, whole.read_to), (7, Some(20.0)));
        assert_eq!((whole.largest_gap, whole.decode_errors()), (Some(2.0), 2));
    }

    #[test]
    fn what_is_wrong_with_the_clock_is_no_loss() {
        let mut seen = Coverage::default();
        seen.wrong_time(4.0);
        seen.jump(9.0, 3.0);
        let mut whole = seen.clone();
        whole.join(seen);
        assert_eq!((whole.wrong_times, whole.decode_errors()), (2, 0));
        assert_eq!(whole.jumps, [(9.0, 3.0), (9.0, 3.0)]);
    }

    #[test]
    fn faults_close_to_one_another_are_kept_as_one() {
        let mut seen = Coverage::default();
        for time in [1.0, 1.2, 1.4, 3.0] {
            seen.fault(time);
        }
        assert_eq!(seen.faults, [1.0, 3.0]);
    }
}
