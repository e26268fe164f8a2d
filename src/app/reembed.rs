//! Changing a library to another model.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Error, OnlookerChoice, Session};
use crate::analyse::Views;
use crate::embed::Embedder;
use crate::ingest::{Job, Reembedded, reembed};
use crate::media::Limits;
use crate::store::{GRAPH_FROM, GraphProgress, ModelWriter, NewModel};

/// Which model to change to, and how.
#[derive(Debug, Clone)]
pub struct ReembedRequest {
    /// The one that answers where `None`: then what it lacks is made.
    pub model: Option<String>,
    /// What suits the model where `None`.
    pub views: Option<Views>,
    pub onlookers: OnlookerChoice,
    pub limits: Limits,
}

/// A change to another model. Until [`Reembedding::answer`] the model of before answers.
pub struct Reembedding<'s> {
    session: &'s Session,
    embedder: Arc<dyn Embedder>,
    writer: ModelWriter,
    job: Job,
    /// Name of the model that answers before.
    before: String,
}

impl Session {
    /// Makes ready to embed every moment by another model.
    pub fn reembedding(&self, request: &ReembedRequest) -> Result<Reembedding<'_>, Error> {
        let reader = self.current_reader()?;
        let Some(before) = reader.model_names()?.into_iter().next() else {
            return Err(Error::user("the library has no vectors yet")
                .hint("index some videos first: vsearch index FOLDER"));
        };
        let embedder = self.model(request.model.as_deref().unwrap_or(&before))?;
        let usual = Views::default_for(embedder.profile().crops);
        let name = embedder.name();
        let answers = reader
            .models()?
            .iter()
            .any(|m| m.answers && m.fingerprint == embedder.fingerprint());
        // What lacks something is given it as the rest was made.
        let lacks = answers && request.views.is_none();
        let own = reader.videos()?;
        let own = own.iter().find_map(|v| v.reading.views.parse().ok());
        let views = request.views.or(own.filter(|_| lacks)).unwrap_or(usual);
        let chosen = views.to_string();
        let others = reader.videos()?.iter().any(|v| v.reading.views != chosen);
        if answers && others && !lacks {
            return Err(Error::user(format!(
                "{name} has vectors of other views than {views} here already"
            ))
            .hint(
                "views of one model change only where videos are read again: vsearch index --views",
            ));
        }
        drop(reader);
        let model = NewModel {
            name,
            fingerprint: embedder.fingerprint(),
            dim: embedder.dim(),
        };
        let mut writer = self.library().model_writer_beside(model)?;
        let begun = match lacks {
            true => chosen.clone(),
            false => writer.views(&chosen)?,
        };
        if begun != chosen {
            return Err(
                Error::user(format!("changing to {name} was begun with other views"))
                    .hint(format!("go on with them: --views {begun}")),
            );
        }
        let job = Job {
            limits: request.limits,
            onlookers: request.onlookers.open()?,
            ..Job::new(views, self.decoding().clone())
        };
        Ok(Reembedding {
            session: self,
            embedder,
            writer,
            job,
            before,
        })
    }
}

impl Reembedding<'_> {
    /// The model that is changed to, and the one that answers before.
    pub fn models(&self) -> (&str, &str) {
        (self.embedder.name(), &self.before)
    }

    /// Embeds what is not yet. `report` is told how many moments are done, of how many.
    pub fn run(
        &mut self,
        stop: &Arc<AtomicBool>,
        report: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Reembedded, Error> {
        let of = (&self.job, self.session.library());
        let embedder = self.embedder.as_ref();
        Ok(reembed(of, embedder, &mut self.writer, stop, report)?)
    }

    /// Lets the new model answer; `prune`: and deletes the vectors of all others.
    pub fn answer(mut self, prune: bool, progress: &GraphProgress) -> Result<(), Error> {
        self.writer.answer(&self.job.views.to_string())?;
        if prune {
            self.writer.prune_models()?;
        }
        self.writer.catch_up()?;
        drop(self.writer);
        let model = (self.embedder.fingerprint(), self.embedder.dim());
        let library = self.session.library();
        Ok(library.grow_graph(model, GRAPH_FROM, progress)?)
    }
}
