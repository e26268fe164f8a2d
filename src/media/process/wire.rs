//! What parent and child say to each other: a kind, a length, that many bytes. The child's first
//! message says which version of this it speaks.

use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::media::{
    Choice, MediaError, ReadReport, SampledFrame, Sampling, Span, Subtitles, VideoInfo,
};
use crate::types::{Pixels, TimeBase, Timestamp};

/// To be raised with every change of what follows: parent and child may come from two programs where
/// one is replaced while it runs.
const PROTOCOL: u32 = 4;

/// What a child must say first.
pub(super) fn version() -> String {
    format!("{} (protocol {PROTOCOL})", env!("CARGO_PKG_VERSION"))
}

/// No frame is larger (16,384 pixels square); a longer message is none of ours.
const LONGEST: u32 = 3 << 28;
/// Ticks, base, scale, width and height of a frame, before its pixels.
const FRAME_HEADER: usize = 32;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// As the file system has it.
    pub(super) path: Vec<u8>,
    pub(super) task: Task,
    pub(super) choice: Choice,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    Probe,
    Sample {
        sampling: Sampling,
        span: Span,
        threads: usize,
    },
    /// The frames shown at these seconds, none with a longer side than `max_side`: for each a frame,
    /// or why there is none.
    Frames {
        times: Vec<f64>,
        max_side: Option<u32>,
    },
    /// What a subtitle file says.
    Sidecar,
}

impl Request {
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        to.write_all(&(json.len() as u32).to_le_bytes())?;
        to.write_all(&json)?;
        to.flush()
    }

    /// The next request; `None` where the parent has closed.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let Ok(length) = exactly(from, 4) else {
            return Ok(None);
        };
        let json = exactly(from, length_of(&length)?)?;
        Ok(Some(serde_json::from_slice(&json)?))
    }
}

/// What the child says.
#[derive(Debug)]
pub(super) enum Message {
    /// The first one: see [`version`].
    Hello(String),
    /// It is at work.
    Alive,
    Info(VideoInfo),
    Frame(SampledFrame),
    Report(ReadReport),
    Subtitles(Subtitles),
    Failed(Failure),
}

/// A [`MediaError`] that crosses over.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    /// Without the path it begins with.
    reason: String,
    other_kind: bool,
}

impl Failure {
    pub(super) fn into_error(self, path: &Path) -> MediaError {
        MediaError::Refused {
            path: path.into(),
            reason: self.reason,
            other_kind: self.other_kind,
        }
    }
}

impl Message {
    pub(super) fn failed(error: &MediaError, path: &Path) -> Self {
        Self::Failed(Failure {
            reason: error.reason(path),
            other_kind: error.is_other_kind(),
        })
    }

    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, json) = match self {
            Self::Hello(version) => (b'H', serde_json::to_vec(version)?),
            Self::Alive => (b'A', Vec::new()),
            Self::Subtitles(said) => (b'S', serde_json::to_vec(said)?),
            Self::Info(info) => (b'I', serde_json::to_vec(info)?),
            Self::Report(report) => (b'R', serde_json::to_vec(report)?),
            Self::Failed(failure) => (b'E', serde_json::to_vec(failure)?),
            Self::Frame(frame) => {
                let rgb = frame.pixels.rgb();
                head(to, b'F', FRAME_HEADER + rgb.len())?;
                to.write_all(&frame.time.ticks.to_le_bytes())?;
                to.write_all(&frame.time.base.num().to_le_bytes())?;
                to.write_all(&frame.time.base.den().to_le_bytes())?;
                to.write_all(&frame.scale.to_le_bytes())?;
                to.write_all(&frame.pixels.width().to_le_bytes())?;
                to.write_all(&frame.pixels.height().to_le_bytes())?;
                return to.write_all(rgb);
            }
        };
        head(to, kind, json.len())?;
        to.write_all(&json)
    }

    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let kind = exactly(from, 1)?[0];
        let length = length_of(&exactly(from, 4)?)?;
        if kind == b'F' {
            return frame(from, length);
        }
        let json = exactly(from, length)?;
        Ok(match kind {
            b'H' => Self::Hello(serde_json::from_slice(&json)?),
            b'A' => Self::Alive,
            b'S' => Self::Subtitles(serde_json::from_slice(&json)?),
            b'I' => Self::Info(serde_json::from_slice(&json)?),
            b'R' => Self::Report(serde_json::from_slice(&json)?),
            b'E' => Self::Failed(serde_json::from_slice(&json)?),
            _ => return Err(nonsense()),
        })
    }
}

fn head(to: &mut impl Write, kind: u8, length: usize) -> io::Result<()> {
    to.write_all(&[kind])?;
    to.write_all(&(length as u32).to_le_bytes())
}

fn frame(from: &mut impl Read, length: usize) -> io::Result<Message> {
    let header = exactly(from, FRAME_HEADER)?;
    let rgb = exactly(from, length.checked_sub(FRAME_HEADER).ok_or_else(nonsense)?)?;
    let eight = |at: usize| <[u8; 8]>::try_from(&header[at..at + 8]).unwrap_or_default();
    let four = |at: usize| <[u8; 4]>::try_from(&header[at..at + 4]).unwrap_or_default();
    let base = TimeBase::new(i32::from_le_bytes(four(8)), i32::from_le_bytes(four(12)));
    let ticks = i64::from_le_bytes(eight(0));
    let (width, height) = (u32::from_le_bytes(four(24)), u32::from_le_bytes(four(28)));
    Ok(Message::Frame(SampledFrame {
        time: Timestamp::new(ticks, base.ok_or_else(nonsense)?),
        pixels: Pixels::new(width, height, rgb).ok_or_else(nonsense)?,
        scale: f64::from_le_bytes(eight(16)),
    }))
}

/// Reads exactly `n` bytes, or says that the other side has gone.
fn exactly(input: &mut impl Read, n: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; n];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn length_of(bytes: &[u8]) -> io::Result<usize> {
    let length = u32::from_le_bytes(bytes.try_into().map_err(|_| nonsense())?);
    match length <= LONGEST {
        true => Ok(length as usize),
        false => Err(nonsense()),
    }
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a message of ours")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_survive_the_pipe() {
        let base = TimeBase::new(1001, 30_000).unwrap();
        let pixels = Pixels::new(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let sent = SampledFrame {
            time: Timestamp::new(-7, base),
            pixels: pixels.clone(),
            scale: 1.5,
        };
        let mut pipe = Vec::new();
        Message::Hello(version()).write(&mut pipe).unwrap();
        Message::Alive.write(&mut pipe).unwrap();
        Message::Frame(sent).write(&mut pipe).unwrap();
        let mut from = pipe.as_slice();
        assert!(matches!(Message::read(&mut from), Ok(Message::Hello(v)) if v == version()));
        assert!(matches!(Message::read(&mut from), Ok(Message::Alive)));
        let Ok(Message::Frame(got)) = Message::read(&mut from) else {
            panic!("no frame");
        };
        assert_eq!((got.time.ticks, got.time.base), (-7, base));
        assert_eq!((got.pixels, got.scale), (pixels, 1.5));
        assert!(Message::read(&mut from).is_err());
    }

    proptest! {
        #[test]
        fn garbage_is_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Message::read(&mut bytes.as_slice());
            let _ = Request::read(&mut bytes.as_slice());
        }
    }
}
