//! A frame → the lines of text in it: [`Ocr`].
//!
//! A network marks the hearts of lines (Liao et al., "Real-time Scene Text Detection with Differentiable
//! Binarization", AAAI 2020); each line is cut out level and read by another (CTC, Graves et al. 2006). Both are
//! PP-OCR's (docs/lettering.md).

mod crop;
mod layout;
mod lines;
mod words;

use std::fmt;
use std::sync::{Arc, OnceLock};

use fast_image_resize as fir;
use rten::ThreadPool;
use rten_tensor::prelude::*;
use vsearch_network::Network;

use self::lines::{Hearts, LineBox};
use super::onnx::Onnx;
use crate::types::{Pixels, TextLine};

static LINES: &[u8] = include_bytes!("../../../models/lettering-lines.safetensors");
static WORDS: &[u8] = include_bytes!("../../../models/lettering-words.onnx");
/// BLAKE3 of the weights and of the rule's name; a test recomputes it.
const FINGERPRINT: &str = "73285bff7deb6a6f9d4a2b5e7fa38d6a";
#[cfg(test)]
const RULE: &[u8] = b"320, .7, 640, .6, 1.6, 48, .8";

/// Longer side at which a frame is looked at first, and hearts of which there must be one for it to be looked at
/// again: most frames hold no lettering.
const GATE: u32 = 320;
const IN_GATE: Hearts = Hearts {
    sure: 0.7,
    least: 2,
};
/// Longer side at which lines are looked for, and their hearts there.
const SIDE: u32 = 640;
const IN_LINES: Hearts = Hearts {
    sure: 0.6,
    least: 3,
};
/// Lines that are read of one frame, the surest.
const LINES_AT_MOST: usize = 60;
/// Mean of the characters' probabilities from which a line is kept.
const SURE: f32 = 0.8;
/// Letters, digits and ideographs of a line that is kept, at least: a square is easily read as one ideograph.
const LETTERS: usize = 2;

/// Reads lettering. Clones of it share the weights; each runs on threads of its own.
pub struct Ocr {
    pool: Arc<ThreadPool>,
}

struct Networks {
    lines: Network,
    words: Onnx,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum OcrError {
    #[error("the built-in OCR is damaged: {0}")]
    Damaged(String),
    #[error("a frame could not be resized: {0}")]
    Resize(#[from] fir::ResizeError),
    #[error("the OCR failed: {0}")]
    Failed(String),
}

impl fmt::Debug for Ocr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ocr").finish_non_exhaustive()
    }
}

impl Ocr {
    /// The one in the program. It reads words on one thread, and looks for lines on those of the rayon pool it is run in.
    pub fn builtin() -> Self {
        Self {
            pool: Arc::new(ThreadPool::with_num_threads(1)),
        }
    }

    /// Hex digest of its weights and of its rule: it reads the same where that is the same.
    pub fn fingerprint(&self) -> &str {
        FINGERPRINT
    }

    /// The same with so many threads of its own.
    pub fn with_threads(&self, threads: usize) -> Self {
        Self {
            pool: Arc::new(ThreadPool::with_num_threads(threads)),
        }
    }

    /// Unpacks the weights.
    ///
    /// # Errors
    /// Where those in the program are damaged.
    pub fn load(&self) -> Result<(), OcrError> {
        networks().map(drop)
    }

    /// The lines of text in a frame, in reading order.
    pub fn read(&self, frame: &Pixels) -> Result<Vec<TextLine>, OcrError> {
        match self.lines(frame, GATE, IN_GATE)?.is_empty() {
            true => Ok(Vec::new()),
            false => self.read_all(frame),
        }
    }

    /// The same without a first look at it.
    fn read_all(&self, frame: &Pixels) -> Result<Vec<TextLine>, OcrError> {
        let mut boxes = self.lines(frame, SIDE, IN_LINES)?;
        boxes.sort_by(|a, b| b.score.total_cmp(&a.score));
        boxes.truncate(LINES_AT_MOST);
        let mut read = Vec::new();
        for line in boxes {
            let (text, score) = self.words(frame, &line)?;
            if score >= SURE && letters(&text) > 0 {
                read.push((text, score, line));
            }
        }
        let read = layout::ordered(layout::joined(read)).into_iter();
        let lines = read.filter(|(text, ..)| letters(text) >= LETTERS);
        let line = |(text, score, line): (String, f32, LineBox)| {
            Some(TextLine {
                text,
                score: score.min(1.0),
                region: line.region(frame.width(), frame.height())?,
            })
        };
        Ok(lines.filter_map(line).collect())
    }

    /// Where lines lie in a frame, looked at with this longer side.
    fn lines(&self, frame: &Pixels, side: u32, which: Hearts) -> Result<Vec<LineBox>, OcrError> {
        let (map, width, height) = self.text_map(frame, side)?;
        let size = (frame.width(), frame.height());
        Ok(lines::boxes(&map, (width, height), size, which))
    }

    /// How likely each pixel of a frame that was shrunk lies in the heart of a line, and the shrunk width and height.
    fn text_map(&self, frame: &Pixels, side: u32) -> Result<(Vec<f32>, usize, usize), OcrError> {
        let (width, height) = lines::size(frame.width(), frame.height(), side);
        let values = lines::pixels(frame, width, height)?;
        let (width, height) = (width as usize, height as usize);
        let run = networks()?.lines.run(height, width, &values);
        let map = run.map_err(OcrError::Failed)?.pop();
        match map {
            Some(map) if (map.height, map.width, map.channels) == (height, width, 1) => {
                Ok((map.values, width, height))
            }
            _ => Err(OcrError::Failed("no map of the frame".into())),
        }
    }

    /// What a line says, and the mean probability of its characters.
    fn words(&self, frame: &Pixels, line: &LineBox) -> Result<(String, f32), OcrError> {
        let (planes, width) = crop::planes(frame, line);
        let shape = [1, 3, crop::HEIGHT, width];
        let run = networks()?.words.run(&shape, planes, &self.pool);
        let logits = run.map_err(OcrError::Failed)?;
        let &[1, _, classes] = logits.shape() else {
            return Err(OcrError::Failed(format!("logits of {:?}", logits.shape())));
        };
        Ok(words::decode(&logits.into_data(), classes))
    }
}

fn networks() -> Result<&'static Networks, OcrError> {
    static NETWORKS: OnceLock<Result<Networks, String>> = OnceLock::new();
    let load = || {
        Ok(Networks {
            lines: Network::load(LINES)?,
            words: Onnx::load_static(WORDS)?,
        })
    };
    let networks = NETWORKS.get_or_init(load).as_ref();
    networks.map_err(|e: &String| OcrError::Damaged(e.clone()))
}

/// Letters, digits and ideographs.
fn letters(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphanumeric()).count()
}

#[cfg(test)]
mod tests;
