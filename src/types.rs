//! Words every room shares: ids, time, pictures, vectors, hits. No I/O.

use std::cmp::Ordering;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// Row of a video in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VideoId(pub i64);

/// Row of a moment in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MomentId(pub i64);

/// Row of a vector in the catalogue; the id the derived indexes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VectorId(pub i64);

/// Row of a model in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub i64);

/// Counts commits that changed what a query can find. A derived index carries the
/// generation it reflects and is not used at another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub i64);

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

/// An upright picture: 8-bit sRGB, rows top to bottom, no padding, square pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Pixels {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Pixels {
    /// `None` unless `rgb` holds exactly `width * height * 3` bytes and is not empty.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        let expected = width as usize * height as usize * 3;
        (expected > 0 && rgb.len() == expected).then_some(Self { width, height, rgb })
    }

    pub fn width(&self) -> u32 {
        self.width
    }

    pub fn height(&self) -> u32 {
        self.height
    }

    /// `height * width * 3` bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }
}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pixels({}x{})", self.width, self.height)
    }
}

/// An L2-normalised vector; two of one model compare by dot product (= cosine).
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// Normalises `values`. `None` when they are empty, all zero, or not finite.
    pub fn normalised(mut values: Vec<f32>) -> Option<Self> {
        let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt();
        if !norm.is_finite() || norm <= f32::MIN_POSITIVE {
            return None;
        }
        values.iter_mut().for_each(|v| *v /= norm);
        Some(Self(values))
    }

    pub fn dim(&self) -> usize {
        self.0.len()
    }

    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// Cosine similarity, in [-1, 1].
    pub fn similarity(&self, other: &Self) -> f32 {
        // Several sums side by side, so that the compiler can use wide registers.
        const LANES: usize = 16;
        let (ours, rest) = self.0.as_chunks::<LANES>();
        let (theirs, other_rest) = other.0.as_chunks::<LANES>();
        let mut sums = [0f32; LANES];
        for (a, b) in ours.iter().zip(theirs) {
            for lane in 0..LANES {
                sums[lane] += a[lane] * b[lane];
            }
        }
        let rest = rest.iter().zip(other_rest).map(|(a, b)| a * b);
        sums.into_iter().chain(rest).sum()
    }
}

/// `[x, y, width, height]` in display pixels: the part of a frame that matched.
pub type ViewBox = [u32; 4];

/// The vectors of a frame, one for each of its views, with the part it was made from; `None` is the
/// whole frame.
pub type ViewVectors = Vec<(Option<ViewBox>, Embedding)>;

/// One answer to a query: a stretch of one video and its best frame.
/// Serialised as it stands for `query --json` (docs/formats.md).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// 1 is the best.
    pub rank: usize,
    /// Fused rank value; comparable within one query only.
    pub score: f64,
    /// How likely the hit is real, in [0, 1]; `None` where that cannot be told.
    pub confidence: Option<f64>,
    #[serde(serialize_with = "lossy_path")]
    pub video: PathBuf,
    #[serde(skip)]
    pub moment: MomentId,
    /// Which video stream of it; the one a player shows where `None`.
    #[serde(skip)]
    pub stream: Option<usize>,
    /// Seconds from the start of the video to the best frame.
    pub time: f64,
    pub timecode: String,
    /// Seconds; the stretch that matched, `start <= time <= end`.
    pub start: f64,
    pub end: f64,
    #[serde(rename = "box")]
    pub view: Option<ViewBox>,
    pub camera: Option<String>,
    pub recorded_at: Option<String>,
    /// The same in milliseconds since 1970 in UTC.
    #[serde(skip)]
    pub recorded_ms: Option<i64>,
    pub model: String,
    /// Moments of other videos that show the same and were left out for it.
    #[serde(skip_serializing_if = "is_zero")]
    pub alike: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// JSON holds Unicode only: bytes of a path that are not become U+FFFD.
fn lossy_path<S: serde::Serializer>(path: &std::path::Path, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&path.to_string_lossy())
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

    #[test]
    fn an_embedding_of_nothing_is_refused() {
        assert_eq!(Embedding::normalised(vec![0.0; 3]), None);
        assert_eq!(Embedding::normalised(vec![f32::NAN]), None);
        assert_eq!(Embedding::normalised(vec![]), None);
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

        #[test]
        fn embeddings_have_unit_length(v in proptest::collection::vec(-10f32..10.0, 1..64)) {
            if let Some(e) = Embedding::normalised(v) {
                prop_assert!((e.similarity(&e) - 1.0).abs() < 1e-4);
            }
        }
    }
}
