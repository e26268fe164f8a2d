//! What a question is answered with.

use std::path::PathBuf;

use super::candidates::Ranked;
use super::events::Event;
use super::{HitName, rounded};
use crate::store::{FileStamp, Filter, Method, Searched, VideoRef};
use crate::types::{MomentId, Object, Region, TextLine, VectorId, timecode};

/// One answer to a query: a stretch of one video and its best frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// 1 is the best.
    pub rank: usize,
    /// Cosine less what is taken off, or the rank value of words; comparable within one query and kind only.
    pub score: f64,
    /// How likely the hit is real, in [0, 1]; `None` where that cannot be told.
    pub confidence: Option<f64>,
    /// Likely enough; else it is a guess.
    pub is_match: bool,
    pub found_by: FoundBy,
    pub video: PathBuf,
    /// Of its best frame. It names the hit, too.
    pub moment: MomentId,
    /// Which video stream of it; the one a player shows where `None`.
    pub stream: Option<usize>,
    /// Its video's clock begins anew somewhere.
    pub clock_jumps: bool,
    /// Seconds from the start of the video to the best frame.
    pub time: f64,
    pub timecode: String,
    /// Seconds; the stretch that matched, `start <= time <= end`.
    pub start: f64,
    pub end: f64,
    /// Where it goes on in files of the same camera before and after: paths and seconds of them.
    pub goes_on: Vec<(PathBuf, f64, f64)>,
    /// The part of the frame that matched; `None` is the whole.
    pub region: Option<Region>,
    pub camera: Option<String>,
    /// Wall clock of the best frame, with offset; and how it is known: `container`, `name` or `file`.
    pub recorded_at: Option<String>,
    pub recorded_from: Option<String>,
    /// The same in milliseconds since 1970 in UTC, where it is known well enough to order by.
    pub recorded_ms: Option<i64>,
    /// Of its file when it was read.
    pub stamp: FileStamp,
    pub model: String,
    /// Events of other videos that show the same and were left out for it.
    pub near_duplicates: usize,
    /// What is asked for is seen in it, but for a colour that cannot be told.
    pub lacks_colour: bool,
    /// What a detector saw in its best frame, the surest first.
    pub objects: Vec<Object>,
    /// What was read in it, from the top.
    pub lettering: Vec<TextLine>,
    pub parts: Parts,
}

/// What a hit was found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    Pictures,
    /// The things that a detector saw in it.
    Objects,
    /// A path, camera, tag, note or subtitle.
    Words,
    /// What was read in it.
    Lettering,
}

/// Whether the file of a hit is the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    AsRead,
    Gone,
    Changed,
}

/// What the score of a hit is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parts {
    /// The vector of the best view; `None` where it was found by its words.
    pub vector: Option<VectorId>,
    /// Cosine of the question and the best view.
    pub similarity: Option<f64>,
    /// How far that exceeds the cosines of pictures of all kinds, in standard deviations.
    pub z_score: Option<f64>,
    /// How many views of the frame there are.
    pub views: usize,
    /// The passage that holds its words, where it was found by them.
    pub passage: Option<String>,
    /// Cosines with what is not wanted, and what they took off.
    pub unwanted: Vec<f64>,
    pub penalty: Option<f64>,
    /// What the things in it add to its score, where they bear out what is asked.
    pub raised: Option<f64>,
}

impl Parts {
    pub(super) fn of_words(passage: &str) -> Self {
        Self {
            passage: Some(passage.into()),
            ..Self::default()
        }
    }
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
    /// Events that were looked at for the list, and how many of those are likely enough to be matches.
    pub events: usize,
    pub matches: usize,
    /// Sentences of which the model cannot tell whether a picture shows them.
    pub untold: Vec<String>,
    /// What is wanted and what is not, where they look the same to the model.
    pub alike: Vec<(String, String)>,
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
            events: 0,
            matches: 0,
            untold: Vec::new(),
            alike: Vec::new(),
        }
    }

    /// Without hits yet.
    pub(super) fn from_ranked(ranked: &Ranked, searched: Searched) -> Self {
        Self {
            method: ranked.method,
            among: ranked.among,
            without_words: ranked.without_words.clone(),
            untold: ranked.untold.clone(),
            alike: ranked.alike.clone(),
            ..Self::empty(searched)
        }
    }

    /// Puts the hits in order of the wall clock where it is known, else by video and time; matches stay before
    /// guesses. Ranks stay those by confidence.
    pub fn sort_by_time(&mut self) {
        self.hits.sort_by(|a, b| {
            let clock = |h: &Hit| (!h.is_match, h.recorded_ms, h.video.clone());
            clock(a).cmp(&clock(b)).then(a.time.total_cmp(&b.time))
        });
    }
}

impl Hit {
    /// It stays while the reading of its video does.
    pub fn name(&self) -> HitName {
        HitName::Moment(self.moment)
    }

    /// Looks at its file. One that cannot be looked at counts as it was.
    pub fn file_state(&self) -> FileState {
        match FileStamp::of(&self.video) {
            Ok(stamp) if stamp != self.stamp => FileState::Changed,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => FileState::Gone,
            _ => FileState::AsRead,
        }
    }

    /// An event as a hit; its rank, its parts and whether it is a match are yet to be told.
    pub(super) fn new(event: &Event, video: &VideoRef, model: &str, filter: &Filter) -> Self {
        // Rounded down, so that seeking to the time printed (`ffmpeg -ss`) lands on this frame and not
        // on the one after it.
        let time = (event.best.row.time.seconds() * 1e3 + 1e-6).floor() / 1e3;
        let at = |ms: i64| ms.saturating_add((time * 1e3).round() as i64);
        let from = video.recorded_from.as_deref();
        Self {
            rank: 0,
            score: rounded(event.best.score, 4),
            confidence: event.confidence,
            is_match: false,
            found_by: match (&event.best.passage, event.best.raised > 0.0) {
                (Some(passage), _) if passage.is_lettering => FoundBy::Lettering,
                (Some(_), _) => FoundBy::Words,
                (None, true) => FoundBy::Objects,
                (None, false) => FoundBy::Pictures,
            },
            video: video.path.clone(),
            moment: event.best.row.moment,
            stream: video.stream,
            clock_jumps: video.clock_jumps,
            time,
            timecode: timecode(time),
            start: rounded(event.start - event.came_before, 3).min(time),
            end: rounded(event.end - event.went_before, 3).max(time),
            goes_on: Vec::new(),
            region: event.best.row.region,
            camera: video.camera.clone(),
            recorded_at: video.recorded_ms.and_then(|ms| filter.wall_clock(at(ms))),
            recorded_from: video.recorded_from.clone(),
            recorded_ms: filter.clock(video.recorded_ms, from).map(at),
            stamp: video.stamp,
            model: model.into(),
            near_duplicates: 0,
            lacks_colour: false,
            objects: Vec::new(),
            lettering: Vec::new(),
            parts: Parts::default(),
        }
    }
}
