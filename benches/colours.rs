//! Names of colours against labels made by hand, on photographs and on frames of footage: how many are right, and
//! confusion matrices. `script/bench-colours` calls it.
//!
//!     cargo bench -p vsearch-benches --bench colours -- LABELS PHOTOGRAPHS FOOTAGE

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use serde_json::Value;
use vsearch::analyse::{Part, shares};
use vsearch::embed::load_picture;
use vsearch::media::{Choice, frame_at};
use vsearch::types::{Colour, Pixels, Region};
use vsearch_benches::{arguments, say};

/// A label, and the colours named, the greatest share first.
struct Named {
    label: Colour,
    named: Vec<Colour>,
    part: String,
    sure: bool,
    /// The rule was fitted on it.
    fitted: bool,
    footage: bool,
    /// Picture and box, which labels of several parts share.
    thing: String,
}

/// What was labelled, each picture read once.
struct Pictures {
    photographs: PathBuf,
    footage: PathBuf,
    read: HashMap<String, Pixels>,
}

type Chosen = fn(&Named) -> bool;

/// Where labels lie: a table each.
const PLACES: [(&str, Chosen); 3] = [
    ("photographs", |n| !n.footage),
    ("footage", |n| n.footage),
    ("both", |_| true),
];

/// Which of them count: its rows.
const SETS: [(&str, Chosen); 7] = [
    ("sure, not fitted on", |n| n.sure && !n.fitted),
    ("sure", |n| n.sure),
    ("sure, of upper garments", |n| n.sure && n.part == "upper"),
    ("sure, of lower garments", |n| n.sure && n.part == "lower"),
    ("sure, of things", |n| n.sure && n.part == "whole"),
    ("all, not fitted on", |n| !n.fitted),
    ("all", |_| true),
];

fn main() {
    let arguments = arguments();
    let [labels, photographs, footage] = &arguments[..] else {
        panic!("labels, the folder of their photographs, and that of their footage");
    };
    let text = std::fs::read_to_string(labels).expect("labels");
    let mut pictures = Pictures {
        photographs: photographs.into(),
        footage: footage.into(),
        read: HashMap::new(),
    };
    let all: Vec<Named> = text
        .lines()
        .map(|line| named(line, &mut pictures))
        .collect();
    for (place, here) in PLACES {
        let labels: Vec<&Named> = all.iter().filter(|n| here(n)).collect();
        let things: HashSet<&str> = labels.iter().map(|n| n.thing.as_str()).collect();
        say(format_args!("{place}: {} boxes\n", things.len()));
        counted(&labels);
        matrix(&labels);
    }
}

/// How many labels of each set are named right, first or second.
fn counted(labels: &[&Named]) {
    let heads = ["count", "first", "top 2"].map(|h| format!(" {h:>6}"));
    say(format_args!("{:<28}{}", "labels", heads.join("")));
    for (set, chosen) in SETS {
        let of: Vec<&&Named> = labels.iter().filter(|n| chosen(n)).collect();
        let among = |n: usize| {
            let right = of.iter().filter(|l| l.named[..n].contains(&l.label));
            right.count() as f64 / of.len().max(1) as f64
        };
        let (count, first, two) = (of.len(), among(1), among(2));
        say(format_args!("{set:<28} {count:>6} {first:>6.3} {two:>6.3}"));
    }
}

fn matrix(labels: &[&Named]) {
    let names = Colour::ALL.map(|c| format!("{:>7}", c.name())).join("");
    say("\nrows: labelled, of those that are sure; columns: named");
    say(format_args!("{:>8}{names}", ""));
    for label in Colour::ALL {
        let of = |c: Colour| {
            let sure = labels.iter().filter(|n| n.sure && n.label == label);
            sure.filter(|n| n.named[0] == c).count()
        };
        let counts = Colour::ALL.map(|c| format!("{:>7}", of(c))).join("");
        say(format_args!("{:>8}{counts}", label.name()));
    }
    say("");
}

fn named(line: &str, pictures: &mut Pictures) -> Named {
    let label: Value = serde_json::from_str(line).expect("a label");
    let text = |key: &str| label[key].as_str().expect("a text").to_owned();
    let side = |i: usize| label["box"][i].as_f64().expect("a number").max(0.0) as u32;
    let region = Region::new(side(0), side(1), side(2), side(3));
    let part = text("part");
    let asked = match part.as_str() {
        "upper" => Part::Upper,
        "lower" => Part::Lower,
        _ => Part::Whole,
    };
    let (picture, pixels) = pictures.of(&label);
    let mut found: Vec<(Colour, f32)> = Colour::ALL
        .into_iter()
        .zip(shares(pixels, region, asked))
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    Named {
        label: text("colour").parse().expect("a basic colour"),
        named: found.into_iter().map(|(c, _)| c).collect(),
        part,
        sure: label["sure"].as_bool().unwrap_or(false),
        fitted: label["fitted"].as_bool().unwrap_or(true),
        footage: label["time"].is_number(),
        thing: format!("{picture} {}", label["box"]),
    }
}

impl Pictures {
    /// The photograph of a label ("file"), or the frame that a player shows at its time ("video", "time"); and what
    /// it is called.
    fn of(&mut self, label: &Value) -> (String, &Pixels) {
        let time = label["time"].as_f64();
        let (folder, key) = match time {
            None => (&self.photographs, "file"),
            Some(_) => (&self.footage, "video"),
        };
        let file = label[key].as_str().expect("a file or a video");
        let path = folder.join(file);
        let name = format!("{file} {}", label["time"]);
        let read = || match time {
            None => load_picture(&path).expect("a picture"),
            Some(seconds) => frame_at(&path, Choice::default(), seconds).expect("a frame"),
        };
        let pixels = self.read.entry(name.clone()).or_insert_with(read);
        (name, pixels)
    }
}
