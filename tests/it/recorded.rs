//! When and by which cameras videos were recorded, from the first run on and told anew.

use serde_json::Value;

use crate::clips::{ffmpeg, h264};
use crate::commands::{Vsearch, hits_in};

/// Name, camera, start and source of a video.
type Row = (String, Option<String>, String, String);

/// Of each video, by the best hit in it.
fn told(v: &Vsearch) -> Vec<Row> {
    let asked = [
        "query",
        "grey",
        "--json",
        "-q",
        "-k",
        "50",
        "--per-video",
        "1",
        "--no-words",
    ];
    let hits = hits_in(&v.run(&[&asked[..], &["--time-zone", "UTC"]].concat()).1);
    let text = |h: &Value, field: &str| h[field].as_str().map(str::to_owned);
    let row = |h: &Value| {
        let path = text(h, "video").unwrap();
        let name = path.rsplit('/').next().unwrap().to_owned();
        // To the minute: the hit lies somewhere in the video.
        let at = text(h, "recorded_at").unwrap()[..16].to_owned();
        (
            name,
            text(h, "camera"),
            at,
            text(h, "recorded_from").unwrap(),
        )
    };
    let mut rows: Vec<_> = hits.iter().map(row).collect();
    rows.sort();
    rows
}

fn row(name: &str, camera: &str, at: &str, from: &str) -> Row {
    let camera = (!camera.is_empty()).then(|| camera.to_owned());
    (name.into(), camera, at.into(), from.into())
}

#[test]
fn known_files_are_told_anew_without_being_read() {
    let v = Vsearch::new();
    h264(&v.footage(), "gate_20240501_123000.mp4", 2, 25);
    let day = v.footage().join("front/2024-05-01");
    std::fs::create_dir_all(&day).unwrap();
    // Ten minutes later: files that touch would make one event.
    h264(&day, "12-40-00.mp4", 2, 25);
    let index = |more: &[&str]| {
        let (code, _, err) = v.run(&[&["index", "footage"], more].concat());
        assert_eq!(code, 0, "{err}");
        err
    };
    index(&["--time-zone", "UTC"]);
    let moments = v.rows("moments");
    let (front, gate) = ("12-40-00.mp4", "gate_20240501_123000.mp4");
    let both = |camera: [&str; 2], hour: u32| {
        let at = |minute: u32| format!("2024-05-01T{hour}:{minute}");
        [
            row(front, camera[0], &at(40), "folder"),
            row(gate, camera[1], &at(30), "name"),
        ]
    };
    assert_eq!(told(&v), both(["front", "gate"], 12));

    let said = index(&["--time-zone", "Europe/Berlin"]);
    assert!(
        said.contains("2 of them given another camera or time"),
        "{said}"
    );
    assert_eq!(told(&v), both(["front", "gate"], 10));
    // Nothing is said, or nothing new.
    let nothing: &[&str] = &[];
    for same in [nothing, &["--time-zone", "Europe/Berlin"]] {
        let said = index(same);
        assert!(!said.contains("another camera"), "{said}");
    }
    let said = index(&["--name-pattern", "(?<camera>f)ront/"]);
    assert!(said.contains("1 of them given"), "{said}");
    assert_eq!(told(&v), both(["f", "gate"], 10));
    index(&["--camera", "yard"]);
    assert_eq!(told(&v), both(["yard", "yard"], 10));
    assert_eq!(v.rows("moments"), moments);
    // Words follow.
    assert_eq!(
        hits_in(&v.run(&["query", "--text", "yard", "--json", "-q"]).1).len(),
        2
    );

    let (code, _, err) = v.run(&["index", "footage", "--name-pattern", "^(.*)$"]);
    assert!(
        code == 2 && err.contains("no group that tells anything"),
        "{err}"
    );
}

#[test]
fn a_cameras_clock_is_put_right() {
    let v = Vsearch::new();
    h264(&v.footage(), "gate_20240501_123000.mp4", 2, 25);
    h264(&v.footage(), "yard 2024-05-01T12-30-00Z.mp4", 2, 25);
    assert_eq!(
        v.run(&["index", "footage", "-q", "--time-zone", "UTC"]).0,
        0
    );
    let (code, _, err) = v.run(&[
        "camera",
        "gate",
        "--offset",
        "-10m",
        "--zone",
        "Europe/Berlin",
    ]);
    assert!(
        code == 0 && err.contains("1 video of gate: its clock counts for 1"),
        "{err}"
    );
    let (gate, yard) = ("gate_20240501_123000.mp4", "yard 2024-05-01T12-30-00Z.mp4");
    let noon = row(yard, "yard", "2024-05-01T12:30", "name");
    assert_eq!(
        told(&v),
        [row(gate, "gate", "2024-05-01T10:20", "name"), noon.clone()]
    );
    // A zone changes nothing where one is told; one that comes later is put right as well.
    let (_, _, err) = v.run(&["camera", "yard", "--zone", "Europe/Berlin"]);
    assert!(err.contains("1 of those tell their zone"), "{err}");
    let later = "gate_20240501_133000.mp4";
    h264(&v.footage(), later, 2, 25);
    assert_eq!(
        v.run(&["index", "footage", "-q", "--time-zone", "UTC"]).0,
        0
    );
    let both = [
        row(gate, "gate", "2024-05-01T10:20", "name"),
        row(later, "gate", "2024-05-01T11:20", "name"),
        noon,
    ];
    assert_eq!(told(&v), both);
    let listed = v.run(&["camera"]).1;
    assert!(
        listed.contains("gate  2 videos  -10m  Europe/Berlin\n"),
        "{listed}"
    );
    assert_eq!(v.run(&["camera", "gate", "--as-read"]).0, 0);
    assert_eq!(told(&v)[0], row(gate, "gate", "2024-05-01T12:30", "name"));
    let (code, _, err) = v.run(&["camera", "gat", "--offset", "1s"]);
    assert!(
        code == 2 && err.contains("no video is of a camera"),
        "{err}"
    );
}

#[test]
fn quicktime_tells_its_zone() {
    let v = Vsearch::new();
    let phone = "-f lavfi -i color=gray:s=64x48:r=10:d=2 -c:v libx264 -movflags use_metadata_tags \
                 -metadata com.apple.quicktime.creationdate=2024-05-01T12:30:00+0200 \
                 -metadata creation_time=2024-06-01T00:00:00Z {}";
    ffmpeg(phone, &v.footage().join("IMG_0123.MOV"));
    assert_eq!(v.run(&["index", "footage", "-q"]).0, 0);
    assert_eq!(
        told(&v),
        [row("IMG_0123.MOV", "", "2024-05-01T10:30", "container")]
    );
}
