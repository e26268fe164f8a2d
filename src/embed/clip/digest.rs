//! The digest of a weights file, kept beside other caches: reading gigabytes to name a model must not
//! precede every query.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Hex BLAKE3 of the file. Taken again where its path, size or time has changed since last.
pub(super) fn of(path: &Path) -> io::Result<String> {
    let whole = path.canonicalize()?;
    let metadata = whole.metadata()?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH);
    let modified = modified.map_or(0, |d| d.as_nanos());
    let stamp = format!("{} {modified}", metadata.len());
    let cache = cache(&whole);
    if let Some(known) = cache.as_ref().and_then(|c| fs::read_to_string(c).ok())
        && let Some((digest, of)) = known.split_once(' ')
        && of == stamp
    {
        return Ok(digest.to_owned());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(&whole)?)?;
    let digest = hasher.finalize().to_hex().to_string();
    if let Some(cache) = cache {
        // Without a cache it is only slower.
        let _ = keep(&cache, &format!("{digest} {stamp}"));
    }
    Ok(digest)
}

fn cache(path: &Path) -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "vsearch")?;
    let name = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
    Some(dirs.cache_dir().join("digests").join(name.as_str()))
}

/// Written beside and renamed: a reader sees all of it or none.
fn keep(cache: &Path, text: &str) -> io::Result<()> {
    let folder = cache.parent().unwrap_or(cache);
    fs::create_dir_all(folder)?;
    let beside = tempfile::NamedTempFile::new_in(folder)?;
    fs::write(beside.path(), text)?;
    beside.persist(cache)?;
    Ok(())
}
