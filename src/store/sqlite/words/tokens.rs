//! Text → words. Scripts written without spaces become overlapping pairs of characters, so that any
//! part of a sentence finds it.

use std::collections::VecDeque;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_script::{Script, UnicodeScript};

#[derive(Clone, Default)]
pub(super) struct Words;

impl Tokenizer for Words {
    type TokenStream<'a> = Stream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream {
        Stream {
            tokens: words(text),
            token: Token::default(),
        }
    }
}

pub(super) struct Stream {
    tokens: VecDeque<Token>,
    token: Token,
}

impl TokenStream for Stream {
    fn advance(&mut self) -> bool {
        match self.tokens.pop_front() {
            Some(token) => {
                self.token = token;
                true
            }
            None => false,
        }
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// What a character is to its word.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Letter,
    Digit,
    /// Of a script without spaces.
    Dense,
}

fn kind(c: char) -> Option<Kind> {
    let dense = [
        Script::Han,
        Script::Hiragana,
        Script::Katakana,
        Script::Thai,
    ];
    match c {
        c if dense.contains(&c.script()) => Some(Kind::Dense),
        c if c.is_numeric() => Some(Kind::Digit),
        c if c.is_alphanumeric() => Some(Kind::Letter),
        _ => None,
    }
}

/// `gate3_north` is gate, 3, north: names of files glue words together.
fn words(text: &str) -> VecDeque<Token> {
    let mut tokens = VecDeque::new();
    let mut put = |from: usize, to: usize| {
        let position = tokens.len();
        tokens.push_back(Token {
            offset_from: from,
            offset_to: to,
            position,
            text: text[from..to].to_lowercase(),
            position_length: 1,
        });
    };
    let mut run: Option<(Kind, Vec<usize>, usize)> = None;
    let mut close = |run: Option<(Kind, Vec<usize>, usize)>| match run {
        Some((Kind::Dense, starts, end)) if starts.len() > 1 => {
            for (n, from) in starts.iter().enumerate().take(starts.len() - 1) {
                put(*from, starts.get(n + 2).copied().unwrap_or(end));
            }
        }
        Some((_, starts, end)) => put(starts[0], end),
        None => {}
    };
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let now = kind(c);
        match (&mut run, now) {
            (Some((kind, starts, to)), Some(now)) if *kind == now => {
                starts.push(at);
                *to = end;
            }
            _ => {
                close(run.take());
                run = now.map(|kind| (kind, vec![at], end));
            }
        }
    }
    close(run);
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> Vec<String> {
        words(text).into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn names_and_sentences_become_words() {
        assert_eq!(
            of("/srv/Gate3_north-2024.mp4"),
            ["srv", "gate", "3", "north", "2024", "mp", "4"]
        );
        assert_eq!(of("白色汽车, a car"), ["白色", "色汽", "汽车", "a", "car"]);
        assert_eq!(of("门"), ["门"]);
        assert_eq!(of("Straße Ørsted"), ["straße", "ørsted"]);
        assert!(of(" -_- ").is_empty());
    }

    proptest! {
        #[test]
        fn offsets_are_of_the_text(text in "\\PC{0,40}") {
            for token in words(&text) {
                prop_assert_eq!(text[token.offset_from..token.offset_to].to_lowercase(), token.text);
            }
        }
    }
}
