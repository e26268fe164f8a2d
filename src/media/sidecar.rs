//! Files beside a video that belong to it: subtitles.
//!
//! A folder is listed once, however many videos lie in it. What the files say is read by the
//! decoder's child process ([`super::Worker::sidecar`], [`super::subtitles`]).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Formats, by extension; the video's name may go on with a language before that.
const EXTENSIONS: [&str; 2] = ["srt", "vtt"];
/// Longest language, its dot included: `.zh-Hans`.
const LONGEST_LANGUAGE: usize = 8;

/// The sidecars of folders, each listed when it is first asked about.
#[derive(Debug, Default)]
pub struct Sidecars {
    /// Of each folder: the files by the name of the video they belong to, without its extension.
    folders: HashMap<PathBuf, HashMap<String, Vec<PathBuf>>>,
}

impl Sidecars {
    /// The files beside a video, in order of their names.
    pub fn of(&mut self, video: &Path) -> &[PathBuf] {
        let (Some(folder), Some(stem)) = (video.parent(), video.file_stem()) else {
            return &[];
        };
        if !self.folders.contains_key(folder) {
            self.folders.insert(folder.to_owned(), list(folder));
        }
        let of_folder = self.folders.get(folder);
        let named = of_folder.zip(stem.to_str());
        let found = named.and_then(|(files, stem)| files.get(stem));
        found.map_or(&[], Vec::as_slice)
    }
}

fn list(folder: &Path) -> HashMap<String, Vec<PathBuf>> {
    let mut files: HashMap<String, Vec<PathBuf>> = HashMap::new();
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some((front, extension)) = name.to_str().and_then(|n| n.rsplit_once('.')) else {
            continue;
        };
        if !EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()) {
            continue;
        }
        let languages = front
            .char_indices()
            .filter(|(at, c)| *c == '.' && front.len() - at <= LONGEST_LANGUAGE);
        let stems = languages.map(|(at, _)| &front[..at]).chain([front]);
        for stem in stems.filter(|s| !s.is_empty()) {
            files.entry(stem.into()).or_default().push(entry.path());
        }
    }
    files.values_mut().for_each(|of| of.sort());
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sidecars: &mut Sidecars, video: &Path) -> Vec<String> {
        let name = |p: &PathBuf| p.file_name().unwrap().to_string_lossy().into_owned();
        sidecars.of(video).iter().map(name).collect()
    }

    #[test]
    fn files_beside_a_video_are_found_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in [
            "gate.srt",
            "gate.zh.vtt",
            "gate2.srt",
            "gate.of-the-north.srt",
        ] {
            std::fs::write(at(name), "").unwrap();
        }
        let mut sidecars = Sidecars::default();
        let found = names(&mut sidecars, &at("gate.mp4"));
        assert_eq!(found, ["gate.srt", "gate.zh.vtt"]);
        assert!(names(&mut sidecars, Path::new("/nowhere/at.mp4")).is_empty());
    }

    #[test]
    fn a_folder_is_listed_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.srt"), "").unwrap();
        let mut sidecars = Sidecars::default();
        assert_eq!(names(&mut sidecars, &dir.path().join("a.mp4")), ["a.srt"]);
        // What comes later is seen by the next run.
        std::fs::write(dir.path().join("b.srt"), "").unwrap();
        assert!(names(&mut sidecars, &dir.path().join("b.mp4")).is_empty());
        assert_eq!(sidecars.folders.len(), 1);
    }
}
