//! A frame → the parts of it that are looked at, and the things in it. Knows neither videos nor storage.

mod objects;
mod views;

pub use objects::{Detection, Detector, DetectorError, Part, shares};
pub use views::{View, Views, crop, of_things};
