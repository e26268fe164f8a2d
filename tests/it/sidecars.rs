//! Subtitle files beside a video, as they are found in the wild.

use std::fs::File;
use std::io::Write;

use encoding_rs::{GBK, SHIFT_JIS};

use crate::clips::h264;
use crate::commands::Vsearch;

fn one(text: &str) -> String {
    format!("1\n00:00:01,000 --> 00:00:02,000\n{text}\n\n")
}

/// A video, and a file beside it.
fn beside(name: &str, bytes: impl AsRef<[u8]>) -> Vsearch {
    let v = Vsearch::new();
    h264(&v.footage(), "gate.mp4", 4, 25);
    std::fs::write(v.footage().join(name), bytes).unwrap();
    v
}

#[test]
fn words_are_found_whatever_their_encoding() {
    let v = beside("gate.zh.srt", GBK.encode(&one("一辆白色卡车停在门口")).0);
    let japanese = one("白いトラックが門の前に止まった");
    std::fs::write(
        v.footage().join("gate.ja.srt"),
        SHIFT_JIS.encode(&japanese).0,
    )
    .unwrap();
    let wide = one("the barrier is <3 open");
    let wide: Vec<u8> = wide.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(v.footage().join("gate.en.srt"), wide).unwrap();
    let (code, _, err) = v.run(&["index", "footage", "-q"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for words in ["卡车", "トラック", "barrier"] {
        let hits = v.json(&["query", "--text", words, "--json"]);
        assert_eq!(hits[0]["start"], 1.0, "{words}: {hits:?}");
    }
}

/// One that nobody could read: 1.1 GB, mostly holes, that begins as subtitles do.
#[test]
fn a_file_too_large_costs_itself_and_is_named() {
    let v = beside("notes.mp4", "no film\n");
    let mut file = File::create(v.footage().join("gate.srt")).unwrap();
    file.write_all(one(&"gate ".repeat(2_000)).as_bytes())
        .unwrap();
    file.set_len(1_100 << 20).unwrap();
    let (code, _, err) = v.run(&["index", "footage/gate.mp4", "-q"]);
    assert_eq!(code, 0, "{err}");
    let said = "gate.srt: has 1100 MB; subtitle files up to 64 MB are read";
    assert!(
        err.starts_with("ignored ") && err.trim_end().ends_with(said),
        "{err}"
    );
    assert_eq!(err.lines().count(), 1, "{err}");
    for args in [&["status"][..], &["status", "--gaps"]] {
        let (_, out, _) = v.run(args);
        assert!(out.contains(&format!("beside it, {said}")), "{out}");
    }
    let lines = v.json(&["status", "--json"]);
    let told = &lines[0]["sidecars"][0];
    assert!(told["path"].as_str().unwrap().ends_with("gate.srt"));
    assert!(told["error"].as_str().unwrap().contains("1100 MB"));
    assert_eq!(lines[0]["error"], serde_json::Value::Null);
    // Looked at as a video, it is none, and not read to say so.
    let (code, _, err) = v.run(&["index", "footage", "-q"]);
    assert!(code == 1 && !err.contains("gate.srt"), "{err}");
    assert!(err.contains("notes.mp4: not a video"), "{err}");
    let (code, _, err) = v.run(&["index", "footage/gate.srt"]);
    assert!(code == 1 && err.contains("gate.srt: not a video"), "{err}");
}

#[test]
fn what_is_damaged_of_a_file_costs_itself_and_is_named() {
    let good = one("the barrier");
    let v = beside(
        "gate.srt",
        format!("1\n00:00:0x,000 --> soon\nno\n\n{good}"),
    );
    std::fs::write(v.footage().join("gate.vtt"), [0; 2000]).unwrap();
    let (code, _, err) = v.run(&["index", "footage"]);
    assert_eq!(code, 0, "{err}");
    let partly = "gate.srt: 1 entry has no readable time";
    assert!(
        err.contains("only partly ") && err.contains(partly),
        "{err}"
    );
    assert!(
        err.contains("ignored ") && err.contains("gate.vtt: holds no subtitles"),
        "{err}"
    );
    let hits = v.json(&["query", "--text", "barrier", "--json"]);
    assert_eq!(hits[0]["start"], 1.0);
    // Read anew with the video, they are told anew.
    std::fs::write(
        v.footage().join("gate.vtt"),
        "WEBVTT\n\n00:01.000 --> 00:02.000\nsaid\n",
    )
    .unwrap();
    std::fs::write(v.footage().join("gate.srt"), &good).unwrap();
    let (code, _, err) = v.run(&["index", "footage", "--keyframes"]);
    assert!(
        code == 0 && !err.contains("ignored") && !err.contains("partly"),
        "{err}"
    );
    let lines = v.json(&["status", "--json"]);
    assert_eq!(lines[0]["sidecars"], serde_json::json!([]));
}
