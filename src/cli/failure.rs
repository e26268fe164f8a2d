//! An error on its way to the user: what happened, why, and what to type next.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use crate::embed::clip::ClipError;
use crate::embed::store::HubError;
use crate::embed::{EmbedError, TemplateError};
use crate::index::{CatalogError, IndexError};
use crate::ingest::IngestError;
use crate::search::SearchError;

/// Exit code of an error.
const ERROR: u8 = 2;

/// Ends the program with exit code 2.
#[derive(Debug)]
pub(super) struct Failure {
    cause: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

impl Failure {
    pub(super) fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: cause.into(),
            hints: Vec::new(),
        }
    }

    /// Adds a line saying what to type next.
    pub(super) fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// The reader of our output has gone (`vsearch query … | head`): nothing went wrong.
    pub(super) fn is_broken_pipe(&self) -> bool {
        let io = self.cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// Another vsearch is writing: it will pass.
    pub(super) fn is_busy(&self) -> bool {
        let index = self.cause.downcast_ref::<IndexError>();
        index.is_some_and(|e| matches!(e, IndexError::Catalog(CatalogError::Busy { .. })))
    }

    pub(super) fn print(&self) -> ExitCode {
        note!("error: {}", self.cause);
        let mut shown = self.cause.to_string();
        let mut cause = self.cause.source();
        while let Some(e) = cause {
            let text = e.to_string();
            // Most messages already hold their cause.
            if !shown.contains(&text) {
                note!("  because: {text}");
            }
            shown = text;
            cause = e.source();
        }
        for hint in &self.hints {
            note!("hint: {hint}");
        }
        ExitCode::from(ERROR)
    }
}

impl From<std::io::Error> for Failure {
    fn from(cause: std::io::Error) -> Self {
        Self::new(cause)
    }
}

impl From<IndexError> for Failure {
    fn from(cause: IndexError) -> Self {
        let hint = match &cause {
            IndexError::Catalog(e) => catalog_hint(e),
            IndexError::OtherModel { model, .. } => Some(format!(
                "change over, while the other goes on answering: vsearch reembed --model {model} (or \
                 leave --model out, or give it a library of its own: --library DIR)"
            )),
            IndexError::OtherLength { model, .. } => {
                Some(format!("ask with the model it was made by: --model {model}"))
            }
            IndexError::Text(_) => Some("vsearch check --repair makes it anew".into()),
            IndexError::Ann(_) => Some(
                "check that the disk of the library is writable and not full, then run `vsearch index` again"
                    .into(),
            ),
        };
        with(cause, hint)
    }
}

impl From<IngestError> for Failure {
    fn from(cause: IngestError) -> Self {
        match cause {
            IngestError::Index(e) => e.into(),
            IngestError::Embed(e) => e.into(),
            cause => Self::new(cause),
        }
    }
}

impl From<SearchError> for Failure {
    fn from(cause: SearchError) -> Self {
        match cause {
            SearchError::Index(e) => e.into(),
            SearchError::Embed(e) => e.into(),
            SearchError::NoVectors { ref available, .. } => {
                let hint = match available.first() {
                    Some(name) => format!("name one that is there: --model {name}"),
                    None => "index some videos first: vsearch index FOLDER".into(),
                };
                Self::new(cause).hint(hint)
            }
        }
    }
}

impl From<EmbedError> for Failure {
    fn from(cause: EmbedError) -> Self {
        let hint = match &cause {
            EmbedError::UnknownModel { .. } => "see which there are: vsearch model list".into(),
            EmbedError::NotHere { name } => format!("bring it: vsearch model pull {name}"),
            EmbedError::EmptyText => {
                "say what to look for: vsearch query \"a person riding a bicycle\"".into()
            }
            EmbedError::NoDevice { .. } => {
                "leave --device out, or say --device cpu; docs/gpu.md tells how to build for a GPU"
                    .into()
            }
            EmbedError::Clip(ClipError::Int8 { .. }) => {
                "say --device cpu, which computes in f32".into()
            }
            EmbedError::SelfTest { model, .. } => format!(
                "nothing was written; check the model's files: vsearch model verify '{model}'"
            ),
            _ => return Self::new(cause),
        };
        Self::new(cause).hint(hint)
    }
}

impl From<HubError> for Failure {
    fn from(cause: HubError) -> Self {
        let hint: String = match &cause {
            HubError::NoSuchModel { .. } => "see which there are: vsearch model list".into(),
            HubError::Offline { .. } => {
                "unset HF_HUB_OFFLINE, or name a folder: --model DIR".into()
            }
            HubError::Forbidden { .. } => {
                "accept the model's terms on the hub, then set HF_TOKEN to a token of yours".into()
            }
            HubError::NotThere { .. } => "check the name, and HF_ENDPOINT where it is set".into(),
            HubError::Refused { .. } | HubError::Broken { .. } | HubError::Checksum { .. } => {
                "try again later; what has come is kept. Behind a proxy set HTTPS_PROXY, for a \
                 mirror HF_ENDPOINT"
                    .into()
            }
            HubError::NoModel { .. } => {
                "it must hold open_clip_config.json and open_clip_model.safetensors, or \
                 config.json and model.safetensors"
                    .into()
            }
            HubError::Pickle { repository, .. } => format!(
                "some repositories have safetensors on a branch: vsearch model pull \
                 {repository}@refs/pr/1; or convert it and name the folder: --model DIR"
            ),
            HubError::Changed { path } => {
                format!("delete {} and pull the model again", path.display())
            }
            HubError::Locked { .. } => "wait for it to end, then try again".into(),
            HubError::DiskFull { .. } => {
                "make room, or name another place: HF_HOME=DIR vsearch model pull NAME".into()
            }
            HubError::Io { .. } => "check the folder; HF_HOME=DIR names another".into(),
        };
        Self::new(cause).hint(hint)
    }
}

impl From<TemplateError> for Failure {
    fn from(cause: TemplateError) -> Self {
        Self::new(cause).hint("as in --templates cctv, or a file with lines as: a photo of {}")
    }
}

fn catalog_hint(e: &CatalogError) -> Option<String> {
    Some(match e {
        CatalogError::NoLibrary { .. } => {
            "make one: vsearch index FOLDER (or name another with --library DIR)".into()
        }
        CatalogError::Newer { .. } => {
            "update vsearch, or name another library with --library DIR; nothing was changed".into()
        }
        CatalogError::Older { .. } => {
            "bring it up to date with the next `vsearch index FOLDER`; nothing is read again for that"
                .into()
        }
        CatalogError::ReadOnly { .. } => {
            "make it writable, or index into another: --library DIR (queries work as it is)".into()
        }
        CatalogError::Busy { .. } => "wait for the other vsearch to end, then try again".into(),
        CatalogError::Full { .. } => "make room, then run the same command again to go on".into(),
        CatalogError::Folder { .. } => "name a folder you can write to: --library DIR".into(),
        CatalogError::Damaged { path, .. } | CatalogError::Migration { path, .. } => format!(
            "keep {} for a look, and index into a new folder: vsearch index --library DIR FOLDER",
            path.display()
        ),
        CatalogError::Sqlite(_) => return None,
    })
}

fn with(cause: impl Error + Send + Sync + 'static, hint: Option<String>) -> Failure {
    let failure = Failure::new(cause);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
