//! What clocks say, and which instant that is.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// What a clock said when recording began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Told {
    /// By the clock on the wall there; its zone is not told.
    Local(DateTime),
    At(Timestamp),
}

/// How far another source may lie from a time that it confirms.
const NEAR: SignedDuration = SignedDuration::from_mins(10);

/// The instant of a local time, and what is doubtful of it. Where the hour comes twice or not at all, as
/// daylight saving ends or begins, the one is taken that one of `others` lies near to.
pub(super) fn instant(
    local: DateTime,
    zone: &TimeZone,
    others: &[Timestamp],
) -> Option<(Timestamp, Option<&'static str>)> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    // The first: as the clock went before the change, and as it went after.
    let (before, after, doubt) = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => return Some((ambiguous.compatible().ok()?, None)),
        AmbiguousOffset::Fold { before, after } => (
            before,
            after,
            "its hour came twice as daylight saving ended; the first is taken",
        ),
        AmbiguousOffset::Gap { before, after } => (
            before,
            after,
            "its hour never came, as daylight saving began; its clock is taken to be an hour slow",
        ),
    };
    let at = |offset: Offset| offset.to_timestamp(local).ok();
    let (first, second) = (at(before)?, at(after)?);
    let confirmed = |t: &Timestamp| others.iter().any(|o| t.duration_since(*o).abs() <= NEAR);
    Some(match (confirmed(&first), confirmed(&second)) {
        (true, false) => (first, None),
        (false, true) => (second, None),
        _ => (first, Some(doubt)),
    })
}

/// Whether a clock that shows this day was ever set: clocks begin at 1904, 1970, 1980 or 2000.
pub(super) fn was_set(day: Date) -> bool {
    let (year, month) = (day.year(), day.month());
    (1990..2100).contains(&year)
        && (year, month) != (2000, 1)
        && day != Date::constant(1999, 12, 31)
}

impl Told {
    /// The day its clock shows.
    pub(super) fn day(self) -> Date {
        match self {
            Self::Local(local) => local.date(),
            Self::At(at) => Offset::UTC.to_datetime(at).date(),
        }
    }
}

/// A time as a container has it: with its zone, or as the clock on the wall said.
pub(super) fn container_time(text: &str) -> Option<Told> {
    let text = text.trim().replacen(' ', "T", 1);
    let at = text.parse().map(Told::At).ok();
    at.or_else(|| text.parse().map(Told::Local).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_that_come_twice_or_never_are_told_by_others() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let local = |text: &str| text.parse::<DateTime>().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let of = |l: &str, others: &[Timestamp]| {
            let (at, doubt) = instant(local(l), &berlin, others).unwrap();
            (at.to_string(), doubt.is_some())
        };
        let (twice, never) = ("2024-10-27T02:30:00", "2024-03-31T02:30:00");
        assert_eq!(
            of("2024-05-01T12:30:00", &[]),
            ("2024-05-01T10:30:00Z".into(), false)
        );
        assert_eq!(of(twice, &[]), ("2024-10-27T00:30:00Z".into(), true));
        assert_eq!(
            of(twice, &[at("2024-10-27T01:31:00Z")]),
            ("2024-10-27T01:30:00Z".into(), false)
        );
        assert_eq!(
            of(twice, &[at("2024-10-27T00:29:00Z")]),
            ("2024-10-27T00:30:00Z".into(), false)
        );
        assert_eq!(
            of(twice, &[at("2024-11-27T00:29:00Z")]),
            ("2024-10-27T00:30:00Z".into(), true)
        );
        assert_eq!(of(never, &[]), ("2024-03-31T01:30:00Z".into(), true));
        assert_eq!(
            of(never, &[at("2024-03-31T00:30:10Z")]),
            ("2024-03-31T00:30:00Z".into(), false)
        );
    }

    #[test]
    fn containers_tell_their_zone_or_none() {
        for (text, utc) in [
            ("2023-01-02T03:04:05.000000Z", "2023-01-02T03:04:05Z"),
            ("2023-01-02 03:04:05Z", "2023-01-02T03:04:05Z"),
            ("2024-05-01T12:30:00+0200", "2024-05-01T10:30:00Z"),
            ("2024-05-01T12:30:00-04:00", "2024-05-01T16:30:00Z"),
        ] {
            assert_eq!(
                container_time(text),
                Some(Told::At(utc.parse().unwrap())),
                "{text}"
            );
        }
        let local = "2024-05-01T12:30:00".parse().unwrap();
        assert_eq!(
            container_time("2024-05-01T12:30:00"),
            Some(Told::Local(local))
        );
        assert_eq!(container_time("yesterday"), None);
        let set = |text: &str| was_set(container_time(text).unwrap().day());
        assert!(set("2024-05-01T12:30:00Z") && !set("1904-01-01T00:00:10Z"));
        assert!(!set("1970-01-01T08:00:00Z") && !set("2000-01-01T00:00:07Z"));
    }
}
