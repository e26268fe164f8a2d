//! How lettering is compared: characters that look alike are one, words may be run together or apart, and a character
//! or two may be misread.

use std::collections::BTreeSet;

use unicode_script::{Script, UnicodeScript};

/// Words of a line that are joined, and characters of what comes of it.
const JOINED_AT_MOST: usize = 8;
const LENGTH_AT_MOST: usize = 40;
/// A line may go on behind as many characters without a space.
const PREFIX_FROM: usize = 3;

/// One character for all that it is taken for.
fn seen_as(c: char) -> char {
    match c {
        'O' | 'Q' => '0',
        'I' | 'L' | '|' => '1',
        'Z' => '2',
        'S' => '5',
        'G' => '6',
        'B' => '8',
        c => c,
    }
}

/// The words of a line; a character of a script without spaces is one by itself.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut open) = (Vec::<String>::new(), false);
    for c in line.chars().flat_map(char::to_uppercase) {
        let dense = matches!(
            c.script(),
            Script::Han | Script::Hiragana | Script::Katakana | Script::Thai
        );
        if !c.is_alphanumeric() && c != '|' {
            open = false;
            continue;
        }
        match words.last_mut() {
            Some(last) if open && !dense => last.push(seen_as(c)),
            _ => words.push(seen_as(c).into()),
        }
        open = !dense;
    }
    words
}

/// What a line is found by: each of its words, and neighbours run together.
pub(super) fn runs(line: &str) -> BTreeSet<String> {
    let words = words(line);
    let mut runs = BTreeSet::new();
    for from in 0..words.len() {
        let mut run = String::new();
        for word in words[from..].iter().take(JOINED_AT_MOST) {
            run += word;
            if run.chars().count() > LENGTH_AT_MOST {
                break;
            }
            runs.insert(run.clone());
        }
    }
    runs
}

/// What is asked for, in the same spelling; empty where it holds no letter and no digit.
pub(super) fn spelling(asked: &str) -> String {
    words(asked).concat()
}

/// So many characters of it may be misread.
pub(super) fn misread_at_most(spelling: &str) -> u8 {
    match spelling.chars().count() {
        0..=3 => 0,
        4..=6 => 1,
        _ => 2,
    }
}

/// Whether lines that only begin with it are looked at.
pub(super) fn may_go_on(spelling: &str) -> bool {
    spelling.chars().count() >= PREFIX_FROM
}

/// How many characters of a line are misread where it holds what is asked for; `None` where it does not. That it goes
/// on without a space counts as one.
pub fn misread(line: &str, asked: &str) -> Option<u8> {
    let asked = spelling(asked);
    if asked.is_empty() {
        return None;
    }
    let most = misread_at_most(&asked);
    let of_run = |run: &String| {
        let edits = strsim::levenshtein(run, &asked);
        let edits = u8::try_from(edits).ok().filter(|edits| *edits <= most);
        let goes_on = may_go_on(&asked) && run.starts_with(&asked);
        edits.or(goes_on.then_some(1))
    };
    runs(line).iter().filter_map(of_run).min()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lettering_is_found_as_it_is_misread() {
        for (line, asked, misread_by) in [
            ("JCN", "jcn", Some(0)),
            ("JCN LOGISTICS", "JCN", Some(0)),
            ("JCNLOGISTICS", "JCN", Some(1)),
            ("JCM", "JCN", None),
            ("B-MW 1234", "B MW 1234", Some(0)),
            ("8MW I234", "B MW 1234", Some(0)),
            ("BNW 1284 D", "B MW 1234", Some(2)),
            ("BNN 1284", "B MW 1234", None),
            ("TAXI BMW1234", "B MW 1234", Some(0)),
            ("沪A·12345", "沪A12345", Some(0)),
            ("顺丰速运", "顺丰", Some(0)),
            ("顺丰速运", "速运", Some(0)),
            ("顺丰速运", "速递", None),
            ("STOP", "5T0P", Some(0)),
            ("STOP", "SHOP", Some(1)),
            ("STOP", "", None),
            ("", "STOP", None),
        ] {
            assert_eq!(misread(line, asked), misread_by, "{line:?} {asked:?}");
        }
    }

    proptest! {
        #[test]
        fn a_line_holds_its_own_words(line in "\\PC{0,60}") {
            prop_assert!(runs(&line).len() <= JOINED_AT_MOST * line.chars().count().max(1) * 3);
            for word in line.split_whitespace() {
                let short = spelling(word).chars().count() <= LENGTH_AT_MOST && words(word).len() <= JOINED_AT_MOST;
                if !spelling(word).is_empty() && short {
                    prop_assert_eq!(misread(&line, word), Some(0));
                }
            }
        }
    }
}
