//! A frame → the parts of it that are looked at, the things in it, and its lettering. Knows neither videos nor storage.

mod lettering;
mod objects;
mod onlookers;
mod onnx;
mod views;

pub use lettering::{Ocr, OcrError};
pub use objects::{Detection, Detector, DetectorError, Part, shares};
pub use onlookers::{OnlookerError, Onlookers};
pub use views::{View, Views, crop, of_things};
