//! The library as one thing: a [`Writer`] that commits and keeps the derived graph caught up,
//! a [`Reader`] that answers exactly, or from the graph where that is current and worth opening.

mod reader;
mod writer;

use std::path::{Path, PathBuf};

pub use reader::{Keep, Method, Reader};
pub use writer::Writer;

use crate::ann::AnnError;
pub use crate::ann::Neighbour;
pub use crate::catalog::{
    CatalogError, FileStamp, Known, MomentRow, NewMoment, Recorded, VideoRecord, VideoRef,
    VideoRow, content_digest,
};

/// From this many vectors of a model on, a graph is built. A reader asks it from its second query
/// on: opening it costs more than one exact answer (docs/decisions/0004-exact-first.md).
pub const GRAPH_FROM: usize = 10_000;

/// Why the library did not answer.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Ann(#[from] AnnError),
    #[error("{}: the library holds vectors of {}, and cannot take those of {model} as well yet", dir.display(), held.join(", "))]
    OtherModel {
        dir: PathBuf,
        model: String,
        held: Vec<String>,
    },
}

/// Where the graph of a model lies. The fingerprint is hex: a safe file name.
fn graph_dir(library: &Path, fingerprint: &str) -> PathBuf {
    library.join("ann").join(fingerprint)
}

#[cfg(test)]
mod tests;
