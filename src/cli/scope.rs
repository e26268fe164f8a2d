//! Options of where and when a query looks.

use std::path::Path;

use clap::Args;
use jiff::tz::TimeZone;

use super::failure::Failure;
use super::reading::time_zone;
use crate::search::{Scope, ScopeError};

#[derive(Debug, Args)]
#[command(next_help_heading = "Where and when to look")]
pub(super) struct ScopeArgs {
    /// Only in videos whose path or name matches; `*` also crosses folders
    #[arg(long = "in", value_name = "GLOB")]
    inside: Option<String>,
    /// Only in videos of cameras that match
    #[arg(long, value_name = "GLOB")]
    camera: Option<String>,
    /// Only what was recorded from then on: 2024-05-01, "2024-05-01 22:00", or with an offset
    #[arg(long, value_name = "TIME")]
    after: Option<String>,
    /// Only what was recorded before
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Only at these times of day; over midnight where the second is not later
    #[arg(long, value_name = "HH:MM..HH:MM")]
    between: Option<String>,
    /// Time zone of these times and of those printed, as Europe/Berlin [default: this machine's]
    #[arg(long, value_name = "ZONE", value_parser = time_zone)]
    time_zone: Option<TimeZone>,
}

impl ScopeArgs {
    /// Relative globs are taken from `here`.
    pub(super) fn scope(&self, here: &Path) -> Result<Scope, Failure> {
        let zone = self.time_zone.clone().unwrap_or_else(TimeZone::system);
        self.build(Scope::everything(zone), here).map_err(|e| {
            let hint = match &e {
                ScopeError::Glob { .. } => "quote it, as in --in '*gate*'",
                ScopeError::Time { .. } => "as in --after 2024-05-01 or --after '2024-05-01 22:00'",
                ScopeError::Between { .. } => "as in --between 22:00..06:00",
                ScopeError::Empty { .. } => "swap --after and --before",
            };
            Failure::new(e).hint(hint)
        })
    }

    fn build(&self, mut scope: Scope, here: &Path) -> Result<Scope, ScopeError> {
        if let Some(glob) = &self.inside {
            scope = scope.within(glob, here)?;
        }
        if let Some(glob) = &self.camera {
            scope = scope.camera(glob)?;
        }
        if let Some(span) = &self.between {
            scope = scope.between(span)?;
        }
        scope.recorded(self.after.as_deref(), self.before.as_deref())
    }
}
