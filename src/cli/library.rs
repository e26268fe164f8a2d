use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::args::Common;
use super::output::shown;
use super::session_in;
use crate::app::Error;

/// Make a library before anything is indexed
///
/// `vsearch index` makes one as well, which only you can read: its folder has the mode 0700 and its files 0600,
/// whatever your umask.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch library create /srv/vsearch --shared
  vsearch index /srv/footage --library /srv/vsearch

All files of a library have the mode of its catalogue: `chmod -R g+rX DIR` lets your group read one that is there,
`chmod -R go= DIR` keeps it to yourself, and vsearch stays with that.")]
pub(super) struct LibraryArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make an empty library
    Create {
        /// Folder to make
        dir: PathBuf,
        /// Let others read and write it as your umask says; its files are of the folder's group
        #[arg(long)]
        shared: bool,
    },
}

pub(super) fn run(common: &Common, args: &LibraryArgs) -> Result<ExitCode, Error> {
    let What::Create { dir, shared } = &args.what;
    session_in(dir.clone(), common).library().create(*shared)?;
    if !common.quiet {
        let whose = match shared {
            true => "others may use it as your umask says",
            false => "only you can read it",
        };
        note!("{} made; {whose}", shown(dir));
    }
    Ok(ExitCode::SUCCESS)
}
