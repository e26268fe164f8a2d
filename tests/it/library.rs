//! One library, many at once: readers while a writer writes, another model beside, copies.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::clips::{ffmpeg, h264};
use crate::commands::{Vsearch, hits_in};

/// What a reader may see at any time: whole answers, and counts that only grow.
fn read_for(v: &Vsearch, seconds: u64) -> std::thread::JoinHandle<usize> {
    let command = || {
        let mut command = v.command(&["query", "a test card", "--json", "-q", "-k", "3"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut commands: Vec<Command> = (0..500).map(|_| command()).collect();
    std::thread::spawn(move || {
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut answers = 0;
        while Instant::now() < end
            && let Some(mut command) = commands.pop()
        {
            let out = command.output().unwrap();
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            let code = out.status.code().unwrap_or(-1);
            assert!([0, 1].contains(&code), "{code}: {said}");
            for line in String::from_utf8(out.stdout).unwrap().lines() {
                let hit: serde_json::Value = serde_json::from_str(line).unwrap();
                if hit["summary"].is_object() {
                    continue;
                }
                let (start, time, end) = (&hit["start"], &hit["time"], &hit["end"]);
                assert!(start.as_f64() <= time.as_f64() && time.as_f64() <= end.as_f64());
                assert!(Path::new(hit["video"].as_str().unwrap()).exists());
            }
            answers += 1;
        }
        answers
    })
}

#[test]
fn many_read_while_one_writes() {
    let v = Vsearch::new();
    h264(&v.footage(), "first.mp4", 4, 25);
    assert_eq!(v.run(&["index", "footage", "-q"]).0, 0);
    for n in 0..6 {
        h264(&v.footage(), &format!("{n}.mp4"), 20, 12);
    }
    let readers: Vec<_> = (0..8).map(|_| read_for(&v, 6)).collect();
    for fold in ["off", "normal", "strong"] {
        let (code, _, err) = v.run(&["index", "footage", "--fold", fold, "-q"]);
        assert_eq!(code, 0, "{err}");
    }
    let answers: usize = readers.into_iter().map(|r| r.join().unwrap()).sum();
    assert!(answers >= 8, "{answers}");
    assert_eq!(v.run(&["check"]), (0, "sound\n".into(), String::new()));
}

#[test]
fn another_model_takes_over_when_it_has_all() {
    let v = Vsearch::new();
    let gone = h264(&v.footage(), "a.mp4", 6, 25);
    h264(&v.footage(), "b.mp4", 6, 25);
    let tiny = v.dir.path().join("tiny");
    std::fs::create_dir_all(&tiny).unwrap();
    crate::tiny_clip::write(&crate::tiny_clip::goldens()[0], &tiny);
    let tiny = tiny.to_str().unwrap();
    assert_eq!(
        v.run(&[
            "index",
            "footage",
            "-q",
            "--model",
            "builtin",
            "--thumbnails",
            "off"
        ])
        .0,
        0
    );
    let (code, _, err) = v.run(&["index", "footage", "-q", "--model", tiny]);
    assert_eq!(code, 2);
    assert!(err.contains("vsearch reembed --model"), "{err}");

    let bytes = std::fs::read(&gone).unwrap();
    std::fs::remove_file(&gone).unwrap();
    let (code, _, err) = v.run(&["reembed", "--model", tiny, "-q"]);
    assert_eq!(code, 2, "{err}");
    assert!(
        err.contains("a.mp4") && err.contains("builtin still answers"),
        "{err}"
    );
    let hits = v.json(&["query", "grey", "--json", "-q"]);
    assert_eq!(hits[0]["model"], "builtin");

    std::fs::write(&gone, bytes).unwrap();
    let before = v.rows("moments");
    let (code, _, err) = v.run(&["reembed", "--model", tiny]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("queries are answered by"), "{err}");
    let hits = v.json(&["query", "grey", "--json", "-q"]);
    assert!(hits[0]["model"].as_str().unwrap().ends_with("tiny"));
    assert_eq!(v.rows("moments"), before);
    // The one of before can still be asked, and nothing is read again.
    let hits = v.json(&["query", "grey", "--json", "-q", "--model", "builtin"]);
    assert_eq!(hits[0]["model"], "builtin");
    let (code, _, err) = v.run(&["index", "footage"]);
    assert!(
        code == 0 && err.contains("2 videos already indexed"),
        "{err}"
    );
    let (code, _, err) = v.run(&["reembed", "--model", tiny, "--prune"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(v.rows("models"), 1);
}

#[test]
fn reembedding_heeds_the_limits_and_tells_a_problem_once() {
    let v = Vsearch::new();
    h264(&v.footage(), "a.mp4", 8, 25);
    let tiny = v.dir.path().join("tiny");
    std::fs::create_dir_all(&tiny).unwrap();
    crate::tiny_clip::write(&crate::tiny_clip::goldens()[0], &tiny);
    let tiny = tiny.to_str().unwrap();
    let index = ["index", "footage", "-q", "--every", "1", "--fold", "off"];
    let (code, _, err) = v.run(&[&index[..], &["--thumbnails", "off"]].concat());
    assert_eq!(code, 0, "{err}");
    let moments = v.rows("moments");
    assert!(moments > 5);

    let reembed = ["reembed", "--model", tiny];
    let (code, _, err) = v.run(&[&reembed[..], &["-q", "--decode-pixels", "1000"]].concat());
    assert_eq!(code, 2, "{err}");
    let told = format!("({moments} moments)");
    assert_eq!(err.matches(&told).count(), 1, "{err}");
    assert!(err.contains("--decode-pixels"), "{err}");
    let (code, _, err) = v.run(&reembed);
    assert_eq!(code, 0, "{err}");
}

#[test]
fn a_copy_made_in_use_answers_as_the_library_does() {
    let v = crate::commands::indexed();
    let (code, _, err) = v.run(&["backup", "copy"]);
    assert_eq!(code, 0, "{err}");
    let ask = |more: &[&str]| v.json(&[&["query", "a test card", "--json", "-q"], more].concat());
    assert_eq!(ask(&[]), ask(&["--library", "copy"]));
    let (code, _, err) = v.run(&["backup", "copy"]);
    assert_eq!(code, 2);
    assert!(err.contains("is not empty"), "{err}");
    assert_eq!(v.run(&["check", "--library", "copy"]).1, "sound\n");

    // A damaged copy is told, and repaired.
    let vectors = v.dir.path().join("copy/vectors");
    let model = std::fs::read_dir(vectors).unwrap().next().unwrap().unwrap();
    let file = model.path().join("vectors.0");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[5] ^= 64;
    std::fs::write(&file, bytes).unwrap();
    let (code, out, err) = v.run(&["check", "--library", "copy"]);
    assert!(
        code == 1 && out.contains("not as they were written"),
        "{out}"
    );
    assert!(err.contains("check --repair"), "{err}");
    let (code, out, _) = v.run(&["check", "--repair", "--library", "copy"]);
    assert_eq!((code, out.ends_with("sound\n")), (0, true), "{out}");
}

#[test]
fn words_find_videos_and_times() {
    let v = Vsearch::new();
    let plain = h264(v.dir.path(), "plain.mp4", 8, 25);
    let spoken = v.dir.path().join("spoken.srt");
    let line = |at: &str, text: &str| format!("1\n00:00:0{at},000 --> 00:00:0{at},900\n{text}\n\n");
    std::fs::write(&spoken, line("5", "<i>Open the</i> barrier")).unwrap();
    let inside = |name: &str, codec: &str| {
        let from = format!(
            "-i {} -i {} -c:v copy -c:s {codec} -metadata title=Harbour {{}}",
            plain.display(),
            spoken.display()
        );
        ffmpeg(&from, &v.footage().join(name));
    };
    inside("north.mkv", "srt");
    inside("south.mp4", "mov_text");
    inside("east.mkv", "ass");
    std::fs::copy(&plain, v.footage().join("gate3-west.mp4")).unwrap();
    std::fs::write(
        v.footage().join("gate3-west.zh.srt"),
        line("2", "\u{4e00}\u{8f86}\u{767d}\u{8272}\u{5361}\u{8f66}"),
    )
    .unwrap();
    let (code, _, err) = v.run(&["index", "footage", "--camera", "quay"]);
    assert_eq!(code, 0, "{err}");

    let ask = |words: &str| -> Vec<(String, f64)> {
        let (code, out, err) = v.run(&["query", "--text", words, "--json", "-q"]);
        assert!(code < 2, "{err}");
        let hit = |hit: &serde_json::Value| {
            let video = Path::new(hit["video"].as_str().unwrap())
                .file_name()
                .unwrap()
                .to_owned();
            (video.into_string().unwrap(), hit["start"].as_f64().unwrap())
        };
        let mut hits: Vec<_> = hits_in(&out).iter().map(hit).collect();
        hits.sort_by(|a, b| a.0.cmp(&b.0));
        hits
    };
    let named = |hits: Vec<(String, f64)>| hits.into_iter().map(|h| h.0).collect::<Vec<_>>();
    let barrier = ask("barrier");
    assert_eq!(
        named(barrier.clone()),
        ["east.mkv", "north.mkv", "south.mp4"]
    );
    assert!(
        barrier.iter().all(|(_, start)| *start == 5.0),
        "{barrier:?}"
    );
    assert_eq!(
        named(ask("harbour")),
        ["east.mkv", "north.mkv", "south.mp4"]
    );
    // Not its digit: the names of temporary folders hold some.
    assert_eq!(named(ask("gate")), ["gate3-west.mp4"]);
    assert_eq!(
        ask("\u{5361}\u{8f66}"),
        [("gate3-west.mp4".to_owned(), 2.0)]
    );
    assert_eq!(ask("quay").len(), 4);
    assert!(ask("elephant").is_empty());

    let at = format!("{}@3", v.footage().join("north.mkv").display());
    let (code, _, err) = v.run(&["note", &at, "an elephant passes"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(ask("elephants elephant"), [("north.mkv".to_owned(), 3.0)]);
    // Beside pictures, words find a hit of their own, at the time they are about.
    let hits = v.json(&[
        "query",
        "an elephant",
        "--json",
        "-q",
        "--explain",
        "-k",
        "1",
    ]);
    assert!(
        hits[0]["video"].as_str().unwrap().ends_with("north.mkv"),
        "{hits:?}"
    );
    assert_eq!(hits[0]["found_by"], "words");
    assert_eq!(hits[0]["passage"], "an elephant passes");
    assert!(hits[0]["match"] == true && hits[0]["time"] == 3.0);
    // Common words, and a word of a name among others, change nothing of what pictures show.
    let pictures = |more: &[&str]| {
        let hits = v.json(&[&["query", "it is a north pole", "--json", "-q"], more].concat());
        let of = |h: &serde_json::Value| (h["video"].clone(), h["confidence"].clone());
        hits.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(pictures(&[]), pictures(&["--no-words"]));
    // Each note is told once, however often others come.
    let other = v.footage().join("south.mp4");
    let other = other.to_str().unwrap();
    assert_eq!(v.run(&["note", other, "nothing here"]).0, 0);
    assert_eq!(ask("elephant").len(), 1);
    // A note outlives another reading of its file, and goes when it is told to.
    let (code, _, err) = v.run(&["index", "footage", "--every", "1", "-q"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(named(ask("elephant")), ["north.mkv"]);
    let listed = v.run(&["note"]).1;
    assert!(listed.contains("an elephant passes"), "{listed}");
    assert_eq!(v.run(&["note", "--remove", "1"]).0, 0);
    assert!(ask("elephant").is_empty());
    assert_eq!(v.run(&["note", "--remove", "1"]).0, 2);

    // Words follow a file that is moved.
    assert_eq!(v.run(&["note", other, "a walrus"]).0, 0);
    std::fs::rename(other, v.footage().join("lagoon.mp4")).unwrap();
    let (code, _, err) = v.run(&["index", "footage", "--every", "1", "-q"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(named(ask("walrus")), ["lagoon.mp4"]);
    assert_eq!(named(ask("lagoon")), ["lagoon.mp4"]);
    std::fs::rename(v.footage().join("lagoon.mp4"), other).unwrap();
    assert_eq!(v.run(&["index", "footage", "--every", "1", "-q"]).0, 0);

    // A damaged index of words is told and rebuilt.
    let folder = v.dir.path().join("library/text");
    let segment = std::fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .map(|e| e.path());
    let mut segment = segment;
    let segment = segment
        .find(|p| p.extension().is_some_and(|e| e == "store"))
        .unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let half = bytes.len() / 2;
    bytes[half] ^= 0xFF;
    std::fs::write(&segment, bytes).unwrap();
    assert_eq!(v.run(&["check"]).0, 1);
    let (code, out, _) = v.run(&["check", "--repair"]);
    assert_eq!(code, 0, "{out}");
    assert_eq!(
        named(ask("barrier")),
        ["east.mkv", "north.mkv", "south.mp4"]
    );
}

#[test]
fn pictures_are_kept_for_when_a_video_is_gone() {
    let v = Vsearch::new();
    let gone = h264(&v.footage(), "a.mp4", 6, 25);
    let tiny = v.dir.path().join("tiny");
    std::fs::create_dir_all(&tiny).unwrap();
    crate::tiny_clip::write(&crate::tiny_clip::goldens()[0], &tiny);
    assert_eq!(
        v.run(&[
            "index",
            "footage",
            "-q",
            "--thumbnails",
            "32:90",
            "--fold",
            "off"
        ])
        .0,
        0
    );
    let summary = v.json(&["status", "--json"]).pop().unwrap();
    let kept = summary["summary"]["thumbnails"].as_i64().unwrap();
    assert_eq!(kept, v.rows("moments"));
    assert!(summary["summary"]["thumbnail_bytes"].as_i64().unwrap() > 0);
    std::fs::remove_file(gone).unwrap();

    let (code, _, err) = v.run(&["query", "grey", "--thumbnails", "hits", "-k", "1"]);
    assert!(code < 2 && err.contains("as kept in the library"), "{err}");
    let hits = v.json(&["query", "grey", "--json", "-k", "1"]);
    assert_eq!(hits[0]["file"], "gone");
    let picture = std::fs::read_dir(v.dir.path().join("hits"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let picture = vsearch::embed::load_picture(&picture.path()).unwrap();
    assert_eq!((picture.width(), picture.height()), (32, 24));

    let (code, _, err) = v.run(&["reembed", "--model", tiny.to_str().unwrap(), "-q"]);
    assert_eq!(code, 0, "{err}");
    let hits = v.json(&["query", "grey", "--json", "-q"]);
    assert!(hits[0]["model"].as_str().unwrap().ends_with("tiny"));

    // They go with their moments; a damaged file of them costs nothing else.
    let file = v.dir.path().join("library/thumbnails.sqlite");
    std::fs::write(&file, [3; 9000]).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(v.dir.path().join(format!("library/thumbnails.sqlite{end}")));
    }
    assert_eq!(v.json(&["query", "grey", "--json", "-q"]).len(), hits.len());
    assert_eq!(v.run(&["check"]).0, 1);
    assert_eq!(v.run(&["check", "--repair"]).0, 0);
    assert_eq!(v.run(&["remove", "--missing", "-q"]).0, 0);
    assert_eq!((v.rows("vectors"), v.rows("moments")), (0, 0));
}

/// Libraries of every format there has been, made by `script/fixtures`.
#[test]
fn libraries_of_every_format_are_brought_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut formats = 0;
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "sql") {
            continue;
        }
        let v = Vsearch::new();
        let library = v.dir.path().join("library");
        std::fs::create_dir_all(&library).unwrap();
        let db = rusqlite::Connection::open(library.join("catalog.sqlite")).unwrap();
        db.execute_batch(&std::fs::read_to_string(&path).unwrap())
            .unwrap();
        let format: i64 = db
            .pragma_query_value(None, "user_version", |r| r.get(0))
            .unwrap();
        drop(db);
        formats += 1;
        let asked = ["query", "a colourful test card", "--json", "-q", "-k", "1"];
        let (code, _, err) = v.run(&asked);
        if code == 2 {
            assert!(
                err.contains("older vsearch") && err.contains("vsearch index"),
                "{format}: {err}"
            );
        }
        // Any command that writes brings it up to date, also where it finds nothing to read.
        let (code, _, err) = match format % 2 {
            0 => v.run(&["remove", "/nowhere"]),
            _ => v.run(&["index", "footage"]),
        };
        assert!(
            code > 0 && !err.contains("older vsearch"),
            "{format}: {err}"
        );
        if format >= 6 {
            let taught = v.run(&["teach", "-q"]).1;
            assert!(taught.starts_with("@\"a card\""), "{taught}");
        }
        let hits = v.json(&asked);
        assert!(
            hits[0]["video"]
                .as_str()
                .unwrap()
                .ends_with("test card.mkv"),
            "{format}"
        );
        assert_eq!(v.run(&["check"]).1, "sound\n", "{format}");
    }
    assert_eq!(formats, 6);
}

#[test]
fn a_library_may_be_empty() {
    let v = Vsearch::new();
    std::fs::write(v.footage().join("broken.mp4"), [7; 3000]).unwrap();
    for _ in 0..2 {
        assert_eq!(v.run(&["index", "footage", "-q"]).0, 1);
    }
    assert_eq!(v.run(&["check"]).1, "sound\n");
    assert_eq!(v.run(&["query", "a dog", "-q"]).1, "");
    std::fs::remove_file(v.footage().join("broken.mp4")).unwrap();
    h264(&v.footage(), "a.mp4", 3, 25);
    assert_eq!(v.run(&["index", "footage", "-q"]).0, 0);
    assert_eq!(v.run(&["remove", "footage", "-q"]).0, 0);
    assert_eq!(v.run(&["index", "footage", "-q"]).0, 0);
    assert_ne!(v.run(&["query", "a dog", "-q"]).1, "");
}
