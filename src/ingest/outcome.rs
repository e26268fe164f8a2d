//! What came of files, and of a run.

use std::path::Path;

/// What came of one file.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Indexed {
        frames: u64,
        decode_errors: u64,
    },
    /// Indexed as far as it can be read.
    Partial {
        frames: u64,
        reason: String,
    },
    Failed {
        reason: String,
    },
    /// Not read again: it has not changed since it was read as far as it goes.
    StillPartial {
        reason: String,
    },
    /// Interrupted; what was committed stays, the file is read again next time.
    Stopped,
}

/// What happens while it runs, for a display.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many files have been looked at to see which are videos.
    Looking { files: usize },
    /// What will be read: `seconds` of video where lengths are known.
    Planned {
        videos: usize,
        current: usize,
        seconds: f64,
    },
    /// A moment was committed that stands for `frames` samples and `seconds` of its video.
    Committed { frames: u64, seconds: f64 },
    /// A file is done; `left` seconds of it were not committed.
    Finished {
        path: &'a Path,
        outcome: &'a Outcome,
        left: f64,
    },
    /// A file beside a video gave nothing, or only some of what it says, and why.
    Sidecar {
        path: &'a Path,
        reason: &'a str,
        partly: bool,
    },
    /// All is committed; the derived indexes are brought up to it.
    CatchingUp,
}

/// How a run ended.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Summary {
    /// Files read to their end.
    pub indexed: usize,
    /// Files read as far as they go.
    pub partial: usize,
    /// Files that gave nothing.
    pub failed: usize,
    /// Files known and unchanged.
    pub current: usize,
    /// Of those, files that could be read only in part.
    pub still_partial: usize,
    /// Of those, files that were given another camera or time than they had.
    pub updated: usize,
    /// Files whose time of recording may be wrong, of those read or updated.
    pub doubtful: usize,
    /// Files read whose brightness has a range (HDR) that this FFmpeg cannot bring down.
    pub untoned: usize,
    /// Files of other kinds, skipped.
    pub other: usize,
    /// Links out of the folders named, not followed.
    pub outside: usize,
    /// Samples looked at, and moments they were folded into.
    pub frames: u64,
    pub moments: u64,
    pub interrupted: bool,
}

impl Summary {
    /// Every file asked for is in the library, whole.
    pub fn all_indexed(&self) -> bool {
        self.partial + self.still_partial + self.failed == 0 && !self.interrupted
    }

    /// Videos that are in the library after this run.
    pub fn videos(&self) -> usize {
        self.indexed + self.partial + self.current
    }
}
