use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::output::{json_line, print};
use crate::embed::models;

/// Models that can embed
#[derive(Debug, Args)]
pub(super) struct ModelArgs {
    #[command(subcommand)]
    verb: ModelVerb,
}

#[derive(Debug, Subcommand)]
enum ModelVerb {
    /// List the models: name, dimension, size, languages, licence
    List {
        /// Print JSON Lines
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(args: &ModelArgs) -> Result<ExitCode, Failure> {
    let ModelVerb::List { json } = args.verb;
    let cards = models();
    if json {
        cards.iter().try_for_each(json_line)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = String::new();
    for c in cards {
        let _ = writeln!(
            out,
            "{}  {} dimensions, {:.0} MB, {}, {}\n    {}",
            c.name,
            c.dim,
            c.bytes as f64 / 1e6,
            c.languages,
            c.licence,
            c.description
        );
    }
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}
