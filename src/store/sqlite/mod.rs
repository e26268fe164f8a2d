//! A library in a folder: the catalogue in SQLite, and what is derived of it: a mapped file of vectors and a
//! search graph for each model, an index of words.

pub mod catalog;
mod check;
pub mod graph;
mod kept;
mod model_writer;
mod reader;
pub mod vectors;
mod words;
mod writer;

use std::path::{Path, PathBuf};

pub use catalog::Thumbnails;
pub use model_writer::ModelWriter;
pub use reader::Reader;
pub use vectors::VectorsError;
pub use words::{WordsError, misread, words_held};
pub use writer::Writer;

use self::graph::Graph;
use self::vectors::Vectors;
use super::{Finding, GraphProgress, NewModel, StoreError};

/// From this many vectors of a model on, a graph is built.
pub const GRAPH_FROM: usize = 50_000;
/// The graph is grown when it lacks this share of the vectors; until then those are scanned.
const GRAPH_LACKS: f64 = 0.2;

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
