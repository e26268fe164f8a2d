use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::output::{count, print, said, shown};
use super::session;
use crate::app::Error;

/// Check that the library is what was written
///
/// Looks at every page of the catalogue and every vector of the files derived from it, against their
/// checksums and against each other. Exits with 1 where something is not as it was written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch check
  vsearch check --repair

What is derived from the catalogue (vectors/) can be deleted and is made again by --repair or by the
next `vsearch index`. The catalogue itself (catalog.sqlite) is the one truth: keep a copy of it with
`vsearch backup`.")]
pub(super) struct CheckArgs {
    /// Make again what can be made from what is sound
    #[arg(long)]
    repair: bool,
}

pub(super) fn run(common: &Common, args: &CheckArgs) -> Result<ExitCode, Error> {
    let session = session(common)?;
    let mut findings = session.check()?;
    for finding in &findings {
        print(&format!(
            "{}: {}\n",
            shown(&finding.path),
            said(&finding.what)
        ))?;
    }
    if args.repair && findings.iter().any(|f| f.repairable) {
        session.repair()?;
        let left = session.check()?;
        print(&format!(
            "repaired {} of {}\n",
            findings.len().saturating_sub(left.len()),
            count(findings.len(), "fault")
        ))?;
        findings = left;
    }
    let lost = findings.iter().filter(|f| !f.repairable).count();
    if findings.is_empty() {
        print("sound\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    if lost > 0 {
        note!(
            "hint: put a copy made by `vsearch backup` back in the place of {}, or index into a new library",
            shown(session.library().dir())
        );
    } else {
        note!("hint: vsearch check --repair");
    }
    Ok(ExitCode::from(1))
}
