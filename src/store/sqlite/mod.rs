//! A library in a folder: the catalogue in SQLite, and what is derived of it: a mapped file of vectors and a
//! search graph for each model, an index of words.

mod backup;
pub mod catalog;
mod check;
pub mod graph;
mod kept;
mod model_writer;
mod modes;
mod reader;
pub mod vectors;
mod words;
mod writer;

use std::path::{Path, PathBuf};

pub use catalog::Thumbnails;
pub use kept::of_this_user;
pub use model_writer::ModelWriter;
pub use reader::Reader;
pub use vectors::VectorsError;
pub use words::{WordsError, misread, words_held};
pub use writer::Writer;

use self::graph::Graph;
use self::modes::Modes;
use self::vectors::Vectors;
use super::{Finding, GraphProgress, NewModel, StoreError};

/// From this many vectors of a model on, a graph is built.
pub const GRAPH_FROM: usize = 50_000;
/// The graph is grown when it lacks this share of the vectors; until then those are scanned.
const GRAPH_LACKS: f64 = 0.2;

/// There where others are known to be able to read a library.
const SHARED: &str = "shared";

/// Where a library is, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    dir: PathBuf,
}

impl Library {
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens it to read.
    ///
    /// # Errors
    /// [`StoreError::NoLibrary`], [`StoreError::Older`], and what is wrong with it.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(self)
    }

    /// The same, of a library that is about to be written: one of an earlier format is brought up to date.
    pub fn current_reader(&self) -> Result<Reader, StoreError> {
        match self.reader() {
            Err(StoreError::Older { .. }) => {
                drop(self.writer()?);
                self.reader()
            }
            opened => opened,
        }
    }

    /// Opens it to write; makes it where there is none, and brings one of an earlier format up to date.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where another process writes.
    pub fn writer(&self) -> Result<Writer, StoreError> {
        Writer::open(self)
    }

    /// Makes an empty library; `shared`: others may read and write it as the umask says, else its maker alone.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where there is one already.
    pub fn create(&self, shared: bool) -> Result<(), StoreError> {
        let dir = self.dir.clone();
        match dir.join(catalog::FILE).try_exists() {
            Ok(false) => {}
            Ok(true) => return Err(StoreError::Exists { dir }),
            Err(cause) => return Err(StoreError::Folder { dir, cause }),
        }
        if shared {
            let made = modes::make_shared(&dir).and_then(|()| self.tell_shared());
            made.map_err(|cause| StoreError::Folder { dir, cause })?;
        }
        self.writer()?.catch_up()
    }

    /// Makes its folder, where there is none.
    pub fn make_folder(&self) -> Result<(), StoreError> {
        modes::make_folder(&self.dir).map_err(|cause| StoreError::Folder {
            dir: self.dir.clone(),
            cause,
        })
    }

    /// Whether others than its owner may read it although nobody said so. Told once for each library.
    pub fn is_newly_found_open(&self) -> bool {
        let open = self.dir.join(catalog::FILE).exists() && Modes::within(&self.dir).are_wide();
        open && !self.dir.join(SHARED).exists() && self.tell_shared().is_ok()
    }

    fn tell_shared(&self) -> std::io::Result<()> {
        modes::make(&self.dir.join(SHARED))
    }

    /// Opens it to add vectors of the model that answers there. The first one to write becomes that.
    ///
    /// # Errors
    /// [`StoreError::OtherModel`] where another one answers.
    pub fn model_writer(&self, model: NewModel) -> Result<ModelWriter, StoreError> {
        ModelWriter::open(self.writer()?, model)
    }

    /// Opens it to add vectors of a model beside those of the one that answers.
    pub fn model_writer_beside(&self, model: NewModel) -> Result<ModelWriter, StoreError> {
        ModelWriter::open_beside(self.writer()?, model)
    }

    /// Looks at every page, vector and link.
    ///
    /// # Errors
    /// Where the catalogue cannot even be opened.
    pub fn check(&self) -> Result<Vec<Finding>, StoreError> {
        check::check(self)
    }

    /// Makes again what [`Library::check`] finds repairable.
    pub fn repair(&self) -> Result<(), StoreError> {
        check::repair(self)
    }

    /// Builds or grows the graph of a model from `from` vectors on, where enough is missing from it. Nothing
    /// waits for it: it only reads the file of vectors, and queries are answered exactly until it is there.
    pub fn grow_graph(
        &self,
        (fingerprint, dim): (&str, usize),
        from: usize,
        progress: &GraphProgress,
    ) -> Result<(), StoreError> {
        let Some(vectors) = Vectors::open(&self.vectors_dir(fingerprint), dim)? else {
            return Ok(());
        };
        let covered = Graph::open(&vectors).ok().flatten().map_or(0, |g| g.len());
        let lacking = vectors.len() - covered;
        let enough = lacking as f64 > GRAPH_LACKS * vectors.len() as f64;
        if vectors.len() < from || !enough {
            return Ok(());
        }
        match graph::build(&vectors, progress) {
            Err(VectorsError::Stopped) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Where the files derived for a model lie. The fingerprint is hex: a safe file name.
    fn vectors_dir(&self, fingerprint: &str) -> PathBuf {
        self.dir.join("vectors").join(fingerprint)
    }

    /// Where the index of words lies.
    fn words_dir(&self) -> PathBuf {
        self.dir.join("text")
    }
}

#[cfg(test)]
mod tests;
