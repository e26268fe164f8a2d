//! Pictures as questions, labels, templates and scripts: what only some models can do.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::clips::ffmpeg;
use crate::commands::{Vsearch, indexed};
use crate::tiny_clip::{goldens, write};

/// A small CLIP model with random weights, in a folder of the test's own.
fn tiny(v: &Vsearch) -> &'static str {
    let folder = v.dir.path().join("tiny");
    std::fs::create_dir(&folder).unwrap();
    write(&goldens()[0], &folder);
    "tiny"
}

#[test]
fn a_picture_finds_the_moment_it_was_taken_from() {
    let v = indexed();
    let hits = v.json(&[
        "query",
        "a card",
        "--in",
        "test*",
        "--thumbnails",
        "out",
        "--json",
    ]);
    let video = hits[0]["video"].as_str().unwrap();
    let saved = std::fs::read_dir(v.dir.path().join("out")).unwrap();
    let saved = saved.map(|f| f.unwrap().path()).next().unwrap();
    for image in [saved.to_str().unwrap(), &format!("{video}@00:02")] {
        let hits = v.json(&["query", "--image", image, "--json", "-k", "1"]);
        assert_eq!(hits[0]["video"], video);
        assert!(hits[0]["score"].as_f64().unwrap() > 0.95, "{hits:?}");
    }
}

#[test]
fn what_is_no_picture_is_said() {
    let v = indexed();
    let video = "footage/grey.mp4";
    for (image, message) in [
        ("none.jpg", "no such file"),
        (video, "name the time as well"),
        ("footage/grey.mp4@soon", "is not a time"),
        ("footage/grey.mp4@99", "it ends at"),
        ("footage/none.mp4@1", "cannot be read"),
    ] {
        let (code, _, err) = v.run(&["query", "--image", image]);
        assert!(code == 2 && err.contains(message), "{image}: {code} {err}");
    }
    let (code, _, err) = v.run(&["query"]);
    assert!(code == 2 && err.contains("SENTENCE"), "{err}");
}

#[test]
fn labels_have_probabilities_that_add_up() {
    let v = indexed();
    let model = tiny(&v);
    let label = [
        "label",
        "footage/grey.mp4",
        "--labels",
        "a car, a dog,a tree",
        "--json",
    ];
    let lines = v.json(&[&label[..], &["--model", model, "--every", "2"]].concat());
    assert_eq!(lines.len(), 4, "{lines:?}");
    for (line, time) in lines.iter().zip([0.0, 2.0, 4.0, 6.0]) {
        assert_eq!(line["time"], time);
        let p = line["labels"].as_array().unwrap().iter();
        let p: Vec<f64> = p.map(|l| l["probability"].as_f64().unwrap()).collect();
        assert!(p.is_sorted_by(|a, b| a >= b) && (p.iter().sum::<f64>() - 1.0).abs() < 1e-3);
    }
    // The built-in model needs no temperature.
    for line in v.json(&[&label[..], &["--model", "builtin"]].concat()) {
        let p = line["labels"].as_array().unwrap().iter();
        let p: Vec<f64> = p.map(|l| l["probability"].as_f64().unwrap()).collect();
        assert!(p.len() == 3 && (p.iter().sum::<f64>() - 1.0).abs() < 1e-3);
    }
    let one = [
        "label",
        "footage/grey.mp4",
        "--model",
        model,
        "--labels",
        "a car",
    ];
    assert!(v.run(&one).2.contains("two labels"));
}

#[test]
fn templates_change_the_question() {
    let v = indexed();
    let vector = |rest: &[&str]| {
        let args = [&["embed", "--text", "a dog"], rest].concat();
        v.json(&args)[0]["vector"].clone()
    };
    assert_eq!(vector(&[]), vector(&["--templates", "none"]));
    assert_ne!(vector(&[]), vector(&["--templates", "cctv"]));
    let (code, _, err) = v.run(&["query", "a dog", "--templates", "cctvs"]);
    assert!(code == 2 && err.contains("no set of templates"), "{err}");
}

#[test]
fn a_question_the_model_cannot_read_is_flagged() {
    let v = indexed();
    let (_, _, err) = v.run(&["query", "魑魅魍魉"]);
    assert!(
        err.contains("Han script") && err.contains("Chinese-CLIP"),
        "{err}"
    );
    let (_, _, err) = v.run(&["query", "человек"]);
    assert!(err.contains("Cyrillic script"), "{err}");
    // What it has words for it reads; what not it names.
    let (_, _, err) = v.run(&["query", "穿着蓝色上衣骑自行车的魑魅"]);
    assert!(
        err.contains("searched for") && err.contains("blue") && err.contains("riding a bicycle"),
        "{err}"
    );
    assert!(err.contains("\"魑魅\" not known to builtin"), "{err}");
    assert!(!err.contains("script"), "{err}");
    let (_, _, err) = v.run(&["query", "a person in blue"]);
    assert!(!err.contains("script"), "{err}");
}

#[test]
fn a_hit_says_which_part_of_the_frame_matched() {
    let v = Vsearch::new();
    let test = "-f lavfi -i testsrc2=s=160x90:r=10:d=5 -c:v libx264 -preset ultrafast {}";
    ffmpeg(test, &v.footage().join("wide.mkv"));
    let model = tiny(&v);
    let index = |rest: &[&str]| {
        let (code, _, err) = v.run(&[&["index", "footage", "--model", model], rest].concat());
        assert_eq!(code, 0, "{err}");
        (v.rows("moments"), v.rows("vectors"))
    };
    let (moments, vectors) = index(&[]);
    assert_eq!(vectors, 2 * moments, "cover is CLIP's default");
    let hits = v.json(&["query", "a card", "--model", model, "--json"]);
    let boxes = [[0, 0, 90, 90], [70, 0, 90, 90]].map(|b| serde_json::json!(b));
    assert!(boxes.contains(&hits[0]["box"]), "{hits:?}");
    let mut times: Vec<f64> = hits.iter().map(|h| h["time"].as_f64().unwrap()).collect();
    times.dedup();
    assert_eq!(times.len(), hits.len(), "a moment is one hit: {hits:?}");

    assert_eq!(
        index(&["--views", "tiles"]),
        (moments, 10 * moments),
        "read again"
    );
    assert_eq!(index(&["--views", "fit"]), (moments, moments));
    let hits = v.json(&["query", "a card", "--model", model, "--json"]);
    assert!(hits[0]["box"].is_null());
    let (code, _, err) = v.run(&["index", "footage", "--views", "all"]);
    assert!(
        code == 2 && err.contains("center, fit, cover, tiles or objects"),
        "{err}"
    );
}

#[test]
fn views_of_a_picture_are_lines() {
    let v = Vsearch::new();
    let picture = v.dir.path().join("wide.png");
    ffmpeg("-f lavfi -i testsrc2=s=160x90 -frames:v 1 {}", &picture);
    let model = tiny(&v);
    let embed = ["embed", "--image", "wide.png", "--model", model, "--views"];
    let lines = |views: &'static str| v.json(&[&embed[..], &[views]].concat());
    assert_eq!(lines("cover").len(), 2);
    assert_eq!(
        lines("center")[0]["box"],
        serde_json::json!([35, 0, 90, 90])
    );
    assert!(lines("fit")[0].get("box").is_none());
}

/// A few bytes that claim 200,000x200,000 pixels, on every way a picture comes in.
#[test]
fn a_picture_that_claims_to_be_huge_is_refused() {
    const CLAIMS: &str = "iVBORw0KGgoAAAANSUhEUgADDUAAAw1ACAIAAAB2WR9dAAAAC0lEQVR4nGNgYAAAAAMAAbitOmMAAAAASUVORK5CYII=";
    let v = indexed();
    let model = tiny(&v);
    std::fs::write(
        v.dir.path().join("huge.png"),
        STANDARD.decode(CLAIMS).unwrap(),
    )
    .unwrap();
    for args in [
        &["query", "--image", "huge.png"][..],
        &["embed", "--image", "huge.png"],
        &["embed", "--image", "huge.png", "--views", "tiles"],
        &["teach", "this", "--positive", "huge.png"],
        &["teach", "this", "--positive", "1", "--negative", "huge.png"],
        &[
            "label",
            "huge.png",
            "--labels",
            "a car,a dog",
            "--model",
            model,
        ],
    ] {
        v.run(&["query", "a card"]);
        let (code, out, err) = v.run(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(
            err.contains("huge.png: has 200000x200000 pixels"),
            "{args:?}: {err}"
        );
        assert!(err.contains("hint: make it smaller"), "{args:?}: {err}");
    }
}
