//! Options of where and when a query looks.

use std::path::Path;

use clap::Args;
use jiff::tz::TimeZone;

use super::reading::time_zone;
use crate::app::{Error, real_glob};
use crate::store::{Filter, ObjectFilter};

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
    /// Only moments that show a thing of this class (docs/objects.md lists the 80), perhaps in a colour:
    /// car=white, "person upper=blue lower=black"; repeat it for several
    #[arg(long, value_name = "CLASS[=COLOUR]")]
    object: Vec<String>,
    /// Only moments that show so many: "person>=3", car=0
    #[arg(long, value_name = "CLASS>=N")]
    count: Vec<String>,
    /// Take the time a file was written at as the time it was recorded, where nothing else tells
    #[arg(long)]
    trust_file_times: bool,
    /// Time zone of these times and of those printed, as Europe/Berlin [default: this machine's]
    #[arg(long, value_name = "ZONE", value_parser = time_zone)]
    time_zone: Option<TimeZone>,
}

impl ScopeArgs {
    /// Relative globs are taken from `here`.
    pub(super) fn filter(&self, here: &Path) -> Result<Filter, Error> {
        let zone = self.time_zone.clone().unwrap_or_else(TimeZone::system);
        let mut filter = Filter {
            trust_file_times: self.trust_file_times,
            ..Filter::everything(zone)
        };
        for text in &self.object {
            filter.objects.push(ObjectFilter::parse(text)?);
        }
        for text in &self.count {
            filter.objects.push(ObjectFilter::parse_count(text)?);
        }
        if let Some(glob) = &self.inside {
            filter = filter.within(glob, here)?;
            if let Some(real) = real_glob(glob, here) {
                filter = filter.or_within(&real)?;
            }
        }
        if let Some(glob) = &self.camera {
            filter = filter.camera(glob)?;
        }
        if let Some(span) = &self.between {
            filter = filter.between(span)?;
        }
        Ok(filter.recorded(self.after.as_deref(), self.before.as_deref())?)
    }
}
