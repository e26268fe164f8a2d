//! From a file to its sampled frames: the loop that reads, decodes, chooses and converts.

use std::ops::ControlFlow;

use ffmpeg_next as ff;

use super::choose::Chooser;
use super::cuts::Cuts;
use super::gate::{Gate, Step, Want};
use super::report::{Ending, ReadReport};
use super::sampling::{Sampling, Span};
use super::source::{Source, is_encrypted};
use super::stamps::Verdict;
use super::subtitles;
use super::upright::Upright;
use crate::media::MediaError;
use crate::types::{Pixels, Timestamp};

/// A run of failed reads this long means the rest is gone, not that a packet is.
const MAX_FAILED_READS: u32 = 100;

/// A container whose clock goes this much further than its packets was cut short.
/// Durations guessed from a bit rate are off by some percent; never is more forgiven than the
/// last of these.
const CUT_SHORT_SECONDS: f64 = 2.0;
const CUT_SHORT_SHARE: f64 = 0.05;
const CUT_SHORT_AT_MOST: f64 = 10.0;

/// Why a file is read no further that began in the clear.
const ENCRYPTED: &str = "what follows is encrypted";

/// Subtitles kept of one file.
const SUBTITLES_KEPT: usize = 20_000;

/// Longest side of a sampled frame, in pixels: beyond what any model looks at, and small enough
/// that the frames waiting between threads stay a small part of memory.
pub const LARGEST_SIDE: u32 = 1920;

/// Rounding of times that were kept as seconds.
const KNOWN_WITHIN: f64 = 1e-6;

/// A frame to look at.
#[derive(Debug)]
pub struct SampledFrame {
    pub time: Timestamp,
    pub pixels: Pixels,
    /// How many times larger than `pixels` a player shows it; 1 but for very large frames.
    pub scale: f64,
}

/// Reads `span` of `source` and hands each sampled frame to `emit`, in order of time. The decoder uses
/// `threads` threads.
///
/// Damage never ends it early while packets still come; it is counted in the report.
///
/// # Errors
/// Where the file has no decoder, or where it was read from its start and gave not a single frame.
pub fn sample(
    mut source: Source,
    sampling: Sampling,
    span: Span,
    threads: usize,
    mut emit: impl FnMut(SampledFrame) -> ControlFlow<()>,
) -> Result<ReadReport, MediaError> {
    if span.from > 0.0 {
        // A file that cannot be seeked in is read from its start.
        let sought = source.seek(span.from);
        let again = source.reopen()?;
        let mut reader = Reader::new(source, sampling, span, threads, &mut emit)?;
        reader.must_start_early = sought;
        reader.read();
        if !reader.started_late {
            return reader.finish();
        }
        // Frames of the span lie before where the seek led to: only reading from the start gives them.
        source = again;
    }
    let mut reader = Reader::new(source, sampling, span, threads, &mut emit)?;
    reader.read();
    reader.finish()
}

struct Reader<E> {
    source: Source,
    decoder: ff::decoder::Video,
    gate: Gate,
    /// Seconds between two samples that the sampling allows.
    allowed_gap: f64,
    chooser: Chooser<ff::frame::Video>,
    /// Where scenes are wanted.
    cuts: Option<Cuts>,
    upright: Upright,
    emit: E,
    report: ReadReport,
    /// Time of the last sample.
    last: Option<Timestamp>,
    span: Span,
    /// A seek led here: the first frame decoded must not lie behind the beginning of the span.
    must_start_early: bool,
    started_late: bool,
    /// A frame from behind the span has come.
    past_span: bool,
    /// The last frame lies before an earlier one.
    behind: bool,
    /// Seconds up to which packets were read: of any stream, and of the shown one.
    packets_to: f64,
    stream_to: f64,
    /// Seconds up to which packets were given to the decoder.
    sent_to: f64,
    decoded_since_flush: u64,
}

impl<E: FnMut(SampledFrame) -> ControlFlow<()>> Reader<E> {
    fn new(
        source: Source,
        sampling: Sampling,
        span: Span,
        threads: usize,
        emit: E,
    ) -> Result<Self, MediaError> {
        let mut decoder = source.decoder(threads)?;
        // Where packets have no times of their own, only their neighbours tell the decoder when its
        // frames are shown: none may be left out.
        let timed = source.packets_have_times();
        // Frames no other leans on need not be decoded where any frame within reach will do. Between
        // B-frames a reference is never far; streams without them may go a whole GOP without one.
        if timed && matches!(sampling, Sampling::GapFilled { .. }) && decoder.has_b_frames() {
            decoder.skip_frame(ff::Discard::NonReference);
        }
        Ok(Self {
            gate: Gate::new(if timed {
                sampling.want()
            } else {
                Want::Everything
            }),
            allowed_gap: sampling.allowed_gap(),
            chooser: Chooser::new(sampling),
            cuts: matches!(sampling, Sampling::Scenes { .. }).then(Cuts::default),
            upright: Upright::new(&source.stream(), Some(LARGEST_SIDE)),
            decoder,
            emit,
            packets_to: 0.0,
            stream_to: 0.0,
            sent_to: 0.0,
            decoded_since_flush: 0,
            report: ReadReport::new(source.info().duration),
            last: None,
            span,
            must_start_early: false,
            started_late: false,
            past_span: false,
            behind: false,
            source,
        })
    }

    fn read(&mut self) {
        let mut failed_reads = 0;
        let reason = loop {
            crate::media::step();
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
                    self.lost_packet();
                    if failed_reads >= MAX_FAILED_READS {
                        break Some(format!("the file cannot be read any further ({cause})"));
                    }
                    continue;
                }
            }
            if packet.stream() == self.source.stream && is_encrypted(&packet) {
                break Some(ENCRYPTED.to_owned());
            }
            if self.take(packet).is_break() {
                return self.broken_off();
            }
        };
        self.source.finish();
        if self.take_stamped().is_break() {
            return self.broken_off();
        }
        self.gate.finish();
        if self.drain().is_break() {
            return self.broken_off();
        }
        let undecoded = self.undecoded_end();
        if undecoded.is_none() {
            self.report.coverage.reach(self.stream_to);
        }
        if reason.is_none() {
            self.correct_duration();
        }
        let early = reason.or(undecoded).or_else(|| self.cut_short());
        self.report.ending = early.map_or(Ending::Complete, Ending::Early);
    }

    /// Where the container claims no more than what its last stamps say, and its packets have shown that
    /// it is less, that is how long it is.
    fn correct_duration(&mut self) {
        if self.source.promised().is_none() {
            let seen = &mut self.report.coverage;
            let reached = self.packets_to.max(seen.seconds_read());
            seen.duration = seen.duration.map(|d| d.min(reached));
        }
    }

    /// Reading was ended from within: the span is done, or nobody takes its frames any more.
    fn broken_off(&mut self) {
        match self.span.to.filter(|_| self.past_span) {
            Some(to) => self.report.coverage.read_to = Some(to),
            None => self.report.ending = Ending::Stopped,
        }
    }

    /// Takes the frames still inside the decoder.
    fn drain(&mut self) -> ControlFlow<()> {
        self.decode_ready()?;
        // Fails only where the decoder is drained already.
        let _ = self.decoder.send_eof();
        self.receive()
    }

    fn take(&mut self, packet: ff::Packet) -> ControlFlow<()> {
        if packet.stream() != self.source.stream {
            let ticks = packet.pts().or_else(|| packet.dts());
            if let (Some(ticks), Some(stream)) = (ticks, self.source.input.stream(packet.stream()))
            {
                let end =
                    ticks.saturating_add(packet.duration()) as f64 * f64::from(stream.time_base());
                let zero = self.source.clock.seek_target(0.0) as f64 / 1e6;
                // A timecode, or a subtitle, may say that it lasts to the end from the start on.
                if stream.parameters().medium() == ff::media::Type::Audio {
                    self.packets_to = self.packets_to.max(end - zero);
                }
                if subtitles::is_text(&stream) && self.report.subtitles.len() < SUBTITLES_KEPT {
                    let line = subtitles::of_packet(&stream, &packet, zero);
                    let span = self.span;
                    let inside = |s: &crate::media::Subtitle| {
                        s.start >= span.from && span.to.is_none_or(|to| s.start < to)
                    };
                    self.report.subtitles.extend(line.filter(inside));
                }
            }
            return ControlFlow::Continue(());
        }
        self.source.push(packet);
        self.take_stamped()
    }

    /// Takes the packets of the stream whose times have become certain.
    fn take_stamped(&mut self) -> ControlFlow<()> {
        while let Some((packet, verdict)) = self.source.pop() {
            self.take_packet(packet, verdict)?;
        }
        ControlFlow::Continue(())
    }

    fn take_packet(&mut self, packet: ff::Packet, verdict: Verdict) -> ControlFlow<()> {
        let ticks = packet.pts().or_else(|| packet.dts());
        let time = self.source.clock.packet_time(ticks);
        let at = time.map_or(self.stream_to, Timestamp::seconds);
        match verdict {
            // Read on the way to the span only.
            _ if at < self.span.from => {}
            Verdict::Kept => {}
            Verdict::Wrong => self.report.coverage.wrong_time(at),
            Verdict::Jump(by) => {
                let seconds = self.source.clock.seconds(by);
                self.report.coverage.jump(at, seconds);
            }
        }
        if let Some(t) = time {
            let frame = self.source.clock.frame_seconds();
            self.packets_to = self.packets_to.max(t.seconds() + frame);
            self.stream_to = self.stream_to.max(t.seconds() + frame);
        }
        if packet.is_corrupt() {
            self.lost_packet();
        }
        // Where a packet has no pts of its own, only its neighbours tell the decoder when its
        // frame is shown: the gate must let them all through.
        let time = time.filter(|_| packet.pts().is_some());
        self.gate.push(time, packet);
        self.decode_ready()
    }

    fn decode_ready(&mut self) -> ControlFlow<()> {
        while let Some(step) = self.gate.pop() {
            let packet = match step {
                Step::Decode(packet) => packet,
                Step::Flush => {
                    // Fails only where the decoder is drained already.
                    let _ = self.decoder.send_eof();
                    self.receive()?;
                    self.decoder.flush();
                    if std::mem::take(&mut self.decoded_since_flush) == 0 {
                        self.gate.open_for_good();
                    }
                    continue;
                }
            };
            if let Some(t) = self.source.clock.packet_time(packet.pts()) {
                self.sent_to = self.sent_to.max(t.seconds());
            }
            let mut sent = self.decoder.send_packet(&packet);
            if sent == Err(again()) {
                self.receive()?;
                sent = self.decoder.send_packet(&packet);
            }
            if sent.is_err() {
                self.lost_packet();
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
                Err(_) => self.lost_frame(self.sent_to),
            }
        }
    }

    fn decoded(&mut self, frame: ff::frame::Video) -> ControlFlow<()> {
        self.report.decoded += 1;
        self.decoded_since_flush += 1;
        let damaged = frame.has_decode_errors() || frame.is_corrupt();
        let stamp = self.source.stamp_of(&frame);
        let (time, back) = self.source.clock.frame_time(stamp);
        if damaged {
            self.lost_frame(time.seconds());
        }
        if back && !self.behind {
            self.report.coverage.wrong_time(time.seconds());
        }
        self.behind = back;
        let shown = time.seconds() + KNOWN_WITHIN;
        if std::mem::take(&mut self.must_start_early) && time.seconds() > self.span.from {
            self.started_late = true;
            return ControlFlow::Break(());
        }
        if self.span.to.is_some_and(|to| shown >= to) {
            self.past_span = true;
            return ControlFlow::Break(());
        }
        let end = time.seconds() + self.source.clock.frame_seconds();
        self.report.coverage.reach(end);
        if shown < self.span.from || back {
            return ControlFlow::Continue(());
        }
        let cut = self.cuts.as_mut().is_some_and(|cuts| cuts.is_cut(&frame));
        for (time, frame) in self.chooser.push(time, frame.is_key(), cut, frame) {
            self.emit(time, &frame)?;
        }
        ControlFlow::Continue(())
    }

    fn emit(&mut self, time: Timestamp, frame: &ff::frame::Video) -> ControlFlow<()> {
        let Ok(pixels) = self.upright.pixels(frame) else {
            self.lost_frame(time.seconds());
            return ControlFlow::Continue(());
        };
        let before = self.last.map_or(self.span.from, Timestamp::seconds);
        let seen = &mut self.report.coverage;
        seen.skip(before, time.seconds(), self.allowed_gap);
        self.last = Some(time);
        self.gate.sampled(time);
        let scale = self.upright.scale(&pixels);
        let frame = SampledFrame {
            time,
            pixels,
            scale,
        };
        self.report.count(&frame);
        (self.emit)(frame)
    }

    /// A packet that could not be read, or not be used.
    fn lost_packet(&mut self) {
        self.report.coverage.lost_packets += 1;
        self.report.coverage.fault(self.packets_to);
    }

    /// A frame that came damaged or not at all, at `time` seconds.
    fn lost_frame(&mut self, time: f64) {
        self.report.coverage.lost_frames += 1;
        self.report.coverage.fault(time);
    }

    /// Whether the decoder gave up on the last of what it was sent.
    fn undecoded_end(&self) -> Option<String> {
        let seen = self.report.coverage.seconds_read();
        (self.sent_to - seen > CUT_SHORT_SECONDS).then(|| {
            format!(
                "nothing could be decoded from {seen:.1} s to the end at {:.1} s",
                self.stream_to
            )
        })
    }

    /// Whether the container promised more than its packets gave.
    fn cut_short(&self) -> Option<String> {
        let promised = self.source.promised()?;
        let reached = self.packets_to.max(self.report.coverage.seconds_read());
        let missing = promised - reached;
        let forgiven = (promised * CUT_SHORT_SHARE).min(CUT_SHORT_AT_MOST);
        (missing > forgiven.max(CUT_SHORT_SECONDS))
            .then(|| format!("the file ends at {reached:.1} s of the {promised:.1} s it promises"))
    }

    fn finish(self) -> Result<ReadReport, MediaError> {
        let path = self.source.path.clone();
        let mut report = self.report;
        let seen = &mut report.coverage;
        if seen.frames == 0 && self.span.from == 0.0 {
            return Err(match report.ending {
                Ending::Stopped => MediaError::Stopped { path },
                Ending::Early(why) if why == ENCRYPTED => MediaError::Encrypted { path },
                _ => MediaError::NoFrames {
                    path,
                    decode_errors: seen.decode_errors(),
                },
            });
        }
        report.untoned = self.upright.untoned();
        let last = self.last.map(Timestamp::seconds);
        if let Some(last) = last.or((self.span.from > 0.0).then_some(self.span.from)) {
            let read_to = seen.seconds_read().max(self.stream_to);
            let end = self.span.to.map_or(read_to, |to| read_to.min(to));
            seen.skip(last, end, self.allowed_gap);
            // What the container promised and did not give was not seen either, however rarely
            // frames were wanted.
            if let (Ending::Early(_), Some(promised)) = (&report.ending, seen.duration) {
                let promised = self.span.to.map_or(promised, |to| promised.min(to));
                let seen_to = seen.gaps.last().map_or(0.0, |(_, to)| *to);
                let seen_to = seen_to.max(end).max(self.span.from);
                seen.skip(seen_to, promised, 0.0);
            }
        }
        let gap = seen.largest_gap.unwrap_or(0.0);
        let damaged = seen.decode_errors() > 0 && gap > self.allowed_gap + CUT_SHORT_SECONDS;
        if damaged && report.ending == Ending::Complete {
            report.ending = Ending::Early(format!("damage left a stretch of {gap:.1} s unseen"));
        }
        Ok(report)
    }
}

/// FFmpeg's "not now": the decoder wants its frames taken, or another packet.
fn again() -> ff::Error {
    ff::Error::Other {
        errno: ff::error::EAGAIN,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, SeekFrom};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::media::Choice;

    /// A disk whose sectors from `bad` on cannot be read.
    struct BadDisk {
        file: File,
        at: u64,
        bad: u64,
    }

    impl Read for BadDisk {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            let left = self.bad.saturating_sub(self.at) as usize;
            if left == 0 {
                return Err(std::io::Error::from_raw_os_error(5));
            }
            let room = to.len().min(left);
            let read = self.file.read(&mut to[..room])?;
            self.at += read as u64;
            Ok(read)
        }
    }

    impl Seek for BadDisk {
        fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
            self.at = self.file.seek(to)?;
            Ok(self.at)
        }
    }

    #[test]
    fn a_disk_that_fails_is_told_and_what_came_before_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.mkv");
        let source = "testsrc2=s=160x120:r=10:d=20";
        let options = ["-c:v", "mpeg4", "-g", "10", "-b:v", "400k"];
        let made = std::process::Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", source])
            .args(options)
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        let size = path.metadata().unwrap().len();
        let disk = BadDisk {
            file: File::open(&path).unwrap(),
            at: 0,
            bad: size / 2,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let source = Source::of(&path, disk, &stop, Choice::default()).unwrap();
        let mut times = Vec::new();
        let report = sample(source, Sampling::DEFAULT, Span::WHOLE, 1, |frame| {
            times.push(frame.time.seconds());
            ControlFlow::Continue(())
        });
        let report = report.unwrap();
        let Ending::Early(reason) = &report.ending else {
            panic!("{report:?}");
        };
        assert!(reason.contains("cannot be read any further"), "{reason}");
        assert!(times.len() >= 4 && times.last().is_some_and(|t| (5.0..15.0).contains(t)));
        assert!(report.coverage.decode_errors() > 0);
        let unseen = report.coverage.gaps.last().unwrap();
        assert!(unseen.0 < 15.0 && unseen.1 > 19.0, "{unseen:?}");
    }
}
