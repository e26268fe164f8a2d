//! The embed workers: frames in, vectors out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Scope;

use crossbeam::channel::{Receiver, Sender};

use super::{IngestError, Thumbnail, spawn};
use crate::analyse::{Onlookers, View, Views, of_things};
use crate::embed::{Embedder, Schedule};
use crate::store::{ReadLettering, SeenObjects};
use crate::types::{Embedding, Object, Pixels, Region, TextLine, ViewVectors};

const FRAMES_PER_WORKER: usize = 4;

/// A frame on its way to a worker.
pub(super) struct Frame<T> {
    /// What it shows.
    pub(super) of: T,
    pub(super) pixels: Pixels,
    /// How many times larger than `pixels` a player shows it.
    pub(super) scale: f64,
    pub(super) wanted: Wanted,
}

/// What is wanted of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Those of its views.
    pub(super) vectors: bool,
    pub(super) objects: bool,
    pub(super) lettering: bool,
}

impl Wanted {
    pub(super) const ALL: Self = Self {
        vectors: true,
        objects: true,
        lettering: true,
    };
}

/// What a frame shows, or why that cannot be told.
pub(super) type Seen = Result<Box<SeenFrame>, String>;

/// What a frame shows.
#[derive(Debug, Clone)]
pub(super) struct SeenFrame {
    pub(super) views: ViewVectors,
    /// `None` where nobody looked for things, or could not.
    pub(super) objects: Option<SeenObjects>,
    /// `None` where nobody looked for lettering, or could not.
    pub(super) lettering: Option<ReadLettering>,
}

/// A frame made ready for the model.
struct Cut {
    thumbnail: Option<Vec<u8>>,
    views: Vec<View>,
    /// Views of things.
    things: Vec<View>,
    /// With their regions in display pixels.
    objects: Option<Vec<Object>>,
    lines: Option<Vec<TextLine>>,
}

/// What turns frames into messages.
pub(super) struct EmbedWorkers<'a, T, M> {
    pub(super) embedder: &'a dyn Embedder,
    pub(super) schedule: Schedule,
    pub(super) views: Views,
    pub(super) onlookers: &'a Onlookers,
    /// How pictures of the frames are kept, where they are.
    pub(super) thumbnail: Option<Thumbnail>,
    pub(super) frames: Receiver<Frame<T>>,
    pub(super) results: Sender<M>,
}

/// Capacity of the queue of frames before the workers: enough that none waits for a decoder, few enough that
/// they (6 MB each) stay a small part of memory.
pub(super) fn queue_capacity(schedule: Schedule) -> usize {
    (FRAMES_PER_WORKER * schedule.workers).max(schedule.batch_size)
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
        for n in 0..self.schedule.workers {
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
        let threads = self.schedule.threads;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let onlookers = self.onlookers.with_threads(threads);
        let work = || {
            while let Some(batch) = self.batch() {
                for (of, thumbnail, seen) in self.look(batch, &onlookers) {
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
        let size = (self.schedule.batch_size / self.views.usual()).max(1);
        let mut batch = vec![self.frames.recv().ok()?];
        let share = self.frames.len() / self.schedule.workers.max(1);
        batch.extend(self.frames.try_iter().take(share.min(size - 1)));
        Some(batch)
    }

    /// The thumbnail of each frame, and what it shows, with regions in display pixels: those of the frame times its
    /// scale.
    fn look(
        &self,
        frames: Vec<Frame<T>>,
        onlookers: &Onlookers,
    ) -> Vec<(T, Option<Vec<u8>>, Seen)> {
        // The views of all frames in one row, and how many each frame has.
        let (mut regions, mut pixels, mut each) = (Vec::new(), Vec::new(), Vec::new());
        for frame in frames {
            let (of, scale) = (frame.of, frame.scale);
            match self.cut(frame.pixels, (scale, frame.wanted), onlookers) {
                Ok(cut) => {
                    let counts = (cut.views.len(), cut.things.len());
                    each.push((of, cut.thumbnail, Ok((counts, cut.objects, cut.lines))));
                    for view in cut.views.into_iter().chain(cut.things) {
                        regions.push(view.region.map(|r| r.scaled(scale)));
                        pixels.push(view.pixels);
                    }
                }
                Err(reason) => each.push((of, None, Err(reason))),
            }
        }
        let mut both = regions.into_iter().zip(self.embed(&pixels));
        let Onlookers { detector, ocr } = onlookers;
        type Looked = ((usize, usize), Option<Vec<Object>>, Option<Vec<TextLine>>);
        let mut of_frame = |(counts, objects, lines): Looked| -> Seen {
            // All of them are taken, also where one has failed.
            let mut take = |count| both.by_ref().take(count).collect::<Vec<_>>();
            let (views, things) = (take(counts.0), take(counts.1));
            let views = vectors(views)?;
            let things = vectors(things)?;
            let objects = objects.zip(detector.as_ref());
            let lines = lines.zip(ocr.as_ref());
            Ok(Box::new(SeenFrame {
                views,
                objects: objects.map(|(objects, detector)| SeenObjects {
                    detector: detector.fingerprint().into(),
                    objects,
                    vectors: things,
                }),
                lettering: lines.map(|(lines, ocr)| ReadLettering {
                    ocr: ocr.fingerprint().into(),
                    lines,
                }),
            }))
        };
        let each = each.into_iter();
        each.map(|(of, thumbnail, cut)| (of, thumbnail, cut.and_then(&mut of_frame)))
            .collect()
    }

    /// The thumbnail of a frame, its views, the things in it and its lettering. What goes wrong is this frame's own.
    fn cut(
        &self,
        frame: Pixels,
        (scale, wanted): (f64, Wanted),
        onlookers: &Onlookers,
    ) -> Result<Cut, String> {
        let wanted_of = |asked: bool| asked.then_some(&frame);
        let objects = wanted_of(wanted.objects).and_then(|f| onlookers.things(f));
        let lines = wanted_of(wanted.lettering).and_then(|f| onlookers.lettering(f));
        let cropped = match (self.views, &objects) {
            (Views::Objects, Some(objects)) => of_things(&frame, objects),
            _ => Vec::new(),
        };
        let cut = AssertUnwindSafe(|| {
            let crops = self.embedder.profile().crops;
            let thumbnail = self.thumbnail.and_then(|t| t.of(&frame));
            let views = wanted.vectors.then(|| self.views.cut(frame, crops));
            (thumbnail, views.unwrap_or_default())
        });
        let (thumbnail, views) = catch_unwind(cut).map_err(|panic| panic_message(&*panic))?;
        let shown = |o: Object| Object {
            region: o.region.scaled(scale),
            ..o
        };
        Ok(Cut {
            thumbnail,
            views,
            things: cropped,
            objects: objects.map(|all| all.into_iter().map(shown).collect()),
            lines: lines.map(|all| {
                let shown = |line: TextLine| TextLine {
                    region: line.region.scaled(scale),
                    ..line
                };
                all.into_iter().map(shown).collect()
            }),
        })
    }

    /// A vector for each picture.
    fn embed(&self, pixels: &[Pixels]) -> Vec<Result<Embedding, String>> {
        let mut vectors = Vec::with_capacity(pixels.len());
        for some in pixels.chunks(self.schedule.batch_size.max(1)) {
            match self.vectors(some) {
                Ok(together) => vectors.extend(together.into_iter().map(Ok)),
                // One bad picture must not take the others with it.
                Err(_) => vectors.extend(some.iter().map(|p| {
                    let alone = self.vectors(std::slice::from_ref(p))?;
                    alone.into_iter().next().ok_or_else(|| "no vector".into())
                })),
            }
        }
        vectors
    }

    /// As many vectors as pictures, or why not.
    fn vectors(&self, pixels: &[Pixels]) -> Result<Vec<Embedding>, String> {
        let vectors = catch_unwind(AssertUnwindSafe(|| self.embedder.embed_images(pixels)))
            .map_err(|panic| panic_message(&*panic))
            .and_then(|r| r.map_err(|e| e.to_string()))?;
        match vectors.len() == pixels.len() {
            true => Ok(vectors),
            false => Err(format!(
                "the model gave {} vectors for {} pictures",
                vectors.len(),
                pixels.len()
            )),
        }
    }
}

/// All of some vectors, or why one is not there.
fn vectors(all: Vec<(Option<Region>, Result<Embedding, String>)>) -> Result<ViewVectors, String> {
    let vector = |(region, v): (Option<Region>, Result<Embedding, String>)| Ok((region, v?));
    all.into_iter().map(vector).collect()
}

/// What a panic said.
pub(super) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "an unknown fault".into())
}

#[cfg(test)]
mod tests {
    use crossbeam::channel::unbounded;

    use super::*;
    use crate::embed::{EmbedError, Profile};

    /// Gives each picture its first byte as a direction; goes wrong where told to by that.
    struct Odd {
        profile: Profile,
        /// While views are cut, its profile is looked at: it panics then.
        panics_while_cut: bool,
    }

    /// A picture that panics in the model, and one that makes it give a vector too few.
    const PANICS: u8 = 200;
    const FORGETS: u8 = 201;

    impl Embedder for Odd {
        fn profile(&self) -> &Profile {
            assert!(!self.panics_while_cut, "a frame that cannot be cut");
            &self.profile
        }
        fn schedule(&self, _cores: usize) -> Schedule {
            Schedule {
                batch_size: 4,
                workers: 1,
                threads: 1,
            }
        }
        fn embed_images(&self, images: &[Pixels]) -> Result<Vec<Embedding>, EmbedError> {
            let first = |p: &Pixels| p.rgb()[0];
            assert!(
                !images.iter().any(|p| first(p) == PANICS),
                "a picture it cannot bear"
            );
            let seen = images.iter().filter(|p| first(p) != FORGETS);
            let vector = |p: &Pixels| vec![f32::from(first(p)), 1.0];
            Ok(seen
                .filter_map(|p| Embedding::normalised(vector(p)))
                .collect())
        }
        fn embed_text(&self, _text: &str) -> Result<Embedding, EmbedError> {
            Err(EmbedError::EmptyText)
        }
    }

    /// What workers make of frames that begin with these bytes.
    fn seen(firsts: &[u8], panics_while_cut: bool) -> Vec<(u8, Seen)> {
        let odd = Odd {
            panics_while_cut,
            profile: Profile {
                name: "odd".into(),
                fingerprint: "0dd".into(),
                dim: 2,
                device: "cpu".into(),
                scripts: &[],
                logit_scale: None,
                crops: false,
                reference: None,
            },
        };
        let (to_workers, frames) = unbounded();
        for &of in firsts {
            let pixels = Pixels::new(2, 2, vec![of; 12]).unwrap();
            let scale = 1.0;
            let frame = Frame {
                of,
                pixels,
                scale,
                wanted: Wanted::ALL,
            };
            to_workers.send(frame).unwrap();
        }
        drop(to_workers);
        let (results, messages) = unbounded();
        let workers = EmbedWorkers {
            embedder: &odd,
            schedule: odd.schedule(1),
            views: Views::Center,
            onlookers: &Onlookers::default(),
            thumbnail: Some(Thumbnail::default()),
            frames,
            results,
        };
        std::thread::scope(|scope| {
            workers.start(scope, |of, _, seen| (of, seen)).unwrap();
            messages.iter().collect()
        })
    }

    #[test]
    fn a_model_that_panics_or_answers_short_costs_the_frame_it_did_so_on() {
        for bad in [PANICS, FORGETS] {
            let all = seen(&[10, 20, bad, 30, 40], false);
            assert_eq!(all.len(), 5);
            for (of, seen) in all {
                match seen {
                    Err(reason) => {
                        assert_eq!(of, bad);
                        let said = ["cannot bear", "0 vectors for 1"];
                        assert!(said.iter().any(|s| reason.contains(s)), "{reason}");
                    }
                    // Its own vector, and no other frame's.
                    Ok(seen) => {
                        let right = Embedding::normalised(vec![f32::from(of), 1.0]).unwrap();
                        assert_eq!((of == bad, &seen.views[0].1), (false, &right));
                    }
                }
            }
        }
    }

    #[test]
    fn a_panic_while_views_are_cut_is_the_frames_own() {
        let all = seen(&[1, 2, 3], true);
        assert_eq!(all.len(), 3);
        for (_, seen) in all {
            assert!(seen.unwrap_err().contains("cannot be cut"));
        }
    }
}
