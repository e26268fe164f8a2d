//! Asking.

use std::sync::Arc;

use super::{Error, PooledReader, Session};
use crate::embed::{Embedder, Reading, Templates};
use crate::search::{
    Answer, Chain, Clause, Feedback, Hit, HitName, Line, Next, Options, Question, Request,
    Resolver, Sequences, Subject, query, query_sequence, remember,
};
use crate::store::Filter;

/// A request, and where and how to look.
#[derive(Debug, Clone)]
pub struct Query {
    pub request: Request,
    pub filter: Filter,
    pub options: Options,
    /// The one that answers in the library where `None`.
    pub model: Option<String>,
    /// Phrasings that are averaged.
    pub templates: Templates,
    /// Longest time, in seconds, from the end of one step of a sequence to the start of the next.
    pub within: f64,
    pub line: Line,
}

/// What a query is answered with.
#[derive(Debug)]
pub struct Reply {
    pub found: Found,
    /// The model that answered.
    pub model: String,
    /// A script of the sentences that it was not taught to read.
    pub unread_script: Option<&'static str>,
    /// Sentences of which it looks for something else than was asked, and for what.
    pub readings: Vec<(String, Reading)>,
    /// Sentences that are longer than what it reads, and what it read of them.
    pub cut: Vec<(String, String)>,
}

/// Hits of one question, or sequences of several.
#[derive(Debug)]
pub enum Found {
    Hits(Answer),
    Sequences(Sequences),
}

impl Session {
    /// Answers a query. The hits are kept, to be named by their numbers.
    pub fn query(&self, asked: &Query) -> Result<Reply, Error> {
        asked.request.check()?;
        let reader = self.reader()?;
        let embedder = self.answering_model(asked.model.as_deref(), &reader)?;
        let embedder = embedder.as_ref();
        let resolver = Resolver {
            reader: &reader,
            embedder,
            templates: &asked.templates,
        };
        let mut questions = resolver.questions(&asked.request)?;
        let unread_script = questions.iter().find_map(|q| q.unread_script);
        let readings = questions.iter().flat_map(Question::readings).collect();
        let cut = questions.iter().flat_map(Question::cut).collect();
        let (filter, options) = (&asked.filter, asked.options);
        let found = match &mut questions[..] {
            [question] => {
                let answer = query(&reader, embedder, question, options, filter)?;
                // A list stays as it is while its hits are asked about by their numbers.
                let by_number = |c: &Clause| matches!(c.subject, Subject::Hit(HitName::Number(_)));
                if !asked.request.wanted.iter().any(by_number) {
                    remember(&reader, embedder, &answer);
                }
                Found::Hits(answer)
            }
            steps => {
                // Steps follow one another in pictures.
                steps.iter_mut().for_each(|step| step.words = None);
                let chain = Chain {
                    questions: steps,
                    within: asked.within,
                    line: asked.line,
                };
                Found::Sequences(query_sequence(&reader, embedder, chain, options, filter)?)
            }
        };
        Ok(Reply {
            found,
            model: embedder.name().into(),
            unread_script,
            readings,
            cut,
        })
    }

    /// Begins to judge hits one by one: each judgement refines what is looked for.
    pub fn judge(&self, asked: &Query) -> Result<Judging<'_>, Error> {
        asked.request.check()?;
        if !asked.request.unwanted.is_empty() {
            return Err(Error::user("feedback says itself what is not wanted")
                .hint("leave out what follows \" - \" and answer n"));
        }
        let reader = self.reader()?;
        let embedder = self.answering_model(asked.model.as_deref(), &reader)?;
        let resolver = Resolver {
            reader: &reader,
            embedder: embedder.as_ref(),
            templates: &asked.templates,
        };
        let question: Question = resolver.question(&asked.request)?;
        Ok(Judging {
            feedback: Feedback::new(&reader, embedder.as_ref(), &question)?,
            reader,
            embedder,
            filter: asked.filter.clone(),
        })
    }
}

/// Hits on their way to be judged.
pub struct Judging<'s> {
    reader: PooledReader<'s>,
    embedder: Arc<dyn Embedder>,
    feedback: Feedback,
    filter: Filter,
}

impl Judging<'_> {
    pub fn reader(&self) -> &PooledReader<'_> {
        &self.reader
    }

    /// The best hit that has not been judged; `None` when all have been.
    pub fn next_hit(&self) -> Result<Option<Next>, Error> {
        let embedder = self.embedder.as_ref();
        Ok(self.feedback.next(&self.reader, embedder, &self.filter)?)
    }

    /// What was said of a hit; `None`: nothing.
    pub fn answer(&mut self, hit: &Hit, liked: Option<bool>) -> Result<(), Error> {
        let embedder = self.embedder.as_ref();
        Ok(self.feedback.answer(&self.reader, embedder, hit, liked)?)
    }
}
