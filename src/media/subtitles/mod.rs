//! Subtitle files beside a video: bytes → [`encoding`] → [`lines`] → [`cues`] → words ([`mod@plain`]).
//!
//! SubRip and WebVTT, told apart by what they say. [`read`] is called in the decoder's child. All is bounded:
//! the file, its lines, its entries, what one of them says, and the time that reading it may take.

mod cues;
mod encoding;
mod lines;
mod plain;

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use self::cues::Cues;
use super::{MediaError, regular_file};

pub(super) use self::encoding::is_text;
pub(super) use self::plain::plain;

/// A subtitle whose length is not told is shown for so long, in seconds.
pub(super) const SHOWN_FOR: f64 = 3.0;
/// Largest file that is read, in bytes: hours of speech take a hundredth of it.
const LARGEST: u64 = 64 << 20;
/// Most lines that are looked at.
const MOST_LINES: usize = 1_000_000;
/// A disk that is slower than this is given up.
const LONGEST_READING: Duration = Duration::from_secs(30);

/// A subtitle and when it is shown, in seconds on the player's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subtitle {
    pub start: f64,
    pub end: f64,
    pub text: String,
}

/// What a subtitle file says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Subtitles {
    /// In the order of the file.
    pub lines: Vec<Subtitle>,
    /// Why that is not all, or nothing.
    pub trouble: Option<String>,
}

/// What a file says. Called in the decoder's child.
///
/// # Errors
/// Where it cannot be read, or not in time, or is larger than a subtitle file can be.
pub(super) fn read(path: &Path) -> Result<Subtitles, MediaError> {
    let size = regular_file(path)?.len();
    let refused = |reason| MediaError::Refused {
        path: path.into(),
        reason,
        other_kind: true,
    };
    let too_large = |size: u64| {
        let (size, most) = (size >> 20, LARGEST >> 20);
        refused(format!(
            "has {size} MB; subtitle files up to {most} MB are read"
        ))
    };
    if size > LARGEST {
        return Err(too_large(size));
    }
    let unreadable = |cause: io::Error| MediaError::Unreadable {
        path: path.into(),
        cause,
    };
    // It may grow while it is read.
    let mut file = File::open(path).map_err(unreadable)?.take(LARGEST + 1);
    let (mut bytes, begun) = (Vec::new(), Instant::now());
    let mut chunk = vec![0; 1 << 16];
    loop {
        super::step();
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(unreadable(e)),
        }
        if begun.elapsed() > LONGEST_READING {
            let seconds = LONGEST_READING.as_secs();
            return Err(refused(format!("could not be read within {seconds} s")));
        }
    }
    match bytes.len() as u64 > LARGEST {
        true => Err(too_large(bytes.len() as u64)),
        false => Ok(parse(&bytes)),
    }
}

/// What the bytes of a file say. Never fails: what cannot be understood is left out and told.
pub fn parse(bytes: &[u8]) -> Subtitles {
    let (encoding, mark) = encoding::of(bytes);
    let mut cues = Cues::default();
    let mut count = 0;
    let read = lines::each(&bytes[mark..], encoding, |line| {
        count += 1;
        match count > MOST_LINES {
            true => ControlFlow::Break(()),
            false => cues.take(line),
        }
    });
    let too_many = count > MOST_LINES;
    let (lines, mut troubles) = cues.finish(read.is_continue());
    if too_many {
        troubles.push(format!(
            "has more than {MOST_LINES} lines; those after are left out"
        ));
    }
    if lines.is_empty() && troubles.is_empty() {
        troubles.push(match bytes.is_empty() {
            true => "is empty (0 bytes)".into(),
            false => "holds no subtitles (SubRip and WebVTT are read)".into(),
        });
    }
    Subtitles {
        lines,
        trouble: (!troubles.is_empty()).then(|| troubles.join("; ")),
    }
}

#[cfg(test)]
mod tests;
