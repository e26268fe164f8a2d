//! How likely a hit is real (docs/confidence.md).

use super::SearchError;
use super::question::{Part, Source};
use super::spread::Spread;
use crate::embed::{Embedder, neutral, neutral_digest};
use crate::store::{ModelRow, Reader};
use crate::types::Embedding;

/// From here on a hit is a match, and no guess, where nobody says otherwise.
pub const MINIMUM_CONFIDENCE: f64 = 0.5;

/// Vectors of a library taken for pictures of all kinds where the model knows none.
const SAMPLE: usize = 1000;
/// A model that knows a list of things cannot tell whether a picture shows what is farther than this from each of
/// them: its confidence is halved, and so stays below one half.
const KNOWN: f64 = 0.5;
/// A neutral sentence as near as this says the same as the query's.
const SAME: f32 = 0.9;

/// What pictures of all kinds look like: to the model, else in the library.
pub(super) fn sample(
    reader: &Reader,
    embedder: &dyn Embedder,
    model: &ModelRow,
) -> Result<Vec<Embedding>, SearchError> {
    match &embedder.profile().reference {
        Some(reference) => Ok(reference.vectors()?.to_vec()),
        None => Ok(reader.sample(model, SAMPLE)?),
    }
}

/// Judges the hits of one question.
pub(super) struct Judge {
    way: Way,
    /// Sentences of which the model cannot tell whether a picture shows them.
    pub(super) untold: Vec<String>,
    /// Something of what is asked is checked by nobody.
    unchecked: bool,
}

enum Way {
    /// Log-odds that are linear in the cosine.
    Linear { slope: f64, intercept: f64 },
    /// CLIP's own: the share of the sentence among neutral ones, of cosines times the learned scale.
    Share { scale: f64, neutral: Vec<Embedding> },
    /// Not known for such a question.
    Unknown,
}

impl Judge {
    /// Of what is wanted, its one vector, and that one's spread over what [`sample`] gives. What it says of a
    /// picture depends on neither the library nor the scope.
    pub(super) fn new(
        reader: &Reader,
        embedder: &dyn Embedder,
        wanted: &[Part],
        (vector, spread): (&Embedding, &Spread),
    ) -> Result<Self, SearchError> {
        let by = |way| Self {
            way,
            untold: Vec::new(),
            unchecked: false,
        };
        if let [part] = wanted
            && let Source::Concept { scale, bias } = part.source
        {
            return Ok(by(Way::Linear {
                slope: scale,
                intercept: bias,
            }));
        }
        if wanted.iter().any(|p| p.source != Source::Sentence) {
            return Ok(by(Way::Unknown));
        }
        let Some(reference) = &embedder.profile().reference else {
            let Some(scale) = embedder.profile().logit_scale else {
                return Ok(by(Way::Unknown));
            };
            let mut neutral = neutral_vectors(reader, embedder)?;
            neutral.retain(|n| n.similarity(vector) < SAME);
            let scale = f64::from(scale);
            return Ok(by(Way::Share { scale, neutral }));
        };
        let slope = reference.slope / spread.deviation;
        let way = Way::Linear {
            slope,
            intercept: reference.intercept - slope * spread.mean,
        };
        let things = reference.vectors()?;
        let is_known = |part: &&Part| {
            let near = |thing| f64::from(part.vector.similarity(thing)) >= KNOWN;
            things.iter().any(near)
        };
        let looked = reader.has_looked()?;
        // Boxes and colours tell of a claim, but not of what it leaves out.
        let untold = |part: &&Part| match &part.reading {
            Some(reading) if reading.claim.is_some() && looked => false,
            _ => !is_known(part),
        };
        let unchecked = |part: &Part| {
            let reading = part.reading.as_ref();
            reading.is_some_and(|r| {
                let beyond = r.claim.is_some() && !r.unchecked.is_empty();
                // What is read is found as such: pictures alone do not tell.
                beyond || !r.lettering.is_empty()
            })
        };
        Ok(Self {
            way,
            unchecked: wanted.iter().any(unchecked),
            untold: wanted
                .iter()
                .filter(untold)
                .map(|part| part.name.clone())
                .collect(),
        })
    }

    /// Whether it looks at pictures' vectors, and not at their scores alone.
    pub(super) fn needs_pictures(&self) -> bool {
        matches!(self.way, Way::Share { .. })
    }

    /// Of a hit: `score` is the cosine of question and picture less what is taken off, `picture` its vector where
    /// it is needed.
    pub(super) fn confidence(&self, score: f64, picture: Option<&Embedding>) -> Option<f64> {
        let likely = match &self.way {
            Way::Unknown => return None,
            Way::Linear { slope, intercept } => logistic(slope * score + intercept),
            Way::Share { scale, neutral } => {
                let picture = picture?;
                let cosines = neutral.iter().map(|n| f64::from(n.similarity(picture)));
                let others: f64 = cosines.map(|c| (scale * (c - score)).exp()).sum();
                1.0 / (1.0 + others)
            }
        };
        Some(match self.untold.is_empty() && !self.unchecked {
            true => likely,
            false => likely / 2.0,
        })
    }
}

pub(super) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The neutral sentences' vectors, made when they are first needed and kept in the library.
fn neutral_vectors(
    reader: &Reader,
    embedder: &dyn Embedder,
) -> Result<Vec<Embedding>, SearchError> {
    let (digest, model) = (neutral_digest(), embedder.fingerprint());
    let name = format!("neutral-{digest}-{model}");
    if let Some(bytes) = reader.kept(&name) {
        // f32, little-endian, one vector after the other.
        let (values, _) = bytes.as_chunks::<4>();
        let values: Vec<f32> = values.iter().map(|v| f32::from_le_bytes(*v)).collect();
        let vectors = values.chunks(embedder.dim()).map(<[f32]>::to_vec);
        return Ok(vectors.filter_map(Embedding::normalised).collect());
    }
    let vectors = neutral(embedder)?;
    let values = vectors.iter().flat_map(Embedding::as_slice);
    let bytes: Vec<u8> = values.flat_map(|v| v.to_le_bytes()).collect();
    reader.keep(&name, &bytes);
    Ok(vectors)
}
