//! Small files that readers leave in the library's folder to save work: derived, and never missed.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use super::Reader;

const FOLDER: &str = "kept";
/// Bytes of the checksum before the data (BLAKE3).
const SUM: usize = blake3::OUT_LEN;

impl Reader {
    /// What an earlier run kept under a name; `None` where there is nothing, or it is damaged.
    pub fn kept(&self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = std::fs::read(self.library.dir().join(FOLDER).join(name)).ok()?;
        let data = bytes.split_off(SUM.min(bytes.len()));
        (bytes == blake3::hash(&data).as_bytes()).then_some(data)
    }

    /// Keeps something for later runs. Where the folder cannot be written they do without.
    pub fn keep(&self, name: &str, data: &[u8]) {
        let folder = self.library.dir().join(FOLDER);
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&folder)?;
            // As any other file here: others may read it too.
            let all = std::fs::Permissions::from_mode(0o666);
            let mut file = tempfile::Builder::new()
                .permissions(all)
                .tempfile_in(&folder)?;
            file.write_all(blake3::hash(data).as_bytes())?;
            file.write_all(data)?;
            file.persist(folder.join(name))?;
            Ok(())
        };
        let _ = write();
    }
}
