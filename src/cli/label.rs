use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::args::Common;
use super::output::{json_line, print, said, shown};
use super::session_in;
use super::stop::on_interrupt;
use crate::app::{Error, LabelRequest, Labelled, Labels};
use crate::embed::Templates;
use crate::media::Sampling;
use crate::types::Timestamp;

/// Say which of some labels a picture or each sampled frame of a video shows
///
/// Prints each label's probability. Of a CLIP model it is the softmax, over the labels given, of cosine times
/// its learned temperature (Radford et al. 2021); of the built-in one that of the log-odds of each, to which what
/// its detector sees adds. They add up to 1 whether or not any label is there at all, so give a label for the
/// rest, as "an empty street".
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
    /// Model to label with: a name, or the folder of a CLIP model [default: CLIP ViT-B-32 where it is on this
    /// machine, else builtin]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
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
    labels: Vec<LabelledLine<'a>>,
}

#[derive(Serialize)]
struct LabelledLine<'a> {
    label: &'a str,
    probability: f64,
}

impl<'a> LabelledLine<'a> {
    fn new(labelled: &'a Labelled) -> Self {
        Self {
            label: &labelled.label,
            probability: labelled.probability,
        }
    }
}

pub(super) fn run(common: &Common, args: &LabelArgs) -> Result<ExitCode, Error> {
    let request = LabelRequest {
        labels: labels(args)?,
        model: args.model.clone(),
        templates: Templates::named(&args.templates)?,
        sampling: match args.every {
            Some(seconds) => Sampling::Every { seconds },
            None => Sampling::DEFAULT,
        },
    };
    let session = session_in(PathBuf::new(), common);
    let stop = on_interrupt();
    let each = &mut |labels: Labels| args.print(&labels);
    let partial = session.label(&args.file, &request, &stop, each)?;
    if let Some(reason) = &partial {
        note!("{}: read only in part: {reason}", shown(&args.file));
    }
    Ok(match partial.is_some() || stop.load(Ordering::Relaxed) {
        true => ExitCode::from(1),
        false => ExitCode::SUCCESS,
    })
}

fn labels(args: &LabelArgs) -> Result<Vec<String>, Error> {
    let given = match &args.labels_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|e| Error::user(format!("{}: cannot be read: {e}", shown(path))))?;
            text.lines().map(str::to_owned).collect()
        }
        None => args.labels.clone(),
    };
    let trimmed = given.iter().map(|l| l.trim().to_owned());
    Ok(trimmed.filter(|l| !l.is_empty()).collect())
}

impl LabelArgs {
    fn print(&self, labels: &Labels) -> Result<(), Error> {
        let line = Line {
            file: self.file.to_string_lossy(),
            time: labels.time.map(|t| (t.seconds() * 1e3).round() / 1e3),
            timecode: labels.time.map(Timestamp::timecode),
            labels: labels.labels.iter().map(LabelledLine::new).collect(),
        };
        if self.json {
            return Ok(json_line(&line)?);
        }
        let mut out = line.timecode.map(|t| t + "  ").unwrap_or_default();
        for l in &line.labels {
            let _ = write!(out, "{:.4} {}  ", l.probability, said(l.label));
        }
        Ok(print(&format!("{}\n", out.trim_end()))?)
    }
}
