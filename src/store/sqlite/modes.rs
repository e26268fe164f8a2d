//! Who may read and write a library's files: all of them as its catalogue, whatever the umask of who writes. A new
//! library is its maker's alone; where a user opens the catalogue to others, the rest follows.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, set_permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use walkdir::WalkDir;

use super::catalog::FILE;

/// The owner's alone.
const PRIVATE: u32 = 0o600;
/// So far up from what is made its library lies: `vectors/<fingerprint>/<file>`.
const DEPTH: usize = 4;
/// A new file in a folder with this bit is of the folder's group.
const GROUP_STAYS: u32 = 0o2000;
/// What lies in a library beside its catalogue.
const BESIDE: [&str; 8] = [
    "write.lock",
    "thumbnails.sqlite",
    "thumbnails.sqlite-wal",
    "thumbnails.sqlite-shm",
    "shared",
    "vectors",
    "text",
    "kept",
];

/// Of a library's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Modes(u32);

impl Modes {
    /// Those of the library that `path` lies in, or is; private where there is none yet.
    pub(super) fn within(path: &Path) -> Self {
        let catalogs = path.ancestors().take(DEPTH).map(|a| a.join(FILE));
        let found = catalogs.filter_map(|c| c.metadata().ok()).next();
        let mode = found.map_or(PRIVATE, |m| m.permissions().mode());
        Self(mode & 0o666 | PRIVATE)
    }

    /// Whether others than the owner may read them.
    pub(super) fn are_wide(self) -> bool {
        self.0 != PRIVATE
    }

    pub(super) fn file(self) -> Permissions {
        Permissions::from_mode(self.0)
    }

    /// Whoever may read files may look into folders.
    fn folder(self, before: u32) -> Permissions {
        let look = (self.0 & 0o444) >> 2;
        Permissions::from_mode(self.0 | look | before & GROUP_STAYS)
    }
}

/// Opens a file of a library to write, as `options` say; makes it where there is none.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let fresh = !path.exists();
    let file = options.create(true).mode(PRIVATE).open(path)?;
    if fresh {
        // Some file systems have no modes.
        let _ = file.set_permissions(Modes::within(path).file());
    }
    Ok(file)
}

/// Makes an empty file for SQLite, whose own would follow the umask. One that is there is not even opened: to close it
/// again would let go of the locks that this process has on it.
pub(super) fn make(path: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(PRIVATE);
    match options.open(path) {
        Ok(file) => {
            let _ = file.set_permissions(Modes::within(path).file());
            Ok(())
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
    }
}

/// Makes a folder of a library, or that of the library itself, and those above it.
pub(super) fn make_folder(dir: &Path) -> io::Result<()> {
    let lacking = |a: &&Path| !a.as_os_str().is_empty() && !a.exists();
    let fresh: Vec<&Path> = dir.ancestors().take_while(lacking).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(dir)?;
    let modes = Modes::within(dir);
    for made in fresh.into_iter().filter(|_| modes.are_wide()) {
        let before = made.metadata()?.permissions().mode();
        let _ = set_permissions(made, modes.folder(before));
    }
    Ok(())
}

/// Makes the folder and the empty catalogue of a library that others may read and write as the umask says.
pub(super) fn make_shared(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let mode = dir.metadata()?.permissions().mode();
    let _ = set_permissions(dir, Permissions::from_mode(mode & 0o777 | GROUP_STAYS));
    File::create_new(dir.join(FILE)).map(drop)
}

/// Gives what an earlier vsearch, or another user's, left in a library the modes of its catalogue, where it may.
pub(super) fn align(library: &Path) {
    let modes = Modes::within(library);
    let beside = BESIDE.iter().map(|name| library.join(name));
    for entry in beside.flat_map(|path| WalkDir::new(path).into_iter().flatten()) {
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let before = metadata.permissions().mode();
        let wanted = match () {
            () if metadata.is_dir() => modes.folder(before),
            () if metadata.is_file() => modes.file(),
            () => continue,
        };
        if before & 0o7777 != wanted.mode() {
            let _ = set_permissions(entry.path(), wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn what_is_made_follows_the_catalogue() {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("a/library");
        make_folder(&library).unwrap();
        make(&library.join(FILE)).unwrap();
        assert_eq!((mode(&library), mode(&library.join(FILE))), (0o700, 0o600));
        let (folder, file) = (library.join("vectors/f"), library.join("vectors/f/rows.0"));
        let made = || {
            make_folder(&folder).unwrap();
            drop(open(&file, File::options().append(true)).unwrap());
            (mode(&folder), mode(&file))
        };
        assert_eq!(made(), (0o700, 0o600));
        std::fs::remove_dir_all(library.join("vectors")).unwrap();
        set_permissions(library.join(FILE), Permissions::from_mode(0o640)).unwrap();
        assert_eq!(made(), (0o750, 0o640));
        assert_eq!(mode(&library.join("vectors")), 0o750);

        set_permissions(library.join(FILE), Permissions::from_mode(0o664)).unwrap();
        align(&library);
        assert_eq!((mode(&folder), mode(&file)), (0o775, 0o664));
        // What is not the library's own is left alone.
        let own = library.join("notes.txt");
        std::fs::write(&own, "").unwrap();
        set_permissions(&own, Permissions::from_mode(0o640)).unwrap();
        align(&library);
        assert_eq!(mode(&own), 0o640);
    }
}
