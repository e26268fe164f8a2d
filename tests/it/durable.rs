//! What a run must survive: its decoders dying, itself being killed, files that move and grow.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::clips::{ffmpeg, h264};
use crate::commands::{Vsearch, hits_in, wait_until};

/// Times the process is killed.
const KILLS: u64 = 100;

/// Processes that decode for the process `parent`.
fn decoders(parent: u32) -> Vec<u32> {
    let children = format!("/proc/{parent}/task/{parent}/children");
    // Threads other than the main one have children too.
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let lists = tasks
        .map(|t| t.path().join("children"))
        .chain([children.into()]);
    let read = lists.filter_map(|p| std::fs::read_to_string(p).ok());
    let mut pids: Vec<u32> = read
        .flat_map(|s| {
            s.split_whitespace()
                .filter_map(|p| p.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill").args([name, &pid.to_string()]).status();
}

fn by_name(lines: &[Value]) -> BTreeMap<String, &Value> {
    let name = |l: &Value| {
        Some(
            Path::new(l["video"].as_str()?)
                .file_name()?
                .to_str()?
                .to_owned(),
        )
    };
    lines.iter().filter_map(|l| Some((name(l)?, l))).collect()
}

/// A long file and a short one; the decoder that reads the long one gets `what`.
fn disturbed(what: &str, extra: &[&str]) -> (i32, String, Vec<Value>) {
    let v = Vsearch::new();
    let long = "-f lavfi -i testsrc2=s=640x480:r=10:d=600 -c:v mpeg4 -g 10 {}";
    ffmpeg(long, &v.footage().join("long.mp4"));
    h264(&v.footage(), "short.mp4", 2, 25);
    let mut args = vec!["index", "footage", "--every", "0.2", "--fold", "off"];
    args.extend(extra);
    let child = v.command(&args).stderr(Stdio::piped()).spawn().unwrap();
    wait_until(|| v.rows("moments") > 30);
    for pid in decoders(child.id()) {
        signal(what, pid);
    }
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let status = v.json(&["status", "--json"]);
    (out.status.code().unwrap_or(-1), said, status)
}

#[test]
fn a_decoder_that_crashes_takes_one_file_down() {
    let (code, said, status) = disturbed("-ABRT", &[]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("only partly") && said.contains("signal 6"),
        "{said}"
    );
    let files = by_name(&status);
    let long = files["long.mp4"];
    assert!(long["moments"].as_u64().unwrap() > 30, "{long}");
    assert!(
        long["error"].as_str().unwrap().contains("crashed"),
        "{long}"
    );
    let gap = long["gaps"].as_array().unwrap().last().unwrap();
    assert!((gap[1].as_f64().unwrap() - 600.0).abs() < 0.2, "{long}");
    assert!(files["short.mp4"]["error"].is_null());
}

#[test]
fn a_decoder_that_hangs_takes_one_file_down() {
    let (code, said, status) = disturbed("-STOP", &["--decode-timeout", "1"]);
    assert_eq!(code, 1, "{said}");
    let files = by_name(&status);
    let long = files["long.mp4"];
    assert!(long["error"].as_str().unwrap().contains("hung"), "{long}");
    assert!(files["short.mp4"]["error"].is_null());
}

#[test]
fn limits_of_one_file_are_kept() {
    let v = Vsearch::new();
    h264(&v.footage(), "a.mp4", 2, 25);
    let (code, _, said) = v.run(&["index", "footage", "--decode-pixels", "1000"]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("64x48") && said.contains("--decode-pixels"),
        "{said}"
    );
    // One keyframe: every frame must be decoded for the few that are sampled.
    let long = "-f lavfi -i testsrc2=s=640x480:r=25:d=200 -c:v libx264 -preset ultrafast \
                -g 100000 -sc_threshold 0 {}";
    ffmpeg(long, &v.footage().join("long.mp4"));
    let args = [
        "index",
        "footage/long.mp4",
        "--every",
        "20",
        "--decode-time",
        "0.3",
    ];
    let (code, _, said) = v.run(&args);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("longer than a file may take"), "{said}");
}

#[test]
fn a_moved_or_touched_file_is_not_read_again() {
    let v = Vsearch::new();
    h264(&v.footage(), "a.mp4", 4, 25);
    h264(&v.footage(), "b.mp4", 3, 25);
    v.run(&["index", "footage"]);
    let vectors = v.rows("vectors");
    std::fs::create_dir(v.footage().join("archive")).unwrap();
    std::fs::rename(
        v.footage().join("a.mp4"),
        v.footage().join("archive/gate.mp4"),
    )
    .unwrap();
    let file = std::fs::File::open(v.footage().join("b.mp4")).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(5000))
        .unwrap();
    let (code, _, said) = v.run(&["index", "footage"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("2 videos already indexed"), "{said}");
    assert_eq!(v.rows("vectors"), vectors);
    let status = v.json(&["status", "--json"]);
    let names: Vec<String> = by_name(&status).into_keys().collect();
    assert_eq!(names, ["b.mp4", "gate.mp4"]);

    // A copy is a video of its own; a changed file is read again.
    std::fs::copy(v.footage().join("b.mp4"), v.footage().join("c.mp4")).unwrap();
    h264(&v.footage(), "b.mp4", 6, 25);
    let (_, _, said) = v.run(&["index", "footage"]);
    assert!(said.contains("2 videos indexed"), "{said}");
    let status = v.json(&["status", "--json"]);
    assert_eq!(by_name(&status)["b.mp4"]["duration"], 6.0);
}

#[test]
fn a_growing_file_is_continued() {
    let v = Vsearch::new();
    let codec = "-c:v libx264 -preset ultrafast -g 25 -sc_threshold 0 -f mpegts";
    let whole = crate::clips::clip(v.dir.path(), "whole.ts", 40, codec);
    let bytes = std::fs::read(&whole).unwrap();
    let growing = v.footage().join("now.ts");
    std::fs::write(&growing, &bytes[..bytes.len() / 2]).unwrap();
    let index = ["index", "footage", "--fold", "off"];
    v.run(&index);
    let first = v.json(&["status", "--json"])[0].clone();
    let read_to = first["read_to"].as_f64().unwrap();
    assert!((15.0..25.0).contains(&read_to), "{first}");
    let moments = v.rows("moments");

    std::fs::write(&growing, &bytes).unwrap();
    let (code, _, said) = v.run(&index);
    assert_eq!(code, 0, "{said}");
    let then = v.json(&["status", "--json"])[0].clone();
    assert!(
        (then["read_to"].as_f64().unwrap() - 40.0).abs() < 0.2,
        "{then}"
    );
    assert_eq!(then["gaps"].as_array().unwrap().len(), 0, "{then}");
    assert_eq!(then["frames"], then["moments"]);
    assert!(v.rows("moments") > moments + 8, "{then}");
    // What was there stays; nothing is there twice.
    let db = rusqlite::Connection::open(v.dir.path().join("library/catalog.sqlite")).unwrap();
    let times = "SELECT count(*), count(DISTINCT time) FROM moments";
    let (all, distinct): (i64, i64) = db
        .query_row(times, [], |r| Ok((r.get(0)?, r.get(1)?)))
        .unwrap();
    assert_eq!(all, distinct);
    let (code, _, said) = v.run(&index);
    assert!(
        code == 0 && said.contains("1 video already indexed"),
        "{said}"
    );
}

#[test]
fn what_was_not_seen_is_told() {
    let v = Vsearch::new();
    let whole = h264(v.dir.path(), "whole.mp4", 20, 25);
    let codec = "-c copy -f mpegts";
    ffmpeg(
        &format!("-i {} {codec} {{}}", whole.display()),
        &v.dir.path().join("w.ts"),
    );
    let mut bytes = std::fs::read(v.dir.path().join("w.ts")).unwrap();
    // Two fifths of it are gone.
    let (from, to) = (bytes.len() * 2 / 5, bytes.len() * 4 / 5);
    bytes[from..to].fill(0);
    std::fs::write(v.footage().join("hole.ts"), &bytes).unwrap();
    std::fs::write(v.footage().join("noise.mp4"), b"not a video at all").unwrap();
    v.run(&["index", "footage"]);
    let status = v.json(&["status", "--json"]);
    let hole = &by_name(&status)["hole.ts"].clone();
    let gaps = hole["gaps"].as_array().unwrap();
    assert_eq!(gaps.len(), 1, "{hole}");
    let length = gaps[0][1].as_f64().unwrap() - gaps[0][0].as_f64().unwrap();
    assert!((5.0..11.0).contains(&length), "{hole}");
    let (_, out, _) = v.run(&["status", "--gaps"]);
    assert!(out.contains("hole.ts") && out.contains("not seen"), "{out}");
    assert!(
        out.contains("noise.mp4\n    nothing of it was seen"),
        "{out}"
    );
    let (_, _, said) = v.run(&["query", "grey"]);
    assert!(
        said.contains(" of 20 s in 2 videos") && said.contains("not seen"),
        "{said}"
    );
}

#[test]
fn cameras_and_times_of_day_narrow_a_query() {
    let v = Vsearch::new();
    h264(&v.footage(), "gate_20240501_235950.mp4", 20, 25);
    h264(&v.footage(), "yard_20240502_120000.mp4", 4, 25);
    v.run(&[
        "index",
        "footage",
        "--time-zone",
        "Europe/Berlin",
        "--fold",
        "off",
    ]);
    let ask = |scope: &[&str]| {
        let mut args = vec![
            "query",
            "grey",
            "--json",
            "-k",
            "50",
            "--time-zone",
            "Europe/Berlin",
        ];
        args.extend(scope);
        hits_in(&v.run(&args).1)
    };
    let hits = ask(&["--camera", "gate"]);
    assert!(!hits.is_empty() && hits.iter().all(|h| h["camera"] == "gate"));
    assert!(
        hits[0]["recorded_at"].as_str().unwrap().ends_with("+02:00"),
        "{}",
        hits[0]
    );
    let night = ask(&["--between", "00:00..00:30"]);
    assert!(!night.is_empty());
    assert!(
        night
            .iter()
            .all(|h| h["camera"] == "gate" && h["end"].as_f64().unwrap() >= 10.0)
    );
    assert!(
        ask(&["--after", "2024-05-02 06:00"])
            .iter()
            .all(|h| h["camera"] == "yard")
    );
    assert!(ask(&["--before", "2024-05-01"]).is_empty());
    let (code, _, said) = v.run(&["query", "grey", "--between", "night"]);
    assert_eq!(code, 2);
    assert!(said.contains("--between 22:00..06:00"), "{said}");
}

/// Kills the process at random points, each time checking that nothing committed is lost and no half
/// video is presented as whole, and that the next run goes on.
#[test]
fn a_killed_run_loses_nothing() {
    let v = Vsearch::new();
    for i in 0..3 {
        let test = format!(
            "-f lavfi -i testsrc2=s=320x240:r=10:d={} -c:v mpeg4 -g 10 {{}}",
            20 + i
        );
        ffmpeg(&test, &v.footage().join(format!("{i}.mp4")));
    }
    let index = ["index", "footage", "--every", "0.1", "--fold", "off", "-q"];
    let mut random = 0x2545_F491_4F6C_DD1Du64;
    let mut whole = 0;
    let mut passes = 0;
    for _ in 0..KILLS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut child = v.command(&index).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 + random % 900));
        let _ = child.kill();
        child.wait().unwrap();
        if !v.dir.path().join("library/catalog.sqlite").exists() {
            continue;
        }
        let db = rusqlite::Connection::open(v.dir.path().join("library/catalog.sqlite")).unwrap();
        let text = |sql: &str| db.query_row(sql, [], |r| r.get::<_, String>(0)).unwrap();
        let number = |sql: &str| db.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap_or(0);
        assert_eq!(text("PRAGMA integrity_check"), "ok");
        assert_eq!(number("SELECT count(*) FROM pragma_foreign_key_check"), 0);
        let now = number("SELECT count(*) FROM videos WHERE indexed_at IS NOT NULL");
        assert!(now >= whole, "{now} whole videos after {whole}");
        // A whole video has every moment that was sampled of it.
        let lacking = "SELECT count(*) FROM videos v WHERE indexed_at IS NOT NULL AND frames <>
             (SELECT count(*) FROM moments m WHERE m.video_id = v.id)";
        assert_eq!(number(lacking), 0);
        let orphans = "SELECT count(*) FROM moments m
             WHERE NOT EXISTS (SELECT 1 FROM vectors x WHERE x.moment_id = m.id)";
        assert_eq!(number(orphans), 0);
        whole = now;
        if whole == 3 {
            // All is read: begin again with other files' worth of work.
            passes += 1;
            whole = 0;
            drop(db);
            std::fs::remove_dir_all(v.dir.path().join("library")).unwrap();
        }
    }
    let (code, _, said) = v.run(&["index", "footage", "--every", "0.1", "--fold", "off"]);
    assert_eq!(code, 0, "{said}");
    let status = v.json(&["status", "--json"]);
    assert_eq!(status.last().unwrap()["summary"]["with_errors"], 0);
    assert!(
        by_name(&status).values().all(|l| l["complete"] == true),
        "{passes}"
    );
}

#[test]
fn watched_folders_are_kept_indexed() {
    let v = Vsearch::new();
    h264(&v.footage(), "first.mp4", 2, 25);
    let mut child = v
        .command(&["watch", "footage", "--settle", "0.5"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let videos = "videos WHERE indexed_at IS NOT NULL";
    wait_until(|| v.rows(videos) == 1);
    let made = h264(v.dir.path(), "made.mp4", 3, 25);
    std::fs::create_dir(v.footage().join("later")).unwrap();
    std::thread::sleep(Duration::from_millis(600));
    std::fs::copy(made, v.footage().join("later/second.mp4")).unwrap();
    wait_until(|| v.rows(videos) == 2);
    signal("-INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_librarys_times_can_be_verified() {
    let v = Vsearch::new();
    let test = "-f lavfi -i testsrc2=s=320x240:r=25:d=9 -c:v libx264 -preset ultrafast -g 60 {}";
    ffmpeg(test, &v.footage().join("card.mp4"));
    v.run(&["index", "footage", "--fold", "off"]);
    let (code, out, said) = v.run(&["verify"]);
    assert_eq!(code, 0, "{out}{said}");
    assert!(out.contains("0 differ"), "{out}");
    // Another film under the old name.
    let other = "-f lavfi -i mandelbrot=s=320x240:r=25 -t 9 -c:v libx264 -preset ultrafast {}";
    ffmpeg(other, &v.footage().join("card.mp4"));
    let (code, out, said) = v.run(&["verify"]);
    assert_eq!(code, 1, "{out}");
    assert!(said.contains("differs: "), "{said}");
}

#[test]
fn an_attempt_that_fails_leaves_what_is_known() {
    let v = Vsearch::new();
    h264(&v.footage(), "a.mp4", 4, 25);
    v.run(&["index", "footage"]);
    let before = v.rows("vectors");
    let (code, _, said) = v.run(&["index", "footage", "--every", "1", "--decode-pixels", "100"]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(v.rows("vectors"), before);
    let status = v.json(&["status", "--json"]);
    assert!(status[0]["error"].is_null(), "{}", status[0]);
    assert!(!v.json(&["query", "grey", "--json"]).is_empty());
}

#[test]
fn a_file_that_grew_without_a_frame_is_current_again() {
    let v = Vsearch::new();
    let codec = "-c:v libx264 -preset ultrafast -g 25 -f mpegts";
    let file = crate::clips::clip(&v.footage(), "a.ts", 6, codec);
    v.run(&["index", "footage"]);
    let mut bytes = std::fs::read(&file).unwrap();
    // Null packets (ISO/IEC 13818-1, 2.4.3.3), as a recorder fills with.
    for _ in 0..500 {
        bytes.extend([0x47, 0x1f, 0xff, 0x10]);
        bytes.extend([0xff; 184]);
    }
    std::fs::write(&file, bytes).unwrap();
    let (code, _, said) = v.run(&["index", "footage"]);
    assert_eq!(code, 0, "{said}");
    let (code, _, said) = v.run(&["index", "footage"]);
    assert!(
        code == 0 && said.contains("1 video already indexed"),
        "{said}"
    );
}

#[test]
fn a_watched_folder_may_hold_other_files_and_the_library() {
    let v = Vsearch::new();
    h264(&v.footage(), "first.mp4", 2, 25);
    let child = v
        .command(&[
            "watch",
            "footage",
            "--settle",
            "0.3",
            "--library",
            "footage/library",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(3));
    std::fs::write(v.footage().join("notes.txt"), "no video").unwrap();
    std::thread::sleep(Duration::from_secs(3));
    signal("-INT", child.id());
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!said.contains("failed"), "{said}");
    // The first run, and one for the note.
    assert_eq!(said.matches("library: ").count(), 2, "{said}");
}
