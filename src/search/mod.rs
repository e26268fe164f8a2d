//! From a question to ranked moments. [`query`] reads top to bottom: question → vector →
//! candidates → merged moments → confident hits.

mod concept;
mod confidence;
mod diverse;
pub mod eval;
mod feedback;
mod merge;
mod question;
mod scope;
mod sequence;
mod spread;
mod words;

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::embed::{EmbedError, Embedder};
use crate::index::{
    Filter, IndexError, Match, Method, ModelRow, Neighbour, Reader, VideoRef, holds_all,
};
use crate::types::{Embedding, Hit, MomentId, VectorId, VideoId, timecode};

pub use self::concept::{Lesson, learn};
use self::confidence::Judge;
pub use self::confidence::LEVEL;
pub use self::feedback::{Feedback, Next};
use self::merge::{Candidate, Merged, merge};
pub use self::question::{Part, Question, Source};
pub use self::scope::{Scope, ScopeError};
pub use self::sequence::{Line, Sequence, query_sequence};
pub use self::spread::Spread;

/// Vectors looked at for each hit asked for: neighbours in time must be among them to merge.
const CANDIDATES_PER_HIT: usize = 4;
const MIN_CANDIDATES: usize = 400;
/// Never more than this: whoever asks for so much has a scope to narrow.
const CANDIDATES_AT_MOST: usize = 100_000;
/// Passages of words looked at, at least.
const WORDS_LOOKED_AT: usize = 200;
/// What is not wanted counts where it stands out by more standard deviations than this
/// (docs/decisions/0013-questions-of-several-parts.md).
const UNWANTED_FROM: f64 = 2.0;
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

/// A library, a model and a scope, to ask questions of.
struct Search<'a> {
    reader: &'a Reader,
    embedder: &'a dyn Embedder,
    model: ModelRow,
    filter: Option<Filter>,
}

/// Moments that answer one question, best first.
struct Ranked {
    moments: Vec<Merged>,
    method: Method,
    among: usize,
    without_words: Option<String>,
    /// Of the question's vector; `None` where only words were looked for.
    spread: Option<Spread>,
    judges: Option<Judges>,
}

/// Of what is wanted, and of each thing that is not.
struct Judges {
    wanted: Judge,
    unwanted: Vec<Judge>,
}

impl<'a> Search<'a> {
    /// `None` where the model has no vectors here.
    fn of(
        reader: &'a Reader,
        embedder: &'a dyn Embedder,
        scope: &Scope,
    ) -> Result<Option<Self>, SearchError> {
        let Some(model) = reader.model(embedder.fingerprint())? else {
            return Ok(None);
        };
        let filter = match scope.is_everything() {
            true => None,
            false => Some(scope.filter(reader)?),
        };
        Ok(Some(Self {
            reader,
            embedder,
            model,
            filter,
        }))
    }

    /// Cameras and videos in scope.
    fn scenes(&self) -> Result<(usize, usize), SearchError> {
        let filter = self.filter.as_ref();
        let inside = |video| filter.is_none_or(|f| f.videos.contains(&video));
        Ok(self.reader.scenes(inside)?)
    }

    fn sample(&self) -> Result<Vec<Embedding>, SearchError> {
        confidence::sample(self.reader, self.embedder, &self.model)
    }

    /// At least `enough` moments where there are so many, `per_video` of one video at most.
    fn ranked(
        &self,
        question: &Question,
        enough: usize,
        per_video: Option<usize>,
    ) -> Result<Ranked, SearchError> {
        let filter = self.filter.as_ref();
        let (scenes, videos) = self.scenes()?;
        let enough = per_video.map_or(enough, |most| enough.min(most.saturating_mul(videos)));
        let matches = question
            .words()
            .map_or(Ok(Vec::new()), |words| self.matching(words, enough));
        // Beside pictures, a damaged index of words costs what words would have added.
        let (matches, without_words) = match matches {
            Ok(matches) => (matches, None),
            Err(e) if !question.wanted.is_empty() => (Vec::new(), Some(e.to_string())),
            Err(e) => return Err(e.into()),
        };
        let sample = self.sample()?;
        let Some(vector) = question.vector(&sample) else {
            if !question.wanted.is_empty() {
                return Err(EmbedError::NoDirection.into());
            }
            return Ok(Ranked {
                moments: words::alone(self.reader, &matches, filter, enough)?,
                method: Method::Exact,
                among: matches.len(),
                without_words,
                spread: None,
                judges: None,
            });
        };

        let spread = Spread::of(&vector, &sample);
        let unwanted = question.unwanted.iter();
        let unwanted: Vec<(&Part, Spread)> = unwanted
            .map(|part| (part, Spread::of(&part.vector, &sample)))
            .collect();
        // Long still scenes fill the first candidates with one moment: look further until there are
        // moments enough, or no more vectors.
        let mut wanted = (enough * CANDIDATES_PER_HIT).clamp(MIN_CANDIDATES, CANDIDATES_AT_MOST);
        let (moments, method, among) = loop {
            let found = self
                .reader
                .neighbours(&self.model, &vector, wanted, filter)?;
            let all = found.neighbours.len() < wanted;
            let mut near = self.candidates(&found.neighbours)?;
            if !matches.is_empty() {
                let named = words::named(&matches, filter);
                let more =
                    self.reader
                        .neighbours(&self.model, &vector, MIN_CANDIDATES, Some(&named))?;
                near.extend(self.candidates(&more.neighbours)?);
                words::fuse(&mut near, &matches, question.words_weight);
            }
            self.penalise(&mut near, &spread, &unwanted)?;
            let moments = merge(near);
            // What lies beyond has this similarity at most, and nothing to be taken off it.
            let beyond = found
                .neighbours
                .last()
                .map_or(-1.0, |n| f64::from(n.similarity));
            let sure = moments.iter().filter(|m| m.best.score >= beyond);
            let found_enough = match question.unwanted.is_empty() {
                true => listed(&moments, per_video) >= enough,
                false => sure.count() >= enough,
            };
            if all || found_enough || wanted >= CANDIDATES_AT_MOST {
                break (moments, found.method, found.among);
            }
            wanted = (4 * wanted).min(CANDIDATES_AT_MOST);
        };
        let judge = |parts: &[Part], vector: &Embedding, spread: &Spread, scenes| {
            Judge::of(self.reader, self.embedder, parts, (vector, spread), scenes)
        };
        let alone = |(part, spread): &(&Part, Spread)| {
            judge(std::slice::from_ref(*part), &part.vector, spread, 1)
        };
        let judges = Judges {
            wanted: judge(&question.wanted, &vector, &spread, scenes)?,
            unwanted: unwanted.iter().map(alone).collect::<Result<_, _>>()?,
        };
        Ok(Ranked {
            moments,
            method,
            among,
            without_words,
            spread: Some(spread),
            judges: Some(judges),
        })
    }

    /// Passages that hold words of the question, of videos in scope.
    fn matching(&self, words: &str, enough: usize) -> Result<Vec<Match>, IndexError> {
        let filter = self.filter.as_ref();
        self.reader
            .words(words, WORDS_LOOKED_AT.max(enough), |video| {
                filter.is_none_or(|f| f.videos.contains(&video))
            })
    }

    /// The moments of vectors, best first, each by the best of its views.
    fn candidates(&self, near: &[Neighbour]) -> Result<Vec<Candidate>, IndexError> {
        let mut candidates = Vec::with_capacity(near.len());
        let mut seen = HashSet::new();
        for n in near {
            // A vector the graph still holds may have left the catalogue.
            if let Some(row) = self.reader.moment_of(n.id)?
                && seen.insert(row.moment)
            {
                let similarity = f64::from(n.similarity);
                candidates.push(Candidate {
                    row,
                    score: similarity,
                    nearest: Some((n.id, similarity)),
                    unwanted: Vec::new(),
                    penalty: 0.0,
                    words: None,
                });
            }
        }
        Ok(candidates)
    }

    /// Takes off the score of candidates in which something that is not wanted stands out in any view.
    fn penalise(
        &self,
        candidates: &mut [Candidate],
        of_question: &Spread,
        unwanted: &[(&Part, Spread)],
    ) -> Result<(), SearchError> {
        if unwanted.is_empty() {
            return Ok(());
        }
        for candidate in candidates.iter_mut() {
            let views = self.reader.vectors_of(&self.model, candidate.row.moment)?;
            for (part, spread) in unwanted {
                let cosines = views.iter().map(|v| f64::from(part.vector.similarity(v)));
                let nearest = cosines.zip(0..).max_by(|(a, _), (b, _)| a.total_cmp(b));
                let (cosine, view) = nearest.unwrap_or((-1.0, 0));
                let beyond = (spread.stands_out(cosine) - UNWANTED_FROM).max(0.0);
                candidate.unwanted.push((cosine, view));
                candidate.penalty += part.weight * of_question.deviation * beyond;
            }
            candidate.score -= candidate.penalty;
        }
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(())
    }

    /// How likely a moment is what is wanted, and nothing that is not.
    fn confidence(
        &self,
        judges: &Option<Judges>,
        moment: &Merged,
    ) -> Result<Option<f64>, SearchError> {
        let (Some(judges), Some((id, similarity))) = (judges, moment.best.nearest) else {
            return Ok(None);
        };
        let picture = || Ok(self.reader.vector(id)?);
        let Some(mut likely) = judges.wanted.confidence(similarity, picture)? else {
            return Ok(None);
        };
        for (judge, (cosine, view)) in judges.unwanted.iter().zip(&moment.best.unwanted) {
            let picture = || {
                let views = self
                    .reader
                    .vectors_of(&self.model, moment.best.row.moment)?;
                Ok(views.into_iter().nth(*view))
            };
            likely *= 1.0 - judge.confidence(*cosine, picture)?.unwrap_or(0.0);
        }
        Ok(Some(likely))
    }

    /// What a candidate's score is made of.
    fn parts(&self, candidate: &Candidate, spread: Option<Spread>) -> Result<Parts, SearchError> {
        let unwanted = candidate.unwanted.iter().map(|(u, _)| rounded(*u, 4));
        let penalised = !candidate.unwanted.is_empty();
        let (vector, similarity) = candidate.nearest.unzip();
        let stands_out = spread.zip(similarity).map(|(s, c)| s.stands_out(c));
        let words = candidate.words.as_ref();
        let views = self.reader.vectors_of(&self.model, candidate.row.moment)?;
        Ok(Parts {
            vector,
            similarity: similarity.map(|s| rounded(s, 4)),
            stands_out: stands_out.map(|z| rounded(z, 2)),
            views: views.len(),
            words: words.map(|(bonus, _)| rounded(*bonus, 4)),
            passage: words.map(|(_, passage)| passage.clone()),
            unwanted: unwanted.collect(),
            penalty: penalised.then(|| rounded(candidate.penalty, 4)),
        })
    }

    fn diverse(
        &self,
        moments: Vec<(Merged, Option<f64>)>,
        limit: usize,
    ) -> Result<Vec<(Merged, Option<f64>, usize)>, SearchError> {
        let (mut pool, mut confidences) = (Vec::new(), HashMap::new());
        for (moment, confidence) in moments {
            confidences.insert(moment.best.row.moment, confidence);
            let vector = match moment.best.nearest {
                Some((id, _)) => self.reader.vector(id)?,
                None => None,
            };
            let first = |views: Vec<_>| views.into_iter().next();
            let vector = match vector {
                Some(vector) => Some(vector),
                None => first(
                    self.reader
                        .vectors_of(&self.model, moment.best.row.moment)?,
                ),
            };
            pool.extend(vector.map(|v| (moment, v)));
        }
        let taken = diverse::diversify(pool, limit).into_iter();
        let confidence = |id: &MomentId| confidences.get(id).copied().flatten();
        let with_confidence = taken.map(|(m, alike)| {
            let confidence = confidence(&m.best.row.moment);
            (m, confidence, alike)
        });
        Ok(with_confidence.collect())
    }
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

/// How many of the moments can be listed.
fn listed(moments: &[Merged], per_video: Option<usize>) -> usize {
    let Some(most) = per_video else {
        return moments.len();
    };
    let mut counts: HashMap<VideoId, usize> = HashMap::new();
    for moment in moments {
        *counts.entry(moment.best.row.video).or_default() += 1;
    }
    counts.into_values().map(|n| n.min(most)).sum()
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
            moment: MomentId(0),
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
