//! Pictures named on the command line: a picture file, or a moment of a video.

use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::output::shown;
use crate::embed::load_picture;
use crate::media::frame_at;
use crate::types::Pixels;

/// The picture in a file, or, for `VIDEO@TIME`, the frame a player shows then. A file whose name
/// holds an `@` is taken as a file.
pub(super) fn picture(named: &str) -> Result<Pixels, Failure> {
    let path = Path::new(named);
    if path.exists() {
        return load_picture(path).map_err(|e| {
            Failure::from(e).hint(format!(
                "of a video, name the time as well: --image '{named}@12.5'"
            ))
        });
    }
    let (video, seconds) = video_at(named)?;
    frame_at(&video, None, seconds.unwrap_or(0.0))
        .map_err(|e| Failure::new(e).hint("vsearch status shows how far videos go"))
}

/// A video and a time of it, in seconds.
pub(super) fn video_at(named: &str) -> Result<(PathBuf, Option<f64>), Failure> {
    let Some((video, time)) = named.rsplit_once('@') else {
        return Err(
            Failure::new(format!("{}: no such file", shown(Path::new(named))))
                .hint("name a file, or a video and a time: gate.mp4@00:01:30"),
        );
    };
    let Some(seconds) = seconds(time) else {
        return Err(Failure::new(format!("{time:?} is not a time"))
            .hint(format!("give seconds or a timecode: '{video}@00:01:30.5'")));
    };
    Ok((video.into(), Some(seconds)))
}

/// `SECONDS`, `MM:SS` or `HH:MM:SS`, each with a fraction or without.
fn seconds(text: &str) -> Option<f64> {
    let parts: Vec<&str> = text.split(':').collect();
    let digits = |p: &&str| !p.is_empty() && p.chars().all(|c| c.is_ascii_digit() || c == '.');
    // Two digits each, so that `3:0.7` is 3 s and a weight.
    let two = |p: &&str| p.split('.').next().is_some_and(|whole| whole.len() == 2);
    if parts.len() > 3 || !parts.iter().all(digits) || !parts[1..].iter().all(two) {
        return None;
    }
    let add = |sum: f64, part: &&str| Some(sum * 60.0 + part.parse::<f64>().ok()?);
    parts.iter().try_fold(0.0, add)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_are_seconds_or_timecodes() {
        assert_eq!(seconds("12.5"), Some(12.5));
        assert_eq!(seconds("1:30"), Some(90.0));
        assert_eq!(seconds("01:00:00.250"), Some(3600.25));
        for wrong in [
            "",
            "x",
            "1:",
            "-1",
            "1:02:03:04",
            "1.2.3",
            "inf",
            "3:0.7",
            "1:2",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
