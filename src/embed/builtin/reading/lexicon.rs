//! Chinese words for what can be seen, and their English (lexicon.tsv, written for vsearch).

use std::collections::HashMap;
use std::sync::OnceLock;

static TABLE: &str = include_str!("lexicon.tsv");

/// What a word does in a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A noun that can head a question.
    Thing,
    /// Something worn.
    Garment,
    Colour,
    Action,
    /// A verb of wearing.
    Wear,
    /// It announces lettering.
    Lettering,
    Place,
    /// Light, weather and time of day.
    Time,
    Count,
    Relation,
    /// A make of cars.
    Make,
    Size,
    /// It carries nothing in a question.
    Ignore,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "thing" => Self::Thing,
            "garment" => Self::Garment,
            "colour" => Self::Colour,
            "action" => Self::Action,
            "wear" => Self::Wear,
            "lettering" => Self::Lettering,
            "place" => Self::Place,
            "time" => Self::Time,
            "count" => Self::Count,
            "relation" => Self::Relation,
            "make" => Self::Make,
            "size" => Self::Size,
            "ignore" => Self::Ignore,
            _ => return None,
        })
    }
}

/// A word of the lexicon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) english: &'static str,
}

pub(super) struct Lexicon {
    words: HashMap<&'static str, Entry>,
    longest: usize,
}

impl Lexicon {
    pub(super) fn get() -> &'static Self {
        static LEXICON: OnceLock<Lexicon> = OnceLock::new();
        LEXICON.get_or_init(|| {
            let rows = TABLE.lines().filter_map(|line| {
                let mut columns = line.split('\t');
                let (word, kind, english) = (columns.next()?, columns.next()?, columns.next()?);
                let kind = Kind::named(kind)?;
                Some((word, Entry { kind, english }))
            });
            let words: HashMap<&str, Entry> = rows.collect();
            let longest = words.keys().map(|w| w.chars().count()).max().unwrap_or(0);
            Self { words, longest }
        })
    }

    pub(super) fn get_word(&self, word: &str) -> Option<Entry> {
        self.words.get(word).copied()
    }

    /// Characters of the longest word.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lexicon_is_sound() {
        let mut seen = std::collections::HashSet::new();
        for line in TABLE.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            assert_eq!(columns.len(), 3, "{line}");
            assert!(Kind::named(columns[1]).is_some(), "{line}");
            assert!(seen.insert(columns[0]), "twice: {line}");
            assert!(!columns[2].trim().is_empty(), "{line}");
        }
        assert!(seen.len() > 900);
    }

    #[test]
    fn every_class_of_things_can_be_asked_for() {
        let english: std::collections::HashSet<&str> =
            Lexicon::get().words.values().map(|e| e.english).collect();
        for class in crate::types::Class::all() {
            assert!(english.contains(class.name()), "{class}");
        }
    }
}
