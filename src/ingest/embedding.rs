//! The embed workers: frames in, vectors out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Scope;

use crossbeam::channel::{Receiver, Sender};

use super::{IngestError, Thumbnail, spawn};
use crate::embed::{Embedder, Views, Workers};
use crate::types::{Embedding, Pixels, ViewVectors};

const FRAMES_PER_WORKER: usize = 4;

/// A frame on its way to a worker.
pub(super) struct Frame<T> {
    /// What it shows.
    pub(super) of: T,
    pub(super) pixels: Pixels,
    /// How many times larger than `pixels` a player shows it.
    pub(super) scale: f64,
}

/// The vectors of a frame's views, or why there are none.
pub(super) type Seen = Result<ViewVectors, String>;

/// What turns frames into messages.
pub(super) struct EmbedWorkers<'a, T, M> {
    pub(super) embedder: &'a dyn Embedder,
    pub(super) workers: Workers,
    pub(super) views: Views,
    /// How pictures of the frames are kept, where they are.
    pub(super) thumbnail: Option<Thumbnail>,
    pub(super) frames: Receiver<Frame<T>>,
    pub(super) results: Sender<M>,
}

/// Frames waiting for the workers: enough that none waits for a decoder, few enough that they (6 MB each) stay
/// a small part of memory.
pub(super) fn waiting(embedder: &dyn Embedder, workers: Workers) -> usize {
    (FRAMES_PER_WORKER * workers.count).max(embedder.batch_size())
}

impl<'a, T: Send + 'a, M: Send + 'a> EmbedWorkers<'a, T, M> {
    /// Starts the workers; they end when no frame is left, or nobody to take the `message` of what a frame shows, its
    /// thumbnail and its vectors.
    pub(super) fn start<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        message: impl Fn(T, Option<Vec<u8>>, Seen) -> M + Copy + Send + Sync + 'scope,
    ) -> Result<(), IngestError>
    where
        'a: 'scope,
    {
        for n in 0..self.workers.count {
            let worker = Self {
                frames: self.frames.clone(),
                results: self.results.clone(),
                ..self
            };
            spawn(scope, format!("embed-{n}"), move || worker.run(message))?;
        }
        Ok(())
    }

    fn run(&self, message: impl Fn(T, Option<Vec<u8>>, Seen) -> M + Sync) {
        let threads = self.workers.threads;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let work = || {
            while let Some(batch) = self.batch() {
                let thumbnail = |pixels: &Pixels| self.thumbnail.and_then(|t| t.of(pixels));
                let (kept, frames): (Vec<_>, Vec<_>) = batch
                    .into_iter()
                    .map(|f| ((f.of, thumbnail(&f.pixels)), (f.pixels, f.scale)))
                    .unzip();
                for ((of, thumbnail), seen) in kept.into_iter().zip(self.embed(frames)) {
                    if self.results.send(message(of, thumbnail, seen)).is_err() {
                        return;
                    }
                }
            }
        };
        match pool {
            Ok(pool) => pool.install(work),
            Err(_) => work(),
        }
    }

    /// As many frames as give a batch of views, but no more than this worker's share of what waits, so
    /// that the last of them end together.
    fn batch(&self) -> Option<Vec<Frame<T>>> {
        let size = (self.embedder.batch_size() / self.views.usual()).max(1);
        let mut batch = vec![self.frames.recv().ok()?];
        let share = self.frames.len() / self.workers.count.max(1);
        batch.extend(self.frames.try_iter().take(share.min(size - 1)));
        Some(batch)
    }

    /// What each frame's views give, with their parts in display pixels: those of the frame times its scale.
    fn embed(&self, frames: Vec<(Pixels, f64)>) -> Vec<Seen> {
        // The views of all frames in one row, and how many each frame has.
        let (mut parts, mut pixels, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for (frame, scale) in frames {
            let of_frame = self.views.of(frame, self.embedder);
            counts.push(of_frame.len());
            for view in of_frame {
                parts.push(view.part.map(|p| p.map(|v| (f64::from(v) * scale) as u32)));
                pixels.push(view.pixels);
            }
        }
        let mut together = Vec::with_capacity(pixels.len());
        for some in pixels.chunks(self.embedder.batch_size()) {
            match self.vectors(some) {
                Ok(vectors) => together.extend(vectors.into_iter().map(Ok)),
                // One bad picture must not take the others with it.
                Err(_) => together.extend(some.iter().map(|p| {
                    self.vectors(std::slice::from_ref(p))
                        .map(|mut v| v.remove(0))
                })),
            }
        }
        let mut both = parts.into_iter().zip(together);
        let of_frame = |count| {
            both.by_ref()
                .take(count)
                .map(|(part, v)| Ok((part, v?)))
                .collect()
        };
        counts.into_iter().map(of_frame).collect()
    }

    fn vectors(&self, pixels: &[Pixels]) -> Result<Vec<Embedding>, String> {
        catch_unwind(AssertUnwindSafe(|| self.embedder.embed_images(pixels)))
            .map_err(|panic| said(&panic))
            .and_then(|r| r.map_err(|e| e.to_string()))
    }
}

/// What a panic said.
pub(super) fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "an unknown fault".into())
}
