//! Plain rows: what goes into a library and what comes out, whatever keeps it.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use super::{CameraClock, FileStamp};
use crate::types::{
    Coverage, Embedding, ModelId, MomentId, Object, Region, TextLine, Timestamp, VectorId, VideoId,
    ViewVectors,
};

/// The model whose vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewModel<'a> {
    pub name: &'a str,
    /// Hex; vectors of different fingerprints are never compared.
    pub fingerprint: &'a str,
    pub dim: usize,
}

/// A model that has written here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRow {
    pub id: ModelId,
    pub name: String,
    pub fingerprint: String,
    pub dim: usize,
    pub has_vectors: bool,
    /// Queries are answered by it where they name no other.
    pub answers: bool,
}

/// A moment to commit, with its vectors.
#[derive(Debug, Clone)]
pub struct NewMoment {
    pub video: VideoId,
    /// The representative frame; `start <= time <= end`, all in one time base.
    pub time: Timestamp,
    pub start: Timestamp,
    pub end: Timestamp,
    /// One for each view of the frame; `None` is the whole frame.
    pub vectors: ViewVectors,
    /// A JPEG of its frame, where one is kept.
    pub thumbnail: Option<Vec<u8>>,
    /// `None` where nobody looked for things.
    pub objects: Option<SeenObjects>,
    /// `None` where nobody looked for lettering.
    pub lettering: Option<ReadLettering>,
}

/// What was read in a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadLettering {
    /// Fingerprint of what read it.
    pub ocr: String,
    /// From the top.
    pub lines: Vec<TextLine>,
}

/// What a detector saw in a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenObjects {
    /// Its fingerprint.
    pub detector: String,
    pub objects: Vec<Object>,
    /// What the model makes of them, where it makes anything.
    pub vectors: ViewVectors,
}

/// What was seen of a moment after it was committed.
#[derive(Debug, Clone)]
pub struct LaterSeen {
    pub moment: MomentId,
    /// Of its views, in addition to those it has.
    pub vectors: ViewVectors,
    /// In place of those it has, with their vectors.
    pub objects: Option<SeenObjects>,
    /// In place of what it has.
    pub lettering: Option<ReadLettering>,
}

/// What looks at frames beside the model, by fingerprints; `None` where nothing does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fingerprints<'a> {
    pub detector: Option<&'a str>,
    pub ocr: Option<&'a str>,
}

/// How many things of a class a camera saw, and in how many moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectCount {
    pub class: String,
    pub camera: Option<String>,
    pub objects: u64,
    pub moments: u64,
}

/// A committed moment, found by one of its vectors.
#[derive(Debug, Clone)]
pub struct MomentRow {
    pub moment: MomentId,
    pub video: VideoId,
    pub time: Timestamp,
    pub start: Timestamp,
    pub end: Timestamp,
    /// What the vector was made from; `None` is the whole frame.
    pub region: Option<Region>,
}

/// Moments of a video that have no vector of a model, or that a detector or an OCR has not looked at.
#[derive(Debug, Clone)]
pub struct Lacking {
    pub video: VideoId,
    pub moments: Vec<LackingMoment>,
}

/// See [`Lacking`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LackingMoment {
    pub moment: MomentId,
    /// Of its frame.
    pub time: Timestamp,
    /// It has a vector of the model.
    pub embedded: bool,
    /// The detector has looked at it.
    pub looked_at: bool,
    /// Its lettering has been read.
    pub read: bool,
}

/// What an earlier reading of a file came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    Whole,
    /// As far as it can be read; says why not further.
    Partial(String),
    /// The file has only grown since; it was read up to so many seconds.
    Grown {
        earlier: VideoId,
        read_to: f64,
    },
}

/// When a video was recorded, and by which camera, as far as is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recorded {
    pub camera: Option<String>,
    /// Wall clock at the start of the video, milliseconds since 1970 in UTC.
    pub at_ms: Option<i64>,
    /// How that is known: `container`, `name`, `folder` or `file`.
    pub from: Option<String>,
    /// The same as the clock showed it, 2024-05-01T12:30:00, where that told no zone.
    pub clock: Option<String>,
    /// The zone that `clock` was read in.
    pub zone: Option<String>,
    /// The time its container tells, as it is written there.
    pub created: Option<String>,
    /// Why the time may be wrong.
    pub doubt: Option<String>,
}

/// What a file that was read told of when and by whom it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedVideo {
    pub video: VideoId,
    /// By the clock as it was.
    pub recorded: Recorded,
    /// Seconds, as its container claims.
    pub duration: Option<f64>,
}

/// A camera of the library.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraRow {
    pub name: String,
    pub videos: usize,
    pub clock: CameraClock,
}

/// Of how many videos a camera's clock tells the time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CameraVideos {
    pub all: usize,
    /// Not only the time of the file is known.
    pub by_clock: usize,
    /// Of those: it tells no zone.
    pub zoneless: usize,
}

/// What reading a file came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VideoRecord {
    pub container: Option<String>,
    pub codec: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub coverage: Coverage,
    /// Why it gave nothing, or less than all.
    pub error: Option<String>,
    /// What ended it was not the file: it is worth another try unchanged.
    pub retry: bool,
    /// Which video stream was read; the one a player shows where `None`.
    pub stream: Option<usize>,
    pub digest: Option<String>,
    pub recorded: Recorded,
    pub texts: Vec<NewText>,
    pub sidecars: Vec<SidecarTrouble>,
}

/// A file beside a video that gave nothing, or less than all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SidecarTrouble {
    pub path: PathBuf,
    pub reason: String,
}

/// A video of the library.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoRow {
    pub id: VideoId,
    pub path: PathBuf,
    /// 0 where moments were not counted.
    pub moments: u64,
    pub coverage: Coverage,
    pub error: Option<String>,
    pub sidecars: Vec<SidecarTrouble>,
    /// False while it is being read, or when that was interrupted.
    pub complete: bool,
    pub reading: Reading,
    pub model: Option<String>,
    /// When it was read, seconds since 1970 in UTC.
    pub indexed_at: Option<i64>,
    pub camera: Option<String>,
    /// Wall clock at its start, milliseconds since 1970 in UTC.
    pub recorded_ms: Option<i64>,
    pub recorded_from: Option<String>,
    /// Why that time may be wrong.
    pub recorded_doubt: Option<String>,
    pub container: Option<String>,
    pub codec: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
}

/// How a video was read. The store compares both and understands neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Which frames were looked at: a reading policy as it is serialised by `ingest`.
    pub policy: String,
    /// What of them was embedded.
    pub views: String,
}

/// What a hit tells of its video.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoRef {
    pub path: PathBuf,
    /// As it was read.
    pub stamp: FileStamp,
    pub reading: Reading,
    /// Which video stream was read; the one a player shows where `None`.
    pub stream: Option<usize>,
    pub camera: Option<String>,
    /// Wall clock at its start, milliseconds since 1970 in UTC.
    pub recorded_ms: Option<i64>,
    pub recorded_from: Option<String>,
    /// Of its frames as a player shows them, in pixels.
    pub width: Option<u32>,
    /// Its clock begins anew somewhere: what its stamps say are not its times.
    pub clock_jumps: bool,
}

/// Where words come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// The container's tags.
    Tag,
    /// Subtitles inside the file, and beside it.
    Track,
    File,
}

impl TextKind {
    /// As it lies in the catalogue.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Track => "track",
            Self::File => "file",
        }
    }
}

/// Words of a video, to commit with it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewText {
    pub kind: TextKind,
    /// Seconds; `None` where they are of the whole video.
    pub span: Option<(f64, f64)>,
    pub text: String,
}

/// The user's own words on a video.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    pub id: i64,
    pub path: PathBuf,
    /// Seconds; `None` for the whole video.
    pub time: Option<f64>,
    pub text: String,
}

/// Something taught by examples: a linear head on the vectors of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Concept {
    pub name: String,
    /// The log-odds that a picture shows it are its vector's dot product with these, plus `bias`.
    pub weights: Vec<f32>,
    pub bias: f64,
    /// Examples it was made from.
    pub positives: usize,
    pub negatives: usize,
}

/// A vector near a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    pub id: VectorId,
    /// Cosine, in [-1, 1].
    pub similarity: f32,
}

/// How neighbours were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Every vector in scope was compared.
    Exact,
    /// By the HNSW graph; exactly where that does not reach.
    Hnsw,
    /// By no vector: words alone were looked for.
    Words,
}

/// Neighbours, best first.
#[derive(Debug)]
pub struct Found {
    pub neighbours: Vec<Neighbour>,
    pub method: Method,
    /// Vectors in scope.
    pub among: usize,
}

/// Words of a video.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    pub video: VideoId,
    /// Seconds; `None` where they are of the whole video.
    pub span: Option<(f64, f64)>,
    pub text: String,
    /// They were read in its frames.
    pub is_lettering: bool,
}

/// A passage that holds words asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    pub passage: Passage,
    /// BM25; comparable within one answer.
    pub score: f32,
}

/// The vectors of a moment, by a model.
pub type MomentVectors = (MomentId, Vec<Embedding>);

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub path: PathBuf,
    pub what: String,
    /// It can be made again from what is sound.
    pub repairable: bool,
}

/// Told how many vectors are in a search graph, of how many; and whether to go on.
pub struct GraphProgress<'a> {
    pub report: &'a (dyn Fn(usize, usize) + Sync),
    pub stop: &'a AtomicBool,
}
