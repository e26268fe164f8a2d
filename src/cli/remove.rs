use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::output::{count, print, shown};
use super::session;
use crate::app::{Error, Removal};

/// From more videos than this on the reader is asked.
const UNASKED: usize = 10;

/// Take videos out of the library
///
/// Removes the named videos, or all below a named folder, with their moments and vectors. The
/// files themselves are not touched and need not exist any more. In a terminal you are asked
/// before more than ten go.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch remove cam1.mp4
  vsearch remove /mnt/old-disk --dry-run
  vsearch remove --missing                 all whose files are gone
  vsearch remove --missing /mnt/old-disk   of those below a folder the ones whose files are gone")]
pub(super) struct RemoveArgs {
    /// Videos and folders, as they were indexed
    #[arg(required_unless_present = "missing", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only videos whose files are gone
    #[arg(long)]
    missing: bool,
    /// Print which videos would go, and take none out
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(common: &Common, args: &RemoveArgs) -> Result<ExitCode, Error> {
    let session = session(common)?;
    let library = shown(session.library().dir());
    let reader = match args.dry_run {
        true => session.reader()?,
        false => session.current_reader()?,
    };
    let removal = Removal::of(&reader, &args.paths, args.missing)?;
    drop(reader);
    for path in &removal.unknown {
        note!("{}: not in the library (see: vsearch status)", shown(path));
    }
    let videos = count(removal.videos.len(), "video");
    if args.dry_run {
        for (_, path) in &removal.videos {
            print(&format!("{}\n", shown(path)))?;
        }
        if !common.quiet {
            note!("{videos} would be removed from {library}; nothing was");
        }
    } else if removal.videos.len() > UNASKED && !args.yes && !agreed(&videos, &library)? {
        note!("nothing was removed");
        return Ok(ExitCode::from(1));
    } else {
        session.remove(&removal)?;
        if !common.quiet {
            note!("{videos} removed from {library}");
        }
    }
    Ok(ExitCode::from(u8::from(!removal.unknown.is_empty())))
}

/// Asks whoever sits at the terminal; a script has nobody to ask, and meant what it said.
fn agreed(videos: &str, library: &str) -> Result<bool, Error> {
    let (stdin, mut out) = (std::io::stdin(), std::io::stderr());
    if !stdin.is_terminal() || !out.is_terminal() {
        return Ok(true);
    }
    write!(out, "remove {videos} from {library}? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}
