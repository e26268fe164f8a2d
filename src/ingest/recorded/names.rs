//! Camera and start as recorders write them into names and folders: a table of patterns, most telling first.
//! docs/recorders.md lists names of each; its table is the test.

use std::sync::LazyLock;

use jiff::tz::Offset;
use regex::{Captures, Regex};

use super::clock::{Told, was_set};
use super::times::{afternoon, agreed, epoch, local, zone};
use super::words::{is_camera, is_camera_folder};

/// What a path tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Named {
    pub(super) camera: Option<String>,
    pub(super) start: Option<Told>,
    /// The day stands in a folder's name.
    pub(super) by_folder: bool,
    /// Something that looks like a time is none: its clock was never set.
    pub(super) never_set: bool,
    /// Named as GoPro does.
    pub(super) gopro: bool,
}

/// Names of GoPro: no time, a chapter and the number of the recording.
static GOPRO: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:^|/)(?:G[HLOPSX]\d{6}|GOPR\d{4})$").expect("a valid pattern"));

/// What patterns are put together of.
const PIECES: &[(&str, &str)] = &[
    (
        "{ymd}",
        r"(?<year>(?:19|20)\d\d)[-_.]?(?<month>\d\d)[-_.]?(?<day>\d\d)",
    ),
    (
        "{time}",
        r"(?<noon>上午|下午|午前|午後|오전|오후)?\s*(?<hour>\d\d?)(?<mark>\s*[时時点點시]\s*|[-_.:hH])?(?<minute>\d\d)
          (?<rest>(?<mark2>\s*[分분]\s*|[-_.:mM])?(?<second>\d\d)[秒초s]?(?:(?<glued>\d{3})|[.,](?<fraction>\d{3})\d*)?)?",
    ),
    // Between a day and its time.
    (
        "{gap}",
        r"(?<gap>[-_.,T@\s]*(?:(?:at|um|kl|klo|à|às|a\s+las|alle|om|o|в)\.?[-_\s]+)?)",
    ),
    ("{epoch}", r"(?<epoch>1[3-9]\d{8}(?:\d{3})?)"),
    (
        "{hms}",
        r"(?<hour>\d\d)[-_.:h](?<minute>\d\d)[-_.:m](?<second>\d\d)",
    ),
];

/// One way to write a start.
struct Form {
    pattern: Regex,
    /// It is looked for in the name alone, and what stands before the day names the camera.
    in_name: bool,
    /// The recorder writes UTC.
    utc: bool,
}

const WHOLE: (bool, bool) = (false, false);
const WHOLE_UTC: (bool, bool) = (false, true);
const NAME: (bool, bool) = (true, false);

/// Tried from the first on; see `PIECES`.
const FORMS: &[(&str, (bool, bool))] = &[
    // Seconds or milliseconds since 1970 count where a recorder is known to write them, or all of a name is
    // one: any ten digits may be anything.
    (
        r"(?:^|/)(?<plain>RPReplay_Final|mmexport|FB_VID_|wx_camera_|record_)?{epoch}(?:_\d{1,6})?$",
        WHOLE,
    ),
    (r"(?:^|/)\d{10}/\d\dM\d\dS_{epoch}$", WHOLE),
    (
        r"(?:^|/)(?<camera>[^/]+?)-{epoch}\.\d+-[0-9a-z]{6}(?:-clean)?$",
        WHOLE,
    ),
    (
        r"(?:^|/)(?<camera>[0-9A-F]{12})_\d_(?:rotating|timelapse)_{epoch}$",
        WHOLE,
    ),
    // Synology: the day, the time and when that was.
    (
        r"(?:^|/)(?<camera>[^/]+)-{ymd}-(?<hour>\d\d)(?<minute>\d\d)(?<second>\d\d)-{epoch}(?:-\d+)?$",
        WHOLE,
    ),
    // Frigate.
    (
        r"(?:^|/)(?<year>\d{4})-(?<month>\d\d)[-/](?<day>\d\d)/(?<hour>\d\d)/(?<camera>[^/]+)/(?<minute>\d\d)\.(?<second>\d\d)$",
        WHOLE_UTC,
    ),
    // Xiaomi, Wyze.
    (
        r"(?:^|/){ymd}(?<hour>\d\d)/(?<minute>\d\d)M(?<second>\d\d)S",
        WHOLE,
    ),
    (r"(?:^|/){ymd}/(?<hour>\d\d)/(?<minute>\d\d)$", WHOLE),
    // Dahua: a recorder's channel has a folder below the day.
    (
        r"(?:^|/){ymd}/(?<channel>\d{3})/(?:dav|mp4)/(?:\d\d/)?{hms}-\d\d\.\d\d\.\d\d\[",
        WHOLE,
    ),
    // ZoneMinder.
    (
        r"(?:^|/)(?:events/)?(?<camera>[^/]+)/(?<year>\d\d)/(?<month>\d\d)/(?<day>\d\d)/(?<hour>\d\d)/(?<minute>\d\d)/(?<second>\d\d)/",
        WHOLE,
    ),
    (r"(?:^|/)events/(?<camera>\d+)/\d{4}-\d\d-\d\d/\d+/", WHOLE),
    // A day's folder, perhaps an hour's below it, and a name that is a time.
    (r"(?:^|/){ymd}(?:[AP]M)?/(?:\d\d/)?{hms}(?:$|[^\d])", WHOLE),
    (
        r"(?:^|/)(?<year>\d{4})/(?<month>\d\d)/(?<day>\d\d)/(?:\d\d/)?{hms}(?:$|[^\d])",
        WHOLE,
    ),
    // Tesla.
    (
        r"(?:^|/){ymd}_{hms}-(?<camera>front|back|rear|(?:left|right)_(?:repeater|pillar|rear))$",
        WHOLE,
    ),
    // Dashcams with two digits for the year.
    (
        r"^(?:FILE|NO|EV|REC|PA|EMR)_?(?<year>\d\d)(?<month>\d\d)(?<day>\d\d)-(?<hour>\d\d)(?<minute>\d\d)(?<second>\d\d)",
        NAME,
    ),
    (
        r"^(?<year>\d\d)(?<month>\d\d)(?<day>\d\d)_(?<hour>\d\d)(?<minute>\d\d)(?<second>\d\d)_\d{3}_(?:[FR][HL])$",
        NAME,
    ),
    // Year, month, day.
    (r"{ymd}{gap}{time}", NAME),
    (
        r"(?<year>\d{4})\s*[年년]\s*(?<month>\d\d?)\s*[月월]\s*(?<day>\d\d?)\s*[日号일]{gap}{time}",
        NAME,
    ),
    // The year last. With points the day comes first, wherever points are written; with other marks the one
    // that cannot be a month is the day, and where both can nothing is told.
    (
        r"(?<day>\d\d?)\.(?<month>\d\d?)\.(?<year>(?:19|20)\d\d){gap}{time}",
        NAME,
    ),
    (
        r"(?<one>\d\d?)[-_](?<other>\d\d?)[-_](?<year>(?:19|20)\d\d){gap}{time}",
        NAME,
    ),
    // Months as words.
    (
        r"(?<day>\d\d?)(?:st|nd|rd|th|er|\.)?[-_\s]*(?:(?:of|de)\s+)?(?<word>\p{L}{3,}\.?)[-_.,\s]*(?:de\s+)?(?<year>(?:19|20)\d\d){gap}{time}",
        NAME,
    ),
    (
        r"(?<word>\p{L}{3,})\.?[-_\s](?<day>\d\d?)(?:st|nd|rd|th)?,?[-_\s]+(?<year>(?:19|20)\d\d){gap}{time}",
        NAME,
    ),
    // Body cameras of Axon.
    (
        r"^(?<plain>Axon_.*)_{ymd}_(?<hour>\d\d)(?<minute>\d\d)_",
        NAME,
    ),
];

static TABLE: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let form = |&(pattern, (in_name, utc)): &(&str, (bool, bool))| {
        let whole = PIECES.iter().fold(pattern.to_owned(), |p, (name, piece)| {
            p.replace(name, piece)
        });
        Form {
            pattern: Regex::new(&format!("(?x){whole}")).expect("a valid pattern"),
            in_name,
            utc,
        }
    };
    FORMS.iter().map(form).collect()
});

/// A lens of a dashcam behind a time: front, rear, inside.
static LENS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:[-_]\d{3,6})?[-_]?[NEPM]?(?<lens>[FRI])[HL]?$").expect("a valid pattern")
});

/// What a path tells, below the folder that was given, its parts divided by `/` and without its extension.
pub(super) fn read(below: &str) -> Named {
    let mut named = Named {
        gopro: GOPRO.is_match(below),
        ..Named::default()
    };
    for form in TABLE.iter() {
        let offset = if form.in_name {
            below.rfind('/').map_or(0, |at| at + 1)
        } else {
            0
        };
        let text = &below[offset..];
        let mut from = 0;
        while let Some(found) = form.pattern.captures_at(text, from) {
            let (Some(whole), Some(first)) = (found.get(0), first_of(&found)) else {
                break;
            };
            if let Some(told) = form.start(text, &found) {
                match told {
                    Some(start) if !was_set(start.day()) => named.never_set = true,
                    start => {
                        named.camera = form.camera(below, text, &found);
                        named.start = start;
                        named.never_set = false;
                        let name = below.rfind('/').unwrap_or(0);
                        named.by_folder = start.is_some() && offset + first < name;
                        return named;
                    }
                }
            }
            let next = first.max(whole.start()) + 1;
            let Some(next) = (next..=text.len()).find(|&at| text.is_char_boundary(at)) else {
                break;
            };
            from = next;
        }
    }
    named
}

/// Where the day begins, or, where there is none, the camera.
fn first_of(found: &Captures) -> Option<usize> {
    let day = ["epoch", "year", "day", "one", "word"];
    let starts = day.iter().filter_map(|n| found.name(n)).map(|m| m.start());
    starts.min().or_else(|| Some(found.name("camera")?.start()))
}

impl Form {
    /// The start that was found; `Some(None)` where the form tells of none, `None` where what was found is none.
    fn start(&self, text: &str, found: &Captures) -> Option<Option<Told>> {
        if found.name("year").is_none() && found.name("epoch").is_none() {
            return Some(None);
        }
        let epoch = found.name("epoch").and_then(|m| epoch(m.as_str()));
        if found.name("year").is_none() {
            return epoch.map(|at| Some(Told::At(at)));
        }
        let begins = first_of(found)?;
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        if digit(text[..begins].chars().next_back()) {
            return None;
        }
        let (local, end) = local(found)?;
        let rest = &text[end..];
        if digit(rest.chars().next()) {
            return None;
        }
        if let Some(at) = epoch {
            return Some(Some(agreed(at, local)));
        }
        let (local, rest) = afternoon(local, rest)?;
        let iso = found.name("gap").is_some_and(|g| g.as_str() == "T");
        let before = text[..begins].trim_end_matches(['-', '_', ' ', '.']);
        let utc = self.utc || ["PXL", "GMT"].contains(&before);
        let offset = if utc {
            Some(Offset::UTC)
        } else {
            zone(rest, iso)
        };
        Some(match offset {
            Some(offset) => Some(Told::At(offset.to_timestamp(local).ok()?)),
            None => Some(Told::Local(local)),
        })
    }

    fn camera(&self, below: &str, text: &str, found: &Captures) -> Option<String> {
        let folder = || {
            let folders = below.rsplit('/').skip(1);
            folders
                .map(str::trim)
                .find(|f| is_camera_folder(f))
                .map(str::to_owned)
        };
        if let Some(camera) = found.name("camera") {
            return Some(camera.as_str().trim().to_owned());
        }
        if let Some(channel) = found.name("channel") {
            let channel = channel.as_str();
            return Some(folder().map_or(channel.to_owned(), |f| format!("{f}_{channel}")));
        }
        if found.name("plain").is_some() {
            return None;
        }
        if !self.in_name {
            return folder();
        }
        let before = text[..first_of(found)?].trim_matches(MARKS);
        let before = ["_main", "_sub"]
            .iter()
            .fold(before, |b, s| b.strip_suffix(s).unwrap_or(b));
        if is_camera(before) {
            return Some(before.to_owned());
        }
        let last = ["rest", "second", "minute"]
            .iter()
            .find_map(|n| found.name(n));
        let lens = last.and_then(|m| LENS.captures(&text[m.end()..]));
        let lens = lens.and_then(|c| match c.name("lens")?.as_str() {
            "F" => Some("front"),
            "R" => Some("rear"),
            _ => Some("inside"),
        });
        match lens {
            Some(lens) => Some(lens.to_owned()),
            None if before.is_empty() => folder(),
            None => None,
        }
    }
}

/// What stands between a camera's name and a day.
const MARKS: &[char] = &['-', '_', '.', ',', ' ', '@', '(', '[', '#'];
