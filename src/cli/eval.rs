use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::args::Common;
use super::embedder;
use super::failure::Failure;
use super::output::{json_line, print, shown};
use super::reading::decoder;
use crate::embed::{Embedder, Templates, Views};
use crate::index::Reader;
use crate::ingest::{Fold, Job, NameReader};
use crate::media::{Limits, Sampling};
use crate::search::eval::{DEPTH, Honesty, Pair, Scores, TruthFile, honesty, rank, scores};
use crate::search::{Answer, LEVEL, Options, Part, Question, Scope, query};
use crate::types::Hit;

/// Measure how well queries find what is known to be there, and only that
///
/// Indexes DIR (into a temporary library, unless --library names one), asks every query of the
/// ground truth, and prints moment recall@1/5/10 and the mean reciprocal rank. A query is found
/// at k when one of its first k hits lies in the right file and inside, or within 1 s of, one of
/// its intervals.
///
/// Then asks every query of every file alone. It is present in files it is listed for, absent from
/// the others; printed are how well the confidence of the best hit tells the two apart (ROC AUC),
/// how many present queries keep a hit at the level, and how many hits absent ones get.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  vsearch eval ground_truth.json --videos footage/
  vsearch eval ground_truth.json --videos footage/ --absent nonsense.txt

The ground truth is a JSON array of {\"file\":…, \"queries\":[{\"query\":…,
\"intervals\":[[start,end],…]}]} (see docs/formats.md).")]
pub(super) struct EvalArgs {
    /// JSON file with the queries and their intervals
    ground_truth: PathBuf,
    /// Folder of the videos it names
    #[arg(long, value_name = "DIR")]
    videos: PathBuf,
    /// Model to measure: a name, or the folder of a CLIP model [default: CLIP ViT-B-32 where it is
    /// on this machine, else builtin]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Print JSON Lines: one for each query, then {"summary":…}
    #[arg(long)]
    json: bool,
    /// Phrasings that are averaged: none, photo, cctv, or a file of one a line with {}
    #[arg(long, value_name = "NAME|FILE", default_value = "none")]
    templates: String,
    /// What words in names, tags and subtitles count beside pictures: 0 leaves them out
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0)]
    text_weight: f64,
    /// Fold samples that look the same into one moment: off, normal or strong
    #[arg(long, value_name = "FOLD", default_value_t)]
    fold: Fold,
    /// Rank hits by how they differ as well
    #[arg(long)]
    diverse: bool,
    /// Level of confidence the false hits are counted at
    #[arg(long, value_name = "LEVEL", default_value_t = LEVEL)]
    confidence: f64,
    /// File of sentences, one a line, about things that are in none of the videos
    #[arg(long, value_name = "FILE")]
    absent: Option<PathBuf>,
    /// Print a JSON line for every query and file as well
    #[arg(long, requires = "json")]
    pairs: bool,
    /// What of each frame is embedded: center, fit, cover or tiles [default: cover for CLIP, center
    /// for builtin]
    #[arg(long, value_name = "VIEWS")]
    views: Option<Views>,
}

#[derive(Serialize)]
struct QueryLine<'a> {
    file: &'a str,
    query: &'a str,
    /// Of the first right hit, from 1.
    rank: Option<usize>,
}

/// One query asked of one file, or, where that is null, of all.
#[derive(Serialize)]
struct PairLine<'a> {
    query: &'a str,
    asked_of: Option<&'a str>,
    present: bool,
    #[serde(flatten)]
    pair: &'a Pair,
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    summary: Summary<'a>,
}

#[derive(Serialize)]
struct Summary<'a> {
    model: &'a str,
    #[serde(flatten)]
    scores: Scores,
    /// Share of the queries, asked of all files, with a hit at the level.
    answered: f64,
    confidence: Option<Honesty>,
    absent: Option<Honesty>,
}

pub(super) fn run(common: &Common, args: &EvalArgs) -> Result<ExitCode, Failure> {
    let templates = Templates::named(&args.templates)?;
    let truth = read(&args.ground_truth)?;
    let folder = args.videos.canonicalize().map_err(|e| {
        Failure::new(format!("{}: {e}", shown(&args.videos)))
            .hint("name the folder of the videos: --videos DIR")
    })?;
    let files: Vec<PathBuf> = truth.iter().map(|t| folder.join(&t.file)).collect();
    if let Some(missing) = files.iter().find(|f| !f.is_file()) {
        return Err(Failure::new(format!(
            "{}: named by the ground truth, but not there",
            shown(missing)
        ))
        .hint("name the folder that holds all its videos: --videos DIR"));
    }
    let temporary = tempfile::tempdir()?;
    let dir = common.library.as_deref().unwrap_or(temporary.path());
    let embedder = embedder::open(common, args.model.as_deref(), None)?;
    let job = Job {
        paths: files.clone(),
        found: false,
        sampling: Sampling::DEFAULT,
        fold: args.fold,
        views: args
            .views
            .unwrap_or_else(|| Views::default_of(embedder.as_ref())),
        thumbnail: None,
        stream: None,
        names: NameReader::default(),
        decoder: decoder(),
        limits: Limits::default(),
    };
    let summary = super::index::index(common, dir, embedder.as_ref(), &job)?;
    if summary.interrupted {
        return Err(Failure::new(
            "stopped before all videos were indexed; nothing was measured",
        ));
    }

    let reader = Reader::open(dir)?;
    let asker = Asker {
        reader: &reader,
        embedder: embedder.as_ref(),
        templates,
        args,
    };
    let everywhere = Scope::everything(jiff::tz::TimeZone::system());
    let (mut ranks, mut answered) = (Vec::new(), 0);
    for (t, file) in truth.iter().zip(&files) {
        let real = file.canonicalize()?;
        for q in &t.queries {
            let answer = asker.ask(&q.query, &everywhere)?;
            let found = rank(&answer.hits, q, |hit| hit.video == real);
            let sure = |h: &Hit| h.confidence.is_some_and(|c| c >= args.confidence);
            answered += usize::from(answer.hits.iter().any(sure));
            if args.json {
                json_line(&QueryLine {
                    file: &t.file,
                    query: &q.query,
                    rank: found,
                })?;
            }
            ranks.push(found);
        }
    }
    let scores = scores(&ranks);
    let confidence = asker.pairs(&truth, &files)?;
    let absent = asker.absent(&everywhere)?;
    let answered = answered as f64 / ranks.len().max(1) as f64;
    let model = embedder.name();
    if args.json {
        let summary = Summary {
            model,
            scores,
            answered,
            confidence,
            absent,
        };
        json_line(&SummaryLine { summary })?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!(
        "model {model}, {} queries: moment recall@1 {:.3}, @5 {:.3}, @10 {:.3}; mean reciprocal rank {:.3}\n",
        scores.queries,
        scores.recall_at_1,
        scores.recall_at_5,
        scores.recall_at_10,
        scores.mean_reciprocal_rank
    ))?;
    let or_none = |auc: Option<f64>| auc.map_or("none".into(), |a| format!("{a:.3}"));
    if let Some(h) = confidence {
        print(&format!(
            "each query of each file alone, {} present and {} absent: AUC of the best confidence {} (of the best \
             cosine {}); at level {}: {:.3} of the present keep a hit, {:.2} false hits for each absent, {:.3} of \
             the absent get any\n",
            h.present,
            h.absent,
            or_none(h.auc),
            or_none(h.auc_of_similarity),
            args.confidence,
            h.kept,
            h.false_hits,
            h.fooled
        ))?;
    }
    if let Some(h) = absent {
        print(&format!(
            "asked of all files at level {}: {:.3} of the queries get a hit; of {} sentences about what is nowhere {:.3} \
             do, {:.2} hits each\n",
            args.confidence, answered, h.absent, h.fooled, h.false_hits
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

struct Asker<'a> {
    reader: &'a Reader,
    embedder: &'a dyn Embedder,
    templates: Templates,
    args: &'a EvalArgs,
}

impl Asker<'_> {
    fn ask(&self, sentence: &str, scope: &Scope) -> Result<Answer, Failure> {
        let vector = self.templates.embed(self.embedder, sentence)?;
        let question = Question {
            words: Some(sentence.into()),
            words_weight: self.args.text_weight,
            ..Question::of(vec![Part::sentence(sentence, vector)])
        };
        let options = Options {
            diverse: self.args.diverse,
            ..Options::all(DEPTH)
        };
        Ok(query(
            self.reader,
            self.embedder,
            &question,
            options,
            scope,
        )?)
    }

    /// How a query does in a scope; `None` where nothing is in scope, or confidence is not known.
    fn pair(&self, sentence: &str, scope: &Scope) -> Result<Option<Pair>, Failure> {
        let answer = self.ask(sentence, scope)?;
        Ok(Pair::of(&answer, self.args.confidence))
    }

    /// Every query asked of every file alone; `None` where confidence is not known.
    fn pairs(&self, truth: &[TruthFile], files: &[PathBuf]) -> Result<Option<Honesty>, Failure> {
        let mut queries: Vec<&str> = truth
            .iter()
            .flat_map(|t| &t.queries)
            .map(|q| q.query.as_str())
            .collect();
        queries.sort_unstable();
        queries.dedup();
        let (mut present, mut absent) = (Vec::new(), Vec::new());
        for (t, file) in truth.iter().zip(files) {
            let real = file.canonicalize()?;
            let name = globset::escape(&real.to_string_lossy());
            let zone = jiff::tz::TimeZone::system();
            let alone = Scope::everything(zone).within(&name, Path::new("/"));
            let alone = alone.map_err(Failure::new)?;
            for query in &queries {
                let Some(pair) = self.pair(query, &alone)? else {
                    continue;
                };
                let is_present = t.queries.iter().any(|q| q.query == *query);
                self.told(query, Some(&t.file), is_present, &pair)?;
                match is_present {
                    true => present.push(pair),
                    false => absent.push(pair),
                }
            }
        }
        Ok(honesty(&present, &absent))
    }

    /// Sentences about what is nowhere, asked of everything.
    fn absent(&self, everywhere: &Scope) -> Result<Option<Honesty>, Failure> {
        let Some(path) = &self.args.absent else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::new(format!("{}: cannot be read: {e}", shown(path))))?;
        let mut absent = Vec::new();
        for sentence in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
            if let Some(pair) = self.pair(sentence, everywhere)? {
                self.told(sentence, None, false, &pair)?;
                absent.push(pair);
            }
        }
        Ok(honesty(&[], &absent))
    }

    fn told(
        &self,
        query: &str,
        asked_of: Option<&str>,
        present: bool,
        pair: &Pair,
    ) -> Result<(), Failure> {
        if self.args.pairs {
            json_line(&PairLine {
                query,
                asked_of,
                present,
                pair,
            })?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<TruthFile>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::new(format!("{}: cannot be read: {e}", shown(path))))?;
    serde_json::from_str(&text).map_err(|e| {
        Failure::new(format!("{}: not a ground truth: {e}", shown(path)))
            .hint("its form is in docs/formats.md and `vsearch eval --help`")
    })
}
