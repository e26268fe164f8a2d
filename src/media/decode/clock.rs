//! From stream ticks to the time a player shows.
//!
//! A player's zero is the start of the earliest audio or video stream (what FFmpeg calls the
//! container's start time); edit lists are applied by the demuxer before we see a pts.

use ffmpeg_next as ff;

use super::stamps::Ticks;
use crate::types::{TimeBase, Timestamp};

/// Stamps come to it as [`super::stamps`] has left them: it believes them all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Stream ticks at the player's zero; unknown until a first frame where no stream says.
    start: Option<i64>,
    base: TimeBase,
    /// Ticks a frame lasts when the file does not say (raw streams).
    frame_ticks: i64,
    /// Of the last frame, and of the one shown last.
    last: Option<i64>,
    front: Option<i64>,
}

/// Seconds a video may go on beyond what its container claims, and beyond half as long again.
const BEYOND_CLAIM: f64 = 60.0;

impl Clock {
    pub(super) fn new(input: &ff::format::context::Input, stream: &ff::Stream) -> Self {
        let base = time_base(stream.time_base());
        let rate = [stream.avg_frame_rate(), stream.rate()]
            .into_iter()
            .map(f64::from)
            .find(|r| r.is_finite() && *r > 0.0)
            .unwrap_or(25.0);
        let start = input
            .streams()
            .filter(|s| {
                matches!(
                    s.parameters().medium(),
                    ff::media::Type::Video | ff::media::Type::Audio
                )
            })
            .filter(|s| s.start_time() != ff::ffi::AV_NOPTS_VALUE)
            .map(|s| Timestamp::new(s.start_time(), time_base(s.time_base())))
            .min()
            .map(|earliest| rescale(earliest, base));
        Self {
            start,
            base,
            frame_ticks: Timestamp::from_seconds(1.0 / rate, base).ticks.max(1),
            last: None,
            front: None,
        }
    }

    /// What its stamps mean. `claimed`: seconds the container claims, where it did not just look at the
    /// last of them; `wraps`: they have 33 bits.
    pub(super) fn ticks(&self, claimed: Option<f64>, wraps: bool) -> Ticks {
        let after = |seconds: f64| {
            let start = self.start?;
            let ticks = Timestamp::from_seconds(seconds.max(0.0), self.base).ticks;
            Some(start.saturating_add(ticks))
        };
        Ticks {
            frame: self.frame_ticks,
            second: Timestamp::from_seconds(1.0, self.base).ticks.max(1),
            wraps,
            end: claimed.and_then(after),
            latest: claimed.and_then(|d| after(d * 1.5 + BEYOND_CLAIM)),
        }
    }

    /// Whether the file says when it starts.
    pub(super) fn starts(&self) -> bool {
        self.start.is_some()
    }

    /// Seconds on the file's own clock at the player's zero, where the file says.
    pub(super) fn first_seconds(&self) -> Option<f64> {
        Some(Timestamp::new(self.start?, self.base).seconds())
    }

    /// The time of the next frame in display order, and whether it lies before that of an earlier one.
    ///
    /// A frame without a stamp follows the one before it by a frame's length.
    pub(super) fn frame_time(&mut self, stamp: Option<i64>) -> (Timestamp, bool) {
        let start = *self.start.get_or_insert(stamp.unwrap_or(0));
        let next = self
            .last
            .map_or(start, |last| last.saturating_add(self.frame_ticks));
        let shown = stamp.unwrap_or(next);
        let back = self.front.is_some_and(|front| shown < front);
        self.last = Some(shown);
        self.front = self.front.max(self.last);
        let time = Timestamp::new(shown.saturating_sub(start), self.base);
        (time, back)
    }

    /// How long so many ticks last, in seconds.
    pub(super) fn seconds(&self, ticks: i64) -> f64 {
        Timestamp::new(ticks, self.base).seconds()
    }

    /// The time of a packet, where it is known before anything was decoded.
    pub(super) fn packet_time(&self, ticks: Option<i64>) -> Option<Timestamp> {
        Some(Timestamp::new(
            ticks?.saturating_sub(self.start?),
            self.base,
        ))
    }

    /// Seconds on the player's clock → FFmpeg's microseconds, for seeking.
    pub(super) fn seek_target(&self, seconds: f64) -> i64 {
        let start = Timestamp::new(self.start.unwrap_or(0), self.base).seconds();
        ((seconds + start) * 1e6).floor() as i64
    }

    pub(super) fn frame_seconds(&self) -> f64 {
        Timestamp::new(self.frame_ticks, self.base).seconds()
    }
}

fn time_base(r: ff::Rational) -> TimeBase {
    TimeBase::new(r.numerator(), r.denominator()).unwrap_or(TimeBase::MICROS)
}

/// The same instant in another base, rounded to nearest.
fn rescale(t: Timestamp, base: TimeBase) -> i64 {
    let num = i128::from(t.ticks) * i128::from(t.base.num()) * i128::from(base.den());
    let den = i128::from(t.base.den()) * i128::from(base.num());
    i64::try_from((2 * num + den).div_euclid(2 * den)).unwrap_or(t.ticks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clock(start: Option<i64>) -> Clock {
        Clock {
            start,
            base: TimeBase::new(1, 90_000).unwrap(),
            frame_ticks: 3_600,
            last: None,
            front: None,
        }
    }

    #[test]
    fn a_26_hour_start_is_taken_off() {
        let mut c = clock(Some(26 * 3600 * 90_000));
        let (t, back) = c.frame_time(Some(26 * 3600 * 90_000 + 45_000));
        assert_eq!((t.seconds(), back), (0.5, false));
    }

    #[test]
    fn frames_without_pts_follow_each_other() {
        let mut c = clock(None);
        let times: Vec<f64> = [None, None, None]
            .into_iter()
            .map(|p| c.frame_time(p).0.seconds())
            .collect();
        assert_eq!(times, [0.0, 0.04, 0.08]);
    }

    #[test]
    fn frames_that_go_back_are_told_and_move_no_other() {
        let mut c = clock(Some(0));
        let pts = [0, 9_000, 4_500, 8_000, 9_000, 18_000];
        let got: Vec<(i64, bool)> = pts
            .into_iter()
            .map(|p| c.frame_time(Some(p)))
            .map(|(t, back)| (t.ticks, back))
            .collect();
        let back = [false, false, true, true, false, false];
        assert_eq!(got, pts.into_iter().zip(back).collect::<Vec<_>>());
    }

    #[test]
    fn what_a_container_claims_bounds_its_stamps() {
        let c = clock(Some(90_000));
        let ticks = c.ticks(Some(10.0), true);
        assert_eq!((ticks.frame, ticks.second), (3_600, 90_000));
        assert_eq!(ticks.end, Some(11 * 90_000));
        assert_eq!(ticks.latest, Some(76 * 90_000));
        assert_eq!(c.ticks(None, true).latest, None);
        assert_eq!(clock(None).ticks(Some(10.0), true).end, None);
    }

    proptest! {
        #[test]
        fn rescaling_moves_an_instant_by_less_than_a_tick(ticks in -1i64 << 36..1 << 36) {
            let from = Timestamp::new(ticks, TimeBase::new(1, 48_000).unwrap());
            let base = TimeBase::new(1, 90_000).unwrap();
            let there = Timestamp::new(rescale(from, base), base);
            prop_assert!((there.seconds() - from.seconds()).abs() <= 0.5 / 90_000.0 + 1e-8);
        }
    }
}
