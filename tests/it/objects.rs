//! Things that a detector sees: found by sentences, filtered by, counted, looked for later.

use serde_json::Value;

use crate::clips::ffmpeg;
use crate::commands::{Vsearch, json_lines};

/// Four seconds of a wall, then four of a screen on it.
fn screen(v: &Vsearch) {
    let boxes = [
        "120:60:400:240:0x141414",
        "135:75:370:210:0x3C6EC8",
        "290:300:60:30:0x141414",
    ];
    let drawn = boxes.map(|b| {
        let (place, colour) = b.rsplit_once(':').unwrap();
        format!("drawbox={place}:{colour}:t=fill:enable=gte(t\\,4)")
    });
    let source = format!(
        "-f lavfi -i color=0xC8B4A0:s=640x360:r=10:d=8,drawbox=0:260:640:100:0x5A8C46:t=fill,{}",
        drawn.join(",")
    );
    let codec = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -g 10 {}";
    ffmpeg(&format!("{source} {codec}"), &v.footage().join("wall.mp4"));
}

fn indexed(args: &[&str]) -> Vsearch {
    let v = Vsearch::new();
    screen(&v);
    let (code, _, err) = v.run(&[&["index", "footage"], args].concat());
    assert_eq!(code, 0, "{err}");
    v
}

/// Every hit lies where the screen is.
fn of_screen(hits: &[Value]) {
    assert!(!hits.is_empty());
    for hit in hits {
        assert!(hit["time"].as_f64().unwrap() >= 3.9, "{hit}");
    }
}

#[test]
fn what_is_seen_is_found_filtered_and_counted() {
    let v = indexed(&[]);
    let hits = v.json(&["query", "a tv", "--json"]);
    let best = &hits[0];
    of_screen(&hits[..1]);
    assert_eq!(
        (&best["match"], &best["found_by"]),
        (&true.into(), &"objects".into())
    );
    let seen = best["objects"].as_array().unwrap();
    let tv = seen.iter().find(|o| o["class"] == "tv").unwrap();
    let at = |i: usize| tv["box"][i].as_f64().unwrap();
    assert!(
        (at(0) - 120.0).abs() < 40.0 && (at(2) - 400.0).abs() < 80.0,
        "{tv}"
    );
    assert!(
        tv["score"].as_f64().unwrap() > 0.4 && tv["colours"].is_array(),
        "{tv}"
    );
    // The same in Chinese, and what it was read as.
    let (code, out, _) = v.run(&["query", "电视", "--json"]);
    let lines = json_lines(&out);
    assert_eq!((code, &lines[0]["id"]), (0, &best["id"]));
    let summary = &lines.last().unwrap()["summary"];
    assert_eq!(summary["read_as"][0]["as"], "a tv");
    // Labels of a frame, also in Chinese.
    let labels = ["a tv", "一只狗", "an empty wall"].join(",");
    let lines = v.json(&["label", "footage/wall.mp4", "--labels", &labels, "--json"]);
    let of_screen_first = |line: &Value| line["time"].as_f64().unwrap() >= 4.0;
    for line in lines.iter().filter(|l| of_screen_first(l)) {
        assert_eq!(line["labels"][0]["label"], "a tv", "{line}");
    }
    // Before anything is ranked, whatever is asked.
    of_screen(&v.json(&["query", "a wall", "--object", "tv", "--json"]));
    of_screen(&v.json(&["query", "a wall", "--count", "tv>=1", "--json"]));
    let without = v.json(&["query", "a tv", "--count", "tv=0", "--json"]);
    assert!(!without.is_empty());
    for hit in &without {
        assert!(
            hit["time"].as_f64().unwrap() < 4.0 && hit["match"] == false,
            "{hit}"
        );
    }
    assert!(
        v.json(&["query", "a wall", "--object", "dog", "--json"])
            .is_empty()
    );
    let (code, out, _) = v.run(&["status", "--objects"]);
    assert!(code == 0 && out.contains("  tv\n"), "{out}");
    let counts = v.json(&["status", "--objects", "--json"]);
    assert!(
        counts
            .iter()
            .any(|c| c["class"] == "tv" && c["camera"].is_null())
    );
}

#[test]
fn what_is_no_condition_is_answered_with_what_is() {
    let v = indexed(&["--detector", "off"]);
    for (args, said) in [
        (["--object", "tvv"], "the nearest known: tv"),
        (["--object", "car=bleu"], "blue"),
        (["--object", "car upper=blue"], "no upper and lower garment"),
        (["--count", "person"], "person>=3"),
    ] {
        let (code, _, err) = v.run(&["query", "a wall", args[0], args[1]]);
        assert!(code == 2 && err.contains(said), "{args:?}: {err}");
    }
    let other = v.dir.path().join("other.onnx");
    std::fs::write(&other, "no model").unwrap();
    let (code, _, err) = v.run(&["index", "footage", "--detector", "other.onnx"]);
    assert!(
        code == 2 && err.contains("other.onnx") && err.contains("docs/objects.md"),
        "{err}"
    );
    let (code, _, err) = v.run(&["index", "footage", "--detector", "gone.onnx"]);
    assert!(code == 2 && err.contains("gone.onnx"), "{err}");
}

/// A detector of one's own, which calls what is blue a person (tests/fixtures/detector.py).
const OF_ONES_OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/detector.onnx");

#[test]
fn a_detector_of_ones_own_sees_what_it_was_made_for() {
    let v = Vsearch::new();
    // Four seconds of a wall, then four with a floor and a blue square, which fills one cell of the detector's: 32
    // pixels of a frame shrunk to 416.
    let square = "drawbox=320:128:64:64:0x1428E6:t=fill:enable=gte(t\\,4)";
    let floor = "drawbox=0:300:832:148:0x5A8C46:t=fill:enable=gte(t\\,4)";
    let source = format!("-f lavfi -i color=0xC8B4A0:s=832x448:r=10:d=8,{floor},{square}");
    let codec = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -g 10 {}";
    ffmpeg(&format!("{source} {codec}"), &v.footage().join("wall.mp4"));
    let (code, _, err) = v.run(&["index", "footage", "--detector", OF_ONES_OWN]);
    assert_eq!(code, 0, "{err}");

    let person = ["query", "a wall", "--object", "person", "--json"];
    let hits = v.json(&person);
    assert!(!hits.is_empty());
    for hit in &hits {
        assert!(hit["time"].as_f64().unwrap() >= 3.9, "{hit}");
        let [seen] = &hit["objects"].as_array().unwrap()[..] else {
            panic!("one thing: {hit}");
        };
        assert!(
            seen["class"] == "person" && seen["score"].as_f64().unwrap() > 0.9,
            "{seen}"
        );
        // A cell to each side of the middle of the square.
        for (side, expected) in [288.0, 96.0, 128.0, 128.0].into_iter().enumerate() {
            let side = seen["box"][side].as_f64().unwrap();
            assert!((side - expected).abs() <= 2.0, "{seen}");
        }
    }
    assert_eq!(v.rows("objects where class = 'person'"), v.rows("objects"));

    // The built-in one sees no person there, and what it sees takes the place of that.
    let (code, _, err) = v.run(&["reembed"]);
    assert_eq!(code, 0, "{err}");
    assert!(v.json(&person).is_empty());
    let (code, _, err) = v.run(&["reembed", "--detector", OF_ONES_OWN]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(v.json(&person).len(), hits.len());
}

#[test]
fn reembed_looks_where_nobody_has() {
    let v = indexed(&["--detector", "off"]);
    let (_, out, err) = v.run(&["query", "a wall", "--object", "tv", "--json"]);
    assert_eq!(json_lines(&out).len(), 1);
    let unlooked = json_lines(&out)[0]["summary"]["not_looked_at"]
        .as_u64()
        .unwrap();
    assert!(
        unlooked as i64 == v.rows("moments") && err.contains("vsearch reembed"),
        "{err}"
    );
    let (vectors, moments) = (v.rows("vectors"), v.rows("moments"));
    let (code, _, err) = v.run(&["reembed"]);
    assert_eq!(code, 0, "{err}");
    of_screen(&v.json(&["query", "a wall", "--object", "tv", "--json"]));
    assert_eq!(v.rows("moments"), moments);
    assert_eq!(v.rows("vectors where not thing"), vectors);
    // Nothing is left to be done.
    let seen = v.rows("objects");
    let (code, _, err) = v.run(&["reembed"]);
    assert!(code == 0 && err.contains("0 moments"), "{err}");
    assert_eq!(v.rows("objects"), seen);
}
