use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::args::Common;
use super::output::{json_line, print, shown};
use super::progress::Progress;
use super::session_in;
use super::stop::on_interrupt;
use crate::analyse::Views;
use crate::app::json::SummaryLine;
use crate::app::{
    Error, Evaluation, EvaluationRequest, IndexRequest, Told, default_model, read_truth,
};
use crate::embed::Templates;
use crate::ingest::{Event, Fold, Policy};
use crate::media::Sampling;
use crate::search::MINIMUM_CONFIDENCE;
use crate::search::eval::{Bin, Honesty, Pair, RightHit, Scores};

/// Measure how well queries find what is known to be there, and only that
///
/// Indexes DIR (into a temporary library, unless --library names one), asks every query of the
/// ground truth, and prints moment recall@1/5/10 and the mean reciprocal rank. A query is found
/// at k when one of its first k hits lies in the right file and inside, or within 1 s of, one of
/// its intervals. Of the queries found among ten: how many as matches and how many as guesses, and how
/// well the stretch of the hit fits the interval (temporal intersection over union). Then what was said
/// of the ten hits listed, in tenths of confidence, and how many of them were right.
///
/// Then asks every query of every file alone. It is present in files it is listed for, absent from
/// the others; printed are how well the confidence of the best hit tells the two apart (ROC AUC),
/// how many present queries get a match, and how many matches absent ones get.
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
    /// Look for the words of the sentences in names, tags and subtitles as well
    #[arg(long)]
    words: bool,
    /// Fold samples that look the same into one moment: off, normal or strong
    #[arg(long, value_name = "FOLD", default_value_t)]
    fold: Fold,
    /// Rank hits by how they differ as well
    #[arg(long)]
    diverse: bool,
    /// From this confidence on, 0 to 1, a hit is a match
    #[arg(long, value_name = "MINIMUM", default_value_t = MINIMUM_CONFIDENCE)]
    confidence: f64,
    /// File of sentences, one a line, about things that are in none of the videos
    #[arg(long, value_name = "FILE")]
    absent: Option<PathBuf>,
    /// Print a JSON line for every query and file as well
    #[arg(long, requires = "json")]
    pairs: bool,
    /// What of each frame is embedded: center, fit, cover, tiles or objects [default: cover for CLIP, center
    /// for builtin]
    #[arg(long, value_name = "VIEWS")]
    views: Option<Views>,
}

#[derive(Serialize)]
struct QueryLine<'a> {
    file: &'a str,
    query: &'a str,
    /// Of the first right hit, from 1; whether it is a match, and how well its stretch fits.
    rank: Option<usize>,
    #[serde(rename = "match")]
    is_match: Option<bool>,
    iou: Option<f64>,
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
struct Summary<'a> {
    model: &'a str,
    #[serde(flatten)]
    scores: Scores,
    /// Share of the queries, asked of all files, with a match.
    answered: f64,
    reliability: [Bin; 10],
    confidence: Option<Honesty>,
    absent: Option<Honesty>,
}

pub(super) fn run(common: &Common, args: &EvalArgs) -> Result<ExitCode, Error> {
    let temporary = tempfile::tempdir()?;
    let library = common.library.clone();
    let session = session_in(library.unwrap_or_else(|| temporary.path().into()), common);
    let request = args.request()?;
    let progress = Progress::new(common.quiet);
    let stop = on_interrupt();
    let report = |event: Event| progress.show(event);
    let found = session.evaluate(&request, &stop, &report, &mut |told| args.tell(&told))?;
    match args.json {
        true => json_line(&SummaryLine {
            summary: &Summary::new(&found),
        })?,
        false => print(&told(&found, args.confidence))?,
    }
    Ok(ExitCode::SUCCESS)
}

impl EvalArgs {
    fn request(&self) -> Result<EvaluationRequest, Error> {
        let absent = match &self.absent {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|e| Error::user(format!("{}: cannot be read: {e}", shown(path))))?,
            None => String::new(),
        };
        let absent = absent.lines().map(str::trim).filter(|l| !l.is_empty());
        Ok(EvaluationRequest {
            templates: Templates::named(&self.templates)?,
            truth: read_truth(&self.ground_truth)?,
            videos: self.videos.clone(),
            absent: absent.map(str::to_owned).collect(),
            index: IndexRequest {
                policy: Policy::new(Sampling::DEFAULT, self.fold, None),
                // The usual one, whatever the library is.
                model: Some(self.model.as_deref().unwrap_or(default_model()).to_owned()),
                views: self.views,
                ..IndexRequest::default()
            },
            words: self.words,
            diverse: self.diverse,
            minimum_confidence: self.confidence,
        })
    }

    /// Prints what was measured of one query.
    fn tell(&self, told: &Told) -> Result<(), Error> {
        match *told {
            Told::Found { file, query, right } if self.json => json_line(&QueryLine {
                file,
                query,
                rank: right.map(|r| r.rank),
                is_match: right.map(|r| r.is_match),
                iou: right.map(|r: RightHit| r.iou),
            })?,
            Told::Pair {
                query,
                asked_of,
                present,
                pair,
            } if self.pairs => json_line(&PairLine {
                query,
                asked_of,
                present,
                pair,
            })?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Summary<'a> {
    fn new(found: &'a Evaluation) -> Self {
        Self {
            model: &found.model,
            scores: found.scores,
            answered: found.answered,
            reliability: found.reliability,
            confidence: found.confidence,
            absent: found.absent,
        }
    }
}

/// What was measured, in words.
fn told(found: &Evaluation, minimum: f64) -> String {
    let scores = found.scores;
    let mut out = format!(
        "model {}, {} queries: moment recall@1 {:.3}, @5 {:.3}, @10 {:.3}; mean reciprocal rank {:.3}\n",
        found.model,
        scores.queries,
        scores.recall_at_1,
        scores.recall_at_5,
        scores.recall_at_10,
        scores.mean_reciprocal_rank
    );
    let _ = writeln!(
        out,
        "among the ten listed: right as a match {:.3}, as a guess {:.3}; the stretch of a right hit fits by {:.3} \
         (temporal IoU)",
        scores.right_matches, scores.right_guesses, scores.temporal_iou
    );
    let said = found.reliability.iter().filter(|b| b.hits > 0);
    let said: Vec<String> = said
        .map(|b| {
            let right = 100.0 * b.share.unwrap_or(0.0);
            format!("{:.0} %: {right:.0} % of {}", 100.0 * b.said, b.hits)
        })
        .collect();
    let _ = writeln!(out, "confidence said, and right: {}", said.join("; "));
    let or_none = |auc: Option<f64>| auc.map_or("none".into(), |a| format!("{a:.3}"));
    if let Some(h) = found.confidence {
        out += &format!(
            "each query of each file alone, {} present and {} absent: AUC of the best confidence {} (of the best \
             cosine {}); at level {minimum}: {:.3} of the present get a match, {:.2} false matches for each absent, {:.3} \
             of the absent get any\n",
            h.present,
            h.absent,
            or_none(h.auc),
            or_none(h.auc_of_similarity),
            h.kept,
            h.false_hits,
            h.false_positive_rate
        );
    }
    if let Some(h) = found.absent {
        out += &format!(
            "asked of all files at level {minimum}: {:.3} of the queries get a match; of {} sentences about what is nowhere \
             {:.3} do, {:.2} each\n",
            found.answered, h.absent, h.false_positive_rate, h.false_hits
        );
    }
    out
}
