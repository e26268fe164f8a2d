//! What looks at frames beside the model.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Detector, DetectorError, Ocr, OcrError};
use crate::types::{Object, Pixels, TextLine};

/// A detector, which looks for things, and an OCR, which reads lettering; each where it is wanted.
#[derive(Debug, Clone, Default)]
pub struct Onlookers {
    pub detector: Option<Arc<Detector>>,
    pub ocr: Option<Arc<Ocr>>,
}

/// Why one of them cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OnlookerError {
    #[error(transparent)]
    Detector(#[from] DetectorError),
    #[error(transparent)]
    Ocr(#[from] OcrError),
}

impl Onlookers {
    /// The same with so many threads of its own.
    pub fn with_threads(&self, threads: usize) -> Self {
        let detector = self.detector.as_ref().map(|d| d.with_threads(threads));
        let ocr = self.ocr.as_ref().map(|o| o.with_threads(threads));
        Self {
            detector: detector.map(Arc::new),
            ocr: ocr.map(Arc::new),
        }
    }

    /// Unpacks their weights.
    pub fn load(&self) -> Result<(), OnlookerError> {
        if let Some(detector) = &self.detector {
            detector.load()?;
        }
        if let Some(ocr) = &self.ocr {
            ocr.load()?;
        }
        Ok(())
    }

    /// The things in a frame, the surest first. `None` where there is no detector, or where it fails: the frame counts
    /// as not looked at then, and is found by all else.
    pub fn things(&self, frame: &Pixels) -> Option<Vec<Object>> {
        let detector = self.detector.as_ref()?;
        sound("objects", || {
            detector.look(frame).map_err(|e| e.to_string())
        })
    }

    /// The lines of text in a frame, from the top; `None` as for things.
    pub fn lettering(&self, frame: &Pixels) -> Option<Vec<TextLine>> {
        let ocr = self.ocr.as_ref()?;
        sound("lettering", || ocr.read(frame).map_err(|e| e.to_string()))
    }
}

fn sound<T>(what: &str, look: impl FnOnce() -> Result<T, String>) -> Option<T> {
    let said = |panic: Box<dyn std::any::Any + Send>| {
        let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "an unknown fault".into())
    };
    let looked = catch_unwind(AssertUnwindSafe(look)).map_err(said);
    match looked.and_then(|r| r) {
        Ok(seen) => Some(seen),
        Err(reason) => {
            tracing::warn!(reason, "{what}: a frame could not be looked at");
            None
        }
    }
}
