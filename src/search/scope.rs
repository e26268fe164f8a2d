//! Which videos a query looks in.

use std::collections::HashSet;

use globset::{GlobBuilder, GlobMatcher};

use crate::index::{IndexError, Reader};
use crate::types::VideoId;

/// Videos whose path matches a glob. `*` also crosses folders, so `*gate*` is enough.
#[derive(Debug)]
pub struct Scope {
    glob: GlobMatcher,
}

#[derive(Debug, thiserror::Error)]
#[error("the pattern {pattern:?} is not a glob: {cause}")]
pub struct ScopeError {
    pattern: String,
    cause: globset::Error,
}

impl Scope {
    /// A glob over whole paths or, where it holds no `/`, over file names as well.
    pub fn parse(pattern: &str) -> Result<Self, ScopeError> {
        let glob = GlobBuilder::new(pattern).literal_separator(false).build();
        let glob = glob.map_err(|cause| ScopeError {
            pattern: pattern.into(),
            cause,
        })?;
        Ok(Self {
            glob: glob.compile_matcher(),
        })
    }

    fn contains(&self, path: &std::path::Path) -> bool {
        self.glob.is_match(path) || path.file_name().is_some_and(|n| self.glob.is_match(n))
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
        let inside = |glob: &str| {
            Scope::parse(glob)
                .unwrap()
                .contains("/v/gate 3/a.mp4".as_ref())
        };
        assert!(inside("*gate*"));
        assert!(inside("a.mp4"));
        assert!(inside("/v/**"));
        assert!(!inside("b.mp4"));
        assert!(Scope::parse("a[").is_err());
    }
}
