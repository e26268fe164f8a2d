//! Hits by name: by their number in the last list, or by an id that stays.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Answer, SearchError};
use crate::embed::Embedder;
use crate::store::{Reader, of_this_user};
use crate::types::{Embedding, MomentId, VectorId};

/// The name under which a user's last list is kept with the library.
const NAME: &str = "last-hits";

/// How a hit is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HitName {
    /// Its number in the last list, from 1.
    Number(usize),
    /// The moment of its best frame, printed as `m17`. It stays while the reading of its video does, and is
    /// never given to another.
    Moment(MomentId),
}

impl HitName {
    /// `3`, `#3` or `m17`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        match text.strip_prefix('m') {
            Some(id) if digits(id) => Some(Self::Moment(MomentId(id.parse().ok()?))),
            _ => {
                let number = text.strip_prefix('#').unwrap_or(text);
                Some(Self::Number(number.parse().ok()?))
            }
        }
    }
}

impl fmt::Display for HitName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "hit {number}"),
            Self::Moment(moment) => write!(f, "m{}", moment.0),
        }
    }
}

/// By which vectors of which model hits were found.
#[derive(Serialize, Deserialize)]
struct LastHits {
    fingerprint: String,
    hits: Vec<LastHit>,
}

#[derive(Serialize, Deserialize)]
struct LastHit {
    moment: i64,
    /// Of the best view; `None` where it was found by its words.
    vector: Option<i64>,
}

/// Keeps a list, so that its hits can be named by their numbers; the one before goes.
pub fn remember(reader: &Reader, embedder: &dyn Embedder, answer: &Answer) {
    let hit = |h: &super::Hit| LastHit {
        moment: h.moment.0,
        vector: h.parts.vector.map(|v| v.0),
    };
    let last = LastHits {
        fingerprint: embedder.fingerprint().into(),
        hits: answer.hits.iter().map(hit).collect(),
    };
    if let Ok(bytes) = serde_json::to_vec(&last) {
        reader.keep(&of_this_user(NAME), &bytes);
    }
}

/// The vector by which a hit was found; of one that is named by its id, where another question found it, that of
/// its first view.
pub fn hit_vector(
    reader: &Reader,
    embedder: &dyn Embedder,
    name: HitName,
) -> Result<Embedding, SearchError> {
    let kept = reader.kept(&of_this_user(NAME));
    let last: Option<LastHits> = kept.and_then(|b| serde_json::from_slice(&b).ok());
    let own = |l: &LastHits| l.fingerprint == embedder.fingerprint();
    let (moment, vector) = match name {
        HitName::Number(number) => {
            let last = last.ok_or(SearchError::NoLastHits)?;
            if !own(&last) {
                return Err(SearchError::HitOfOtherModel {
                    number,
                    model: embedder.name().into(),
                });
            }
            let hit = number.checked_sub(1).and_then(|n| last.hits.get(n));
            let hit = hit.ok_or(SearchError::NoSuchHit {
                number,
                count: last.hits.len(),
            })?;
            (MomentId(hit.moment), hit.vector)
        }
        HitName::Moment(moment) => {
            let listed = last.filter(own).and_then(|l| {
                let found = l.hits.iter().find(|h| h.moment == moment.0)?;
                found.vector
            });
            (moment, listed)
        }
    };
    if let Some(vector) = vector
        && let Some(vector) = reader.vector(VectorId(vector))?
    {
        return Ok(vector);
    }
    let gone = SearchError::NoSuchMoment { name };
    let Some(model) = reader.model(embedder.fingerprint())? else {
        return Err(gone);
    };
    let views = reader.vectors_of(&model, &[moment])?.into_iter().next();
    let first = views.and_then(|(_, views)| views.into_iter().next());
    first.ok_or(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_have_numbers_and_ids() {
        assert_eq!(HitName::parse("3"), Some(HitName::Number(3)));
        assert_eq!(HitName::parse("#3"), Some(HitName::Number(3)));
        let moment = Some(HitName::Moment(MomentId(17)));
        assert_eq!(HitName::parse("m17"), moment);
        for other in [
            "",
            "m",
            "m1x",
            "moment",
            "a.mp4@3",
            "-1",
            "m99999999999999999999",
        ] {
            assert_eq!(HitName::parse(other), None, "{other}");
        }
    }
}
