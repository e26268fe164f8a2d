//! What a question says of things, beside its vector: moments whose things bear it out score more.

use super::SearchError;
use super::confidence::logistic;
use super::events::Candidate;
use super::question::{Question, Source};
use super::spread::Spread;
use crate::embed::Embedder;
use crate::store::{MomentRow, Reader, Selection};
use crate::types::{Claim, MomentId};

/// Moments of each class that are looked at beside the nearest vectors.
const MOMENTS: usize = 2_000;
/// The log-odds that a thing is what a detector takes it for are `SLOPE * score + INTERCEPT` (docs/objects.md).
const SLOPE: f64 = 13.0;
const INTERCEPT: f64 = -5.1;
/// A claim that is surely borne out adds so much to the log-odds that a picture shows what is asked; less where it only
/// says that such a thing is there, and more is asked of it: that somebody is there says little of what he does.
const BORNE_OUT: f64 = 5.0;
const BORNE_OUT_BARELY: f64 = 1.0;

/// The log-odds that a thing is what a detector takes it for.
pub(super) fn log_odds(score: f32) -> f64 {
    SLOPE * f64::from(score) + INTERCEPT
}

/// What is added to the log-odds of a sentence where its claim is borne out by things that a detector is so sure of.
pub(super) fn borne_out_by(score: f32, claim: &Claim, unchecked: bool) -> f64 {
    let most = match unchecked && claim.is_bare() {
        true => BORNE_OUT_BARELY,
        false => BORNE_OUT,
    };
    most * logistic(log_odds(score))
}

/// A claim, and what it is worth in the scores of one question.
pub(super) struct Claimed<'a> {
    claim: &'a Claim,
    /// More is asked than it says.
    unchecked: bool,
    /// Cosine that is worth as much as one of the log-odds.
    worth: f64,
}

impl<'a> Claimed<'a> {
    /// `None` where a question says nothing of things, or wants several things.
    pub(super) fn of(
        question: &'a Question,
        embedder: &dyn Embedder,
        spread: &Spread,
    ) -> Option<Self> {
        let [part] = &question.wanted[..] else {
            return None;
        };
        let reference = embedder.profile().reference.as_ref()?;
        let reading = part.reading.as_ref();
        let claim = reading.filter(|_| part.source == Source::Sentence)?;
        Some(Self {
            claim: claim.claim.as_ref()?,
            unchecked: !claim.unchecked.is_empty(),
            worth: spread.deviation / reference.slope,
        })
    }

    /// Moments in scope that bear it out.
    pub(super) fn bearing_out(
        &self,
        reader: &Reader,
        selection: &Selection,
    ) -> Result<Vec<MomentRow>, SearchError> {
        let found = reader.bearing_out(self.claim, selection, MOMENTS)?;
        Ok(found.into_iter().map(|(row, _)| row).collect())
    }

    /// Raises the score of candidates whose things bear it out, by how likely those are what the detector took them
    /// for; the best come first then.
    pub(super) fn raise(
        &self,
        reader: &Reader,
        candidates: &mut [Candidate],
    ) -> Result<(), SearchError> {
        let moments: Vec<MomentId> = candidates.iter().map(|c| c.row.moment).collect();
        let objects = reader.objects_of(&moments)?;
        for candidate in candidates.iter_mut() {
            let Some(objects) = objects.get(&candidate.row.moment) else {
                continue;
            };
            if let Some((score, at)) = self.claim.borne_out(objects) {
                candidate.raised = self.worth * borne_out_by(score, self.claim, self.unchecked);
                candidate.borne_out = Some(score);
                candidate.score += candidate.raised;
                candidate.row.region = Some(objects[at].region);
            }
        }
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(())
    }
}
