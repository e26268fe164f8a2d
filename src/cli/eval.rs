use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::args::Common;
use super::embedder;
use super::failure::Failure;
use super::output::{json_line, print, shown};
use super::reading::decoder;
use crate::embed::{Templates, Views};
use crate::index::Reader;
use crate::ingest::{Fold, Job, NameReader};
use crate::media::{Limits, Sampling};
use crate::search::eval::{DEPTH, Scores, TruthFile, rank, scores};
use crate::search::{Question, Scope, query};

/// Measure how well queries find what is known to be there
///
/// Indexes DIR (into a temporary library, unless --library names one), asks every query of the
/// ground truth, and prints moment recall@1/5/10 and the mean reciprocal rank. A query is found
/// at k when one of its first k hits lies in the right file and inside, or within 1 s of, one of
/// its intervals.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  vsearch eval ground_truth.json --videos footage/

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

#[derive(Serialize)]
struct SummaryLine<'a> {
    summary: Summary<'a>,
}

#[derive(Serialize)]
struct Summary<'a> {
    model: &'a str,
    #[serde(flatten)]
    scores: Scores,
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
    let everywhere = Scope::everything(jiff::tz::TimeZone::system());
    let mut ranks = Vec::new();
    for (t, file) in truth.iter().zip(&files) {
        let real = file.canonicalize()?;
        for q in &t.queries {
            let vector = templates.embed(embedder.as_ref(), &q.query)?;
            let question = Question {
                vector: Some(&vector),
                words: Some(&q.query),
                words_weight: args.text_weight,
            };
            let answer = query(&reader, embedder.as_ref(), question, DEPTH, &everywhere)?;
            let found = rank(&answer.hits, q, |hit| hit.video == real);
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
    let model = embedder.name();
    if args.json {
        json_line(&SummaryLine {
            summary: Summary { model, scores },
        })?;
    } else {
        print(&format!(
            "model {model}, {} queries: moment recall@1 {:.3}, @5 {:.3}, @10 {:.3}; mean reciprocal rank {:.3}\n",
            scores.queries,
            scores.recall_at_1,
            scores.recall_at_5,
            scores.recall_at_10,
            scores.mean_reciprocal_rank
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Vec<TruthFile>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::new(format!("{}: cannot be read: {e}", shown(path))))?;
    serde_json::from_str(&text).map_err(|e| {
        Failure::new(format!("{}: not a ground truth: {e}", shown(path)))
            .hint("its form is in docs/formats.md and `vsearch eval --help`")
    })
}
