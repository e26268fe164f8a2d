//! How likely one picture shows what a sentence says, outside of any library.

use super::claims::borne_out_by;
use super::spread::Spread;
use crate::embed::{EmbedError, Embedder, Templates};
use crate::types::{Claim, Embedding, Object};

/// A sentence, to be compared with pictures. Only for a model that knows what pictures of all kinds look like.
#[derive(Debug)]
pub struct Odds {
    vector: Embedding,
    slope: f64,
    intercept: f64,
    claim: Option<Claim>,
    unchecked: bool,
}

impl Odds {
    /// `None` where the model does not know what pictures of all kinds look like.
    pub fn new(
        embedder: &dyn Embedder,
        templates: &Templates,
        sentence: &str,
    ) -> Result<Option<Self>, EmbedError> {
        let Some(reference) = &embedder.profile().reference else {
            return Ok(None);
        };
        let reading = embedder.read(sentence);
        let vector = templates.embed(embedder, &reading.text)?;
        let spread = Spread::new(&vector, reference.vectors()?);
        let slope = reference.slope / spread.deviation;
        Ok(Some(Self {
            vector,
            slope,
            intercept: reference.intercept - slope * spread.mean,
            unchecked: !reading.unchecked.is_empty(),
            claim: reading.claim,
        }))
    }

    /// The log-odds that a picture of this vector, in which these things were seen, shows it.
    pub fn of(&self, picture: &Embedding, objects: &[Object]) -> f64 {
        let raise = |claim: &Claim| {
            let (score, _) = claim.borne_out(objects)?;
            Some(borne_out_by(score, claim, self.unchecked))
        };
        let raised = self.claim.as_ref().and_then(raise).unwrap_or(0.0);
        self.slope * f64::from(self.vector.similarity(picture)) + self.intercept + raised
    }
}
