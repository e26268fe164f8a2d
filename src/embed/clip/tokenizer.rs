//! CLIP's byte-pair encoding: the text cleaned as open_clip does, split, encoded, framed by the
//! start and end tokens.

use std::sync::OnceLock;

use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{SplitDelimiterBehavior, Tokenizer};

use super::EmbedError;

/// OpenAI's merges, most frequent first (NOTICE).
const MERGES: &str = include_str!("../../../models/clip-merges.txt");
const WORD_END: &str = "</w>";
const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";
/// What is one word, letters' case aside.
const WORDS: &str = r"(?i)'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+";

#[derive(Clone)]
pub(super) struct ClipTokenizer {
    inner: &'static Tokenizer,
    start: u32,
    end: u32,
}

impl ClipTokenizer {
    pub(super) fn new() -> Self {
        static BUILT: OnceLock<Tokenizer> = OnceLock::new();
        let inner = BUILT.get_or_init(build);
        let id = |token| inner.token_to_id(token).expect("the vocabulary holds it");
        Self {
            inner,
            start: id(START),
            end: id(END),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Start, at most `context - 2` tokens of the text, end.
    pub(super) fn encode(&self, text: &str, context: usize) -> Result<Vec<u32>, EmbedError> {
        let encoding = self.inner.encode_fast(clean(text), false)?;
        let room = context.saturating_sub(2);
        let words = encoding.get_ids().iter().copied().take(room);
        let framed = std::iter::once(self.start).chain(words);
        Ok(framed.chain([self.end]).collect())
    }
}

/// `whitespace_clean(basic_clean(text)).lower()` of open_clip.
fn clean(text: &str) -> String {
    let fixed = plsfix::fix_text(&without_escapes(text), None);
    let once = html_escape::decode_html_entities(&fixed).into_owned();
    let twice = html_escape::decode_html_entities(&once);
    let words: Vec<&str> = twice.split(is_space).filter(|w| !w.is_empty()).collect();
    words.join(" ").to_lowercase()
}

/// Drops terminal colours (`ESC [ 31 m`), which ftfy drops and plsfix keeps.
fn without_escapes(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        match rest.chars().next().filter(char::is_ascii_alphabetic) {
            Some(_) => out.push_str(&rest[1..]),
            None => out.extend(["\u{1b}[", part]),
        }
    }
    out
}

/// White space as Python has it: the four separators of ASCII as well.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn build() -> Tokenizer {
    let merges: Vec<(String, String)> = MERGES
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect();
    // OpenAI's order of bytes: those that print first, as GPT-2's byte-to-character table.
    let mut bytes: Vec<String> = byte_characters().map(String::from).collect();
    let ends: Vec<String> = bytes.iter().map(|b| format!("{b}{WORD_END}")).collect();
    bytes.extend(ends);
    let joined = merges.iter().map(|(a, b)| format!("{a}{b}"));
    let framed = [START, END].map(str::to_owned);
    let vocabulary = bytes.into_iter().chain(joined).chain(framed);
    let vocabulary = vocabulary
        .zip(0u32..)
        .collect::<std::collections::HashMap<_, _>>();
    let bpe = BPE::builder()
        .vocab_and_merges(
            vocabulary
                .into_iter()
                .collect::<tokenizers::models::bpe::Vocab>(),
            merges,
        )
        .end_of_word_suffix(WORD_END.into())
        .build()
        .expect("the merges fit their vocabulary");
    let words = Split::new(
        SplitPattern::Regex(WORDS.into()),
        SplitDelimiterBehavior::Removed,
        true,
    )
    .expect("a valid pattern");
    let mut tokenizer = Tokenizer::new(bpe);
    let steps = vec![words.into(), ByteLevel::new(false, false, false).into()];
    tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
    tokenizer
}

/// The character that stands for each byte, in the order of OpenAI's vocabulary.
fn byte_characters() -> impl Iterator<Item = char> {
    let printing = (b'!'..=b'~').chain(0xa1..=0xac).chain(0xae..=0xff);
    let own = printing.clone().map(char::from);
    let missing = (0..=255u8).filter(move |b| !printing.clone().any(|p| p == *b));
    own.chain(missing.zip(256u32..).filter_map(|(_, c)| char::from_u32(c)))
}
