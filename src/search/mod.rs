//! From a question to ranked moments. [`query`] reads top to bottom: question → vector →
//! candidates → merged moments → confident hits.

mod concept;
mod confidence;
mod diverse;
pub mod eval;
mod feedback;
mod merge;
mod question;
mod rank;
mod scope;
mod sequence;
mod spread;
mod words;

use std::collections::HashMap;

use serde::Serialize;

use crate::embed::{EmbedError, Embedder};
use crate::index::{IndexError, Method, Reader, VideoRef, holds_all};
use crate::types::{Hit, VectorId, VideoId, timecode};

pub use self::concept::{Lesson, learn};
pub use self::confidence::LEVEL;
pub use self::feedback::{Feedback, Next};
use self::merge::Merged;
pub use self::question::{Part, Question, Source};
use self::rank::{Ranked, Search};
pub use self::scope::{Scope, ScopeError};
pub use self::sequence::{Line, Sequence, query_sequence};
pub use self::spread::Spread;

/// Moments among which differing ones are looked for.
const DIVERSE_AMONG: usize = 100;

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

/// Which hits are given.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub limit: usize,
    /// None that are less likely than this.
    pub level: f64,
    /// So many of one video at most.
    pub per_video: Option<usize>,
    /// Hits that differ from one another, near duplicates counted.
    pub diverse: bool,
}

impl Options {
    /// The best `limit` hits, however unlikely.
    pub fn all(limit: usize) -> Self {
        Self {
            limit,
            level: 0.0,
            per_video: None,
            diverse: false,
        }
    }
}

/// What the score of a hit is made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parts {
    /// The vector of the best view; `None` where only words were looked for.
    #[serde(skip)]
    pub vector: Option<VectorId>,
    /// Cosine of the question and the best view.
    pub similarity: Option<f64>,
    /// How far that exceeds the cosines of pictures of all kinds, in standard deviations.
    pub stands_out: Option<f64>,
    /// How many views of the frame there are.
    pub views: usize,
    /// What matching words added, and the passage that holds them.
    pub words: Option<f64>,
    pub passage: Option<String>,
    /// Cosines with what is not wanted, and what they took off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unwanted: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<f64>,
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
    /// Candidates left out as too unlikely, and the likeliest of them.
    pub left_out: usize,
    pub best_left_out: Option<f64>,
    /// How likely the sentences are about something that can be seen; `None` where that cannot be told.
    pub seeable: Option<f64>,
}

/// Finds moments that answer a question, in the videos of `scope`.
pub fn query(
    reader: &Reader,
    embedder: &dyn Embedder,
    question: &Question,
    options: Options,
    scope: &Scope,
) -> Result<Answer, SearchError> {
    let _snapshot = reader.snapshot()?;
    let Some(search) = Search::of(reader, embedder, scope)? else {
        return nothing_to_search(reader, embedder);
    };
    let enough = match options.diverse {
        true => DIVERSE_AMONG.max(2 * options.limit),
        false => options.limit,
    };
    let ranked = search.ranked(question, enough, options.per_video)?;
    let mut answer = Answer::of(&ranked);
    let mut chosen = Vec::new();
    let mut of_video: HashMap<VideoId, usize> = HashMap::new();
    for moment in ranked.moments {
        let confidence = search.confidence(&ranked.judges, &moment)?;
        let named = moment.best.words.as_ref().is_some_and(|(_, passage)| {
            question
                .words()
                .is_some_and(|words| holds_all(own_words(passage), words))
        });
        if confidence.is_some_and(|c| c < options.level) && !named {
            answer.left_out += 1;
            let best = answer.best_left_out.into_iter().chain(confidence);
            answer.best_left_out = best.reduce(f64::max);
            continue;
        }
        let count = of_video.entry(moment.best.row.video).or_default();
        *count += 1;
        if options.per_video.is_none_or(|most| *count <= most) && chosen.len() < enough {
            chosen.push((moment, confidence));
        }
    }
    let chosen: Vec<(Merged, Option<f64>, usize)> = match options.diverse {
        true => search.diverse(chosen, options.limit)?,
        false => {
            let chosen = chosen.into_iter().take(options.limit);
            chosen.map(|(m, c)| (m, c, 0)).collect()
        }
    };
    for (moment, confidence, alike) in chosen {
        let Some(video) = reader.video(moment.best.row.video)? else {
            continue;
        };
        let rank = answer.hits.len() + 1;
        answer
            .parts
            .push(search.parts(&moment.best, ranked.spread)?);
        let mut hit = shown(&moment, &video, embedder, scope);
        (hit.rank, hit.confidence, hit.alike) = (rank, confidence.map(|c| rounded(c, 3)), alike);
        answer.hits.push(hit);
    }
    Ok(answer)
}

impl Answer {
    /// Without hits yet.
    fn of(ranked: &Ranked) -> Self {
        Self {
            hits: Vec::new(),
            parts: Vec::new(),
            method: ranked.method,
            among: ranked.among,
            without_words: ranked.without_words.clone(),
            left_out: 0,
            best_left_out: None,
            seeable: ranked.judges.as_ref().and_then(|j| j.wanted.seeable()),
        }
    }
}

/// Of a passage that begins with a path only the file's name: every file below a folder bears the folder's.
fn own_words(passage: &str) -> &str {
    let path = passage.lines().next().unwrap_or_default();
    match path.strip_prefix('/').and_then(|p| p.rfind('/')) {
        Some(slash) => &passage[slash + 2..],
        None => passage,
    }
}

/// A moment as a hit, its rank and confidence yet to be told.
fn shown(moment: &Merged, video: &VideoRef, embedder: &dyn Embedder, scope: &Scope) -> Hit {
    // Rounded down, so that seeking to the time printed (`ffmpeg -ss`) lands on this frame and not
    // on the one after it.
    let time = (moment.best.row.time.seconds() * 1e3 + 1e-6).floor() / 1e3;
    let recorded = video.recorded_ms.map(|ms| ms + (time * 1e3).round() as i64);
    Hit {
        rank: 0,
        score: rounded(moment.best.score, 4),
        confidence: None,
        video: video.path.clone(),
        moment: moment.best.row.moment,
        stream: video.stream,
        time,
        timecode: timecode(time),
        start: rounded(moment.start, 3).min(time),
        end: rounded(moment.end, 3).max(time),
        view: moment.best.row.view,
        camera: video.camera.clone(),
        recorded_at: recorded.and_then(|ms| scope.shown(ms)),
        recorded_ms: recorded,
        model: embedder.name().into(),
        alike: 0,
    }
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
            left_out: 0,
            best_left_out: None,
            seeable: None,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A hit at a time of a video, in seconds, and no more.
    pub(super) fn hit(video: &str, time: f64) -> Hit {
        Hit {
            rank: 0,
            score: 0.5,
            confidence: None,
            video: video.into(),
            moment: crate::types::MomentId(0),
            stream: None,
            time,
            timecode: String::new(),
            start: time,
            end: time,
            view: None,
            camera: None,
            recorded_at: None,
            recorded_ms: None,
            model: "m".into(),
            alike: 0,
        }
    }
}
