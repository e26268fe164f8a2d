//! Where and when is looked: a filter is a value, which each store applies as it can.

use std::collections::HashMap;
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use roaring::RoaringTreemap;

use super::ObjectFilter;
use crate::types::{MomentId, VectorId, VideoId};

/// Conditions on videos and on moments; all of them must hold. Without any, everything is in scope.
#[derive(Debug, Clone)]
pub struct Filter {
    pub paths: Option<Pattern>,
    pub cameras: Option<Pattern>,
    /// Milliseconds since 1970 in UTC: from then on.
    pub after: Option<i64>,
    /// The same: up to then.
    pub before: Option<i64>,
    /// Times of day; over midnight where the second is not later.
    pub between: Option<(Time, Time)>,
    /// Of times without one, and of times printed.
    pub zone: TimeZone,
    /// The time a file was written at counts as the time it was recorded.
    pub trust_file_times: bool,
    /// What is seen in a moment: all of these.
    pub objects: Vec<ObjectFilter>,
}

/// How a time is known that is only the file's: a copy changes it.
pub const FROM_FILE: &str = "file";

/// Globs, one of which must match.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As they were given.
    pub globs: Vec<String>,
    compiled: GlobSet,
}

/// Why a condition is none.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
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

impl Pattern {
    /// `*` also crosses folders.
    pub fn new(globs: &[&str]) -> Result<Self, FilterError> {
        let bad = |cause| FilterError::Glob {
            pattern: globs.first().copied().unwrap_or_default().into(),
            cause,
        };
        let mut compiled = GlobSetBuilder::new();
        for glob in globs {
            let glob = GlobBuilder::new(glob).literal_separator(false).build();
            compiled.add(glob.map_err(bad)?);
        }
        Ok(Self {
            globs: globs.iter().map(|&g| g.to_owned()).collect(),
            compiled: compiled.build().map_err(bad)?,
        })
    }

    pub fn is_match(&self, text: impl AsRef<Path>) -> bool {
        self.compiled.is_match(text)
    }
}

/// What a filter asks of a video.
#[derive(Debug, Clone, Copy)]
pub struct VideoFacts<'a> {
    pub path: &'a Path,
    pub camera: Option<&'a str>,
    /// Wall clock at its start, milliseconds since 1970 in UTC; see [`Filter::clock`].
    pub recorded_ms: Option<i64>,
    /// Seconds.
    pub length: f64,
}

impl Filter {
    /// All videos.
    pub fn everything(zone: TimeZone) -> Self {
        Self {
            paths: None,
            cameras: None,
            after: None,
            before: None,
            between: None,
            zone,
            trust_file_times: false,
            objects: Vec::new(),
        }
    }

    pub fn is_everything(&self) -> bool {
        self.has_all_videos() && self.objects.is_empty()
    }

    /// No video is left out, whatever is seen in it.
    pub fn has_all_videos(&self) -> bool {
        self.paths.is_none() && self.cameras.is_none() && !self.is_timed()
    }

    /// Only videos whose path or name matches: a glob over whole paths, over file names, and,
    /// where it is relative, over paths below `here`.
    pub fn within(mut self, pattern: &str, here: &Path) -> Result<Self, FilterError> {
        let below = format!("{}/{pattern}", globset::escape(&here.to_string_lossy()));
        self.paths = Some(Pattern::new(&[pattern, &below])?);
        Ok(self)
    }

    /// Or whose path matches this one.
    pub fn or_within(mut self, pattern: &str) -> Result<Self, FilterError> {
        let before = self.paths.map_or(Vec::new(), |p| p.globs);
        let globs = before.iter().map(String::as_str).chain([pattern]);
        self.paths = Some(Pattern::new(&globs.collect::<Vec<_>>())?);
        Ok(self)
    }

    /// Only the video at this path.
    pub fn only(mut self, path: &Path) -> Result<Self, FilterError> {
        let exact = globset::escape(&path.to_string_lossy());
        self.paths = Some(Pattern::new(&[&exact])?);
        Ok(self)
    }

    /// Only videos of cameras that match a glob.
    pub fn camera(mut self, pattern: &str) -> Result<Self, FilterError> {
        self.cameras = Some(Pattern::new(&[pattern])?);
        Ok(self)
    }

    /// Only what was recorded from `after` on and up to `before`, by the wall clock: dates, dates
    /// and times, or times with their offset.
    pub fn recorded(
        mut self,
        after: Option<&str>,
        before: Option<&str>,
    ) -> Result<Self, FilterError> {
        self.after = after.map(|t| self.time(t)).transpose()?;
        self.before = before.map(|t| self.time(t)).transpose()?;
        match (self.after, self.before) {
            (Some(a), Some(b)) if a >= b => Err(FilterError::Empty {
                after: after.unwrap_or_default().into(),
                before: before.unwrap_or_default().into(),
            }),
            _ => Ok(self),
        }
    }

    /// Only what was recorded at these times of day, as `22:00..06:00`.
    pub fn between(mut self, span: &str) -> Result<Self, FilterError> {
        let time = |t: &str| t.trim().parse::<Time>().ok();
        let ends = span.split_once("..");
        let ends = ends.and_then(|(from, to)| Some((time(from)?, time(to)?)));
        self.between = Some(ends.ok_or_else(|| FilterError::Between { text: span.into() })?);
        Ok(self)
    }

    fn time(&self, text: &str) -> Result<i64, FilterError> {
        let local = |t: DateTime| self.zone.to_zoned(t).ok().map(|z| z.timestamp());
        let text = text.trim();
        let exact = text.parse::<Timestamp>().ok();
        let time = exact.or_else(|| local(text.parse().ok()?));
        let time = time.ok_or_else(|| FilterError::Time { text: text.into() })?;
        Ok(time.as_millisecond())
    }

    /// Whether a wall clock is needed to tell what is in scope.
    pub fn is_timed(&self) -> bool {
        self.after.is_some() || self.before.is_some() || self.between.is_some()
    }

    /// Whether a video would be looked in, but for its time, which is not known.
    pub fn lacks_time(&self, video: &VideoFacts) -> bool {
        self.is_timed() && video.recorded_ms.is_none() && self.names(video)
    }

    /// Whether any of a video can be in scope.
    pub fn contains(&self, video: &VideoFacts) -> bool {
        let in_time = || {
            video
                .recorded_ms
                .is_some_and(|r| self.overlaps(r, video.length))
        };
        self.names(video) && (!self.is_timed() || in_time())
    }

    /// The wall clock by which a video is filtered and ordered, of when it was recorded and how that is known.
    pub fn clock(&self, recorded_ms: Option<i64>, from: Option<&str>) -> Option<i64> {
        recorded_ms.filter(|_| self.trust_file_times || from != Some(FROM_FILE))
    }

    fn names(&self, video: &VideoFacts) -> bool {
        let path = |globs: &Pattern| {
            let name = video.path.file_name();
            globs.is_match(video.path) || name.is_some_and(|n| globs.is_match(n))
        };
        let camera = |globs: &Pattern| video.camera.is_some_and(|c| globs.is_match(c));
        self.paths.as_ref().is_none_or(path) && self.cameras.as_ref().is_none_or(camera)
    }

    fn overlaps(&self, recorded: i64, length: f64) -> bool {
        let end = recorded.saturating_add((length * 1e3) as i64);
        self.after.is_none_or(|a| end >= a) && self.before.is_none_or(|b| recorded < b)
    }

    /// Whether a moment, in seconds of a video recorded at `recorded`, is in scope.
    pub fn holds(&self, recorded: Option<i64>, start: f64, end: f64) -> bool {
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

    /// A wall clock, with the offset of the filter's zone.
    pub fn wall_clock(&self, ms: i64) -> Option<String> {
        let time = Timestamp::from_millisecond(ms).ok()?;
        let zoned = time.to_zoned(self.zone.clone());
        Some(zoned.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string())
    }
}

/// What a filter leaves of a library, at one state of it.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Its videos; `None` where all are.
    pub videos: Option<RoaringTreemap>,
    /// Where moments are told apart by the wall clock: when each of those videos was recorded.
    clock: Option<(Filter, HashMap<VideoId, i64>)>,
    /// Where moments are told apart by what is seen in them: those left, and their vectors of all models.
    seen: Option<Seen>,
    pub searched: Searched,
}

#[derive(Debug, Clone)]
struct Seen {
    moments: RoaringTreemap,
    vectors: RoaringTreemap,
}

/// What an answer rests on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Searched {
    /// Videos in the library, and those of them in scope.
    pub all_videos: usize,
    pub videos: usize,
    /// Cameras those come from, each video of an unknown camera being its own.
    pub cameras: usize,
    /// Seconds that they last, and how much of it was not seen.
    pub length: f64,
    pub unseen: f64,
    /// Videos that were not, or only in part, readable.
    pub troubled: usize,
    /// Videos left out because nobody knows when they were recorded, or only the file's time tells.
    pub undated: usize,
    pub guessed: usize,
    /// Videos in scope without a wall clock.
    pub clockless: usize,
    /// Where it is asked what is seen in a moment: moments in scope that no detector has looked at.
    pub unlooked: usize,
    /// Where lettering is asked for: moments in scope of which it has not been read.
    pub unread: usize,
}

impl Selection {
    /// Everything there is.
    pub fn everything(searched: Searched) -> Self {
        Self {
            videos: None,
            clock: None,
            seen: None,
            searched,
        }
    }

    /// These videos; and of them, where the filter is timed, the moments it holds for.
    pub fn new(
        filter: &Filter,
        videos: RoaringTreemap,
        recorded: HashMap<VideoId, i64>,
        searched: Searched,
    ) -> Self {
        Self {
            videos: Some(videos),
            clock: filter.is_timed().then(|| (filter.clone(), recorded)),
            seen: None,
            searched,
        }
    }

    /// Only these moments of what is left, which have these vectors.
    pub fn seen(mut self, moments: RoaringTreemap, vectors: RoaringTreemap) -> Self {
        self.seen = Some(Seen { moments, vectors });
        self
    }

    /// Nothing is left out.
    pub fn is_everything(&self) -> bool {
        self.videos.is_none() && self.clock.is_none() && self.seen.is_none()
    }

    /// The vectors left, where moments are told apart by what is seen in them.
    pub fn vectors(&self) -> Option<&RoaringTreemap> {
        self.seen.as_ref().map(|s| &s.vectors)
    }

    /// Whether what is seen in the moment of a vector leaves it in scope.
    pub fn has_vector(&self, vector: VectorId) -> bool {
        self.vectors().is_none_or(|v| v.contains(vector.0 as u64))
    }

    /// Whether what is seen in a moment leaves it in scope.
    pub fn has_moment(&self, moment: MomentId) -> bool {
        let seen = self.seen.as_ref();
        seen.is_none_or(|s| s.moments.contains(moment.0 as u64))
    }

    /// Whether moments of one video may be told apart, by the wall clock or by what is seen in them.
    pub fn tells_moments_apart(&self) -> bool {
        self.clock.is_some() || self.seen.is_some()
    }

    /// Whether moments of one video may be told apart by the wall clock.
    pub fn is_timed(&self) -> bool {
        self.clock.is_some()
    }

    /// Whether any of a video is in scope.
    pub fn has(&self, video: VideoId) -> bool {
        let inside = |videos: &RoaringTreemap| videos.contains(video.0 as u64);
        self.videos.as_ref().is_none_or(inside)
    }

    /// Whether a moment, in seconds of a video in scope, is in scope.
    pub fn holds(&self, video: VideoId, start: f64, end: f64) -> bool {
        let Some((filter, recorded)) = &self.clock else {
            return true;
        };
        filter.holds(recorded.get(&video).copied(), start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Filter {
        Filter::everything(TimeZone::get("Europe/Berlin").unwrap())
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
        let holds = |scope: Result<Filter, FilterError>, at: f64| {
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
        let shown = berlin().wall_clock(1_714_600_790_000).unwrap();
        assert_eq!(shown, "2024-05-01T23:59:50.000+02:00");
    }
}
