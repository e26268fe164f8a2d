//! A request → questions: sentences, pictures and concepts become vectors of a model.

use std::path::Path;

use super::SearchError;
use super::last_hits::hit_vector;
use super::question::{Part, Question, Source};
use super::request::{Clause, Request, Subject};
use crate::embed::{EmbedError, Embedder, Templates, load_picture, unread_script};
use crate::media::{Choice, Limits, frame_at};
use crate::store::Reader;
use crate::types::{Embedding, Pixels};

/// What gives a request its vectors.
pub struct Resolver<'a> {
    pub reader: &'a Reader,
    pub embedder: &'a dyn Embedder,
    pub templates: &'a Templates,
}

impl Resolver<'_> {
    /// The question a request asks, without what comes after it.
    pub fn question(&self, request: &Request) -> Result<Question, SearchError> {
        let parts = |clauses: &[Clause]| -> Result<Vec<Part>, SearchError> {
            clauses.iter().map(|c| self.part(c)).collect()
        };
        let sentence = |c: &Clause| match &c.subject {
            Subject::Sentence(text) => Some(text.clone()),
            _ => None,
        };
        let said: Vec<String> = request.wanted.iter().filter_map(sentence).collect();
        let unwanted = request.unwanted.iter().filter_map(sentence);
        let unread = |text: &String| unread_script(self.embedder, &self.embedder.read(text).text);
        Ok(Question {
            wanted: parts(&request.wanted)?,
            unwanted: parts(&request.unwanted)?,
            unread_script: said
                .iter()
                .cloned()
                .chain(unwanted)
                .find_map(|t| unread(&t)),
            words: match (&request.text, said.is_empty()) {
                (Some(words), _) => Some(words.clone()),
                (None, false) if request.words => Some(said.join(" ")),
                _ => None,
            },
        })
    }

    /// The questions of a request and of what comes after it.
    pub fn questions(&self, request: &Request) -> Result<Vec<Question>, SearchError> {
        let all = std::iter::once(request).chain(&request.then);
        all.map(|r| self.question(r)).collect()
    }

    fn part(&self, clause: &Clause) -> Result<Part, SearchError> {
        let name = clause.name();
        let weight = clause.weight;
        match &clause.subject {
            Subject::Sentence(text) => {
                let reading = self.embedder.read(text);
                let vector = self.templates.embed(self.embedder, &reading.text)?;
                let cut = self.templates.cut(self.embedder, &reading.text)?;
                Ok(Part {
                    weight,
                    cut: cut.map(str::to_owned),
                    reading: Some(reading),
                    ..Part::sentence(&name, vector)
                })
            }
            Subject::Concept(name) => Ok(Part {
                weight,
                ..self.concept(name)?
            }),
            subject => Ok(Part {
                name,
                vector: self.example(subject)?,
                source: Source::Picture,
                weight,
                reading: None,
                cut: None,
            }),
        }
    }

    /// The vector of a picture, a frame or an earlier hit; of anything else, of what it says.
    pub fn example(&self, subject: &Subject) -> Result<Embedding, SearchError> {
        match subject {
            Subject::Hit(name) => hit_vector(self.reader, self.embedder, *name),
            Subject::Picture(path) => self.seen(load_picture(path)?),
            Subject::Frame { video, seconds } => self.seen(frame(video, *seconds)?),
            Subject::Sentence(text) => {
                let reading = self.embedder.read(text);
                Ok(self.templates.embed(self.embedder, &reading.text)?)
            }
            Subject::Concept(name) => Ok(self.concept(name)?.vector),
        }
    }

    fn seen(&self, pixels: Pixels) -> Result<Embedding, SearchError> {
        let vector = self.embedder.embed_images(&[pixels])?.pop();
        Ok(vector.ok_or(EmbedError::NoDirection)?)
    }

    fn concept(&self, name: &str) -> Result<Part, SearchError> {
        let model = self.reader.model(self.embedder.fingerprint())?;
        let (mut found, mut known) = (None, Vec::new());
        if let Some(model) = &model {
            found = self.reader.concept(model, name)?;
            known = self.reader.concepts(model)?;
        }
        let part = found.as_ref().and_then(Part::concept);
        part.ok_or_else(|| SearchError::NoConcept {
            name: name.into(),
            model: self.embedder.name().into(),
            known: known.into_iter().map(|(name, ..)| name).collect(),
        })
    }
}

fn frame(video: &Path, seconds: f64) -> Result<Pixels, SearchError> {
    let choice = Choice {
        pixels: Some(Limits::default().pixels),
        ..Choice::default()
    };
    Ok(frame_at(video, choice, seconds)?)
}
