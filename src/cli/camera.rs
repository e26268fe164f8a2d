use std::process::ExitCode;

use clap::Args;
use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::args::Common;
use super::output::{count, print, said, width};
use super::reading::time_zone;
use super::session;
use crate::app::{ClockChange, Error};
use crate::store::{CameraRow, zone_to_text};

/// List cameras, and put their clocks right
///
/// Moves the times of all videos of a camera, and of those that are indexed later, without reading any of them.
/// Times that only the file tells stay. What is said replaces what was said before, so that saying it twice
/// changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch camera                                lists them
  vsearch camera gate --offset +3m12s           its clock is slow
  vsearch camera gate --offset -1h
  vsearch camera gate --zone Europe/Berlin      what its names say is the time there
  vsearch camera gate --as-read                 takes both back")]
pub(super) struct CameraArgs {
    /// Camera, as `vsearch camera` lists it
    name: Option<String>,
    /// Add this to what its clock says, as +3m12s or -1h
    #[arg(long, value_name = "DURATION", value_parser = milliseconds, allow_hyphen_values = true, requires = "name")]
    offset: Option<i64>,
    /// Time zone of its times that tell none, as Europe/Berlin or +02:00
    #[arg(long, value_name = "ZONE", value_parser = time_zone, allow_hyphen_values = true, requires = "name")]
    zone: Option<TimeZone>,
    /// Take the times as the files tell them
    #[arg(long, conflicts_with_all = ["offset", "zone"], requires = "name")]
    as_read: bool,
}

fn milliseconds(text: &str) -> Result<i64, String> {
    let duration: Option<SignedDuration> = text.trim().parse().ok();
    let millis = duration.and_then(|d| i64::try_from(d.as_millis()).ok());
    millis.ok_or_else(|| "must be a length of time, as +3m12s or -1h".into())
}

pub(super) fn run(common: &Common, args: &CameraArgs) -> Result<ExitCode, Error> {
    let session = session(common)?;
    let Some(name) = &args.name else {
        let cameras = session.cameras()?;
        let columns = cameras
            .iter()
            .map(|c| width(&said(&c.name)))
            .max()
            .unwrap_or(0);
        for camera in &cameras {
            print(&line(camera, columns))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let change = match (args.as_read, args.offset, &args.zone) {
        (true, ..) => ClockChange::AsRead,
        (false, None, None) => {
            print(&line(&session.camera(name)?, width(name)))?;
            return Ok(ExitCode::SUCCESS);
        }
        (false, offset_ms, zone) => ClockChange::To {
            offset_ms,
            zone: zone.clone(),
        },
    };
    let videos = session.set_camera_clock(name, change)?;
    if !common.quiet {
        note!(
            "{} of {name}: its clock counts for {}",
            count(videos.all, "video"),
            videos.by_clock
        );
        if args.zone.is_some() && videos.zoneless < videos.by_clock {
            note!(
                "{} of those tell their zone, or were indexed by an earlier vsearch (vsearch index FOLDER \
                 --time-zone ZONE reads their names again): the zone changes nothing there",
                videos.by_clock - videos.zoneless
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(camera: &CameraRow, columns: usize) -> String {
    let name = said(&camera.name);
    let pad = " ".repeat(columns.saturating_sub(width(&name)));
    let mut line = format!("{name}{pad}  {}", count(camera.videos, "video"));
    let offset = camera.clock.offset_ms;
    if offset != 0 {
        let sign = if offset > 0 { "+" } else { "-" };
        let apart = SignedDuration::from_millis(offset).abs();
        line += &format!("  {sign}{apart:#}");
    }
    if let Some(zone) = camera.clock.zone.as_ref().and_then(zone_to_text) {
        line += &format!("  {zone}");
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::CameraClock;

    #[test]
    fn clocks_read_as_they_are_written() {
        assert_eq!(milliseconds("+3m12s"), Ok(192_000));
        assert_eq!(milliseconds("-1h"), Ok(-3_600_000));
        assert!(milliseconds("soon").is_err());
        let camera = CameraRow {
            name: "gate".into(),
            videos: 2,
            clock: CameraClock {
                offset_ms: -192_000,
                zone: time_zone("Europe/Berlin").ok(),
            },
        };
        assert_eq!(
            line(&camera, 6),
            "gate    2 videos  -3m 12s  Europe/Berlin\n"
        );
    }
}
