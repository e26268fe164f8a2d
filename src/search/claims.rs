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
/// A claim that is surely borne out adds so much to the log-odds that a picture shows what is asked.
const BORNE_OUT: f64 = 5.0;

/// A claim, and what it is worth in the scores of one question.
pub(super) struct Claimed<'a> {
    claim: &'a Claim,
    /// Cosine that a claim adds which is surely borne out.
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
            worth: BORNE_OUT * spread.deviation / reference.slope,
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
                let likely = logistic(SLOPE * f64::from(score) + INTERCEPT);
                candidate.raised = self.worth * likely;
                candidate.score += candidate.raised;
                candidate.row.region = Some(objects[at].region);
            }
        }
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(())
    }
}
