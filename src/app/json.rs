//! What every face prints as JSON (docs/formats.md): stable, whatever the types inside are called.

use std::borrow::Cow;
use std::path::Path;

use serde::Serialize;

use super::status::Summary;
use crate::embed::Reading;
use crate::ingest::Policy;
use crate::search::{Answer, FileState, FoundBy, Hit, Parts, Sequence, Sequences};
use crate::store::{Method, ObjectCount, Searched, SidecarTrouble, VideoRow};
use crate::types::{Object, Relative, Shares, TextLine, relations};

/// JSON holds Unicode only: bytes of a path that are not become U+FFFD.
fn lossy(path: &Path) -> Cow<'_, str> {
    path.to_string_lossy()
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// A hit of `query --json`.
#[derive(Serialize)]
pub struct HitLine<'a> {
    rank: usize,
    id: String,
    #[serde(rename = "match")]
    is_match: bool,
    score: f64,
    confidence: Option<f64>,
    found_by: &'static str,
    video: Cow<'a, str>,
    time: f64,
    timecode: &'a str,
    start: f64,
    end: f64,
    #[serde(rename = "box")]
    region: Option<[u32; 4]>,
    camera: Option<&'a str>,
    recorded_at: Option<&'a str>,
    recorded_from: Option<&'a str>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    goes_on: Vec<StretchLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passage: Option<&'a str>,
    #[serde(skip_serializing_if = "is_zero")]
    alike: usize,
    #[serde(skip_serializing_if = "is_false")]
    colour_unknown: bool,
    objects: Vec<ObjectLine>,
    lettering: Vec<LetteringLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<PartsLine>,
}

/// A thing seen in the best frame of a hit.
#[derive(Serialize)]
struct ObjectLine {
    class: &'static str,
    score: f64,
    #[serde(rename = "box")]
    region: [u32; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    colours: Option<SharesLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper: Option<SharesLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower: Option<SharesLine>,
    /// How it stands to other things of the list, each by its place from 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rides: Vec<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beside: Vec<usize>,
}

/// Names of colours and their shares, the greatest first.
type SharesLine = Vec<(&'static str, f64)>;

fn shares(of: &Shares) -> SharesLine {
    let rounded = |share: f32| (f64::from(share) * 100.0).round() / 100.0;
    of.iter().map(|(c, s)| (c.name(), rounded(*s))).collect()
}

fn object_lines(objects: &[Object]) -> Vec<ObjectLine> {
    let related = relations(objects);
    let lines = objects.iter().enumerate().map(|(i, o)| {
        let to = |is: Relative| {
            let own = related.iter().filter(|r| r.of == i && r.is == is);
            own.map(|r| r.to).collect()
        };
        ObjectLine {
            class: o.class.name(),
            score: (f64::from(o.score) * 1e4).round() / 1e4,
            region: o.region.to_array(),
            colours: o.colours.whole.as_ref().map(shares),
            upper: o.colours.upper.as_ref().map(shares),
            lower: o.colours.lower.as_ref().map(shares),
            rides: to(Relative::Rides),
            holds: to(Relative::Holds),
            beside: to(Relative::Beside),
        }
    });
    lines.collect()
}

/// A line of text that was read in a frame.
#[derive(Serialize)]
struct LetteringLine<'a> {
    text: &'a str,
    score: f64,
    #[serde(rename = "box")]
    region: [u32; 4],
}

impl<'a> LetteringLine<'a> {
    fn new(line: &'a TextLine) -> Self {
        Self {
            text: &line.text,
            score: (f64::from(line.score) * 1e4).round() / 1e4,
            region: line.region.to_array(),
        }
    }
}

/// Where a hit goes on in another file.
#[derive(Serialize)]
struct StretchLine<'a> {
    video: Cow<'a, str>,
    start: f64,
    end: f64,
}

/// What its score is made of.
#[derive(Serialize)]
struct PartsLine {
    similarity: Option<f64>,
    stands_out: Option<f64>,
    views: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unwanted: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raised: Option<f64>,
}

impl<'a> HitLine<'a> {
    /// `explain`: with what its score is made of.
    pub fn new(hit: &'a Hit, explain: bool) -> Self {
        let goes_on = hit.goes_on.iter().map(|(video, start, end)| StretchLine {
            video: lossy(video),
            start: *start,
            end: *end,
        });
        Self {
            rank: hit.rank,
            id: hit.name().to_string(),
            is_match: hit.is_match,
            score: hit.score,
            confidence: hit.confidence,
            found_by: match hit.found_by {
                FoundBy::Pictures => "pictures",
                FoundBy::Objects => "objects",
                FoundBy::Words => "words",
                FoundBy::Lettering => "lettering",
            },
            video: lossy(&hit.video),
            time: hit.time,
            timecode: &hit.timecode,
            start: hit.start,
            end: hit.end,
            region: hit.region.map(crate::types::Region::to_array),
            camera: hit.camera.as_deref(),
            recorded_at: hit.recorded_at.as_deref(),
            recorded_from: hit.recorded_from.as_deref(),
            file: match hit.file_state() {
                FileState::AsRead => None,
                FileState::Gone => Some("gone"),
                FileState::Changed => Some("changed"),
            },
            goes_on: goes_on.collect(),
            passage: hit.parts.passage.as_deref(),
            model: &hit.model,
            alike: hit.near_duplicates,
            colour_unknown: hit.lacks_colour,
            objects: object_lines(&hit.objects),
            lettering: hit.lettering.iter().map(LetteringLine::new).collect(),
            parts: explain.then(|| PartsLine::new(&hit.parts)),
        }
    }
}

impl PartsLine {
    fn new(parts: &Parts) -> Self {
        Self {
            similarity: parts.similarity,
            stands_out: parts.z_score,
            views: parts.views,
            unwanted: parts.unwanted.clone(),
            penalty: parts.penalty,
            raised: parts.raised,
        }
    }
}

/// A sequence of `query --then --json`.
#[derive(Serialize)]
pub struct SequenceLine<'a> {
    rank: usize,
    #[serde(rename = "match")]
    is_match: bool,
    score: f64,
    confidence: Option<f64>,
    steps: Vec<HitLine<'a>>,
}

impl<'a> SequenceLine<'a> {
    pub fn new(sequence: &'a Sequence) -> Self {
        let steps = sequence.steps.iter();
        Self {
            rank: sequence.rank,
            is_match: sequence.is_match,
            score: sequence.score,
            confidence: sequence.confidence,
            steps: steps.map(|hit| HitLine::new(hit, false)).collect(),
        }
    }
}

/// The last line of `query --json`: what the answer rests on.
#[derive(Serialize)]
pub struct SearchedLine {
    summary: SearchedSummary,
}

#[derive(Serialize)]
struct SearchedSummary {
    hits: usize,
    videos: usize,
    all_videos: usize,
    duration: f64,
    unseen: f64,
    troubled: usize,
    undated: usize,
    file_times: usize,
    /// Moments in scope that no detector has looked at, where that is asked.
    #[serde(skip_serializing_if = "is_zero")]
    not_looked_at: usize,
    /// Moments in scope of which the lettering has not been read, where that is asked.
    #[serde(skip_serializing_if = "is_zero")]
    not_read: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vectors: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cannot_tell: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    read_as: Vec<ReadingLine>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cut: Vec<CutLine>,
}

/// A sentence that is longer than what a model reads.
#[derive(Serialize)]
struct CutLine {
    asked: String,
    read: String,
}

fn cuts(of: &[(String, String)]) -> Vec<CutLine> {
    let line = |(asked, read): &(String, String)| CutLine {
        asked: asked.clone(),
        read: read.clone(),
    };
    of.iter().map(line).collect()
}

/// What a model looks for where something else was asked.
#[derive(Serialize)]
struct ReadingLine {
    asked: String,
    #[serde(rename = "as")]
    looked_for: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_known: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_told_apart: Vec<String>,
    /// Looked for in what was read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lettering: Vec<String>,
}

fn readings(of: &[(String, Reading)]) -> Vec<ReadingLine> {
    let line = |(asked, reading): &(String, Reading)| ReadingLine {
        asked: asked.clone(),
        looked_for: reading.text.clone(),
        not_known: reading.not_known.clone(),
        not_told_apart: reading.not_told_apart.clone(),
        lettering: reading.lettering.clone(),
    };
    of.iter().map(line).collect()
}

impl SearchedLine {
    /// Of hits.
    pub fn of_hits(answer: &Answer, read: &[(String, Reading)], cut: &[(String, String)]) -> Self {
        let method = match answer.method {
            Method::Exact => "exact",
            Method::Hnsw => "hnsw",
            Method::Words => "words",
        };
        Self {
            summary: SearchedSummary {
                method: Some(method),
                vectors: (answer.method != Method::Words).then_some(answer.among),
                matches: Some(answer.matches),
                events: Some(answer.events),
                cannot_tell: answer.untold.clone(),
                read_as: readings(read),
                cut: cuts(cut),
                ..SearchedSummary::new(answer.hits.len(), &answer.searched)
            },
        }
    }

    pub fn of_sequences(
        found: &Sequences,
        read: &[(String, Reading)],
        cut: &[(String, String)],
    ) -> Self {
        Self {
            summary: SearchedSummary {
                cannot_tell: found.untold.clone(),
                read_as: readings(read),
                cut: cuts(cut),
                ..SearchedSummary::new(found.sequences.len(), &found.searched)
            },
        }
    }
}

impl SearchedSummary {
    fn new(hits: usize, searched: &Searched) -> Self {
        Self {
            hits,
            videos: searched.videos,
            all_videos: searched.all_videos,
            duration: searched.length,
            unseen: searched.unseen,
            troubled: searched.troubled,
            undated: searched.undated,
            file_times: searched.guessed,
            not_looked_at: searched.unlooked,
            not_read: searched.unread,
            method: None,
            vectors: None,
            matches: None,
            events: None,
            cannot_tell: Vec::new(),
            read_as: Vec::new(),
            cut: Vec::new(),
        }
    }
}

/// A file of `status --json`.
#[derive(Serialize)]
pub struct VideoLine<'a> {
    video: Cow<'a, str>,
    moments: u64,
    frames: u64,
    duration: Option<f64>,
    read_to: Option<f64>,
    largest_gap: Option<f64>,
    decode_errors: u64,
    lost_packets: u64,
    lost_frames: u64,
    wrong_times: u64,
    jumps: &'a [(f64, f64)],
    gaps: &'a [(f64, f64)],
    faults: &'a [f64],
    error: Option<&'a str>,
    sidecars: Vec<SidecarLine<'a>>,
    complete: bool,
    sampling: String,
    model: Option<&'a str>,
    indexed_at: Option<i64>,
    camera: Option<&'a str>,
    recorded_from: Option<&'a str>,
    recorded_doubt: Option<&'a str>,
    container: Option<&'a str>,
    codec: Option<&'a str>,
    width: Option<u32>,
    height: Option<u32>,
}

/// A file beside a video that gave nothing, or less than all.
#[derive(Serialize)]
struct SidecarLine<'a> {
    path: Cow<'a, str>,
    error: &'a str,
}

impl<'a> VideoLine<'a> {
    pub fn new(v: &'a VideoRow) -> Self {
        let seen = &v.coverage;
        Self {
            video: lossy(&v.path),
            moments: v.moments,
            frames: seen.frames,
            duration: seen.duration,
            read_to: seen.read_to,
            largest_gap: seen.largest_gap,
            decode_errors: seen.decode_errors(),
            lost_packets: seen.lost_packets,
            lost_frames: seen.lost_frames,
            wrong_times: seen.wrong_times,
            jumps: &seen.jumps,
            gaps: &seen.gaps,
            faults: &seen.faults,
            error: v.error.as_deref(),
            sidecars: v.sidecars.iter().map(SidecarLine::new).collect(),
            complete: v.complete,
            sampling: sampling(v),
            model: v.model.as_deref(),
            indexed_at: v.indexed_at,
            camera: v.camera.as_deref(),
            recorded_from: v.recorded_from.as_deref(),
            recorded_doubt: v.recorded_doubt.as_deref(),
            container: v.container.as_deref(),
            codec: v.codec.as_deref(),
            width: v.width,
            height: v.height,
        }
    }
}

impl<'a> SidecarLine<'a> {
    fn new(of: &'a SidecarTrouble) -> Self {
        Self {
            path: lossy(&of.path),
            error: &of.reason,
        }
    }
}

/// Which frames were looked at and which views of them, where not the middle, as a sentence.
fn sampling(v: &VideoRow) -> String {
    let reading = &v.reading;
    let policy = Policy::from_text(&reading.policy);
    let policy = policy.map_or_else(|| reading.policy.clone(), |p| p.to_string());
    match reading.views.as_str() {
        "center" => policy,
        views => format!("{policy}, {views}"),
    }
}

/// A line of `status --objects --json`.
#[derive(Serialize)]
pub struct ObjectCountLine<'a> {
    class: &'a str,
    camera: Option<&'a str>,
    objects: u64,
    moments: u64,
}

impl<'a> ObjectCountLine<'a> {
    pub fn new(count: &'a ObjectCount) -> Self {
        Self {
            class: &count.class,
            camera: count.camera.as_deref(),
            objects: count.objects,
            moments: count.moments,
        }
    }
}

/// The last line of `status --json`.
#[derive(Serialize)]
pub struct SummaryLine<'a, T> {
    pub summary: &'a T,
}

/// See [`SummaryLine`].
pub type StatusLine<'a> = SummaryLine<'a, Summary>;
