//! The program, run as a user runs it.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::clips::{ffmpeg, h264};

pub struct Vsearch {
    pub dir: tempfile::TempDir,
}

impl Vsearch {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("footage")).unwrap();
        Self { dir }
    }

    pub fn footage(&self) -> std::path::PathBuf {
        self.dir.path().join("footage").canonicalize().unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("vsearch"));
        command.args(args).current_dir(self.dir.path());
        command.env("VSEARCH_LIBRARY", self.dir.path().join("library"));
        // No model of the machine the tests run on.
        command.env("HF_HOME", self.dir.path().join("hf"));
        command.env("XDG_CACHE_HOME", self.dir.path().join("cache"));
        command.env_remove("HF_HUB_CACHE");
        command
    }

    /// Runs it and returns (exit code, standard output, standard error).
    pub fn run(&self, args: &[&str]) -> (i32, String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(args).output().unwrap();
        let text = |b: Vec<u8>| String::from_utf8_lossy(&b).into_owned();
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }

    /// Rows of a table of the library's catalogue; 0 while there is none.
    pub fn rows(&self, of: &str) -> i64 {
        let path = self.dir.path().join("library/catalog.sqlite");
        let count =
            rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
                .and_then(|db| {
                    db.query_row(&format!("SELECT count(*) FROM {of}"), [], |r| r.get(0))
                });
        count.unwrap_or(0)
    }

    /// Runs it, wants success, and returns its JSON lines.
    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        let (code, out, err) = self.run(args);
        // 1: nothing but guesses.
        let is_query = args.first() == Some(&"query");
        assert!(code == 0 || is_query && code == 1, "{args:?}: {err}");
        match args.first() {
            Some(&"query") => hits_in(&out),
            _ => json_lines(&out),
        }
    }
}

pub fn json_lines(out: &str) -> Vec<Value> {
    let lines = out.lines().map(|l| serde_json::from_str(l).unwrap());
    lines.collect()
}

/// The hits `query --json` printed: all lines but the last, which says what was searched.
pub fn hits_in(out: &str) -> Vec<Value> {
    let mut lines = json_lines(out);
    let last = lines.pop().unwrap();
    assert!(last["summary"]["videos"].is_u64(), "{last}");
    lines
}

/// Waits for what another process is about to do.
pub fn wait_until(done: impl Fn() -> bool) {
    for _ in 0..600 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("it did not happen within a minute");
}

/// Two clips of different length and picture.
pub fn indexed() -> Vsearch {
    let v = Vsearch::new();
    h264(&v.footage(), "grey.mp4", 7, 50);
    let test = "-f lavfi -i testsrc2=s=160x120:r=10:d=5 -c:v libx264 -preset ultrafast {}";
    ffmpeg(test, &v.footage().join("test card.mkv"));
    let (code, out, err) = v.run(&["index", "footage"]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert!(err.contains("2 videos indexed"), "{err}");
    v
}

#[test]
fn index_query_status_remove() {
    let v = indexed();
    let hits = v.json(&["query", "a colourful test card", "--json", "-k", "4"]);
    let hit = hits[0].as_object().unwrap();
    let fields: Vec<&str> = hit.keys().map(String::as_str).collect();
    let mut expected = vec![
        "rank",
        "id",
        "match",
        "score",
        "confidence",
        "found_by",
        "video",
        "time",
        "timecode",
        "start",
        "end",
        "box",
        "objects",
        "lettering",
        "camera",
        "recorded_at",
        "recorded_from",
        "model",
    ];
    expected.sort_unstable();
    let mut sorted = fields.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(hit["rank"], 1);
    assert_eq!(hit["model"], "builtin");
    assert!(hit["confidence"].is_number() && hit["box"].is_null());
    assert!(Path::new(hit["video"].as_str().unwrap()).is_absolute());
    let [start, time, end] = ["start", "time", "end"].map(|k| hit[k].as_f64().unwrap());
    assert!(start <= time && time <= end);
    let scores: Vec<f64> = hits.iter().map(|h| h["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");

    let (_, out, err) = v.run(&["query", "anything", "--in", "*card*"]);
    assert!(
        out.contains("test card.mkv") && !out.contains("grey"),
        "{out}"
    );
    assert!(err.contains("in 1 video in scope"), "{err}");
    let (code, out, _) = v.run(&["query", "anything", "--in", "nowhere*"]);
    assert_eq!((code, out.as_str()), (1, ""));

    let lines = v.json(&["status", "--json"]);
    assert_eq!(lines.len(), 3);
    // Grey all through: looked at four times, kept once.
    assert_eq!(
        (lines[0]["frames"].as_u64(), lines[0]["moments"].as_u64()),
        (Some(4), Some(1))
    );
    assert!((lines[0]["read_to"].as_f64().unwrap() - 7.0).abs() < 0.05);
    assert!(lines[0]["largest_gap"].as_f64().unwrap() <= 2.001);
    assert_eq!(lines[2]["summary"]["videos"], 2);

    let (code, _, _) = v.run(&["remove", "footage/grey.mp4"]);
    assert_eq!(code, 0);
    assert_eq!(v.json(&["status", "--json"]).len(), 2);
    let (code, _, err) = v.run(&["remove", "footage/grey.mp4"]);
    assert_eq!(code, 1);
    assert!(err.contains("not in the library"), "{err}");
}

#[test]
fn a_second_run_reads_only_what_is_new_or_changed() {
    let v = indexed();
    let (code, _, err) = v.run(&["index", "footage"]);
    assert_eq!(code, 0);
    assert!(
        err.contains("2 videos already indexed and unchanged"),
        "{err}"
    );
    assert!(err.contains("0 videos indexed"), "{err}");

    h264(&v.footage(), "grey.mp4", 3, 50);
    h264(&v.footage(), "new.mp4", 2, 50);
    let (_, _, err) = v.run(&["index", "footage"]);
    assert!(err.contains("2 videos indexed, 1 unchanged"), "{err}");
    let lines = v.json(&["status", "--json"]);
    let grey = lines
        .iter()
        .find(|l| l["video"].as_str().is_some_and(|p| p.ends_with("grey.mp4")));
    assert!((grey.unwrap()["read_to"].as_f64().unwrap() - 3.0).abs() < 0.05);

    let (_, _, err) = v.run(&["index", "footage", "--every", "1"]);
    assert!(err.contains("3 videos indexed"), "another sampling: {err}");
}

#[test]
fn thumbnails_are_the_hits_frames() {
    let v = indexed();
    let args = [
        "query",
        "x",
        "--in",
        "grey*",
        "-k",
        "2",
        "--thumbnails",
        "hits",
        "--json",
    ];
    let hits = v.json(&args);
    let mut files: Vec<_> = std::fs::read_dir(v.dir.path().join("hits"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    assert_eq!(files.len(), hits.len());
    for (file, hit) in files.iter().zip(&hits) {
        let picture = vsearch::embed::load_picture(file).unwrap();
        let number = crate::clips::number(&picture);
        let expected = (hit["time"].as_f64().unwrap() * 25.0).round() as u32 % 50;
        assert_eq!(number, expected, "{}", file.display());
    }
}

#[test]
fn embed_prints_normalised_vectors() {
    let v = Vsearch::new();
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48 -frames:v 1 {}",
        &v.dir.path().join("a.png"),
    );
    for args in [
        ["embed", "--text", "a white car"],
        ["embed", "--image", "a.png"],
    ] {
        let line = v.json(&args).remove(0);
        let vector = line["vector"].as_array().unwrap();
        assert_eq!(line["dim"], vector.len());
        let norm: f64 = vector.iter().map(|x| x.as_f64().unwrap().powi(2)).sum();
        assert!((norm - 1.0).abs() < 1e-3, "{norm}");
    }
}

#[test]
fn eval_counts_what_is_found() {
    let v = Vsearch::new();
    h264(&v.footage(), "a.mp4", 4, 50);
    let truth = r#"[{"file":"a.mp4","licence":"x","queries":[
        {"query":"anything","intervals":[[0,4]]},{"query":"nothing","intervals":[[90,91]]}]}]"#;
    std::fs::write(v.dir.path().join("truth.json"), truth).unwrap();
    let lines = v.json(&["eval", "truth.json", "--videos", "footage", "--json"]);
    assert_eq!(lines[0]["rank"], 1);
    assert!(lines[1]["rank"].is_null());
    let summary = &lines[2]["summary"];
    assert_eq!(
        (&summary["queries"], &summary["recall_at_1"]),
        (&2.into(), &0.5.into())
    );
    // Both queries are listed for the only file; what is nowhere is asked of all.
    std::fs::write(v.dir.path().join("nowhere.txt"), "12345 67890\n\nqqqq\n").unwrap();
    let args = ["--pairs", "--absent", "nowhere.txt"];
    let eval = ["eval", "truth.json", "--videos", "footage", "--json"];
    let lines = v.json(&[&eval[..], &args].concat());
    assert_eq!(lines.len(), 2 + 2 + 2 + 1);
    assert!(lines[2]["present"] == true && lines[4]["asked_of"].is_null());
    let summary = &lines[6]["summary"];
    assert_eq!(
        (
            &summary["confidence"]["present"],
            &summary["absent"]["absent"]
        ),
        (&2.into(), &2.into())
    );
    assert_eq!(summary["absent"]["fooled"], 0.0);
    // Measuring leaves the user's library alone.
    assert!(!v.dir.path().join("library").exists());
}

#[test]
fn models_and_completions_are_listed() {
    let v = Vsearch::new();
    let (code, out, _) = v.run(&["model", "list"]);
    assert_eq!(code, 0);
    assert!(out.contains("builtin") && out.contains("not CLIP"), "{out}");
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = v.run(&["completions", shell]);
        assert!(code == 0 && out.contains("vsearch"));
    }
}

#[test]
fn ctrl_c_keeps_what_was_committed() {
    let v = Vsearch::new();
    // Long enough that it cannot be through before it is interrupted.
    for i in 0..6 {
        let test = "-f lavfi -i testsrc2=s=640x480:r=10:d=120 -c:v mpeg4 -g 10 {}";
        ffmpeg(test, &v.footage().join(format!("{i}.mp4")));
    }
    let mut child = v
        .command(&["index", "footage", "--every", "0.2"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until(|| v.rows("moments") > 0);
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    let lines = v.json(&["status", "--json"]);
    let summary = &lines.last().unwrap()["summary"];
    assert!(summary["moments"].as_u64().unwrap() > 0, "{summary}");
    let unfinished = lines.iter().filter(|l| l["complete"] == false).count();
    assert!(unfinished > 0);
    assert!(!v.run(&["query", "a test card"]).1.is_empty());
}

#[test]
fn an_interrupted_second_reading_leaves_the_first() {
    let v = Vsearch::new();
    for i in 0..4 {
        let test = "-f lavfi -i testsrc2=s=640x480:r=10:d=120 -c:v mpeg4 -g 10 {}";
        ffmpeg(test, &v.footage().join(format!("{i}.mp4")));
    }
    assert_eq!(v.run(&["index", "footage", "--every", "60"]).0, 0);
    let status = || {
        let mut lines = v.json(&["status", "--json"]);
        // What was kept of the second reading takes its room until the next one.
        let summary = lines.last_mut().and_then(|l| l["summary"].as_object_mut());
        summary
            .unwrap()
            .retain(|field, _| !field.starts_with("thumbnail"));
        lines
    };
    let before = status();

    let mut child = v
        .command(&["index", "footage", "--every", "0.2"])
        .spawn()
        .unwrap();
    wait_until(|| v.rows("videos WHERE indexed_at IS NULL") > 0);
    let pid = child.id().to_string();
    // While one writes another cannot, and says so.
    let (code, _, err) = v.run(&["index", "footage"]);
    assert!(
        code == 2 && err.contains("in use by another vsearch"),
        "{err}"
    );
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(status(), before);
}

#[test]
fn a_long_still_scene_is_one_hit_and_hides_nothing() {
    let v = Vsearch::new();
    let still = "-f lavfi -i color=gray:s=64x48:r=2:d=500 -c:v libx264 -preset ultrafast -g 2 {}";
    ffmpeg(still, &v.footage().join("still.mkv"));
    let test = "-f lavfi -i testsrc2=s=160x120:r=10:d=3 -c:v libx264 -preset ultrafast {}";
    ffmpeg(test, &v.footage().join("other.mkv"));
    assert_eq!(v.run(&["index", "footage", "--every", "1"]).0, 0);
    let hits = v.json(&["query", "fog", "--json"]);
    let still = |h: &&Value| h["video"].as_str().unwrap().ends_with("still.mkv");
    let stills: Vec<&Value> = hits.iter().filter(still).collect();
    assert_eq!(stills.len(), 1, "{hits:?}");
    assert!(stills[0]["end"].as_f64().unwrap() - stills[0]["start"].as_f64().unwrap() > 490.0);
    assert!(hits.len() > 1, "{hits:?}");
}

#[test]
fn what_is_gone_or_was_partly_read_is_said_again() {
    let v = indexed();
    let path = v.footage().join("grey.mp4");
    let whole = std::fs::read(h264(&v.footage(), "cut.mkv", 20, 25)).unwrap();
    std::fs::write(v.footage().join("cut.mkv"), &whole[..whole.len() / 2]).unwrap();
    let (code, _, err) = v.run(&["index", "footage"]);
    assert!(
        code == 1 && err.contains("only partly footage/cut.mkv"),
        "{err}"
    );
    let (code, _, err) = v.run(&["index", "footage"]);
    assert!(
        code == 1 && err.contains("only partly, as before, footage/cut.mkv"),
        "{err}"
    );
    assert!(err.contains("0 frames"), "it is not read again: {err}");

    std::fs::remove_file(&path).unwrap();
    assert!(v.run(&["status"]).1.contains("the file is gone"));
    assert_eq!(v.run(&["remove", "--missing"]).0, 0);
    assert!(!v.run(&["status"]).1.contains("grey.mp4"));
}
