//! The frames a player shows at given times.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ffmpeg_next as ff;

use super::source::{Choice, Source};
use super::stamps::{RUN, Verdict};
use super::upright::Upright;
use crate::media::MediaError;
use crate::types::Pixels;

/// Room for times printed with three decimals, rounded down.
const ROUNDING: f64 = 0.0011;
/// Frames decoded beyond a step longer than a frame and a half: one of them may belong before it.
const LOOK_BEYOND: usize = RUN;
/// Made-up stamps remembered: more than a decoder holds frames.
const MADE_UP_KEPT: usize = 4 * RUN;
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
    /// The last frame that came before, or at, the time asked for last; and those decoded after it.
    shown: Option<Timed>,
    next: VecDeque<Timed>,
    /// When the latest frame decoded ends, in seconds.
    end: f64,
    /// No more packets can be read; no more frames will come.
    ended: bool,
    drained: bool,
    /// Nothing was skipped before the first frame.
    from_start: bool,
    /// Stamps that were made up for packets whose own were wrong.
    made_up: VecDeque<i64>,
    /// The file's clock has jumped: times are no longer what its stamps say.
    jumped: bool,
}

struct Timed {
    seconds: f64,
    /// The time is what the file itself says.
    as_stamped: bool,
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
        let near = match self.choice.from_start {
            true => f64::INFINITY,
            false => DECODED_UP_TO,
        };
        let ahead = |open: &Open| {
            let from = open.shown.as_ref().map_or(open.end, |s| s.seconds);
            (-ROUNDING..=near).contains(&(seconds - from))
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

    /// When the frame found last is shown, in seconds, by what the file says of that frame alone. `None`
    /// where it says nothing, or nothing that can be, or where its clock has jumped before.
    pub fn stamped_at(&self) -> Option<f64> {
        let shown = self.open.as_ref()?.shown.as_ref()?;
        shown.as_stamped.then_some(shown.seconds)
    }

    fn started(&self) -> Result<Open, MediaError> {
        let never = Arc::new(AtomicBool::new(false));
        let source = Source::open_with(self.path, &never, self.choice)?;
        Ok(Open {
            decoder: source.decoder(1)?,
            upright: Upright::new(&source.stream(), self.max_side),
            source,
            shown: None,
            next: VecDeque::new(),
            end: 0.0,
            ended: false,
            drained: false,
            from_start: true,
            made_up: VecDeque::new(),
            jumped: false,
        })
    }

    fn sought(&self, seconds: f64) -> Result<Open, MediaError> {
        let mut open = self.started()?;
        if self.choice.from_start {
            return Ok(open);
        }
        if open.source.seek(seconds) {
            open.from_start = false;
            return Ok(open);
        }
        // A file that cannot be seeked in is read from its start.
        self.started()
    }
}

impl Open {
    /// Decodes until the frame shown at `seconds` is the one held.
    fn find(&mut self, seconds: f64) -> Found {
        loop {
            let Some(next) = self.next.pop_front().or_else(|| self.decode()) else {
                return match self.shown.is_some() && seconds <= self.end + ROUNDING {
                    true => Found::Frame,
                    false => Found::Nothing { end: self.end },
                };
            };
            if next.seconds <= seconds + ROUNDING {
                self.show(next);
                continue;
            }
            self.next.push_front(next);
            self.look_beyond(seconds);
            return match self.shown {
                Some(_) => Found::Frame,
                None => Found::StartedLate,
            };
        }
    }

    /// A frame that goes back in time is never shown after the one it came after.
    fn show(&mut self, next: Timed) {
        let later = |shown: &Timed| next.seconds >= shown.seconds;
        if self.shown.as_ref().is_none_or(later) {
            self.shown = Some(next);
        }
    }

    /// Where the next frame lies further on than a frame, its time may be wrong, and one of those after it
    /// be shown before it.
    fn look_beyond(&mut self, seconds: f64) {
        let (Some(shown), Some(next)) = (&self.shown, self.next.front()) else {
            return;
        };
        if next.seconds - shown.seconds <= 1.5 * self.source.clock.frame_seconds() {
            return;
        }
        while self.next.len() < LOOK_BEYOND
            && let Some(more) = self.decode()
        {
            self.next.push_back(more);
        }
        let before = |t: &Timed| t.seconds <= seconds + ROUNDING;
        while let Some(n) = self.next.iter().position(before) {
            if let Some(found) = self.next.remove(n) {
                self.show(found);
            }
        }
    }

    /// The next frame in the order they are decoded; `None` at the end.
    fn decode(&mut self) -> Option<Timed> {
        loop {
            let mut frame = ff::frame::Video::empty();
            if self.decoder.receive_frame(&mut frame).is_ok() {
                let stamp = self.source.stamp_of(&frame);
                let seconds = self.source.clock.frame_time(stamp).0.seconds();
                self.end = self.end.max(seconds + self.source.clock.frame_seconds());
                let own = frame.pts().filter(|_| self.source.packets_have_times());
                let believed = own.is_some_and(|pts| !self.made_up.contains(&pts));
                return Some(Timed {
                    seconds,
                    as_stamped: believed && !self.jumped,
                    frame,
                });
            }
            if self.drained {
                return None;
            }
            crate::media::step();
            if let Some((packet, verdict)) = self.source.pop() {
                self.send(&packet, verdict);
                continue;
            }
            if self.ended {
                let _ = self.decoder.send_eof();
                self.drained = true;
                continue;
            }
            let mut packet = ff::Packet::empty();
            match packet.read(&mut self.source.input) {
                Ok(()) if packet.stream() == self.source.stream => self.source.push(packet),
                Ok(()) => {}
                Err(_) => {
                    self.source.finish();
                    self.ended = true;
                }
            }
        }
    }

    fn send(&mut self, packet: &ff::Packet, verdict: Verdict) {
        match verdict {
            Verdict::Kept => {}
            Verdict::Jump(_) => self.jumped = true,
            Verdict::Wrong => {
                if self.made_up.len() >= MADE_UP_KEPT {
                    self.made_up.pop_front();
                }
                self.made_up.extend(packet.pts().or_else(|| packet.dts()));
            }
        }
        // A damaged packet is skipped; the frames around it still come.
        let _ = self.decoder.send_packet(packet);
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
