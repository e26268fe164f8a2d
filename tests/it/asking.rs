//! Questions of several parts, sequences, confidence, and what is taught.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::clips::{ffmpeg, h264};
use crate::commands::{Vsearch, hits_in, indexed};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn is_of(hit: &Value, name: &str) -> bool {
    hit["video"].as_str().unwrap().ends_with(name)
}

#[test]
fn nonsense_gets_guesses_and_no_match() {
    let v = indexed();
    for nonsense in ["12345 67890", "asdkjh qwlekj zmxn"] {
        let (code, out, err) = v.run(&["query", nonsense]);
        assert!(code == 1 && out.starts_with("weaker guesses\n"), "{out}");
        assert!(
            err.contains("0 matches, ") && err.contains("cannot tell"),
            "{err}"
        );
        assert!(err.contains("no match: the best guess is"), "{err}");
        let (code, out, err) = v.run(&["query", nonsense, "--matches"]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
    }
    let guesses = v.json(&["query", "12345 67890", "--json"]);
    let sure: Vec<f64> = guesses.iter().map(|h| number(&h["confidence"])).collect();
    assert!(
        !sure.is_empty() && sure.iter().all(|c| *c < 0.5),
        "{sure:?}"
    );
    assert!(guesses.iter().all(|h| h["match"] == false));
    assert!(sure.is_sorted_by(|a, b| a >= b), "{sure:?}");
    // The level is the reader's to choose; what is listed stays the same.
    let best = sure[0].to_string();
    let args = ["query", "12345 67890", "--confidence", &best, "--json"];
    let listed = v.json(&args);
    assert!(listed.len() == guesses.len() && listed[0]["match"] == true);
    assert_eq!(v.run(&[&args[..], &["--matches"]].concat()).0, 0);
    assert_eq!(v.run(&["query", "x", "--confidence", "2"]).0, 2);
}

#[test]
fn parts_are_composed_by_options_or_in_one_string() {
    let v = indexed();
    let ask = |args: &[&str]| v.json(&[&["query", "--json", "--explain"], args].concat());
    let without = ["--no-words"];
    let options = ["a test card", "--and", "a wall:0.5", "--not", "a dog"];
    let by_options = ask(&[&options[..], &without].concat());
    let in_one = ask(&["a test card + a wall:0.5 - a dog", "--no-words"]);
    let scores =
        |hits: &[Value]| -> Vec<f64> { hits.iter().map(|h| number(&h["score"])).collect() };
    assert_eq!(scores(&by_options), scores(&in_one));
    for hit in &in_one {
        let parts = &hit["parts"];
        assert_eq!(parts["unwanted"].as_array().unwrap().len(), 1);
        let off = number(&parts["penalty"]);
        let left = number(&parts["similarity"]) - off - number(&hit["score"]);
        assert!(off >= 0.0 && left.abs() < 2e-4, "{hit}");
    }
    // What is not wanted falls behind.
    let grey = v.footage().join("grey.mp4");
    let picture = format!("{}@3", grey.display());
    let found = ask(&["--image", &picture]);
    assert!(is_of(&found[0], "grey.mp4"));
    // The built-in model takes flat grey for one, and a test card not at all.
    let found = ask(&["--image", &picture, "--not", "a matchstick"]);
    assert!(is_of(&found[0], "test card.mkv"), "{found:?}");
    let behind = found.iter().find(|h| is_of(h, "grey.mp4")).unwrap();
    assert!(number(&behind["parts"]["penalty"]) > 0.0, "{behind}");
    let (_, _, err) = v.run(&["query", "a test card - a dog", "--explain"]);
    assert!(err.contains("- \"a dog\", weight 1"), "{err}");
    let args = ["query", "a car", "--explain", "--templates", "cctv"];
    let (_, _, err) = v.run(&[&args[..], &["--in", "grey*"]].concat());
    assert!(
        err.contains("templates cctv") && err.contains("filters leave 1 of 2 videos"),
        "{err}"
    );
    // A picture and a sentence together.
    let both = ask(&["a test card", "--image", &format!("{picture}:0.7")]);
    let seen: Vec<&Value> = both
        .iter()
        .filter(|h| h["found_by"] == "pictures")
        .collect();
    assert!(!seen.is_empty() && seen.iter().all(|h| h["confidence"].is_null()));
}

#[test]
fn what_cannot_be_asked_is_said_with_what_can() {
    let v = indexed();
    for (args, says) in [
        (&["a car", "--and", "night:0"][..], "night:0.5"),
        (&["a car", "--and", "night:-1"], "--not night:1"),
        (&["a car - a car"], "both wanted and not wanted"),
        (&["a car:100 + night:0.1"], "nearer to one another"),
        (&["@forklift"], "vsearch teach forklift --positive"),
        (&["a car", "--within", "60s"], "--then"),
        (&["a car", "--like", "9"], "no hits of an earlier query"),
        (&["a car", "--like", "m999"], "m999 is not in the library"),
        (&["a car", "--within", "soon"], "as 60s, 5m or 1h"),
        (&["--image", "footage/grey.mp4@99:0.5"], "it ends at"),
        (&["a car", "--same-camera"], "--then"),
        (&["a car +  "], "the sentence is empty"),
    ] {
        let (code, out, err) = v.run(&[&["query"], args].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains(says), "{args:?}: no {says:?} in {err}");
    }
}

#[test]
fn what_is_printed_to_be_pasted_runs_nothing_else() {
    let v = indexed();
    let name = "it's \"ours\" $(touch pasted) `touch pasted`; touch pasted";
    let (code, _, err) = v.run(&["query", &format!("@{name}")]);
    assert_eq!(code, 2);
    let (_, command) = err.split_once("vsearch teach ").unwrap();
    let (argument, _) = command.split_once(" --positive").unwrap();
    let shell = std::process::Command::new("sh")
        .current_dir(v.dir.path())
        .args(["-c", &format!("printf %s {argument}")])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&shell.stdout), name, "{argument}");
    assert!(!v.dir.path().join("pasted").exists());
}

#[test]
fn a_sentence_alone_keeps_its_colons() {
    let v = indexed();
    let score = |sentence: &str| {
        let args = ["query", sentence, "--json", "-k", "1", "--no-words"];
        number(&v.json(&args)[0]["score"])
    };
    assert!(score("a clock showing 12:30") != score("a clock showing 12"));
    score("a bus at 9:00");
}

#[test]
fn an_earlier_hit_is_asked_for_by_its_number() {
    let v = indexed();
    let first = v.json(&["query", "a colourful test card", "--json"]);
    let like = v.json(&["query", "--like", "2", "--json", "-k", "1"]);
    assert_eq!(like[0]["video"], first[1]["video"]);
    assert_eq!(like[0]["time"], first[1]["time"]);
    assert!(number(&like[0]["score"]) > 0.999);
    // The list stays while its hits are asked about, and a hit keeps its id whatever is asked.
    let again = v.json(&["query", "--like", "2", "--json", "-k", "1"]);
    assert_eq!(again, like);
    v.json(&["query", "grey", "--json", "-k", "1"]);
    let id = first[1]["id"].as_str().unwrap();
    let by_id = v.json(&["query", "--like", id, "--json", "-k", "1"]);
    assert_eq!(by_id[0]["id"], id);
    let (code, _, err) = v.run(&["teach", "it", "--positive", id, "-q"]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = v.run(&["query", "--like", "7"]);
    assert!(code == 2 && err.contains("there is no hit 7"), "{err}");
}

/// A test card for 6 s, then grey for 6 s, in two files that went on one after the other.
fn changing() -> Vsearch {
    let v = Vsearch::new();
    let two = "-f lavfi -i testsrc2=s=160x120:r=10:d=6 -f lavfi -i color=gray:s=160x120:r=10:d=6 \
               -filter_complex [0][1]concat=n=2 -c:v libx264 -preset ultrafast -g 20 {}";
    ffmpeg(two, &v.footage().join("gate_20240501_120000.mp4"));
    let card = "-f lavfi -i testsrc2=s=160x120:r=10:d=6 -c:v libx264 -preset ultrafast -g 20 {}";
    ffmpeg(card, &v.footage().join("yard_20240501_130000.mp4"));
    let grey = "-f lavfi -i color=gray:s=160x120:r=10:d=6 -c:v libx264 -preset ultrafast -g 20 {}";
    ffmpeg(grey, &v.footage().join("yard_20240501_130010.mp4"));
    let (code, _, err) = v.run(&["index", "footage", "-q", "--time-zone", "UTC"]);
    assert_eq!(code, 0, "{err}");
    v
}

#[test]
fn one_thing_then_another() {
    let v = changing();
    let taught = |name: &str, yes: &str, no: &str| {
        let at = |t: &str| v.footage().join(t).display().to_string();
        let args = [
            "teach",
            name,
            "--positive",
            &at(yes),
            "--negative",
            &at(no),
            "-q",
        ];
        let (code, _, err) = v.run(&args);
        assert_eq!(code, 0, "{err}");
    };
    let (card, grey) = ("gate_20240501_120000.mp4@1", "gate_20240501_120000.mp4@9");
    taught("card", card, grey);
    taught("grey", grey, card);
    let ask = |first: &str, then: &str, more: &[&str]| -> Vec<Value> {
        let args = ["query", first, "--then", then, "--json", "-q", "--matches"];
        hits_in(&v.run(&[&args, more].concat()).1)
    };
    let found = ask("@card", "@grey", &["--within", "20s"]);
    assert_eq!(found.len(), 1, "{found:?}");
    let steps = found[0]["steps"].as_array().unwrap();
    assert!(steps.iter().all(|s| is_of(s, "gate_20240501_120000.mp4")));
    assert!(number(&steps[0]["time"]) < 6.0 && number(&steps[1]["time"]) >= 6.0);
    assert!(number(&found[0]["confidence"]) > 0.25);
    // Never backwards, and never later than allowed.
    assert!(ask("@grey", "@card", &["--within", "20s"]).is_empty());
    // By the wall clock, one camera's files follow one another; here after four seconds.
    let soon = ask("@card", "@grey", &["--within", "3s", "--same-camera"]);
    assert_eq!(soon.len(), 1, "{soon:?}");
    let found = ask("@card", "@grey", &["--within", "15s", "--same-camera"]);
    assert_eq!(found.len(), 2, "{found:?}");
    let over_files = found
        .iter()
        .any(|s| s["steps"][0]["video"] != s["steps"][1]["video"]);
    assert!(over_files);
    // After the grey before the gate comes the card in the yard, an hour later.
    let found = ask("@grey", "@card", &["--within", "61m", "--any-camera"]);
    assert_eq!(found.len(), 1);
    assert!(ask("@grey", "@card", &["--within", "61m", "--same-camera"]).is_empty());
    let (code, out, err) = v.run(&["query", "@card", "--then", "@grey", "--matches"]);
    assert!(code == 0 && out.lines().count() == 5, "{out}{err}");
    let args = ["query", "@grey", "--then", "@card", "--matches"];
    let (code, out, err) = v.run(&args);
    assert!(
        code == 1 && out.is_empty() && err.contains("no match"),
        "{err}"
    );
}

#[test]
fn hits_may_differ_by_video_picture_and_order() {
    let v = indexed();
    let (from, to) = ("test card.mkv", "copy.mkv");
    std::fs::copy(v.footage().join(from), v.footage().join(to)).unwrap();
    // Not a copy by its bytes, or it would be known.
    let mut file = std::fs::File::options()
        .append(true)
        .open(v.footage().join(to))
        .unwrap();
    file.write_all(&[0; 64]).unwrap();
    v.run(&["index", "footage", "-q"]);
    let ask =
        |more: &[&str]| v.json(&[&["query", "a test card", "--json", "-k", "20"], more].concat());
    let each = ask(&["--per-video", "1"]);
    let mut videos: Vec<&str> = each.iter().map(|h| h["video"].as_str().unwrap()).collect();
    videos.sort_unstable();
    videos.dedup();
    assert_eq!((each.len(), videos.len()), (3, 3));
    let plain = ask(&[]);
    let diverse = ask(&["--diverse"]);
    let alike: f64 = diverse.iter().filter_map(|h| h["alike"].as_f64()).sum();
    assert!(alike >= 1.0, "{diverse:?}");
    assert!(diverse.len() < plain.len() && plain.iter().all(|h| h["alike"].is_null()));
    let texts = v.json(&["query", "--text", "mkv", "--per-video", "1", "--json"]);
    assert_eq!(texts.len(), 2, "{texts:?}");
    let (code, _, err) = v.run(&["query", "--text", "zebra"]);
    assert!(code == 1 && err.contains("holds these words"), "{err}");
}

#[test]
fn hits_may_be_ordered_by_the_clock() {
    let v = changing();
    let mut orders = Vec::new();
    for sentence in ["a matchstick", "a web page"] {
        let args = ["query", sentence, "--sort", "time", "--json", "--no-words"];
        let of = |more: &[&str]| v.json(&[&args[..], &["--time-zone", "UTC"], more].concat());
        let clock = |h: &Value| h["recorded_at"].as_str().unwrap().to_owned();
        // Matches stay before guesses.
        let guesses = of(&["--confidence", "0.5"]);
        let before = |h: &Value| (h["match"] == false, clock(h));
        assert!(guesses.is_sorted_by(|a, b| before(a) <= before(b)));
        let hits = of(&["--confidence", "0"]);
        assert!(
            hits.len() >= 3 && hits.is_sorted_by(|a, b| clock(a) <= clock(b)),
            "{hits:?}"
        );
        let mut ranks: Vec<u64> = hits.iter().map(|h| h["rank"].as_u64().unwrap()).collect();
        orders.push(ranks.clone());
        ranks.sort_unstable();
        assert_eq!(ranks, (1..=hits.len() as u64).collect::<Vec<_>>());
    }
    // What is best for one is worst for the other.
    assert!(orders.iter().any(|ranks| !ranks.is_sorted()), "{orders:?}");
}

#[test]
fn a_time_that_is_only_the_files_is_a_guess() {
    let v = indexed();
    let ask = |more: &[&str]| v.run(&[&["query", "a test card", "--json"], more].concat());
    let hits = hits_in(&ask(&[]).1);
    assert!(hits.iter().all(|h| h["recorded_from"] == "file"));
    let (code, out, err) = ask(&["--after", "2001-01-01"]);
    assert!(code == 1 && hits_in(&out).is_empty(), "{out}");
    assert!(
        err.contains("2 videos of which only the time of the file"),
        "{err}"
    );
    assert!(out.contains("\"file_times\":2"), "{out}");
    let (_, out, err) = ask(&["--after", "2001-01-01", "--trust-file-times"]);
    assert_eq!(hits_in(&out).len(), hits.len(), "{err}");
}

#[test]
fn files_that_follow_one_another_on_a_camera_make_one_event() {
    let v = Vsearch::new();
    let card = "-f lavfi -i testsrc2=s=160x120:r=10:d=6 -c:v libx264 -preset ultrafast -g 20 {}";
    for at in ["120000", "120006", "120200"] {
        let name = format!("gate_20240501_{at}.mp4");
        ffmpeg(card, &v.footage().join(name));
    }
    let args = [
        "index",
        "footage",
        "-q",
        "--time-zone",
        "UTC",
        "--fold",
        "strong",
    ];
    assert_eq!(v.run(&args).0, 0);
    let hits = v.json(&["query", "a colourful test card", "--json", "--no-words"]);
    let going_on: Vec<&Value> = hits.iter().filter(|h| !h["goes_on"].is_null()).collect();
    assert_eq!(going_on.len(), 1, "{hits:?}");
    let other = &going_on[0]["goes_on"][0];
    assert_ne!(other["video"], going_on[0]["video"]);
    let names = [other["video"].as_str(), going_on[0]["video"].as_str()];
    assert!(names.iter().all(|n| !n.unwrap().contains("120200")));
}

#[test]
fn a_concept_is_taught_asked_for_and_forgotten() {
    let v = indexed();
    let at = |name: &str| v.footage().join(name).display().to_string();
    let (yes, yes_too) = (at("test card.mkv@1"), at("test card.mkv@4"));
    let no = at("grey.mp4@1");
    let args = [
        "teach",
        "our card",
        "--positive",
        &yes,
        &yes_too,
        "--negative",
        &no,
    ];
    let (code, _, err) = v.run(&args);
    assert!(
        code == 0 && err.contains("2 positives and 1 negative"),
        "{err}"
    );
    let hits = v.json(&["query", "@our card", "--json", "-k", "1"]);
    assert!(is_of(&hits[0], "test card.mkv") && number(&hits[0]["confidence"]) > 0.5);
    let grey = v.json(&["query", "@our card", "--json", "--in", "grey*"]);
    assert!(
        grey.iter().all(|h| number(&h["confidence"]) < 0.5),
        "{grey:?}"
    );
    // By numbers of hits, and in place of the first.
    v.json(&["query", "@our card", "--json"]);
    let args = ["teach", "our card", "--positive", "1", "2", "-q"];
    assert_eq!(v.run(&args).0, 0);
    let (_, out, _) = v.run(&["teach"]);
    assert_eq!(out, "@\"our card\"  2 positives, 0 negatives\n");
    // Part of a composed question.
    assert_eq!(v.run(&["query", "@our card + a wall:0.5"]).0, 0);
    let (code, _, err) = v.run(&["teach", "our card"]);
    assert!(code == 2 && err.contains("--positive VIDEO@TIME"), "{err}");
    assert_eq!(v.run(&["teach", "our card", "--forget"]).0, 0);
    let (code, _, err) = v.run(&["query", "@our card"]);
    assert!(code == 2 && err.contains("was taught"), "{err}");
    assert_eq!(v.run(&["teach", "our card", "--forget"]).0, 2);
}

#[test]
fn feedback_refines_what_is_looked_for() {
    let v = Vsearch::new();
    for (n, seconds) in [4, 6].into_iter().enumerate() {
        h264(&v.footage(), &format!("grey {n}.mp4"), seconds, 25);
        let test = format!(
            "-f lavfi -i testsrc2=s=160x120:r=10:d={seconds} -c:v libx264 -preset ultrafast -g 10 {{}}"
        );
        ffmpeg(&test, &v.footage().join(format!("card {n}.mkv")));
    }
    v.run(&["index", "footage", "-q", "--fold", "off"]);
    // Says yes to cards and no to grey until nothing is left or it is told to stop.
    let mut child = v
        .command(&["query", "a grey wall", "--feedback", "--json", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = child.stdin.take().unwrap();
    let said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut log = Vec::new();
    let mut judged = 0;
    for line in std::io::BufRead::lines(said) {
        let line = line.unwrap();
        let is_hit = line.contains(".mkv") || line.contains(".mp4");
        if is_hit && !line.contains("teach") {
            judged += 1;
            let key = match line.contains("card") {
                _ if judged > 6 => "q",
                true => "y",
                false => "n",
            };
            writeln!(keys, "{key}").unwrap();
        }
        log.push(line);
    }
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{log:?}");
    let out = String::from_utf8(out.stdout).unwrap();
    let right: Vec<Value> = out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert!(
        !right.is_empty()
            && right
                .iter()
                .all(|h| h["video"].as_str().unwrap().contains("card"))
    );
    let log = log.join("\n");
    assert!(
        log.contains("more unseen") && log.contains("vsearch teach NAME --positive"),
        "{log}"
    );
}
