//! What went wrong with a library, and what to type then.

use super::{Error, Kind, quoted};
use crate::store::StoreError;

impl From<StoreError> for Error {
    fn from(cause: StoreError) -> Self {
        use StoreError as E;
        let (kind, hint): (Kind, Option<String>) = match &cause {
            E::NoLibrary { .. } => (
                Kind::User,
                Some("make one: vsearch index FOLDER (or name another with --library DIR)".into()),
            ),
            E::Newer { .. } => (
                Kind::Environment,
                Some("update vsearch, or name another library with --library DIR; nothing was changed".into()),
            ),
            E::Older { .. } => (
                Kind::User,
                Some(
                    "bring it up to date with the next `vsearch index FOLDER`; nothing is read again for that"
                        .into(),
                ),
            ),
            E::Exists { dir } => (
                Kind::User,
                Some(format!(
                    "to let the group read it: chmod -R g+rX {0}; to keep it to yourself: chmod -R go= {0}",
                    quoted(&dir.display().to_string())
                )),
            ),
            E::Forbidden { dir } => (
                Kind::Environment,
                Some(format!(
                    "its owner can let others read it: chmod -R a+rX {}",
                    quoted(&dir.display().to_string())
                )),
            ),
            E::Unfinished { .. } => (
                Kind::Environment,
                Some("its owner, or a copy of it that can be written, does: vsearch status".into()),
            ),
            E::Copy { .. } => (
                Kind::Environment,
                Some("name a folder that you can write to: vsearch backup DIR".into()),
            ),
            E::ReadOnly { .. } => (
                Kind::Environment,
                Some("make it writable, or index into another: --library DIR (queries work as it is)".into()),
            ),
            E::Busy { .. } => (
                Kind::Environment,
                Some("wait for the other vsearch to end, then try again".into()),
            ),
            E::NoLocks { .. } => (
                Kind::Environment,
                Some(
                    "keep the library on a local disk: --library DIR (the videos may stay where they are)"
                        .into(),
                ),
            ),
            E::Full { .. } => (
                Kind::Environment,
                Some("make room, then run the same command again to go on".into()),
            ),
            E::Folder { .. } => (
                Kind::Environment,
                Some("name a folder you can write to: --library DIR".into()),
            ),
            E::Damaged { path, .. } | E::Migration { path, .. } => (
                Kind::Data,
                Some(format!(
                    "keep {} for a look, and index into a new folder: vsearch index --library DIR FOLDER",
                    path.display()
                )),
            ),
            E::Sqlite(_) => (Kind::Data, None),
            E::OtherModel { model, .. } => (
                Kind::User,
                Some(format!(
                    "change over, while the other goes on answering: vsearch reembed --model {} (or \
                     leave --model out, or give it a library of its own: --library DIR)",
                    quoted(model)
                )),
            ),
            E::OtherLength { model, .. } => (
                Kind::User,
                Some(format!("ask with the model it was made by: --model {}", quoted(model))),
            ),
            E::Words(e) if e.is_forbidden() => (
                Kind::Environment,
                Some("the next `vsearch index` of the library's owner lets you read it".into()),
            ),
            E::Words(_) => (
                Kind::Data,
                Some("rebuild it: vsearch check --repair".into()),
            ),
            E::Vectors(_) => (
                Kind::Environment,
                Some(
                    "check that the disk of the library is writable and not full, then run `vsearch index` again"
                        .into(),
                ),
            ),
        };
        Self::new(kind, cause).maybe_hint(hint)
    }
}
