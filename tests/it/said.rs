//! What used to be silent is said: sentences cut, options without a use, files of which nothing can be seen and why.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;

use vsearch::media::{MediaError, Sampling};
use vsearch::types::Pixels;

use crate::clips::{ffmpeg, h264, samples};
use crate::commands::Vsearch;

/// Exit code 2, nothing on standard output, all of `says` in the message.
#[track_caller]
fn refused(v: &Vsearch, args: &[&str], says: &[&str]) {
    let (code, out, err) = v.run(args);
    assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
    for s in says {
        assert!(err.contains(s), "{args:?}: no {s:?} in {err}");
    }
}

#[test]
fn a_sentence_longer_than_the_model_reads() {
    let v = Vsearch::new();
    let tiny = v.dir.path().join("tiny");
    fs::create_dir(&tiny).unwrap();
    crate::tiny_clip::write(&crate::tiny_clip::goldens()[0], &tiny);
    // Numbered, so that it is told where the cut is.
    let long: Vec<String> = (0..400).map(|n| format!("car {n}")).collect();
    let long = long.join(" ");
    for model in ["builtin", tiny.to_str().unwrap()] {
        let (code, out, err) = v.run(&["embed", "--text", &long, "--model", model]);
        assert_eq!(code, 0, "{err}");
        let told = err.lines().find(|l| l.contains("longer than")).unwrap();
        let shown = told.split('"').nth(1).unwrap().trim_start_matches('…');
        let end = long.find(shown).unwrap() + shown.len();
        // What was left out changes nothing, but for a word that was cut inside.
        let read = |text: &str| v.run(&["embed", "--text", text, "--model", model]);
        let (_, same, err) = read(&long[..end]);
        assert!(!err.contains("longer than"), "{model}: {err}");
        let vector = |line: &str| -> vsearch::types::Embedding {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let values = line["vector"].as_array().unwrap().iter();
            let values = values.map(|x| x.as_f64().unwrap() as f32).collect();
            vsearch::types::Embedding::normalised(values).unwrap()
        };
        if model == "builtin" {
            assert!(vector(&same).similarity(&vector(&out)) > 0.99);
        }
    }
    h264(&v.footage(), "a.mp4", 1, 25);
    assert_eq!(
        v.run(&["index", "footage", "-q", "--model", "builtin"]).0,
        0
    );
    let (_, out, err) = v.run(&["query", &long, "--json"]);
    assert!(err.contains("longer than builtin reads"), "{err}");
    let summary: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    let read = summary["summary"]["cut"][0]["read"].as_str().unwrap();
    assert!(read.len() < long.len() && !read.is_empty());
    let (_, _, err) = v.run(&["query", "a car"]);
    assert!(!err.contains("longer than"), "{err}");
}

#[test]
fn options_that_would_do_nothing() {
    let v = Vsearch::new();
    let then = "--then \"a person gets out\"";
    let asked = ["query", "a car", "--within", "5s"];
    refused(
        &v,
        &asked,
        &["none does", "vsearch query 'a car'", then, "--within 5s"],
    );
    refused(&v, &["query", "a car", "--same-camera"], &["--same-camera"]);
    refused(&v, &["query", "a car", "--any-camera"], &["--any-camera"]);
    for nothing in ["", "  ", " - "] {
        let says = ["no words to look for", "--text \"gate 3\""];
        refused(&v, &["query", "--text", nothing], &says);
    }
}

#[test]
fn a_ground_truth_that_measures_nothing() {
    let v = Vsearch::new();
    let truth = v.dir.path().join("t.json");
    let eval = ["eval", "t.json", "--videos", "footage"];
    fs::write(&truth, "[]").unwrap();
    refused(&v, &eval, &["t.json: holds no file", "docs/formats.md"]);
    let backwards =
        r#"[{"file":"a.mp4","queries":[{"query":"a dog","intervals":[[1,2],[8.5,4]]}]}]"#;
    fs::write(&truth, backwards).unwrap();
    let says = [
        "a.mp4, \"a dog\": the interval [8.5, 4] ends before",
        "[4, 8.5]",
    ];
    refused(&v, &eval, &says);
}

#[test]
fn a_path_through_a_link_narrows_as_the_real_one() {
    let v = Vsearch::new();
    fs::create_dir(v.footage().join("disk")).unwrap();
    h264(&v.footage().join("disk"), "a.mp4", 1, 25);
    h264(&v.footage(), "b.mp4", 1, 25);
    let link = v.dir.path().join("link");
    symlink(v.footage().join("disk"), &link).unwrap();
    assert_eq!(v.run(&["index", "footage", "-q"]).0, 0);
    let absolute = format!("{}/*", link.display());
    for glob in ["link/*", "link/a.mp4", absolute.as_str(), "footage/disk/*"] {
        let hits = v.json(&["query", "grey", "--json", "--in", glob]);
        assert_eq!(hits.len(), 1, "{glob}");
        assert!(hits[0]["video"].as_str().unwrap().ends_with("disk/a.mp4"));
    }
}

#[test]
fn a_film_without_its_index_and_one_that_is_encrypted() {
    let v = Vsearch::new();
    let film = fs::read(h264(v.dir.path(), "film.mp4", 4, 25)).unwrap();
    // The index lies at the end.
    fs::write(v.footage().join("cut.mp4"), &film[..film.len() / 2]).unwrap();
    let key = "76a6c65c5ea762046bd749a2e632ccbb";
    let locked = format!(
        "-f lavfi -i testsrc2=s=160x120:r=10:d=3 -c:v libx264 -preset ultrafast \
         -encryption_scheme cenc-aes-ctr -encryption_key {key} -encryption_kid {key} {{}}"
    );
    ffmpeg(&locked, &v.footage().join("locked.mp4"));
    let (code, _, err) = v.run(&["index", "footage"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("cut.mp4: no index (moov) in the file"),
        "{err}"
    );
    assert!(err.contains("locked.mp4: encrypted"), "{err}");
    let status = v.json(&["status", "--json"]);
    let errors = status.iter().filter_map(|l| l["error"].as_str());
    let errors: Vec<&str> = errors.collect();
    assert!(errors[0].contains("cut while recording"), "{errors:?}");
    assert!(errors[1].contains("encrypted"), "{errors:?}");
    let refused = samples(&v.footage().join("locked.mp4"), Sampling::DEFAULT).unwrap_err();
    assert!(matches!(refused, MediaError::Encrypted { .. }), "{refused}");
}

#[test]
fn a_folder_that_cannot_be_read_stands_in_status() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can be a user to whom a folder is closed");
        return;
    }
    let v = Vsearch::new();
    let closed = v.footage().join("closed");
    fs::create_dir(&closed).unwrap();
    h264(&closed, "a.mp4", 1, 25);
    h264(&v.footage(), "b.mp4", 1, 25);
    let set = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(v.dir.path(), 0o777);
    set(&closed, 0o700);
    let index = || {
        let mut command = v.command(&["index", "footage"]);
        command.uid(65_534).gid(65_534).output()
    };
    let Ok(run) = index() else {
        eprintln!("skipped: another user cannot start the program where it lies");
        return;
    };
    let err = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{err}");
    assert!(
        err.contains("footage/closed: the folder cannot be read"),
        "{err}"
    );
    let error_of_closed = || {
        let lines = v.json(&["status", "--json"]);
        let line = lines
            .iter()
            .find(|l| l["video"] == closed.to_str().unwrap());
        line.map(|l| l["error"].as_str().unwrap().to_owned())
    };
    assert!(error_of_closed().unwrap().contains("cannot be read"));
    let (_, _, err) = v.run(&["query", "grey"]);
    assert!(err.contains("1 not or only partly readable"), "{err}");
    // Once it can be read it is a folder like others.
    set(&closed, 0o755);
    let run = index().unwrap();
    assert_eq!(run.status.code(), Some(0));
    assert_eq!(error_of_closed(), None);
    assert_eq!(v.json(&["status", "--json"]).len(), 3);
}

/// Grey cards by ITU-R BT.2408: 18 % grey is 38 % of the signal in PQ and in HLG; white is 58 % and 75 %.
#[test]
fn high_dynamic_range_looks_as_on_a_screen() {
    let dir = tempfile::tempdir().unwrap();
    let has = |filter: &str| ffmpeg_next::filter::find(filter).is_some();
    let maps = has("zscale") && has("tonemap");
    for (transfer, signal, expected) in [
        ("smpte2084", 0.38, 100..=130),
        ("smpte2084", 0.58, 205..=255),
        ("arib-std-b67", 0.38, 100..=130),
        ("arib-std-b67", 0.75, 205..=255),
        // The same signal in the range of a screen.
        ("bt709", 0.38, 90..=104),
    ] {
        let path = dir.path().join("card.mkv");
        let code = (64.0 + 876.0 * signal) as u32;
        let card = format!(
            "-f lavfi -i color=black:s=64x48:r=5:d=1,format=yuv420p10le,geq=lum={code}:cb=512:cr=512 -c:v ffv1 \
             -color_range tv -color_primaries bt2020 -color_trc {transfer} -colorspace bt2020nc {{}}"
        );
        ffmpeg(&card, &path);
        let (frames, report) = samples(&path, Sampling::DEFAULT).unwrap();
        let level = level(&frames[0].1);
        let is_hdr = transfer != "bt709";
        assert_eq!(report.untoned, is_hdr && !maps, "{transfer}");
        if maps || !is_hdr {
            assert!(expected.contains(&level), "{transfer} {signal}: {level}");
        }
    }
}

/// The mean of all values.
fn level(pixels: &Pixels) -> u32 {
    let sum: u64 = pixels.rgb().iter().map(|&v| u64::from(v)).sum();
    (sum / pixels.rgb().len() as u64) as u32
}
