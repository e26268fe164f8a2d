use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::output::shown;
use super::session;
use crate::app::Error;

/// Copy the library as it is now
///
/// The copy is of one moment, also while others index and query. It is a library itself: query it with
/// --library DIR, or put it in the place of one that is damaged.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  vsearch backup /mnt/safe/vsearch-2024-05-01")]
pub(super) struct BackupArgs {
    /// Folder to make
    dir: PathBuf,
}

pub(super) fn run(common: &Common, args: &BackupArgs) -> Result<ExitCode, Error> {
    let session = session(common)?;
    session.backup(&args.dir)?;
    if !common.quiet {
        note!(
            "{} copied to {}",
            shown(session.library().dir()),
            shown(&args.dir)
        );
    }
    Ok(ExitCode::SUCCESS)
}
