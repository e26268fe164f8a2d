use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::output::{count, shown};
use super::session;
use crate::app::Error;

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

pub(super) fn run(common: &Common, args: &RemoveArgs) -> Result<ExitCode, Error> {
    let session = session(common)?;
    let removed = session.remove(&args.paths, args.missing)?;
    for path in &removed.unknown {
        note!("{}: not in the library (see: vsearch status)", shown(path));
    }
    if !common.quiet {
        let library = shown(session.library().dir());
        note!("{} removed from {library}", count(removed.videos, "video"));
    }
    Ok(ExitCode::from(u8::from(!removed.unknown.is_empty())))
}
