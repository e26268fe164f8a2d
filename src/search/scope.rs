//! Where and when a query looks.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use crate::index::{Filter, IndexError, Reader, VideoRow};

/// Conditions on videos and on moments; all of them must hold. Without any, everything is in scope.
#[derive(Debug, Clone)]
pub struct Scope {
    paths: Option<GlobSet>,
    cameras: Option<GlobSet>,
    /// Milliseconds since 1970 in UTC: from, and up to.
    after: Option<i64>,
    before: Option<i64>,
    /// Times of day; over midnight where the second is not later.
    between: Option<(Time, Time)>,
    zone: TimeZone,
}

/// Why a condition is none.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    #[error("the pattern {pattern:?} is not a glob: {cause}")]
    Glob {
        pattern: String,
        cause: globset::Error,
    },
    #[error("{text:?} is not a time")]
    Time { text: String },
    #[error("{text:?} is not a span of the day")]
    Between { text: String },
    #[error("nothing can be after {after} and before {before}")]
    Empty { after: String, before: String },
}

impl Scope {
    /// All videos; `zone` is that of times without one, and of times printed.
    pub fn everything(zone: TimeZone) -> Self {
        Self {
            paths: None,
            cameras: None,
            after: None,
            before: None,
            between: None,
            zone,
        }
    }

    pub fn is_everything(&self) -> bool {
        self.paths.is_none() && self.cameras.is_none() && !self.is_timed()
    }

    /// Only videos whose path or name matches: a glob over whole paths, over file names, and,
    /// where it is relative, over paths below `here`. `*` also crosses folders, so `*gate*` is
    /// enough.
    pub fn within(mut self, pattern: &str, here: &Path) -> Result<Self, ScopeError> {
        let below = format!("{}/{pattern}", globset::escape(&here.to_string_lossy()));
        self.paths = Some(globs(&[pattern, &below])?);
        Ok(self)
    }

    /// Only videos of cameras that match a glob.
    pub fn camera(mut self, pattern: &str) -> Result<Self, ScopeError> {
        self.cameras = Some(globs(&[pattern])?);
        Ok(self)
    }

    /// Only what was recorded from `after` on and up to `before`, by the wall clock: dates, dates
    /// and times, or times with their offset.
    pub fn recorded(
        mut self,
        after: Option<&str>,
        before: Option<&str>,
    ) -> Result<Self, ScopeError> {
        self.after = after.map(|t| self.time(t)).transpose()?;
        self.before = before.map(|t| self.time(t)).transpose()?;
        match (self.after, self.before) {
            (Some(a), Some(b)) if a >= b => Err(ScopeError::Empty {
                after: after.unwrap_or_default().into(),
                before: before.unwrap_or_default().into(),
            }),
            _ => Ok(self),
        }
    }

    /// Only what was recorded at these times of day, as `22:00..06:00`.
    pub fn between(mut self, span: &str) -> Result<Self, ScopeError> {
        let time = |t: &str| t.trim().parse::<Time>().ok();
        let ends = span.split_once("..");
        let ends = ends.and_then(|(from, to)| Some((time(from)?, time(to)?)));
        self.between = Some(ends.ok_or_else(|| ScopeError::Between { text: span.into() })?);
        Ok(self)
    }

    fn time(&self, text: &str) -> Result<i64, ScopeError> {
        let local = |t: DateTime| self.zone.to_zoned(t).ok().map(|z| z.timestamp());
        let text = text.trim();
        let exact = text.parse::<Timestamp>().ok();
        let time = exact.or_else(|| local(text.parse().ok()?));
        let time = time.ok_or_else(|| ScopeError::Time { text: text.into() })?;
        Ok(time.as_millisecond())
    }

    /// Whether a wall clock is needed to tell what is in scope.
    pub fn is_timed(&self) -> bool {
        self.after.is_some() || self.before.is_some() || self.between.is_some()
    }

    /// Whether a video would be looked in, but for its time, which is not known.
    pub fn lacks_time(&self, video: &VideoRow) -> bool {
        self.is_timed() && video.recorded_ms.is_none() && self.names(video)
    }

    /// Whether any of a video can be in scope.
    pub fn contains(&self, video: &VideoRow) -> bool {
        let in_time = || video.recorded_ms.is_some_and(|r| self.overlaps(r, video));
        self.names(video) && (!self.is_timed() || in_time())
    }

    fn names(&self, video: &VideoRow) -> bool {
        let path = |globs: &GlobSet| {
            let name = video.video.file_name();
            globs.is_match(&video.video) || name.is_some_and(|n| globs.is_match(n))
        };
        let camera = |globs: &GlobSet| video.camera.as_ref().is_some_and(|c| globs.is_match(c));
        self.paths.as_ref().is_none_or(path) && self.cameras.as_ref().is_none_or(camera)
    }

    fn overlaps(&self, recorded: i64, video: &VideoRow) -> bool {
        let length = video.read_to.or(video.duration).unwrap_or(0.0);
        let end = recorded.saturating_add((length * 1e3) as i64);
        self.after.is_none_or(|a| end >= a) && self.before.is_none_or(|b| recorded < b)
    }

    /// Whether a moment, in seconds of a video recorded at `recorded`, is in scope.
    fn holds(&self, recorded: Option<i64>, start: f64, end: f64) -> bool {
        if !self.is_timed() {
            return true;
        }
        let Some(recorded) = recorded else {
            return false;
        };
        let at = |seconds: f64| recorded.saturating_add((seconds * 1e3).round() as i64);
        let (start, end) = (at(start), at(end));
        let of_day = |ms: i64| {
            let time = Timestamp::from_millisecond(ms).ok()?;
            Some(time.to_zoned(self.zone.clone()).time())
        };
        let inside = |(from, to): (Time, Time)| {
            let holds = |t: Time| match from < to {
                true => from <= t && t < to,
                false => from <= t || t < to,
            };
            // Of a long moment also where the span begins inside it.
            let covers = match (of_day(start), of_day(end)) {
                (Some(a), Some(b)) if a <= b => a <= from && from <= b,
                (Some(a), Some(b)) => a <= from || from <= b,
                _ => false,
            };
            covers || [start, end].into_iter().filter_map(of_day).any(holds)
        };
        self.after.is_none_or(|a| end >= a)
            && self.before.is_none_or(|b| start < b)
            && self.between.is_none_or(inside)
    }

    /// The vectors in scope.
    pub(super) fn filter(&self, reader: &Reader) -> Result<Filter, IndexError> {
        let videos = reader.videos()?.into_iter();
        let inside = videos.filter(|v| self.contains(v));
        let recorded: HashMap<_, _> = inside.map(|v| (v.id, v.recorded_ms)).collect();
        let videos = recorded.keys().copied().collect();
        if !self.is_timed() {
            return Ok(Filter {
                videos,
                moments: None,
            });
        }
        let scope = self.clone();
        let holds = move |video, start, end| {
            let known = recorded.get(&video);
            known.is_some_and(|recorded| scope.holds(*recorded, start, end))
        };
        Ok(Filter {
            videos,
            moments: Some(Arc::new(holds)),
        })
    }

    /// A wall clock, with the offset of the scope's zone.
    pub(super) fn shown(&self, ms: i64) -> Option<String> {
        let time = Timestamp::from_millisecond(ms).ok()?;
        let zoned = time.to_zoned(self.zone.clone());
        Some(zoned.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string())
    }
}

fn globs(patterns: &[&str]) -> Result<GlobSet, ScopeError> {
    let bad = |cause| ScopeError::Glob {
        pattern: patterns[0].into(),
        cause,
    };
    let mut globs = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern).literal_separator(false).build();
        globs.add(glob.map_err(bad)?);
    }
    globs.build().map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Scope {
        Scope::everything(TimeZone::get("Europe/Berlin").unwrap())
    }

    #[test]
    fn a_glob_matches_paths_and_file_names() {
        let here = Path::new("/v/gate [3]");
        let file = Path::new("/v/gate [3]/day/a.mp4");
        let inside = |glob: &str| {
            let globs = berlin().within(glob, here).unwrap().paths.unwrap();
            globs.is_match(file) || globs.is_match(file.file_name().unwrap())
        };
        for glob in ["*gate*", "a.mp4", "/v/**", "day/a.mp4", "day/*"] {
            assert!(inside(glob), "{glob}");
        }
        assert!(!inside("b.mp4"));
        assert!(berlin().within("a[", here).is_err());
    }

    #[test]
    fn moments_are_kept_by_the_wall_clock() {
        // 2024-05-01 23:59:50 in Berlin.
        let recorded = Some(1_714_600_790_000);
        let holds = |scope: Result<Scope, ScopeError>, at: f64| {
            scope.unwrap().holds(recorded, at, at + 1.0)
        };
        assert!(holds(berlin().between("22:00..06:00"), 0.0));
        assert!(holds(berlin().between("22:00..06:00"), 3600.0));
        assert!(!holds(berlin().between("22:00..06:00"), 7.0 * 3600.0));
        let whole = berlin().between("00:00..00:01").unwrap();
        assert!(whole.holds(recorded, 0.0, 300.0) && !whole.holds(recorded, 100.0, 300.0));
        assert!(holds(berlin().between("00:00..01:00"), 10.0));
        assert!(!holds(berlin().between("00:00..01:00"), 0.0));
        assert!(holds(berlin().recorded(Some("2024-05-02"), None), 10.0));
        assert!(!holds(berlin().recorded(Some("2024-05-02"), None), 0.0));
        assert!(!holds(
            berlin().recorded(None, Some("2024-05-01T21:59:50Z")),
            0.0
        ));
        assert!(holds(
            berlin().recorded(None, Some("2024-05-02 00:00")),
            0.0
        ));
        assert!(
            !berlin()
                .between("22:00..23:00")
                .unwrap()
                .holds(None, 0.0, 1.0)
        );
        assert!(berlin().holds(None, 0.0, 1.0));
        for wrong in ["22:00", "x..y", "22:00..25:00"] {
            assert!(berlin().between(wrong).is_err(), "{wrong}");
        }
        assert!(berlin().recorded(Some("yesterday"), None).is_err());
        assert!(
            berlin()
                .recorded(Some("2024-05-02"), Some("2024-05-01"))
                .is_err()
        );
        let shown = berlin().shown(1_714_600_790_000).unwrap();
        assert_eq!(shown, "2024-05-01T23:59:50.000+02:00");
    }
}
