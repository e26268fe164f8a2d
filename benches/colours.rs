//! Names of colours against labels made by hand: a confusion matrix. `script/bench-colours` calls it.
//!
//!     cargo bench -p vsearch-benches --bench colours -- LABELS FOLDER

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use serde_json::Value;
use vsearch::analyse::{Part, shares};
use vsearch::embed::load_picture;
use vsearch::types::{Colour, Pixels, Region};

/// A label, and the colours named, the greatest share first.
struct Named {
    label: Colour,
    named: Vec<Colour>,
    part: String,
    sure: bool,
    fitted: bool,
}

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [labels, folder] = &args[..] else {
        panic!("labels and the folder of their pictures");
    };
    let text = std::fs::read_to_string(labels).expect("labels");
    let mut pictures: HashMap<String, Pixels> = HashMap::new();
    let all: Vec<Named> = text
        .lines()
        .map(|line| named(line, Path::new(folder), &mut pictures))
        .collect();
    let mut out = std::io::stdout();
    let mut say = |line: String| drop(writeln!(out, "{line}"));
    say(format!(
        "{:<34} {:>6} {:>6} {:>6}",
        "labels", "count", "first", "top 2"
    ));
    type Chosen = fn(&Named) -> bool;
    let sets: [(&str, Chosen); 7] = [
        ("all", |_| true),
        ("sure", |n| n.sure),
        ("sure, of upper garments", |n| n.sure && n.part == "upper"),
        ("sure, of lower garments", |n| n.sure && n.part == "lower"),
        ("sure, of things", |n| n.sure && n.part == "whole"),
        ("sure, not fitted on", |n| n.sure && !n.fitted),
        ("all, not fitted on", |n| !n.fitted),
    ];
    for (name, chosen) in sets {
        let of: Vec<&Named> = all.iter().filter(|n| chosen(n)).collect();
        let share = |right: usize| right as f64 / of.len().max(1) as f64;
        let among = |n: usize| {
            of.iter()
                .filter(|l| l.named[..n].contains(&l.label))
                .count()
        };
        let (first, two) = (share(among(1)), share(among(2)));
        say(format!(
            "{name:<34} {:>6} {first:>6.3} {two:>6.3}",
            of.len()
        ));
    }
    let names = Colour::ALL.map(|c| format!("{:>7}", c.name())).join("");
    say(format!(
        "\nrows: labelled, of those that are sure; columns: named\n{:>8}{names}",
        ""
    ));
    for label in Colour::ALL {
        let of = |c: Colour| {
            let sure = all.iter().filter(|n| n.sure && n.label == label);
            sure.filter(|n| n.named[0] == c).count()
        };
        let counts = Colour::ALL.map(|c| format!("{:>7}", of(c))).join("");
        say(format!("{:>8}{counts}", label.name()));
    }
}

fn named(line: &str, folder: &Path, pictures: &mut HashMap<String, Pixels>) -> Named {
    let label: Value = serde_json::from_str(line).expect("a label");
    let text = |key: &str| label[key].as_str().expect("a text").to_owned();
    let file = text("file");
    let picture = pictures
        .entry(file.clone())
        .or_insert_with(|| load_picture(&folder.join(&file)).expect("a picture"));
    let side = |i: usize| label["box"][i].as_f64().expect("a number").max(0.0) as u32;
    let region = Region::new(side(0), side(1), side(2), side(3));
    let part = text("part");
    let asked = match part.as_str() {
        "upper" => Part::Upper,
        "lower" => Part::Lower,
        _ => Part::Whole,
    };
    let mut found: Vec<(Colour, f32)> = Colour::ALL
        .into_iter()
        .zip(shares(picture, region, asked))
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    Named {
        label: text("colour").parse().expect("a basic colour"),
        named: found.into_iter().map(|(c, _)| c).collect(),
        part,
        sure: label["sure"].as_bool().unwrap_or(false),
        fitted: label["fitted"].as_bool().unwrap_or(true),
    }
}
