//! Reading videos into the library.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Error, OnlookerChoice, Session};
use crate::analyse::Views;
use crate::embed::Embedder;
use crate::ingest::{Event, Job, NameReader, Policy, Summary, Thumbnail, run};
use crate::media::Limits;
use crate::store::{GRAPH_FROM, GraphProgress, Library, NewModel, StoreError};

/// How files are to be read.
#[derive(Debug, Clone, Default)]
pub struct IndexRequest {
    pub policy: Policy,
    /// Links out of the folders named are followed.
    pub follow: bool,
    /// The library's own, else the default one, where `None`.
    pub model: Option<String>,
    /// What suits the model where `None`.
    pub views: Option<Views>,
    pub onlookers: OnlookerChoice,
    pub thumbnail: Option<Thumbnail>,
    pub names: NameReader,
    pub limits: Limits,
}

/// All that a run needs but the paths, opened once.
pub struct Indexer {
    library: Library,
    embedder: Arc<dyn Embedder>,
    job: Job,
}

impl Session {
    /// Makes ready to read files. Nothing is read yet.
    pub fn indexer(&self, request: IndexRequest) -> Result<Indexer, Error> {
        let own = match self.library().current_reader() {
            Ok(reader) => reader.model_names()?.into_iter().next(),
            Err(StoreError::NoLibrary { .. }) => None,
            Err(e) => return Err(e.into()),
        };
        let name = request.model.or(own);
        let embedder = self.model(name.as_deref().unwrap_or(super::default_model()))?;
        let usual = Views::default_for(embedder.profile().crops);
        Ok(Indexer {
            library: self.library().clone(),
            job: Job {
                policy: request.policy,
                follow: request.follow,
                onlookers: request.onlookers.open()?,
                thumbnail: request.thumbnail,
                names: request.names,
                limits: request.limits,
                ..Job::new(request.views.unwrap_or(usual), self.decoding().clone())
            },
            embedder,
        })
    }
}

/// Refuses paths of which none is there.
pub(super) fn some_exist(paths: &[PathBuf]) -> Result<(), Error> {
    match paths.iter().find(|p| !p.exists()) {
        Some(missing) if paths.iter().all(|p| !p.exists()) => {
            let what = format!("{}: no such file or folder", missing.display());
            Err(Error::user(what)
                .hint("check the name; a folder or any number of video files will do"))
        }
        _ => Ok(()),
    }
}

impl Indexer {
    /// Reads files, and what is in folders. One that cannot be read never stops the rest; `stop` ends it
    /// early and cleanly. `found`: the paths were found and not named, so that what is no video among them is
    /// skipped.
    pub fn run(
        &mut self,
        paths: &[PathBuf],
        found: bool,
        stop: &Arc<AtomicBool>,
        report: &(dyn Fn(Event) + Sync),
    ) -> Result<Summary, Error> {
        if !found {
            some_exist(paths)?;
        }
        // What was found lies below what was named.
        if !found {
            let real = |p: &PathBuf| p.canonicalize().unwrap_or_else(|_| p.clone());
            self.job.roots = paths.iter().map(real).collect();
        }
        self.job.paths = paths.to_vec();
        self.job.found = found;
        let embedder = self.embedder.as_ref();
        let model = NewModel {
            name: embedder.name(),
            fingerprint: embedder.fingerprint(),
            dim: embedder.dim(),
        };
        let mut writer = self.library.model_writer(model)?;
        Ok(run(&self.job, embedder, &mut writer, stop, report)?)
    }

    /// Refuses a run that came by no video at all.
    pub fn found_videos(&self, summary: &Summary) -> Result<(), Error> {
        if summary.videos() > 0 || summary.failed > 0 || summary.interrupted {
            return Ok(());
        }
        let paths = self.job.paths.iter();
        let paths: Vec<String> = paths.map(|p| p.display().to_string()).collect();
        Err(
            Error::user(format!("{}: no videos found", paths.join(", ")))
                .hint("name a folder that holds videos, or a video file itself"),
        )
    }

    pub fn model_name(&self) -> &str {
        self.embedder.name()
    }

    /// Where the library is.
    pub fn dir(&self) -> &Path {
        self.library.dir()
    }

    /// Grows the search graph of a large library. Queries are answered without it meanwhile.
    pub fn grow_graph(&self, progress: &GraphProgress) -> Result<(), Error> {
        let model = (self.embedder.fingerprint(), self.embedder.dim());
        Ok(self.library.grow_graph(model, GRAPH_FROM, progress)?)
    }

    /// The same, to be done by another thread.
    pub fn graph_grower(
        &self,
    ) -> impl FnOnce(&GraphProgress) -> Result<(), Error> + Send + 'static {
        let library = self.library.clone();
        let (fingerprint, dim) = (self.embedder.fingerprint().to_owned(), self.embedder.dim());
        move |progress| Ok(library.grow_graph((&fingerprint, dim), GRAPH_FROM, progress)?)
    }
}
