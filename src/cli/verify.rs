use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::output::{count, print, shown};
use super::session;
use crate::app::{Error, VerifyEvent};
use crate::types::timecode;

/// Check that the library's times land on the frames it saw
///
/// Takes a random sample of moments, seeks in their videos to the time a player would, and compares the frame
/// found there, and when the file says it is shown, with what is stored. Exits with 1 where one differs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch verify
  vsearch verify --sample 1000")]
pub(super) struct VerifyArgs {
    /// Moments to check
    #[arg(long, value_name = "N", default_value_t = 100)]
    sample: u32,
}

pub(super) fn run(common: &Common, args: &VerifyArgs) -> Result<ExitCode, Error> {
    let session = session(common)?;
    let verified = session.verify(args.sample as usize, &mut |event| match event {
        VerifyEvent::Unreadable(e) => note!("{e}"),
        VerifyEvent::Differs {
            video,
            seconds,
            similarity,
        } => note!(
            "differs: {} at {} (similarity {similarity:.3})",
            shown(video),
            timecode(seconds)
        ),
        VerifyEvent::Elsewhere {
            video,
            seconds,
            stamped,
        } => note!(
            "differs: {} at {} (the frame there is shown at {})",
            shown(video),
            timecode(seconds),
            timecode(stamped)
        ),
    })?;
    print(&format!(
        "{} checked in {}: {} differ, {} could not be read, worst similarity {:.4}\n",
        count(verified.moments, "moment"),
        count(verified.videos, "video"),
        verified.differ,
        verified.unreadable,
        verified.worst
    ))?;
    Ok(match verified.differ + verified.unreadable {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(1),
    })
}
