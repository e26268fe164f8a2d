//! A Chinese question about what can be seen → English, in English order.
//!
//! It is cut into as few words of the lexicon as can be. What stands before 的 tells more of what stands after it: the
//! last noun is what is asked for, and comes first in English, with what it wears, does and where after it.

use super::lexicon::{Entry, Kind, Lexicon};

/// What a question says in English, and the words of it that are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) english: String,
    pub(super) unknown: Vec<String>,
}

/// A piece of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Known(Entry),
    /// 的, which ties what stands before it to what follows.
    Of,
    /// Letters and digits as they stand.
    Latin(String),
}

/// The parts of what is asked for, in English order.
#[derive(Debug, Default)]
struct Phrase {
    count: Option<&'static str>,
    adjectives: Vec<&'static str>,
    head: Option<String>,
    /// What follows the head: worn, done, printed, where, when.
    after: Vec<String>,
}

pub(super) fn translate(text: &str) -> Translated {
    let (words, unknown) = cut(text);
    let clauses: Vec<&[Word]> = words.split(|w| *w == Word::Of).collect();
    let Some((last, before)) = clauses.split_last() else {
        return Translated {
            english: String::new(),
            unknown,
        };
    };
    let mut phrase = Phrase::default();
    read(last, true, &mut phrase);
    for clause in before {
        read(clause, phrase.head.is_none(), &mut phrase);
    }
    Translated {
        english: phrase.english(),
        unknown,
    }
}

/// Whether a question has Chinese in it.
pub(super) fn is_chinese(text: &str) -> bool {
    text.chars().any(is_han)
}

fn is_han(c: char) -> bool {
    use unicode_script::{Script, UnicodeScript};
    c.script() == Script::Han
}

/// The words of a question, and what of it is in no lexicon.
fn cut(text: &str) -> (Vec<Word>, Vec<String>) {
    let (mut words, mut unknown) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_han(c) != is_han(first));
        let (run, after) = rest.split_at(end.unwrap_or(rest.len()));
        if is_han(first) {
            cut_han(run, &mut words, &mut unknown);
        } else {
            let letters = run.trim_matches(|c: char| !c.is_alphanumeric());
            let number = NUMBERS.iter().find(|(digits, _)| *digits == letters);
            if let Some((_, english)) = number.filter(|_| !words_print(&words)) {
                let kind = Kind::Count;
                words.push(Word::Known(Entry { kind, english }));
            } else if !letters.is_empty() {
                words.push(Word::Latin(letters.to_owned()));
            }
        }
        rest = after;
    }
    (words, unknown)
}

/// Digits before a noun are how many there are.
const NUMBERS: &[(&str, &str)] = &[
    ("1", "one"),
    ("2", "two"),
    ("3", "three"),
    ("4", "four"),
    ("5", "five"),
    ("6", "six"),
];

/// Whether the last word announces lettering: digits after it are what is printed.
fn words_print(words: &[Word]) -> bool {
    matches!(words.last(), Some(Word::Known(e)) if e.kind == Kind::Lettering)
}

/// The best way to cut what follows a character: characters left over, words, and the sum of the squares of the lengths
/// of words, so that of two equal ways the one with a longer word wins.
type Cost = (usize, usize, std::cmp::Reverse<usize>);

/// Cuts Chinese characters into words: as few as can be are left over, and then as few words as can be are made.
fn cut_han(run: &str, words: &mut Vec<Word>, unknown: &mut Vec<String>) {
    let lexicon = Lexicon::get();
    let ends: Vec<usize> = run.char_indices().map(|(i, c)| i + c.len_utf8()).collect();
    let starts = |i: usize| if i == 0 { 0 } else { ends[i - 1] };
    // From each character on: the cost, the characters of the first word, and what it is.
    let mut best: Vec<(Cost, usize, Option<Word>)> = vec![((0, 0, std::cmp::Reverse(0)), 0, None)];
    for from in (0..ends.len()).rev() {
        let after = |length: usize| best[ends.len() - from - length].0;
        let (left, count, squares) = after(1);
        let mut choice = ((left + 1, count, squares), 1, None);
        for length in 1..=lexicon.longest().min(ends.len() - from) {
            let text = &run[starts(from)..ends[from + length - 1]];
            let word = match (text, lexicon.get_word(text)) {
                ("的" | "之", _) => Word::Of,
                (_, Some(entry)) => Word::Known(entry),
                _ => continue,
            };
            let (left, count, std::cmp::Reverse(squares)) = after(length);
            let cost = (
                left,
                count + 1,
                std::cmp::Reverse(squares + length * length),
            );
            if cost <= choice.0 {
                choice = (cost, length, Some(word));
            }
        }
        best.push(choice);
    }
    let (mut at, mut left_over) = (0, String::new());
    while at < ends.len() {
        let (_, length, word) = &best[ends.len() - at];
        match word {
            None => left_over += &run[starts(at)..ends[at + length - 1]],
            Some(word) => {
                unknown.extend(Some(std::mem::take(&mut left_over)).filter(|l| !l.is_empty()));
                words.push(word.clone());
            }
        }
        at += length;
    }
    unknown.extend(Some(left_over).filter(|l| !l.is_empty()));
}

/// Reads one clause into the phrase. `heads`: its noun is what is asked for.
fn read(words: &[Word], heads: bool, phrase: &mut Phrase) {
    let mut words = words.iter().peekable();
    // Colours and sizes, and how many, of the noun that is to come.
    let (mut adjectives, mut count): (Vec<&'static str>, Option<&'static str>) = (Vec::new(), None);
    // What a verb or a preposition waits for: its noun comes next.
    let mut open: Option<String> = None;
    while let Some(word) = words.next() {
        let entry = match word {
            Word::Of => continue,
            Word::Latin(letters) => {
                phrase.print(&mut open, letters);
                continue;
            }
            Word::Known(entry) => *entry,
        };
        match entry.kind {
            Kind::Ignore => {}
            Kind::Colour | Kind::Size => adjectives.push(entry.english),
            Kind::Count => count = Some(entry.english),
            Kind::Wear => open = Some(entry.english.to_owned()),
            Kind::Action => {
                phrase.close(&mut open);
                open = Some(entry.english.to_owned());
            }
            Kind::Lettering => {
                let noun = noun(&mut adjectives, &mut count, entry.english);
                match (
                    heads && phrase.head.is_none() && words.peek().is_none(),
                    is_verb(entry.english),
                ) {
                    (true, false) => phrase.set_head(noun),
                    (_, false) if open.is_some() => phrase.finish(&mut open, &noun),
                    (_, false) => open = Some(format!("with {noun}")),
                    (_, true) => open = Some(entry.english.to_owned()),
                }
            }
            Kind::Thing | Kind::Make => {
                let follows = next_is_noun(&mut words);
                // "white BMW car": a make before its noun tells of which kind it is.
                if entry.kind == Kind::Make && follows {
                    adjectives.push(entry.english);
                    continue;
                }
                let related = next_relation(&mut words);
                if let Some(relation) = related {
                    words.next();
                    let noun = noun(&mut adjectives, &mut count, entry.english);
                    open = None;
                    phrase.after.push(format!("{relation} {noun}"));
                } else if open.is_some() {
                    let noun = noun(&mut adjectives, &mut count, entry.english);
                    phrase.finish(&mut open, &noun);
                } else if heads && phrase.head.is_none() {
                    phrase.adjectives.append(&mut adjectives);
                    phrase.count = phrase.count.or(count.take());
                    phrase.head = Some(entry.english.to_owned());
                } else {
                    let noun = noun(&mut adjectives, &mut count, entry.english);
                    phrase.after.push(format!("with {noun}"));
                }
            }
            Kind::Garment => {
                let noun = noun(&mut adjectives, &mut count, entry.english);
                if open.is_some() {
                    phrase.finish(&mut open, &noun);
                } else if heads && phrase.head.is_none() && words.peek().is_none() {
                    phrase.set_head(noun);
                } else {
                    phrase.after.push(format!("wearing {noun}"));
                }
            }
            Kind::Place => {
                let relation = next_relation(&mut words).unwrap_or("in");
                if next_relation(&mut words).is_some() {
                    words.next();
                }
                phrase.close(&mut open);
                let place = noun(&mut adjectives, &mut count, entry.english);
                match phrase.head.is_none() && heads && words.peek().is_none() {
                    true => phrase.set_head(place),
                    false => phrase.after.push(format!("{relation} {place}")),
                }
            }
            Kind::Time => {
                phrase.close(&mut open);
                match heads && phrase.head.is_none() && words.peek().is_none() {
                    true => phrase.set_head(entry.english.to_owned()),
                    false => phrase.after.push(entry.english.to_owned()),
                }
            }
            Kind::Relation => {
                phrase.close(&mut open);
                open = Some(entry.english.to_owned());
            }
        }
    }
    phrase.close(&mut open);
    // Nothing came for them: they tell of what is asked for.
    phrase.adjectives.append(&mut adjectives);
    phrase.count = phrase.count.or(count);
}

/// "printed with" and not "plate".
fn is_verb(lettering: &str) -> bool {
    lettering.ends_with(" with") || lettering.ends_with("ing") && lettering != "lettering"
}

type Words<'w> = std::iter::Peekable<std::slice::Iter<'w, Word>>;

fn next_is_noun(words: &mut Words) -> bool {
    matches!(
        words.peek(),
        Some(Word::Known(Entry {
            kind: Kind::Thing,
            ..
        }))
    )
}

/// "beside" of 汽车旁边: what follows the noun it is of.
fn next_relation(words: &mut Words) -> Option<&'static str> {
    match words.peek() {
        Some(Word::Known(e)) if e.kind == Kind::Relation && !ties(e.english) => Some(e.english),
        _ => None,
    }
}

/// It stands between two nouns, and not after the first.
fn ties(relation: &str) -> bool {
    matches!(relation, "and" | "with" | "without" | "or")
}

/// A noun with what is told of it, and an article.
fn noun(
    adjectives: &mut Vec<&'static str>,
    count: &mut Option<&'static str>,
    name: &str,
) -> String {
    let told = std::mem::take(adjectives);
    described(count.take(), &told, name)
}

fn described(count: Option<&str>, adjectives: &[&str], name: &str) -> String {
    let mut words: Vec<&str> = adjectives.to_vec();
    words.push(name);
    let words = words.join(" ");
    match count {
        None | Some("a" | "an" | "one") if is_plural(name) => words,
        None | Some("a" | "an" | "one") => {
            let vowel = words.starts_with(['a', 'e', 'i', 'o', 'u']);
            format!("{} {words}", if vowel { "an" } else { "a" })
        }
        Some(count) => format!("{count} {}", plural(&words)),
    }
}

fn is_plural(name: &str) -> bool {
    name.ends_with('s') && !name.ends_with("ss") && !name.ends_with("us")
}

fn plural(words: &str) -> String {
    let irregular = [
        ("person", "people"),
        ("man", "men"),
        ("child", "children"),
        ("sheep", "sheep"),
        ("knife", "knives"),
    ];
    for (one, many) in irregular {
        if let Some(before) = words.strip_suffix(one) {
            return format!("{before}{many}");
        }
    }
    match words {
        w if is_plural(w) => w.to_owned(),
        w if w.ends_with(['s', 'x']) || w.ends_with("ch") || w.ends_with("sh") => format!("{w}es"),
        w => format!("{w}s"),
    }
}

impl Phrase {
    fn set_head(&mut self, noun: String) {
        let bare = noun.strip_prefix("a ").or_else(|| noun.strip_prefix("an "));
        self.head = Some(bare.map_or(noun.clone(), str::to_owned));
    }

    /// What a verb or preposition waited for.
    fn finish(&mut self, open: &mut Option<String>, noun: &str) {
        if let Some(verb) = open.take() {
            self.after.push(format!("{verb} {noun}"));
        }
    }

    /// Nothing more comes for it.
    fn close(&mut self, open: &mut Option<String>) {
        self.after.extend(open.take());
    }

    /// Letters that stand in the picture, or a name.
    fn print(&mut self, open: &mut Option<String>, letters: &str) {
        let before = open.take().unwrap_or_default();
        let said = format!("{before} {letters}");
        self.after.push(said.trim().to_owned());
    }

    fn english(mut self) -> String {
        if self.head.is_none() {
            // Only what is told of something: "running", "in blue".
            let told = self.adjectives.drain(..).map(str::to_owned);
            let mut words: Vec<String> = told.collect();
            words.append(&mut self.after);
            return words.join(" ");
        }
        let head = self.head.unwrap_or_default();
        let mut words = vec![described(self.count, &self.adjectives, &head)];
        words.append(&mut self.after);
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn english(text: &str) -> String {
        translate(text).english
    }

    #[test]
    fn what_is_asked_for_comes_first() {
        for (chinese, expected) in [
            ("白色的汽车", "a white car"),
            ("白色宝马", "a white BMW"),
            ("骑自行车的人", "a person riding a bicycle"),
            ("红色公交车", "a red bus"),
            ("两只狗", "two dogs"),
            ("汽车旁边的人", "a person beside a car"),
            ("3个人", "three people"),
        ] {
            assert_eq!(english(chinese), expected, "{chinese}");
        }
    }

    #[test]
    fn the_questions_of_the_lecture_are_understood() {
        let bicycle = english("穿着蓝色上衣骑自行车的人");
        assert!(bicycle.starts_with("a person "), "{bicycle}");
        assert!(
            bicycle.contains("blue") && bicycle.contains("riding a bicycle"),
            "{bicycle}"
        );
        let truck = english("印有JCN的卡车");
        assert!(
            truck.starts_with("a truck ") && truck.ends_with("JCN"),
            "{truck}"
        );
    }

    #[test]
    fn what_is_not_known_is_named() {
        let t = translate("白色的魑魅");
        assert_eq!(t.unknown, ["魑魅"]);
        assert_eq!(translate("").english, "");
        assert_eq!(translate("的的的").english, "");
    }
}
