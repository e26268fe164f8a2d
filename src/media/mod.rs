//! Video files: probe, demux, decode, sample, and the clock. The only user of FFmpeg.
//!
//! [`decode`] reads a file in whatever process it is called; [`process`] has that done by a child,
//! so that a file that crashes or hangs its decoder takes nothing else with it. [`sidecar`] finds
//! what lies beside a video, [`subtitles`] reads it.
//!
//! A frame's way: [`Source::open`] → packets → `decode::stamps` (which of their times to believe) →
//! `decode::gate` (which packets are worth decoding) → decoder → `decode::choose` (which frames are
//! samples) → `decode::upright` (RGB as a player shows it) → [`SampledFrame`] → `process::wire` → the
//! parent.

mod decode;
mod process;
pub mod sidecar;
mod subtitles;

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub use decode::report::{Ending, ReadReport};
pub use decode::sample::{LARGEST_SIDE, SampledFrame, sample};
pub use decode::sampling::{Sampling, Span};
pub use decode::seek::{FrameReader, frame_at};
pub use decode::source::{Choice, Source, VideoInfo};
pub use process::client::{Decoding, Limits, Worker};
pub use process::server::serve;
pub use subtitles::{Subtitle, Subtitles, parse as parse_subtitles};

/// Steps of reading done by this process: a decoder that does none has hung.
static PROGRESS: AtomicU64 = AtomicU64::new(0);

fn progress() -> u64 {
    PROGRESS.load(Ordering::Relaxed)
}

fn step() {
    PROGRESS.fetch_add(1, Ordering::Relaxed);
}

/// Why a file gives no frames.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error("{}: cannot be read: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("{}: the file is empty (0 bytes)", path.display())]
    Empty { path: PathBuf },
    #[error("{}: not a video, or cut off or damaged where its index lies ({cause})", path.display())]
    NotVideo {
        path: PathBuf,
        cause: ffmpeg_next::Error,
    },
    #[error("{}: no index (moov) in the file: it was cut while recording, or copied only in part", path.display())]
    NoIndex { path: PathBuf },
    #[error("{}: encrypted: it cannot be seen without its key", path.display())]
    Encrypted { path: PathBuf },
    #[error("{}: a still picture or text, not a video ({format})", path.display())]
    Still { path: PathBuf, format: String },
    #[error("{}: no video stream (audio or cover art only)", path.display())]
    NoVideoStream { path: PathBuf },
    #[error("{}: has no video stream {stream}, only {streams} (the first is 0)", path.display())]
    NoSuchStream {
        path: PathBuf,
        stream: usize,
        streams: usize,
    },
    #[error("{}: no decoder for its codec {codec}", path.display())]
    NoDecoder { path: PathBuf, codec: String },
    #[error("{}: no frame could be decoded ({decode_errors} decode errors)", path.display())]
    NoFrames { path: PathBuf, decode_errors: u64 },
    #[error("{}: has no frame at {seconds:.3} s; it ends at {end:.3} s", path.display())]
    PastEnd {
        path: PathBuf,
        seconds: f64,
        end: f64,
    },
    #[error("{}: frames of {width}x{height} are larger than allowed (--decode-pixels)", path.display())]
    TooLarge {
        path: PathBuf,
        width: u32,
        height: u32,
    },
    #[error("{}: reading was stopped", path.display())]
    Stopped { path: PathBuf },
    /// What another process found.
    #[error("{}: {reason}", path.display())]
    Refused {
        path: PathBuf,
        reason: String,
        other_kind: bool,
    },
    #[error("{}: {reason}", path.display())]
    Lost { path: PathBuf, reason: String },
    #[error("{}: no process to decode it could be started: {cause}", path.display())]
    NoWorker { path: PathBuf, cause: io::Error },
    #[error("{}: vsearch has been replaced by another version while it runs ({found}; this is {expected})", path.display())]
    OtherVersion {
        path: PathBuf,
        expected: String,
        found: String,
    },
    #[error("{}: FFmpeg failed to {step}: {cause}", path.display())]
    Ffmpeg {
        path: PathBuf,
        step: &'static str,
        cause: ffmpeg_next::Error,
    },
}

impl MediaError {
    /// The file is sound but simply something else than a video: worth no report when a folder
    /// is walked and the name did not claim otherwise.
    pub fn is_other_kind(&self) -> bool {
        matches!(
            self,
            Self::NotVideo { .. }
                | Self::Still { .. }
                | Self::NoVideoStream { .. }
                | Self::Empty { .. }
                | Self::Refused {
                    other_kind: true,
                    ..
                }
        )
    }

    /// The message without the path it starts with, for where that is printed beside it.
    pub fn reason(&self, path: &Path) -> String {
        let text = self.to_string();
        let reason = text.strip_prefix(&format!("{}: ", path.display()));
        reason.unwrap_or(&text).to_owned()
    }
}

/// Looks at a file before it is opened: a pipe would block there.
///
/// # Errors
/// [`MediaError::Unreadable`] where it cannot be looked at, or is no regular file.
fn regular_file(path: &Path) -> Result<Metadata, MediaError> {
    let looked = path
        .metadata()
        .and_then(|metadata| match metadata.is_file() {
            true => Ok(metadata),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            )),
        });
    looked.map_err(|cause| MediaError::Unreadable {
        path: path.into(),
        cause,
    })
}
