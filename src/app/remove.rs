//! Taking things out of the library, and the user's own words.

use std::path::{Path, PathBuf};

use super::{Error, Session, quoted};
use crate::types::VideoId;

/// What was taken out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Removed {
    pub videos: usize,
    /// Paths that name nothing in the library.
    pub unknown: Vec<PathBuf>,
}

impl Session {
    /// Takes out the videos at or below paths; and, `missing`, those whose files are gone. The files are
    /// not touched and need not exist any more.
    pub fn remove(&self, paths: &[PathBuf], missing: bool) -> Result<Removed, Error> {
        let videos = self.current_reader()?.videos()?;
        let mut gone: Vec<VideoId> = Vec::new();
        let mut removed = Removed::default();
        if missing {
            gone.extend(videos.iter().filter(|v| !v.path.exists()).map(|v| v.id));
        }
        for path in paths {
            let path = absolute(path);
            let below = videos.iter().filter(|v| v.path.starts_with(&path));
            let before = gone.len();
            gone.extend(below.map(|v| v.id));
            if gone.len() == before {
                removed.unknown.push(path);
            }
        }
        gone.sort();
        gone.dedup();
        let mut writer = self.library().writer()?;
        writer.remove_videos(&gone)?;
        writer.catch_up()?;
        removed.videos = gone.len();
        Ok(removed)
    }

    /// Writes down what a video shows, or a time of it in seconds.
    pub fn add_note(&self, video: &Path, time: Option<f64>, text: &str) -> Result<(), Error> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::user("the note is empty")
                .hint("say what the video shows: vsearch note gate.mp4 \"green van\""));
        }
        let path = video.canonicalize().unwrap_or_else(|_| video.to_owned());
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

/// As the catalogue keeps it: links resolved where the file still exists.
fn absolute(path: &Path) -> PathBuf {
    path.canonicalize()
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_owned())
}
