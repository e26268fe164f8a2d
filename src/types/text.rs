//! Characters that are not seen.

/// Whether a character does something to what is shown around it, or nothing that can be seen: C0 and C1
/// controls, those that turn the direction of text (UAX #9), zero-width ones, breaks of lines, tags. Never
/// letters, accents or white space between words.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_unseen_and_letters_are_not() {
        let unseen = "\0\u{1b}\n\u{7f}\u{9b}\u{200b}\u{200d}\u{202e}\u{2066}\u{feff}\u{e0041}";
        assert!(unseen.chars().all(is_unseen));
        // An accent, a space, a variation of an emoji.
        let seen = "a\u{e9}e\u{301} \u{a0}\u{4e00}\u{661}\u{1f6a2}\u{fe0f}";
        assert!(!seen.chars().any(is_unseen));
    }
}
