//! The start of a video, by the best of what tells of it.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::clock::{Told, instant};
use crate::store::FROM_FILE;

/// How far clocks lie apart that say the same.
const SLACK: SignedDuration = SignedDuration::from_secs(10);

/// What tells when a video began.
pub(super) struct Sources {
    /// The user's own pattern found it in the name.
    pub(super) own: Option<Told>,
    pub(super) name: Option<Told>,
    /// The day of `name` stands in a folder's name.
    pub(super) by_folder: bool,
    pub(super) container: Option<Told>,
    /// Of the video.
    pub(super) length: SignedDuration,
    /// When the file was written, less its length.
    pub(super) file: Timestamp,
}

/// When a video began.
#[derive(Debug, PartialEq)]
pub(super) struct Start {
    pub(super) at: Timestamp,
    pub(super) from: &'static str,
    /// What the clock said, where it told no zone.
    pub(super) local: Option<DateTime>,
    pub(super) doubt: Option<String>,
}

impl Sources {
    /// Local times are of `zone`.
    pub(super) fn start(&self, zone: &TimeZone) -> Start {
        let named = if self.by_folder { "folder" } else { "name" };
        let by_name = |told: Option<Told>, from| self.resolved(told?, from, zone, self.container);
        if let Some(own) = by_name(self.own, "name") {
            return own;
        }
        let name = by_name(self.name, named);
        let container = self
            .container
            .and_then(|c| self.resolved(c, "container", zone, self.name));
        match (container, name) {
            (Some(container), Some(name)) => self.better(container, name, zone),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Start {
                at: self.file,
                from: FROM_FILE,
                local: None,
                doubt: None,
            },
        }
    }

    /// A told time as an instant; `other` and the file decide between two.
    fn resolved(
        &self,
        told: Told,
        from: &'static str,
        zone: &TimeZone,
        other: Option<Told>,
    ) -> Option<Start> {
        let local = match told {
            Told::At(at) => {
                return Some(Start {
                    at,
                    from,
                    local: None,
                    doubt: None,
                });
            }
            Told::Local(local) => local,
        };
        let other = other.and_then(|o| match o {
            Told::At(at) if !self.same_face(at, local) => Some(at),
            _ => None,
        });
        let others: Vec<Timestamp> = other.into_iter().chain([self.file]).collect();
        let (at, doubt) = instant(local, zone, &others)?;
        Some(Start {
            at,
            from,
            local: Some(local),
            doubt: doubt.map(|d| format!("{} {d}", self.said(from))),
        })
    }

    fn said(&self, from: &str) -> String {
        format!("the time of its {from} is doubtful:")
    }

    /// Which of the two is taken.
    fn better(&self, container: Start, name: Start, zone: &TimeZone) -> Start {
        let later = container.at.duration_since(name.at);
        // They say the same.
        if later.abs() <= SLACK {
            return container;
        }
        // Written when recording ended.
        if !later.is_negative() && later <= self.length + SLACK {
            return name;
        }
        // The container keeps local time where UTC belongs.
        let local = name.local.filter(|_| container.local.is_none());
        if local.is_some_and(|local| self.same_face(container.at, local)) {
            return name;
        }
        let told = name
            .at
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%dT%H:%M:%S%:z");
        let differs = format!("its {} tells {told}", name.from);
        let doubt = match container.doubt {
            Some(doubt) => format!("{doubt}; {differs}"),
            None => differs,
        };
        Start {
            doubt: Some(doubt),
            ..container
        }
    }

    /// Whether clocks show the same time of the same day, one called UTC and one local; the first perhaps
    /// when recording ended.
    fn same_face(&self, utc: Timestamp, local: DateTime) -> bool {
        let Ok(as_utc) = Offset::UTC.to_timestamp(local) else {
            return false;
        };
        let later = utc.duration_since(as_utc);
        -SLACK <= later && later <= self.length + SLACK
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::container_time;
    use super::*;

    /// What is taken, and whether with a doubt: of a video of a minute, its name read in Berlin.
    fn taken(name: Option<&str>, container: Option<&str>) -> (String, &'static str, bool) {
        let told = |t: &str| container_time(t).unwrap();
        let sources = Sources {
            own: None,
            name: name.map(told),
            by_folder: false,
            container: container.map(told),
            length: SignedDuration::from_secs(60),
            file: "2024-12-01T00:00:00Z".parse().unwrap(),
        };
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let start = sources.start(&zone);
        (start.at.to_string(), start.from, start.doubt.is_some())
    }

    #[test]
    fn the_best_source_is_taken() {
        let name = Some("2024-05-01T12:30:00");
        let right = "2024-05-01T10:30:00Z".to_owned();
        assert_eq!(
            taken(None, None),
            ("2024-12-01T00:00:00Z".into(), "file", false)
        );
        assert_eq!(taken(name, None), (right.clone(), "name", false));
        let near = Some("2024-05-01T10:30:03Z");
        assert_eq!(
            taken(name, near),
            ("2024-05-01T10:30:03Z".into(), "container", false)
        );
        // At the end; local where UTC belongs, and both.
        for container in [
            "2024-05-01T10:31:01Z",
            "2024-05-01T12:30:02Z",
            "2024-05-01T12:31:00Z",
        ] {
            assert_eq!(
                taken(name, Some(container)),
                (right.clone(), "name", false),
                "{container}"
            );
        }
        let other = Some("2024-06-01T08:00:00Z");
        assert_eq!(
            taken(name, other),
            ("2024-06-01T08:00:00Z".into(), "container", true)
        );
        // DHAV's clock is local.
        let dhav = Some("2024-05-01T12:30:01");
        assert_eq!(
            taken(name, dhav),
            ("2024-05-01T10:30:01Z".into(), "container", false)
        );
        // QuickTime's date with its zone.
        let phone = Some("2024-05-01T12:30:00+0300");
        assert_eq!(
            taken(None, phone),
            ("2024-05-01T09:30:00Z".into(), "container", false)
        );
        // The hour that comes twice.
        let twice = Some("2024-10-27T02:30:00");
        assert_eq!(
            taken(twice, None),
            ("2024-10-27T00:30:00Z".into(), "name", true)
        );
        let second = taken(twice, Some("2024-10-27T01:31:05Z"));
        assert_eq!(second, ("2024-10-27T01:30:00Z".into(), "name", false));
    }
}
