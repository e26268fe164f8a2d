//! CLIP's byte-pair encoding: the text cleaned as open_clip does, split, encoded, framed by the
//! start and end tokens.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{SplitDelimiterBehavior, Tokenizer};

use super::{ClipError, EmbedError, config};

/// OpenAI's merges, most frequent first (NOTICE).
const MERGES: &str = include_str!("../../../models/clip-merges.txt");
/// Largest file of a tokenizer, in bytes: CLIP's have two to four million.
pub(super) const LARGEST: u64 = 16 << 20;
const WORD_END: &str = "</w>";
const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";
/// What is one word, letters' case aside.
const WORDS: &str = r"(?i)'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+";

/// Which pairs are joined, the most frequent first.
type Merges = Vec<(String, String)>;

#[derive(Clone)]
pub(super) struct ClipTokenizer {
    inner: Arc<Tokenizer>,
    start: u32,
    end: u32,
}

impl ClipTokenizer {
    /// OpenAI's, which every published CLIP with a causal text tower was trained with.
    pub(super) fn openai() -> Self {
        static BUILT: OnceLock<ClipTokenizer> = OnceLock::new();
        let built = BUILT.get_or_init(|| {
            let (vocabulary, merges) = openai();
            Self::build(vocabulary, merges).expect("OpenAI's merges fit their vocabulary")
        });
        built.clone()
    }

    /// The tokenizer of the model in `dir`: its `tokenizer.json`, else `vocab.json` and
    /// `merges.txt`, else OpenAI's.
    ///
    /// # Errors
    /// Where a file cannot be read, or the tokens are not the `size` the model has.
    pub(super) fn open(dir: &Path, size: usize) -> Result<Self, ClipError> {
        let tokenizer = match in_folder(dir)? {
            Some((path, vocabulary, merges)) => {
                fits(dir, vocabulary.len(), size)?;
                let built = Self::checked(vocabulary, merges, size);
                built.map_err(|reason| ClipError::BadConfig { path, reason })?
            }
            None => Self::openai(),
        };
        match tokenizer.inner.get_vocab_size(true) {
            found if found == size => Ok(tokenizer),
            found => Err(ClipError::Tokenizer {
                dir: dir.into(),
                found,
                expected: size,
            }),
        }
    }

    /// As [`Self::build`], where tokens and merges are such as a model of `size` tokens has.
    fn checked(
        vocabulary: HashMap<String, u32>,
        merges: Merges,
        size: usize,
    ) -> Result<Self, String> {
        let beyond = vocabulary.values().find(|id| **id as usize >= size);
        if let Some(id) = beyond {
            return Err(format!(
                "its model.vocab numbers a token {id}, of {size} tokens"
            ));
        }
        // Each makes a token of two.
        if merges.len() > size {
            let count = merges.len();
            return Err(format!(
                "its merges are {count}, more than its {size} tokens"
            ));
        }
        Self::build(vocabulary, merges)
    }

    fn build(vocabulary: HashMap<String, u32>, merges: Merges) -> Result<Self, String> {
        let bpe = BPE::builder()
            .vocab_and_merges(vocabulary.into_iter().collect::<Vocab>(), merges)
            .end_of_word_suffix(WORD_END.into())
            .build()
            .map_err(|e| e.to_string())?;
        let words = Split::new(
            SplitPattern::Regex(WORDS.into()),
            SplitDelimiterBehavior::Removed,
            true,
        )
        .expect("a valid pattern");
        let mut inner = Tokenizer::new(bpe);
        let steps = vec![words.into(), ByteLevel::new(false, false, false).into()];
        inner.with_pre_tokenizer(Some(Sequence::new(steps)));
        let id = |token| inner.token_to_id(token).ok_or(format!("has no {token}"));
        let (start, end) = (id(START)?, id(END)?);
        let inner = Arc::new(inner);
        Ok(Self { inner, start, end })
    }

    /// Start, at most `context - 2` tokens of the text, end.
    pub(super) fn encode(&self, text: &str, context: usize) -> Result<Vec<u32>, EmbedError> {
        let encoding = self.inner.encode_fast(clean(text), false)?;
        Ok(framed(encoding.get_ids(), self.start, self.end, context))
    }
}

/// Refuses more tokens than the model has before anything is built of them.
pub(super) fn fits(dir: &Path, found: usize, expected: usize) -> Result<(), ClipError> {
    match found <= expected {
        true => Ok(()),
        false => Err(ClipError::Tokenizer {
            dir: dir.into(),
            found,
            expected,
        }),
    }
}

/// `first`, as many of `ids` as leave room in the context, `last`.
pub(super) fn framed(ids: &[u32], first: u32, last: u32, context: usize) -> Vec<u32> {
    let kept = &ids[..ids.len().min(context.saturating_sub(2))];
    [&[first], kept, &[last]].concat()
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

/// OpenAI's vocabulary, built as theirs is: bytes, bytes that end a word, what merges make, frame.
pub(super) fn openai() -> (HashMap<String, u32>, Merges) {
    let pairs = MERGES.lines().filter_map(|line| line.split_once(' '));
    let merges: Merges = pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    // OpenAI's order of bytes: those that print first, as GPT-2's byte-to-character table.
    let bytes: Vec<String> = byte_characters().map(String::from).collect();
    let ends: Vec<String> = bytes.iter().map(|b| format!("{b}{WORD_END}")).collect();
    let joined = merges.iter().map(|(a, b)| format!("{a}{b}"));
    let framed = [START, END].map(str::to_owned);
    let vocabulary = bytes.into_iter().chain(ends).chain(joined).chain(framed);
    (vocabulary.zip(0..).collect(), merges)
}

/// What a folder says of its tokenizer, and in which file.
type InFolder = (PathBuf, HashMap<String, u32>, Merges);

fn in_folder(dir: &Path) -> Result<Option<InFolder>, ClipError> {
    #[derive(Deserialize)]
    struct File {
        model: Model,
    }
    #[derive(Deserialize)]
    struct Model {
        vocab: HashMap<String, u32>,
        merges: Vec<Merge>,
    }
    /// Written as one word or as two, by the age of the file.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Merge {
        Pair(String, String),
        Line(String),
    }
    let [whole, vocabulary, merges] =
        ["tokenizer.json", "vocab.json", "merges.txt"].map(|name| dir.join(name));
    if whole.is_file() {
        let Model { vocab, merges } = config::parse::<File>(&whole, LARGEST)?.model;
        let pair = |m| match m {
            Merge::Pair(a, b) => Some((a, b)),
            Merge::Line(line) => pair_of(&line),
        };
        let merges = merges.into_iter().filter_map(pair).collect();
        return Ok(Some((whole, vocab, merges)));
    }
    if vocabulary.is_file() && merges.is_file() {
        let text = config::read(&merges, LARGEST)?;
        // The first line is a comment on the version.
        let lines = text.lines().filter(|l| !l.starts_with("#version"));
        let pairs = lines.filter_map(pair_of).collect();
        let vocab = config::parse(&vocabulary, LARGEST)?;
        return Ok(Some((vocabulary, vocab, pairs)));
    }
    Ok(None)
}

fn pair_of(line: &str) -> Option<(String, String)> {
    let (a, b) = line.split_once(' ')?;
    Some((a.to_owned(), b.to_owned()))
}

/// The character that stands for each byte, in the order of OpenAI's vocabulary.
fn byte_characters() -> impl Iterator<Item = char> {
    let printing = (b'!'..=b'~').chain(0xa1..=0xac).chain(0xae..=0xff);
    let own = printing.clone().map(char::from);
    let missing = (0..=255u8).filter(move |b| !printing.clone().any(|p| p == *b));
    own.chain(missing.zip(256u32..).filter_map(|(_, c)| char::from_u32(c)))
}
