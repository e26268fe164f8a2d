//! What a question is answered with.

use std::path::PathBuf;

use super::candidates::Ranked;
use super::merge::Merged;
use super::rounded;
use crate::store::{Filter, Method, Searched, VideoRef};
use crate::types::{MomentId, Region, VectorId, timecode};

/// One answer to a query: a stretch of one video and its best frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// 1 is the best.
    pub rank: usize,
    /// Fused rank value; comparable within one query only.
    pub score: f64,
    /// How likely the hit is real, in [0, 1]; `None` where that cannot be told.
    pub confidence: Option<f64>,
    pub video: PathBuf,
    pub moment: MomentId,
    /// Which video stream of it; the one a player shows where `None`.
    pub stream: Option<usize>,
    /// Seconds from the start of the video to the best frame.
    pub time: f64,
    pub timecode: String,
    /// Seconds; the stretch that matched, `start <= time <= end`.
    pub start: f64,
    pub end: f64,
    /// The part of the frame that matched; `None` is the whole.
    pub region: Option<Region>,
    pub camera: Option<String>,
    /// Wall clock of the best frame, with offset; and in milliseconds since 1970 in UTC.
    pub recorded_at: Option<String>,
    pub recorded_ms: Option<i64>,
    pub model: String,
    /// Moments of other videos that show the same and were left out for it.
    pub near_duplicates: usize,
    pub parts: Parts,
}

/// What the score of a hit is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parts {
    /// The vector of the best view; `None` where only words were looked for.
    pub vector: Option<VectorId>,
    /// Cosine of the question and the best view.
    pub similarity: Option<f64>,
    /// How far that exceeds the cosines of pictures of all kinds, in standard deviations.
    pub z_score: Option<f64>,
    /// How many views of the frame there are.
    pub views: usize,
    /// What matching words added, and the passage that holds them.
    pub words: Option<f64>,
    pub passage: Option<String>,
    /// Cosines with what is not wanted, and what they took off.
    pub unwanted: Vec<f64>,
    pub penalty: Option<f64>,
}

/// The hits of one query, best first.
#[derive(Debug, Clone)]
pub struct Answer {
    pub hits: Vec<Hit>,
    pub method: Method,
    /// Vectors in scope.
    pub among: usize,
    /// What was searched, as of the same state of the library.
    pub searched: Searched,
    /// Why words were ignored.
    pub without_words: Option<String>,
    /// Candidates left out as too unlikely, and the likeliest of them.
    pub left_out: usize,
    pub best_left_out: Option<f64>,
    /// How likely the sentences are about something that can be seen; `None` where that cannot be told.
    pub seeable: Option<f64>,
}

impl Answer {
    /// Without hits: nothing was there to be searched.
    pub(super) fn empty(searched: Searched) -> Self {
        Self {
            hits: Vec::new(),
            method: Method::Exact,
            among: 0,
            searched,
            without_words: None,
            left_out: 0,
            best_left_out: None,
            seeable: None,
        }
    }

    /// Without hits yet.
    pub(super) fn from_ranked(ranked: &Ranked, searched: Searched) -> Self {
        Self {
            method: ranked.method,
            among: ranked.among,
            without_words: ranked.without_words.clone(),
            seeable: ranked.judges.as_ref().and_then(|j| j.wanted.seeable()),
            ..Self::empty(searched)
        }
    }

    /// Puts the hits in order of the wall clock where it is known, else by video and time. Ranks stay
    /// those by score.
    pub fn sort_by_time(&mut self) {
        self.hits.sort_by(|a, b| {
            let clock = |h: &Hit| (h.recorded_ms, h.video.clone());
            clock(a).cmp(&clock(b)).then(a.time.total_cmp(&b.time))
        });
    }
}

impl Hit {
    /// A moment as a hit, its rank, confidence and parts yet to be told.
    pub(super) fn new(moment: &Merged, video: &VideoRef, model: &str, filter: &Filter) -> Self {
        // Rounded down, so that seeking to the time printed (`ffmpeg -ss`) lands on this frame and not
        // on the one after it.
        let time = (moment.best.row.time.seconds() * 1e3 + 1e-6).floor() / 1e3;
        let recorded_ms = video
            .recorded_ms
            .map(|ms| ms.saturating_add((time * 1e3).round() as i64));
        Self {
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
            region: moment.best.row.region,
            camera: video.camera.clone(),
            recorded_at: recorded_ms.and_then(|ms| filter.wall_clock(ms)),
            recorded_ms,
            model: model.into(),
            near_duplicates: 0,
            parts: Parts::default(),
        }
    }
}
