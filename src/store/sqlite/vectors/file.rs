//! The vectors of one model as a file that is mapped: f16 rows one after the other, beside a row of
//! ids and times for each. Derived from the catalogue, and only ever appended to.
//!
//! `state.json` says how much of the two files counts and what their blocks hash to (BLAKE3); it is
//! replaced in one step after the data is on disk. What lies behind is left of a run that did not
//! finish. A rebuilt file takes another epoch, part of the names, so that whoever has the old one
//! mapped keeps it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};
use simsimd::f16;

use super::VectorsError;
use super::map::{Mapped, halves};
use crate::store::sqlite::modes::open;
use crate::types::{VectorId, VideoId};

/// Of the layout; another number is built again.
const VERSION: u32 = 1;
pub(super) const STATE: &str = "state.json";
/// Rows that share a checksum.
pub(super) const BLOCK: u64 = 4096;

/// What a vector belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Row {
    id: i64,
    video: i64,
    start: f64,
    end: f64,
}

impl Row {
    /// `start` and `end`: of its moment, in seconds.
    pub fn new(id: VectorId, video: VideoId, start: f64, end: f64) -> Self {
        let (id, video) = (id.0, video.0);
        Self {
            id,
            video,
            start,
            end,
        }
    }

    pub fn id(self) -> VectorId {
        VectorId(self.id)
    }

    pub fn video(self) -> VideoId {
        VideoId(self.video)
    }

    pub fn start(self) -> f64 {
        self.start
    }

    pub fn end(self) -> f64 {
        self.end
    }
}

/// The state of the catalogue that a derived file reflects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    pub generation: i64,
    /// Which history of the catalogue that generation is of: another library's, or another one since a copy
    /// was put back, has other tokens. Empty in files of formats before 7.
    #[serde(default)]
    pub token: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    version: u32,
    pub(super) epoch: u64,
    pub(super) dim: usize,
    pub(super) rows: u64,
    /// Vector id of the last row.
    pub(super) last_id: i64,
    /// Of the catalogue when it was last caught up.
    #[serde(flatten)]
    pub(super) origin: Origin,
    /// The token of the history in which this file was begun; with the epoch it tells the file from all
    /// others. Empty in files of formats before 7.
    #[serde(default)]
    pub(super) begun: String,
    /// Vectors the catalogue had deleted when this file was begun: those deleted since lie dead in it.
    #[serde(default)]
    pub(super) deleted_before: u64,
    /// Of each block of vectors, and of rows.
    pub(super) vector_sums: Vec<String>,
    pub(super) row_sums: Vec<String>,
}

impl State {
    pub(super) fn fresh(dim: usize, epoch: u64) -> Self {
        Self {
            version: VERSION,
            epoch,
            dim,
            rows: 0,
            last_id: 0,
            origin: Origin::default(),
            begun: String::new(),
            deleted_before: 0,
            vector_sums: Vec::new(),
            row_sums: Vec::new(),
        }
    }

    /// `None` where there is none that this vsearch and this length of vector can use.
    pub(super) fn read(dir: &Path, dim: usize) -> Option<Self> {
        let state: Self = serde_json::from_slice(&fs::read(dir.join(STATE)).ok()?).ok()?;
        let blocks = state.rows.div_ceil(BLOCK) as usize;
        let whole = state.vector_sums.len() == blocks && state.row_sums.len() == blocks;
        (state.version == VERSION && state.dim == dim && whole).then_some(state)
    }

    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let fresh = dir.join(format!("{STATE}.new"));
        let mut file = open(&fresh, File::options().write(true).truncate(true))?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&fresh, dir.join(STATE))?;
        File::open(dir)?.sync_all()
    }

    pub(super) fn files(&self, dir: &Path) -> [(PathBuf, u64); 2] {
        let name = |what: &str| dir.join(format!("{what}.{}", self.epoch));
        let row = size_of::<Row>() as u64;
        [(name("vectors"), 2 * self.dim as u64), (name("rows"), row)]
    }
}

/// The file, mapped.
pub struct Vectors {
    dir: PathBuf,
    state: State,
    vectors: Mapped,
    rows: Mapped,
    /// Stretches of rows of one video.
    runs: Vec<(VideoId, Range<usize>)>,
}

impl Vectors {
    /// Opens what lies in `dir` for vectors of `dim` values; `None` where nothing usable does.
    ///
    /// # Errors
    /// Where files are missing or shorter than they must be.
    pub fn open(dir: &Path, dim: usize) -> Result<Option<Self>, VectorsError> {
        let mut tries = 0;
        loop {
            let Some(state) = State::read(dir, dim) else {
                return Ok(None);
            };
            match Self::map(dir, state.clone()) {
                Ok(vectors) => return Ok(Some(vectors)),
                // Rebuilt since the state was read.
                Err(_) if tries < 3 && State::read(dir, dim).as_ref() != Some(&state) => tries += 1,
                Err(e) => return Err(e),
            }
        }
    }

    fn map(dir: &Path, state: State) -> Result<Self, VectorsError> {
        let [vectors, rows] = state.files(dir).map(|(path, stride)| {
            Mapped::open(&path, state.rows * stride).map_err(|e| VectorsError::Read {
                path,
                reason: e.to_string(),
            })
        });
        let mut opened = Self {
            dir: dir.into(),
            vectors: vectors?,
            rows: rows?,
            state,
            runs: Vec::new(),
        };
        opened.vectors.will_scan();
        let mut runs: Vec<(VideoId, Range<usize>)> = Vec::new();
        for (n, row) in opened.rows().iter().enumerate() {
            match runs.last_mut() {
                Some((video, run)) if *video == row.video() => run.end = n + 1,
                _ => runs.push((row.video(), n..n + 1)),
            }
        }
        opened.runs = runs;
        Ok(opened)
    }

    pub fn len(&self) -> usize {
        self.state.rows as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Vectors with a greater id are not in it.
    pub fn last_id(&self) -> VectorId {
        VectorId(self.state.last_id)
    }

    /// The catalogue's, when the file was last caught up.
    pub fn origin(&self) -> &Origin {
        &self.state.origin
    }

    /// How many vectors had been deleted from the catalogue when the file was begun.
    pub fn deleted_before(&self) -> u64 {
        self.state.deleted_before
    }

    /// What tells this file from all others, of this library or another.
    pub(in super::super) fn identity(&self) -> (&str, u64) {
        (&self.state.begun, self.state.epoch)
    }

    pub(in super::super) fn epoch(&self) -> u64 {
        self.state.epoch
    }

    pub(in super::super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn rows(&self) -> &[Row] {
        // Nothing is mapped then, and nothing is where nothing is aligned.
        if self.is_empty() {
            return &[];
        }
        bytemuck::cast_slice(self.rows.bytes())
    }

    /// Stretches of rows of one video, in order.
    pub fn runs(&self) -> &[(VideoId, Range<usize>)] {
        &self.runs
    }

    pub(in super::super) fn vector(&self, row: usize) -> &[f16] {
        let stride = 2 * self.state.dim;
        halves(&self.vectors.bytes()[row * stride..(row + 1) * stride])
    }

    /// Little-endian f16.
    pub fn bytes_of(&self, row: usize) -> &[u8] {
        let stride = 2 * self.state.dim;
        &self.vectors.bytes()[row * stride..(row + 1) * stride]
    }

    /// Whether the file still lies there as it was mapped, or has grown or been rebuilt.
    pub fn is_latest(&self) -> bool {
        State::read(&self.dir, self.state.dim).as_ref() == Some(&self.state)
    }

    /// The rows whose bytes are not those that were written; empty where all is well.
    pub fn damaged_rows(&self) -> Vec<Range<usize>> {
        self.damaged_among(0..self.state.vector_sums.len())
    }

    /// Whether some blocks of rows are as they were written: at most `count` of them, others each time
    /// `turn` is another, so that in the course of turns all are looked at.
    pub fn is_sound_in_part(&self, count: usize, turn: u64) -> bool {
        let blocks = self.state.vector_sums.len();
        let first = (turn as usize).wrapping_mul(count) % blocks.max(1);
        let looked_at = (0..blocks.min(count)).map(|n| (first + n) % blocks);
        self.damaged_among(looked_at).is_empty()
    }

    fn damaged_among(&self, blocks: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
        let stride = 2 * self.state.dim;
        let mut damaged = Vec::new();
        for n in blocks {
            let block = n * BLOCK as usize..self.len().min((n + 1) * BLOCK as usize);
            let of =
                |bytes: &[u8], stride: usize| sum(&bytes[block.start * stride..block.end * stride]);
            let well = of(self.vectors.bytes(), stride) == self.state.vector_sums[n]
                && of(self.rows.bytes(), size_of::<Row>()) == self.state.row_sums[n];
            if !well {
                damaged.push(block);
            }
        }
        damaged
    }
}

fn sum(bytes: &[u8]) -> String {
    shortened(blake3::hash(bytes))
}

pub(super) fn shortened(hash: blake3::Hash) -> String {
    hash.to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::super::append::{Appender, epochs};
    use super::super::tests::origin;
    use super::*;

    const DIM: usize = 4;

    fn push(dir: &Path, ids: Range<i64>) {
        let mut appender = Appender::open(dir, DIM, 0).unwrap();
        for id in ids
            .filter(|id| *id > appender.last_id().0)
            .collect::<Vec<_>>()
        {
            let row = Row::new(VectorId(id), VideoId(id / 3), id as f64, id as f64 + 1.0);
            appender.push(row, &packed(id)).unwrap();
        }
        appender.finish(&origin(1)).unwrap();
    }

    fn packed(id: i64) -> Vec<u8> {
        let values = [id as f32, 1.0, -1.0, 0.5].map(f16::from_f32);
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    #[test]
    fn what_was_appended_is_there_across_blocks_and_openings() {
        let dir = tempfile::tempdir().unwrap();
        for end in [3, 5, 4097, 4098, 9000] {
            push(dir.path(), 1..end);
            let file = Vectors::open(dir.path(), DIM).unwrap().unwrap();
            assert_eq!((file.len() as i64, file.last_id().0), (end - 1, end - 1));
            assert!(file.damaged_rows().is_empty());
            for id in [1, end / 2, end - 1] {
                assert_eq!(file.bytes_of(id as usize - 1), packed(id));
                assert_eq!(file.rows()[id as usize - 1].id(), VectorId(id));
            }
        }
        let file = Vectors::open(dir.path(), DIM).unwrap().unwrap();
        assert_eq!(file.runs()[1], (VideoId(1), 2..5));
        assert!(Vectors::open(dir.path(), DIM + 1).unwrap().is_none());
    }

    #[test]
    fn what_an_unfinished_run_left_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        push(dir.path(), 1..10);
        let mut appender = Appender::open(dir.path(), DIM, 0).unwrap();
        let row = Row::new(VectorId(99), VideoId(1), 0.0, 1.0);
        appender.push(row, &packed(99)).unwrap();
        drop(appender);
        assert_eq!(Vectors::open(dir.path(), DIM).unwrap().unwrap().len(), 9);
        push(dir.path(), 1..12);
        let file = Vectors::open(dir.path(), DIM).unwrap().unwrap();
        assert_eq!((file.len(), file.damaged_rows().len()), (11, 0));
        assert_eq!(file.bytes_of(9), packed(10));
    }

    #[test]
    fn rebuilt_the_old_stays_for_who_has_it_mapped() {
        let dir = tempfile::tempdir().unwrap();
        push(dir.path(), 1..10);
        let old = Vectors::open(dir.path(), DIM).unwrap().unwrap();
        let mut fresh = Appender::rebuild(dir.path(), DIM, 0).unwrap();
        let row = Row::new(VectorId(5), VideoId(1), 0.0, 1.0);
        fresh.push(row, &packed(5)).unwrap();
        fresh.finish(&origin(1)).unwrap();
        assert_eq!((old.len(), old.bytes_of(8)), (9, packed(9).as_slice()));
        assert!(!old.is_latest());
        let new = Vectors::open(dir.path(), DIM).unwrap().unwrap();
        assert_eq!((new.len(), new.rows()[0].id().0), (1, 5));
        assert_eq!(epochs(dir.path()), [1]);
    }

    #[test]
    fn damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        push(dir.path(), 1..5000);
        for (name, at) in [
            ("vectors.0", 7),
            ("rows.0", 5000 * 20),
            ("vectors.0", 4500 * 8),
        ] {
            let path = dir.path().join(name);
            let mut bytes = fs::read(&path).unwrap();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let file = Vectors::open(dir.path(), DIM).unwrap().unwrap();
            assert_eq!(file.damaged_rows().len(), 1, "{name}");
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
        }
        let path = dir.path().join("vectors.0");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..100]).unwrap();
        assert!(matches!(
            Vectors::open(dir.path(), DIM),
            Err(VectorsError::Read { .. })
        ));
        fs::remove_file(&path).unwrap();
        assert!(Vectors::open(dir.path(), DIM).is_err());
        fs::write(dir.path().join(STATE), "{").unwrap();
        assert!(Vectors::open(dir.path(), DIM).unwrap().is_none());
    }
}
