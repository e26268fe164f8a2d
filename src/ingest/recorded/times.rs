//! From what a pattern found in a name to a time: day and hour, half days, zones, seconds since 1970.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use regex::{Captures, Regex};

use super::clock::Told;
use super::words::month;

/// A zone behind a time.
static ZONE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^\s*(?<utc>Z|UTC|GMT)?(?:(?<sign>[-+])(?<hours>\d\d?)(?::?(?<minutes>\d\d))?)?";
    Regex::new(pattern).expect("a valid pattern")
});

/// The clock's time, and where it ends; `None` where there is no such time.
pub(super) fn local(found: &Captures) -> Option<(DateTime, usize)> {
    let part = |name: &str| found.name(name)?.as_str().parse::<i16>().ok();
    let small = |name: &str| part(name).and_then(|n| i8::try_from(n).ok());
    let marked = |name: &str| found.name(name).is_some();
    let minute = found.name("minute")?;
    // Without a mark inside it, a time is one with its day (202405011200) or has seconds: four digits
    // alone may count something.
    let same_marks = !marked("rest") || marked("mark") == marked("mark2");
    let whole = found.name("rest").filter(|_| same_marks);
    let timed = found.name("hour").is_some_and(|h| h.len() == 2) || marked("mark");
    let apart = found.name("gap").is_some_and(|g| !g.is_empty());
    let is_hms = found.name("gap").is_none();
    if !timed || (!is_hms && apart && !marked("mark") && whole.is_none()) {
        return None;
    }
    // Two pairs of digits behind a day that has no marks may count as well.
    let loose = found
        .name("mark")
        .is_some_and(|m| ["-", "_"].contains(&m.as_str()));
    let plain_day = match (found.name("year"), found.name("month")) {
        (Some(year), Some(month)) => year.end() == month.start(),
        _ => false,
    };
    if loose && plain_day && !is_hms && whole.is_none() {
        return None;
    }
    let (month, day) = match (small("one"), small("other")) {
        (Some(a), Some(b)) if a > 12 || a == b => (b, a),
        (Some(a), Some(b)) if b > 12 => (a, b),
        (Some(_), _) => return None,
        (None, _) => match found.name("word") {
            Some(word) => (month(word.as_str())?, small("day")?),
            None => (small("month")?, small("day")?),
        },
    };
    let year = part("year")?;
    let year = if year < 100 { year + 2000 } else { year };
    let hour = small("hour")?;
    let hour = match found.name("noon").map(|n| n.as_str()) {
        Some("下午" | "午後" | "오후") if hour < 12 => hour + 12,
        Some("上午" | "午前" | "오전") if hour == 12 => 0,
        _ => hour,
    };
    let (second, millis, end) = match (whole, is_hms) {
        (Some(rest), _) => {
            let millis = found.name("glued").or(found.name("fraction"));
            let millis = millis.and_then(|m| m.as_str().parse::<i32>().ok());
            (small("second")?, millis.unwrap_or(0), rest.end())
        }
        (None, true) => match found.name("second") {
            Some(second) => (small("second")?, 0, second.end()),
            None => (0, 0, minute.end()),
        },
        // What follows is no part of it.
        (None, false) => (0, 0, minute.end()),
    };
    let nanos = millis * 1_000_000;
    let local = DateTime::new(year, month, day, hour, small("minute")?, second, nanos).ok()?;
    Some((local, end))
}

/// Makes an hour of twelve one of the day where `rest` goes on so; returns what follows.
pub(super) fn afternoon(local: DateTime, rest: &str) -> Option<(DateTime, &str)> {
    let trimmed = rest.trim_start();
    let mut letters = trimmed.chars();
    let half = match letters.next() {
        Some('p' | 'P') => 12,
        Some('a' | 'A') => 0,
        _ => return Some((local, rest)),
    };
    let mut after = letters.as_str();
    after = after.strip_prefix('.').unwrap_or(after);
    let Some(after) = after.strip_prefix(['m', 'M']) else {
        return Some((local, rest));
    };
    if after.starts_with(char::is_alphabetic) {
        return Some((local, rest));
    }
    let hour = match local.hour() {
        h @ 1..=12 => h % 12 + half,
        // 13:30 PM is 13:30.
        h => h,
    };
    Some((local.with().hour(hour).build().ok()?, after))
}

/// The zone that stands behind a time, where one does. A minus may be a mark: it counts behind UTC, and where
/// the time is written as ISO 8601 has it.
pub(super) fn zone(rest: &str, iso: bool) -> Option<Offset> {
    let found = ZONE.captures(rest)?;
    let after = &rest[found.get(0)?.end()..];
    let number = |name: &str| found.name(name)?.as_str().parse::<i32>().ok();
    let utc = found.name("utc");
    let (Some(sign), Some(hours)) = (found.name("sign"), number("hours")) else {
        let apart = !after.starts_with(|c: char| c.is_alphanumeric());
        return utc.filter(|_| apart).map(|_| Offset::UTC);
    };
    let (minus, minutes) = (sign.as_str() == "-", number("minutes"));
    let two = found.name("hours").is_some_and(|h| h.len() == 2);
    let counts = utc.is_some() || (two && (!minus || (iso && minutes.is_some())));
    let valid = hours <= 14
        && minutes.unwrap_or(0) % 15 == 0
        && !after.starts_with(|c: char| c.is_ascii_digit());
    match counts && valid {
        true => {
            let seconds = (hours * 60 + minutes.unwrap_or(0)) * 60;
            Offset::from_seconds(if minus { -seconds } else { seconds }).ok()
        }
        false => utc.map(|_| Offset::UTC),
    }
}

/// Seconds, or milliseconds, since 1970.
pub(super) fn epoch(digits: &str) -> Option<Timestamp> {
    let number: i64 = digits.parse().ok()?;
    let millis = if digits.len() > 10 {
        number
    } else {
        number * 1000
    };
    Timestamp::from_millisecond(millis).ok()
}

/// The instant where a clock's time agrees with it: they are whole quarters of an hour apart, as zones are.
pub(super) fn agreed(at: Timestamp, local: DateTime) -> Told {
    let Ok(as_utc) = Offset::UTC.to_timestamp(local) else {
        return Told::Local(local);
    };
    let apart = (as_utc.as_second() - at.as_second()).abs();
    let off = (apart + 2) % 900;
    match apart <= 15 * 3600 && off <= 4 {
        true => Told::At(at),
        false => Told::Local(local),
    }
}
