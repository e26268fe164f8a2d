//! The hits of the last query, kept with the library, to be named by their numbers.

use serde::{Deserialize, Serialize};

use super::{Answer, SearchError};
use crate::embed::Embedder;
use crate::store::Reader;
use crate::types::{Embedding, VectorId};

/// The name under which they are kept.
const NAME: &str = "last-hits";

/// By which vectors of which model hits were found.
#[derive(Serialize, Deserialize)]
struct LastHits {
    fingerprint: String,
    vectors: Vec<Option<i64>>,
}

/// Keeps the vectors by which hits were found; those of an earlier query go.
pub fn remember(reader: &Reader, embedder: &dyn Embedder, answer: Option<&Answer>) {
    let hits = answer.map_or(&[][..], |a| a.hits.as_slice());
    let last = LastHits {
        fingerprint: embedder.fingerprint().into(),
        vectors: hits.iter().map(|h| h.parts.vector.map(|v| v.0)).collect(),
    };
    if let Ok(bytes) = serde_json::to_vec(&last) {
        reader.keep(NAME, &bytes);
    }
}

/// The vector by which a hit of the last query was found; its number counts from 1.
pub fn last_hit(
    reader: &Reader,
    embedder: &dyn Embedder,
    number: usize,
) -> Result<Embedding, SearchError> {
    let kept = reader.kept(NAME);
    let last: Option<LastHits> = kept.and_then(|b| serde_json::from_slice(&b).ok());
    let last = last.ok_or(SearchError::NoLastHits)?;
    if last.fingerprint != embedder.fingerprint() {
        return Err(SearchError::HitOfOtherModel {
            number,
            model: embedder.name().into(),
        });
    }
    let count = last.vectors.len();
    let Some(id) = number.checked_sub(1).and_then(|n| last.vectors.get(n)) else {
        return Err(SearchError::NoSuchHit { number, count });
    };
    let vector = match id {
        Some(id) => reader.vector(VectorId(*id))?,
        None => None,
    };
    vector.ok_or(SearchError::HitWithoutVector { number })
}
