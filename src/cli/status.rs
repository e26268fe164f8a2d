use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use super::args::Common;
use super::output::{count, json_line, length, print, said, shown, terminal_width, width};
use super::session;
use crate::app::json::{ObjectCountLine, SummaryLine, VideoLine};
use crate::app::{Error, Status, Summary, trouble};
use crate::store::{ObjectCount, VideoRow};
use crate::types::timecode;
use clap::Args;

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
  vsearch status --objects
  vsearch status --json | jq -r 'select(.error) | .video'")]
pub(super) struct StatusArgs {
    /// Print JSON Lines (see docs/formats.md)
    #[arg(long)]
    json: bool,
    /// List what was not seen: stretches of each file, with their reasons
    #[arg(long, conflicts_with = "json")]
    gaps: bool,
    /// Count the things that were seen, by class and camera
    #[arg(long, conflicts_with = "gaps")]
    objects: bool,
}

pub(super) fn run(common: &Common, args: &StatusArgs) -> Result<ExitCode, Error> {
    let session = session(common)?;
    if args.objects {
        let counts = session.object_counts()?;
        if args.json {
            for count in &counts {
                json_line(&ObjectCountLine::new(count))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        print(&objects(&counts))?;
        return Ok(ExitCode::SUCCESS);
    }
    let Status { videos, summary } = session.status()?;
    if args.json {
        for video in &videos {
            json_line(&VideoLine::new(video))?;
        }
        json_line(&SummaryLine { summary: &summary })?;
    } else if args.gaps {
        print(&gaps(&videos))?;
    } else {
        let width = terminal_width().unwrap_or(usize::MAX);
        print(&table(&videos, &summary, width))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What was seen, by class and camera.
fn objects(counts: &[ObjectCount]) -> String {
    if counts.is_empty() {
        return "nothing: no thing of the 80 classes was seen, or nobody has looked (vsearch reembed)\n".into();
    }
    let mut out = format!("{:>9} {:>9}  class\n", "things", "moments");
    for c in counts {
        let camera = c.camera.as_ref();
        let camera = camera.map_or(String::new(), |c| format!(", camera {}", said(c)));
        let _ = writeln!(
            out,
            "{:>9} {:>9}  {}{camera}",
            c.objects, c.moments, c.class
        );
    }
    out
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
        let seen = &v.coverage;
        let _ = writeln!(
            out,
            "{:>9} {:>9} {:>6} {:>7} {:>6} {:>5}  {}",
            seconds(seen.duration.or(seen.read_to)),
            match seen.unseen() {
                u if u >= 0.05 => format!("{u:.1}"),
                _ => String::new(),
            },
            seen.frames,
            v.moments,
            seconds(seen.largest_gap),
            match seen.decode_errors() {
                0 => String::new(),
                n => n.to_string(),
            },
            fitted(&shown(&v.path), width.saturating_sub(49)),
        );
        if let Some(note) = trouble(v) {
            let _ = writeln!(out, "{:>47}! {}", "", said(&note));
        }
        for note in sidecars(v) {
            let _ = writeln!(out, "{:>47}  {note}", "");
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
            false => said(&summary.models.join(", ")).into_owned(),
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
    let _ = writeln!(out, "library: {}", said(&summary.library));
    out
}

/// What was not read of the files beside a video.
fn sidecars(v: &VideoRow) -> impl Iterator<Item = String> {
    let name = |path: &Path| {
        path.file_name()
            .map_or_else(String::new, |n| shown(n.as_ref()))
    };
    let troubles = v.sidecars.iter();
    troubles.map(move |s| format!("beside it, {}: {}", name(&s.path), said(&s.reason)))
}

/// The end of a path that is too long for its column: the file's name matters most.
fn fitted(path: &str, columns: usize) -> String {
    let columns = columns.max(SHORTEST_NAME);
    if width(path) <= columns {
        return path.to_owned();
    }
    let mut end = path.len();
    let mut fits = 1;
    for (at, c) in path.char_indices().rev() {
        fits += width(c.encode_utf8(&mut [0; 4]));
        if fits > columns {
            break;
        }
        end = at;
    }
    format!("…{}", &path[end..])
}

/// What was not seen, stretch by stretch.
fn gaps(videos: &[VideoRow]) -> String {
    let mut out = String::new();
    for v in videos {
        let path = shown(&v.path);
        let seen = &v.coverage;
        match (seen.read_to, &v.error) {
            (None, Some(error)) => {
                let _ = writeln!(out, "{path}\n    nothing of it was seen: {}", said(error));
                for note in sidecars(v) {
                    let _ = writeln!(out, "    {note}");
                }
                continue;
            }
            _ if seen.gaps.is_empty()
                && seen.faults.is_empty()
                && seen.jumps.is_empty()
                && v.error.is_none()
                && v.sidecars.is_empty()
                && v.complete =>
            {
                continue;
            }
            _ => {}
        }
        let _ = writeln!(out, "{path}");
        for (from, to) in &seen.gaps {
            let (start, end) = (timecode(*from), timecode(*to));
            let _ = writeln!(out, "    {start} - {end}  not seen ({})", length(to - from));
        }
        if let Some(note) = trouble(v) {
            let _ = writeln!(out, "    {}", said(&note));
        }
        for note in sidecars(v) {
            let _ = writeln!(out, "    {note}");
        }
        for (time, moved) in &seen.jumps {
            let at = timecode(*time);
            let _ = writeln!(
                out,
                "    {at}  the clock began anew; times go on, {moved:+.1} s from what the file says"
            );
        }
        if seen.wrong_times > 0 {
            let frames = count(seen.wrong_times as usize, "frame");
            let _ = writeln!(out, "    {frames} seen whose time was wrong");
        }
        if !seen.faults.is_empty() {
            let at: Vec<String> = seen
                .faults
                .iter()
                .take(FAULTS_SHOWN)
                .map(|t| timecode(*t))
                .collect();
            let more = match seen.faults.len().saturating_sub(FAULTS_SHOWN) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            let _ = writeln!(
                out,
                "    packets, frames or their times lost at {}{more}",
                at.join(", ")
            );
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
        // Each of these takes two columns.
        let chinese = format!("{}.mp4", "门".repeat(40));
        assert_eq!(fitted(&chinese, 24), format!("…{}.mp4", "门".repeat(9)));
    }
}
