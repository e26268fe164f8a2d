//! From a file to its sampled frames: the loop that reads, decodes, chooses and converts.

use std::ops::ControlFlow;

use ffmpeg_next as ff;

use crate::types::{Pixels, Timestamp};

use super::choose::{Chooser, KEYFRAME_SPACING};
use super::gate::{Gate, Want};
use super::upright::Upright;
use super::{MediaError, Source};

/// A run of failed reads this long means the rest is gone, not that a packet is.
const MAX_FAILED_READS: u32 = 100;

/// A container whose clock goes this much further than its packets was cut short.
const CUT_SHORT_SECONDS: f64 = 2.0;
const CUT_SHORT_SHARE: f64 = 0.05;

/// Which frames of a video are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// Keyframes, and frames between them so that no gap exceeds `max_gap` seconds.
    GapFilled { max_gap: f64 },
    /// One frame every `seconds`.
    Every { seconds: f64 },
    /// Only keyframes: cheapest, and blind to what comes and goes between two of them.
    Keyframes,
}

impl Sampling {
    pub const DEFAULT: Sampling = Sampling::GapFilled { max_gap: 2.0 };

    fn want(self) -> Want {
        match self {
            Self::GapFilled { max_gap } => Want::GapFilled {
                spacing: KEYFRAME_SPACING.min(max_gap / 2.0),
                max_gap,
            },
            Self::Every { .. } => Want::Everything,
            Self::Keyframes => Want::Keyframes {
                spacing: KEYFRAME_SPACING,
            },
        }
    }
}

/// How it is written in the catalogue and shown in `status`.
impl std::fmt::Display for Sampling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::GapFilled { max_gap } => write!(f, "keyframes, gaps filled to {max_gap} s"),
            Self::Every { seconds } => write!(f, "every {seconds} s"),
            Self::Keyframes => write!(f, "keyframes"),
        }
    }
}

/// A frame to look at.
#[derive(Debug)]
pub struct SampledFrame {
    pub time: Timestamp,
    pub pixels: Pixels,
}

/// Why reading ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// At the end of the file, everything its container promised read.
    Complete,
    /// Before that; says what happened.
    Early(String),
    /// The consumer asked to stop.
    Stopped,
}

/// What was read of a file, for the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadReport {
    pub ending: Ending,
    /// Frames handed on.
    pub frames: u64,
    /// Frames the decoder gave.
    pub decoded: u64,
    /// Packets and frames that were damaged, and reads that failed.
    pub decode_errors: u64,
    /// Seconds from the start of the video to the end of the last frame decoded.
    pub read_to: f64,
    /// Longest stretch between two sampled frames, or before the first and after the last, in
    /// seconds.
    pub largest_gap: f64,
    /// Display size of the sampled frames.
    pub width: u32,
    pub height: u32,
}

/// Reads `source` to its end and hands each sampled frame to `emit`, in order of time. The
/// decoder uses `threads` threads.
///
/// Damage never ends it early while packets still come; it is counted in the report.
///
/// # Errors
/// Where the file has no decoder or gave not a single frame.
pub fn sample(
    source: Source,
    sampling: Sampling,
    threads: usize,
    emit: impl FnMut(SampledFrame) -> ControlFlow<()>,
) -> Result<ReadReport, MediaError> {
    let decoder = source.decoder(threads)?;
    let mut reader = Reader {
        gate: Gate::new(sampling.want()),
        chooser: Chooser::new(sampling),
        upright: Upright::new(&source.stream()),
        decoder,
        emit,
        packets_to: 0.0,
        report: ReadReport {
            ending: Ending::Complete,
            frames: 0,
            decoded: 0,
            decode_errors: 0,
            read_to: 0.0,
            largest_gap: 0.0,
            width: 0,
            height: 0,
        },
        last: None,
        source,
    };
    reader.read();
    reader.finish()
}

struct Reader<E> {
    source: Source,
    decoder: ff::decoder::Video,
    gate: Gate,
    chooser: Chooser<ff::frame::Video>,
    upright: Upright,
    emit: E,
    report: ReadReport,
    /// Time of the last sample.
    last: Option<Timestamp>,
    /// Seconds up to which packets of any stream were read.
    packets_to: f64,
}

impl<E: FnMut(SampledFrame) -> ControlFlow<()>> Reader<E> {
    fn read(&mut self) {
        let mut failed_reads = 0;
        let reason = loop {
            if self.source.stopped() {
                self.report.ending = Ending::Stopped;
                return;
            }
            let mut packet = ff::Packet::empty();
            match packet.read(&mut self.source.input) {
                Ok(()) => failed_reads = 0,
                Err(ff::Error::Eof) => break None,
                Err(ff::Error::Exit) => continue,
                Err(cause) => {
                    failed_reads += 1;
                    self.report.decode_errors += 1;
                    if failed_reads >= MAX_FAILED_READS {
                        break Some(format!("the file cannot be read any further ({cause})"));
                    }
                    continue;
                }
            }
            if self.take(packet).is_break() {
                self.report.ending = Ending::Stopped;
                return;
            }
        };
        self.gate.finish();
        self.report.ending = match (self.drain(), reason.or_else(|| self.cut_short())) {
            (ControlFlow::Break(()), _) => Ending::Stopped,
            (_, Some(reason)) => Ending::Early(reason),
            _ => Ending::Complete,
        };
    }

    /// Takes the frames still inside the decoder.
    fn drain(&mut self) -> ControlFlow<()> {
        self.decode_ready()?;
        // Fails only where the decoder is drained already.
        let _ = self.decoder.send_eof();
        self.receive()
    }

    fn take(&mut self, packet: ff::Packet) -> ControlFlow<()> {
        let ticks = packet.pts().or_else(|| packet.dts());
        if packet.stream() != self.source.stream {
            if let (Some(ticks), Some(stream)) = (ticks, self.source.input.stream(packet.stream()))
            {
                let end = (ticks + packet.duration()) as f64 * f64::from(stream.time_base());
                let zero = self.source.clock.seek_target(0.0) as f64 / 1e6;
                self.packets_to = self.packets_to.max(end - zero);
            }
            return ControlFlow::Continue(());
        }
        let time = self.source.clock.packet_time(ticks);
        if let Some(t) = time {
            let frame = self.source.clock.frame_seconds();
            self.packets_to = self.packets_to.max(t.seconds() + frame);
        }
        if packet.is_corrupt() {
            self.report.decode_errors += 1;
        }
        // Where a packet has no pts of its own, only its neighbours tell the decoder when its
        // frame is shown: the gate must let them all through.
        let time = time.filter(|_| packet.pts().is_some());
        self.gate.push(time, packet);
        self.decode_ready()
    }

    fn decode_ready(&mut self) -> ControlFlow<()> {
        while let Some(packet) = self.gate.pop() {
            let mut sent = self.decoder.send_packet(&packet);
            if sent == Err(again()) {
                self.receive()?;
                sent = self.decoder.send_packet(&packet);
            }
            if sent.is_err() {
                self.report.decode_errors += 1;
            }
            self.receive()?;
        }
        ControlFlow::Continue(())
    }

    /// Takes every frame the decoder has ready.
    fn receive(&mut self) -> ControlFlow<()> {
        loop {
            let mut frame = ff::frame::Video::empty();
            match self.decoder.receive_frame(&mut frame) {
                Ok(()) => self.decoded(frame)?,
                Err(ff::Error::Eof) => return ControlFlow::Continue(()),
                Err(e) if e == again() => return ControlFlow::Continue(()),
                Err(_) => self.report.decode_errors += 1,
            }
        }
    }

    fn decoded(&mut self, frame: ff::frame::Video) -> ControlFlow<()> {
        self.report.decoded += 1;
        if frame.has_decode_errors() || frame.is_corrupt() {
            self.report.decode_errors += 1;
        }
        let time = self.source.clock.frame_time(frame.timestamp());
        let end = time.seconds() + self.source.clock.frame_seconds();
        self.report.read_to = self.report.read_to.max(end);
        for (time, frame) in self.chooser.push(time, frame.is_key(), frame) {
            self.emit(time, &frame)?;
        }
        ControlFlow::Continue(())
    }

    fn emit(&mut self, time: Timestamp, frame: &ff::frame::Video) -> ControlFlow<()> {
        let Ok(pixels) = self.upright.pixels(frame) else {
            self.report.decode_errors += 1;
            return ControlFlow::Continue(());
        };
        let gap = match self.last {
            Some(last) => time.since(last),
            None => time.seconds(),
        };
        self.report.largest_gap = self.report.largest_gap.max(gap);
        self.report.frames += 1;
        (self.report.width, self.report.height) = (pixels.width(), pixels.height());
        self.last = Some(time);
        (self.emit)(SampledFrame { time, pixels })
    }

    /// Whether the container promised more than its packets gave.
    fn cut_short(&self) -> Option<String> {
        let promised = self.source.info().duration?;
        let missing = promised - self.packets_to.max(self.report.read_to);
        (missing > CUT_SHORT_SECONDS.max(promised * CUT_SHORT_SHARE)).then(|| {
            format!(
                "the file ends at {:.1} s of the {promised:.1} s it promises",
                self.packets_to.max(self.report.read_to)
            )
        })
    }

    fn finish(mut self) -> Result<ReadReport, MediaError> {
        let path = self.source.path;
        if self.report.frames == 0 {
            return Err(match self.report.ending {
                Ending::Stopped => MediaError::Stopped { path },
                _ => MediaError::NoFrames {
                    path,
                    decode_errors: self.report.decode_errors,
                },
            });
        }
        if let Some(last) = self.last {
            let after = self.report.read_to - last.seconds();
            self.report.largest_gap = self.report.largest_gap.max(after);
        }
        Ok(self.report)
    }
}

/// FFmpeg's "not now": the decoder wants its frames taken, or another packet.
fn again() -> ff::Error {
    ff::Error::Other {
        errno: ff::error::EAGAIN,
    }
}
