//! How a camera's clock is put right.

use jiff::civil::DateTime;
use jiff::fmt::temporal::{DateTimeParser, DateTimePrinter};
use jiff::tz::TimeZone;

use super::{FROM_FILE, Recorded};

/// How a camera's clock is put right.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CameraClock {
    /// Milliseconds, added to what it says.
    pub offset_ms: i64,
    /// Of times that tell none; the one that each was read in where `None`.
    pub zone: Option<TimeZone>,
}

impl CameraClock {
    /// Wall clock at the start of a video of the camera, milliseconds since 1970 in UTC. A time that is only
    /// the file's was told by another clock, and stays.
    pub fn put_right(&self, recorded: &Recorded) -> Option<i64> {
        let read = recorded.at_ms?;
        if recorded.from.as_deref() == Some(FROM_FILE) {
            return Some(read);
        }
        let local = self.zone.as_ref().zip(recorded.clock.as_deref());
        let own = local.and_then(|(zone, clock)| in_zone(clock, zone, read));
        Some(own.unwrap_or(read).saturating_add(self.offset_ms))
    }
}

/// A local time in another zone; of an hour that comes twice there, the one nearer to `read`.
fn in_zone(clock: &str, zone: &TimeZone, read: i64) -> Option<i64> {
    let local: DateTime = clock.parse().ok()?;
    let time = zone.to_ambiguous_timestamp(local);
    let both = [time.earlier().ok()?, time.later().ok()?];
    let both = both.map(jiff::Timestamp::as_millisecond);
    both.into_iter().min_by_key(|t| t.abs_diff(read))
}

/// A zone by its name, or an offset as +02:00.
pub fn zone_from_text(text: &str) -> Option<TimeZone> {
    DateTimeParser::new().parse_time_zone(text).ok()
}

/// As [`zone_from_text`] reads it; `None` where a zone has no name.
pub fn zone_to_text(zone: &TimeZone) -> Option<String> {
    DateTimePrinter::new().time_zone_to_string(zone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_clock_is_put_right_by_offset_and_zone() {
        let read = Recorded {
            at_ms: Some(at("2024-05-01T12:30:00Z")),
            from: Some("name".into()),
            clock: Some("2024-05-01T12:30:00".into()),
            ..Recorded::default()
        };
        let berlin = zone_from_text("Europe/Berlin");
        let clock = |offset_ms, zone| CameraClock { offset_ms, zone };
        let plain = CameraClock::default();
        assert_eq!(plain.put_right(&read), read.at_ms);
        let slow = clock(192_000, berlin.clone());
        assert_eq!(slow.put_right(&read), Some(at("2024-05-01T10:33:12Z")));
        // One that tells its zone is only late or early.
        let utc = Recorded {
            clock: None,
            ..read.clone()
        };
        assert_eq!(slow.put_right(&utc), Some(at("2024-05-01T12:33:12Z")));
        let file = Recorded {
            from: Some(FROM_FILE.into()),
            ..read.clone()
        };
        assert_eq!(slow.put_right(&file), read.at_ms);
        // The second of two hours stays the second.
        let twice = Recorded {
            at_ms: Some(at("2024-10-27T01:30:00Z")),
            clock: Some("2024-10-27T02:30:00".into()),
            ..read
        };
        assert_eq!(clock(0, berlin).put_right(&twice), twice.at_ms);
    }

    #[test]
    fn zones_are_kept_as_text() {
        for text in ["Europe/Berlin", "+05:30", "-03:00", "UTC"] {
            let zone = zone_from_text(text).unwrap();
            assert_eq!(zone_to_text(&zone).as_deref(), Some(text), "{zone:?}");
        }
        assert_eq!(zone_from_text("Europe/Nowhere"), None);
    }
}
