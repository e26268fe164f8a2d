//! Question → candidates → moments: how far to look, what is taken off, who judges.

use std::collections::{HashMap, HashSet};

use super::confidence::{self, Judge};
use super::merge::{Candidate, Merged, merge};
use super::question::{Part, Question};
use super::spread::Spread;
use super::{Parts, SearchError, fuse, rounded};
use crate::embed::{EmbedError, Embedder};
use crate::store::{
    Filter, Found, Match, Method, ModelRow, Neighbour, Reader, Selection, StoreError,
};
use crate::types::{Embedding, MomentId, VectorId, VideoId};

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
/// Vectors of pictures held at once while confidence is told.
const PICTURES_AT_ONCE: usize = 1_000;

/// A library, a model and a selection of its videos, to ask questions of.
pub(super) struct Search<'a> {
    pub(super) reader: &'a Reader,
    pub(super) embedder: &'a dyn Embedder,
    pub(super) model: ModelRow,
    pub(super) selection: Selection,
    exact: bool,
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
    pub(super) fn open(
        reader: &'a Reader,
        embedder: &'a dyn Embedder,
        filter: &Filter,
        exact: bool,
    ) -> Result<Option<Self>, SearchError> {
        let Some(model) = reader.model(embedder.fingerprint())? else {
            return Ok(None);
        };
        Ok(Some(Self {
            reader,
            embedder,
            model,
            selection: reader.select(filter)?,
            exact,
        }))
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
        let searched = self.selection.searched;
        let most_of = |most: usize| enough.min(most.saturating_mul(searched.videos));
        let enough = per_video.map_or(enough, most_of);
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
                moments: fuse::words_alone(self.reader, &matches, &self.selection, enough)?,
                method: Method::Words,
                among: matches.len(),
                without_words,
                spread: None,
                judges: None,
            });
        };

        let spread = Spread::new(&vector, &sample);
        let unwanted = question.unwanted.iter();
        let unwanted: Vec<(&Part, Spread)> = unwanted
            .map(|part| (part, Spread::new(&part.vector, &sample)))
            .collect();
        // Long still scenes fill the first candidates with one moment: look further until there are
        // moments enough, or no more vectors.
        let wanted = enough.saturating_mul(CANDIDATES_PER_HIT);
        let mut wanted = wanted.clamp(MIN_CANDIDATES, CANDIDATES_AT_MOST);
        let (moments, method, among) = loop {
            let found = self.near(&vector, wanted, &self.selection)?;
            let all = found.neighbours.len() < wanted;
            let mut near = self.candidates(&found.neighbours)?;
            if !matches.is_empty() {
                let named = matches.iter().map(|m| m.passage.video);
                let named = self.selection.narrowed(named);
                let more = self.near(&vector, MIN_CANDIDATES, &named)?;
                near.extend(self.candidates(&more.neighbours)?);
                fuse::fuse(&mut near, &matches, question.words_weight);
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
            wanted = wanted.saturating_mul(4).min(CANDIDATES_AT_MOST);
        };
        let judge = |parts: &[Part], vector: &Embedding, spread: &Spread, scenes| {
            Judge::new(self.reader, self.embedder, parts, (vector, spread), scenes)
        };
        let alone = |(part, spread): &(&Part, Spread)| {
            judge(std::slice::from_ref(*part), &part.vector, spread, 1)
        };
        let judges = Judges {
            wanted: judge(&question.wanted, &vector, &spread, searched.cameras)?,
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

    fn near(
        &self,
        vector: &Embedding,
        limit: usize,
        selection: &Selection,
    ) -> Result<Found, StoreError> {
        let (reader, model) = (self.reader, &self.model);
        reader.neighbours(model, vector, limit, selection, self.exact)
    }

    /// Passages that hold words of the question, of videos in scope.
    fn matching(&self, words: &str, enough: usize) -> Result<Vec<Match>, StoreError> {
        let limit = WORDS_LOOKED_AT.max(enough);
        self.reader.words(words, limit, &self.selection)
    }

    /// The moments of vectors, best first, each by the best of its views.
    fn candidates(&self, near: &[Neighbour]) -> Result<Vec<Candidate>, StoreError> {
        let ids: Vec<VectorId> = near.iter().map(|n| n.id).collect();
        let mut rows = self.reader.moments_of(&ids)?;
        let mut candidates = Vec::with_capacity(near.len());
        let mut seen = HashSet::new();
        for n in near {
            // A vector the graph still holds may have left the catalogue.
            if let Some(row) = rows.remove(&n.id)
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

    /// The vectors of all views of moments.
    fn views(
        &self,
        moments: impl Iterator<Item = MomentId>,
    ) -> Result<HashMap<MomentId, Vec<Embedding>>, StoreError> {
        let moments: Vec<MomentId> = moments.collect();
        let views = self.reader.vectors_of(&self.model, &moments)?;
        Ok(views.into_iter().collect())
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
        let all_views = self.views(candidates.iter().map(|c| c.row.moment))?;
        for candidate in candidates.iter_mut() {
            let views = all_views.get(&candidate.row.moment);
            for (part, spread) in unwanted {
                let views = views.into_iter().flatten();
                let cosines = views.map(|v| f64::from(part.vector.similarity(v)));
                let nearest = cosines.zip(0..).max_by(|(a, _), (b, _)| a.total_cmp(b));
                let (cosine, view) = nearest.unwrap_or((-1.0, 0));
                let beyond = (spread.z_score(cosine) - UNWANTED_FROM).max(0.0);
                candidate.unwanted.push((cosine, view));
                candidate.penalty += part.weight * of_question.deviation * beyond;
            }
            candidate.score -= candidate.penalty;
        }
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(())
    }

    /// How likely each moment is what is wanted, and nothing that is not.
    pub(super) fn confidences(&self, ranked: &Ranked) -> Result<Vec<Option<f64>>, SearchError> {
        let Some(judges) = &ranked.judges else {
            return Ok(vec![None; ranked.moments.len()]);
        };
        let mut confidences = Vec::with_capacity(ranked.moments.len());
        for moments in ranked.moments.chunks(PICTURES_AT_ONCE) {
            let nearest = moments.iter().filter_map(|m| m.best.nearest);
            let pictures = match judges.wanted.needs_pictures() {
                true => self
                    .reader
                    .vectors(&nearest.map(|(id, _)| id).collect::<Vec<_>>())?,
                false => HashMap::new(),
            };
            let views = match judges.unwanted.iter().any(Judge::needs_pictures) {
                true => self.views(moments.iter().map(|m| m.best.row.moment))?,
                false => HashMap::new(),
            };
            for moment in moments {
                let best = &moment.best;
                let views = views.get(&best.row.moment).map_or(&[][..], Vec::as_slice);
                let picture = best.nearest.and_then(|(id, _)| pictures.get(&id));
                confidences.push(judges.confidence(moment, picture, views));
            }
        }
        Ok(confidences)
    }

    /// What the scores of candidates are made of.
    pub(super) fn parts<'c>(
        &self,
        candidates: impl Iterator<Item = &'c Candidate> + Clone,
        spread: Option<Spread>,
    ) -> Result<HashMap<MomentId, Parts>, SearchError> {
        let views = self.views(candidates.clone().map(|c| c.row.moment))?;
        let parts = candidates.map(|candidate| {
            let unwanted = candidate.unwanted.iter().map(|(u, _)| rounded(*u, 4));
            let penalised = !candidate.unwanted.is_empty();
            let (vector, similarity) = candidate.nearest.unzip();
            let z_score = spread.zip(similarity).map(|(s, c)| s.z_score(c));
            let words = candidate.words.as_ref();
            let parts = Parts {
                vector,
                similarity: similarity.map(|s| rounded(s, 4)),
                z_score: z_score.map(|z| rounded(z, 2)),
                views: views.get(&candidate.row.moment).map_or(0, Vec::len),
                words: words.map(|(bonus, _)| rounded(*bonus, 4)),
                passage: words.map(|(_, passage)| passage.clone()),
                unwanted: unwanted.collect(),
                penalty: penalised.then(|| rounded(candidate.penalty, 4)),
            };
            (candidate.row.moment, parts)
        });
        Ok(parts.collect())
    }
}

impl Judges {
    /// `picture`: the vector of the view that is nearest to what is wanted; `views`: of all there are. Both where
    /// judges need them.
    fn confidence(
        &self,
        moment: &Merged,
        picture: Option<&Embedding>,
        views: &[Embedding],
    ) -> Option<f64> {
        let (_, similarity) = moment.best.nearest?;
        let mut likely = self.wanted.confidence(similarity, picture)?;
        for (judge, (cosine, view)) in self.unwanted.iter().zip(&moment.best.unwanted) {
            let unwanted = judge.confidence(*cosine, views.get(*view));
            likely *= 1.0 - unwanted.unwrap_or(0.0);
        }
        Some(likely)
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
