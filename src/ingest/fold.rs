//! Sampled frames → moments. Each sample stands for the time up to the next.

use crate::media::SampledFrame;
use crate::types::{Pixels, Timestamp};

/// A stretch of video and the frame that stands for it.
pub(super) struct Moment {
    pub(super) time: Timestamp,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) pixels: Pixels,
    /// See [`SampledFrame::scale`].
    pub(super) scale: f64,
}

/// Holds the latest sample until it is known when it ends.
#[derive(Default)]
pub(super) struct Folder {
    open: Option<SampledFrame>,
}

impl Folder {
    /// Takes the next sample; the one before is a moment now.
    pub(super) fn push(&mut self, frame: SampledFrame) -> Option<Moment> {
        let end = frame.time;
        self.open.replace(frame).map(|f| close(f, end))
    }

    /// The last moment, ending with the video at `end` seconds.
    pub(super) fn finish(&mut self, end: f64) -> Option<Moment> {
        self.open.take().map(|f| {
            let end = Timestamp::from_seconds(end, f.time.base).max(f.time);
            close(f, end)
        })
    }
}

fn close(frame: SampledFrame, end: Timestamp) -> Moment {
    Moment {
        time: frame.time,
        start: frame.time,
        end,
        pixels: frame.pixels,
        scale: frame.scale,
    }
}
