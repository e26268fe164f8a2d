//! Copies of a library.

use std::io;
use std::path::{Path, PathBuf};

use super::catalog::FILE;
use super::{Library, Reader, modes};
use crate::store::StoreError;

/// Begins the name of a copy that is being made.
const UNFINISHED: &str = ".unfinished-";

impl Reader {
    /// Copies the library as it is now to a folder that is empty or not there, while others read and write it. The
    /// copy is its maker's alone. One that fails leaves nothing; one that is cut off leaves no library.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let was_there = to.exists();
        let copied = self.copy(to);
        if copied.is_err() && !was_there {
            // Only where it is empty.
            let _ = std::fs::remove_dir(to);
        }
        copied
    }

    fn copy(&self, to: &Path) -> Result<(), StoreError> {
        let failed = |cause| StoreError::Copy {
            to: to.into(),
            cause,
        };
        modes::make_folder(to).map_err(failed)?;
        let unfinished = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(to);
        let unfinished = unfinished.map_err(failed)?;
        let derive = || Library::at(unfinished.path()).writer()?.catch_up();
        let made = self.catalog.backup(unfinished.path());
        made.and_then(|()| derive()).map_err(|e| match e {
            // By the name that was given.
            StoreError::Full { .. } => StoreError::Full { dir: to.into() },
            StoreError::Copy { cause, .. } => failed(cause),
            e => e,
        })?;
        put_in_place(unfinished.path(), to).map_err(failed)
    }
}

/// Moves all of a folder to the one it lies in, what makes it a library last.
fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    let entries = from.read_dir()?.map(|e| Ok(e?.file_name()));
    let mut names = entries.collect::<io::Result<Vec<_>>>()?;
    names.sort_by_key(|name| name == FILE);
    let mut moved: Vec<PathBuf> = Vec::new();
    for name in names {
        let there = to.join(&name);
        if let Err(e) = std::fs::rename(from.join(&name), &there) {
            for back in moved {
                let _ = std::fs::remove_dir_all(&back).or_else(|_| std::fs::remove_file(&back));
            }
            return Err(e);
        }
        moved.push(there);
    }
    Ok(())
}
