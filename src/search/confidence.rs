//! How likely a hit is real (docs/confidence.md).

use super::SearchError;
use super::question::{Part, Source};
use super::spread::Spread;
use crate::embed::{Embedder, neutral, neutral_digest};
use crate::store::{ModelRow, Reader};
use crate::types::Embedding;

/// Hits below are not listed where nobody says otherwise.
pub const MINIMUM_CONFIDENCE: f64 = 0.5;

/// Vectors of a library taken for pictures of all kinds where the model knows none.
const SAMPLE: usize = 1000;
/// A sentence farther from every neutral one than these are from one another, by so many standard
/// deviations, is about nothing that can be seen.
const STRANGE: f64 = -2.9;
/// How soon that tells, in standard deviations.
const STRANGE_WITHIN: f64 = 0.07;
/// The more scenes are looked through, the farther the best of them stands out by chance: for `n` of them the
/// log-odds fall by this times ln n.
const CROWD: f64 = 0.4;
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
    /// How likely the sentences are about something that can be seen at all; `None` where that cannot be told.
    seeable: Option<f64>,
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
    /// Of what is wanted, its one vector, and that one's spread over what [`sample`] gives. `scenes`: cameras, and
    /// videos of unknown ones, that are looked through.
    pub(super) fn new(
        reader: &Reader,
        embedder: &dyn Embedder,
        wanted: &[Part],
        (vector, spread): (&Embedding, &Spread),
        scenes: usize,
    ) -> Result<Self, SearchError> {
        let unknown = Self {
            way: Way::Unknown,
            seeable: None,
        };
        if let [part] = wanted
            && let Source::Concept { scale, bias } = part.source
        {
            let way = Way::Linear {
                slope: scale,
                intercept: bias,
            };
            return Ok(Self { way, ..unknown });
        }
        if wanted.iter().any(|p| p.source != Source::Sentence) {
            return Ok(unknown);
        }
        let Some(reference) = &embedder.profile().reference else {
            let Some(scale) = embedder.profile().logit_scale else {
                return Ok(unknown);
            };
            let mut neutral = Neutral::open(reader, embedder)?.vectors;
            neutral.retain(|n| n.similarity(vector) < SAME);
            let scale = f64::from(scale);
            let way = Way::Share { scale, neutral };
            return Ok(Self { way, ..unknown });
        };
        let slope = reference.slope / spread.deviation;
        let way = Way::Linear {
            slope,
            intercept: reference.intercept
                - slope * spread.mean
                - CROWD * (scenes.max(1) as f64).ln(),
        };
        let neutral = Neutral::open(reader, embedder)?;
        let seeable = wanted.iter().map(|part| {
            let nearest = nearest(&part.vector, &neutral.vectors);
            let strangeness = neutral.usual.z_score(nearest) - STRANGE;
            logistic(strangeness / STRANGE_WITHIN)
        });
        let seeable = seeable.reduce(f64::min);
        Ok(Self { way, seeable })
    }

    /// Whether it looks at pictures' vectors, and not at their cosines with the question alone.
    pub(super) fn needs_pictures(&self) -> bool {
        matches!(self.way, Way::Share { .. })
    }

    /// Of a hit: `similarity` is the cosine of question and picture, `picture` its vector where it is needed.
    pub(super) fn confidence(&self, similarity: f64, picture: Option<&Embedding>) -> Option<f64> {
        let likely = match &self.way {
            Way::Unknown => return None,
            Way::Linear { slope, intercept } => logistic(slope * similarity + intercept),
            Way::Share { scale, neutral } => {
                let picture = picture?;
                let cosines = neutral.iter().map(|n| f64::from(n.similarity(picture)));
                let others: f64 = cosines.map(|c| (scale * (c - similarity)).exp()).sum();
                1.0 / (1.0 + others)
            }
        };
        Some(likely * self.seeable.unwrap_or(1.0))
    }

    /// How likely the sentences are about something that can be seen.
    pub(super) fn seeable(&self) -> Option<f64> {
        self.seeable
    }
}

pub(super) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The cosine with the nearest of `others`.
fn nearest(vector: &Embedding, others: &[Embedding]) -> f64 {
    let cosines = others.iter().map(|o| f64::from(vector.similarity(o)));
    cosines.fold(-1.0, f64::max)
}

/// The neutral sentences of a model.
struct Neutral {
    vectors: Vec<Embedding>,
    /// How near they are to the nearest other one.
    usual: Spread,
}

impl Neutral {
    /// Made when they are first needed, and kept in the library.
    fn open(reader: &Reader, embedder: &dyn Embedder) -> Result<Self, SearchError> {
        let name = format!(
            "neutral-sentences-{}-{}",
            neutral_digest(),
            embedder.fingerprint()
        );
        let kept = reader.kept(&name);
        if let Some(neutral) = kept.and_then(|bytes| Self::unpacked(&bytes, embedder.dim())) {
            return Ok(neutral);
        }
        let vectors = neutral(embedder)?;
        let nearness = vectors.iter().enumerate().map(|(i, n)| {
            let before = nearest(n, &vectors[..i]);
            before.max(nearest(n, &vectors[i + 1..]))
        });
        let usual = Spread::from_values(nearness);
        let made = Self { vectors, usual };
        reader.keep(&name, &made.packed());
        Ok(made)
    }

    /// Mean and deviation of how near they are, then the vectors: f32, little-endian.
    fn packed(&self) -> Vec<u8> {
        let usual = [self.usual.mean as f32, self.usual.deviation as f32];
        let values = self.vectors.iter().flat_map(Embedding::as_slice);
        let all = usual.iter().chain(values);
        all.flat_map(|v| v.to_le_bytes()).collect()
    }

    fn unpacked(bytes: &[u8], dim: usize) -> Option<Self> {
        let (values, _) = bytes.as_chunks::<4>();
        let values: Vec<f32> = values.iter().map(|v| f32::from_le_bytes(*v)).collect();
        let (usual, values) = values.split_first_chunk::<2>()?;
        let vectors = values.chunks(dim).map(<[f32]>::to_vec);
        Some(Self {
            vectors: vectors.filter_map(Embedding::normalised).collect(),
            usual: Spread {
                mean: f64::from(usual[0]),
                deviation: f64::from(usual[1]),
            },
        })
    }
}
