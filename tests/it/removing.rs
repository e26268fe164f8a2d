//! Taking videos out of a library: which, and not before it is said.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::clips::h264;
use crate::commands::Vsearch;

/// Names of the videos in the library.
fn held(v: &Vsearch) -> Vec<String> {
    let lines = v.json(&["status", "--json"]);
    let paths = lines.iter().filter_map(|l| l["video"].as_str());
    let root = v.footage();
    let name = |p: &str| {
        p.strip_prefix(&format!("{}/", root.display()))
            .map(str::to_owned)
    };
    paths.filter_map(name).collect()
}

/// Copies of one clip.
fn copies(v: &Vsearch, names: &[&str]) {
    let clip = h264(v.dir.path(), "clip.mp4", 1, 25);
    for name in names {
        let path = v.footage().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(&clip, path).unwrap();
    }
    assert_eq!(v.run(&["index", "footage", "-q"]).0, 0);
}

#[test]
fn missing_below_a_path_are_the_missing_ones_below_it() {
    let v = Vsearch::new();
    copies(
        &v,
        &["a/gone.mp4", "a/here.mp4", "b/gone.mp4", "b/here.mp4"],
    );
    for gone in ["a/gone.mp4", "b/gone.mp4"] {
        std::fs::remove_file(v.footage().join(gone)).unwrap();
    }
    let before = held(&v);

    let (code, out, err) = v.run(&["remove", "--missing", "footage/a", "--dry-run"]);
    assert_eq!((code, out.as_str()), (0, "footage/a/gone.mp4\n"), "{err}");
    assert!(err.contains("1 video would be removed"), "{err}");
    assert_eq!(held(&v), before);

    let (code, out, err) = v.run(&["remove", "--missing", "footage/a"]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert_eq!(held(&v), ["a/here.mp4", "b/gone.mp4", "b/here.mp4"]);
    // What is there is not missing, and a path nobody knows is told.
    let (code, _, err) = v.run(&["remove", "--missing", "footage/a/here.mp4", "footage/c"]);
    assert_eq!(code, 1);
    assert!(err.contains("footage/c: not in the library"), "{err}");
    assert!(err.contains("0 videos removed"), "{err}");
    assert_eq!(v.run(&["remove", "--missing"]).0, 0);
    assert_eq!(held(&v), ["a/here.mp4", "b/here.mp4"]);
}

#[test]
fn a_path_through_a_link_names_what_is_gone_behind_it() {
    let v = Vsearch::new();
    copies(&v, &["a/gone.mp4", "b/here.mp4"]);
    std::os::unix::fs::symlink(v.footage().join("a"), v.dir.path().join("link")).unwrap();
    std::fs::remove_file(v.footage().join("a/gone.mp4")).unwrap();
    let (code, _, err) = v.run(&["remove", "link/gone.mp4"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(held(&v), ["b/here.mp4"]);
}

#[test]
fn many_are_asked_for_in_a_terminal_only() {
    let v = Vsearch::new();
    let names: Vec<String> = (0..11).map(|n| format!("{n:02}.mp4")).collect();
    copies(&v, &names.iter().map(String::as_str).collect::<Vec<_>>());
    // `script` (util-linux) gives it a terminal of its own.
    let asked = |answer: &str| {
        let program = assert_cmd::cargo::cargo_bin!("vsearch");
        let line = format!("'{}' remove footage", program.display());
        let mut script = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .current_dir(v.dir.path())
            .env("SHELL", "/bin/sh")
            .env("VSEARCH_LIBRARY", v.dir.path().join("library"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        script.stdin.take()?.write_all(answer.as_bytes()).ok()?;
        let out = script.wait_with_output().ok()?;
        Some(String::from_utf8_lossy(&out.stdout).into_owned())
    };
    match asked("n\n") {
        None => eprintln!("skipped: no program `script` to make a terminal"),
        Some(said) => {
            assert!(said.contains("remove 11 videos from"), "{said}");
            assert!(said.contains("nothing was removed"), "{said}");
            assert_eq!(held(&v).len(), 11);
        }
    }
    // Nobody to ask.
    assert_eq!(v.run(&["remove", "footage", "-q"]).0, 0);
    assert!(held(&v).is_empty());
}
