//! What the benches share: what they are asked for and print, pictures of a folder, and what vsearch is measured
//! against.

use std::io::Write;
use std::path::{Path, PathBuf};

use vsearch::embed::load_picture;
use vsearch::types::Pixels;

pub mod hnsw_rs_peer;

/// A picture of a folder.
pub struct Picture {
    /// Of its file, without the folder.
    pub name: String,
    pub pixels: Pixels,
}

/// The arguments, without those that cargo adds.
pub fn arguments() -> Vec<String> {
    std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect()
}

/// The pictures (`.jpg`, `.png`) of the folder that is named last among the arguments, by name.
pub fn pictures_asked_for() -> Vec<Picture> {
    let folder = arguments().pop().expect("a folder of pictures");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "jpg" || e == "png"))
        .collect();
    files.sort();
    let picture = |file: PathBuf| Picture {
        name: name(&file),
        pixels: load_picture(&file).expect("a picture"),
    };
    files.into_iter().map(picture).collect()
}

fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A line on standard output; whoever reads it may have gone.
pub fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
