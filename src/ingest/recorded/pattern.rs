//! A user's own way to read names.

use std::str::FromStr;

use jiff::civil::DateTime;
use regex::{Captures, Regex};

use super::clock::Told;
use super::names::Named;
use super::times::{epoch, zone};

/// Groups that are understood.
const GROUPS: &[&str] = &[
    "camera",
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
    "zone",
    "epoch",
];

/// A regular expression over paths with groups `camera`, `year`, `month`, `day`, `hour`, `minute`, `second`,
/// `millisecond`, `zone` (Z or an offset) and `epoch` (seconds or milliseconds since 1970), any of them.
#[derive(Debug, Clone)]
pub struct NamePattern(Regex);

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
pub enum NamePatternError {
    #[error(transparent)]
    Regex(#[from] regex::Error),
    #[error("it has no group that tells anything: name one of {}, as (?<camera>[^_]+)", GROUPS.join(", "))]
    NoGroup,
}

impl FromStr for NamePattern {
    type Err = NamePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pattern = Regex::new(text)?;
        let mut groups = pattern.capture_names().flatten();
        match groups.any(|g| GROUPS.contains(&g)) {
            true => Ok(Self(pattern)),
            false => Err(NamePatternError::NoGroup),
        }
    }
}

impl NamePattern {
    /// What it finds in a path, or, where it does not fit that, in the name alone; `None` where in neither.
    pub(super) fn read(&self, below: &str) -> Option<Named> {
        let name = below.rsplit('/').next()?;
        let found = self.0.captures(below).or_else(|| self.0.captures(name))?;
        let camera = found.name("camera").map(|m| m.as_str().trim());
        Some(Named {
            camera: camera.filter(|c| !c.is_empty()).map(str::to_owned),
            start: start(&found),
            ..Named::default()
        })
    }
}

/// The start it tells; a day without an hour is its midnight.
fn start(found: &Captures) -> Option<Told> {
    let part = |name: &str| found.name(name)?.as_str().parse::<i16>().ok();
    let small = |name: &str| part(name).and_then(|n| i8::try_from(n).ok());
    let at = found.name("epoch").and_then(|m| epoch(m.as_str()));
    if let Some(at) = at {
        return Some(Told::At(at));
    }
    let year = part("year")?;
    let local = DateTime::new(
        if year < 100 { year + 2000 } else { year },
        small("month")?,
        small("day")?,
        small("hour").unwrap_or(0),
        small("minute").unwrap_or(0),
        small("second").unwrap_or(0),
        i32::from(part("millisecond").unwrap_or(0)) * 1_000_000,
    );
    let local = local.ok()?;
    let offset = found.name("zone").and_then(|z| zone(z.as_str(), true));
    match offset {
        Some(offset) => offset.to_timestamp(local).ok().map(Told::At),
        None => Some(Told::Local(local)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_sees_the_path_and_needs_a_group() {
        let pattern: NamePattern =
            r"^(?<camera>\w+)/(?<day>\d\d)(?<month>\d\d)(?<year>\d\d)/(?<hour>\d\d)(?<minute>\d\d)(?<zone>Z?)"
                .parse()
                .unwrap();
        let named = pattern.read("gate/010524/1230").unwrap();
        let local = Told::Local("2024-05-01T12:30:00".parse().unwrap());
        assert_eq!(
            (named.camera.as_deref(), named.start),
            (Some("gate"), Some(local))
        );
        let utc = Told::At("2024-05-01T12:30:00Z".parse().unwrap());
        assert_eq!(pattern.read("gate/010524/1230Z").unwrap().start, Some(utc));
        assert_eq!(pattern.read("gate/1230"), None);
        // As patterns for the name alone are written.
        let name: NamePattern = r"^(?<camera>\w+)-".parse().unwrap();
        assert_eq!(
            name.read("a/b c/gate-7").unwrap().camera.as_deref(),
            Some("gate")
        );
        for (text, said) in [
            (r"^(\w+)", "no group"),
            ("(?<cam>x)", "camera"),
            ("(", "parse"),
        ] {
            let refused = text.parse::<NamePattern>().unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
