//! A question refined by what its asker says of hits: Rocchio's formula (Rocchio 1971) while answers are of one
//! kind, then a head learnt from them.

use std::path::PathBuf;

use super::concept::{TrainingExamples, learn};
use super::question::{Part, Question, Source};
use super::{Hit, Options, Search, SearchError, query};
use crate::embed::{EmbedError, Embedder};
use crate::store::{Filter, Reader};
use crate::types::Embedding;

/// Rocchio's weights of what was liked and disliked, beside 1 for the question.
const LIKED: f32 = 0.75;
const DISLIKED: f32 = 0.25;
/// Hits among which more matches are guessed.
const LOOKED_AHEAD: usize = 200;
/// So many dislikes after one another say that the rest is not worth looking at.
const ENOUGH: usize = 10;

/// A question, and what has been said of its hits.
pub struct Feedback {
    asked: Embedding,
    liked: Vec<Embedding>,
    disliked: Vec<Embedding>,
    /// Stretches of videos, in seconds.
    answered: Vec<(PathBuf, f64, f64)>,
    disliked_in_a_row: usize,
}

/// The next hit to be asked about, and what may come after it.
#[derive(Debug)]
pub struct Next {
    pub hit: Hit,
    /// About how many matches have not been seen yet; `None` until there is an answer of each kind.
    pub unseen: Option<f64>,
    /// Whether it is worth going on.
    pub worth_it: bool,
}

impl Feedback {
    /// Begins with what is wanted in a question.
    pub fn new(
        reader: &Reader,
        embedder: &dyn Embedder,
        question: &Question,
    ) -> Result<Self, SearchError> {
        let everywhere = Filter::everything(jiff::tz::TimeZone::UTC);
        let search = Search::open(reader, embedder, &everywhere, false)?;
        let sample = search.map_or(Ok(Vec::new()), |s| s.sample())?;
        let asked = question.vector(&sample);
        Ok(Self {
            asked: asked.ok_or(EmbedError::NoDirection)?,
            liked: Vec::new(),
            disliked: Vec::new(),
            answered: Vec::new(),
            disliked_in_a_row: 0,
        })
    }

    /// What is looked for now.
    fn question(&self, reader: &Reader, embedder: &dyn Embedder) -> Result<Question, SearchError> {
        if !self.liked.is_empty() && !self.disliked.is_empty() {
            let examples = TrainingExamples {
                sentence: Some(self.asked.clone()),
                positives: self.liked.clone(),
                negatives: self.disliked.clone(),
            };
            let concept = learn(reader, embedder, "feedback", &examples)?;
            if let Some(part) = Part::concept(&concept) {
                return Ok(Question::new(vec![part]));
            }
        }
        let mut vector = self.asked.as_slice().to_vec();
        for (some, weight) in [(&self.liked, LIKED), (&self.disliked, -DISLIKED)] {
            for example in some {
                let each = weight / some.len() as f32;
                for (v, e) in vector.iter_mut().zip(example.as_slice()) {
                    *v += each * e;
                }
            }
        }
        let vector = Embedding::normalised(vector).unwrap_or_else(|| self.asked.clone());
        // Neither a sentence's vector any more nor a picture's.
        let source = Source::Picture;
        Ok(Question::new(vec![Part {
            source,
            ..Part::sentence("feedback", vector)
        }]))
    }

    /// The best hit that has not been answered; `None` when all have been.
    pub fn next(
        &self,
        reader: &Reader,
        embedder: &dyn Embedder,
        filter: &Filter,
    ) -> Result<Option<Next>, SearchError> {
        let question = self.question(reader, embedder)?;
        let looked_at = LOOKED_AHEAD.saturating_add(self.answered.len());
        let answer = query(reader, embedder, &question, Options::top(looked_at), filter)?;
        let mut left = answer.hits;
        // Another frame of a stretch that was judged may be the best of it now.
        let judged = |hit: &Hit| {
            let inside = |(video, from, to): &(PathBuf, f64, f64)| {
                *video == hit.video && (*from..=*to).contains(&hit.time)
            };
            self.answered.iter().any(inside)
        };
        left.retain(|hit| !judged(hit));
        let unseen = left.iter().map(|hit| hit.confidence).sum::<Option<f64>>();
        if left.is_empty() {
            return Ok(None);
        }
        Ok(Some(Next {
            hit: left.swap_remove(0),
            unseen,
            worth_it: self.disliked_in_a_row < ENOUGH && unseen.is_none_or(|u| u >= 0.5),
        }))
    }

    /// What was said of a hit; `None`: nothing.
    pub fn answer(
        &mut self,
        reader: &Reader,
        embedder: &dyn Embedder,
        hit: &Hit,
        liked: Option<bool>,
    ) -> Result<(), SearchError> {
        self.answered.push((hit.video.clone(), hit.start, hit.end));
        self.answered.extend(hit.goes_on.iter().cloned());
        let Some((model, liked)) = reader.model(embedder.fingerprint())?.zip(liked) else {
            return Ok(());
        };
        let views = reader.vectors_of(&model, &[hit.moment])?.into_iter();
        let views = views.flat_map(|(_, views)| views);
        let near = |v: &Embedding| v.similarity(&self.asked);
        let vector = views.max_by(|a, b| near(a).total_cmp(&near(b)));
        match liked {
            true => {
                self.liked.extend(vector);
                self.disliked_in_a_row = 0;
            }
            false => {
                self.disliked.extend(vector);
                self.disliked_in_a_row += 1;
            }
        }
        Ok(())
    }
}
