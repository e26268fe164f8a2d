//! Why a library did not answer.

use std::path::PathBuf;

use super::sqlite::{VectorsError, WordsError};

/// Why a library did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{}: there is no library here", dir.display())]
    NoLibrary { dir: PathBuf },
    #[error("{}: the library was written by a newer vsearch (format {found}; this one knows {known})", dir.display())]
    Newer {
        dir: PathBuf,
        found: i64,
        known: usize,
    },
    #[error("{}: the library was written by an older vsearch", dir.display())]
    Older { dir: PathBuf },
    #[error("{}: there is a library here already", dir.display())]
    Exists { dir: PathBuf },
    #[error("{}: the library is another user's, who alone may read it", dir.display())]
    Forbidden { dir: PathBuf },
    #[error("{}: a writer was cut off here, and what it left can be put in order only where the folder can be written", dir.display())]
    Unfinished { dir: PathBuf },
    #[error("{}: no copy can be made here: {cause}", to.display())]
    Copy { to: PathBuf, cause: std::io::Error },
    #[error("{}: the library is read-only", dir.display())]
    ReadOnly { dir: PathBuf },
    #[error("{}: the library is in use by another vsearch that is writing{}", dir.display(), named(*.process))]
    Busy { dir: PathBuf, process: Option<u32> },
    #[error("{}: this file system has no locks ({cause}), so two programs could write at once", dir.display())]
    NoLocks { dir: PathBuf, cause: std::io::Error },
    #[error("{}: the disk of the library is full; what was committed stays", dir.display())]
    Full { dir: PathBuf },
    #[error("{}: the folder of the library cannot be made: {cause}", dir.display())]
    Folder { dir: PathBuf, cause: std::io::Error },
    #[error("{}: not a vsearch catalogue, or damaged: {cause}", path.display())]
    Damaged {
        path: PathBuf,
        cause: rusqlite::Error,
    },
    #[error("{}: the catalogue could not be brought up to date: {cause}", path.display())]
    Migration {
        path: PathBuf,
        cause: rusqlite_migration::Error,
    },
    #[error("the catalogue failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Vectors(#[from] VectorsError),
    #[error(transparent)]
    Words(#[from] WordsError),
    #[error("{}: queries are answered by {held} here, and {model} has no vectors of the videos in it yet", dir.display())]
    OtherModel {
        dir: PathBuf,
        model: String,
        held: String,
    },
    #[error("the vectors of {model} have {held} values here, those of the model given {found}")]
    OtherLength {
        model: String,
        held: usize,
        found: usize,
    },
}

fn named(process: Option<u32>) -> String {
    process.map_or(String::new(), |pid| format!(" (process {pid})"))
}
