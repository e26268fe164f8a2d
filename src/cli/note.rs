use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::failure::Failure;
use super::index::open_reader;
use super::input::video_at;
use super::output::{library, print, shown};
use crate::index::Writer;
use crate::types::timecode;

/// Write down what a video shows, for queries to find
///
/// A note belongs to a video or to a time of it, and stays when the video is read again. `vsearch query`
/// finds its words beside what pictures show, `vsearch query --text` alone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch note gate.mp4 \"delivery, green van\"
  vsearch note gate.mp4@00:01:30 \"the driver gets out\"
  vsearch note                     lists them with their numbers
  vsearch note --remove 3")]
pub(super) struct NoteArgs {
    /// Video, or VIDEO@TIME
    #[arg(value_name = "VIDEO[@TIME]", requires = "text")]
    video: Option<String>,
    /// What to write down
    text: Option<String>,
    /// Take the note of this number out
    #[arg(long, value_name = "N", conflicts_with = "video")]
    remove: Option<i64>,
}

pub(super) fn run(common: &Common, args: &NoteArgs) -> Result<ExitCode, Failure> {
    let dir = library(common)?;
    if let Some(id) = args.remove {
        if !Writer::remove_note(&dir, id)? {
            return Err(Failure::new(format!("there is no note {id}"))
                .hint("see which there are: vsearch note"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let reader = open_reader(&dir)?;
    let (Some(video), Some(text)) = (&args.video, &args.text) else {
        for note in reader.notes()? {
            let at = note
                .time
                .map_or(String::new(), |t| format!("@{}", timecode(t)));
            print(&format!(
                "{:>4}  {}{at}  {}\n",
                note.id,
                shown(&note.path),
                note.text
            ))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    if text.trim().is_empty() {
        return Err(Failure::new("the note is empty")
            .hint("say what the video shows: vsearch note gate.mp4 \"green van\""));
    }
    let (path, time) = match Path::new(video).exists() {
        true => (PathBuf::from(video), None),
        false => video_at(video)?,
    };
    let path = path.canonicalize().unwrap_or(path);
    if !reader.videos()?.iter().any(|v| v.video == path) {
        return Err(
            Failure::new(format!("{}: not in the library", shown(&path)))
                .hint(format!("index it first: vsearch index '{}'", shown(&path))),
        );
    }
    Writer::note(&dir, &path, time, text.trim())?;
    Ok(ExitCode::SUCCESS)
}
