//! Which packets are worth decoding.
//!
//! Packets are held from one keyframe to the next. Once the next keyframe is known, the held
//! GOP is dropped (too close to the last sample), cut to its keyframe (the next one is near
//! enough) or decoded whole (frames in between are wanted). A GOP found to be long is passed
//! on as soon as that is known, so no more than `max_gap` seconds of packets are ever held, and no
//! more than [`MAX_HELD`] where their times do not say.

use std::collections::VecDeque;

use ffmpeg_next::Packet;

use crate::types::Timestamp;

/// Packets held at most: over 2 s of any ordinary stream.
const MAX_HELD: usize = 1_000;
/// Bytes held at most.
const MAX_HELD_BYTES: usize = 64 << 20;

/// Seconds from the latest packet to the next: back by reordered frames, on by a still scene.
const ORDERLY: std::ops::RangeInclusive<f64> = -1.0..=30.0;

/// Seconds by which a frame may miss the second it is wanted for: rounding of time bases.
const SLACK: f64 = 1e-3;

/// What the decoder is to do next.
pub(super) enum Step {
    Decode(Packet),
    /// Give the frames inside and begin again: a keyframe was sent without what follows it, and
    /// its frame must neither wait for nor lean on other packets.
    Flush,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Want {
    /// Every packet.
    Everything,
    /// Only keyframes, no two closer than `spacing` seconds.
    Keyframes { spacing: f64 },
    /// GOPs shown when a multiple of `seconds` after the first sample has passed.
    Every { seconds: f64 },
    /// Keyframes no closer than `spacing`, and whole GOPs where they lie further apart than
    /// `max_gap` seconds.
    GapFilled { spacing: f64, max_gap: f64 },
}

pub(super) struct Gate {
    want: Want,
    held: Vec<(Option<Timestamp>, Packet)>,
    /// The rest of this GOP goes straight to the decoder.
    open: bool,
    /// Time of the last keyframe let through.
    last_key: Option<Timestamp>,
    ready: VecDeque<Step>,
    held_bytes: usize,
    /// Of the first sample, where every so many seconds one is wanted.
    first: Option<Timestamp>,
    /// Latest time of a packet: of all, and of those before the held GOP.
    latest: Option<Timestamp>,
    before_gop: Option<Timestamp>,
    /// Something was decoded since the last flush for a GOP left out.
    sent: bool,
}

impl Gate {
    pub(super) fn new(want: Want) -> Self {
        Self {
            want,
            held: Vec::new(),
            // Until a first keyframe everything is decoded: a stream may never flag one.
            open: true,
            last_key: None,
            ready: VecDeque::new(),
            held_bytes: 0,
            first: None,
            latest: None,
            before_gop: None,
            sent: true,
        }
    }

    /// A frame was sampled. Until the first one, everything is decoded.
    pub(super) fn sampled(&mut self, time: Timestamp) {
        self.first.get_or_insert(time);
    }

    /// Takes the next packet of the stream, in decoding order; `time` is `None` where unknown.
    pub(super) fn push(&mut self, time: Option<Timestamp>, packet: Packet) {
        match self.want {
            Want::Everything => self.ready.push_back(Step::Decode(packet)),
            Want::Keyframes { spacing } => {
                self.open = time.is_none() || (self.open && !packet.is_key());
                if self.open {
                    self.ready.push_back(Step::Decode(packet));
                } else if packet.is_key() && self.spaced(time, spacing) {
                    self.last_key = time.or(self.last_key);
                    self.ready.extend([Step::Decode(packet), Step::Flush]);
                }
            }
            Want::Every { .. } if self.jumps(time) => {
                // What is wanted when is told by a clock that has no such jumps.
                self.open_for_good();
                self.ready.push_back(Step::Decode(packet));
            }
            Want::Every { seconds } => {
                if packet.is_key() {
                    // Held still: no wanted second has passed in it.
                    self.drop_held();
                    self.open = self.first.is_none();
                    self.before_gop = self.latest;
                }
                if self.open {
                    self.ready.push_back(Step::Decode(packet));
                } else {
                    self.hold(time, packet);
                    if self.wanted_by(time, seconds) || self.is_full() {
                        self.release();
                    }
                }
                self.latest = self.latest.max(time);
            }
            Want::GapFilled { spacing, max_gap } => {
                if packet.is_key() {
                    self.close(time, spacing, max_gap);
                    self.open = false;
                    self.hold(time, packet);
                } else if self.open {
                    self.ready.push_back(Step::Decode(packet));
                } else {
                    self.hold(time, packet);
                    if self.held_reaches(time, max_gap) {
                        self.release();
                    }
                }
            }
        }
    }

    /// No more packets will come.
    pub(super) fn finish(&mut self) {
        match self.want {
            Want::Every { .. } => self.drop_held(),
            _ => self.release(),
        }
    }

    /// What to decode next.
    pub(super) fn pop(&mut self) -> Option<Step> {
        self.ready.pop_front()
    }

    /// Keyframes alone give no picture here (intra refresh): from now on all is decoded.
    pub(super) fn open_for_good(&mut self) {
        self.release();
        self.want = Want::Everything;
    }

    fn hold(&mut self, time: Option<Timestamp>, packet: Packet) {
        self.held_bytes += packet.size();
        self.held.push((time, packet));
    }

    /// Decides on the held GOP now that the next keyframe is known to come at `next`.
    fn close(&mut self, next: Option<Timestamp>, spacing: f64, max_gap: f64) {
        let Some((key_time, _)) = self.held.first() else {
            return;
        };
        let key_time = *key_time;
        let (Some(key), Some(next)) = (key_time, next) else {
            return self.release();
        };
        let near = |from: Timestamp| (0.0..=max_gap).contains(&next.since(from));
        if !self.spaced(Some(key), spacing) && self.last_key.is_some_and(near) {
            self.held.clear();
            self.held_bytes = 0;
        } else if near(key) {
            self.held.truncate(1);
            self.release();
            self.ready.push_back(Step::Flush);
        } else {
            self.release();
        }
    }

    /// Whether a multiple of `seconds` falls between what came before the held GOP and `time`.
    fn wanted_by(&self, time: Option<Timestamp>, seconds: f64) -> bool {
        let (Some(first), Some(before), Some(time)) = (self.first, self.before_gop, time) else {
            return true;
        };
        let passed = |t: Timestamp, slack: f64| ((t.since(first) + slack) / seconds).floor();
        passed(time, SLACK) > passed(before, -SLACK)
    }

    /// Whether a packet's time follows from no order of frames.
    fn jumps(&self, time: Option<Timestamp>) -> bool {
        let since = time.zip(self.latest).map(|(t, l)| t.since(l));
        since.is_some_and(|s| !ORDERLY.contains(&s))
    }

    /// Leaves the held GOP out. What the decoder still holds of earlier ones comes first, and what
    /// comes next must not lean on it.
    fn drop_held(&mut self) {
        if self.held.is_empty() {
            return;
        }
        self.held.clear();
        self.held_bytes = 0;
        if std::mem::take(&mut self.sent) {
            self.ready.push_back(Step::Flush);
        }
    }

    fn release(&mut self) {
        self.sent |= !self.held.is_empty();
        if let Some((time, _)) = self.held.first() {
            self.last_key = time.or(self.last_key);
        }
        let packets = self.held.drain(..).map(|(_, p)| p);
        self.ready.extend(packets.map(Step::Decode));
        self.held_bytes = 0;
        self.open = true;
    }

    fn is_full(&self) -> bool {
        self.held.len() >= MAX_HELD || self.held_bytes >= MAX_HELD_BYTES
    }

    fn held_reaches(&self, time: Option<Timestamp>, max_gap: f64) -> bool {
        match (self.held.first().and_then(|(t, _)| *t), time) {
            (Some(key), Some(now)) if !self.is_full() => {
                now.since(self.last_key.filter(|l| *l <= key).unwrap_or(key)) > max_gap
            }
            _ => true,
        }
    }

    fn spaced(&self, time: Option<Timestamp>, spacing: f64) -> bool {
        match (time, self.last_key) {
            (Some(t), Some(last)) => !(0.0..spacing).contains(&t.since(last)),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TimeBase;
    use ffmpeg_next::packet::Flags;
    use proptest::prelude::*;

    const FILLED: Want = Want::GapFilled {
        spacing: 0.5,
        max_gap: 2.0,
    };

    /// Which packets (numbered by their pts, 10 a second) come through.
    fn through(want: Want, keys: &[i64], count: i64) -> Vec<i64> {
        let mut gate = Gate::new(want);
        let mut out = Vec::new();
        let base = TimeBase::new(1, 10).unwrap();
        for i in 0..count {
            let mut packet = Packet::new(1);
            packet.set_pts(Some(i));
            if keys.contains(&i) {
                packet.set_flags(Flags::KEY);
            }
            gate.push(Some(Timestamp::new(i, base)), packet);
            out.extend(std::iter::from_fn(|| gate.pop()));
        }
        gate.finish();
        out.extend(std::iter::from_fn(|| gate.pop()));
        let packets = out.iter().filter_map(|step| match step {
            Step::Decode(packet) => packet.pts(),
            Step::Flush => None,
        });
        packets.collect()
    }

    #[test]
    fn near_keyframes_come_alone() {
        assert_eq!(through(FILLED, &[0, 10, 20], 21), [0, 10, 20]);
    }

    #[test]
    fn a_long_gop_is_decoded_whole() {
        let all: Vec<i64> = (0..60).collect();
        assert_eq!(through(FILLED, &[0], 60), all);
    }

    #[test]
    fn all_intra_streams_are_thinned() {
        let keys: Vec<i64> = (0..40).collect();
        let got = through(FILLED, &keys, 40);
        assert!(got.len() <= 9, "{got:?}");
    }

    #[test]
    fn a_stream_without_keyframes_is_decoded() {
        assert_eq!(through(FILLED, &[], 5), [0, 1, 2, 3, 4]);
    }

    /// Which packets come through once a first sample at `first` is known, 10 packets a second.
    fn through_every(seconds: f64, keys: &[i64], count: i64) -> (Vec<i64>, usize) {
        let mut gate = Gate::new(Want::Every { seconds });
        let base = TimeBase::new(1, 10).unwrap();
        let (mut out, mut flushes) = (Vec::new(), 0);
        for i in 0..count {
            let mut packet = Packet::new(1);
            packet.set_pts(Some(i));
            if keys.contains(&i) {
                packet.set_flags(Flags::KEY);
            }
            gate.push(Some(Timestamp::new(i, base)), packet);
            if i + 1 == count {
                gate.finish();
            }
            while let Some(step) = gate.pop() {
                match step {
                    Step::Decode(packet) => out.extend(packet.pts()),
                    Step::Flush => flushes += 1,
                }
            }
            gate.sampled(Timestamp::new(0, base));
        }
        (out, flushes)
    }

    #[test]
    fn gops_without_a_wanted_second_are_left_out() {
        let keys: Vec<i64> = (0..60).map(|i| i * 10).collect();
        let (got, flushes) = through_every(20.0, &keys, 450);
        // The first GOP, and those that hold 20 s and 40 s.
        let gops: Vec<i64> = got
            .iter()
            .filter(|p| *p % 10 == 0)
            .map(|p| p / 10)
            .collect();
        assert_eq!(gops, [0, 20, 40], "{got:?}");
        assert_eq!((got.len(), flushes), (30, 3));
        let (all, _) = through_every(1.0, &keys, 450);
        assert_eq!(all.len(), 450);
    }

    proptest! {
        /// Whatever the keyframes, what is decoded leaves no gap over 2 s.
        #[test]
        fn nothing_within_reach_is_skipped(keys in proptest::collection::btree_set(0i64..300, 1..60)) {
            let mut keys: Vec<i64> = keys.into_iter().collect();
            keys[0] = 0;
            let got = through(FILLED, &keys, 300);
            prop_assert!(got.windows(2).all(|w| w[0] < w[1] && w[1] - w[0] <= 20));
            prop_assert!(299 - got.last().unwrap() <= 20);
        }
    }
}
