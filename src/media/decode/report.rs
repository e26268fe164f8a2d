//! How reading a file ended, and what it saw.

use serde::{Deserialize, Serialize};

use super::sample::SampledFrame;
use crate::media::subtitles::Subtitle;
use crate::types::Coverage;

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

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadReport {
    pub ending: Ending,
    pub coverage: Coverage,
    /// Frames the decoder gave.
    pub decoded: u64,
    /// Subtitles found inside the file.
    pub subtitles: Vec<Subtitle>,
    /// Its decoder was lost, or out of time: what ended the reading may not be the file.
    pub lost: bool,
    /// Its brightness has a range (HDR) that was not brought down to that of a screen: pictures are dim and pale.
    pub untoned: bool,
    /// Display size of the sampled frames.
    pub width: u32,
    pub height: u32,
}

impl ReadReport {
    /// Of nothing read yet, of a video that claims to last `duration` seconds.
    pub fn new(duration: Option<f64>) -> Self {
        Self {
            ending: Ending::Complete,
            coverage: Coverage {
                duration,
                ..Coverage::default()
            },
            decoded: 0,
            subtitles: Vec::new(),
            lost: false,
            untoned: false,
            width: 0,
            height: 0,
        }
    }

    /// A frame goes out.
    pub(in crate::media) fn count(&mut self, frame: &SampledFrame) {
        self.coverage.frames += 1;
        self.coverage.reach(frame.time.seconds());
        (self.width, self.height) = (frame.pixels.width(), frame.pixels.height());
    }

    /// Adds what the next stretch of the same file came to.
    pub fn join(&mut self, next: ReadReport) {
        if next.coverage.frames > 0 {
            (self.width, self.height) = (next.width, next.height);
        }
        self.coverage.join(next.coverage);
        self.decoded += next.decoded;
        self.subtitles.extend(next.subtitles);
        self.lost |= next.lost;
        self.untoned |= next.untoned;
        if self.ending == Ending::Complete {
            self.ending = next.ending;
        }
    }

    /// Nothing was read before `from` seconds.
    pub fn miss_start(&mut self, reason: &str, from: f64) {
        self.ending = Ending::Early(reason.into());
        self.lost = true;
        self.coverage.miss_start(from);
    }

    /// Reading broke off; `promised` is how long the container says the file goes on.
    pub fn break_off(&mut self, reason: &str, promised: Option<f64>) {
        self.ending = Ending::Early(reason.into());
        self.lost = true;
        self.coverage.lost_frames += 1;
        let reached = self.coverage.seconds_read();
        self.coverage.fault(reached);
        self.coverage
            .skip(reached, promised.unwrap_or(reached), 0.0);
    }
}
