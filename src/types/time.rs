//! Media time: ticks that never travel without their base.

use std::cmp::Ordering;

/// Seconds one tick lasts, as a fraction: `num / den`, both positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeBase {
    num: i32,
    den: i32,
}

impl TimeBase {
    /// Microseconds.
    pub const MICROS: TimeBase = TimeBase {
        num: 1,
        den: 1_000_000,
    };

    /// `None` unless both are positive.
    pub fn new(num: i32, den: i32) -> Option<Self> {
        (num > 0 && den > 0).then_some(Self { num, den })
    }

    pub fn num(self) -> i32 {
        self.num
    }

    pub fn den(self) -> i32 {
        self.den
    }
}

/// Offset from the start of a video as a player shows it, in ticks of a time base.
#[derive(Debug, Clone, Copy)]
pub struct Timestamp {
    pub ticks: i64,
    pub base: TimeBase,
}

impl Timestamp {
    pub fn new(ticks: i64, base: TimeBase) -> Self {
        Self { ticks, base }
    }

    /// The nearest tick; times outside what ticks can hold saturate.
    pub fn from_seconds(seconds: f64, base: TimeBase) -> Self {
        let ticks = seconds * f64::from(base.den) / f64::from(base.num);
        Self::new(ticks.round() as i64, base)
    }

    pub fn seconds(self) -> f64 {
        self.ticks as f64 * f64::from(self.base.num) / f64::from(self.base.den)
    }

    /// `HH:MM:SS.mmm`, rounded to the millisecond; hours grow past two digits when they must.
    pub fn timecode(self) -> String {
        timecode(self.seconds())
    }

    /// `self - earlier`, in seconds.
    pub fn since(self, earlier: Timestamp) -> f64 {
        self.seconds() - earlier.seconds()
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timestamp {}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        let scaled = |a: &Self, b: &Self| {
            i128::from(a.ticks) * i128::from(a.base.num) * i128::from(b.base.den)
        };
        scaled(self, other).cmp(&scaled(other, self))
    }
}

/// Seconds as `HH:MM:SS.mmm`.
pub fn timecode(seconds: f64) -> String {
    let millis = (seconds.max(0.0) * 1000.0).round() as u64;
    let (s, ms) = (millis / 1000, millis % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn timecode_rounds_and_carries() {
        assert_eq!(timecode(12.48), "00:00:12.480");
        assert_eq!(timecode(3599.9996), "01:00:00.000");
        assert_eq!(timecode(100.0 * 3600.0), "100:00:00.000");
    }

    proptest! {
        #[test]
        fn timestamps_order_as_their_seconds_do(
            a in -1_000_000_000i64..1_000_000_000, b in -1_000_000_000i64..1_000_000_000,
            d in 1i32..100_000, e in 1i32..100_000,
        ) {
            let x = Timestamp::new(a, TimeBase::new(1, d).unwrap());
            let y = Timestamp::new(b, TimeBase::new(1, e).unwrap());
            let exact = (i128::from(a) * i128::from(e)).cmp(&(i128::from(b) * i128::from(d)));
            prop_assert_eq!(x.cmp(&y), exact);
        }

        #[test]
        fn seconds_survive_a_round_trip(ms in 0i64..400_000_000) {
            let base = TimeBase::new(1, 90_000).unwrap();
            let t = Timestamp::from_seconds(ms as f64 / 1000.0, base);
            prop_assert!((t.seconds() - ms as f64 / 1000.0).abs() < 1e-5);
        }
    }
}
