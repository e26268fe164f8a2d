use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::args::Common;
use super::embedder;
use super::failure::Failure;
use super::output::{json_line, print, shown};
use super::stop::on_interrupt;
use crate::embed::{Embedder, Templates, load_picture};
use crate::media::{Ending, Sampling, Source, Span, sample};
use crate::types::{Embedding, Pixels, Timestamp};

/// Say which of some labels a picture or each sampled frame of a video shows
///
/// Prints each label's probability: the softmax, over the labels given, of cosine times the model's
/// learned temperature (Radford et al. 2021). They add up to 1 whether or not any label is there at
/// all, so give a label for the rest, as "an empty street". Needs a CLIP model.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch label frame.jpg --labels \"a car,a truck,an empty road\"
  vsearch label gate.mp4 --model ViT-L-14 --labels-file labels.txt --every 5 --json",
    group(ArgGroup::new("given").required(true)))]
pub(super) struct LabelArgs {
    /// A picture or a video
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Labels, with commas between
    #[arg(long, value_name = "LIST", group = "given", value_delimiter = ',')]
    labels: Vec<String>,
    /// A file with one label a line
    #[arg(long, value_name = "FILE", group = "given")]
    labels_file: Option<PathBuf>,
    /// A CLIP model: its name, or its folder [default: ViT-B-32]
    #[arg(long, value_name = "NAME", default_value = crate::embed::store::RECOMMENDED)]
    model: String,
    /// Phrasings that are averaged: none, photo, cctv, or a file of one a line with {}
    #[arg(long, value_name = "NAME|FILE", default_value = "photo")]
    templates: String,
    /// Look at one frame every SECONDS [default: keyframes, gaps filled to 2 s]
    #[arg(long, value_name = "SECONDS", value_parser = super::index::positive_seconds)]
    every: Option<f64>,
    /// Print JSON Lines (see docs/formats.md)
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    file: std::borrow::Cow<'a, str>,
    /// Seconds from the start of the video; `None` for a picture.
    time: Option<f64>,
    timecode: Option<String>,
    /// Most probable first.
    labels: Vec<Labelled<'a>>,
}

#[derive(Serialize)]
struct Labelled<'a> {
    label: &'a str,
    probability: f64,
}

pub(super) fn run(common: &Common, args: &LabelArgs) -> Result<ExitCode, Failure> {
    let labels = labels(args)?;
    let templates = Templates::named(&args.templates)?;
    let embedder = embedder::open(common, Some(&args.model), None)?;
    let embedder = embedder.as_ref();
    let Some(temperature) = embedder.logit_scale() else {
        return Err(Failure::new(format!(
            "the model {:?} has no learned temperature: its similarities give no probabilities",
            embedder.name()
        ))
        .hint("name a CLIP model: --model ViT-B-32 (vsearch model list)"));
    };
    let vectors = labels.iter().map(|l| templates.embed(embedder, l));
    let judge = Judge {
        embedder,
        vectors: vectors.collect::<Result<_, _>>()?,
        labels: &labels,
        temperature,
        args,
    };
    if is_picture(&args.file) {
        judge.print(load_picture(&args.file)?, None)?;
        return Ok(ExitCode::SUCCESS);
    }
    judge.video()
}

/// Tells pictures from videos by their first bytes. A GIF may be either and is taken as a picture.
fn is_picture(path: &Path) -> bool {
    let reader = image::ImageReader::open(path).and_then(image::ImageReader::with_guessed_format);
    reader.is_ok_and(|r| r.format().is_some())
}

fn labels(args: &LabelArgs) -> Result<Vec<String>, Failure> {
    let given = match &args.labels_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|e| Failure::new(format!("{}: cannot be read: {e}", shown(path))))?;
            text.lines().map(str::to_owned).collect()
        }
        None => args.labels.clone(),
    };
    let trimmed = given.iter().map(|l| l.trim().to_owned());
    let labels: Vec<String> = trimmed.filter(|l| !l.is_empty()).collect();
    match labels.len() {
        0 | 1 => Err(Failure::new("probabilities need two labels at least")
            .hint("give more: --labels \"a car,a truck,an empty road\"")),
        _ => Ok(labels),
    }
}

struct Judge<'a> {
    embedder: &'a dyn Embedder,
    labels: &'a [String],
    vectors: Vec<Embedding>,
    temperature: f32,
    args: &'a LabelArgs,
}

impl Judge<'_> {
    fn video(&self) -> Result<ExitCode, Failure> {
        let stop = on_interrupt();
        let sampling = match self.args.every {
            Some(seconds) => Sampling::Every { seconds },
            None => Sampling::DEFAULT,
        };
        let source = Source::open(&self.args.file, &stop).map_err(Failure::new)?;
        let mut failed = None;
        let report = sample(source, sampling, Span::WHOLE, 1, |frame| {
            match self.print(frame.pixels, Some(frame.time)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(e) => {
                    failed = Some(e);
                    ControlFlow::Break(())
                }
            }
        });
        if let Some(failure) = failed {
            return Err(failure);
        }
        let report = report.map_err(Failure::new)?;
        if let Ending::Early(reason) = &report.ending {
            note!("{}: read only in part: {reason}", shown(&self.args.file));
            return Ok(ExitCode::from(1));
        }
        Ok(match stop.load(Ordering::Relaxed) {
            true => ExitCode::from(1),
            false => ExitCode::SUCCESS,
        })
    }

    fn print(&self, pixels: Pixels, time: Option<Timestamp>) -> Result<(), Failure> {
        let image = &self.embedder.embed_images(&[pixels])?[0];
        let cosines = self.vectors.iter().map(|v| image.similarity(v));
        let logits: Vec<f32> = cosines.map(|c| c * self.temperature).collect();
        let greatest = logits.iter().copied().fold(f32::MIN, f32::max);
        let weights = logits.iter().map(|l| f64::from(l - greatest).exp());
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        let named = self.labels.iter().zip(&weights);
        let mut labels: Vec<Labelled> = named
            .map(|(label, w)| Labelled {
                label,
                probability: (w / sum * 1e4).round() / 1e4,
            })
            .collect();
        labels.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        let line = Line {
            file: self.args.file.to_string_lossy(),
            time: time.map(|t| (t.seconds() * 1e3).round() / 1e3),
            timecode: time.map(Timestamp::timecode),
            labels,
        };
        if self.args.json {
            return Ok(json_line(&line)?);
        }
        let mut out = line.timecode.map(|t| t + "  ").unwrap_or_default();
        for l in &line.labels {
            let _ = write!(out, "{:.4} {}  ", l.probability, l.label);
        }
        Ok(print(&format!("{}\n", out.trim_end()))?)
    }
}
