//! From a sentence to ranked moments. [`query`] reads top to bottom: sentence → vector →
//! candidates → merged moments → hits.

pub mod eval;
mod merge;
mod scope;

use std::collections::HashSet;

use crate::embed::{EmbedError, Embedder};
use crate::index::{IndexError, Method, Neighbour, Reader};
use crate::types::{Embedding, Hit, timecode};

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

/// Finds up to `limit` moments whose pictures lie nearest to `vector`, of a sentence or of a
/// picture, in the videos of `scope`.
pub fn query(
    reader: &Reader,
    embedder: &dyn Embedder,
    vector: &Embedding,
    limit: usize,
    scope: &Scope,
) -> Result<Answer, SearchError> {
    let _snapshot = reader.snapshot()?;
    let Some(model) = reader.model(embedder.fingerprint())? else {
        return nothing_to_search(reader, embedder);
    };
    let filter = match scope.is_everything() {
        true => None,
        false => Some(scope.filter(reader)?),
    };

    // Long still scenes fill the first candidates with one moment: look further until there are
    // moments enough, or no more vectors.
    let mut wanted = (limit * CANDIDATES_PER_HIT).max(MIN_CANDIDATES);
    let (moments, method) = loop {
        let found = reader.neighbours(&model, vector, wanted, filter.as_ref())?;
        let all = found.neighbours.len() < wanted;
        let moments = merge(candidates(reader, &found.neighbours)?);
        if all || moments.len() >= limit {
            break (moments, found.method);
        }
        wanted *= 4;
    };
    let mut hits = Vec::new();
    for moment in moments.into_iter().take(limit) {
        let Some(video) = reader.video(moment.best.row.video)? else {
            continue;
        };
        // Rounded down, so that seeking to the time printed (`ffmpeg -ss`) lands on this frame and not
        // on the one after it.
        let time = (moment.best.row.time.seconds() * 1e3 + 1e-6).floor() / 1e3;
        let recorded = video.recorded_ms.map(|ms| ms + (time * 1e3).round() as i64);
        hits.push(Hit {
            rank: hits.len() + 1,
            score: rounded(moment.best.score, 4),
            confidence: None,
            video: video.path,
            stream: video.stream,
            time,
            timecode: timecode(time),
            start: rounded(moment.start, 3).min(time),
            end: rounded(moment.end, 3),
            view: moment.best.row.view,
            camera: video.camera,
            recorded_at: recorded.and_then(|ms| scope.shown(ms)),
            model: embedder.name().into(),
        });
    }
    Ok(Answer { hits, method })
}

/// The moments of vectors, best first, each by the best of its views.
fn candidates(reader: &Reader, near: &[Neighbour]) -> Result<Vec<Candidate>, IndexError> {
    let mut candidates = Vec::with_capacity(near.len());
    let mut seen = HashSet::new();
    for n in near {
        // A vector the graph still holds may have left the catalogue.
        if let Some(row) = reader.moment_of(n.id)?
            && seen.insert(row.moment)
        {
            let score = f64::from(n.similarity);
            candidates.push(Candidate { row, score });
        }
    }
    Ok(candidates)
}

/// An answer without hits where files were read and gave nothing; else an error.
fn nothing_to_search(reader: &Reader, embedder: &dyn Embedder) -> Result<Answer, SearchError> {
    let available = reader.model_names()?;
    if available.is_empty() && !reader.videos()?.is_empty() {
        return Ok(Answer {
            hits: Vec::new(),
            method: Method::Exact,
        });
    }
    Err(SearchError::NoVectors {
        model: embedder.name().into(),
        available,
    })
}

fn rounded(value: f64, places: i32) -> f64 {
    let scale = 10f64.powi(places);
    (value * scale).round() / scale
}
