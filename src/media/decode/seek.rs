//! The frames a player shows at given times.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ffmpeg_next as ff;

use super::source::{Choice, Source};
use super::upright::Upright;
use crate::media::MediaError;
use crate::types::Pixels;

/// Room for times printed with three decimals, rounded down.
const ROUNDING: f64 = 0.0011;
/// A time no further ahead than this, in seconds, is decoded up to; beyond, a seek is quicker.
const DECODED_UP_TO: f64 = 4.0;

/// Decodes the frame of a video stream (see [`Choice`]) shown at `seconds` from the start of the video.
///
/// # Errors
/// [`MediaError::PastEnd`] where the video has ended by then.
pub fn frame_at(path: &Path, choice: Choice, seconds: f64) -> Result<Pixels, MediaError> {
    let mut reader = FrameReader::new(path, choice, None);
    reader.frame_at(seconds).map(|(pixels, _)| pixels)
}

/// Reads frames of one video at several times: quickest where those only grow.
pub struct FrameReader<'p> {
    path: &'p Path,
    choice: Choice,
    /// Longest side of the pictures made.
    max_side: Option<u32>,
    open: Option<Open>,
}

/// A file being read, and where that has come.
struct Open {
    source: Source,
    decoder: ff::decoder::Video,
    upright: Upright,
    /// The last frame that came before, or at, the time asked for last; and the one after it.
    shown: Option<Timed>,
    next: Option<Timed>,
    /// When the last frame decoded ends, in seconds.
    end: f64,
    drained: bool,
    /// Nothing was skipped before the first frame.
    from_start: bool,
}

struct Timed {
    seconds: f64,
    frame: ff::frame::Video,
}

enum Found {
    Frame,
    /// The first frame decoded lies behind the time asked for.
    StartedLate,
    /// The video had ended.
    Nothing {
        end: f64,
    },
}

impl<'p> FrameReader<'p> {
    /// Nothing is opened yet. Frames with a side longer than `max_side` are made smaller.
    pub fn new(path: &'p Path, choice: Choice, max_side: Option<u32>) -> Self {
        Self {
            path,
            choice,
            max_side,
            open: None,
        }
    }

    /// The frame shown at `seconds`, and how many times larger a player shows it.
    ///
    /// # Errors
    /// Where the file cannot be read; [`MediaError::PastEnd`] where the video has ended by then.
    pub fn frame_at(&mut self, seconds: f64) -> Result<(Pixels, f64), MediaError> {
        let ahead = |open: &Open| {
            let from = open.shown.as_ref().map_or(open.end, |s| s.seconds);
            (-ROUNDING..=DECODED_UP_TO).contains(&(seconds - from))
        };
        let mut open = match self.open.take().filter(ahead) {
            Some(open) => open,
            None => self.sought(seconds)?,
        };
        loop {
            match open.find(seconds) {
                Found::Frame => break,
                // The seek may have landed us late: only reading from the start can tell.
                Found::StartedLate | Found::Nothing { .. } if !open.from_start => {
                    open = self.started()?;
                }
                Found::StartedLate => {
                    return Err(MediaError::NoFrames {
                        path: self.path.into(),
                        decode_errors: 0,
                    });
                }
                Found::Nothing { end } => {
                    self.open = Some(open);
                    return Err(MediaError::PastEnd {
                        path: self.path.into(),
                        seconds,
                        end,
                    });
                }
            }
        }
        let made = open.picture();
        self.open = Some(open);
        made
    }

    fn started(&self) -> Result<Open, MediaError> {
        let never = Arc::new(AtomicBool::new(false));
        let source = Source::open_with(self.path, &never, self.choice)?;
        Ok(Open {
            decoder: source.decoder(1)?,
            upright: Upright::new(&source.stream(), self.max_side),
            source,
            shown: None,
            next: None,
            end: 0.0,
            drained: false,
            from_start: true,
        })
    }

    fn sought(&self, seconds: f64) -> Result<Open, MediaError> {
        let mut open = self.started()?;
        let target = open.source.clock.seek_target(seconds);
        match open.source.input.seek(target, ..target + 1) {
            Ok(()) => {
                open.from_start = false;
                Ok(open)
            }
            // A file that cannot be seeked in is read from its start.
            Err(_) => self.started(),
        }
    }
}

impl Open {
    /// Decodes until the frame shown at `seconds` is the one held.
    fn find(&mut self, seconds: f64) -> Found {
        loop {
            let next = match self.next.take() {
                Some(next) => Some(next),
                None => self.decode(),
            };
            match next {
                Some(next) if next.seconds <= seconds + ROUNDING => self.shown = Some(next),
                Some(next) => {
                    self.next = Some(next);
                    return match self.shown {
                        Some(_) => Found::Frame,
                        None => Found::StartedLate,
                    };
                }
                None if self.shown.is_some() && seconds <= self.end + ROUNDING => {
                    return Found::Frame;
                }
                None => return Found::Nothing { end: self.end },
            }
        }
    }

    /// The next frame in display order; `None` at the end.
    fn decode(&mut self) -> Option<Timed> {
        loop {
            let mut frame = ff::frame::Video::empty();
            if self.decoder.receive_frame(&mut frame).is_ok() {
                let seconds = self.source.clock.frame_time(frame.timestamp()).0.seconds();
                self.end = seconds + self.source.clock.frame_seconds();
                return Some(Timed { seconds, frame });
            }
            if self.drained {
                return None;
            }
            crate::media::step();
            let mut packet = ff::Packet::empty();
            match packet.read(&mut self.source.input) {
                Ok(()) if packet.stream() == self.source.stream => {
                    // A damaged packet is skipped; the frames around it still come.
                    let _ = self.decoder.send_packet(&packet);
                }
                Ok(()) => {}
                Err(_) => {
                    let _ = self.decoder.send_eof();
                    self.drained = true;
                }
            }
        }
    }

    fn picture(&mut self) -> Result<(Pixels, f64), MediaError> {
        let failed = |cause| self.source.failed("convert a frame", cause);
        let shown = self.shown.as_ref();
        let shown = shown.ok_or_else(|| failed(ff::Error::Bug))?;
        // A graph takes what it is given, and the same frame may be asked for again.
        let pixels = self.upright.pixels(&shown.frame.clone()).map_err(failed)?;
        let scale = self.upright.scale(&pixels);
        Ok((pixels, scale))
    }
}
