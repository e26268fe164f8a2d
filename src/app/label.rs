//! Which of some labels a picture or a frame shows.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Error, Session, default_model};
use crate::analyse::Detector;
use crate::embed::{Embedder, Templates, load_picture};
use crate::media::{Choice, Ending, Limits, Sampling, Source, Span, sample};
use crate::search::Odds;
use crate::types::{Embedding, Pixels, Timestamp};

/// What is to be labelled, and by which labels.
#[derive(Debug, Clone)]
pub struct LabelRequest {
    /// Two at least.
    pub labels: Vec<String>,
    /// The default one where `None`.
    pub model: Option<String>,
    pub templates: Templates,
    /// Of videos: which frames are looked at.
    pub sampling: Sampling,
}

/// The labels of one picture, or of a frame at a time; most probable first. They add up to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    pub time: Option<Timestamp>,
    pub labels: Vec<Labelled>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    pub label: String,
    pub probability: f64,
}

/// What `each` makes of its labels; an error of its own ends the labelling.
type Each<'a> = &'a mut dyn FnMut(Labels) -> Result<(), Error>;

impl Session {
    /// Hands the labels of a picture, or of each sampled frame of a video, to `each`. Returns why a video was
    /// read only in part, where it was.
    pub fn label(
        &self,
        file: &Path,
        request: &LabelRequest,
        stop: &Arc<AtomicBool>,
        each: Each,
    ) -> Result<Option<String>, Error> {
        if request.labels.len() < 2 {
            return Err(Error::user("probabilities need two labels at least")
                .hint("give more: --labels \"a car,a truck,an empty road\""));
        }
        let embedder = self.model(request.model.as_deref().unwrap_or(default_model()))?;
        let embedder = embedder.as_ref();
        let labeller = Labeller {
            embedder,
            labels: &request.labels,
            way: Way::new(embedder, request)?,
        };
        if is_picture(file) {
            each(labeller.labels(load_picture(file)?, None)?)?;
            return Ok(None);
        }
        let choice = Choice {
            pixels: Some(Limits::default().pixels),
            ..Choice::default()
        };
        let source = Source::open_with(file, stop, choice)?;
        let mut failed = None;
        let report = sample(source, request.sampling, Span::WHOLE, 1, |frame| {
            let labelled = labeller.labels(frame.pixels, Some(frame.time));
            match labelled.and_then(&mut *each) {
                Ok(()) => ControlFlow::Continue(()),
                Err(e) => {
                    failed = Some(e);
                    ControlFlow::Break(())
                }
            }
        });
        match (failed, report?.ending) {
            (Some(failure), _) => Err(failure),
            (None, Ending::Early(reason)) => Ok(Some(reason)),
            (None, _) => Ok(None),
        }
    }
}

/// Tells pictures from videos by their first bytes. A GIF may be either and is taken as a picture.
fn is_picture(path: &Path) -> bool {
    let read = || image::ImageReader::open(path)?.with_guessed_format();
    // A pipe would block.
    path.is_file() && read().is_ok_and(|r| r.format().is_some())
}

struct Labeller<'a> {
    embedder: &'a dyn Embedder,
    labels: &'a [String],
    way: Way,
}

/// What a model makes of labels and pictures.
enum Way {
    /// Cosines times the learned temperature (Radford et al. 2021).
    Learned {
        vectors: Vec<Embedding>,
        temperature: f32,
    },
    /// The log-odds of each label by itself, of what stands out and of what a detector sees.
    Odds {
        labels: Vec<Odds>,
        detector: Detector,
    },
}

impl Way {
    fn new(embedder: &dyn Embedder, request: &LabelRequest) -> Result<Self, Error> {
        let (labels, templates) = (request.labels.iter(), &request.templates);
        if let Some(temperature) = embedder.profile().logit_scale {
            let vectors = labels.map(|l| templates.embed(embedder, l));
            return Ok(Self::Learned {
                vectors: vectors.collect::<Result<_, _>>()?,
                temperature,
            });
        }
        let odds = labels.map(|l| Odds::new(embedder, templates, l));
        let odds: Option<Vec<Odds>> = odds.collect::<Result<_, _>>()?;
        let Some(labels) = odds else {
            return Err(Error::user(format!(
                "the model {:?} has no learned temperature: its similarities give no probabilities",
                embedder.name()
            ))
            .hint("name another: --model ViT-B-32, or --model builtin"));
        };
        let detector = Detector::builtin();
        Ok(Self::Odds { labels, detector })
    }

    /// One for each label, in order; their differences are log-odds.
    fn logits(&self, embedder: &dyn Embedder, pixels: Pixels) -> Result<Vec<f64>, Error> {
        match self {
            Self::Learned {
                vectors,
                temperature,
            } => {
                let image = &embedder.embed_images(&[pixels])?[0];
                let cosines = vectors.iter().map(|v| image.similarity(v));
                Ok(cosines.map(|c| f64::from(c * temperature)).collect())
            }
            Self::Odds { labels, detector } => {
                let objects = detector.look(&pixels)?;
                let image = &embedder.embed_images(&[pixels])?[0];
                Ok(labels.iter().map(|l| l.of(image, &objects)).collect())
            }
        }
    }
}

impl Labeller<'_> {
    /// The softmax over the labels.
    fn labels(&self, pixels: Pixels, time: Option<Timestamp>) -> Result<Labels, Error> {
        let logits = self.way.logits(self.embedder, pixels)?;
        let greatest = logits.iter().copied().fold(f64::MIN, f64::max);
        let weights = logits.iter().map(|l| (l - greatest).exp());
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        let named = self.labels.iter().zip(&weights);
        let labelled = named.map(|(label, w)| Labelled {
            label: label.clone(),
            probability: (w / sum * 1e4).round() / 1e4,
        });
        let mut labels: Vec<Labelled> = labelled.collect();
        labels.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        Ok(Labels { time, labels })
    }
}
