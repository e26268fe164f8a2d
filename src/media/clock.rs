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
}

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
        }
    }

    /// The time of the next frame in display order; one without a pts follows the frame
    /// before it by a frame's length.
    pub(super) fn frame_time(&mut self, pts: Option<i64>) -> Timestamp {
        let pts = pts.unwrap_or_else(|| {
            self.last
                .map_or(self.start.unwrap_or(0), |last| last + self.frame_ticks)
        });
        self.last = Some(pts);
        let start = *self.start.get_or_insert(pts);
        Timestamp::new(pts.saturating_sub(start), self.base)
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
        }
    }

    #[test]
    fn a_26_hour_start_is_taken_off() {
        let mut c = clock(Some(26 * 3600 * 90_000));
        let t = c.frame_time(Some(26 * 3600 * 90_000 + 45_000));
        assert_eq!(t.seconds(), 0.5);
    }

    #[test]
    fn frames_without_pts_follow_each_other() {
        let mut c = clock(None);
        let times: Vec<f64> = [None, None, None]
            .into_iter()
            .map(|p| c.frame_time(p).seconds())
            .collect();
        assert_eq!(times, [0.0, 0.04, 0.08]);
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
