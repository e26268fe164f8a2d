//! What a query asks for: its parts, by text, by picture and by what was taught.

use std::path::Path;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::input::picture;
use crate::embed::{EmbedError, Embedder, Templates, store, unread_script};
use crate::index::Reader;
use crate::search::{Part, Question, Source};
use crate::types::{Embedding, VectorId};

/// The name under which the hits of the last query are kept.
const LAST_HITS: &str = "last-hits";
const WEIGHTS: std::ops::RangeInclusive<f64> = 0.01..=100.0;
/// A part that counts so many times less than another changes nothing.
const UNBALANCED: f64 = 100.0;

#[derive(Debug, Args)]
#[command(next_help_heading = "What to look for")]
pub(super) struct AskArgs {
    /// A sentence, or @NAME for what was taught; parts are joined by " + " and taken off by " - "
    #[arg(required_unless_present_any = ["image", "text", "like", "and"])]
    sentence: Option<String>,
    /// This too; counts as much as the sentence, or WEIGHT times as much
    #[arg(long, value_name = "SENTENCE[:WEIGHT]")]
    and: Vec<String>,
    /// But not this: what stands out by it falls back
    #[arg(long, value_name = "SENTENCE[:WEIGHT]")]
    not: Vec<String>,
    /// Moments like a picture: a file, or the frame of a video at a time
    #[arg(long, value_name = "FILE|VIDEO@TIME[:WEIGHT]")]
    image: Vec<String>,
    /// Moments like an earlier hit: its number in the last query, or VIDEO@TIME
    #[arg(long, value_name = "HIT[:WEIGHT]")]
    like: Vec<String>,
    /// Words in paths, cameras, tags, notes and subtitles, not pictures
    #[arg(long, value_name = "WORDS", conflicts_with_all = ["sentence", "and", "not", "image", "like", "templates"])]
    text: Option<String>,
    /// What such words count beside pictures when a sentence is asked: 0 leaves them out
    #[arg(long, value_name = "WEIGHT", default_value_t = Question::WORDS_WEIGHT, value_parser = words_weight)]
    text_weight: f64,
    /// Phrasings that are averaged: none, photo, cctv, or a file of one a line with {}
    #[arg(long, value_name = "NAME|FILE", default_value = "none")]
    templates: String,
}

impl AskArgs {
    /// # Errors
    /// What cannot be asked, with the command that can.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match &self.sentence {
            Some(s) if s.trim().is_empty() => Err(EmbedError::EmptyText.into()),
            _ => Ok(()),
        }
    }

    /// The set of phrasings that are averaged, where there is one.
    pub(super) fn templates(&self) -> Option<&str> {
        Some(self.templates.as_str()).filter(|t| *t != "none")
    }

    /// Only words are looked for.
    pub(super) fn is_words(&self) -> bool {
        self.text.is_some()
    }

    /// The question as a model understands it.
    pub(super) fn question(
        &self,
        reader: &Reader,
        embedder: &dyn Embedder,
    ) -> Result<Question, Failure> {
        let asker = self.asker(reader, embedder)?;
        let mut question = match &self.sentence {
            Some(sentence) => asker.sentence(sentence)?,
            None => Question::of(Vec::new()),
        };
        for text in &self.and {
            question.wanted.push(asker.part(text)?);
        }
        let words = said(&question);
        for text in &self.not {
            question.unwanted.push(asker.part(text)?);
        }
        for named in &self.image {
            question.wanted.push(asker.image(named)?);
        }
        for named in &self.like {
            question.wanted.push(asker.like(named)?);
        }
        question.words = self.text.clone().or(words);
        question.words_weight = self.text_weight;
        consistent(&question)?;
        Ok(question)
    }

    fn asker<'a>(
        &self,
        reader: &'a Reader,
        embedder: &'a dyn Embedder,
    ) -> Result<Asker<'a>, Failure> {
        Ok(Asker {
            reader,
            embedder,
            templates: Templates::named(&self.templates)?,
        })
    }

    /// The question of a later step of a sequence.
    pub(super) fn then(
        &self,
        sentence: &str,
        reader: &Reader,
        embedder: &dyn Embedder,
    ) -> Result<Question, Failure> {
        let question = self.asker(reader, embedder)?.sentence(sentence)?;
        consistent(&question)?;
        Ok(question)
    }
}

/// The words of what is wanted.
fn said(question: &Question) -> Option<String> {
    let sentences = question
        .wanted
        .iter()
        .filter(|p| p.source == Source::Sentence);
    let names: Vec<&str> = sentences.map(|p| p.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

struct Asker<'a> {
    reader: &'a Reader,
    embedder: &'a dyn Embedder,
    templates: Templates,
}

impl Asker<'_> {
    /// A sentence that may be composed: `white car + at night:0.5 - parking lot`.
    fn sentence(&self, text: &str) -> Result<Question, Failure> {
        let mut question = Question::of(Vec::new());
        let parts = composed(text);
        // A sentence alone keeps its colons: it has nothing to weigh against.
        if let [(_, sentence)] = parts[..] {
            question.wanted.push(self.named(sentence)?);
            return Ok(question);
        }
        for (wanted, part) in parts {
            let part = self.part(part)?;
            match wanted {
                true => question.wanted.push(part),
                false => question.unwanted.push(part),
            }
        }
        Ok(question)
    }

    fn part(&self, text: &str) -> Result<Part, Failure> {
        let (text, weight) = weighted(text, |_| false)?;
        let part = self.named(text)?;
        Ok(Part { weight, ..part })
    }

    /// A sentence, or `@` and the name of a concept.
    fn named(&self, text: &str) -> Result<Part, Failure> {
        match text.trim().strip_prefix('@') {
            Some(name) => self.concept(name),
            None => Ok(Part::sentence(text.trim(), self.embed(text)?)),
        }
    }

    fn embed(&self, text: &str) -> Result<Embedding, Failure> {
        if let Some(script) = unread_script(self.embedder, text) {
            note!("{}", unread(self.embedder.name(), script));
        }
        Ok(self.templates.embed(self.embedder, text)?)
    }

    fn concept(&self, name: &str) -> Result<Part, Failure> {
        let model = self.reader.model(self.embedder.fingerprint())?;
        let found = match &model {
            Some(model) => self.reader.concept(model, name)?,
            None => None,
        };
        if let Some(part) = found.as_ref().and_then(Part::concept) {
            return Ok(part);
        }
        let known = match &model {
            Some(model) => self.reader.concepts(model)?,
            None => Vec::new(),
        };
        let names: Vec<String> = known.iter().map(|(n, ..)| format!("@{n:?}")).collect();
        let failure = Failure::new(format!(
            "nothing of the name {name:?} was taught to {} here",
            self.embedder.name()
        ));
        let failure = match names.is_empty() {
            true => failure,
            false => failure.hint(format!("there is {}", names.join(", "))),
        };
        Err(failure.hint(format!(
            "teach it: vsearch teach {name:?} --positive VIDEO@TIME"
        )))
    }

    fn image(&self, named: &str) -> Result<Part, Failure> {
        let (named, weight) = weighted(named, names_picture)?;
        let vector = self.embedder.embed_images(&[picture(named)?])?.pop();
        let vector = vector.ok_or(EmbedError::NoDirection)?;
        Ok(Part {
            weight,
            source: Source::Picture,
            ..Part::sentence(named, vector)
        })
    }

    fn like(&self, named: &str) -> Result<Part, Failure> {
        let (hit, weight) = weighted(named, names_picture)?;
        let Ok(number) = hit.trim_start_matches('#').parse::<usize>() else {
            return self.image(named);
        };
        let vector = earlier_hit(self.reader, self.embedder, number)?;
        Ok(Part {
            weight,
            source: Source::Picture,
            ..Part::sentence(&format!("hit {number}"), vector)
        })
    }
}

/// By which vectors of which model the hits of a query were found.
#[derive(Serialize, Deserialize)]
struct LastHits {
    fingerprint: String,
    vectors: Vec<Option<i64>>,
}

/// Keeps the vectors by which hits were found, for `--like`; those of an earlier query go.
pub(super) fn remember(reader: &Reader, embedder: &dyn Embedder, found: &[Option<VectorId>]) {
    let last = LastHits {
        fingerprint: embedder.fingerprint().into(),
        vectors: found.iter().map(|v| v.map(|v| v.0)).collect(),
    };
    if let Ok(bytes) = serde_json::to_vec(&last) {
        reader.keep(LAST_HITS, &bytes);
    }
}

/// The vector by which a hit of the last query was found.
pub(super) fn earlier_hit(
    reader: &Reader,
    embedder: &dyn Embedder,
    number: usize,
) -> Result<Embedding, Failure> {
    let kept = reader.kept(LAST_HITS);
    let last: Option<LastHits> = kept.and_then(|b| serde_json::from_slice(&b).ok());
    let Some(last) = last else {
        return Err(
            Failure::new("no hits of an earlier query are kept in this library")
                .hint("name the moment: --like VIDEO@TIME"),
        );
    };
    if last.fingerprint != embedder.fingerprint() {
        return Err(
            Failure::new(format!("hit {number} was found by another model")).hint(format!(
                "ask with {} again, then name the hit",
                embedder.name()
            )),
        );
    }
    let ids = last.vectors;
    let Some(id) = number.checked_sub(1).and_then(|n| ids.get(n)) else {
        return Err(Failure::new(format!(
            "the last query had {} hits, so there is no hit {number}",
            ids.len()
        ))
        .hint("name one of them, or a moment: --like VIDEO@TIME"));
    };
    let vector = match id {
        Some(id) => reader.vector(VectorId(*id))?,
        None => None,
    };
    vector.ok_or_else(|| {
        Failure::new(format!(
            "hit {number} was found by its words, or is not in the library any more"
        ))
        .hint("name the moment: --like VIDEO@TIME")
    })
}

/// The parts of a composed sentence, and whether each is wanted.
fn composed(text: &str) -> Vec<(bool, &str)> {
    let mut parts = Vec::new();
    let (mut rest, mut wanted) = (text, true);
    loop {
        let next = [(" + ", true), (" - ", false)];
        let next = next.map(|(sign, is_wanted)| (rest.find(sign), is_wanted));
        let next = next.into_iter().filter_map(|(at, w)| Some((at?, w))).min();
        match next {
            Some((at, is_wanted)) => {
                parts.push((wanted, rest[..at].trim()));
                (rest, wanted) = (&rest[at + 3..], is_wanted);
            }
            None => {
                parts.push((wanted, rest.trim()));
                return parts;
            }
        }
    }
}

/// `text:WEIGHT`, unless the whole is a name of its own.
fn weighted(text: &str, is_name: impl Fn(&str) -> bool) -> Result<(&str, f64), Failure> {
    let whole = (text.trim(), 1.0);
    let Some((before, weight)) = text.rsplit_once(':').filter(|_| !is_name(text)) else {
        return Ok(whole);
    };
    if !weight
        .trim()
        .starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
    {
        return Ok(whole);
    }
    match weight.trim().parse::<f64>() {
        Ok(w) if WEIGHTS.contains(&w) => Ok((before.trim(), w)),
        Ok(w) => Err(Failure::new(format!(
            "{w} is no weight: they go from {} to {}",
            WEIGHTS.start(),
            WEIGHTS.end()
        ))
        .hint(match w < 0.0 {
            true => format!("what is not wanted: --not \"{}:{}\"", before.trim(), -w),
            false => format!("as in \"{}:0.5\"", before.trim()),
        })),
        Err(_) => Ok(whole),
    }
}

/// A file, or a video and a time.
fn names_picture(text: &str) -> bool {
    Path::new(text).exists() || super::input::video_at(text).is_ok()
}

/// A question that wants something, nothing that it does not want, and in which every part counts.
fn consistent(question: &Question) -> Result<(), Failure> {
    let names = |parts: &[Part]| parts.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
    if question.wanted.is_empty() && !question.unwanted.is_empty() {
        return Err(
            Failure::new("it says what is not wanted, but not what is").hint(format!(
                "say both: vsearch query \"a street\" --not {:?}",
                question.unwanted[0].name
            )),
        );
    }
    let wanted = names(&question.wanted);
    if let Some(both) = names(&question.unwanted)
        .iter()
        .find(|n| wanted.contains(n))
    {
        return Err(
            Failure::new(format!("{both:?} is both wanted and not wanted"))
                .hint("take one of the two out"),
        );
    }
    let by_weight = |a: &&Part, b: &&Part| a.weight.total_cmp(&b.weight);
    let least = question.wanted.iter().min_by(by_weight);
    let most = question.wanted.iter().max_by(by_weight);
    if let (Some(least), Some(most)) = (least, most)
        && most.weight / least.weight > UNBALANCED
    {
        return Err(Failure::new(format!(
            "{:?} counts {} times as much as {:?}, which would change nothing",
            most.name,
            most.weight / least.weight,
            least.name
        ))
        .hint(format!(
            "give weights nearer to one another, as \"{}:1\" and \"{}:0.5\"",
            most.name, least.name
        )));
    }
    Ok(())
}

/// A reader who trusts the answer must know that the model could not read the question.
fn unread(model: &str, script: &str) -> String {
    let chinese = match script {
        "Han" => {
            let name = store::CHINESE;
            format!("; {name} did: vsearch model pull {name}, then index with --model {name}")
        }
        _ => String::new(),
    };
    format!(
        "hint: {model} did not learn to read {script} script, so these hits mean little; ask in \
         English{chinese}"
    )
}

fn words_weight(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(w) if (0.0..=100.0).contains(&w) => Ok(w),
        _ => Err("must be a number from 0 to 100".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_may_be_composed() {
        assert_eq!(
            composed("white car + at night:0.5 - parking lot"),
            [
                (true, "white car"),
                (true, "at night:0.5"),
                (false, "parking lot")
            ]
        );
        assert_eq!(composed("a t-shirt"), [(true, "a t-shirt")]);
    }

    #[test]
    fn weights_follow_a_colon() {
        let of = |text| weighted(text, |_| false).unwrap();
        assert_eq!(of("at night:0.5"), ("at night", 0.5));
        assert_eq!(of("at night"), ("at night", 1.0));
        assert_eq!(of("a sign: stop"), ("a sign: stop", 1.0));
        assert!(weighted("x:0", |_| false).is_err());
        assert!(weighted("x:-1", |_| false).is_err());
        assert_eq!(weighted("a.mp4@1:30", |_| true).unwrap().0, "a.mp4@1:30");
    }
}
