//! Files beside a video that belong to it: subtitles.
//!
//! A folder is listed once, however many videos lie in it. What the files say is read by the
//! decoder's child process ([`super::Worker::sidecar`]), within the limits below.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::decode::subtitles::{Subtitle, read};
use super::{MediaError, regular_file};

/// Formats, by extension; the video's name may go on with a language before that.
const EXTENSIONS: [&str; 2] = ["srt", "vtt"];
/// Longest language, its dot included: `.zh-Hans`.
const LONGEST_LANGUAGE: usize = 8;
/// Lines kept of one file: hours of speech.
const LINES_KEPT: usize = 20_000;
/// Largest file that is read, in bytes: hours of speech take a hundredth of it.
const LARGEST: u64 = 16 << 20;

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

/// What a sidecar says. Called in the decoder's child.
///
/// # Errors
/// Where it cannot be read, or is larger than a subtitle file can be.
pub(super) fn subtitles(path: &Path) -> Result<Vec<Subtitle>, MediaError> {
    let metadata = regular_file(path)?;
    if metadata.len() > LARGEST {
        return Err(MediaError::Refused {
            path: path.into(),
            reason: format!(
                "has {} MB; subtitle files up to {} MB are read",
                metadata.len() >> 20,
                LARGEST >> 20
            ),
            other_kind: true,
        });
    }
    read(path, LINES_KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sidecars: &mut Sidecars, video: &Path) -> Vec<String> {
        let name = |p: &PathBuf| p.file_name().unwrap().to_string_lossy().into_owned();
        sidecars.of(video).iter().map(name).collect()
    }

    #[test]
    fn files_beside_a_video_are_found_by_name_and_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let put = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
        put(
            "gate.srt",
            "1\n00:00:01,500 --> 00:00:03,000\nA white <b>truck</b>\n\n",
        );
        put(
            "gate.zh.vtt",
            "WEBVTT\n\n00:05.000 --> 00:06.000\n\u{4e00}\u{53f7}\u{95e8}\n\n",
        );
        put("gate2.srt", "1\n00:00:01,000 --> 00:00:02,000\nno\n\n");
        put("gate.of-the-north.srt", "");
        let mut sidecars = Sidecars::default();
        let found = names(&mut sidecars, &at("gate.mp4"));
        assert_eq!(found, ["gate.srt", "gate.zh.vtt"]);
        assert!(names(&mut sidecars, Path::new("/nowhere/at.mp4")).is_empty());
        let lines = subtitles(&at("gate.srt")).unwrap();
        assert_eq!(lines[0].text, "A white truck");
        assert_eq!((lines[0].start, lines[0].end), (1.5, 3.0));
        let lines = subtitles(&at("gate.zh.vtt")).unwrap();
        assert_eq!(lines[0].text, "\u{4e00}\u{53f7}\u{95e8}");
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

    #[test]
    fn a_file_too_large_for_subtitles_is_refused_unread() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.srt");
        std::fs::File::create(&path)
            .unwrap()
            .set_len(LARGEST + 1)
            .unwrap();
        let refused = subtitles(&path).unwrap_err();
        assert!(refused.to_string().contains("subtitle files up to"));
        assert!(subtitles(dir.path()).is_err());
    }
}
