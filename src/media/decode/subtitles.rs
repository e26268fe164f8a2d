//! Text that comes with pictures: the packets of subtitle streams.

use std::borrow::Cow;

use ff::codec::Id;
use ffmpeg_next as ff;

use crate::media::subtitles::{SHOWN_FOR, Subtitle, plain};

/// Characters kept of one: a page.
const LONGEST: usize = 2_000;

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
    let text = words(stream.parameters().id(), packet.data()?);
    (!text.is_empty()).then_some(Subtitle {
        start: start.max(0.0),
        end: (start + length).max(0.0),
        text,
    })
}

/// The words, without marks of style.
fn words(codec: Id, data: &[u8]) -> String {
    let data = match codec {
        // ISO/IEC 14496-17: a length before the text, styles after it.
        Id::MOV_TEXT => match data {
            [a, b, rest @ ..] => &rest[..rest.len().min(usize::from(u16::from_be_bytes([*a, *b])))],
            _ => &[],
        },
        _ => data,
    };
    let text = String::from_utf8_lossy(&data[..data.len().min(1 << 16)]);
    let text = match codec {
        // "ReadOrder,Layer,Style,Name,MarginL,MarginR,MarginV,Effect,Text"
        Id::ASS | Id::SSA => {
            let said = text.splitn(9, ',').last().unwrap_or_default();
            let breaks = ["\\N", "\\n", "\\h"].iter();
            Cow::Owned(breaks.fold(said.to_owned(), |said, b| said.replace(b, " ")))
        }
        _ => text,
    };
    plain(&text).chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_of_style_are_left_out() {
        assert_eq!(
            words(Id::SUBRIP, b"<i>To the</i>\r\ngate {\\an8}now, I <3 it"),
            "To the gate now, I <3 it"
        );
        assert_eq!(
            words(Id::ASS, b"0,0,Default,,0,0,0,,{\\b1}Well, go\\Non"),
            "Well, go on"
        );
        assert_eq!(words(Id::MOV_TEXT, b"\x00\x05Hello\x00\x0cstyl"), "Hello");
        assert_eq!(words(Id::MOV_TEXT, b"\x00"), "");
        assert_eq!(words(Id::SUBRIP, &[b'a'; 1 << 20]).len(), LONGEST);
    }

    proptest! {
        #[test]
        fn any_bytes_are_text_or_none(data in proptest::collection::vec(any::<u8>(), 0..60)) {
            for codec in [Id::SUBRIP, Id::ASS, Id::MOV_TEXT] {
                let text = words(codec, &data);
                prop_assert!(!text.contains(char::is_control));
            }
        }
    }
}
