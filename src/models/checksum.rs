//! The hub names each file by its checksum: large ones by SHA-256, the rest as git names a blob.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::{Digest, Sha1};
use sha2::Sha256;

const CHUNK: usize = 1 << 20;

/// Whether `file` is what `name`, the hub's ETag, says; `None` where that is no checksum.
pub(super) fn matches(file: &Path, name: &str) -> io::Result<Option<bool>> {
    if !name.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let found = match name.len() {
        64 => hex(&hashed(file, Sha256::new())?),
        40 => {
            let header = format!("blob {}\0", file.metadata()?.len());
            hex(&hashed(file, Sha1::new_with_prefix(header))?)
        }
        _ => return Ok(None),
    };
    Ok(Some(found.eq_ignore_ascii_case(name)))
}

fn hashed<D: Digest>(path: &Path, mut digest: D) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().to_vec()),
            n => digest.update(&buffer[..n]),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_sha256_and_gits() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "hello\n").unwrap();
        let is = |name: &str| matches(&file, name).unwrap();
        // printf 'hello\n' | sha256sum; | git hash-object --stdin
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        assert_eq!(is(sha256), Some(true));
        assert_eq!(is("ce013625030ba8dba906f756967f9e9ca394464a"), Some(true));
        assert_eq!(is(&"0".repeat(64)), Some(false));
        assert_eq!(is("mirror-etag-3"), None);
    }
}
