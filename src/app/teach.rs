//! Concepts taught by examples.

use super::{Error, Session, quoted};
use crate::embed::Templates;
use crate::search::{Resolver, Subject, TrainingExamples, learn};
use crate::store::{Concept, ModelRow};
use crate::types::Embedding;

/// What is to be learnt.
#[derive(Debug, Clone)]
pub struct TeachRequest {
    pub name: String,
    /// Pictures of it, and of what it is not.
    pub positives: Vec<Subject>,
    pub negatives: Vec<Subject>,
    /// What says it in words, where its name does not.
    pub sentence: Option<String>,
    /// The one that answers in the library where `None`.
    pub model: Option<String>,
}

impl Session {
    /// Names of what was taught to a model, with the numbers of positive and negative examples.
    pub fn concepts(&self, model: Option<&str>) -> Result<Vec<(String, usize, usize)>, Error> {
        let reader = self.reader()?;
        let embedder = self.answering_model(model, &reader)?;
        let model = row(reader.model(embedder.fingerprint())?, embedder.name())?;
        Ok(reader.concepts(&model)?)
    }

    /// Learns a concept from examples and keeps it, in place of an earlier one of its name.
    pub fn teach(&self, request: &TeachRequest) -> Result<Concept, Error> {
        let name = request.name.as_str();
        if name.is_empty() {
            return Err(Error::user("the name is empty")
                .hint("vsearch teach \"our forklift\" --positive hall.mp4@00:01:30"));
        }
        if request.positives.is_empty() {
            return Err(
                Error::user(format!("no example shows {name:?}")).hint(format!(
                    "show one at least: vsearch teach {} --positive VIDEO@TIME",
                    quoted(name)
                )),
            );
        }
        let reader = self.reader()?;
        let embedder = self.answering_model(request.model.as_deref(), &reader)?;
        let embedder = embedder.as_ref();
        let model = row(reader.model(embedder.fingerprint())?, embedder.name())?;
        let resolver = Resolver {
            reader: &reader,
            embedder,
            templates: &Templates::none(),
        };
        let vectors = |subjects: &[Subject]| -> Result<Vec<Embedding>, Error> {
            let each = subjects.iter().map(|s| Ok(resolver.example(s)?));
            each.collect()
        };
        let sentence = request.sentence.as_deref().unwrap_or(name);
        let examples = TrainingExamples {
            sentence: Some(embedder.embed_text(sentence)?),
            positives: vectors(&request.positives)?,
            negatives: vectors(&request.negatives)?,
        };
        let concept = learn(&reader, embedder, name, &examples)?;
        self.library().writer()?.keep_concept(model.id, &concept)?;
        Ok(concept)
    }

    /// Takes a concept out of the library.
    pub fn forget(&self, name: &str) -> Result<(), Error> {
        // Where there is no library there is nothing to forget.
        drop(self.reader()?);
        match self.library().writer()?.forget_concept(name)? {
            true => Ok(()),
            false => Err(
                Error::user(format!("nothing of the name {name:?} was taught"))
                    .hint("see what was: vsearch teach"),
            ),
        }
    }
}

fn row(model: Option<ModelRow>, name: &str) -> Result<ModelRow, Error> {
    model.ok_or_else(|| {
        Error::user(format!("the library has no vectors of {name}"))
            .hint("index some videos first: vsearch index FOLDER")
    })
}
