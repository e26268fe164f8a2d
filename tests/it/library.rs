//! One library, many at once: readers while a writer writes, another model beside, copies.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::clips::h264;
use crate::commands::Vsearch;

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
        v.run(&["index", "footage", "-q", "--model", "builtin"]).0,
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

    // A damaged copy is told, and mended.
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
