//! Sentences about nothing in particular: what a query's sentence is measured against.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use super::{EmbedError, Embedder};
use crate::types::Embedding;

const SENTENCES: &str = include_str!("neutral.txt");

/// The vectors of all neutral sentences, made on all cores.
pub fn neutral(embedder: &dyn Embedder) -> Result<Vec<Embedding>, EmbedError> {
    let sentences: Vec<&str> = SENTENCES.lines().collect();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let embed = |some: &[&str]| -> Result<Vec<_>, EmbedError> {
        some.iter().map(|s| embedder.embed_text(s)).collect()
    };
    let parts: Vec<Result<Vec<_>, _>> = thread::scope(|scope| {
        let parts = sentences.chunks(sentences.len().div_ceil(cores));
        let start = |part| match thread::Builder::new().spawn_scoped(scope, move || embed(part)) {
            Ok(thread) => Ok(thread),
            // The machine has no thread left: this one does it.
            Err(_) => Err(embed(part)),
        };
        let started: Vec<_> = parts.map(start).collect();
        let finish = |started: Result<thread::ScopedJoinHandle<_>, _>| match started {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(done) => done,
        };
        started.into_iter().map(finish).collect()
    });
    let parts: Result<Vec<_>, _> = parts.into_iter().collect();
    Ok(parts?.concat())
}

/// What the sentences hash to: vectors of others are of no use.
pub fn neutral_digest() -> String {
    blake3::hash(SENTENCES.as_bytes()).to_hex()[..16].to_owned()
}
