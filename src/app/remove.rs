//! Taking things out of the library, and the user's own words.

use std::path::{Path, PathBuf};

use super::{Error, Session, quoted, real_path};
use crate::store::Reader;
use crate::types::VideoId;

/// What is to be taken out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Removal {
    /// The videos, by path.
    pub videos: Vec<(VideoId, PathBuf)>,
    /// Paths that name nothing in the library.
    pub unknown: Vec<PathBuf>,
}

impl Removal {
    /// The videos at or below paths; `missing`: of those, or of all where no path is given, the ones whose files
    /// are gone. The files need not exist any more.
    pub fn of(reader: &Reader, paths: &[PathBuf], missing: bool) -> Result<Self, Error> {
        let mut videos: Vec<(VideoId, PathBuf)> = reader
            .videos()?
            .into_iter()
            .map(|v| (v.id, v.path))
            .collect();
        let mut unknown = Vec::new();
        if !paths.is_empty() {
            let paths: Vec<PathBuf> = paths.iter().map(|p| real_path(p)).collect();
            let names_none = |path: &&PathBuf| !videos.iter().any(|(_, v)| v.starts_with(path));
            unknown.extend(paths.iter().filter(names_none).cloned());
            videos.retain(|(_, v)| paths.iter().any(|p| v.starts_with(p)));
        }
        if missing {
            videos.retain(|(_, v)| is_gone(v));
        }
        Ok(Self { videos, unknown })
    }
}

/// A file that cannot be looked at may well be there.
pub(super) fn is_gone(path: &Path) -> bool {
    match path.try_exists() {
        Ok(there) => !there,
        Err(e) => e.kind() == std::io::ErrorKind::NotADirectory,
    }
}

impl Session {
    /// Takes videos out. Their files are not touched.
    pub fn remove(&self, removal: &Removal) -> Result<(), Error> {
        let gone: Vec<VideoId> = removal.videos.iter().map(|(id, _)| *id).collect();
        let mut writer = self.library().writer()?;
        writer.remove_videos(&gone)?;
        Ok(writer.catch_up()?)
    }

    /// Writes down what a video shows, or a time of it in seconds.
    pub fn add_note(&self, video: &Path, time: Option<f64>, text: &str) -> Result<(), Error> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::user("the note is empty")
                .hint("say what the video shows: vsearch note gate.mp4 \"green van\""));
        }
        let path = real_path(video);
        let reader = self.current_reader()?;
        let Some(known) = reader.video_at(&path)? else {
            let path = path.display();
            return Err(
                Error::user(format!("{path}: not in the library")).hint(format!(
                    "index it first: vsearch index {}",
                    quoted(&path.to_string())
                )),
            );
        };
        let length = reader.video_length(known)?;
        let beyond = |time: &f64| length > 0.0 && *time > length;
        if let Some(time) = time.filter(beyond) {
            let path = path.display();
            return Err(
                Error::user(format!("{path}: {time} s is beyond its end, {length:.3} s"))
                    .hint("give a time of the video, or none for all of it"),
            );
        }
        let mut writer = self.library().writer()?;
        writer.add_note(&path, time, text)?;
        Ok(writer.catch_up()?)
    }

    /// Takes the note of this number out.
    pub fn remove_note(&self, id: i64) -> Result<(), Error> {
        let mut writer = self.library().writer()?;
        if !writer.remove_note(id)? {
            return Err(Error::user(format!("there is no note {id}"))
                .hint("see which there are: vsearch note"));
        }
        Ok(writer.catch_up()?)
    }
}
