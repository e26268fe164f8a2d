//! Files seen as memory. The only unsafe code of vsearch: mapping a file, and seeing its bytes as
//! halves.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::{Advice, Mmap};
use simsimd::f16;

/// The first bytes of a file, mapped.
pub(in super::super) struct Mapped(Option<Mmap>);

impl Mapped {
    /// Maps the first `length` bytes of the file at `path`.
    ///
    /// # Errors
    /// Where the file is shorter, or cannot be mapped.
    #[allow(unsafe_code)]
    pub(in super::super) fn open(path: &Path, length: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        let found = file.metadata()?.len();
        if found < length {
            let said = format!("it has {found} of its {length} bytes");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, said));
        }
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        if length == 0 {
            return Ok(Self(None));
        }
        // SAFETY: the bytes mapped never change while vsearch runs: it only appends behind them, and
        // replaces a file by another of a new name, never in place. Any byte is a valid value of what
        // they are seen as. That nobody else cuts the file short is what every user of mapped files
        // must rely on.
        let map = unsafe { memmap2::MmapOptions::new().len(length).map(&file)? };
        Ok(Self(Some(map)))
    }

    /// They are about to be read from one end to the other.
    pub(in super::super) fn will_scan(&self) {
        if let Some(map) = &self.0 {
            // Advice: where the system takes none, reading still works.
            let _ = map.advise(Advice::Sequential);
        }
    }

    pub(in super::super) fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// Bytes as the little-endian halves they are.
#[allow(unsafe_code)]
pub(super) fn halves(bytes: &[u8]) -> &[f16] {
    // SAFETY: `f16` is two bytes, each pattern of which is one; what is not aligned is left out.
    let (before, halves, after) = unsafe { bytes.align_to::<f16>() };
    debug_assert!(before.is_empty() && after.is_empty());
    halves
}

#[cfg(target_endian = "big")]
compile_error!("the files of a library are little-endian, and are seen as they lie");
