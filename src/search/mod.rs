//! From a sentence to ranked moments. [`query`] reads top to bottom: sentence → vector →
//! candidates → merged moments → hits.

pub mod eval;
mod merge;
mod scope;
mod words;

use std::collections::HashSet;

use serde::Serialize;

use crate::embed::{EmbedError, Embedder};
use crate::index::{Filter, IndexError, Match, Method, Neighbour, Reader};
use crate::types::{Embedding, Hit, timecode};

use self::merge::{Candidate, Merged, merge};
pub use self::scope::{Scope, ScopeError};

/// Vectors looked at for each hit asked for: neighbours in time must be among them to merge.
const CANDIDATES_PER_HIT: usize = 40;
const MIN_CANDIDATES: usize = 400;
/// Passages of words looked at.
const WORDS_LOOKED_AT: usize = 200;

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

/// What is looked for: a vector of a sentence or a picture, words, or both.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub vector: Option<&'a Embedding>,
    /// Looked for in paths, cameras, tags, notes and subtitles.
    pub words: Option<&'a str>,
    /// What the best match of words counts beside a vector: so many times the distance between the
    /// best and the middle candidate (docs/decisions/0012-words-beside-pictures.md).
    pub words_weight: f64,
}

impl<'a> Question<'a> {
    /// [`Question::words_weight`] where nobody says otherwise.
    pub const WORDS_WEIGHT: f64 = 0.25;

    pub fn of(vector: &'a Embedding) -> Self {
        Self {
            vector: Some(vector),
            words: None,
            words_weight: 0.0,
        }
    }
}

/// What the score of a hit is made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parts {
    /// Cosine of the question and the best view.
    pub similarity: Option<f64>,
    /// What matching words added, and the passage that holds them.
    pub words: Option<f64>,
    pub passage: Option<String>,
}

/// The hits of one query, best first.
#[derive(Debug)]
pub struct Answer {
    pub hits: Vec<Hit>,
    /// Of each hit.
    pub parts: Vec<Parts>,
    pub method: Method,
    /// Vectors in scope.
    pub among: usize,
    /// Why words were left out of account.
    pub without_words: Option<String>,
}

/// Finds up to `limit` moments that answer a question, in the videos of `scope`.
pub fn query(
    reader: &Reader,
    embedder: &dyn Embedder,
    question: Question,
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
    let filter = filter.as_ref();
    let matches = match question
        .words
        .filter(|_| question.vector.is_none() || question.words_weight > 0.0)
    {
        Some(words) => matching(reader, words, filter),
        None => Ok(Vec::new()),
    };
    // Beside pictures, a damaged index of words costs what words would have added.
    let (matches, without_words) = match matches {
        Ok(matches) => (matches, None),
        Err(e) if question.vector.is_some() => (Vec::new(), Some(e.to_string())),
        Err(e) => return Err(e.into()),
    };
    let Some(vector) = question.vector else {
        let moments = words::alone(reader, &matches, filter, limit)?;
        return shown(
            reader,
            embedder,
            scope,
            moments,
            (Method::Exact, matches.len()),
        );
    };

    // Long still scenes fill the first candidates with one moment: look further until there are
    // moments enough, or no more vectors.
    let mut wanted = (limit * CANDIDATES_PER_HIT).max(MIN_CANDIDATES);
    let (moments, how) = loop {
        let found = reader.neighbours(&model, vector, wanted, filter)?;
        let all = found.neighbours.len() < wanted;
        let how = (found.method, found.among);
        let mut near = candidates(reader, &found.neighbours)?;
        if !matches.is_empty() {
            let named = words::named(&matches, filter);
            let more = reader.neighbours(&model, vector, MIN_CANDIDATES, Some(&named))?;
            near.extend(candidates(reader, &more.neighbours)?);
            words::fuse(&mut near, &matches, question.words_weight);
        }
        let moments = merge(near);
        if all || moments.len() >= limit {
            break (moments, how);
        }
        wanted *= 4;
    };
    let moments = moments.into_iter().take(limit).collect();
    let answer = shown(reader, embedder, scope, moments, how)?;
    Ok(Answer {
        without_words,
        ..answer
    })
}

/// Passages that hold words of the question, of videos in scope.
fn matching(
    reader: &Reader,
    words: &str,
    filter: Option<&Filter>,
) -> Result<Vec<Match>, IndexError> {
    reader.words(words, WORDS_LOOKED_AT, |video| {
        filter.is_none_or(|f| f.videos.contains(&video))
    })
}

/// Moments as hits.
fn shown(
    reader: &Reader,
    embedder: &dyn Embedder,
    scope: &Scope,
    moments: Vec<Merged>,
    (method, among): (Method, usize),
) -> Result<Answer, SearchError> {
    let (mut hits, mut parts) = (Vec::new(), Vec::new());
    for moment in moments {
        let Some(video) = reader.video(moment.best.row.video)? else {
            continue;
        };
        // Rounded down, so that seeking to the time printed (`ffmpeg -ss`) lands on this frame and not
        // on the one after it.
        let time = (moment.best.row.time.seconds() * 1e3 + 1e-6).floor() / 1e3;
        let recorded = video.recorded_ms.map(|ms| ms + (time * 1e3).round() as i64);
        parts.push(Parts {
            similarity: moment.best.similarity.map(|s| rounded(s, 4)),
            words: moment
                .best
                .words
                .as_ref()
                .map(|(bonus, _)| rounded(*bonus, 4)),
            passage: moment.best.words.map(|(_, passage)| passage),
        });
        hits.push(Hit {
            rank: hits.len() + 1,
            score: rounded(moment.best.score, 4),
            confidence: None,
            video: video.path,
            moment: moment.best.row.moment,
            stream: video.stream,
            time,
            timecode: timecode(time),
            start: rounded(moment.start, 3).min(time),
            end: rounded(moment.end, 3).max(time),
            view: moment.best.row.view,
            camera: video.camera,
            recorded_at: recorded.and_then(|ms| scope.shown(ms)),
            model: embedder.name().into(),
        });
    }
    Ok(Answer {
        hits,
        parts,
        method,
        among,
        without_words: None,
    })
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
            let similarity = f64::from(n.similarity);
            candidates.push(Candidate {
                row,
                score: similarity,
                similarity: Some(similarity),
                words: None,
            });
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
            parts: Vec::new(),
            method: Method::Exact,
            among: 0,
            without_words: None,
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
