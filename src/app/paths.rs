//! Paths as the catalogue keeps them.

use std::path::{Component, Path, PathBuf};

/// A path with its links resolved as far as it exists: what is gone keeps its name below a folder that is there.
pub fn real_path(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for there in whole.ancestors() {
        let Ok(real) = there.canonicalize() else {
            continue;
        };
        let rest = whole.strip_prefix(there).unwrap_or(Path::new(""));
        // What `..` leads to cannot be told where it does not exist.
        if rest.components().all(|c| matches!(c, Component::Normal(_))) {
            // Joining nothing would add a slash.
            return real.components().chain(rest.components()).collect();
        }
    }
    whole
}

/// A glob over paths as the catalogue keeps them, of one whose first folders are given by way of a link; `None` where
/// they are not.
pub fn real_glob(glob: &str, here: &Path) -> Option<String> {
    let is_plain = |part: &&str| !part.contains(['*', '?', '[', '{', '\\']);
    let parts: Vec<&str> = glob.split('/').collect();
    let plain = parts.iter().take_while(|part| is_plain(part)).count();
    let begins = parts[..plain].join("/");
    let given = here.join(&begins);
    let real = real_path(&given);
    let rest = parts[plain..].join("/");
    let root = globset::escape(&real.to_string_lossy());
    (!begins.is_empty() && real != given).then(|| match rest.is_empty() {
        true => root,
        false => format!("{}/{rest}", root.trim_end_matches('/')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_resolved_as_far_as_they_lead() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("disk")).unwrap();
        std::os::unix::fs::symlink(root.join("disk"), root.join("link")).unwrap();
        let gone = real_path(&root.join("link/day/gone.mp4"));
        assert_eq!(gone, root.join("disk/day/gone.mp4"));
        assert_eq!(real_path(&root.join("link")), root.join("disk"));
        let real = |glob: &str| real_glob(glob, &root);
        let disk = globset::escape(&root.join("disk").to_string_lossy());
        assert_eq!(real("link/*/a?.mp4"), Some(format!("{disk}/*/a?.mp4")));
        let absolute = format!("{}/link/**", root.display());
        assert_eq!(real(&absolute), Some(format!("{disk}/**")));
        assert_eq!(real("link/a.mp4"), Some(format!("{disk}/a.mp4")));
        assert_eq!(real("disk/*"), None);
        assert_eq!(real("*link*"), None);
        let up = root.join("nowhere/../x");
        assert_eq!(real_path(&up), up);
    }
}
