//! Which videos a query looks in.

use std::collections::HashSet;
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::index::{IndexError, Reader};
use crate::types::VideoId;

/// Videos whose path matches a glob. `*` also crosses folders, so `*gate*` is enough.
#[derive(Debug)]
pub struct Scope {
    globs: GlobSet,
}

#[derive(Debug, thiserror::Error)]
#[error("the pattern {pattern:?} is not a glob: {cause}")]
pub struct ScopeError {
    pattern: String,
    cause: globset::Error,
}

impl Scope {
    /// A glob over whole paths, over file names, and, where it is relative, over paths below
    /// `here`.
    pub fn parse(pattern: &str, here: &Path) -> Result<Self, ScopeError> {
        let below = format!("{}/{pattern}", globset::escape(&here.to_string_lossy()));
        let mut globs = GlobSetBuilder::new();
        for glob in [pattern, &below] {
            let glob = GlobBuilder::new(glob).literal_separator(false).build();
            globs.add(glob.map_err(|cause| ScopeError {
                pattern: pattern.into(),
                cause,
            })?);
        }
        let globs = globs.build().map_err(|cause| ScopeError {
            pattern: pattern.into(),
            cause,
        })?;
        Ok(Self { globs })
    }

    pub fn contains(&self, path: &Path) -> bool {
        self.globs.is_match(path) || path.file_name().is_some_and(|n| self.globs.is_match(n))
    }

    pub(super) fn videos(&self, reader: &Reader) -> Result<HashSet<VideoId>, IndexError> {
        let videos = reader.videos()?.into_iter();
        let inside = videos.filter(|v| self.contains(&v.video));
        Ok(inside.map(|v| v.id).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_paths_and_file_names() {
        let here = Path::new("/v/gate [3]");
        let inside = |glob: &str| {
            let scope = Scope::parse(glob, here).unwrap();
            scope.contains(Path::new("/v/gate [3]/day/a.mp4"))
        };
        for glob in ["*gate*", "a.mp4", "/v/**", "day/a.mp4", "day/*"] {
            assert!(inside(glob), "{glob}");
        }
        assert!(!inside("b.mp4"));
        assert!(Scope::parse("a[", here).is_err());
    }
}
