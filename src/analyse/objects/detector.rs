//! The detector itself: NanoDet-g, or another of its family from a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rten::{Dimension, ThreadPool};
use rten_tensor::prelude::*;
use vsearch_network::Network;

use super::Detection;
use super::boxes::{Boxed, Grids, boxes, distinct};
use super::input::{Pass, passes, pixels};
use crate::analyse::onnx::Onnx;
use crate::types::{Class, Pixels, Region};

static WEIGHTS: &[u8] = include_bytes!("../../../models/detector.safetensors");
/// BLAKE3 of the weights and of the preprocessing's name; a test recomputes it.
const FINGERPRINT: &str = "a65e793c1a641c616e83242871f473d8";
#[cfg(test)]
const PREPROCESSING: &[u8] = b"longer side 416";
pub const NAME: &str = "nanodet-g";

/// A file of a detector is no larger than this.
const LARGEST_FILE: u64 = 1 << 30;
/// The size a detector is tried with when it is opened, where it takes any.
const TRIED: u32 = 64;

/// Finds things of 80 classes in frames.
///
/// Clones share the weights; each runs on threads of its own.
pub struct Detector {
    name: String,
    fingerprint: String,
    source: Source,
    pool: Arc<ThreadPool>,
}

#[derive(Clone)]
enum Source {
    /// Unpacked when it is first used.
    Builtin,
    File(Arc<File>),
}

struct File {
    onnx: Onnx,
    /// Width and height it takes; `None`: any multiple of its coarsest stride.
    fixed: Option<(u32, u32)>,
}

/// Why nothing could be detected.
#[derive(Debug, thiserror::Error)]
pub enum DetectorError {
    #[error("{}: cannot be read: {cause}", path.display())]
    Unreadable {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{}: not an ONNX model that vsearch can run: {reason}", path.display())]
    NotOnnx { path: PathBuf, reason: String },
    #[error("{}: not a detector of the NanoDet family: {reason}", path.display())]
    OtherFamily { path: PathBuf, reason: String },
    #[error("the built-in detector is damaged: {0}")]
    Damaged(String),
    #[error("a frame could not be resized: {0}")]
    Resize(#[from] fast_image_resize::ResizeError),
    #[error("the detector failed: {0}")]
    Failed(String),
}

impl fmt::Debug for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Detector");
        shown.field("name", &self.name).finish_non_exhaustive()
    }
}

impl Detector {
    /// The one in the program. It uses the threads of the rayon pool it is run in.
    pub fn builtin() -> Self {
        Self {
            name: NAME.into(),
            fingerprint: FINGERPRINT.into(),
            source: Source::Builtin,
            pool: Arc::new(ThreadPool::with_num_threads(1)),
        }
    }

    /// One from a file: ONNX as NanoDet's and NanoDet-Plus's own exports have it, for COCO's 80 classes.
    ///
    /// # Errors
    /// Where the file is no such model: it is tried on an empty picture.
    pub fn open(path: &Path) -> Result<Self, DetectorError> {
        let unreadable = |cause| DetectorError::Unreadable {
            path: path.into(),
            cause,
        };
        let not_onnx = |reason: String| DetectorError::NotOnnx {
            path: path.into(),
            reason,
        };
        let size = path.metadata().map_err(unreadable)?.len();
        if size > LARGEST_FILE {
            return Err(not_onnx(format!("it has {size} bytes")));
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let fingerprint = blake3::hash(&bytes).to_hex()[..32].to_owned();
        let onnx = Onnx::load(bytes).map_err(not_onnx)?;
        let other = |reason: String| DetectorError::OtherFamily {
            path: path.into(),
            reason,
        };
        let file = File::new(onnx).map_err(other)?;
        let pool = Arc::new(ThreadPool::with_num_threads(1));
        let (width, height) = file.fixed.unwrap_or((TRIED, TRIED));
        let pass = Pass {
            region: Region::new(0, 0, width, height),
            width,
            height,
        };
        let values = vec![0.0; 3 * (width * height) as usize];
        let tried = file.output(values, &pass, &pool);
        let tried = tried.and_then(|o| found(&o, &pass, 1.0));
        tried.map_err(|e| other(e.to_string()))?;
        Ok(Self {
            name: path.display().to_string(),
            fingerprint,
            source: Source::File(Arc::new(file)),
            pool,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Hex digest of its weights and of what it is given: it finds the same where that is the same.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The same; one from a file with so many threads of its own.
    pub fn with_threads(&self, threads: usize) -> Self {
        Self {
            name: self.name.clone(),
            fingerprint: self.fingerprint.clone(),
            source: self.source.clone(),
            pool: Arc::new(ThreadPool::with_num_threads(threads)),
        }
    }

    /// Unpacks the weights.
    ///
    /// # Errors
    /// Where those in the program are damaged.
    pub fn load(&self) -> Result<(), DetectorError> {
        match &self.source {
            Source::Builtin => builtin().map(drop),
            Source::File(_) => Ok(()),
        }
    }

    /// The things in a frame that score at least `minimum`, the surest first.
    pub fn detect(&self, frame: &Pixels, minimum: f32) -> Result<Vec<Detection>, DetectorError> {
        let fixed = match &self.source {
            Source::Builtin => None,
            Source::File(file) => file.fixed,
        };
        let mut boxes = Vec::new();
        for pass in passes(frame.width(), frame.height(), fixed) {
            let output = self.output(pixels(frame, &pass)?, &pass)?;
            let found = found(&output, &pass, minimum)?;
            boxes.extend(found.into_iter().map(|b| in_frame(b, &pass)));
        }
        let whole = Region::new(0, 0, frame.width(), frame.height());
        let detections = distinct(boxes).into_iter().filter_map(|b| {
            Some(Detection {
                class: b.class,
                score: b.score.min(1.0),
                region: within(b.edges, whole)?,
            })
        });
        Ok(detections.collect())
    }

    /// What the network makes of the pixels of a pass.
    fn output(&self, pixels: Vec<f32>, pass: &Pass) -> Result<Output, DetectorError> {
        match &self.source {
            Source::File(file) => file.output(pixels, pass, &self.pool),
            Source::Builtin => {
                let (height, width) = (pass.height as usize, pass.width as usize);
                let run = builtin()?.run(height, width, &pixels);
                let maps = run.map_err(DetectorError::Failed)?;
                let columns = maps.first().map_or(0, |map| map.channels);
                let points = maps.iter().map(|map| map.height * map.width).sum();
                let rows = maps.into_iter().flat_map(|map| map.values).collect();
                Ok(Output {
                    points,
                    columns,
                    rows,
                })
            }
        }
    }
}

fn builtin() -> Result<&'static Network, DetectorError> {
    static BUILTIN: OnceLock<Result<Network, String>> = OnceLock::new();
    let network = BUILTIN.get_or_init(|| Network::load(WEIGHTS)).as_ref();
    network.map_err(|e| DetectorError::Damaged(e.clone()))
}

/// A row for each point: scores, and the distributions of four distances.
struct Output {
    points: usize,
    columns: usize,
    rows: Vec<f32>,
}

/// The things of an output that score at least `minimum`.
fn found(output: &Output, pass: &Pass, minimum: f32) -> Result<Vec<Boxed>, DetectorError> {
    let failed = |e: String| DetectorError::Failed(e);
    let bins = output.columns.saturating_sub(Class::COUNT);
    if bins == 0 || !bins.is_multiple_of(4) {
        return Err(failed(format!(
            "its output has {} values a point, not the scores of {} classes and four distributions",
            output.columns,
            Class::COUNT
        )));
    }
    let grids = Grids::of_points(output.points, pass.width, pass.height).ok_or_else(|| {
        failed(format!(
            "its output has {} points for a picture of {}x{}",
            output.points, pass.width, pass.height
        ))
    })?;
    Ok(boxes(
        &output.rows,
        (grids, pass.width, pass.height),
        minimum,
    ))
}

impl File {
    fn new(onnx: Onnx) -> Result<Self, String> {
        let shape = onnx.input_shape();
        let [_, channels, height, width] = &shape[..] else {
            return Err("its input is no picture of the form [1, 3, height, width]".into());
        };
        if matches!(channels, Dimension::Fixed(n) if *n != 3) {
            return Err("its input has not three channels".into());
        }
        let fixed = match (width, height) {
            (Dimension::Fixed(w), Dimension::Fixed(h)) => {
                let side = |n: usize| u32::try_from(n).ok().filter(|n| (32..=4096).contains(n));
                let size = side(*w).zip(side(*h));
                Some(size.ok_or_else(|| format!("it takes pictures of {w}x{h}"))?)
            }
            _ => None,
        };
        Ok(Self { onnx, fixed })
    }

    fn output(
        &self,
        pixels: Vec<f32>,
        pass: &Pass,
        pool: &Arc<ThreadPool>,
    ) -> Result<Output, DetectorError> {
        let failed = |e: String| DetectorError::Failed(e);
        let shape = [1, 3, pass.height as usize, pass.width as usize];
        let output = self
            .onnx
            .run(&shape, planes(&pixels), pool)
            .map_err(failed)?;
        let &[_, points, columns] = output.shape() else {
            return Err(failed(format!(
                "its output has the shape {:?}, not [1, points, values]",
                output.shape()
            )));
        };
        Ok(Output {
            points,
            columns,
            rows: output.into_data(),
        })
    }
}

/// Pixels, channel by channel.
fn planes(pixels: &[f32]) -> Vec<f32> {
    let channel = |c: usize| pixels.iter().skip(c).step_by(3);
    (0..3).flat_map(channel).copied().collect()
}

/// A box of what a pass was given, in the frame.
fn in_frame(b: Boxed, pass: &Pass) -> Boxed {
    let [x, y, width, height] = pass.region.to_array().map(|v| v as f32);
    let (across, down) = (width / pass.width as f32, height / pass.height as f32);
    let [left, top, right, bottom] = b.edges;
    Boxed {
        edges: [
            x + left * across,
            y + top * down,
            x + right * across,
            y + bottom * down,
        ],
        ..b
    }
}

/// The part of a frame inside edges; `None` where there is none.
fn within(edges: [f32; 4], frame: Region) -> Option<Region> {
    let inside = |v: f32, most: u32| v.round().clamp(0.0, most as f32) as u32;
    let [left, top, right, bottom] = edges;
    let (left, right) = (inside(left, frame.width), inside(right, frame.width));
    let (top, bottom) = (inside(top, frame.height), inside(bottom, frame.height));
    let (width, height) = (right.checked_sub(left)?, bottom.checked_sub(top)?);
    (width > 0 && height > 0).then(|| Region::new(left, top, width, height))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// What ONNX Runtime makes of the picture below (models/golden_detector.py).
    #[derive(Deserialize)]
    struct Golden {
        width: u32,
        height: u32,
        /// Points, and their rows.
        rows: Vec<(usize, Vec<f32>)>,
    }

    /// The picture of models/golden_detector.py.
    fn picture(width: u32, height: u32) -> Pixels {
        let at = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let rgb = at.flat_map(|(x, y)| match (x / 24 + y / 24) % 3 {
            0 => [250, 200, 20],
            1 => [x as u8, y as u8, ((x + y) / 2) as u8],
            _ => [30, 60, (x * y % 251) as u8],
        });
        Pixels::new(width, height, rgb.collect()).unwrap()
    }

    fn pass(width: u32, height: u32) -> Pass {
        Pass {
            region: Region::new(0, 0, width, height),
            width,
            height,
        }
    }

    #[test]
    fn the_fingerprint_is_that_of_the_weights() {
        let mut hasher = blake3::Hasher::new();
        hasher.update(WEIGHTS);
        hasher.update(PREPROCESSING);
        assert_eq!(&hasher.finalize().to_hex()[..32], FINGERPRINT);
    }

    #[test]
    fn the_network_puts_out_what_onnx_runtime_does() {
        let golden: Golden = serde_json::from_str(include_str!("golden.json")).unwrap();
        let detector = Detector::builtin();
        let pass = pass(golden.width, golden.height);
        let values = pixels(&picture(golden.width, golden.height), &pass).unwrap();
        let output = detector.output(values, &pass).unwrap();
        for (point, row) in golden.rows {
            let ours = &output.rows[point * row.len()..(point + 1) * row.len()];
            for (a, b) in ours.iter().zip(&row) {
                assert!((a - b).abs() < 2e-3 * b.abs().max(1.0), "{point}: {a} {b}");
            }
        }
    }

    #[test]
    fn frames_of_any_shape_are_looked_at() {
        let detector = Detector::builtin();
        for (width, height) in [(1, 1), (10_000, 100), (3, 700), (33, 31)] {
            for value in [0, 255] {
                let frame = vec![value; (width * height * 3) as usize];
                let frame = Pixels::new(width, height, frame).unwrap();
                for found in detector.detect(&frame, 0.3).unwrap() {
                    let r = found.region;
                    assert!(r.x + r.width <= width && r.y + r.height <= height);
                }
            }
        }
    }

    #[test]
    fn a_file_of_the_family_is_run() {
        // Calls a cell of 32 pixels that is blue a person of 64 (tests/fixtures/detector.py).
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/detector.onnx");
        let detector = Detector::open(Path::new(file)).unwrap();
        let with = |(left, top): (u32, u32), colour: [u8; 3]| {
            let inside =
                |x: u32, y: u32| (left..left + 64).contains(&x) && (top..top + 64).contains(&y);
            let pixels = (0..448).flat_map(|y| (0..832).map(move |x| (x, y)));
            let rgb = pixels.flat_map(|(x, y)| {
                if inside(x, y) {
                    colour
                } else {
                    [200, 180, 160]
                }
            });
            Pixels::new(832, 448, rgb.collect()).unwrap()
        };
        let found = detector
            .detect(&with((320, 128), [20, 40, 230]), 0.3)
            .unwrap();
        let [person] = found[..] else {
            panic!("one person: {found:?}");
        };
        assert!(person.class == Class::PERSON && person.score > 0.9);
        assert_eq!(person.region, Region::new(288, 96, 128, 128));
        // At the edge, where the box is cut off; and red is not blue.
        let found = detector
            .detect(&with((0, 384), [20, 40, 230]), 0.3)
            .unwrap();
        assert_eq!(found[0].region, Region::new(0, 352, 96, 96));
        let red = with((320, 128), [230, 40, 20]);
        assert_eq!(detector.detect(&red, 0.3).unwrap(), []);
    }

    #[test]
    fn a_file_of_another_kind_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other.onnx");
        assert!(matches!(
            Detector::open(&path),
            Err(DetectorError::Unreadable { .. })
        ));
        for bytes in [&b""[..], b"no model", &WEIGHTS[..1000]] {
            std::fs::write(&path, bytes).unwrap();
            let error = Detector::open(&path).err().unwrap();
            assert!(error.to_string().contains("other.onnx"), "{error}");
        }
        // Sound ONNX, and no detector.
        let words = include_bytes!("../../../models/lettering-words.onnx");
        std::fs::write(&path, words).unwrap();
        let other = Detector::open(&path);
        assert!(matches!(other, Err(DetectorError::OtherFamily { .. })));
    }
}
