//! Bytes in some encoding → lines.

use std::ops::ControlFlow;

use encoding_rs::Encoding;

/// Bytes decoded at once.
const CHUNK: usize = 1 << 16;
/// What is longer is cut, in bytes: no line of a subtitle comes near it.
const LONGEST: usize = 1 << 14;

/// Hands each line to `take`, until that breaks. A line ends with LF, CR LF, a lone CR, or CR CR LF, which
/// editors make of files that were converted twice.
pub(super) fn each(
    bytes: &[u8],
    encoding: &'static Encoding,
    take: impl FnMut(&str) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut lines = Lines {
        line: String::new(),
        returns: 0,
        take,
    };
    let mut text = String::new();
    let mut chunks = bytes.chunks(CHUNK).peekable();
    while let Some(chunk) = chunks.next() {
        crate::media::step();
        let last = chunks.peek().is_none();
        let mut rest = chunk;
        // Once, with room enough; again where a decoder asks for more.
        loop {
            text.clear();
            text.reserve(
                decoder
                    .max_utf8_buffer_length(rest.len())
                    .unwrap_or(4 * CHUNK),
            );
            let (result, read, _) = decoder.decode_to_string(rest, &mut text, last);
            lines.push(&text)?;
            rest = &rest[read..];
            if result == encoding_rs::CoderResult::InputEmpty {
                break;
            }
        }
    }
    lines.finish()
}

struct Lines<F> {
    line: String,
    /// Carriage returns since the line, of which nobody knows yet whether a line feed follows.
    returns: usize,
    take: F,
}

impl<F: FnMut(&str) -> ControlFlow<()>> Lines<F> {
    fn push(&mut self, mut text: &str) -> ControlFlow<()> {
        while let Some(first) = text.chars().next() {
            match (first, self.returns) {
                ('\r', _) => self.returns += 1,
                ('\n', _) => {
                    self.returns = 0;
                    self.end()?;
                }
                (_, 0) => {
                    let (words, rest) =
                        text.split_at(text.find(['\r', '\n']).unwrap_or(text.len()));
                    let room = LONGEST.saturating_sub(self.line.len());
                    self.line
                        .push_str(&words[..words.floor_char_boundary(room)]);
                    text = rest;
                    continue;
                }
                (_, returns) => {
                    self.returns = 0;
                    for _ in 0..returns {
                        self.end()?;
                    }
                    continue;
                }
            }
            text = &text[1..];
        }
        ControlFlow::Continue(())
    }

    fn end(&mut self) -> ControlFlow<()> {
        let done = (self.take)(&self.line);
        self.line.clear();
        done
    }

    fn finish(mut self) -> ControlFlow<()> {
        match self.line.is_empty() {
            true => ControlFlow::Continue(()),
            false => self.end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::UTF_8;

    fn lines(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let read = each(text.as_bytes(), UTF_8, |line| {
            found.push(line.to_owned());
            ControlFlow::Continue(())
        });
        assert!(read.is_continue());
        found
    }

    #[test]
    fn lines_end_in_every_way() {
        assert_eq!(
            lines("a\nb\r\n\r\nc\r\rd\r\r\ne\r"),
            ["a", "b", "", "c", "", "d", "e"]
        );
        assert!(lines("").is_empty());
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let long = format!("a{}\nend", "\u{4e00}".repeat(100_000));
        let found = lines(&long);
        assert_eq!(found.len(), 2);
        assert!(found[0].len() <= LONGEST && found[0].len() > LONGEST - 4);
        assert_eq!(found[1], "end");
    }
}
