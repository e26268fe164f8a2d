//! Printing: results to standard output, everything else to standard error.
//!
//! Names, tags, notes and messages are written by others. All that is printed passes through [`visible`], so
//! that none of it moves the cursor, turns text around or passes for a line of ours.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::Common;
use crate::app::Error;
use crate::types::is_unseen;

/// Prints lines to standard output.
pub(super) fn print(lines: &str) -> io::Result<()> {
    print_as_it_is(&visible(lines, Breaks::Kept))
}

/// Prints what is meant for the terminal or a shell itself: pictures, completions.
pub(super) fn print_as_it_is(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints one JSON line. What is unseen is escaped, which JSON allows in all its texts.
pub(super) fn json_line(value: &impl Serialize) -> io::Result<()> {
    let line = serde_json::to_string(value)?;
    print_as_it_is(&format!("{}\n", escaped_json(&line)))
}

fn escaped_json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_unseen) {
        return json.into();
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match is_unseen(c) {
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            false => out.push(c),
        }
    }
    out.into()
}

/// Says one line on standard error; `note!` calls it. Nobody listening there is no reason to stop.
pub(super) fn say(line: fmt::Arguments) {
    let line = line.to_string();
    let _ = writeln!(io::stderr(), "{}", visible(&line, Breaks::Escaped));
}

/// Says several lines on standard error. What others have written in them must have passed [`said`].
pub(super) fn say_lines(lines: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(lines, Breaks::Kept));
}

/// Standard error for the log, which writes each of its lines at once.
pub(super) struct VisibleStderr;

impl Write for VisibleStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        say(format_args!("{}", text.trim_end_matches('\n')));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// What becomes of line feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaks {
    Kept,
    Escaped,
}

/// A text in which all that is unseen (see [`is_unseen`]) is escaped as Rust does.
fn visible(text: &str, breaks: Breaks) -> Cow<'_, str> {
    let bad = |c: char| is_unseen(c) && (c != '\n' || breaks == Breaks::Escaped);
    if !text.contains(bad) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match bad(c) {
            true => out.extend(c.escape_debug()),
            false => out.push(c),
        }
    }
    out.into()
}

/// What others have written (a name, a tag, a note, a reason), on one line.
pub(super) fn said(text: &str) -> Cow<'_, str> {
    visible(text, Breaks::Escaped)
}

/// A path for reading: relative where it lies below the current folder.
pub(super) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here.as_ref().and_then(|h| path.strip_prefix(h).ok());
    said(&short.unwrap_or(path).to_string_lossy()).into_owned()
}

/// Seconds as `1 h 02 min 03 s`, leading zeros left out.
pub(super) fn length(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, s) => format!("{h} h {m:02} min {s:02} s"),
    }
}

/// Columns of the terminal results are printed to, where they are.
pub(super) fn terminal_width() -> Option<usize> {
    let (_, columns) = console::Term::stdout().size_checked()?;
    Some(usize::from(columns))
}

/// Columns a text takes in a terminal: Chinese characters take two each.
pub(super) fn width(text: &str) -> usize {
    console::measure_text_width(text)
}

/// The end of a text, which tells most of a path, in so many columns.
pub(super) fn shorter(text: &str, columns: usize) -> String {
    let mut end = String::new();
    for c in text.chars().rev() {
        if width(&end) + width(&c.to_string()) >= columns {
            break;
        }
        end.insert(0, c);
    }
    format!("\u{2026}{end}")
}

/// `1 video`, `2 videos`.
pub(super) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Where the library lies when no `--library` says so.
const LIBRARY_VARIABLE: &str = "VSEARCH_LIBRARY";

/// Where the library lies: as asked, else as the environment says, else in the platform's data
/// folder.
pub(super) fn library(common: &Common) -> Result<PathBuf, Error> {
    if let Some(dir) = &common.library {
        return Ok(dir.clone());
    }
    if let Some(dir) = std::env::var_os(LIBRARY_VARIABLE).filter(|d| !d.is_empty()) {
        return Ok(dir.into());
    }
    let dirs = directories::ProjectDirs::from("", "", "vsearch");
    dirs.map(|d| d.data_dir().to_owned()).ok_or_else(|| {
        Error::environment("this system names no folder for a user's data")
            .hint("name the library's folder: --library DIR")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_well() {
        assert_eq!(length(9.4), "9 s");
        assert_eq!(length(62.0), "1 min 02 s");
        assert_eq!(length(7384.0), "2 h 03 min 04 s");
    }

    #[test]
    fn names_of_two_columns_a_character_are_padded_right() {
        assert_eq!((width("gate"), width("一号门")), (4, 6));
        assert_eq!(shorter("/srv/一号门.mp4", 10), "…号门.mp4");
    }

    #[test]
    fn a_name_cannot_rewrite_the_terminal() {
        assert_eq!(
            shown(Path::new("/v/a\n\u{1b}[2J.mp4")),
            "/v/a\\n\\u{1b}[2J.mp4"
        );
        // Right to left, C1, of no width; as it is: quotes, marks, other scripts.
        for (name, seen) in [
            ("a\u{202e}4pm.exe", "a\\u{202e}4pm.exe"),
            ("\u{9b}2Jb\u{7f}", "\\u{9b}2Jb\\u{7f}"),
            (
                "c\u{200b}\u{feff}\u{2066}d",
                "c\\u{200b}\\u{feff}\\u{2066}d",
            ),
            ("\u{e0041}\u{2028}\t", "\\u{e0041}\\u{2028}\\t"),
            ("it's \"一号门\" e\u{301}", "it's \"一号门\" e\u{301}"),
        ] {
            assert_eq!(said(name), seen);
            assert_eq!(shown(Path::new(name)), seen);
        }
        assert_eq!(visible("a\nb\u{1b}", Breaks::Kept), "a\nb\\u{1b}");
    }

    #[test]
    fn json_stays_what_it_says() {
        let names = ["a\u{202e}\u{9b}\u{7f}\u{e0041}\n", "plain 一号门"];
        let json = serde_json::to_string(&names).unwrap();
        let escaped = escaped_json(&json);
        assert!(!escaped.contains(is_unseen), "{escaped}");
        let back: [String; 2] = serde_json::from_str(&escaped).unwrap();
        assert_eq!(back, names);
    }

    proptest::proptest! {
        #[test]
        fn nothing_unseen_is_printed(text in proptest::prelude::any::<String>()) {
            let line = said(&text);
            proptest::prop_assert!(!line.contains(is_unseen));
            proptest::prop_assert_eq!(said(&line), line.as_ref());
            let lines = visible(&text, Breaks::Kept);
            proptest::prop_assert!(!lines.replace('\n', "").contains(is_unseen));
            proptest::prop_assert!(text.contains(is_unseen) || line == text);
        }
    }
}
