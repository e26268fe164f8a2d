//! Text that comes with pictures: the packets of subtitle streams.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ff::codec::Id;
use ffmpeg_next as ff;
use serde::{Deserialize, Serialize};

use super::source;
use crate::media::MediaError;

/// A subtitle whose length is not told is shown for so long, in seconds.
const SHOWN_FOR: f64 = 3.0;

/// A subtitle and when it is shown, in seconds on the player's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subtitle {
    pub start: f64,
    pub end: f64,
    pub text: String,
}

/// Whether a stream holds subtitles as text.
pub(super) fn is_text(stream: &ff::Stream) -> bool {
    matches!(
        stream.parameters().id(),
        Id::SUBRIP | Id::SRT | Id::TEXT | Id::WEBVTT | Id::ASS | Id::SSA | Id::MOV_TEXT
    )
}

/// The subtitle a packet of such a stream holds; `zero`: the stream's time, in seconds, where the
/// player's clock begins.
pub(super) fn of_packet(stream: &ff::Stream, packet: &ff::Packet, zero: f64) -> Option<Subtitle> {
    let base = f64::from(stream.time_base());
    let start = packet.pts()? as f64 * base - zero;
    let length = match packet.duration() {
        ticks if ticks > 0 => ticks as f64 * base,
        _ => SHOWN_FOR,
    };
    let text = plain(stream.parameters().id(), packet.data()?);
    (!text.is_empty()).then_some(Subtitle {
        start: start.max(0.0),
        end: (start + length).max(0.0),
        text,
    })
}

/// The words, without marks of style.
fn plain(codec: Id, data: &[u8]) -> String {
    let data = match codec {
        // ISO/IEC 14496-17: a length before the text, styles after it.
        Id::MOV_TEXT => match data {
            [a, b, rest @ ..] => &rest[..rest.len().min(usize::from(u16::from_be_bytes([*a, *b])))],
            _ => &[],
        },
        _ => data,
    };
    let text = String::from_utf8_lossy(data);
    let text = match codec {
        // "ReadOrder,Layer,Style,Name,MarginL,MarginR,MarginV,Effect,Text"
        Id::ASS | Id::SSA => text.splitn(9, ',').last().unwrap_or_default(),
        _ => &text,
    };
    let mut words = String::new();
    let mut inside = None;
    for c in text.replace("\\N", " ").chars() {
        match (c, inside) {
            ('<', None) => inside = Some('>'),
            ('{', None) => inside = Some('}'),
            (c, Some(end)) if c == end => inside = None,
            (_, Some(_)) => {}
            (c, None) if c.is_control() => words.push(' '),
            (c, None) => words.push(c),
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a subtitle file says, at most `lines` of it.
///
/// # Errors
/// Where it is no subtitle file that FFmpeg knows.
pub(in crate::media) fn read(path: &Path, lines: usize) -> Result<Vec<Subtitle>, MediaError> {
    let never = Arc::new(AtomicBool::new(false));
    let file = File::open(path).map_err(|cause| MediaError::Unreadable {
        path: path.into(),
        cause,
    })?;
    let mut input = source::demuxer(path, file, &never)?;
    let mut found = Vec::new();
    while found.len() < lines {
        let mut packet = ff::Packet::empty();
        if packet.read(&mut input).is_err() {
            break;
        }
        if let Some(stream) = input.stream(packet.stream()).filter(is_text) {
            found.extend(of_packet(&stream, &packet, 0.0));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_of_style_are_left_out() {
        assert_eq!(
            plain(Id::SUBRIP, b"<i>To the</i>\r\ngate {\\an8}now"),
            "To the gate now"
        );
        assert_eq!(
            plain(Id::ASS, b"0,0,Default,,0,0,0,,{\\b1}Well, go\\Non"),
            "Well, go on"
        );
        assert_eq!(plain(Id::MOV_TEXT, b"\x00\x05Hello\x00\x0cstyl"), "Hello");
        assert_eq!(plain(Id::MOV_TEXT, b"\x00"), "");
    }

    proptest! {
        #[test]
        fn any_bytes_are_text_or_none(data in proptest::collection::vec(any::<u8>(), 0..60)) {
            for codec in [Id::SUBRIP, Id::ASS, Id::MOV_TEXT] {
                let text = plain(codec, &data);
                prop_assert!(!text.contains('\n'));
            }
        }
    }
}
