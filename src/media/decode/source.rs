//! Opening a file: is it a video, and what does its container claim.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ffmpeg_next as ff;
use serde::{Deserialize, Serialize};

use super::boxes;
use super::clock::Clock;
use super::stamps::{Stamped, Stamps, Verdict};
use crate::media::{MediaError, regular_file, subtitles};

/// What the container says before anything is decoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoInfo {
    /// FFmpeg's short name of the container format.
    pub container: String,
    pub codec: String,
    /// Seconds, as the container claims.
    pub duration: Option<f64>,
    /// When recording began, as the container says it best (ISO 8601, as written); without a zone it is local.
    pub created: Option<String>,
    /// What its other tags say in words.
    pub tags: Vec<String>,
}

/// What is read of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Which of its video streams, from 0; the one a player shows where `None`.
    pub stream: Option<usize>,
    /// Largest frames, width times height.
    pub pixels: Option<u64>,
    /// Its clock is known to jump: a frame is looked for from the start, where times count on, and not by
    /// what its stamps say.
    #[serde(default)]
    pub from_start: bool,
}

/// An opened video: its demuxer and the stream a player would show.
pub struct Source {
    pub(super) path: PathBuf,
    pub(super) input: ff::format::context::Input,
    pub(super) stream: usize,
    pub(super) clock: Clock,
    /// Packets of the stream, read and not yet passed on.
    stamps: Stamps<ff::Packet>,
    packets_have_times: bool,
    /// Set when something else asked FFmpeg to give up.
    stop: Arc<AtomicBool>,
    info: VideoInfo,
    choice: Choice,
}

impl Source {
    /// Opens `path` through Rust's own file handle, so that any file name works and no name is
    /// taken for an address. `stop` makes every blocking read end.
    pub fn open(path: &Path, stop: &Arc<AtomicBool>) -> Result<Self, MediaError> {
        Self::open_with(path, stop, Choice::default())
    }

    /// The same, as `choice` says.
    pub fn open_with(
        path: &Path,
        stop: &Arc<AtomicBool>,
        choice: Choice,
    ) -> Result<Self, MediaError> {
        let unreadable = |cause| MediaError::Unreadable {
            path: path.into(),
            cause,
        };
        if regular_file(path)?.len() == 0 {
            return Err(MediaError::Empty { path: path.into() });
        }
        let file = File::open(path).map_err(unreadable)?;
        Self::of(path, file, stop, choice).map_err(|e| match e {
            MediaError::NotVideo { .. } if boxes::lack_index(path) => {
                MediaError::NoIndex { path: path.into() }
            }
            e => e,
        })
    }

    /// The same of an opened file.
    pub(super) fn of(
        path: &Path,
        mut file: impl Read + Seek + Send + 'static,
        stop: &Arc<AtomicBool>,
        choice: Choice,
    ) -> Result<Self, MediaError> {
        let head = head(&mut file).map_err(|cause| MediaError::Unreadable {
            path: path.into(),
            cause,
        })?;
        // FFmpeg would read all of it, and keep it, before it says how long it lasts.
        if subtitles::is_text(&head) {
            return Err(MediaError::NotVideo {
                path: path.into(),
                cause: ff::Error::InvalidData,
            });
        }
        let input = demuxer(path, file, stop)?;
        let container = input.format().name().to_owned();
        if is_still(&container) {
            return Err(MediaError::Still {
                path: path.into(),
                format: container,
            });
        }
        let found = match choice.stream {
            None => shown_stream(&input),
            Some(n) => input.streams().filter(is_video).nth(n),
        };
        let stream = found
            .ok_or_else(|| match choice.stream {
                Some(stream) if shown_stream(&input).is_some() => MediaError::NoSuchStream {
                    path: path.into(),
                    stream,
                    streams: input.streams().filter(is_video).count(),
                },
                _ => MediaError::NoVideoStream { path: path.into() },
            })?
            .index();
        let (clock, codec) = {
            let stream = input.stream(stream).expect("index came from this input");
            let codec = stream.parameters().id().name().to_owned();
            (Clock::new(&input, &stream), codec)
        };
        let duration = container_duration(&input);
        let looked = looks_at_last_stamps(&container);
        let ticks = clock.ticks(duration.filter(|_| !looked), looked);
        let packets_have_times = clock.starts() && container != "mpeg";
        let info = VideoInfo {
            created: created(&input, &container, &clock),
            container,
            codec,
            duration,
            tags: tags(&input),
        };
        Ok(Self {
            path: path.into(),
            input,
            stream,
            clock,
            stamps: Stamps::new(ticks),
            packets_have_times,
            stop: stop.clone(),
            info,
            choice,
        })
    }

    /// The same file, from its beginning.
    pub(super) fn reopen(&self) -> Result<Self, MediaError> {
        Self::open_with(&self.path, &self.stop, self.choice)
    }

    pub fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// Whether packets carry the times of their frames: raw streams have none, program streams
    /// (ISO/IEC 13818-1) only some.
    pub(super) fn packets_have_times(&self) -> bool {
        self.packets_have_times
    }

    /// Seconds the container promises, where it does not just tell what its last packets say.
    pub(super) fn promised(&self) -> Option<f64> {
        let looked = looks_at_last_stamps(&self.info.container);
        self.info.duration.filter(|_| !looked)
    }

    /// Goes to the last keyframe not after so many seconds; false where the file cannot be seeked in.
    pub(super) fn seek(&mut self, seconds: f64) -> bool {
        let target = self.clock.seek_target(seconds);
        self.stamps.begin_inside();
        self.input.seek(target, ..target + 1).is_ok()
    }

    /// Takes the next packet of the stream.
    pub(super) fn push(&mut self, packet: ff::Packet) {
        let stamp = packet.pts().or_else(|| packet.dts());
        let (decoded, bytes) = (packet.dts(), packet.size());
        self.stamps.push(stamp, decoded, bytes, packet);
    }

    /// The stream has no more packets.
    pub(super) fn finish(&mut self) {
        self.stamps.finish();
    }

    /// The next packet whose time is certain: that is what it now bears.
    pub(super) fn pop(&mut self) -> Option<(ff::Packet, Verdict)> {
        let Stamped {
            item: mut packet,
            ticks,
            verdict,
        } = self.stamps.pop()?;
        if let Some(ticks) = ticks {
            restamp(&mut packet, ticks, verdict);
        }
        Some((packet, verdict))
    }

    /// The stamp of a decoded frame: its packet's own, where packets have their own; else what FFmpeg
    /// makes of those around it.
    pub(super) fn stamp_of(&self, frame: &ff::frame::Video) -> Option<i64> {
        let own = frame.pts().filter(|_| self.packets_have_times());
        own.or_else(|| frame.timestamp())
    }

    /// Whether this source was asked to stop.
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn stream(&self) -> ff::Stream<'_> {
        self.input
            .stream(self.stream)
            .expect("the stream was found at open")
    }

    /// A decoder for the shown stream, using `threads` threads.
    pub(super) fn decoder(&self, threads: usize) -> Result<ff::decoder::Video, MediaError> {
        let parameters = self.stream().parameters();
        let mut context = ff::codec::Context::from_parameters(parameters)
            .map_err(|cause| self.failed("set up its decoder", cause))?;
        context.set_threading(ff::threading::Config {
            kind: ff::threading::Type::Frame,
            count: threads,
            ..Default::default()
        });
        let decoder = context.decoder().video().map_err(|cause| match cause {
            ff::Error::DecoderNotFound => MediaError::NoDecoder {
                path: self.path.clone(),
                codec: self.info.codec.clone(),
            },
            cause => self.failed("open its decoder", cause),
        })?;
        let (width, height) = (decoder.width(), decoder.height());
        let largest = self.choice.pixels.unwrap_or(u64::MAX);
        if u64::from(width) * u64::from(height) > largest {
            let path = self.path.clone();
            return Err(MediaError::TooLarge {
                path,
                width,
                height,
            });
        }
        Ok(decoder)
    }

    pub(super) fn failed(&self, step: &'static str, cause: ff::Error) -> MediaError {
        MediaError::Ffmpeg {
            path: self.path.clone(),
            step,
            cause,
        }
    }
}

/// Whether a packet holds what nobody can decode without a key (ISO/IEC 23001-7).
pub(super) fn is_encrypted(packet: &ff::Packet) -> bool {
    let kinds = packet.side_data().map(|d| d.kind());
    let encrypted = ff::packet::side_data::Type::EncryptionInfo;
    kinds.into_iter().any(|kind| kind == encrypted)
}

fn initialise() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only for the network layer, which is not built in.
        let _ = ff::init();
        // Damage is counted and reported by us, per file; FFmpeg's own lines name no file.
        ff::util::log::set_level(ff::util::log::Level::Quiet);
    });
}

/// Bytes that tell a text from a video.
const HEAD: u64 = 4096;

/// The beginning of a file, which is left at its start.
fn head(file: &mut (impl Read + Seek)) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(head)
}

/// The only way to FFmpeg: what it logs is silenced before it can log.
fn demuxer(
    path: &Path,
    file: impl Read + Seek + Send + 'static,
    stop: &Arc<AtomicBool>,
) -> Result<ff::format::context::Input, MediaError> {
    /// Fewer system calls than FFmpeg's 32 KiB.
    const BUFFER: usize = 256 * 1024;
    initialise();
    let not_video = |cause| MediaError::NotVideo {
        path: path.into(),
        cause,
    };
    let io = ff::format::context::StreamIo::from_read_seek_with_capacity(file, BUFFER)
        .map_err(not_video)?;
    // Only the extension: it helps FFmpeg tell apart formats without a signature.
    let hint = path
        .extension()
        .and_then(|e| e.to_str())
        .map(|e| format!("file.{e}"));
    // Playlists and session descriptions name further files and addresses: none may be opened.
    let mut options = ff::Dictionary::new();
    options.set("protocol_whitelist", NO_PROTOCOL);
    let stop = stop.clone();
    let stopped = move || {
        crate::media::step();
        stop.load(Ordering::Relaxed)
    };
    ff::format::input_from_stream_with_interrupt(io, hint.as_deref(), Some(options), stopped)
        .map_err(|cause| match cause {
            ff::Error::Exit => MediaError::Stopped { path: path.into() },
            cause => not_video(cause),
        })
}

/// QuickTime's own date, which tells its zone.
const CREATION_DATE: &str = "com.apple.quicktime.creationdate";
/// Ten years, in seconds: earlier times are those of a clock that counts from its start.
const SINCE_1970: f64 = 315_576_000.0;

/// When recording began.
fn created(input: &ff::format::context::Input, container: &str, clock: &Clock) -> Option<String> {
    let metadata = input.metadata();
    let dated = |text: &&str| text.trim().starts_with(|c: char| c.is_ascii_digit());
    let own = metadata.get(CREATION_DATE).filter(dated);
    if let Some(tag) = own.or_else(|| metadata.get("creation_time")) {
        return Some(tag.to_owned());
    }
    // Dahua's recorders count from 1970, in local time.
    let first = clock.first_seconds().filter(|s| *s > SINCE_1970)?;
    let local = jiff::Timestamp::from_second(first as i64).ok()?;
    let local = jiff::tz::Offset::UTC.to_datetime(local);
    (container == "dhav").then(|| local.to_string())
}

/// Tags that tell of the file and not of what it shows.
const TECHNICAL: &[&str] = &[
    "major_brand",
    "minor_version",
    "compatible_brands",
    "creation_time",
    CREATION_DATE,
    "encoder",
    "duration",
];
/// Longest text of a tag, in characters, and most of them.
const TAG_LENGTH: usize = 1_000;
const TAGS_KEPT: usize = 50;

fn tags(input: &ff::format::context::Input) -> Vec<String> {
    let metadata = input.metadata();
    let told = metadata.iter().filter(|(key, value)| {
        !TECHNICAL.contains(&key.to_ascii_lowercase().as_str()) && !value.trim().is_empty()
    });
    let text = |(_, value): (&str, &str)| value.chars().take(TAG_LENGTH).collect();
    told.map(text).take(TAGS_KEPT).collect()
}

/// Writes the time a packet was given into it.
fn restamp(packet: &mut ff::Packet, ticks: i64, verdict: Verdict) {
    let (pts, dts) = (packet.pts(), packet.dts());
    let Some(said) = pts.or(dts).filter(|said| *said != ticks) else {
        return;
    };
    let moved = |t: i64| t.saturating_add(ticks.saturating_sub(said));
    packet.set_pts(pts.map(|_| ticks));
    packet.set_dts(match (pts, verdict) {
        // Nobody knows: the one was wrong, the other may not be.
        (Some(_), Verdict::Wrong) => None,
        _ => dts.map(moved),
    });
}

/// FFmpeg finds how long these last by looking at the stamps at their ends: one wrong one there is
/// enough. They are MPEG's (ISO/IEC 13818-1), whose clocks have 33 bits.
fn looks_at_last_stamps(container: &str) -> bool {
    ["mpegts", "mpeg"].contains(&container)
}

/// A name no protocol of FFmpeg has.
const NO_PROTOCOL: &str = "none";

/// FFmpeg reads pictures and text as one-frame videos.
fn is_still(format: &str) -> bool {
    format.ends_with("_pipe") || ["image2", "tty", "ico", "lrc"].contains(&format)
}

/// Cover art is no video.
fn is_video(s: &ff::Stream) -> bool {
    use ff::format::stream::Disposition;
    s.parameters().medium() == ff::media::Type::Video
        && !s.disposition().contains(Disposition::ATTACHED_PIC)
}

/// The default video stream as players choose it.
fn shown_stream(input: &ff::format::context::Input) -> Option<ff::Stream<'_>> {
    let best = input
        .streams()
        .best(ff::media::Type::Video)
        .filter(is_video);
    best.or_else(|| input.streams().find(is_video))
}

fn container_duration(input: &ff::format::context::Input) -> Option<f64> {
    let micros = input.duration();
    (micros > 0).then(|| micros as f64 / 1e6)
}
