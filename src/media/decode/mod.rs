//! From a file to its sampled frames, in this process.

pub(super) mod boxes;
mod choose;
mod clock;
mod cuts;
mod gate;
pub(super) mod report;
pub(super) mod sample;
pub(super) mod sampling;
pub(super) mod seek;
pub(super) mod source;
mod stamps;
pub(super) mod subtitles;
mod tone;
mod upright;
