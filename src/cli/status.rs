use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::args::Common;
use super::failure::Failure;
use super::output::{count, json_line, length, library, print, shown, terminal_width};
use crate::index::{Reader, VideoRow};
use crate::types::timecode;

/// Columns a name gets however narrow the terminal.
const SHORTEST_NAME: usize = 24;
/// Faults listed for one file.
const FAULTS_SHOWN: usize = 8;

/// Show what is in the library, and what was not seen
///
/// One line for each file: its length and how much of it was not seen, how many frames were looked at
/// and kept as moments, the largest stretch between two of them, and what went wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch status
  vsearch status --gaps
  vsearch status --json | jq -r 'select(.error) | .video'")]
pub(super) struct StatusArgs {
    /// Print JSON Lines (see docs/formats.md)
    #[arg(long)]
    json: bool,
    /// List what was not seen: stretches of each file, with their reasons
    #[arg(long, conflicts_with = "json")]
    gaps: bool,
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
    /// Seconds that were promised and not seen.
    unseen: f64,
    decode_errors: u64,
    /// The one that answers first.
    models: Vec<String>,
    /// Pictures kept of moments, and their bytes.
    thumbnails: u64,
    thumbnail_bytes: u64,
}

#[derive(Debug, Serialize)]
struct SummaryLine {
    summary: Summary,
}

pub(super) fn run(common: &Common, args: &StatusArgs) -> Result<ExitCode, Failure> {
    let dir = library(common)?;
    let reader = Reader::open(&dir)?;
    let videos = reader.counted_videos()?;
    let (thumbnails, thumbnail_bytes) = reader.thumbnails();
    let summary = Summary {
        thumbnails,
        thumbnail_bytes,
        library: dir.to_string_lossy().into_owned(),
        videos: videos.len(),
        with_errors: videos.iter().filter(|v| note(v).is_some()).count(),
        moments: videos.iter().map(|v| v.moments).sum(),
        frames: videos.iter().map(|v| v.frames).sum(),
        duration: videos.iter().filter_map(|v| v.duration.or(v.read_to)).sum(),
        unseen: videos.iter().map(VideoRow::unseen).sum(),
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
    } else if args.gaps {
        print(&gaps(&videos))?;
    } else {
        let width = terminal_width().unwrap_or(usize::MAX);
        print(&table(&videos, &summary, width))?;
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

fn table(videos: &[VideoRow], summary: &Summary, width: usize) -> String {
    let mut out = String::new();
    let seconds = |s: Option<f64>| s.map_or("-".into(), |s| format!("{s:.1}"));
    let _ = writeln!(
        out,
        "{:>9} {:>9} {:>6} {:>7} {:>6} {:>5}  video",
        "length", "unseen", "frames", "moments", "gap", "lost"
    );
    for v in videos {
        let _ = writeln!(
            out,
            "{:>9} {:>9} {:>6} {:>7} {:>6} {:>5}  {}",
            seconds(v.duration.or(v.read_to)),
            match v.unseen() {
                u if u >= 0.05 => format!("{u:.1}"),
                _ => String::new(),
            },
            v.frames,
            v.moments,
            seconds(v.largest_gap),
            match v.decode_errors {
                0 => String::new(),
                n => n.to_string(),
            },
            fitted(&shown(&v.video), width.saturating_sub(49)),
        );
        if let Some(note) = note(v) {
            let _ = writeln!(out, "{:>47}! {note}", "");
        }
    }
    let _ = writeln!(
        out,
        "\n{}: {} seen of {}, {} frames in {} moments, largest gap {:.1} s, {} packets or frames lost",
        count(summary.videos, "video"),
        length(summary.duration - summary.unseen),
        length(summary.duration),
        summary.frames,
        summary.moments,
        summary.largest_gap,
        summary.decode_errors
    );
    if summary.unseen >= 1.0 {
        let _ = writeln!(
            out,
            "{} not seen (vsearch status --gaps)",
            length(summary.unseen)
        );
    }
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
    if summary.thumbnails > 0 {
        let _ = writeln!(
            out,
            "thumbnails: {} ({:.1} MB)",
            summary.thumbnails,
            summary.thumbnail_bytes as f64 / 1e6
        );
    }
    let _ = writeln!(out, "library: {}", summary.library);
    out
}

/// The end of a path that is too long for its column: the file's name matters most.
fn fitted(path: &str, width: usize) -> String {
    let width = width.max(SHORTEST_NAME);
    match path.chars().count() {
        n if n <= width => path.to_owned(),
        n => std::iter::once('…')
            .chain(path.chars().skip(n - width + 1))
            .collect(),
    }
}

/// What was not seen, stretch by stretch.
fn gaps(videos: &[VideoRow]) -> String {
    let mut out = String::new();
    for v in videos {
        let path = shown(&v.video);
        match (v.read_to, &v.error) {
            (None, Some(error)) => {
                let _ = writeln!(out, "{path}\n    nothing of it was seen: {error}");
                continue;
            }
            _ if v.gaps.is_empty() && v.faults.is_empty() && v.error.is_none() && v.complete => {
                continue;
            }
            _ => {}
        }
        let _ = writeln!(out, "{path}");
        for (from, to) in &v.gaps {
            let (start, end) = (timecode(*from), timecode(*to));
            let _ = writeln!(out, "    {start} - {end}  not seen ({})", length(to - from));
        }
        if let Some(note) = note(v) {
            let _ = writeln!(out, "    {note}");
        }
        if !v.faults.is_empty() {
            let at: Vec<String> = v
                .faults
                .iter()
                .take(FAULTS_SHOWN)
                .map(|t| timecode(*t))
                .collect();
            let more = match v.faults.len().saturating_sub(FAULTS_SHOWN) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            let _ = writeln!(out, "    packets or frames lost at {}{more}", at.join(", "));
        }
    }
    if out.is_empty() {
        out += "nothing: every video was seen from start to end\n";
    }
    out
}

#[cfg(test)]
mod tests {
    use super::fitted;

    #[test]
    fn long_paths_keep_their_end() {
        assert_eq!(fitted("a/b.mp4", 40), "a/b.mp4");
        let long = format!("{}/gate.mp4", "x".repeat(60));
        assert_eq!(fitted(&long, 24), format!("…{}/gate.mp4", "x".repeat(14)));
    }
}
