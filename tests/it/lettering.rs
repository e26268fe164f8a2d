//! Lettering: read while indexing, found by what it says, also misread and in either language.

use serde_json::Value;

use crate::clips::ffmpeg;
use crate::commands::{Vsearch, json_lines};

/// Four seconds of a wall, then four with a sign on it, which says "JCN 1234".
fn sign(v: &Vsearch) {
    let sign = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/analyse/lettering/sign.png"
    );
    let wall = "-f lavfi -i color=0x808890:s=640x360:r=10:d=8";
    let drawn = "-filter_complex overlay=200:100:enable=gte(t\\,4)";
    let codec = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -g 10 {}";
    let command = format!("{wall} -i {sign} {drawn} {codec}");
    ffmpeg(&command, &v.footage().join("wall.mp4"));
}

fn indexed(args: &[&str]) -> Vsearch {
    let v = Vsearch::new();
    sign(&v);
    let (code, _, err) = v.run(&[&["index", "footage"], args].concat());
    assert_eq!(code, 0, "{err}");
    v
}

/// One event, where the sign is, by its lettering.
fn is_of_the_sign(hit: &Value) {
    assert_eq!(
        (&hit["found_by"], &hit["match"], &hit["passage"]),
        (&"lettering".into(), &true.into(), &"JCN 1234".into()),
        "{hit}"
    );
    assert!(hit["time"].as_f64().unwrap() >= 3.9, "{hit}");
    let line = &hit["lettering"][0];
    assert_eq!(line["text"], "JCN 1234");
    let at = |i: usize| hit["box"][i].as_f64().unwrap();
    assert_eq!(hit["box"], line["box"]);
    assert!(
        at(0) >= 195.0 && at(1) >= 100.0 && at(0) + at(2) <= 430.0 && at(1) + at(3) <= 265.0,
        "{hit}"
    );
}

#[test]
fn lettering_is_found_by_what_it_says() {
    let v = indexed(&[]);
    for asked in [
        &["query", "--text", "JCN 1234", "--json"][..],
        &["query", "--text", "jcn", "--json"],
        // Misread by one, and written another way.
        &["query", "--text", "JCM-1234", "--json"],
        &["query", "a sign that says \"JCN\"", "--json"],
        &["query", "a wall with JCN printed on it", "--json"],
        &["query", "写着JCN的牌子", "--json"],
    ] {
        let hits = v.json(asked);
        is_of_the_sign(&hits[0]);
        let read = hits.iter().filter(|h| h["found_by"] == "lettering");
        assert_eq!(read.count(), 1, "{asked:?}");
    }
    let (_, out, err) = v.run(&["query", "a wall with JCN printed on it", "--json"]);
    let lines = json_lines(&out);
    let summary = &lines.last().unwrap()["summary"];
    assert_eq!(summary["read_as"][0]["lettering"][0], "JCN");
    assert_eq!(summary["read_as"][0]["as"], "a wall");
    assert!(err.contains("lettering looked for: \"JCN\""), "{err}");
    let (code, out, _) = v.run(&["query", "--text", "JCN"]);
    assert!(code == 0 && out.contains("read: \"JCN 1234\""), "{out}");
    // What is not there is not found, and a word of a sentence is no lettering that was asked for.
    let (code, out, _) = v.run(&["query", "--text", "ZEBRA 77", "--json"]);
    assert!(code == 1 && json_lines(&out).len() == 1, "{out}");
    for hit in v.json(&["query", "a wall", "--json"]) {
        assert_ne!(hit["found_by"], "lettering");
    }
    // A hit by its pictures tells what stands in it, too.
    let frame = "footage/wall.mp4@00:00:06";
    let hits = v.json(&["query", "--image", frame, "--json"]);
    assert_eq!(hits[0]["lettering"][0]["text"], "JCN 1234");
}

#[test]
fn lettering_may_be_left_out_and_read_later() {
    let v = indexed(&["--lettering", "off"]);
    assert!(v.json(&["query", "--text", "JCN", "--json"]).is_empty());
    assert_eq!(v.rows("lettering"), 0);
    let vectors = v.rows("vectors");
    let (code, _, err) = v.run(&["reembed"]);
    assert_eq!(code, 0, "{err}");
    is_of_the_sign(&v.json(&["query", "--text", "JCN", "--json"])[0]);
    assert_eq!(v.rows("vectors"), vectors);
    let (code, _, err) = v.run(&["reembed"]);
    assert!(code == 0 && err.contains("0 moments"), "{err}");
}
