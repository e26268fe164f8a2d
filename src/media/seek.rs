//! The frame a player shows at a given time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ffmpeg_next as ff;

use crate::types::Pixels;

use super::upright::Upright;
use super::{Choice, MediaError, Source};

/// Room for times printed with three decimals, rounded down.
const ROUNDING: f64 = 0.0011;

/// Decodes the frame of a video stream (see [`Choice`]) shown at `seconds` from the start of the video.
///
/// # Errors
/// [`MediaError::PastEnd`] where the video has ended by then.
pub fn frame_at(path: &Path, stream: Option<usize>, seconds: f64) -> Result<Pixels, MediaError> {
    let mut from_start = false;
    loop {
        let choice = Choice {
            stream,
            ..Choice::default()
        };
        let mut source = Source::open_with(path, &Arc::new(AtomicBool::new(false)), choice)?;
        if !from_start {
            let target = source.clock.seek_target(seconds);
            // A file that cannot be seeked in is read from its start.
            from_start = source.input.seek(target, ..target + 1).is_err();
            if from_start {
                continue;
            }
        }
        match shown_at(&mut source, seconds)? {
            Shown::Frame(pixels) => return Ok(pixels),
            // The seek may have landed us late: only reading from the start can tell.
            Shown::StartedLate | Shown::Nothing { .. } if !from_start => from_start = true,
            Shown::StartedLate => {
                return Err(MediaError::NoFrames {
                    path: path.into(),
                    decode_errors: 0,
                });
            }
            Shown::Nothing { end } => {
                return Err(MediaError::PastEnd {
                    path: path.into(),
                    seconds,
                    end,
                });
            }
        }
    }
}

enum Shown {
    Frame(Pixels),
    /// The first frame decoded lies behind the time asked for.
    StartedLate,
    /// The video had ended.
    Nothing {
        end: f64,
    },
}

fn shown_at(source: &mut Source, seconds: f64) -> Result<Shown, MediaError> {
    let mut decoder = source.decoder(1)?;
    let mut upright = Upright::new(&source.stream(), None);
    let mut before: Option<ff::frame::Video> = None;
    let mut end = 0.0;
    let mut drained = false;
    loop {
        let mut frame = ff::frame::Video::empty();
        if decoder.receive_frame(&mut frame).is_ok() {
            let time = source.clock.frame_time(frame.timestamp()).0.seconds();
            end = time + source.clock.frame_seconds();
            if time <= seconds + ROUNDING {
                before = Some(frame);
                continue;
            }
            let Some(shown) = before else {
                return Ok(Shown::StartedLate);
            };
            return convert(source, &mut upright, &shown);
        }
        if drained {
            return match before {
                Some(shown) if seconds <= end + ROUNDING => convert(source, &mut upright, &shown),
                _ => Ok(Shown::Nothing { end }),
            };
        }
        let mut packet = ff::Packet::empty();
        match packet.read(&mut source.input) {
            Ok(()) if packet.stream() == source.stream => {
                // A damaged packet is passed over; the frames around it still come.
                let _ = decoder.send_packet(&packet);
            }
            Ok(()) => {}
            Err(_) => {
                let _ = decoder.send_eof();
                drained = true;
            }
        }
    }
}

fn convert(
    source: &Source,
    upright: &mut Upright,
    frame: &ff::frame::Video,
) -> Result<Shown, MediaError> {
    let pixels = upright.pixels(frame);
    pixels
        .map(Shown::Frame)
        .map_err(|cause| source.failed("convert a frame", cause))
}
