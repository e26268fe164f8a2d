use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::output::{print, said, shown};
use super::session;
use crate::app::Error;
use crate::search::video_at;
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

pub(super) fn run(common: &Common, args: &NoteArgs) -> Result<ExitCode, Error> {
    let session = session(common)?;
    if let Some(id) = args.remove {
        session.remove_note(id)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (Some(video), Some(text)) = (&args.video, &args.text) else {
        for note in session.notes()? {
            let at = note
                .time
                .map_or(String::new(), |t| format!("@{}", timecode(t)));
            let video = shown(&note.path);
            let text = said(&note.text);
            print(&format!("{:>4}  {video}{at}  {text}\n", note.id))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let (path, time) = match Path::new(video).exists() {
        true => (PathBuf::from(video), None),
        false => {
            let (path, seconds) = video_at(video)?;
            (path, Some(seconds))
        }
    };
    session.add_note(&path, time, text)?;
    Ok(ExitCode::SUCCESS)
}
