//! What tells one file from another, and a file from its earlier self.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// What tells a changed file from a known one without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    pub size: u64,
    pub modified_ns: i64,
}

impl FileStamp {
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        let modified = metadata.modified()?;
        let modified_ns = match modified.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
        };
        Ok(Self {
            size: metadata.len(),
            modified_ns,
        })
    }
}

/// Places looked at, and bytes read at each: 1 MB in all, however large the file.
const PLACES: u64 = 16;
const AT_EACH: u64 = 64 * 1024;

/// Hex BLAKE3 of the length and of samples of the first `length` bytes of a file. Videos that
/// differ differ in nearly all of their bytes; this is no protection against forgery.
pub fn content_digest(path: &Path, length: u64) -> io::Result<String> {
    // Before it is opened: a pipe would block there.
    if !path.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&length.to_le_bytes());
    let last = length.saturating_sub(AT_EACH);
    let mut buffer = vec![0; AT_EACH.min(length) as usize];
    let mut before = None;
    for place in 0..PLACES {
        let at = (u128::from(last) * u128::from(place) / u128::from(PLACES - 1)) as u64;
        if before.replace(at) != Some(at) {
            file.read_exact_at(&mut buffer, at)?;
            hasher.update(&buffer);
        }
    }
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_knows_a_grown_file_by_its_old_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let bytes: Vec<u8> = (0..3_000_000u32).map(|i| ((i * 31) >> 7) as u8).collect();
        std::fs::write(&path, &bytes[..2_000_000]).unwrap();
        let before = content_digest(&path, 2_000_000).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(content_digest(&path, 2_000_000).unwrap(), before);
        assert_ne!(content_digest(&path, 3_000_000).unwrap(), before);
        let mut other = bytes;
        other[0] ^= 1;
        std::fs::write(&path, &other).unwrap();
        assert_ne!(content_digest(&path, 2_000_000).unwrap(), before);
        std::fs::write(&path, "x").unwrap();
        assert!(content_digest(&path, 1).is_ok());
        assert!(content_digest(&path, 2).is_err());
    }
}
