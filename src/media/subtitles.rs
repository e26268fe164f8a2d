//! Text that comes with pictures: subtitle tracks inside a file, and files beside it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ff::codec::Id;
use ffmpeg_next as ff;
use serde::{Deserialize, Serialize};

use super::source;

/// Formats beside a video, by extension; its name may go on with a language before that.
const BESIDE: [&str; 2] = ["srt", "vtt"];
/// Lines kept of one file: hours of speech.
const LINES_KEPT: usize = 20_000;
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

/// What the subtitle files beside a video say. One that cannot be read says nothing.
pub fn beside(video: &Path) -> Vec<Subtitle> {
    let mut lines: Vec<Subtitle> = files_beside(video)
        .iter()
        .filter_map(|f| read(f))
        .flatten()
        .collect();
    lines.truncate(LINES_KEPT);
    lines
}

fn files_beside(video: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(stem)) = (video.parent(), video.file_stem().and_then(|s| s.to_str()))
    else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some((front, extension)) = name.to_str().and_then(|n| n.rsplit_once('.')) else {
            continue;
        };
        let language = front.strip_prefix(stem);
        let named = language.is_some_and(|l| l.is_empty() || (l.starts_with('.') && l.len() <= 8));
        if named && BESIDE.contains(&extension.to_ascii_lowercase().as_str()) {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

fn read(path: &Path) -> Option<Vec<Subtitle>> {
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut input = source::demuxer(path, File::open(path).ok()?, &stop).ok()?;
    let mut lines = Vec::new();
    while lines.len() < LINES_KEPT {
        let mut packet = ff::Packet::empty();
        match packet.read(&mut input) {
            Ok(()) => {
                let stream = input.stream(packet.stream())?;
                if is_text(&stream) {
                    lines.extend(of_packet(&stream, &packet, 0.0));
                }
            }
            Err(_) => break,
        }
    }
    Some(lines)
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

    #[test]
    fn files_beside_a_video_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        put(
            "gate.srt",
            "1\n00:00:01,500 --> 00:00:03,000\nA white <b>truck</b>\n\n",
        );
        put(
            "gate.zh.vtt",
            "WEBVTT\n\n00:05.000 --> 00:06.000\n\u{4e00}\u{53f7}\u{95e8}\n\n",
        );
        put("gate2.srt", "1\n00:00:01,000 --> 00:00:02,000\nno\n\n");
        let lines = beside(&dir.path().join("gate.mp4"));
        let texts: Vec<&str> = lines.iter().map(|l| l.text.as_str()).collect();
        assert_eq!(texts, ["A white truck", "\u{4e00}\u{53f7}\u{95e8}"]);
        assert_eq!((lines[0].start, lines[0].end), (1.5, 3.0));
        assert!(beside(Path::new("/nowhere/at.mp4")).is_empty());
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
