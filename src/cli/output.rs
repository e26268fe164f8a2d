//! Printing: results to standard output, everything else to standard error.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::Common;
use crate::app::Error;

/// Prints to standard output as it is.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints one JSON line.
pub(super) fn json_line(value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(value)?;
    line.push('\n');
    print(&line)
}

/// A path for reading: relative where it lies below the current folder, control characters
/// escaped so that a file name cannot rewrite the terminal.
pub(super) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here.as_ref().and_then(|h| path.strip_prefix(h).ok());
    let text = short.unwrap_or(path).to_string_lossy().into_owned();
    if text.chars().any(char::is_control) {
        text.escape_debug().to_string()
    } else {
        text
    }
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
    }
}
