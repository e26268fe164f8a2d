//! Question → candidates → moments: how far to look, what is taken off, who judges.

use std::collections::{HashMap, HashSet};

use super::confidence::{self, Judge};
use super::merge::{Candidate, Merged, merge};
use super::question::{Part, Question};
use super::spread::Spread;
use super::{Parts, Scope, SearchError, rounded, words};
use crate::embed::{EmbedError, Embedder};
use crate::index::{Filter, IndexError, Match, Method, ModelRow, Neighbour, Reader};
use crate::types::{Embedding, VideoId};

/// Vectors looked at for each hit asked for: neighbours in time must be among them to merge.
const CANDIDATES_PER_HIT: usize = 4;
const MIN_CANDIDATES: usize = 400;
/// Never more than this: whoever asks for so much has a scope to narrow.
const CANDIDATES_AT_MOST: usize = 100_000;
/// Passages of words looked at, at least.
const WORDS_LOOKED_AT: usize = 200;
/// What is not wanted counts where it stands out by more standard deviations than this
/// (docs/decisions/0013-questions-of-several-parts.md).
const UNWANTED_FROM: f64 = 2.0;
/// A library, a model and a scope, to ask questions of.
pub(super) struct Search<'a> {
    pub(super) reader: &'a Reader,
    pub(super) embedder: &'a dyn Embedder,
    pub(super) model: ModelRow,
    filter: Option<Filter>,
}

/// Moments that answer one question, best first.
pub(super) struct Ranked {
    pub(super) moments: Vec<Merged>,
    pub(super) method: Method,
    /// Vectors in scope.
    pub(super) among: usize,
    pub(super) without_words: Option<String>,
    /// Of the question's vector; `None` where only words were looked for.
    pub(super) spread: Option<Spread>,
    pub(super) judges: Option<Judges>,
}

/// Of what is wanted, and of each thing that is not.
pub(super) struct Judges {
    pub(super) wanted: Judge,
    unwanted: Vec<Judge>,
}

impl<'a> Search<'a> {
    /// `None` where the model has no vectors here.
    pub(super) fn of(
        reader: &'a Reader,
        embedder: &'a dyn Embedder,
        scope: &Scope,
    ) -> Result<Option<Self>, SearchError> {
        let Some(model) = reader.model(embedder.fingerprint())? else {
            return Ok(None);
        };
        let filter = match scope.is_everything() {
            true => None,
            false => Some(scope.filter(reader)?),
        };
        Ok(Some(Self {
            reader,
            embedder,
            model,
            filter,
        }))
    }

    /// Cameras and videos in scope.
    fn scenes(&self) -> Result<(usize, usize), SearchError> {
        let filter = self.filter.as_ref();
        let inside = |video| filter.is_none_or(|f| f.videos.contains(&video));
        Ok(self.reader.scenes(inside)?)
    }

    pub(super) fn sample(&self) -> Result<Vec<Embedding>, SearchError> {
        confidence::sample(self.reader, self.embedder, &self.model)
    }

    /// At least `enough` moments where there are so many, `per_video` of one video at most.
    pub(super) fn ranked(
        &self,
        question: &Question,
        enough: usize,
        per_video: Option<usize>,
    ) -> Result<Ranked, SearchError> {
        let filter = self.filter.as_ref();
        let (scenes, videos) = self.scenes()?;
        let enough = per_video.map_or(enough, |most| enough.min(most.saturating_mul(videos)));
        let matches = question
            .words()
            .map_or(Ok(Vec::new()), |words| self.matching(words, enough));
        // Beside pictures, a damaged index of words costs what words would have added.
        let (matches, without_words) = match matches {
            Ok(matches) => (matches, None),
            Err(e) if !question.wanted.is_empty() => (Vec::new(), Some(e.to_string())),
            Err(e) => return Err(e.into()),
        };
        let sample = self.sample()?;
        let Some(vector) = question.vector(&sample) else {
            if !question.wanted.is_empty() {
                return Err(EmbedError::NoDirection.into());
            }
            return Ok(Ranked {
                moments: words::alone(self.reader, &matches, filter, enough)?,
                method: Method::Exact,
                among: matches.len(),
                without_words,
                spread: None,
                judges: None,
            });
        };

        let spread = Spread::of(&vector, &sample);
        let unwanted = question.unwanted.iter();
        let unwanted: Vec<(&Part, Spread)> = unwanted
            .map(|part| (part, Spread::of(&part.vector, &sample)))
            .collect();
        // Long still scenes fill the first candidates with one moment: look further until there are
        // moments enough, or no more vectors.
        let mut wanted = (enough * CANDIDATES_PER_HIT).clamp(MIN_CANDIDATES, CANDIDATES_AT_MOST);
        let (moments, method, among) = loop {
            let found = self
                .reader
                .neighbours(&self.model, &vector, wanted, filter)?;
            let all = found.neighbours.len() < wanted;
            let mut near = self.candidates(&found.neighbours)?;
            if !matches.is_empty() {
                let named = words::named(&matches, filter);
                let more =
                    self.reader
                        .neighbours(&self.model, &vector, MIN_CANDIDATES, Some(&named))?;
                near.extend(self.candidates(&more.neighbours)?);
                words::fuse(&mut near, &matches, question.words_weight);
            }
            self.penalise(&mut near, &spread, &unwanted)?;
            let moments = merge(near);
            // What lies beyond has this similarity at most, and nothing to be taken off it.
            let beyond = found
                .neighbours
                .last()
                .map_or(-1.0, |n| f64::from(n.similarity));
            let sure = moments.iter().filter(|m| m.best.score >= beyond);
            let found_enough = match question.unwanted.is_empty() {
                true => listed(&moments, per_video) >= enough,
                false => sure.count() >= enough,
            };
            if all || found_enough || wanted >= CANDIDATES_AT_MOST {
                break (moments, found.method, found.among);
            }
            wanted = (4 * wanted).min(CANDIDATES_AT_MOST);
        };
        let judge = |parts: &[Part], vector: &Embedding, spread: &Spread, scenes| {
            Judge::of(self.reader, self.embedder, parts, (vector, spread), scenes)
        };
        let alone = |(part, spread): &(&Part, Spread)| {
            judge(std::slice::from_ref(*part), &part.vector, spread, 1)
        };
        let judges = Judges {
            wanted: judge(&question.wanted, &vector, &spread, scenes)?,
            unwanted: unwanted.iter().map(alone).collect::<Result<_, _>>()?,
        };
        Ok(Ranked {
            moments,
            method,
            among,
            without_words,
            spread: Some(spread),
            judges: Some(judges),
        })
    }

    /// Passages that hold words of the question, of videos in scope.
    fn matching(&self, words: &str, enough: usize) -> Result<Vec<Match>, IndexError> {
        let filter = self.filter.as_ref();
        self.reader
            .words(words, WORDS_LOOKED_AT.max(enough), |video| {
                filter.is_none_or(|f| f.videos.contains(&video))
            })
    }

    /// The moments of vectors, best first, each by the best of its views.
    fn candidates(&self, near: &[Neighbour]) -> Result<Vec<Candidate>, IndexError> {
        let mut candidates = Vec::with_capacity(near.len());
        let mut seen = HashSet::new();
        for n in near {
            // A vector the graph still holds may have left the catalogue.
            if let Some(row) = self.reader.moment_of(n.id)?
                && seen.insert(row.moment)
            {
                let similarity = f64::from(n.similarity);
                candidates.push(Candidate {
                    row,
                    score: similarity,
                    nearest: Some((n.id, similarity)),
                    unwanted: Vec::new(),
                    penalty: 0.0,
                    words: None,
                });
            }
        }
        Ok(candidates)
    }

    /// Takes off the score of candidates in which something that is not wanted stands out in any view.
    fn penalise(
        &self,
        candidates: &mut [Candidate],
        of_question: &Spread,
        unwanted: &[(&Part, Spread)],
    ) -> Result<(), SearchError> {
        if unwanted.is_empty() {
            return Ok(());
        }
        for candidate in candidates.iter_mut() {
            let views = self.reader.vectors_of(&self.model, candidate.row.moment)?;
            for (part, spread) in unwanted {
                let cosines = views.iter().map(|v| f64::from(part.vector.similarity(v)));
                let nearest = cosines.zip(0..).max_by(|(a, _), (b, _)| a.total_cmp(b));
                let (cosine, view) = nearest.unwrap_or((-1.0, 0));
                let beyond = (spread.stands_out(cosine) - UNWANTED_FROM).max(0.0);
                candidate.unwanted.push((cosine, view));
                candidate.penalty += part.weight * of_question.deviation * beyond;
            }
            candidate.score -= candidate.penalty;
        }
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(())
    }

    /// How likely a moment is what is wanted, and nothing that is not.
    pub(super) fn confidence(
        &self,
        judges: &Option<Judges>,
        moment: &Merged,
    ) -> Result<Option<f64>, SearchError> {
        let (Some(judges), Some((id, similarity))) = (judges, moment.best.nearest) else {
            return Ok(None);
        };
        let picture = || Ok(self.reader.vector(id)?);
        let Some(mut likely) = judges.wanted.confidence(similarity, picture)? else {
            return Ok(None);
        };
        for (judge, (cosine, view)) in judges.unwanted.iter().zip(&moment.best.unwanted) {
            let picture = || {
                let views = self
                    .reader
                    .vectors_of(&self.model, moment.best.row.moment)?;
                Ok(views.into_iter().nth(*view))
            };
            likely *= 1.0 - judge.confidence(*cosine, picture)?.unwrap_or(0.0);
        }
        Ok(Some(likely))
    }

    /// What a candidate's score is made of.
    pub(super) fn parts(
        &self,
        candidate: &Candidate,
        spread: Option<Spread>,
    ) -> Result<Parts, SearchError> {
        let unwanted = candidate.unwanted.iter().map(|(u, _)| rounded(*u, 4));
        let penalised = !candidate.unwanted.is_empty();
        let (vector, similarity) = candidate.nearest.unzip();
        let stands_out = spread.zip(similarity).map(|(s, c)| s.stands_out(c));
        let words = candidate.words.as_ref();
        let views = self.reader.vectors_of(&self.model, candidate.row.moment)?;
        Ok(Parts {
            vector,
            similarity: similarity.map(|s| rounded(s, 4)),
            stands_out: stands_out.map(|z| rounded(z, 2)),
            views: views.len(),
            words: words.map(|(bonus, _)| rounded(*bonus, 4)),
            passage: words.map(|(_, passage)| passage.clone()),
            unwanted: unwanted.collect(),
            penalty: penalised.then(|| rounded(candidate.penalty, 4)),
        })
    }
}

/// How many of the moments can be listed.
fn listed(moments: &[Merged], per_video: Option<usize>) -> usize {
    let Some(most) = per_video else {
        return moments.len();
    };
    let mut counts: HashMap<VideoId, usize> = HashMap::new();
    for moment in moments {
        *counts.entry(moment.best.row.video).or_default() += 1;
    }
    counts.into_values().map(|n| n.min(most)).sum()
}
