//! Adding rows to the file of vectors of a model.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::VectorsError;
use super::file::{BLOCK, Origin, Row, STATE, State, shortened};
use crate::store::sqlite::modes::{make_folder, open};
use crate::types::VectorId;

/// Adds rows to the file of a model. Nothing of it counts until [`Appender::finish`].
pub struct Appender {
    dir: PathBuf,
    state: State,
    vectors: Growing,
    rows: Growing,
    before: Option<u64>,
    /// It is begun here.
    fresh: bool,
}

struct Growing {
    path: PathBuf,
    file: BufWriter<File>,
    /// Of the last, unfinished block.
    hasher: blake3::Hasher,
}

impl Appender {
    /// Goes on where the file in `dir` ends; begins one where there is none that can be used, as
    /// [`Appender::rebuild`].
    pub fn open(dir: &Path, dim: usize, deleted: u64) -> Result<Self, VectorsError> {
        match State::read(dir, dim) {
            // One that is damaged where the next vector would go is not built on.
            Some(state) => Self::at(dir, state, None).or_else(|_| Self::rebuild(dir, dim, deleted)),
            None => Self::rebuild(dir, dim, deleted),
        }
    }

    /// Begins a file that takes the place of the one in `dir`; `deleted`: vectors the catalogue has deleted
    /// by now.
    pub fn rebuild(dir: &Path, dim: usize, deleted: u64) -> Result<Self, VectorsError> {
        // What a run left that did not finish.
        let counts = State::read(dir, dim).map(|s| s.epoch);
        for epoch in epochs(dir).into_iter().filter(|e| Some(*e) != counts) {
            remove(dir, epoch);
        }
        let before = epochs(dir);
        let epoch = before.iter().max().map_or(0, |e| e + 1);
        let mut state = State::fresh(dim, epoch);
        state.deleted_before = deleted;
        Self::at(dir, state, before.into_iter().max())
    }

    fn at(dir: &Path, state: State, before: Option<u64>) -> Result<Self, VectorsError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |cause| VectorsError::Write { path, cause }
        };
        make_folder(dir).map_err(failed(dir))?;
        let unfinished = !state.rows.is_multiple_of(BLOCK);
        let sums = [&state.vector_sums, &state.row_sums];
        let [vectors, rows] = [0, 1].map(|n| {
            let (path, stride) = &state.files(dir)[n];
            let sum = sums[n].last().filter(|_| unfinished);
            let opened = Growing::open(path, state.rows, *stride, sum);
            opened.map_err(failed(path))
        });
        Ok(Self {
            dir: dir.into(),
            vectors: vectors?,
            rows: rows?,
            fresh: state.rows == 0,
            state,
            before,
        })
    }

    /// The vector the next one comes after.
    pub fn last_id(&self) -> VectorId {
        VectorId(self.state.last_id)
    }

    /// `vector`: little-endian f16. Ids must grow.
    pub fn push(&mut self, row: Row, vector: &[u8]) -> Result<(), VectorsError> {
        if vector.len() != 2 * self.state.dim {
            return Err(VectorsError::Length {
                id: row.id().0,
                found: vector.len() / 2,
                dim: self.state.dim,
            });
        }
        self.vectors.push(vector)?;
        self.rows.push(bytemuck::bytes_of(&row))?;
        self.state.rows += 1;
        self.state.last_id = row.id().0;
        if self.state.rows.is_multiple_of(BLOCK) {
            self.close_block();
        }
        Ok(())
    }

    fn close_block(&mut self) {
        // A block that an earlier run left unfinished has a checksum already.
        let complete = (self.state.rows - 1) as usize / BLOCK as usize;
        self.state.vector_sums.truncate(complete);
        self.state.row_sums.truncate(complete);
        self.state.vector_sums.push(self.vectors.sum());
        self.state.row_sums.push(self.rows.sum());
    }

    /// Makes what was pushed count, as of a state of the catalogue; files it takes the place of go away.
    pub fn finish(mut self, origin: &Origin) -> Result<(), VectorsError> {
        self.state.origin = origin.clone();
        if self.fresh {
            self.state.begun.clone_from(&origin.token);
        }
        if !self.state.rows.is_multiple_of(BLOCK) {
            self.close_block();
        }
        self.vectors.sync()?;
        self.rows.sync()?;
        let path = self.dir.join(STATE);
        let written = self.state.write(&self.dir);
        written.map_err(|cause| VectorsError::Write { path, cause })?;
        if self.before.is_some() {
            for epoch in epochs(&self.dir) {
                if epoch != self.state.epoch {
                    remove(&self.dir, epoch);
                }
            }
        }
        Ok(())
    }
}

impl Growing {
    /// `sum`: of the last block, where that is unfinished.
    fn open(path: &Path, rows: u64, stride: u64, sum: Option<&String>) -> io::Result<Self> {
        let mut file = open(path, File::options().read(true).write(true))?;
        let counted = rows * stride;
        if file.metadata()?.len() < counted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // What an unfinished run left.
        file.set_len(counted)?;
        let mut hasher = blake3::Hasher::new();
        file.seek(SeekFrom::Start(rows / BLOCK * BLOCK * stride))?;
        let mut rest = Vec::new();
        file.read_to_end(&mut rest)?;
        hasher.update(&rest);
        if sum.is_some_and(|sum| *sum != shortened(hasher.finalize())) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self {
            path: path.into(),
            file: BufWriter::with_capacity(1 << 20, file),
            hasher,
        })
    }

    fn failed(&self, cause: io::Error) -> VectorsError {
        let path = self.path.clone();
        VectorsError::Write { path, cause }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), VectorsError> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|e| self.failed(e))
    }

    fn sum(&mut self) -> String {
        let hash = self.hasher.finalize();
        self.hasher.reset();
        shortened(hash)
    }

    fn sync(&mut self) -> Result<(), VectorsError> {
        let synced = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(|e| self.failed(e))
    }
}

fn remove(dir: &Path, epoch: u64) {
    for what in ["vectors", "rows", "graph"] {
        let _ = fs::remove_file(dir.join(format!("{what}.{epoch}")));
    }
}

/// Epochs of which a file lies in `dir`.
pub(super) fn epochs(dir: &Path) -> Vec<u64> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let epoch = |e: fs::DirEntry| {
        let name = e.file_name();
        let (what, epoch) = name.to_str()?.split_once('.')?;
        ["vectors", "rows", "graph"]
            .contains(&what)
            .then(|| epoch.parse().ok())?
    };
    let mut found: Vec<u64> = entries.filter_map(epoch).collect();
    found.sort_unstable();
    found.dedup();
    found
}
