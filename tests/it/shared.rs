//! Libraries that several users read, or none but one.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::clips::{ffmpeg, h264};
use crate::commands::Vsearch;

/// Of a user who owns nothing here.
const NOBODY: u32 = 65_534;

/// Another user on this machine; `None`, with a word, where the tests cannot be one.
struct Other<'v>(&'v Vsearch);

impl<'v> Other<'v> {
    fn of(v: &'v Vsearch) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can be another user");
            return None;
        }
        set_mode(v.dir.path(), 0o755);
        // Where the other user may write.
        for folder in ["desk", "cache"] {
            std::fs::create_dir_all(v.dir.path().join(folder)).unwrap();
            set_mode(&v.dir.path().join(folder), 0o777);
        }
        let other = Self(v);
        let starts = other.command(&["--version"]).output();
        if !starts.is_ok_and(|out| out.status.success()) {
            eprintln!("skipped: another user cannot start the program where it lies");
            return None;
        }
        Some(other)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.0.command(args);
        command.uid(NOBODY).gid(NOBODY);
        command
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        outcome(self.command(args))
    }
}

fn outcome(mut command: Command) -> (i32, String, String) {
    let out = command.output().unwrap();
    let text = |b: Vec<u8>| String::from_utf8_lossy(&b).into_owned();
    let code = out.status.code().unwrap_or(-1);
    (code, text(out.stdout), text(out.stderr))
}

/// Runs it in a shell after `first`.
fn after(v: &Vsearch, first: &str, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{first}; exec \"$0\" \"$@\"")]);
    let program = v.command(args);
    command.arg(program.get_program()).args(program.get_args());
    command.current_dir(v.dir.path());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    outcome(command)
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Everything below a folder, by name, with its mode.
fn modes(folder: &Path) -> BTreeMap<String, u32> {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    let mode = |e: &walkdir::DirEntry| e.metadata().unwrap().permissions().mode() & 0o7777;
    let named = entries.map(|e| (e.path().display().to_string(), mode(&e)));
    named.collect()
}

#[track_caller]
fn assert_modes(folder: &Path, (folders, files): (u32, u32)) {
    for (name, mode) in modes(folder) {
        let expected = match Path::new(&name).is_dir() {
            true => folders,
            false => files,
        };
        assert_eq!(mode, expected, "{name} has {mode:o}, not {expected:o}");
    }
}

fn library(v: &Vsearch) -> std::path::PathBuf {
    v.dir.path().join("library")
}

/// A shared library with two films, one with a note.
fn shared() -> Vsearch {
    let v = Vsearch::new();
    let made = after(
        &v,
        "umask 022",
        &["library", "create", "library", "--shared"],
    );
    assert_eq!(made.0, 0, "{}", made.2);
    h264(&v.footage(), "grey.mp4", 3, 25);
    let test = "-f lavfi -i testsrc2=s=160x120:r=10:d=3 -c:v libx264 -preset ultrafast {}";
    ffmpeg(test, &v.footage().join("card.mkv"));
    let indexed = after(&v, "umask 077", &["index", "footage"]);
    assert_eq!(indexed.0, 0, "{}", indexed.2);
    // It was asked for.
    assert!(!indexed.2.contains("other users"), "{}", indexed.2);
    assert_eq!(v.run(&["note", "footage/grey.mp4", "a green van"]).0, 0);
    v
}

#[test]
fn a_library_is_its_makers_alone_whatever_the_umask() {
    let v = Vsearch::new();
    h264(&v.footage(), "grey.mp4", 2, 25);
    assert_eq!(after(&v, "umask 000", &["index", "footage"]).0, 0);
    assert_eq!(after(&v, "umask 000", &["query", "grey"]).0 / 2, 0);
    assert_modes(&library(&v), (0o700, 0o600));
    assert_eq!(after(&v, "umask 000", &["backup", "copy"]).0, 0);
    assert_modes(&v.dir.path().join("copy"), (0o700, 0o600));

    let Some(other) = Other::of(&v) else { return };
    for args in [&["query", "grey"][..], &["check"], &["status"]] {
        let (code, _, err) = other.run(args);
        assert_eq!(code, 2, "{args:?}");
        assert!(err.contains("another user's"), "{args:?}: {err}");
        assert!(err.contains("chmod -R a+rX"), "{args:?}: {err}");
    }
    // What it advises works, and lasts.
    let mut chmod = Command::new("chmod");
    chmod.args(["-R", "a+rX"]).arg(library(&v));
    assert!(chmod.status().unwrap().success());
    let text = &["query", "--text", "grey", "--json"];
    assert_eq!(other.run(text).0, 0);
    h264(&v.footage(), "more.mp4", 2, 25);
    assert_eq!(after(&v, "umask 077", &["index", "footage", "-q"]).0, 0);
    assert_eq!(other.run(text).0, 0);
    assert_modes(&library(&v), (0o755, 0o644));
}

#[test]
fn a_shared_library_follows_the_umask_it_was_made_with() {
    let v = Vsearch::new();
    let create = ["library", "create", "library", "--shared"];
    let (code, _, err) = after(&v, "umask 007", &create);
    assert_eq!(code, 0, "{err}");
    h264(&v.footage(), "grey.mp4", 2, 25);
    assert_eq!(after(&v, "umask 077", &["index", "footage"]).0, 0);
    let _ = after(&v, "umask 077", &["query", "grey"]);
    let modes = modes(&library(&v));
    for (name, mode) in &modes {
        let expected = match Path::new(name).is_dir() {
            true => 0o770,
            false => 0o660,
        };
        assert_eq!(mode & 0o777, expected, "{name}");
    }
    assert_eq!(modes[&library(&v).display().to_string()], 0o2770);
    let (code, _, err) = v.run(&create);
    assert!(code == 2 && err.contains("here already"), "{err}");
}

#[test]
fn another_user_reads_all_of_a_shared_library_and_writes_nothing() {
    let v = shared();
    let Some(other) = Other::of(&v) else { return };
    let before = modes(&library(&v));
    let own = v.run(&["query", "a test card", "--json", "-q"]);
    let theirs = other.run(&["query", "a test card", "--json", "-q"]);
    assert_eq!((theirs.0, theirs.1), (own.0, own.1), "{}", theirs.2);
    assert!(!theirs.2.contains("words were ignored"), "{}", theirs.2);
    let (code, out, err) = other.run(&["query", "--text", "green van", "-q"]);
    assert!(code == 0 && out.contains("grey.mp4"), "{err}");
    // Their own last list, of a cache of their own.
    let (code, _, err) = other.run(&["query", "--like", "1", "-q"]);
    assert!(code < 2, "{err}");
    let (code, out, err) = other.run(&["check"]);
    assert_eq!((code, out.as_str()), (0, "sound\n"), "{err}");
    let status = |json: String| json.lines().last().unwrap().to_owned();
    let theirs = status(other.run(&["status", "--json"]).1);
    assert_eq!(theirs, status(v.run(&["status", "--json"]).1));
    for args in [&["note"][..], &["camera"], &["verify", "-q"]] {
        let (code, _, err) = other.run(args);
        assert_eq!(code, 0, "{args:?}: {err}");
    }
    let (code, _, err) = other.run(&["remove", "footage", "--dry-run"]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = other.run(&["index", "footage"]);
    assert!(code == 2 && err.contains("read-only"), "{err}");

    let (code, _, err) = other.run(&["backup", "desk/copy"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, _) = other.run(&["check", "--library", "desk/copy"]);
    assert_eq!((code, out.as_str()), (0, "sound\n"));
    let count = |args: &[&str]| {
        let line = status(other.run(args).1);
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        line["summary"]["thumbnails"].as_u64().unwrap()
    };
    let kept = count(&["status", "--json"]);
    assert!(kept > 0);
    assert_eq!(count(&["status", "--json", "--library", "desk/copy"]), kept);
    // What only owner and readers of SQLite may leave for a moment aside.
    let after: BTreeMap<_, _> = modes(&library(&v));
    let lasting = |m: BTreeMap<String, u32>| -> Vec<(String, u32)> {
        let passing = |n: &str| n.ends_with("-wal") || n.ends_with("-shm") || n.contains("/kept");
        m.into_iter().filter(|(n, _)| !passing(n)).collect()
    };
    assert_eq!(lasting(after), lasting(before));
}

#[test]
fn a_last_list_is_its_users_own() {
    let v = shared();
    let Some(other) = Other::of(&v) else { return };
    assert!(v.run(&["query", "a test card", "-q"]).0 < 2);
    let (code, _, err) = other.run(&["query", "--like", "1"]);
    assert!(code == 2 && err.contains("no hits of an earlier"), "{err}");
}

#[test]
fn words_that_an_earlier_vsearch_kept_to_itself_are_no_damage() {
    let v = shared();
    let Some(other) = Other::of(&v) else { return };
    for name in ["meta.json", ".managed.json"] {
        set_mode(&library(&v).join("text").join(name), 0o600);
    }
    for args in [&["query", "--text", "van"][..], &["check"]] {
        let (code, out, err) = other.run(args);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.contains("vsearch index"), "{err}");
        assert!(!err.contains("--repair"), "{err}");
    }
    assert_eq!(v.run(&["index", "footage", "-q"]).0, 0);
    assert_eq!(other.run(&["query", "--text", "van", "-q"]).0, 0);
}

#[test]
fn a_library_that_others_can_read_is_told_once() {
    let v = Vsearch::new();
    h264(&v.footage(), "grey.mp4", 1, 25);
    let (_, _, err) = v.run(&["index", "footage"]);
    assert!(!err.contains("other users"), "{err}");
    set_mode(&library(&v), 0o755);
    set_mode(&library(&v).join("catalog.sqlite"), 0o644);
    let (_, _, err) = v.run(&["index", "footage"]);
    assert!(
        err.contains("other users of this machine can read"),
        "{err}"
    );
    assert!(err.contains("chmod -R go= "), "{err}");
    let (_, _, err) = v.run(&["index", "footage"]);
    assert!(!err.contains("other users"), "{err}");
    assert_modes(&library(&v), (0o755, 0o644));
}

#[test]
fn a_copy_that_fails_leaves_nothing() {
    let v = shared();
    // No file may grow over 64 KiB; the catalogue is larger.
    let small = "trap '' XFSZ; ulimit -f 64";
    let (code, _, err) = after(&v, small, &["backup", "desk/copy"]);
    assert!(code == 2, "{err}");
    assert!(!v.dir.path().join("desk/copy").exists(), "{err}");
    std::fs::create_dir(v.dir.path().join("empty")).unwrap();
    assert_eq!(after(&v, small, &["backup", "empty"]).0, 2);
    let left = v.dir.path().join("empty").read_dir().unwrap().count();
    assert_eq!(left, 0);

    let Some(other) = Other::of(&v) else { return };
    let (code, _, err) = other.run(&["backup", "copy"]);
    assert_eq!(code, 2);
    assert!(err.contains("copy: no copy can be made here"), "{err}");
    assert!(err.contains("vsearch backup DIR"), "{err}");
    assert!(!v.dir.path().join("copy").exists());
}

#[test]
fn links_out_of_the_folder_are_followed_where_it_is_said() {
    let v = Vsearch::new();
    let elsewhere = v.dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    h264(&elsewhere, "away.mp4", 1, 25);
    h264(&v.footage(), "here.mp4", 1, 25);
    symlink(&elsewhere, v.footage().join("out")).unwrap();
    symlink(v.footage().join("here.mp4"), v.footage().join("same.mp4")).unwrap();
    let (code, _, err) = v.run(&["index", "footage"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("1 video indexed, 1 linked to outside"),
        "{err}"
    );
    let (code, _, err) = v.run(&["index", "footage", "--follow"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("1 video indexed, 1 unchanged"), "{err}");
    // What is named is not a link out.
    symlink(&elsewhere, v.dir.path().join("named")).unwrap();
    let (code, _, err) = v.run(&["index", "named"]);
    assert!(code == 0 && err.contains("already indexed"), "{err}");
}
