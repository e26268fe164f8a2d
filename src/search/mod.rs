//! From a sentence to ranked moments. [`query`] reads top to bottom: sentence → vector →
//! candidates → merged moments → hits.

pub mod eval;
mod merge;
mod scope;

use crate::embed::{EmbedError, Embedder};
use crate::index::{IndexError, Method, Reader};
use crate::types::{Hit, timecode};

use self::merge::{Candidate, merge};
pub use self::scope::{Scope, ScopeError};

/// Vectors looked at for each hit asked for: neighbours in time must be among them to merge.
const CANDIDATES_PER_HIT: usize = 40;
const MIN_CANDIDATES: usize = 400;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error("the library has no vectors of the model {model:?}{}", others(.available))]
    NoVectors {
        model: String,
        available: Vec<String>,
    },
}

fn others(available: &[String]) -> String {
    if available.is_empty() {
        "; nothing has been indexed yet".into()
    } else {
        format!(", only of {}", available.join(", "))
    }
}

/// The hits of one query, best first.
#[derive(Debug)]
pub struct Answer {
    pub hits: Vec<Hit>,
    pub method: Method,
}

/// Finds up to `limit` moments that go with `sentence`, in the videos of `scope`.
pub fn query(
    reader: &Reader,
    embedder: &dyn Embedder,
    sentence: &str,
    limit: usize,
    scope: Option<&Scope>,
) -> Result<Answer, SearchError> {
    let vector = embedder.embed_text(sentence)?;
    let fingerprint = embedder.fingerprint();
    let model = reader.model(fingerprint)?;
    let Some(model) = model.filter(|m| reader.vector_count(*m).is_ok_and(|n| n > 0)) else {
        return Err(SearchError::NoVectors {
            model: embedder.name().into(),
            available: reader.model_names()?,
        });
    };
    let wanted = (limit * CANDIDATES_PER_HIT).max(MIN_CANDIDATES);
    let videos = scope.map(|s| s.videos(reader)).transpose()?;
    let keep = videos.map(|set| move |v| set.contains(&v));
    let keep = keep.as_ref().map(|k| k as &dyn Fn(_) -> bool);
    let (near, method) = reader.neighbours((model, fingerprint), &vector, wanted, keep)?;

    let mut candidates = Vec::with_capacity(near.len());
    for n in near {
        // A vector the graph still holds may have left the catalogue.
        if let Some(row) = reader.moment_of(n.id)? {
            candidates.push(Candidate {
                row,
                score: f64::from(n.similarity),
            });
        }
    }
    let mut hits = Vec::new();
    for moment in merge(candidates).into_iter().take(limit) {
        let Some(video) = reader.video_path(moment.best.row.video)? else {
            continue;
        };
        let time = moment.best.row.time.seconds();
        hits.push(Hit {
            rank: hits.len() + 1,
            score: rounded(moment.best.score, 4),
            confidence: None,
            video,
            time: rounded(time, 3),
            timecode: timecode(time),
            start: rounded(moment.start, 3),
            end: rounded(moment.end, 3),
            view: moment.best.row.view,
            camera: None,
            recorded_at: None,
            model: embedder.name().into(),
        });
    }
    Ok(Answer { hits, method })
}

fn rounded(value: f64, places: i32) -> f64 {
    let scale = 10f64.powi(places);
    (value * scale).round() / scale
}
