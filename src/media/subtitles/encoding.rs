//! In which encoding a subtitle file is written: it tells by a mark at best, and most files have none.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes that are looked at to guess among the encodings of one or two bytes a character.
const GUESSED_FROM: usize = 1 << 20;
/// So many good characters of UTF-8 forgive one that is damaged.
const GOOD_FOR_ONE_BAD: usize = 4;
/// A line that every file has, in UTF-16, whose zeros no other encoding has.
const ARROW_LE: &[u8] = b"-\0-\0>\0";
const ARROW_BE: &[u8] = b"\0-\0-\0>";

/// The encoding, and the length of the mark that tells it.
pub(super) fn of(bytes: &[u8]) -> (&'static Encoding, usize) {
    if let Some(marked) = Encoding::for_bom(bytes) {
        return marked;
    }
    let encoding = utf16(bytes).unwrap_or_else(|| match is_utf8(bytes) {
        true => UTF_8,
        false => guessed(bytes),
    });
    (encoding, 0)
}

/// UTF-16 that begins with no mark.
fn utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let mut pairs = bytes.windows(ARROW_LE.len()).step_by(2);
    pairs.find_map(|found| match found {
        ARROW_LE => Some(UTF_16LE),
        ARROW_BE => Some(UTF_16BE),
        _ => None,
    })
}

/// Also where a few characters are damaged.
fn is_utf8(bytes: &[u8]) -> bool {
    // ISO-2022-JP has no byte above 127 either.
    if bytes.contains(&0x1b) {
        return false;
    }
    let (mut good, mut bad) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    bad * GOOD_FOR_ONE_BAD <= good
}

fn guessed(bytes: &[u8]) -> &'static Encoding {
    // What comes before is the same in all of them.
    let telling = |b: &u8| *b >= 0x80 || *b == 0x1b;
    let rest = &bytes[bytes.iter().position(telling).unwrap_or(0)..];
    let sample = &rest[..rest.len().min(GUESSED_FROM)];
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(sample, sample.len() == rest.len());
    detector.guess(None, Utf8Detection::Allow)
}

/// Whether the beginning of a file is that of a text, in whatever encoding, and so of no video.
pub(in crate::media) fn is_text(head: &[u8]) -> bool {
    // The one video that is text for a while, and then what its pixels happen to be.
    if head.is_empty() || head.starts_with(b"YUV4MPEG2") {
        return false;
    }
    let in_text = |b: &u8| *b >= b' ' || b"\t\n\x0c\r\x1a\x1b".contains(b);
    utf16(head).is_some() || head.iter().all(in_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_from_videos_by_their_beginning() {
        for text in [
            &b"1\r\n00:00:01,000 --> 00:00:02,000\r\nA truck"[..],
            b"\xef\xbb\xbfWEBVTT\n\n",
            b"\xc4\xe3\xba\xc3\t\xa1\xa3\n",
            b"\xff\xfe1\0\n\0-\0-\0>\0",
            b"{0}{25}hello\n",
        ] {
            assert!(is_text(text), "{text:?}");
        }
        for video in [
            &b""[..],
            b"\0\0\0\x18ftypisom",
            b"\x1a\x45\xdf\xa3\x01\0\0\0",
            b"YUV4MPEG2 W64 H48 F25:1\nFRAME\n\x80\x80\x80",
            b"RIFF\x10\0\0\0AVI LIST",
            b"G@\x11\x10\0B\xf0%\0\x01\xc1",
        ] {
            assert!(!is_text(video), "{video:?}");
        }
    }
}
