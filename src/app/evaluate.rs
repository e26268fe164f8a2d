//! How well queries find what is known to be there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use jiff::tz::TimeZone;

use super::{Error, IndexRequest, Session};
use crate::embed::{Embedder, Templates};
use crate::ingest::Event;
use crate::search::eval::{
    Bin, DEPTH, Honesty, LISTED, Pair, RightHit, Scores, TruthFile, TruthQuery, first_right,
    honesty, is_right, reliability, scores,
};
use crate::search::{Answer, Clause, Options, Request, Resolver, Subject, query};
use crate::store::{Filter, Reader};

/// What is measured, and how.
#[derive(Debug, Clone)]
pub struct EvaluationRequest {
    pub truth: Vec<TruthFile>,
    /// Folder of the videos it names.
    pub videos: PathBuf,
    /// Sentences about things that are in none of the videos.
    pub absent: Vec<String>,
    pub index: IndexRequest,
    pub templates: Templates,
    /// Words of the sentences are looked for in names, tags and subtitles, too.
    pub words: bool,
    pub diverse: bool,
    /// From here on a hit is a match.
    pub minimum_confidence: f64,
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct Evaluation {
    pub model: String,
    pub scores: Scores,
    /// Share of the queries, asked of all files, with a match.
    pub answered: f64,
    /// What was said of the first ten hits of each query and of each absent sentence, and what was right.
    pub reliability: [Bin; 10],
    /// `None` where there is no confidence.
    pub confidence: Option<Honesty>,
    pub absent: Option<Honesty>,
}

/// What is told on the way.
#[derive(Debug)]
pub enum Told<'a> {
    /// The first right hit of a query.
    Found {
        file: &'a str,
        query: &'a str,
        right: Option<RightHit>,
    },
    /// A query asked of one file, or, where that is `None`, of all.
    Pair {
        query: &'a str,
        asked_of: Option<&'a str>,
        present: bool,
        pair: &'a Pair,
    },
}

type Tell<'a> = &'a mut dyn FnMut(Told) -> Result<(), Error>;

impl Session {
    /// Indexes the videos of a ground truth into the session's library and asks every query of it.
    pub fn evaluate(
        &self,
        request: &EvaluationRequest,
        stop: &Arc<AtomicBool>,
        report: &(dyn Fn(Event) + Sync),
        tell: Tell,
    ) -> Result<Evaluation, Error> {
        let folder = request.videos.canonicalize().map_err(|e| {
            Error::user(format!("{}: {e}", request.videos.display()))
                .hint("name the folder of the videos: --videos DIR")
        })?;
        let files = request.truth.iter().map(|t| folder.join(&t.file));
        let mut files: Vec<PathBuf> = files.collect();
        if let Some(missing) = files.iter().find(|f| !f.is_file()) {
            let what = format!(
                "{}: named by the ground truth, but not there",
                missing.display()
            );
            return Err(
                Error::user(what).hint("name the folder that holds all its videos: --videos DIR")
            );
        }
        for file in &mut files {
            *file = file.canonicalize()?;
        }
        let mut indexer = self.indexer(request.index.clone())?;
        let summary = indexer.run(&files, false, stop, report)?;
        if summary.interrupted {
            return Err(Error::user(
                "stopped before all videos were indexed; nothing was measured",
            ));
        }
        let reader = self.reader()?;
        let embedder = self.model(indexer.model_name())?;
        let asker = Asker {
            reader: &reader,
            embedder: embedder.as_ref(),
            request,
        };
        let (mut found, mut answered, mut judged) = (Vec::new(), 0, Vec::new());
        for (t, file) in request.truth.iter().zip(&files) {
            for q in &t.queries {
                let answer = asker.ask(&q.query, &everywhere())?;
                let right = first_right(&answer.hits, q, |hit| hit.video == *file);
                answered += usize::from(answer.matches > 0);
                for hit in answer.hits.iter().take(LISTED) {
                    let right = request.truth.iter().zip(&files).any(|(t, file)| {
                        let same = |other: &&TruthQuery| other.query == q.query;
                        hit.video == *file
                            && t.queries.iter().filter(same).any(|q| is_right(hit, q))
                    });
                    judged.extend(hit.confidence.map(|c| (c, right)));
                }
                tell(Told::Found {
                    file: &t.file,
                    query: &q.query,
                    right,
                })?;
                found.push(right);
            }
        }
        Ok(Evaluation {
            model: embedder.name().into(),
            scores: scores(&found),
            answered: answered as f64 / found.len().max(1) as f64,
            confidence: asker.pairs(&files, tell)?,
            absent: asker.absent(&mut judged, tell)?,
            reliability: reliability(&judged),
        })
    }
}

fn everywhere() -> Filter {
    Filter::everything(TimeZone::system())
}

struct Asker<'a> {
    reader: &'a Reader,
    embedder: &'a dyn Embedder,
    request: &'a EvaluationRequest,
}

impl Asker<'_> {
    fn ask(&self, sentence: &str, filter: &Filter) -> Result<Answer, Error> {
        let resolver = Resolver {
            reader: self.reader,
            embedder: self.embedder,
            templates: &self.request.templates,
        };
        let request = Request {
            wanted: vec![Clause {
                subject: Subject::Sentence(sentence.into()),
                weight: 1.0,
            }],
            words: self.request.words,
            ..Request::default()
        };
        let question = resolver.question(&request)?;
        let options = Options {
            diverse: self.request.diverse,
            minimum_confidence: self.request.minimum_confidence,
            ..Options::top(DEPTH)
        };
        Ok(query(
            self.reader,
            self.embedder,
            &question,
            options,
            filter,
        )?)
    }

    /// How a query does in a scope; `None` where nothing is in scope, or confidence is not known.
    fn pair(&self, sentence: &str, filter: &Filter) -> Result<Option<Pair>, Error> {
        let answer = self.ask(sentence, filter)?;
        Ok(Pair::new(&answer))
    }

    /// Every query asked of every file alone; `None` where confidence is not known.
    fn pairs(&self, files: &[PathBuf], tell: Tell) -> Result<Option<Honesty>, Error> {
        let truth = &self.request.truth;
        let mut queries: Vec<&str> = truth
            .iter()
            .flat_map(|t| &t.queries)
            .map(|q: &TruthQuery| q.query.as_str())
            .collect();
        queries.sort_unstable();
        queries.dedup();
        let (mut present, mut absent) = (Vec::new(), Vec::new());
        for (t, file) in truth.iter().zip(files) {
            let alone = everywhere().only(file)?;
            for query in &queries {
                let Some(pair) = self.pair(query, &alone)? else {
                    continue;
                };
                let is_present = t.queries.iter().any(|q| q.query == *query);
                tell(Told::Pair {
                    query,
                    asked_of: Some(&t.file),
                    present: is_present,
                    pair: &pair,
                })?;
                match is_present {
                    true => present.push(pair),
                    false => absent.push(pair),
                }
            }
        }
        Ok(honesty(&present, &absent))
    }

    /// Sentences about what is nowhere, asked of everything.
    fn absent(&self, judged: &mut Vec<(f64, bool)>, tell: Tell) -> Result<Option<Honesty>, Error> {
        let mut absent = Vec::new();
        for query in &self.request.absent {
            let answer = self.ask(query, &everywhere())?;
            let listed = answer.hits.iter().take(LISTED);
            judged.extend(listed.filter_map(|h| Some((h.confidence?, false))));
            if let Some(pair) = Pair::new(&answer) {
                tell(Told::Pair {
                    query,
                    asked_of: None,
                    present: false,
                    pair: &pair,
                })?;
                absent.push(pair);
            }
        }
        Ok(honesty(&[], &absent))
    }
}

/// Reads a ground truth.
pub fn read_truth(path: &Path) -> Result<Vec<TruthFile>, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::user(format!("{}: cannot be read: {e}", path.display())))?;
    let form = "its form is in docs/formats.md and `vsearch eval --help`";
    let truth: Vec<TruthFile> = serde_json::from_str(&text).map_err(|e| {
        Error::user(format!("{}: not a ground truth: {e}", path.display())).hint(form)
    })?;
    if truth.is_empty() {
        let what = format!(
            "{}: holds no file: nothing would be measured",
            path.display()
        );
        return Err(Error::user(what).hint(form));
    }
    for file in &truth {
        for TruthQuery { query, intervals } in &file.queries {
            let backwards = intervals.iter().find(|[start, end]| start > end);
            if let Some([start, end]) = backwards {
                let what = format!(
                    "{}: {}, {query:?}: the interval [{start}, {end}] ends before it starts",
                    path.display(),
                    file.file
                );
                let hint = format!("write seconds from the start of the video: [{end}, {start}]");
                return Err(Error::user(what).hint(hint));
            }
        }
    }
    Ok(truth)
}
