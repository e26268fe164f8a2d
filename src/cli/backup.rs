use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::failure::Failure;
use super::output::{library, shown};
use crate::index::Reader;

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

pub(super) fn run(common: &Common, args: &BackupArgs) -> Result<ExitCode, Failure> {
    let dir = library(common)?;
    let taken = args.dir.read_dir().is_ok_and(|mut d| d.next().is_some());
    if taken {
        return Err(Failure::new(format!("{}: is not empty", shown(&args.dir)))
            .hint("name a folder that does not exist yet"));
    }
    Reader::open(&dir)?.backup(&args.dir)?;
    if !common.quiet {
        note!("{} copied to {}", shown(&dir), shown(&args.dir));
    }
    Ok(ExitCode::SUCCESS)
}
