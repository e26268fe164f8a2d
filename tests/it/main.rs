//! Tests through the library's rooms and the program itself. They make their media with the
//! `ffmpeg` program and need no network.

#![allow(clippy::unwrap_used)] // helpers outside #[test] functions too

mod architecture;
mod asking;
mod bad_input;
mod clips;
mod clocks;
mod commands;
mod decoding;
mod durable;
mod every_kind;
mod fake_hub;
mod faults;
mod lettering;
mod library;
mod models;
mod objects;
mod pictures;
mod recorded;
mod removing;
mod said;
mod shared;
mod sidecars;
mod timing;
mod tiny_clip;
