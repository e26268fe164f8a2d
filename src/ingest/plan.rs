//! Which files to read: walk, recognise by probing, leave out what is known and unchanged.

use std::collections::HashSet;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;

use walkdir::WalkDir;

use super::{Controls, Event, IngestError, Job};
use crate::media::sidecar::Sidecars;
use crate::media::{MediaError, Sampling, Span, Worker};
use crate::store::{FileStamp, Known, ModelWriter, Recorded, VideoRecord, content_digest};
use crate::types::VideoId;

/// Names that promise a video: where one is none, it is named, not skipped.
const VIDEO_EXTENSIONS: &[&str] = &[
    "3gp", "asf", "avi", "dav", "flv", "h264", "h265", "hevc", "m2ts", "m4v", "mkv", "mov", "mp4",
    "mpeg", "mpg", "mts", "mxf", "ogv", "ts", "vob", "webm", "wmv",
];

/// Containers that keep an index of their keyframes, by FFmpeg's names.
const SEEKABLE: &[&str] = &["mov,", "matroska,"];
/// Shortest stretch, in seconds, that is worth a decoder of its own.
const SPAN_AT_LEAST: f64 = 60.0;

/// A video to read.
pub(super) struct Video {
    pub(super) path: PathBuf,
    pub(super) stamp: FileStamp,
    /// Seconds, as its container claims.
    pub(super) duration: Option<f64>,
    /// Stretches of it that are read side by side; one where it is read from end to end.
    pub(super) spans: Vec<Span>,
    /// Its container keeps an index of its keyframes.
    seekable: bool,
    /// An earlier reading that this one continues, and how far it went, in seconds: the file has
    /// only grown since.
    pub(super) continues: Option<(VideoId, f64)>,
    /// Of its content, before it is read.
    pub(super) digest: Option<String>,
    /// Subtitle files beside it.
    pub(super) sidecars: Vec<PathBuf>,
}

#[cfg(test)]
impl Video {
    pub(super) fn new(path: PathBuf, stamp: FileStamp, duration: f64, spans: Vec<Span>) -> Self {
        Self {
            path,
            stamp,
            duration: Some(duration),
            spans,
            seekable: true,
            continues: None,
            digest: None,
            sidecars: Vec::new(),
        }
    }
}

/// A path that was asked for, or named like a video, and gives nothing.
#[derive(Debug)]
pub(super) struct PathProblem {
    pub(super) path: PathBuf,
    pub(super) reason: String,
    /// Of the file, where there is one to remember.
    stamp: Option<FileStamp>,
    /// An earlier reading that tells more than this.
    continues: Option<VideoId>,
}

impl PathProblem {
    /// Remembers the file and its reason, so that `status` can tell what was not seen.
    pub(super) fn record(&self, job: &Job, writer: &mut ModelWriter) -> Result<(), IngestError> {
        if let Some(stamp) = self.stamp {
            let video = writer.begin_video(&self.path, stamp, &job.reading())?;
            // A folder has no camera.
            let recorded = match self.path.is_file() {
                true => job.recorded(&self.path, None, stamp),
                false => Recorded::default(),
            };
            let record = VideoRecord {
                error: Some(self.reason.clone()),
                recorded,
                ..Default::default()
            };
            writer.finish_video(video, self.continues, &record)?;
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct Plan {
    pub(super) videos: Vec<Video>,
    pub(super) problems: Vec<PathProblem>,
    /// Folders that could be looked into.
    pub(super) folders: HashSet<PathBuf>,
    /// Known and unchanged, those read partly included.
    pub(super) current: usize,
    pub(super) still_partial: Vec<(PathBuf, String)>,
    pub(super) other: usize,
    /// Links out of the folders named, not followed.
    pub(super) outside: usize,
    /// Known ones of which this job makes another camera or time.
    pub(super) anew: Vec<(VideoId, Recorded)>,
}

impl Plan {
    /// How many of `anew` have a time that may be wrong.
    pub(super) fn doubtful(&self) -> usize {
        let doubts = self.anew.iter().filter(|(_, told)| told.doubt.is_some());
        doubts.count()
    }
}

/// `found` is called for each file to read.
pub(super) fn make(
    job: &Job,
    writer: &mut ModelWriter,
    prober: &mut Worker,
    found: &mut dyn FnMut(),
    Controls { stop, report }: Controls,
) -> Result<Plan, IngestError> {
    let mut plan = Plan::default();
    let mut seen = HashSet::new();
    let reading = job.reading();
    let mut sidecars = Sidecars::default();
    for root in &job.paths {
        let mut outside = 0;
        for entry in files_under(root, job, &mut outside) {
            if stop.load(Ordering::Relaxed) {
                return Ok(plan);
            }
            let (path, named) = match entry {
                Ok(Entry::Folder(path)) => {
                    plan.folders.insert(path);
                    continue;
                }
                Ok(Entry::File { path, named }) => (path, named && !job.found),
                Err(problem) => {
                    plan.folders.remove(&problem.path);
                    plan.problems.push(problem);
                    continue;
                }
            };
            if !seen.insert(path.clone()) {
                continue;
            }
            report(Event::Looking { files: seen.len() });
            let stamp = match FileStamp::of(&path) {
                Ok(stamp) => stamp,
                Err(e) => {
                    plan.problems.push(closed(path, &e));
                    continue;
                }
            };
            let mut continues = None;
            match writer.known(&path, stamp, &reading)? {
                Some(Known::Grown { earlier, read_to }) => continues = Some((earlier, read_to)),
                Some(known) => {
                    plan.current += 1;
                    if job.names.is_particular()
                        && let Some(before) = writer.recorded(&path)?
                        && let Some(now) = job.recorded_anew(&path, stamp, &before)
                    {
                        plan.anew.push((before.video, now));
                    }
                    if let Known::Partial(reason) = known {
                        plan.still_partial.push((path, reason));
                    }
                    continue;
                }
                None => {}
            }
            match prober.probe(&path) {
                Ok(info) => {
                    found();
                    plan.videos.push(Video {
                        spans: vec![Span::from(continues.map_or(0.0, |(_, read_to)| read_to))],
                        duration: info.duration,
                        seekable: SEEKABLE.iter().any(|s| info.container.starts_with(s)),
                        digest: content_digest(&path, stamp.size).ok(),
                        sidecars: sidecars.of(&path).to_vec(),
                        path,
                        stamp,
                        continues,
                    });
                }
                Err(MediaError::Stopped { .. }) => return Ok(plan),
                Err(e) if e.is_other_kind() && !named && !claims_video(&path) => plan.other += 1,
                Err(e) => {
                    let reason = e.reason(&path);
                    plan.problems.push(PathProblem {
                        continues: continues.map(|(earlier, _)| earlier),
                        ..problem(path, reason, Some(stamp))
                    });
                }
            }
        }
        plan.outside += outside;
    }
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    divide(&mut plan.videos, job.policy.sampling, cores);
    report(Event::Planned {
        videos: plan.videos.len(),
        current: plan.current,
        seconds: plan.videos.iter().filter_map(|v| v.duration).sum(),
    });
    Ok(plan)
}

/// Where there are fewer videos than half the cores, divides long ones among those left over. The other
/// half embeds: with two cores a second decoder would only take memory.
fn divide(videos: &mut [Video], sampling: Sampling, cores: usize) {
    let share = cores / 2 / videos.len().max(1);
    for video in videos {
        let whole = video.duration.unwrap_or(0.0);
        let count = ((whole / SPAN_AT_LEAST) as usize).min(share);
        // Where a scene begins is told by what came before.
        let apart = video.seekable && !matches!(sampling, Sampling::Scenes { .. });
        if count < 2 || video.continues.is_some() || !apart {
            continue;
        }
        // On whole multiples, so that each stretch goes on with the seconds of the one before.
        let step = match sampling {
            Sampling::Every { seconds } => seconds,
            _ => 1.0,
        };
        let edge = |n: usize| (whole * n as f64 / count as f64 / step).round() * step;
        let spans = (0..count).map(|n| Span {
            from: edge(n),
            to: (n + 1 < count).then(|| edge(n + 1)),
        });
        video.spans = spans.collect();
        video.spans.retain(|s| s.to.is_none_or(|to| to > s.from));
    }
}

/// What lies below a folder.
enum Entry {
    Folder(PathBuf),
    /// By its real path, with whether it was named itself.
    File {
        path: PathBuf,
        named: bool,
    },
}

/// Every file under `root`, and the folders it lies in. Links are
/// followed; those that lead nowhere or back up are skipped, those that lead out counted in `outside` where the job
/// does not follow them.
fn files_under<'a>(
    root: &Path,
    job: &'a Job,
    outside: &'a mut usize,
) -> impl Iterator<Item = Result<Entry, PathProblem>> + 'a {
    let (real, missing) = match root.canonicalize() {
        Ok(real) => (Some(real), None),
        Err(e) => (None, Some(Err(problem(root.into(), e.to_string(), None)))),
    };
    let roots = match job.roots.is_empty() {
        true => real.iter().cloned().collect(),
        false => job.roots.clone(),
    };
    let leads_out = move |real: &Path| !job.follow && !roots.iter().any(|r| real.starts_with(r));
    // What was found may be a link, too.
    let walked = real.filter(|real| !leads_out(real));
    let walk = walked.map(|real| {
        let walk = WalkDir::new(real).follow_links(true).sort_by_file_name();
        walk.into_iter().filter_entry(move |e| {
            let link = e.depth() > 0 && e.path_is_symlink();
            let out = link && e.path().canonicalize().is_ok_and(|real| leads_out(&real));
            *outside += usize::from(out);
            !out
        })
    });
    let entries = walk.into_iter().flatten().filter_map(|entry| match entry {
        Ok(e) if e.file_type().is_dir() => Some(Ok(Entry::Folder(e.into_path()))),
        Ok(e) => {
            let named = e.depth() == 0;
            let regular = e.file_type().is_file();
            // A pipe or a device would hang or never end.
            (regular || named).then(|| {
                let path = e.into_path();
                let path = path.canonicalize().unwrap_or(path);
                Ok(Entry::File { path, named })
            })
        }
        Err(e) if e.loop_ancestor().is_some() || is_dangling(&e) => None,
        Err(e) => {
            let path = e.path().unwrap_or(Path::new("")).to_owned();
            Some(Err(match e.io_error() {
                Some(io) => closed(path, io),
                None => problem(path, e.to_string(), None),
            }))
        }
    });
    missing.into_iter().chain(entries)
}

/// A folder or a file that cannot be looked into; remembered, as there may be videos in it.
fn closed(path: PathBuf, cause: &std::io::Error) -> PathProblem {
    let is_gone = cause.kind() == std::io::ErrorKind::NotFound;
    let unknown = FileStamp {
        size: 0,
        modified_ns: 0,
    };
    let stamp = (!is_gone).then(|| FileStamp::of(&path).unwrap_or(unknown));
    let what = if path.is_dir() { "the folder " } else { "" };
    problem(path, format!("{what}cannot be read: {cause}"), stamp)
}

fn problem(path: PathBuf, reason: String, stamp: Option<FileStamp>) -> PathProblem {
    PathProblem {
        path,
        reason,
        stamp,
        continues: None,
    }
}

fn is_dangling(e: &walkdir::Error) -> bool {
    let missing = e
        .io_error()
        .is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound);
    missing && e.depth() > 0 && !e.path().is_some_and(claims_video)
}

fn claims_video(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| VIDEO_EXTENSIONS.contains(&e.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(duration: f64, seekable: bool) -> Video {
        let stamp = FileStamp {
            size: 1,
            modified_ns: 1,
        };
        Video {
            seekable,
            ..Video::new("/a".into(), stamp, duration, vec![Span::WHOLE])
        }
    }

    fn spans(duration: f64, seekable: bool, sampling: Sampling, cores: usize) -> Vec<Span> {
        let mut videos = [video(duration, seekable)];
        divide(&mut videos, sampling, cores);
        let [video] = videos;
        video.spans
    }

    #[test]
    fn long_videos_are_divided_where_cores_are_left_over() {
        let every = Sampling::Every { seconds: 7.0 };
        let four = spans(3600.0, true, every, 8);
        assert_eq!(four.len(), 4);
        assert!(four[0].from == 0.0 && four[3].to.is_none());
        assert!(
            four.windows(2)
                .all(|w| w[0].to == Some(w[1].from) && w[1].from % 7.0 == 0.0)
        );
        assert_eq!(spans(130.0, true, every, 64).len(), 2);
        for whole in [
            spans(3600.0, true, every, 2),
            spans(100.0, true, every, 8),
            spans(3600.0, false, every, 8),
            spans(3600.0, true, Sampling::SCENES, 8),
        ] {
            assert_eq!(whole, [Span::WHOLE]);
        }
    }
}
