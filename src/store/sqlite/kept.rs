//! Small files that readers leave in the library's folder to save work: derived, and never missed. Where they may not
//! write there, they lie in the user's own cache.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Reader;
use super::modes::{Modes, make_folder};

const FOLDER: &str = "kept";
/// Bytes of the checksum before the data (BLAKE3).
const SUM: usize = blake3::OUT_LEN;

/// A name under which each user keeps something of their own.
pub fn of_this_user(name: &str) -> String {
    format!("{name}-{}", rustix::process::geteuid().as_raw())
}

impl Reader {
    /// What an earlier run kept under a name; `None` where there is nothing, or it is damaged.
    pub fn kept(&self, name: &str) -> Option<Vec<u8>> {
        let own = self.own_folder().and_then(|folder| read(&folder, name));
        own.or_else(|| read(&self.library.dir().join(FOLDER), name))
    }

    /// Keeps something for later runs. Where nothing can be written they do without.
    pub fn keep(&self, name: &str, data: &[u8]) {
        let folder = self.library.dir().join(FOLDER);
        let own = self.own_folder();
        match write(&folder, name, data) {
            // What was kept there while the library could not be written is older.
            Ok(()) => own.map(|own| drop(std::fs::remove_file(own.join(name)))),
            Err(_) => own.map(|own| drop(write(&own, name, data))),
        };
    }

    /// Where this user keeps what cannot be kept with this library.
    fn own_folder(&self) -> Option<PathBuf> {
        let library = self.library.dir().canonicalize().ok()?;
        let sum = blake3::hash(library.as_os_str().as_encoded_bytes()).to_hex();
        let dirs = directories::ProjectDirs::from("", "", "vsearch")?;
        Some(dirs.cache_dir().join(FOLDER).join(&sum[..16]))
    }
}

fn read(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let mut bytes = std::fs::read(folder.join(name)).ok()?;
    let data = bytes.split_off(SUM.min(bytes.len()));
    (bytes == blake3::hash(&data).as_bytes()).then_some(data)
}

fn write(folder: &Path, name: &str, data: &[u8]) -> std::io::Result<()> {
    make_folder(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let _ = file.as_file().set_permissions(Modes::within(folder).file());
    file.write_all(blake3::hash(data).as_bytes())?;
    file.write_all(data)?;
    file.persist(folder.join(name))?;
    Ok(())
}
