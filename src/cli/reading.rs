//! Options of how files are read, shared by the verbs that read them.

use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;

use super::index::positive_seconds;
use crate::app::{DetectorChoice, OnlookerChoice};
use crate::ingest::{NamePattern, NameReader};
use crate::media::Limits;
use crate::store::zone_from_text;
use crate::types::MOST_PIXELS;

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits of one file")]
pub(super) struct LimitArgs {
    /// Give a file up when its decoder makes no progress for so long
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = positive_seconds)]
    decode_timeout: f64,
    /// Give a file up, with what came of it, after so long [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = positive_seconds)]
    decode_time: Option<f64>,
    /// Memory its decoder may take, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(256..=1 << 20))]
    decode_memory: u64,
    /// Largest frames to decode, width times height
    #[arg(long, value_name = "PIXELS", default_value_t = MOST_PIXELS)]
    decode_pixels: u64,
}

impl LimitArgs {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            stall: Duration::from_secs_f64(self.decode_timeout),
            whole: self.decode_time.map(Duration::from_secs_f64),
            memory: self.decode_memory << 20,
            pixels: self.decode_pixels,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct OnlookerArgs {
    /// What looks for people, vehicles and other things of 80 classes: builtin, off, or the ONNX file of a
    /// detector of the NanoDet family
    #[arg(long, value_name = "NAME|FILE", default_value = "builtin")]
    detector: DetectorChoice,
    /// Read lettering: signs, plates, what stands on vehicles
    #[arg(long, value_enum, default_value = "on")]
    lettering: Lettering,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lettering {
    On,
    Off,
}

impl OnlookerArgs {
    pub(super) fn choice(&self) -> OnlookerChoice {
        OnlookerChoice {
            detector: self.detector.clone(),
            lettering: self.lettering == Lettering::On,
        }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Camera and time of recording")]
pub(super) struct NameArgs {
    /// Camera of all these videos [default: as names and folders tell, docs/recorders.md]; those that are
    /// known are given it without being read again
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,
    /// How paths tell camera and time: a regular expression with groups camera, year, month, day, hour,
    /// minute, second, millisecond, zone, epoch (any of them), on the path below PATH without its extension
    /// or, where it does not fit, on the name alone; holds for videos that are known, too
    #[arg(long, value_name = "REGEX")]
    name_pattern: Option<NamePattern>,
    /// Time zone of times that tell none, as Europe/Berlin or +02:00 [default: this machine's]; moves the
    /// times of videos that are known, too
    #[arg(long, value_name = "ZONE", value_parser = time_zone, allow_hyphen_values = true)]
    time_zone: Option<TimeZone>,
}

impl NameArgs {
    pub(super) fn reader(&self) -> NameReader {
        let (pattern, camera) = (self.name_pattern.clone(), self.camera.clone());
        NameReader::new(pattern, camera, self.time_zone.clone())
    }
}

pub(super) fn time_zone(name: &str) -> Result<TimeZone, String> {
    let zone = zone_from_text(name);
    zone.ok_or_else(|| "no time zone of that name; as Europe/Berlin, UTC or +02:00".into())
}
