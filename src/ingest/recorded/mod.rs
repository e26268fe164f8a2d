//! When a video was recorded and by which camera, by the best source there is: its container, its name, its
//! folder, the time of its file (docs/recorders.md).

mod clock;
mod names;
mod pattern;
mod sources;
#[cfg(test)]
mod tests;
mod times;
mod words;

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use self::clock::{container_time, was_set};
use self::sources::Sources;
use crate::store::{FileStamp, Recorded, zone_from_text, zone_to_text};

pub use pattern::{NamePattern, NamePatternError};

/// How names and times of files are read.
#[derive(Debug, Clone, Default)]
pub struct NameReader {
    pattern: Option<NamePattern>,
    /// Of every file, whatever its name.
    camera: Option<String>,
    /// Of times that tell none; this machine's where `None`.
    zone: Option<TimeZone>,
}

/// What a file tells besides its path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// The time its container tells.
    pub(super) created: Option<&'a str>,
    /// Seconds, as the container claims.
    pub(super) duration: Option<f64>,
    pub(super) stamp: FileStamp,
}

impl NameReader {
    /// `camera`: of every file, whatever its name; `zone`: of times that tell none, this machine's where `None`.
    pub fn new(
        pattern: Option<NamePattern>,
        camera: Option<String>,
        zone: Option<TimeZone>,
    ) -> Self {
        Self {
            pattern,
            camera,
            zone,
        }
    }

    /// Whether anything was said of how to read: then it holds for files that are known, too.
    pub(super) fn is_particular(&self) -> bool {
        self.pattern.is_some() || self.camera.is_some() || self.zone.is_some()
    }

    /// What is known of a video at `below` the folder that was given.
    pub(super) fn read(&self, below: &Path, facts: Facts) -> Recorded {
        self.read_in(below, facts, None)
    }

    /// What is known now of a video of which `before` was known: what nothing new was said of stays.
    pub(super) fn read_again(&self, below: &Path, facts: Facts, before: &Recorded) -> Recorded {
        let zone = before.zone.as_deref().and_then(zone_from_text);
        let mut now = self.read_in(below, facts, zone);
        if self.pattern.is_none() && self.zone.is_none() {
            now = Recorded {
                camera: now.camera,
                ..before.clone()
            };
        }
        if self.pattern.is_none() && self.camera.is_none() {
            now.camera.clone_from(&before.camera);
        }
        now
    }

    /// `usual`: the zone where none was said.
    fn read_in(&self, below: &Path, facts: Facts, usual: Option<TimeZone>) -> Recorded {
        let text = below.with_extension("").to_string_lossy().into_owned();
        let usually = names::read(&text);
        let own = self.pattern.as_ref().and_then(|p| p.read(&text));
        // What it does not tell is read as usual.
        let camera = own.as_ref().and_then(|o| o.camera.clone());
        let camera = camera.or(usually.camera);
        let zone = self.zone.clone().or(usual).unwrap_or_else(TimeZone::system);
        let mut doubts = Vec::new();
        let container = facts.created.and_then(container_time);
        if container.is_some_and(|c| !was_set(c.day())) {
            let created = facts.created.unwrap_or_default();
            doubts.push(format!(
                "the clock of its container was never set ({created})"
            ));
        }
        if usually.never_set {
            doubts.push("the clock that its name tells of was never set".to_owned());
        }
        let seconds = facts.duration.filter(|d| d.is_finite()).unwrap_or(0.0);
        let length = SignedDuration::from_millis((seconds * 1e3) as i64);
        let start = Sources {
            own: own.and_then(|o| o.start).filter(|s| was_set(s.day())),
            name: usually.start,
            by_folder: usually.by_folder,
            container: container.filter(|c| was_set(c.day())),
            length,
            file: file_start(facts.stamp, length),
        }
        .start(&zone);
        if start.from == "container" && usually.gopro {
            doubts.push("GoPros before the HERO11 keep local time as UTC".to_owned());
        }
        doubts.extend(start.doubt);
        Recorded {
            camera: self.camera.clone().or(camera),
            at_ms: Some(start.at.as_millisecond()),
            from: Some(start.from.to_owned()),
            clock: start.local.map(|l| l.to_string()),
            zone: start.local.and_then(|_| zone_to_text(&zone)),
            created: facts.created.map(str::to_owned),
            doubt: (!doubts.is_empty()).then(|| doubts.join("; ")),
        }
    }
}

/// The file was written when recording ended.
fn file_start(stamp: FileStamp, length: SignedDuration) -> Timestamp {
    let written = Timestamp::from_millisecond(stamp.modified_ns / 1_000_000).unwrap_or_default();
    written.checked_sub(length).unwrap_or(written)
}

/// A path below the root it was found in. A root that is named for a day or an hour belongs to it with its
/// name, and so do those above it that are: `rec/20240501/12` holds `20240501/12/30.mp4`.
pub(super) fn below<'p>(roots: &[PathBuf], path: &'p Path) -> &'p Path {
    let roots = roots.iter().filter(|r| path.starts_with(r) && *r != path);
    let root = roots.max_by_key(|r| r.components().count());
    // A file that was named itself lies in its folder.
    let mut root = root.map(PathBuf::as_path).or(path.parent()).unwrap_or(path);
    let dated = |name: &str| {
        name.bytes()
            .all(|b| b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    while let (Some(name), Some(above)) = (root.file_name().and_then(|n| n.to_str()), root.parent())
    {
        if !dated(name) {
            break;
        }
        root = above;
    }
    path.strip_prefix(root).unwrap_or(path)
}
