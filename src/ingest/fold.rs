//! Sampled frames → moments: consecutive samples that look the same become one, with the first as
//! the frame that stands for it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::signature::Signature;
use crate::media::SampledFrame;
use crate::types::{Coverage, Pixels, Timestamp};

/// Changes of single cells add up, each counting this much at most: one cell that clearly differs
/// or a few that hardly do make another moment.
const CELL_COUNTS: f32 = 3.0;
const ENOUGH: f32 = 2.0;
/// A cell that changed in this share of the latest samples is restless: the seconds of a clock in
/// the picture, whose other digits lie in line with it.
const RESTLESS: f32 = 0.3;
/// Weight of the newest sample in that share.
const NEWEST: f32 = 0.1;
/// More than this share of the frame is no clock but what happens in it.
const LARGEST_CLOCK: f32 = 0.1;

/// How alike samples must be to become one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fold {
    /// Every sample is a moment.
    Off,
    #[default]
    Normal,
    /// Larger differences are ignored, and for longer.
    Strong,
}

impl Fold {
    /// From which difference of a cell's mean, of 255, it counts as changed.
    fn threshold(self) -> f32 {
        match self {
            Self::Off => 0.0,
            Self::Normal => 5.0,
            Self::Strong => 9.0,
        }
    }

    /// Seconds after which even an unchanged scene is looked at again.
    fn longest(self) -> f64 {
        match self {
            Self::Off => 0.0,
            Self::Normal => 60.0,
            Self::Strong => 300.0,
        }
    }
}

impl FromStr for Fold {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Off, Self::Normal, Self::Strong];
        let found = all.into_iter().find(|f| f.to_string() == name);
        found.ok_or_else(|| "must be off, normal or strong".into())
    }
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Normal => "normal",
            Self::Strong => "strong",
        })
    }
}

/// A stretch of video and the frame that stands for it.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) time: Timestamp,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) pixels: Pixels,
    /// See [`SampledFrame::scale`].
    pub(super) scale: f64,
    /// Samples it is made of.
    pub(super) samples: u64,
}

/// Holds the latest moment until it is known when it ends.
pub(super) struct Folder {
    fold: Fold,
    /// Seconds that may pass between two samples: no moment spans a stretch that was not seen.
    allowed_gap: f64,
    open: Option<Open>,
    /// Of the sample before.
    before: Option<Signature>,
    /// For each cell, the share of the latest samples it changed in.
    unrest: Vec<f32>,
}

struct Open {
    frame: SampledFrame,
    signature: Option<Signature>,
    /// Time of its latest sample.
    latest: Timestamp,
    samples: u64,
}

impl Folder {
    pub(super) fn new(fold: Fold, allowed_gap: f64) -> Self {
        Self {
            fold,
            allowed_gap,
            open: None,
            before: None,
            unrest: Vec::new(),
        }
    }

    /// Takes the next sample. Where it looks otherwise than the open moment, that one is done.
    pub(super) fn push(&mut self, frame: SampledFrame) -> Option<Moment> {
        let signature = (self.fold != Fold::Off).then(|| Signature::of(&frame.pixels));
        let end = self.open.as_ref().map(|o| self.end_of(o, frame.time));
        let unseen = end.is_some_and(|end| end < frame.time);
        let same = match (&signature, &self.open) {
            (Some(now), Some(open)) if !unseen => self.looks_same(now, open, frame.time),
            _ => false,
        };
        if let Some(now) = &signature {
            self.learn_unrest(now);
            self.before = signature.clone();
        }
        if same && let Some(open) = &mut self.open {
            open.samples += 1;
            open.latest = frame.time;
            return None;
        }
        let opened = Open {
            latest: frame.time,
            frame,
            signature,
            samples: 1,
        };
        let done = self.open.replace(opened).zip(end);
        done.map(|(o, end)| o.close(end))
    }

    /// When the open moment ends, where the next sample, or the end of the video, comes at `next`: then, or
    /// with its latest sample where nobody has seen what lies between.
    fn end_of(&self, open: &Open, next: Timestamp) -> Timestamp {
        match Coverage::is_gap(next.since(open.latest), self.allowed_gap) {
            true => open.latest,
            false => next,
        }
    }

    /// The last moment, ending with the video at `end` seconds.
    pub(super) fn finish(&mut self, end: f64) -> Option<Moment> {
        self.open.take().map(|o| {
            let time = o.frame.time;
            let end = Timestamp::from_seconds(end, time.base).max(time);
            let end = self.end_of(&o, end);
            o.close(end)
        })
    }

    fn looks_same(&self, now: &Signature, open: &Open, time: Timestamp) -> bool {
        if time.since(open.frame.time) >= self.fold.longest() {
            return false;
        }
        let Some(then) = &open.signature else {
            return false;
        };
        let Some(changes) = now.changes(then, self.fold.threshold()) else {
            return false;
        };
        let restless: Vec<bool> = match self.unrest.len() == changes.len() {
            true => self.unrest.iter().map(|u| *u > RESTLESS).collect(),
            false => vec![false; changes.len()],
        };
        let mut clock = now.in_line_with(&restless);
        let share = clock.iter().filter(|c| **c).count() as f32 / clock.len() as f32;
        if share > LARGEST_CLOCK {
            clock.fill(false);
        }
        let counted = changes
            .iter()
            .zip(&clock)
            .filter(|(c, clock)| **c >= 1.0 && !**clock);
        counted.map(|(c, _)| c.min(CELL_COUNTS)).sum::<f32>() < ENOUGH
    }

    fn learn_unrest(&mut self, now: &Signature) {
        let before = self.before.as_ref();
        let Some(changes) = before.and_then(|b| now.changes(b, self.fold.threshold())) else {
            self.unrest.clear();
            return;
        };
        self.unrest.resize(changes.len(), 0.0);
        for (unrest, change) in self.unrest.iter_mut().zip(changes) {
            let changed = if change >= 1.0 { NEWEST } else { 0.0 };
            *unrest = *unrest * (1.0 - NEWEST) + changed;
        }
    }
}

impl Open {
    fn close(self, end: Timestamp) -> Moment {
        Moment {
            time: self.frame.time,
            start: self.frame.time,
            end,
            pixels: self.frame.pixels,
            scale: self.frame.scale,
            samples: self.samples,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TimeBase;

    const WIDTH: usize = 640;
    const HEIGHT: usize = 360;

    /// A still scene: sky, road, some texture.
    fn scene(x: usize, y: usize) -> [f32; 3] {
        let texture = ((x / 7 + y / 5) % 5) as f32 * 6.0;
        match y < 150 {
            true => [120.0, 150.0, 200.0].map(|v| v + texture),
            false => [90.0 + texture, 90.0, 85.0],
        }
    }

    /// The moments of a film drawn pixel by pixel, a sample every two seconds: where they start.
    fn moments(
        fold: Fold,
        samples: usize,
        draw: impl Fn(usize, usize, usize) -> [f32; 3],
    ) -> Vec<i64> {
        let mut folder = Folder::new(fold, 2.0);
        let base = TimeBase::new(1, 1).unwrap();
        let mut out = Vec::new();
        for s in 0..samples {
            let mut rgb = Vec::with_capacity(WIDTH * HEIGHT * 3);
            for (x, y) in (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y))) {
                rgb.extend(draw(s, x, y).map(|v| v.clamp(0.0, 255.0) as u8));
            }
            let frame = SampledFrame {
                time: Timestamp::new(2 * s as i64, base),
                pixels: Pixels::new(WIDTH as u32, HEIGHT as u32, rgb).unwrap(),
                scale: 1.0,
            };
            out.extend(folder.push(frame));
        }
        out.extend(folder.finish(2.0 * samples as f64));
        assert_eq!(out.iter().map(|m| m.samples).sum::<u64>(), samples as u64);
        assert!(out.windows(2).all(|w| w[0].end == w[1].start));
        out.iter().map(|m| m.start.ticks).collect()
    }

    /// Uniform noise of ±`level`, the same in every run.
    fn noise(s: usize, x: usize, y: usize, level: f32) -> f32 {
        let mut h = (s * 7919 + y * WIDTH + x) as u32;
        h = (h ^ (h >> 16)).wrapping_mul(0x7FEB_352D);
        h = (h ^ (h >> 15)).wrapping_mul(0x846C_A68B);
        ((h >> 8) as f32 / (1 << 23) as f32 - 1.0) * level
    }

    #[test]
    fn off_keeps_every_sample() {
        assert_eq!(moments(Fold::Off, 3, |_, x, y| scene(x, y)), [0, 2, 4]);
    }

    #[test]
    fn no_moment_spans_what_was_not_seen() {
        let mut folder = Folder::new(Fold::Normal, 2.0);
        let base = TimeBase::new(1, 1).unwrap();
        let mut out = Vec::new();
        for t in [0, 2, 4, 304, 306] {
            let rgb = vec![100; WIDTH * HEIGHT * 3];
            out.extend(folder.push(SampledFrame {
                time: Timestamp::new(t, base),
                pixels: Pixels::new(WIDTH as u32, HEIGHT as u32, rgb).unwrap(),
                scale: 1.0,
            }));
        }
        out.extend(folder.finish(400.0));
        let spans: Vec<_> = out.iter().map(|m| (m.start.ticks, m.end.ticks)).collect();
        assert_eq!(spans, [(0, 4), (304, 306)]);
    }

    #[test]
    fn a_noisy_still_scene_is_one_moment_a_minute() {
        let got = moments(Fold::Normal, 60, |s, x, y| {
            scene(x, y).map(|v| v + noise(s, x, y, 25.0))
        });
        assert_eq!(got, [0, 60]);
    }

    #[test]
    fn infrared_night_with_strong_noise_folds() {
        let got = moments(Fold::Normal, 20, |s, x, y| {
            let v = 20.0 + scene(x, y)[0] * 0.15 + noise(s, x, y, 40.0);
            [v; 3]
        });
        assert_eq!(got, [0]);
    }

    #[test]
    fn slow_light_change_folds() {
        let got = moments(Fold::Normal, 30, |s, x, y| {
            scene(x, y).map(|v| v * (1.0 - s as f32 * 0.008))
        });
        assert_eq!(got, [0]);
    }

    #[test]
    fn a_clock_in_the_picture_is_learnt() {
        // MM:SS, each digit 14 x 24 pixels of a pattern of its own.
        let clock = |s: usize, x: usize, y: usize| {
            let digits = [s * 2 / 600, s * 2 / 60 % 10, s * 2 / 10 % 6, s * 2 % 10];
            let inside = (20..76).contains(&x) && (12..36).contains(&y);
            let lit = |d: usize| (x / 4 * 7 + y / 4 * 3 + d * 5 + d * (x / 4)) % 5 < 2;
            match inside && lit(digits[(x - 20) / 14]) {
                true => [255.0; 3],
                false => scene(x, y),
            }
        };
        let got = moments(Fold::Normal, 60, clock);
        assert!(got.len() <= 12, "{got:?}");
        assert!(got.iter().filter(|t| **t > 50).count() <= 1, "{got:?}");
    }

    #[test]
    fn a_small_person_walking_in_is_kept() {
        // 12 x 34 of 640 x 360 pixels, from the tenth sample to the fifteenth.
        let got = moments(Fold::Normal, 25, |s, x, y| {
            let here = (10..15).contains(&s);
            let at = 100 + (s.max(10) - 10) * 40;
            match here && (at..at + 12).contains(&x) && (200..234).contains(&y) {
                true => [30.0, 40.0, 120.0],
                false => scene(x, y).map(|v| v + noise(s, x, y, 8.0)),
            }
        });
        assert_eq!(got, [0, 20, 22, 24, 26, 28, 30]);
    }
}
