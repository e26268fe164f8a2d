//! Lines → entries, of SubRip and of WebVTT (<https://www.w3.org/TR/webvtt1/>).
//!
//! Both are lines of times, each followed by what is said then. An entry of WebVTT ends with an empty line; of
//! SubRip, as FFmpeg and players have it, with the next line of times, and the number before that. All else
//! (headers, STYLE, NOTE, REGION, numbers, names) stands outside and is passed over.

use std::ops::ControlFlow;

use super::plain::plain;
use super::{SHOWN_FOR, Subtitle};

/// Entries kept of one file: hours of speech.
const MOST: usize = 20_000;
/// Characters kept of one: a page.
const LONGEST: usize = 2_000;
/// Bytes of one that are looked at, its marks of style included.
const LONGEST_MARKED: usize = 1 << 15;
/// Bytes kept of all: several novels.
const MOST_TEXT: usize = 8 << 20;

#[derive(Default)]
pub(super) struct Cues {
    begun: bool,
    vtt: bool,
    /// Times of the entry that is being read, in seconds, and what it says so far.
    open: Option<(f64, f64)>,
    text: String,
    /// A line of digits that was the last: the next entry's number, or what this one says.
    number: Option<String>,
    /// The last line was empty, and the one before the number.
    blank: bool,
    apart: bool,
    kept: Vec<Subtitle>,
    bytes: usize,
    unreadable: usize,
    cut: usize,
}

impl Cues {
    /// Takes the next line; breaks where there are enough.
    pub(super) fn take(&mut self, line: &str) -> ControlFlow<()> {
        let line = line.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
        if !self.begun && !line.is_empty() {
            self.begun = true;
            let rest = line.strip_prefix("WEBVTT");
            self.vtt = rest.is_some_and(|r| r.is_empty() || r.starts_with([' ', '\t']));
        }
        match self.times(line) {
            Times::At(start, end) => {
                self.number = None;
                self.close()?;
                self.open = Some((start, end));
            }
            Times::Unreadable => {
                self.number = None;
                self.unreadable += 1;
                return self.close();
            }
            Times::None if line.is_empty() => {
                self.keep_number();
                self.blank = true;
                if self.vtt {
                    return self.close();
                }
                return ControlFlow::Continue(());
            }
            Times::None if self.open.is_some() => {
                self.keep_number();
                match line.bytes().all(|b| b.is_ascii_digit()) {
                    true => (self.number, self.apart) = (Some(line.into()), self.blank),
                    false => self.add(line),
                }
            }
            Times::None => {}
        }
        self.blank = false;
        ControlFlow::Continue(())
    }

    /// The entries, and what of the file could not be taken; `whole`: no line was left over.
    pub(super) fn finish(mut self, whole: bool) -> (Vec<Subtitle>, Vec<String>) {
        let mut full = self.is_full() && !whole;
        if whole {
            // Cut off after the number of an entry.
            if !self.apart || self.text.is_empty() {
                self.keep_number();
            }
            full = self.close().is_break();
        }
        let mut troubles = Vec::new();
        if full {
            let kept = self.kept.len();
            troubles.push(format!(
                "has more than {kept} entries; those after are left out"
            ));
        }
        if self.unreadable > 0 {
            troubles.push(match self.unreadable {
                1 => "1 entry has no readable time".into(),
                n => format!("{n} entries have no readable time"),
            });
        }
        if self.cut > 0 {
            let entries = if self.cut == 1 { "entry" } else { "entries" };
            troubles.push(format!(
                "{} {entries} cut after {LONGEST} characters",
                self.cut
            ));
        }
        (self.kept, troubles)
    }

    fn is_full(&self) -> bool {
        self.kept.len() >= MOST || self.bytes >= MOST_TEXT
    }

    /// Ends the entry that is being read; breaks where it is one too many.
    fn close(&mut self) -> ControlFlow<()> {
        let marked = std::mem::take(&mut self.text);
        let Some((start, end)) = self.open.take() else {
            return ControlFlow::Continue(());
        };
        let mut text = plain(&marked);
        if text.is_empty() {
            return ControlFlow::Continue(());
        }
        if self.is_full() {
            return ControlFlow::Break(());
        }
        let after = text.char_indices().nth(LONGEST).map(|(at, _)| at);
        if let Some(at) = after {
            text.truncate(at);
        }
        self.cut += usize::from(after.is_some() || marked.len() >= LONGEST_MARKED);
        self.bytes += text.len();
        self.kept.push(Subtitle { start, end, text });
        ControlFlow::Continue(())
    }

    fn keep_number(&mut self) {
        if let Some(number) = self.number.take() {
            self.add(&number);
        }
    }

    fn add(&mut self, line: &str) {
        let room = LONGEST_MARKED.saturating_sub(self.text.len());
        self.text.push_str(&line[..line.floor_char_boundary(room)]);
        if self.text.len() < LONGEST_MARKED {
            self.text.push('\n');
        }
    }

    fn times(&self, line: &str) -> Times {
        let Some((from, rest)) = line.split_once("-->") else {
            return Times::None;
        };
        let to = rest.split_whitespace().next().unwrap_or_default();
        match (seconds(from), seconds(to)) {
            (Some(start), Some(end)) if end > start => Times::At(start, end),
            (Some(start), Some(_)) => Times::At(start, start + SHOWN_FOR),
            // An arrow may be said, too.
            _ => {
                let like_time =
                    |t: &str| t.contains(':') && t.contains(|c: char| c.is_ascii_digit());
                let expected = self.number.is_some() || self.open.is_none();
                match expected || like_time(from) || like_time(to) {
                    true => Times::Unreadable,
                    false => Times::None,
                }
            }
        }
    }
}

enum Times {
    At(f64, f64),
    /// Where times should stand, or something like it.
    Unreadable,
    None,
}

/// Digits of one part of a time: more are no time.
const DIGITS: usize = 6;

/// Seconds of `00:01:02,500`, `01:02.500` or `1:02`; 0 where they are before the start.
fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let after = text.strip_prefix('-');
    let (clock, fraction) = after.unwrap_or(text).split_once([',', '.']).map_or_else(
        || (after.unwrap_or(text), "0"),
        |(clock, fraction)| (clock, fraction),
    );
    let digits =
        |t: &str| !t.is_empty() && t.len() <= DIGITS && t.bytes().all(|b| b.is_ascii_digit());
    let number = |t: &str| t.parse::<u32>().ok().filter(|_| digits(t)).map(f64::from);
    let mut parts = clock.split(':').map(|t| number(t.trim()));
    let (first, second, third, more) = (parts.next()?, parts.next()?, parts.next(), parts.next());
    let whole = match (first, second, third, more) {
        (Some(h), Some(m), Some(Some(s)), None) => h * 3600.0 + m * 60.0 + s,
        (Some(m), Some(s), None, None) => m * 60.0 + s,
        _ => return None,
    };
    let part = number(fraction)? / 10f64.powi(i32::try_from(fraction.len()).ok()?);
    Some(if after.is_some() { 0.0 } else { whole + part })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        assert_eq!(seconds("00:01:02,500"), Some(62.5));
        assert_eq!(seconds(" 01:02.25 "), Some(62.25));
        assert_eq!(seconds("100:00:00.000"), Some(360_000.0));
        assert_eq!(seconds("0:00:01"), Some(1.0));
        assert_eq!(seconds("-00:00:01,000"), Some(0.0));
        for none in [
            "",
            "1",
            "00:00:xx,000",
            "1:2:3:4",
            "00:00:01,",
            "00:+1:00",
            "9999999:00",
            "::",
        ] {
            assert_eq!(seconds(none), None, "{none:?}");
        }
    }
}
