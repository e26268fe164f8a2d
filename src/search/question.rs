//! What is looked for: sentences, pictures and concepts, wanted or not, and words.

use super::spread::Spread;
use crate::types::Embedding;

/// Two things asked for that are as near to one another as this look the same to a model.
const ALIKE: f32 = 0.75;

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
}

impl Part {
    pub fn sentence(name: &str, vector: Embedding) -> Self {
        Self {
            name: name.into(),
            vector,
            source: Source::Sentence,
            weight: 1.0,
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

    /// Pairs of what is wanted and what is not that look the same to the model: it can hardly keep one and leave out
    /// the other.
    pub fn alike(&self) -> Vec<(String, String)> {
        let pairs = self
            .wanted
            .iter()
            .flat_map(|w| self.unwanted.iter().map(move |u| (w, u)));
        let alike = pairs.filter(|(w, u)| w.vector.similarity(&u.vector) >= ALIKE);
        alike
            .map(|(w, u)| (w.name.clone(), u.name.clone()))
            .collect()
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
}
