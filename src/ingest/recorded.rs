//! When a video was recorded and by which camera: from its name, its container or its file time.

use std::path::Path;
use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::Regex;

use crate::media::VideoInfo;
use crate::store::{FileStamp, Recorded};

/// Year to minute, and seconds where there are any, with or without marks between; what stands
/// before them names the camera.
static IN_NAMES: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?x)^(?<camera>.*?)[-_.\s]*
        (?<year>(?:19|20)\d\d)[-_.]?(?<month>\d\d)[-_.]?(?<day>\d\d)[-_.T\s]*
        (?<hour>\d\d)[-_.:h]?(?<minute>\d\d)(?:[-_.:m]?(?<second>\d\d))?(?:\D|$)";
    Regex::new(pattern).expect("a valid pattern")
});

/// Earlier container times are clocks that were never set: 1904 and 1970.
const FIRST_YEAR: i16 = 1990;

/// How names and times of files are read.
#[derive(Debug, Clone)]
pub struct NameReader {
    /// With groups `camera`, `year`, `month`, `day`, `hour`, `minute`, `second`, any of them.
    pattern: Option<Regex>,
    /// Of every file, whatever its name.
    camera: Option<String>,
    /// Of times in names.
    zone: TimeZone,
}

impl Default for NameReader {
    fn default() -> Self {
        Self::new(None, None, TimeZone::system())
    }
}

impl NameReader {
    pub fn new(pattern: Option<Regex>, camera: Option<String>, zone: TimeZone) -> Self {
        Self {
            pattern,
            camera,
            zone,
        }
    }

    /// What is known of a video. A time in a name that the caller's pattern finds is trusted
    /// first, then the container's, then one that looks like a time in the name, then the file's
    /// own: it was written when recording ended.
    pub(super) fn read(&self, path: &Path, info: Option<&VideoInfo>, stamp: FileStamp) -> Recorded {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let own = self.pattern.as_ref().and_then(|p| p.captures(&name));
        let usual = IN_NAMES.captures(&name);
        let found = own
            .as_ref()
            .or(usual.as_ref().filter(|_| self.pattern.is_none()));
        let camera = found.and_then(|c| c.name("camera"));
        let camera = camera.map(|m| m.as_str().trim()).filter(|c| !c.is_empty());
        let time = |c: Option<&regex::Captures>| c.and_then(|c| self.time(c));
        let container = || info.and_then(|i| container_time(i.created.as_deref()?));
        let length = info.and_then(|i| i.duration).unwrap_or(0.0);
        let file = || stamp.modified_ns / 1_000_000 - (length * 1e3) as i64;
        let (at, from) = match (time(own.as_ref()), container(), time(usual.as_ref())) {
            (Some(at), ..) => (at, "name"),
            (None, Some(at), _) => (at, "container"),
            (None, None, Some(at)) => (at, "name"),
            (None, None, None) => (file(), "file"),
        };
        Recorded {
            camera: self.camera.clone().or(camera.map(str::to_owned)),
            at_ms: Some(at),
            from: Some(from),
        }
    }

    fn time(&self, found: &regex::Captures) -> Option<i64> {
        let part = |name| found.name(name)?.as_str().parse::<i16>().ok();
        let small = |name| part(name).and_then(|n| i8::try_from(n).ok());
        let time = DateTime::new(
            part("year")?,
            small("month")?,
            small("day")?,
            small("hour").unwrap_or(0),
            small("minute").unwrap_or(0),
            small("second").unwrap_or(0),
            0,
        );
        let zoned = self.zone.to_zoned(time.ok()?).ok()?;
        Some(zoned.timestamp().as_millisecond())
    }
}

fn container_time(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.trim().replacen(' ', "T", 1).parse().ok()?;
    let year = time.to_zoned(TimeZone::UTC).year();
    (year >= FIRST_YEAR).then(|| time.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        reader: &NameReader,
        name: &str,
        created: Option<&str>,
    ) -> (Option<String>, String, &'static str) {
        let info = VideoInfo {
            container: String::new(),
            codec: String::new(),
            duration: Some(60.0),
            created: created.map(str::to_owned),
            tags: Vec::new(),
        };
        let stamp = FileStamp {
            size: 1,
            modified_ns: 1_700_000_060_000_000_000,
        };
        let found = reader.read(Path::new(name), Some(&info), stamp);
        let at = jiff::Timestamp::from_millisecond(found.at_ms.unwrap()).unwrap();
        (found.camera, at.to_string(), found.from.unwrap())
    }

    #[test]
    fn times_come_from_names_containers_and_files() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let reader = NameReader::new(None, None, zone.clone());
        let gate = Some("gate 2".to_owned());
        for name in [
            "gate 2_20240501_120000.mp4",
            "gate 2-2024-05-01T12-00-00Z.mkv",
        ] {
            let expected = (gate.clone(), "2024-05-01T10:00:00Z".into(), "name");
            assert_eq!(read(&reader, name, None), expected);
        }
        let clock = Some("2023-01-02T03:04:05.000000Z");
        let expected = (gate, "2023-01-02T03:04:05Z".into(), "container");
        assert_eq!(read(&reader, "gate 2_202405011200.mp4", clock), expected);
        let never_set = Some("1904-01-01T00:00:00.000000Z");
        let by_file = (None, "2023-11-14T22:13:20Z".into(), "file");
        assert_eq!(read(&reader, "clip.mp4", never_set), by_file);
        assert_eq!(read(&reader, "20249901_999999.mp4", None), by_file);

        let pattern =
            Regex::new(r"^(?<day>\d\d)(?<month>\d\d)(?<year>\d{4})-(?<camera>\w+)").unwrap();
        let own = NameReader::new(Some(pattern), None, zone.clone());
        let expected = (Some("yard".into()), "2024-04-30T22:00:00Z".into(), "name");
        assert_eq!(read(&own, "01052024-yard.mp4", clock), expected);
        let named = NameReader::new(None, Some("door".into()), zone);
        assert_eq!(read(&named, "x.mp4", None).0, Some("door".into()));
    }
}
