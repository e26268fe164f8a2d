//! The arrows between rooms (docs/ARCHITECTURE.md): who may use whom.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Room → rooms it may use besides `types`. Arrows run downward: rooms on one floor never use each
/// other.
const ARROWS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("media", &[]),
    ("embed", &[]),
    ("analyse", &[]),
    ("store", &[]),
    ("models", &["embed"]),
    ("ingest", &["media", "embed", "analyse", "store"]),
    ("search", &["media", "embed", "store"]),
    (
        "app",
        &[
            "ingest", "search", "models", "media", "embed", "analyse", "store",
        ],
    ),
    (
        "cli",
        &[
            "app", "ingest", "search", "models", "media", "embed", "analyse", "store",
        ],
    ),
];

/// Crates that only one room may name.
const OWNED: &[(&str, &str)] = &[
    ("ffmpeg_next", "media"),
    ("rusqlite", "store"),
    ("memmap2", "store"),
    ("tantivy", "store"),
    ("roaring", "store"),
    ("candle_core", "embed"),
    ("rten", "analyse"),
    ("tokenizers", "embed"),
    ("ureq", "models"),
    ("clap", "cli"),
    ("indicatif", "cli"),
    ("tracing_subscriber", "cli"),
];

fn sources() -> Vec<(String, PathBuf, String)> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(&path, out),
                false => out.push(path),
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let rust = files
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "rs"));
    rust.map(|path| {
        let room = path.strip_prefix(&root).unwrap().iter().next().unwrap();
        let room = room.to_str().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        // What a room's own tests use is their business.
        let tests = [
            "#[cfg(test)]\nmod tests {",
            "#[cfg(test)]\npub(super) mod tests {",
        ];
        let end = tests.iter().filter_map(|start| text.find(start)).min();
        let code = text[..end.unwrap_or(text.len())].to_owned();
        (room, path, code)
    })
    .filter(|(_, path, _)| !path.ends_with("tests.rs"))
    .collect()
}

/// Names after `crate::` and inside `use crate::{…}`.
fn used_rooms(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let word = |s: &str| {
            s.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        };
        match rest.strip_prefix('{') {
            Some(group) => {
                let end = group.find('}').unwrap_or(group.len());
                used.extend(group[..end].split(',').map(|s| word(s.trim())));
            }
            None => {
                used.insert(word(rest));
            }
        }
    }
    used
}

#[test]
fn rooms_use_only_whom_they_may() {
    let rooms: Vec<&str> = ARROWS.iter().map(|(room, _)| *room).collect();
    let mut wrong = Vec::new();
    for (room, path, code) in sources() {
        let Some((_, allowed)) = ARROWS.iter().find(|(r, _)| *r == room) else {
            assert!(
                ["lib", "main"].contains(&room.as_str()),
                "{room}: no such room"
            );
            continue;
        };
        for used in used_rooms(&code) {
            let known = rooms.contains(&used.as_str());
            let fine = used == room || used == "types" || allowed.contains(&used.as_str());
            if known && !fine {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_big_crate_has_one_room() {
    let mut wrong = Vec::new();
    for (room, path, code) in sources() {
        for (name, owner) in OWNED {
            if room != *owner && code.contains(&format!("{name}::")) {
                wrong.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn this_test_sees_what_is_used() {
    let code = "use crate::{media::Source, types::Region};\nlet x = crate::store::scan;";
    let used: Vec<String> = used_rooms(code).into_iter().collect();
    assert_eq!(used, ["media", "store", "types"]);
}
