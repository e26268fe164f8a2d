//! The library as one thing: a [`Writer`] that commits and keeps the derived files caught up, a
//! [`Reader`] that answers exactly, or from the graph where that is quicker.

mod check;
mod kept;
mod reader;
mod writer;

use std::path::{Path, PathBuf};

pub use check::{Finding, check, mend};
pub use reader::{Filter, Found, Holds, Method, Reader};
pub use writer::{Writer, grow_graph};

use crate::ann::AnnError;
pub use crate::ann::{Neighbour, Progress as GraphProgress};
pub use crate::catalog::{
    CatalogError, Concept, FileStamp, Known, Lacking, ModelRow, MomentRow, NewMoment, NewText,
    Note, Recorded, TextKind, Thumbnails, VideoRecord, VideoRef, VideoRow, content_digest,
};
use crate::text::TextError;
pub use crate::text::{Match, Passage, holds_all};

/// From this many vectors of a model on, a graph is built.
pub const GRAPH_FROM: usize = 50_000;

/// Why the library did not answer.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Ann(#[from] AnnError),
    #[error(transparent)]
    Text(#[from] TextError),
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

/// Where the derived files of a model lie. The fingerprint is hex: a safe file name.
fn derived_dir(library: &Path, fingerprint: &str) -> PathBuf {
    library.join("vectors").join(fingerprint)
}

/// Where the index of words lies.
fn text_dir(library: &Path) -> PathBuf {
    library.join("text")
}

#[cfg(test)]
mod tests;
