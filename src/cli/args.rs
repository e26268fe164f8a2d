//! What can be typed.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use super::backup::BackupArgs;
use super::camera::CameraArgs;
use super::check::CheckArgs;
use super::embed::EmbedArgs;
use super::eval::EvalArgs;
use super::index::IndexArgs;
use super::label::LabelArgs;
use super::library::LibraryArgs;
use super::model::ModelArgs;
use super::note::NoteArgs;
use super::query::QueryArgs;
use super::reembed::ReembedArgs;
use super::remove::RemoveArgs;
use super::status::StatusArgs;
use super::teach::TeachArgs;
use super::verify::VerifyArgs;
use super::watch::WatchArgs;
use crate::embed::DeviceChoice;

/// Find moments in video footage with a sentence.
///
/// `vsearch index FOLDER` reads videos once; `vsearch query "SENTENCE"` answers with the moments
/// that match and their times. Everything stays on this machine.
#[derive(Debug, Parser)]
#[command(name = "vsearch", version, max_term_width = 100, after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

const EXAMPLES: &str = "Examples:
  vsearch index ~/footage
  vsearch query \"a person riding a bicycle\"
  vsearch query \"white car\" --in '*gate*' -k 5 --thumbnails hits/
  vsearch status

Exit codes: query 0 hits, 1 none, 2 error; index 0 all indexed, 1 some files were not, 2 error.";

/// Options of every verb.
#[derive(Debug, ClapArgs)]
pub(super) struct Common {
    /// Folder of the library [default: $VSEARCH_LIBRARY, else the platform's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) library: Option<PathBuf>,
    /// Where the model computes: auto, cpu, cpu-int8 (CLIP's pictures by eight-bit products), cuda,
    /// cuda:N or metal (GPUs where they are built in)
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: DeviceChoice,
    /// Print results and problems only, no progress
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
    /// Print a log of what is done to standard error; twice for more. VSEARCH_LOG says it in more detail
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    Index(IndexArgs),
    Query(Box<QueryArgs>),
    Watch(WatchArgs),
    Status(StatusArgs),
    Verify(VerifyArgs),
    Reembed(ReembedArgs),
    Teach(TeachArgs),
    Note(NoteArgs),
    Camera(CameraArgs),
    Check(CheckArgs),
    Backup(BackupArgs),
    Library(LibraryArgs),
    Remove(RemoveArgs),
    Model(ModelArgs),
    Embed(EmbedArgs),
    Label(LabelArgs),
    Eval(EvalArgs),
    /// Read videos for another vsearch
    #[command(hide = true)]
    DecodeWorker {
        /// Address space in bytes
        memory: u64,
        /// The process it must not outlive
        parent: u32,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Example:
  vsearch completions bash > ~/.local/share/bash-completion/completions/vsearch")]
    Completions {
        shell: clap_complete::Shell,
    },
}
