//! What a subtitle says, without marks of style.

use crate::types::is_unseen;

/// Elements of SubRip's HTML and of WebVTT. Whatever else stands in angle brackets is said.
const ELEMENTS: [&str; 15] = [
    "b", "br", "c", "em", "font", "i", "lang", "p", "rt", "ruby", "s", "span", "strong", "u", "v",
];
/// Longest mark, in bytes: a bracket that closes later is no mark's.
const LONGEST_MARK: usize = 512;
/// Longest text that is looked at, in bytes.
const LONGEST: usize = 1 << 16;

/// The words of a subtitle, on one line. `<i>`, `<c.red>`, `<v Name>`, times of WebVTT and `{\an8}` are left
/// out; `I <3 it` and `{gate}` stay.
pub(in crate::media) fn plain(marked: &str) -> String {
    let mut rest = &marked[..marked.floor_char_boundary(LONGEST)];
    let mut words = String::with_capacity(rest.len());
    while let Some(at) = rest.find(['<', '{']) {
        words.push_str(&rest[..at]);
        rest = &rest[at..];
        match mark(rest) {
            Some((length, between)) => {
                words.push_str(between);
                rest = &rest[length..];
            }
            None => {
                words.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
    }
    words.push_str(rest);
    let words = html_escape::decode_html_entities(&words);
    let seen = words.chars().filter_map(|c| match c {
        // Part of how a word is written, in Persian, in Hindi and of emoji.
        '\u{200c}' | '\u{200d}' => Some(c),
        c if c.is_control() || c.is_whitespace() => Some(' '),
        c => Some(c).filter(|c| !is_unseen(*c)),
    });
    let seen: String = seen.collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The length of the mark that `text` begins with, and what stands in its place.
fn mark(text: &str) -> Option<(usize, &'static str)> {
    let near = &text[..text.floor_char_boundary(LONGEST_MARK)];
    if near.starts_with("{\\") {
        return near.find('}').map(|end| (end + 1, ""));
    }
    let inside = &near[1..near.strip_prefix('<')?.find('>')? + 1];
    let length = inside.len() + 2;
    let name = inside.strip_prefix('/').unwrap_or(inside);
    let end = name
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(name.len());
    let (name, after) = name.split_at(end);
    let name = name.to_ascii_lowercase();
    let is_element = ELEMENTS.contains(&name.as_str());
    let ends = after.is_empty() || after.starts_with(|c: char| ". \t\n/".contains(c));
    let is_time = inside.contains(':')
        && inside
            .bytes()
            .all(|b| b.is_ascii_digit() || b":.".contains(&b));
    match (is_element && ends, name.as_str()) {
        (true, "br" | "p") => Some((length, " ")),
        (true, _) => Some((length, "")),
        _ => is_time.then_some((length, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_and_text_stays() {
        for (marked, words) in [
            ("<i>To the</i>\ngate {\\an8}now", "To the gate now"),
            ("<font color=\"#fff\">A</FONT> <b>truck</b>", "A truck"),
            (
                "<v Ann>Who <c.red.big>is</c> <00:01.000>there?",
                "Who is there?",
            ),
            ("I <3 it near {gate", "I <3 it near {gate"),
            ("a < b > c, {d} <sigh>", "a < b > c, {d} <sigh>"),
            ("open <b and {\\an8 for ever", "open <b and {\\an8 for ever"),
            ("one<br/>two", "one two"),
            ("5 &lt; 6 &amp; 7&nbsp;!", "5 < 6 & 7 !"),
            ("<s>out</s> <script>", "out <script>"),
            ("a\u{202e}b\u{200b}c\u{1b}[2J\u{9b}d", "abc [2J d"),
        ] {
            assert_eq!(plain(marked), words, "{marked:?}");
        }
    }
}
