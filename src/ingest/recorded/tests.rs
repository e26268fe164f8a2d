use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::clock::Told;
use super::names::{Named, read};
use super::{Facts, NameReader, below};
use crate::store::{FileStamp, Recorded};

/// docs/recorders.md says what each recorder's names tell.
#[test]
fn names_tell_what_the_documents_say() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recorders.md"));
    let mut rows = 0;
    let mut wrong = Vec::new();
    for line in page.lines().filter(|l| l.contains("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, path, camera, start, zone, from] = cells[..] else {
            panic!("not a row: {line}");
        };
        let path = path.trim_matches('`');
        let below = path.rsplit_once('.').unwrap().0;
        let known = |cell: &str| (cell != "-").then(|| cell.to_owned());
        let start = known(start).map(|start| match zone {
            "local" => Told::Local(start.parse::<DateTime>().unwrap()),
            "UTC" => Told::At(format!("{start}Z").parse::<Timestamp>().unwrap()),
            offset => Told::At(format!("{start}{offset}").parse::<Timestamp>().unwrap()),
        });
        let expected = (known(camera), start, from == "folder");
        let Named {
            camera,
            start,
            by_folder,
            ..
        } = read(below);
        if (&camera, &start, &by_folder) != (&expected.0, &expected.1, &expected.2) {
            wrong.push(format!("{path}: {camera:?} {start:?} {by_folder}"));
        }
        rows += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(rows >= 60, "{rows}");
}

/// Whatever a file is called, and wherever its characters are cut.
#[test]
fn no_name_is_too_odd() {
    let pieces = [
        "2024",
        "05",
        "01",
        "12",
        "30",
        "00",
        "-",
        "_",
        ".",
        "/",
        "T",
        "Z",
        "+02",
        "PM",
        "年",
        "月",
        "日",
        "时",
        "下午",
        "mai",
        "é",
        "1714559400",
        "[M]",
        " ",
        "GMT",
        "ch01",
        "\u{202f}",
        "99",
        "",
    ];
    let mut state = 1u64;
    for _ in 0..20_000 {
        let mut name = String::new();
        for _ in 0..12 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            name += pieces[(state >> 33) as usize % pieces.len()];
        }
        let named = read(&name);
        let instant = |told| match told {
            Told::At(at) => Some(at),
            Told::Local(local) => local.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp()),
        };
        assert!(named.start.is_none_or(|s| instant(s).is_some()), "{name}");
    }
}

const STAMP: FileStamp = FileStamp {
    size: 1,
    modified_ns: 1_700_000_060_000_000_000,
};

/// Of a video of a minute.
fn facts(created: Option<&str>) -> Facts<'_> {
    Facts {
        created,
        duration: Some(60.0),
        stamp: STAMP,
    }
}

fn told(recorded: &Recorded) -> (Option<&str>, String, &str) {
    let at = Timestamp::from_millisecond(recorded.at_ms.unwrap()).unwrap();
    let from = recorded.from.as_deref().unwrap();
    (recorded.camera.as_deref(), at.to_string(), from)
}

fn berlin() -> Option<TimeZone> {
    Some(TimeZone::get("Europe/Berlin").unwrap())
}

#[test]
fn times_come_from_names_containers_and_files() {
    let reader = NameReader::new(None, None, berlin());
    let of = |name: &str, created| reader.read(Path::new(name), facts(created));
    let gate = Some("gate 2");
    let local = of("gate 2_20240501_120000.mp4", None);
    assert_eq!(told(&local), (gate, "2024-05-01T10:00:00Z".into(), "name"));
    assert_eq!(local.clock.as_deref(), Some("2024-05-01T12:00:00"));
    assert_eq!(local.zone.as_deref(), Some("Europe/Berlin"));
    // A zone that is told is obeyed.
    let utc = of("gate 2-2024-05-01T12-00-00Z.mkv", None);
    assert_eq!(told(&utc), (gate, "2024-05-01T12:00:00Z".into(), "name"));
    assert_eq!((utc.clock, utc.zone), (None, None));
    let folder = of("front/2024-05-01/12-30-00.mp4", None);
    let expected = (Some("front"), "2024-05-01T10:30:00Z".into(), "folder");
    assert_eq!(told(&folder), expected);

    let clock = Some("2023-01-02T03:04:05.000000Z");
    let other = of("gate 2_202405011200.mp4", clock);
    assert_eq!(
        told(&other),
        (gate, "2023-01-02T03:04:05Z".into(), "container")
    );
    assert!(other.doubt.unwrap().contains("2024-05-01T12:00:00+02:00"));
    let by_file = (None, "2023-11-14T22:13:20Z".into(), "file");
    let never_set = of("clip.mp4", Some("1904-01-01T00:00:09.000000Z"));
    assert_eq!(told(&never_set), by_file);
    assert!(never_set.doubt.unwrap().contains("never set (1904"));
    let impossible = of("20249901_999999.mp4", None);
    assert_eq!(
        (told(&impossible), impossible.doubt.is_none()),
        (by_file, true)
    );
    let gopro = of("GX010123.MP4", clock);
    assert_eq!(told(&gopro).2, "container");
    assert!(gopro.doubt.unwrap().contains("HERO11"));
}

#[test]
fn what_the_user_says_comes_first() {
    let pattern = r"^(?<day>\d\d)(?<month>\d\d)(?<year>\d{4})-(?<camera>\w+)";
    let own = NameReader::new(Some(pattern.parse().unwrap()), None, berlin());
    let clock = Some("2023-01-02T03:04:05.000000Z");
    let found = own.read(Path::new("x/01052024-yard.mp4"), facts(clock));
    let expected = (Some("yard"), "2024-04-30T22:00:00Z".into(), "name");
    assert_eq!(told(&found), expected);
    let named = NameReader::new(None, Some("door".into()), berlin());
    let found = named.read(Path::new("x.mp4"), facts(None));
    assert_eq!(found.camera.as_deref(), Some("door"));
}

#[test]
fn what_nothing_new_is_said_of_stays() {
    let name = Path::new("gate_20240501_120000.mp4");
    let utc = NameReader::new(None, None, Some(TimeZone::UTC));
    let before = utc.read(name, facts(None));
    let camera = NameReader::new(None, Some("yard".into()), None);
    let now = camera.read_again(name, facts(None), &before);
    assert_eq!(
        told(&now),
        (Some("yard"), "2024-05-01T12:00:00Z".into(), "name")
    );
    let zone = NameReader::new(None, None, berlin());
    let later = zone.read_again(name, facts(None), &now);
    assert_eq!(
        told(&later),
        (Some("yard"), "2024-05-01T10:00:00Z".into(), "name")
    );
    assert_eq!(zone.read_again(name, facts(None), &later), later);
    // Another pattern reads in the zone of before.
    let pattern = r"(?<camera>g).*(?<year>\d{4})(?<month>\d\d)(?<day>\d\d)_(?<hour>\d\d)";
    let own = NameReader::new(Some(pattern.parse().unwrap()), None, None);
    let last = own.read_again(name, facts(None), &before);
    assert_eq!(
        told(&last),
        (Some("g"), "2024-05-01T12:00:00Z".into(), "name")
    );
}

#[test]
fn paths_are_told_below_what_was_given() {
    let roots: Vec<PathBuf> = ["/rec", "/rec/front/20240501", "/a/20240501/12/30.mp4"]
        .map(PathBuf::from)
        .into();
    for (path, expected) in [
        ("/rec/yard/20240501/12/30.mp4", "yard/20240501/12/30.mp4"),
        ("/rec/front/20240501/12/30.mp4", "20240501/12/30.mp4"),
        ("/a/20240501/12/30.mp4", "20240501/12/30.mp4"),
        ("/elsewhere/x.mp4", "x.mp4"),
    ] {
        assert_eq!(below(&roots, Path::new(path)), Path::new(expected));
    }
}
