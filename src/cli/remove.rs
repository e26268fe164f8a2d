use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::failure::Failure;
use super::index::open_reader;
use super::output::{count, library, shown};
use crate::index::Writer;
use crate::types::VideoId;

/// Take videos out of the library
///
/// Removes the named videos, or all below a named folder, with their moments and vectors. The
/// files themselves are not touched and need not exist any more.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch remove cam1.mp4
  vsearch remove /mnt/old-disk
  vsearch remove --missing")]
pub(super) struct RemoveArgs {
    /// Videos and folders, as they were indexed
    #[arg(required_unless_present = "missing", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Videos whose files are gone
    #[arg(long)]
    missing: bool,
}

pub(super) fn run(common: &Common, args: &RemoveArgs) -> Result<ExitCode, Failure> {
    let dir = library(common)?;
    let reader = open_reader(&dir)?;
    let videos = reader.videos()?;
    let mut gone: Vec<VideoId> = Vec::new();
    let mut unknown = 0;
    if args.missing {
        gone.extend(videos.iter().filter(|v| !v.video.exists()).map(|v| v.id));
    }
    for path in &args.paths {
        let path = absolute(path);
        let below = videos.iter().filter(|v| v.video.starts_with(&path));
        let before = gone.len();
        gone.extend(below.map(|v| v.id));
        if gone.len() == before {
            unknown += 1;
            note!("{}: not in the library (see: vsearch status)", shown(&path));
        }
    }
    gone.sort();
    gone.dedup();
    Writer::remove(&dir, &gone)?;
    if !common.quiet {
        note!(
            "{} removed from {}",
            count(gone.len(), "video"),
            shown(&dir)
        );
    }
    Ok(ExitCode::from(u8::from(unknown > 0)))
}

/// As the catalogue keeps it: links resolved where the file still exists.
fn absolute(path: &Path) -> PathBuf {
    path.canonicalize()
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_owned())
}
