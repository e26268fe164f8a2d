//! From a request to ranked moments. [`query`] reads top to bottom: question → vector →
//! candidates → merged moments → confident hits.

mod answer;
mod candidates;
mod concept;
mod confidence;
mod diverse;
pub mod eval;
mod feedback;
mod fuse;
mod last_hits;
mod merge;
mod question;
mod request;
mod resolve;
mod sequence;
mod spread;

use std::collections::HashMap;

use crate::embed::{EmbedError, Embedder};
use crate::media::MediaError;
use crate::store::{Filter, Reader, Searched, StoreError, holds_all};
use crate::types::VideoId;

pub use self::answer::{Answer, Hit, Parts};
use self::candidates::Search;
pub use self::concept::{TrainingExamples, learn};
pub use self::confidence::MINIMUM_CONFIDENCE;
pub use self::feedback::{Feedback, Next};
pub use self::last_hits::{last_hit, remember};
use self::merge::Merged;
pub use self::question::{Part, Question, Source};
pub use self::request::{Clause, Request, RequestError, Subject, video_at};
pub use self::resolve::Resolver;
pub use self::sequence::{Line, Sequence, Sequences, query_sequence};
pub use self::spread::Spread;

/// Moments among which differing ones are looked for.
const DIVERSE_AMONG: usize = 100;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the library has no vectors of the model {model:?}{}", others(.available))]
    NoVectors {
        model: String,
        available: Vec<String>,
    },
    #[error("nothing of the name {name:?} was taught to {model} here")]
    NoConcept {
        name: String,
        model: String,
        /// Names of what was.
        known: Vec<String>,
    },
    #[error("no hits of an earlier query are kept in this library")]
    NoLastHits,
    #[error("hit {number} was found by another model")]
    HitOfOtherModel { number: usize, model: String },
    #[error("the last query had {count} hits, so there is no hit {number}")]
    NoSuchHit { number: usize, count: usize },
    #[error("hit {number} was found by its words, or is not in the library any more")]
    HitWithoutVector { number: usize },
}

fn others(available: &[String]) -> String {
    if available.is_empty() {
        "; nothing has been indexed yet".into()
    } else {
        format!(", only of {}", available.join(", "))
    }
}

/// Which hits are given, and how they are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// k of top-k.
    pub limit: usize,
    /// None that are less likely than this.
    pub minimum_confidence: f64,
    /// So many of one video at most.
    pub per_video: Option<usize>,
    /// Hits that differ from one another, near duplicates counted.
    pub diverse: bool,
    /// By a look at every vector in scope.
    pub exact: bool,
}

impl Options {
    /// The best `limit` hits, however unlikely.
    pub fn top(limit: usize) -> Self {
        Self {
            limit,
            minimum_confidence: 0.0,
            per_video: None,
            diverse: false,
            exact: false,
        }
    }
}

/// Finds moments that answer a question, in the videos a filter leaves. All of the answer is of one state
/// of the library.
pub fn query(
    reader: &Reader,
    embedder: &dyn Embedder,
    question: &Question,
    options: Options,
    filter: &Filter,
) -> Result<Answer, SearchError> {
    let _snapshot = reader.snapshot()?;
    let Some(search) = Search::open(reader, embedder, filter, options.exact)? else {
        return Ok(Answer::empty(nothing_to_search(reader, embedder, filter)?));
    };
    let enough = match options.diverse {
        true => DIVERSE_AMONG.max(options.limit.saturating_mul(2)),
        false => options.limit,
    };
    let ranked = search.ranked(question, enough, options.per_video)?;
    let mut answer = Answer::from_ranked(&ranked, search.selection.searched);
    let confidences = search.confidences(&ranked)?;
    let mut chosen = Vec::new();
    let mut of_video: HashMap<VideoId, usize> = HashMap::new();
    for (moment, confidence) in ranked.moments.into_iter().zip(confidences) {
        let named = moment.best.words.as_ref().is_some_and(|(_, passage)| {
            question
                .words()
                .is_some_and(|words| holds_all(own_words(passage), words))
        });
        if confidence.is_some_and(|c| c < options.minimum_confidence) && !named {
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
    let videos: Vec<VideoId> = chosen.iter().map(|(m, ..)| m.best.row.video).collect();
    let videos = reader.videos_by_id(&videos)?;
    let mut parts = search.parts(chosen.iter().map(|(m, ..)| &m.best), ranked.spread)?;
    for (moment, confidence, near_duplicates) in &chosen {
        let row = &moment.best.row;
        let (Some(video), Some(parts)) = (videos.get(&row.video), parts.remove(&row.moment)) else {
            continue;
        };
        answer.hits.push(Hit {
            rank: answer.hits.len() + 1,
            confidence: confidence.map(|c| rounded(c, 3)),
            near_duplicates: *near_duplicates,
            parts,
            ..Hit::new(moment, video, embedder.name(), filter)
        });
    }
    tracing::debug!(
        hits = answer.hits.len(),
        left_out = answer.left_out,
        videos = answer.searched.videos,
        "query: answered"
    );
    Ok(answer)
}

/// Of a passage that begins with a path only the file's name: every file below a folder bears the folder's.
fn own_words(passage: &str) -> &str {
    let path = passage.lines().next().unwrap_or_default();
    match path.strip_prefix('/').and_then(|p| p.rfind('/')) {
        Some(slash) => &passage[slash + 2..],
        None => passage,
    }
}

/// What was searched where files were read and gave nothing; else an error.
fn nothing_to_search(
    reader: &Reader,
    embedder: &dyn Embedder,
    filter: &Filter,
) -> Result<Searched, SearchError> {
    let available = reader.model_names()?;
    let searched = reader.select(filter)?.searched;
    match available.is_empty() && searched.all_videos > 0 {
        true => Ok(searched),
        false => Err(SearchError::NoVectors {
            model: embedder.name().into(),
            available,
        }),
    }
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
            region: None,
            camera: None,
            recorded_at: None,
            recorded_ms: None,
            model: "m".into(),
            near_duplicates: 0,
            parts: Parts::default(),
        }
    }
}
