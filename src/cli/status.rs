use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::args::Common;
use super::failure::Failure;
use super::output::{count, json_line, length, library, print, shown};
use crate::index::{Reader, VideoRow};

/// Show what is in the library, and what was not seen
///
/// One line for each file: how much of it was read, how many frames were looked at, the largest
/// stretch between two of them, and what went wrong.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Print JSON Lines (see docs/formats.md)
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Summary {
    library: String,
    videos: usize,
    /// Files that gave nothing, or less than all, or are gone.
    with_errors: usize,
    moments: u64,
    frames: u64,
    /// Seconds the containers claim, and seconds decoded.
    duration: f64,
    read_to: f64,
    largest_gap: f64,
    decode_errors: u64,
    models: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SummaryLine {
    summary: Summary,
}

pub(super) fn run(common: &Common, args: &StatusArgs) -> Result<ExitCode, Failure> {
    let dir = library(common)?;
    let reader = Reader::open(&dir)?;
    let videos = reader.videos()?;
    let summary = Summary {
        library: dir.to_string_lossy().into_owned(),
        videos: videos.len(),
        with_errors: videos.iter().filter(|v| note(v).is_some()).count(),
        moments: videos.iter().map(|v| v.moments).sum(),
        frames: videos.iter().map(|v| v.frames).sum(),
        duration: videos.iter().filter_map(|v| v.duration).sum(),
        read_to: videos.iter().filter_map(|v| v.read_to).sum(),
        largest_gap: videos
            .iter()
            .filter_map(|v| v.largest_gap)
            .fold(0.0, f64::max),
        decode_errors: videos.iter().map(|v| v.decode_errors).sum(),
        models: reader.model_names()?,
    };
    if args.json {
        videos.iter().try_for_each(json_line)?;
        json_line(&SummaryLine { summary })?;
    } else {
        print(&table(&videos, &summary))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Why a file is not wholly in the library, or not wholly there any more.
fn note(v: &VideoRow) -> Option<String> {
    match (&v.error, v.complete) {
        _ if !v.video.exists() => Some("the file is gone; vsearch remove --missing".into()),
        (Some(error), _) => Some(error.clone()),
        (None, false) => Some("reading was interrupted; index it again".into()),
        (None, true) => None,
    }
}

fn table(videos: &[VideoRow], summary: &Summary) -> String {
    let mut out = String::new();
    let seconds = |s: Option<f64>| s.map_or("-".into(), |s| format!("{s:.1}"));
    let _ = writeln!(
        out,
        "{:>9} {:>9} {:>7} {:>6} {:>7}  video",
        "length", "read", "frames", "gap", "errors"
    );
    for v in videos {
        let _ = writeln!(
            out,
            "{:>9} {:>9} {:>7} {:>6} {:>7}  {}",
            seconds(v.duration),
            seconds(v.read_to),
            v.frames,
            seconds(v.largest_gap),
            v.decode_errors,
            shown(&v.video)
        );
        if let Some(note) = note(v) {
            let _ = writeln!(out, "{:>44}! {note}", "");
        }
    }
    let _ = writeln!(
        out,
        "\n{}: {} read of {}, {} frames in {} moments, largest gap {:.1} s, {} decode errors",
        count(summary.videos, "video"),
        length(summary.read_to),
        length(summary.duration),
        summary.frames,
        summary.moments,
        summary.largest_gap,
        summary.decode_errors
    );
    if summary.with_errors > 0 {
        let _ = writeln!(
            out,
            "{} gone or not wholly read (lines with !)",
            count(summary.with_errors, "file")
        );
    }
    let _ = writeln!(
        out,
        "model: {}",
        match summary.models.is_empty() {
            true => "none yet".into(),
            false => summary.models.join(", "),
        }
    );
    let _ = writeln!(out, "library: {}", summary.library);
    out
}
