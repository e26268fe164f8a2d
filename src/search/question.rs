//! What is looked for: sentences, pictures and concepts, wanted or not, and words.

use super::spread::Spread;
use crate::embed::Reading;
use crate::types::{Claim, Embedding};

/// Two things look the same to a model where their cosines with pictures of all kinds correlate as much as this.
const ALIKE: f64 = 0.75;

/// What a part of a question was made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source {
    Sentence,
    Picture,
    /// A concept taught: the log-odds that a vector shows it are `scale * cosine + bias`.
    Concept {
        scale: f64,
        bias: f64,
    },
}

/// One thing that is wanted, or not.
#[derive(Debug, Clone)]
pub struct Part {
    /// As it was asked.
    pub name: String,
    pub vector: Embedding,
    pub source: Source,
    /// How much it counts beside the others; positive.
    pub weight: f64,
    /// What the model makes of a sentence.
    pub reading: Option<Reading>,
    /// How far it read that, where not to the end.
    pub cut: Option<String>,
}

impl Part {
    pub fn sentence(name: &str, vector: Embedding) -> Self {
        Self {
            name: name.into(),
            vector,
            source: Source::Sentence,
            weight: 1.0,
            reading: None,
            cut: None,
        }
    }
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Question {
    /// All of these together; without any, words alone.
    pub wanted: Vec<Part>,
    /// None of these.
    pub unwanted: Vec<Part>,
    /// Looked for in paths, cameras, tags, notes and subtitles.
    pub words: Option<String>,
    /// A script of its sentences that the model was not taught to read.
    pub unread_script: Option<&'static str>,
}

impl Question {
    /// All of these together, and no words.
    pub fn new(wanted: Vec<Part>) -> Self {
        Self {
            wanted,
            unwanted: Vec::new(),
            words: None,
            unread_script: None,
        }
    }

    /// Lettering that is asked for, with what the sentence around it says of things. Words alone are looked for in
    /// lettering, too.
    pub(super) fn lettering(&self) -> impl Iterator<Item = (&str, Option<&Claim>)> {
        let alone = self.words.as_deref().filter(|_| self.wanted.is_empty());
        let readings = self.wanted.iter().filter_map(|part| part.reading.as_ref());
        let asked =
            readings.flat_map(|r| r.lettering.iter().map(|l| (l.as_str(), r.claim.as_ref())));
        asked.chain(alone.map(|words| (words, None)))
    }

    /// What its sentences say of things.
    pub(super) fn claims(&self) -> impl Iterator<Item = &Claim> {
        let readings = self.wanted.iter().filter_map(|part| part.reading.as_ref());
        readings.filter_map(|r| r.claim.as_ref())
    }

    /// Sentences of which the model looks for something else than was asked, and for what.
    pub fn readings(&self) -> Vec<(String, Reading)> {
        let parts = self.wanted.iter().chain(&self.unwanted);
        let read = |part: &Part| {
            let reading = part.reading.as_ref()?;
            reading
                .differs(&part.name)
                .then(|| (part.name.clone(), reading.clone()))
        };
        parts.filter_map(read).collect()
    }

    /// Sentences that are longer than what the model reads, and what it read of them.
    pub fn cut(&self) -> Vec<(String, String)> {
        let parts = self.wanted.iter().chain(&self.unwanted);
        let cut = |part: &Part| Some((part.name.clone(), part.cut.clone()?));
        parts.filter_map(cut).collect()
    }

    /// Pairs of what is wanted and what is not that look the same to the model, in pictures of all kinds: it can
    /// hardly keep one and leave out the other.
    pub(super) fn alike(&self, sample: &[Embedding]) -> Vec<(String, String)> {
        let mut alike = Vec::new();
        for wanted in &self.wanted {
            for unwanted in &self.unwanted {
                let of = |part: &Part| Spread::new(&part.vector, sample);
                let (a, b) = (of(wanted), of(unwanted));
                let products = sample.iter().map(|picture| {
                    let z = |part: &Part, spread: &Spread| {
                        spread.z_score(f64::from(part.vector.similarity(picture)))
                    };
                    z(wanted, &a) * z(unwanted, &b)
                });
                if products.sum::<f64>() / sample.len().max(1) as f64 >= ALIKE {
                    alike.push((wanted.name.clone(), unwanted.name.clone()));
                }
            }
        }
        alike
    }

    /// One vector for all that is wanted: its cosine with a picture ranks pictures as the sum of each
    /// part's standing out does, times its weight. `None` where nothing is wanted, or the parts cancel
    /// out.
    pub(super) fn vector(&self, sample: &[Embedding]) -> Option<Embedding> {
        let [first, others @ ..] = self.wanted.as_slice() else {
            return None;
        };
        if others.is_empty() {
            return Some(first.vector.clone());
        }
        let mut sum = vec![0f32; first.vector.dim()];
        for part in &self.wanted {
            let counts = part.weight / Spread::new(&part.vector, sample).deviation;
            for (s, v) in sum.iter_mut().zip(part.vector.as_slice()) {
                *s += counts as f32 * v;
            }
        }
        Embedding::normalised(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_count_by_their_own_spread() {
        let unit = |x: f32, y: f32| Embedding::normalised(vec![x, y]).unwrap();
        // Along x pictures differ ten times as much as along y.
        let sample = [unit(0.5, 1.0), unit(-0.5, 1.0)];
        let (a, b) = (unit(1.0, 0.0), unit(0.0, 1.0));
        let part = |v: &Embedding, weight| Part {
            weight,
            ..Part::sentence("s", v.clone())
        };
        let alone = Question::new(vec![part(&a, 3.0)]);
        assert_eq!(alone.vector(&sample), Some(a.clone()));
        let both = Question::new(vec![part(&a, 1.0), part(&b, 1.0)]);
        let vector = both.vector(&sample).unwrap();
        assert!(vector.as_slice()[1] > 10.0 * vector.as_slice()[0]);
        let rather_a = Question::new(vec![part(&a, 100.0), part(&b, 1.0)]);
        let vector = rather_a.vector(&sample).unwrap();
        assert!(vector.as_slice()[0] > vector.as_slice()[1]);
        assert_eq!(Question::new(Vec::new()).vector(&sample), None);
    }

    #[test]
    fn what_all_pictures_answer_alike_is_told() {
        let unit = |x: f32, y: f32| Embedding::normalised(vec![x, y, 1.0]).unwrap();
        let sample = [
            unit(0.5, 0.1),
            unit(-0.5, 0.0),
            unit(0.4, -0.1),
            unit(-0.4, 0.1),
        ];
        let part = |name: &str, x, y| Part::sentence(name, unit(x, y));
        let question = |unwanted| Question {
            unwanted: vec![unwanted],
            ..Question::new(vec![part("a white car", 3.0, 0.0)])
        };
        let alike = question(part("a red car", 2.0, 0.1)).alike(&sample);
        assert_eq!(alike, [("a white car".to_owned(), "a red car".to_owned())]);
        assert!(question(part("a dog", 0.0, 3.0)).alike(&sample).is_empty());
    }
}
