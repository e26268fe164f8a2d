//! Every bad input: a message that says what to do, the exit code of the contract, nothing lost.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::clips::h264;
use crate::commands::Vsearch;

/// Exit code 2, nothing on standard output, and all of `says` in the message.
#[track_caller]
fn refused(v: &Vsearch, args: &[&str], says: &[&str]) {
    let (code, out, err) = v.run(args);
    assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
    for s in says {
        assert!(err.contains(s), "{args:?}: no {s:?} in {err}");
    }
}

#[test]
fn a_missing_path() {
    let v = Vsearch::new();
    refused(
        &v,
        &["index", "nowhere"],
        &["nowhere: no such file", "hint:"],
    );
    h264(&v.footage(), "a.mp4", 1, 25);
    let (code, _, err) = v.run(&["index", "nowhere", "footage"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("failed nowhere") && err.contains("1 video indexed"),
        "{err}"
    );
}

#[test]
fn an_empty_folder() {
    let v = Vsearch::new();
    refused(
        &v,
        &["index", "footage"],
        &["footage: no videos found", "hint:"],
    );
}

#[test]
fn files_broken_in_every_way_beside_a_good_one() {
    let v = Vsearch::new();
    let footage = v.footage();
    let good = fs::read(h264(&footage, "good.mp4", 4, 25)).unwrap();
    fs::write(footage.join("text.mp4"), "no film\n".repeat(100)).unwrap();
    fs::write(footage.join("empty.mp4"), "").unwrap();
    // The index of an MP4 lies at its end: half of one cannot be read at all.
    fs::write(footage.join("truncated.mp4"), &good[..good.len() / 2]).unwrap();
    fs::write(footage.join("notes.txt"), "not meant to be a video").unwrap();
    fs::write(
        footage.join(std::ffi::OsStr::from_bytes(b"-\xff '\"\n.mp4")),
        &good,
    )
    .unwrap();
    fs::write(footage.join("no extension"), &good).unwrap();

    let (code, _, err) = v.run(&["index", "footage"]);
    assert_eq!(code, 1, "{err}");
    for name in [
        "text.mp4: not a video",
        "empty.mp4: the file is empty",
        "truncated.mp4: no index (moov) in the file",
    ] {
        assert!(err.contains(name), "no {name:?} in {err}");
    }
    assert!(
        err.contains("3 videos indexed, 3 could not be read, 1 of other kinds"),
        "{err}"
    );
    let lines = v.json(&["status", "--json"]);
    let errors = lines.iter().filter(|l| l["error"].is_string()).count();
    assert_eq!((lines.len(), errors), (7, 3));
    let (_, out, err) = v.run(&["query", "anything", "-k", "9"]);
    assert!(out.contains("good.mp4"), "{out}");
    assert!(err.contains("3 not or only partly readable"), "{err}");

    // A file named itself is reported whatever it is called.
    let (code, _, err) = v.run(&["index", "footage/notes.txt"]);
    assert_eq!(code, 1);
    assert!(err.contains("notes.txt: "), "{err}");
}

#[test]
fn an_unknown_model() {
    let v = Vsearch::new();
    h264(&v.footage(), "a.mp4", 1, 25);
    let says = ["unknown model \"nonsense\"", "vsearch model list"];
    refused(&v, &["index", "footage", "--model", "nonsense"], &says);
    refused(&v, &["embed", "--text", "x", "--model", "nonsense"], &says);
}

#[test]
fn an_empty_query_and_no_library() {
    let v = Vsearch::new();
    refused(&v, &["query", "  "], &["the sentence is empty", "hint:"]);
    refused(
        &v,
        &["query", "a dog"],
        &["no library", "vsearch index FOLDER"],
    );
    refused(&v, &["status"], &["no library"]);
    refused(&v, &["query", "a dog", "-k", "0"], &["-k"]);
    h264(&v.footage(), "a.mp4", 1, 25);
    refused(&v, &["index", "footage", "--every", "0"], &["--every"]);
    refused(&v, &["index", "footage", "--every", "nan"], &["--every"]);
}

#[test]
fn a_library_of_a_newer_version() {
    let v = Vsearch::new();
    h264(&v.footage(), "a.mp4", 1, 25);
    assert_eq!(v.run(&["index", "footage"]).0, 0);
    let catalog = v.dir.path().join("library/catalog.sqlite");
    let db = rusqlite::Connection::open(&catalog).unwrap();
    db.pragma_update(None, "user_version", 77).unwrap();
    drop(db);
    for args in [
        &["query", "x"][..],
        &["index", "footage"],
        &["status"],
        &["remove", "footage"],
    ] {
        refused(&v, args, &["newer vsearch", "format 77", "update vsearch"]);
    }
}

#[test]
fn a_library_that_is_no_database() {
    let v = Vsearch::new();
    h264(&v.footage(), "a.mp4", 1, 25);
    fs::create_dir(v.dir.path().join("library")).unwrap();
    fs::write(
        v.dir.path().join("library/catalog.sqlite"),
        "nonsense ".repeat(99),
    )
    .unwrap();
    for args in [&["query", "x"][..], &["index", "footage"]] {
        refused(&v, args, &["not a vsearch catalogue, or damaged", "hint:"]);
    }
}

#[test]
fn a_library_that_cannot_be_written() {
    let v = Vsearch::new();
    h264(&v.footage(), "a.mp4", 1, 25);
    // A file where the folder should be: refused for root as well.
    fs::write(v.dir.path().join("file"), "").unwrap();
    let args = ["index", "footage", "--library", "file/library"];
    refused(&v, &args, &["cannot be made", "--library DIR"]);
}

#[test]
fn a_ground_truth_that_does_not_fit() {
    let v = Vsearch::new();
    fs::write(v.dir.path().join("t.json"), "{}").unwrap();
    refused(
        &v,
        &["eval", "t.json", "--videos", "footage"],
        &["not a ground truth"],
    );
    fs::write(
        v.dir.path().join("t.json"),
        r#"[{"file":"gone.mp4","queries":[]}]"#,
    )
    .unwrap();
    refused(
        &v,
        &["eval", "t.json", "--videos", "footage"],
        &["gone.mp4: named by"],
    );
}

#[test]
fn a_picture_that_is_none() {
    let v = Vsearch::new();
    fs::write(v.dir.path().join("a.png"), "not a picture").unwrap();
    refused(
        &v,
        &["embed", "--image", "a.png"],
        &["a.png: cannot be read as a picture"],
    );
    refused(&v, &["embed", "--image", "b.png"], &["b.png"]);
}

#[test]
fn a_pipe_is_no_file() {
    let v = Vsearch::new();
    let pipe = v.dir.path().join("x.mp4");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    let (code, _, err) = v.run(&["index", "x.mp4"]);
    assert!(code == 1 && err.contains("not a regular file"), "{err}");
}

/// Cursor, colours, the direction of text and what has no width: of names, notes, cameras and tags.
#[test]
fn what_others_wrote_cannot_rewrite_the_terminal() {
    const EVIL: &str = "a\u{202e}b\u{9b}2J\u{1b}[31m\u{200b}c\u{2066}\nfake: d";
    let v = Vsearch::new();
    let good = h264(&v.footage(), "good.mp4", 3, 25);
    let tagged = v.footage().join(format!("{EVIL}.mkv"));
    let title = format!("title={EVIL}");
    let copied = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&good)
        .args(["-c", "copy", "-metadata", &title])
        .arg(&tagged)
        .status()
        .unwrap();
    assert!(copied.success());
    fs::write(v.footage().join(format!("{EVIL}.mp4")), "no film").unwrap();
    fs::write(v.footage().join(format!("{EVIL}.srt")), [0; 99]).unwrap();
    let tagged = tagged.to_str().unwrap();
    let no_such = format!("--{EVIL}");
    for args in [
        &["index", "footage", "--camera", EVIL, "-vv"][..],
        &["index", EVIL],
        &["status"],
        &["status", "--gaps"],
        &["status", "--json"],
        &["query", "a card", "-k", "9"],
        &["query", "a card", "-k", "9", "--json"],
        &["query", "--text", "title"],
        &["query", "--image", EVIL],
        &["note", tagged, EVIL],
        &["note"],
        &["camera"],
        &["verify"],
        &["remove", EVIL],
        &["status", no_such.as_str()],
        &["model", "verify", EVIL],
    ] {
        let (_, out, err) = v.run(args);
        for (name, said) in [("output", &out), ("errors", &err)] {
            let unseen = |c: char| c.is_control() || "\u{202e}\u{200b}\u{2066}".contains(c);
            let lines: Vec<&str> = said.lines().filter(|l| l.contains(unseen)).collect();
            assert!(lines.is_empty(), "{args:?}: {name}: {lines:?}");
        }
        let fake = |said: &str| said.lines().any(|l| l.starts_with("fake"));
        assert!(!fake(&out), "{args:?}: {out}");
        // What clap says of arguments is its own.
        assert!(
            args.contains(&no_such.as_str()) || !fake(&err),
            "{args:?}: {err}"
        );
    }
    // JSON says what the name is, all the same.
    let lines = v.json(&["status", "--json"]);
    let names: Vec<&str> = lines.iter().filter_map(|l| l["video"].as_str()).collect();
    assert!(names.contains(&tagged), "{names:?}");
}

/// In the decoder's process, and where this one decodes.
#[test]
fn what_ffmpeg_logs_is_not_printed() {
    let v = Vsearch::new();
    let path = h264(&v.footage(), "gate.mkv", 6, 25);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 3;
    for at in (middle..bytes.len()).step_by(97) {
        bytes[at] ^= 0x55;
    }
    fs::write(&path, &bytes).unwrap();
    fs::write(v.footage().join("gate.srt"), "1\n00:00:0x --> no\n").unwrap();
    let image = format!("{}@1", path.display());
    for args in [
        &["index", "footage", "-q"][..],
        &["index", "footage", "--every", "1"],
        &["verify"],
        &["query", "--image", &image, "-q"],
        &["query", "a car", "--thumbnails", "out"],
    ] {
        let (_, out, err) = v.run(args);
        assert!(!(out + &err).contains(" @ 0x"), "{args:?}: {err}");
    }
}
