//! From stream ticks to the time a player shows.
//!
//! A player's zero is the start of the earliest audio or video stream (what FFmpeg calls the
//! container's start time); edit lists are applied by the demuxer before we see a pts.

use ffmpeg_next as ff;

use crate::types::{TimeBase, Timestamp};

#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Stream ticks at the player's zero; unknown until a first frame where no stream says.
    start: Option<i64>,
    base: TimeBase,
    /// Ticks a frame lasts when the file does not say (raw streams).
    frame_ticks: i64,
    last: Option<i64>,
    /// Added to a pts to close the jumps met so far.
    offset: i64,
    /// A time beyond this is damage: seconds the container claims, and some more.
    latest: Option<f64>,
}

/// Seconds a video may go on beyond what its container claims.
const BEYOND_CLAIM: f64 = 60.0;

impl Clock {
    /// `duration`: seconds the container claims.
    pub(super) fn new(
        input: &ff::format::context::Input,
        stream: &ff::Stream,
        duration: Option<f64>,
    ) -> Self {
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
            offset: 0,
            latest: duration.map(|d| d.max(0.0) * 1.5 + BEYOND_CLAIM),
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

    /// The time of the next frame in display order, and whether the file's clock jumped there.
    ///
    /// A frame without a pts follows the one before it by a frame's length; so does one whose
    /// pts goes back or lies far beyond the end, and those after it count on from there.
    pub(super) fn frame_time(&mut self, pts: Option<i64>) -> (Timestamp, bool) {
        let start = *self.start.get_or_insert(pts.unwrap_or(0));
        let time = |pts: i64| Timestamp::new(pts.saturating_sub(start), self.base);
        let next = self
            .last
            .map_or(start, |last| last.saturating_add(self.frame_ticks));
        let shown = pts.map_or(next, |pts| pts.saturating_add(self.offset));
        let back = self.last.is_some_and(|last| shown < last);
        let beyond = self
            .latest
            .is_some_and(|latest| time(shown).seconds() > latest);
        let jumped = back || beyond;
        let shown = if jumped { next } else { shown };
        if let Some(pts) = pts.filter(|_| jumped) {
            self.offset = next.saturating_sub(pts);
        }
        self.last = Some(shown);
        (time(shown), jumped)
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
            offset: 0,
            latest: Some(200_000.0),
        }
    }

    #[test]
    fn a_26_hour_start_is_taken_off() {
        let mut c = clock(Some(26 * 3600 * 90_000));
        let (t, jumped) = c.frame_time(Some(26 * 3600 * 90_000 + 45_000));
        assert_eq!((t.seconds(), jumped), (0.5, false));
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
    fn a_clock_that_starts_again_or_leaps_is_counted_on() {
        let mut c = clock(Some(0));
        let pts = [0, 90_000, 0, 90_000, i64::MAX / 2, 180_000, 270_000];
        let got: Vec<(f64, bool)> = pts
            .into_iter()
            .map(|p| c.frame_time(Some(p)))
            .map(|(t, jumped)| ((t.seconds() * 100.0).round() / 100.0, jumped))
            .collect();
        let expected = [
            (0.0, false),
            (1.0, false),
            (1.04, true),
            (2.04, false),
            (2.08, true),
            (2.12, true),
            (3.12, false),
        ];
        assert_eq!(got, expected);
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
