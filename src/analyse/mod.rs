//! A frame → the parts of it that are looked at. Knows neither videos nor models.

mod views;

pub use views::{View, Views, crop};
