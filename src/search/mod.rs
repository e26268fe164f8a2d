//! From a request to ranked events. [`query`] reads top to bottom: question → vector → candidates → events →
//! matches and guesses.

mod answer;
mod candidates;
mod claims;
mod concept;
mod confidence;
mod diverse;
pub mod eval;
mod events;
mod feedback;
mod last_hits;
mod odds;
mod question;
mod request;
mod resolve;
mod sequence;
mod spread;
mod words;

use std::collections::HashMap;

use crate::embed::{EmbedError, Embedder};
use crate::media::MediaError;
use crate::store::{Filter, Reader, Searched, StoreError};
use crate::types::{MomentId, VideoId};

pub use self::answer::{Answer, FileState, FoundBy, Hit, Parts};
use self::candidates::Search;
pub use self::concept::{TrainingExamples, learn};
pub use self::confidence::MINIMUM_CONFIDENCE;
use self::events::Event;
pub use self::feedback::{Feedback, Next};
pub use self::last_hits::{HitName, remember};
pub use self::odds::Odds;
pub use self::question::{Part, Question, Source};
pub use self::request::{Clause, Request, RequestError, Subject, video_at};
pub use self::resolve::Resolver;
pub use self::sequence::{Chain, Line, Sequence, Sequences, query_sequence};
pub use self::spread::Spread;

/// Events among which differing ones are looked for.
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
    #[error("{name} is not in the library any more, or has no vector of this model")]
    NoSuchMoment { name: HitName },
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
    /// From here on a hit is a match; below it is a guess.
    pub minimum_confidence: f64,
    /// No guesses.
    pub matches_only: bool,
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
            minimum_confidence: MINIMUM_CONFIDENCE,
            matches_only: false,
            per_video: None,
            diverse: false,
            exact: false,
        }
    }
}

/// Finds events that answer a question, in the videos a filter leaves. All of the answer is of one state of the
/// library.
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
    let mut searched = search.selection.searched;
    if question.claims().next().is_some() {
        searched.unlooked = reader.unlooked(&search.selection)?;
    }
    if question.lettering().next().is_some() {
        searched.unread = reader.unread(&search.selection)?;
    }
    let mut answer = Answer::from_ranked(&ranked, searched);
    let is_match = |e: &Event| e.confidence.is_none_or(|c| c >= options.minimum_confidence);
    let mut events = search.joined(ranked.events)?;
    // Those without a confidence are matches, whatever their rank.
    events.sort_by_key(|e| !is_match(e));
    answer.events = events.len();
    answer.matches = events.iter().filter(|e| is_match(e)).count();
    let mut of_video: HashMap<VideoId, usize> = HashMap::new();
    let mut chosen = Vec::new();
    for event in events {
        let count = of_video.entry(event.best.row.video).or_default();
        *count += 1;
        let wanted = is_match(&event) || !options.matches_only;
        if wanted && options.per_video.is_none_or(|most| *count <= most) && chosen.len() < enough {
            chosen.push(event);
        }
    }
    let mut chosen: Vec<(Event, usize)> = match options.diverse {
        true => search.diverse(chosen, options.limit)?,
        false => chosen.into_iter().map(|event| (event, 0)).collect(),
    };
    chosen.sort_by_key(|(event, _)| !is_match(event));
    let ids = chosen.iter().flat_map(|(event, _)| event.videos());
    let videos = reader.videos_by_id(&ids.collect::<Vec<VideoId>>())?;
    let moments: Vec<MomentId> = chosen.iter().map(|(e, _)| e.best.row.moment).collect();
    let objects = reader.objects_of(&moments)?;
    let lettering = reader.lettering_of(&moments)?;
    let seen = chosen.iter().map(|(e, _)| &e.best);
    let seen = seen.filter(|best| best.passage.is_none());
    let mut parts = search.parts(seen, ranked.spread)?;
    for (event, near_duplicates) in &chosen {
        let row = &event.best.row;
        let Some(video) = videos.get(&row.video) else {
            continue;
        };
        let goes_on = event.goes_on.iter().filter_map(|stretch| {
            let video = videos.get(&stretch.video)?;
            Some((video.path.clone(), stretch.start, stretch.end))
        });
        let lines = lettering.get(&row.moment).into_iter().flatten();
        let said = event.best.passage.as_ref().filter(|p| p.is_lettering);
        let line = lines
            .clone()
            .find(|l| said.is_some_and(|p| p.text == l.text));
        let hit = Hit::new(event, video, embedder.name(), filter);
        let objects = objects.get(&row.moment).cloned().unwrap_or_default();
        answer.hits.push(Hit {
            lacks_colour: question.claims().any(|claim| claim.lacks_colour(&objects)),
            region: line.map(|l| l.region).or(hit.region),
            rank: answer.hits.len() + 1,
            is_match: is_match(event),
            near_duplicates: *near_duplicates,
            goes_on: goes_on.collect(),
            objects,
            lettering: lines.cloned().collect(),
            parts: match &event.best.passage {
                Some(passage) => Parts::of_words(&passage.text),
                None => parts.remove(&row.moment).unwrap_or_default(),
            },
            ..hit
        });
    }
    tracing::debug!(
        hits = answer.hits.len(),
        matches = answer.matches,
        events = answer.events,
        videos = answer.searched.videos,
        "query: answered"
    );
    Ok(answer)
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
    use crate::store::FileStamp;

    /// A hit at a time of a video, in seconds, and no more.
    pub(super) fn hit(video: &str, time: f64) -> Hit {
        Hit {
            rank: 0,
            score: 0.5,
            confidence: None,
            is_match: true,
            found_by: FoundBy::Pictures,
            video: video.into(),
            moment: MomentId(0),
            stream: None,
            clock_jumps: false,
            time,
            timecode: String::new(),
            start: time,
            end: time,
            region: None,
            camera: None,
            recorded_at: None,
            recorded_from: None,
            recorded_ms: None,
            stamp: FileStamp {
                size: 0,
                modified_ns: 0,
            },
            goes_on: Vec::new(),
            model: "m".into(),
            near_duplicates: 0,
            lacks_colour: false,
            objects: Vec::new(),
            lettering: Vec::new(),
            parts: Parts::default(),
        }
    }
}
