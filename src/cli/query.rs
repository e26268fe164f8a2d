use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::args::Common;
use super::ask::AskArgs;
use super::output::{count, json_line, length, padded, print, shown, width};
use super::scope::ScopeArgs;
use super::{feedback, pictures, session, tell_of_model};
use crate::app::json::{HitLine, SearchedLine, SequenceLine};
use crate::app::{Error, Found, Query, Reply, Session};
use crate::embed::Templates;
use crate::models;
use crate::search::{
    Answer, Clause, Hit, Line, MINIMUM_CONFIDENCE, Options, Parts, Request, Sequence,
};
use crate::store::{Method, Searched};
use crate::types::timecode;

/// Find moments with a sentence or a picture
///
/// Prints the best matching moments: rank, confidence, score, video, time of the best frame, and the
/// stretch that matches. Confidence is the probability that a hit is real. Hits below the minimum are not
/// listed, unless their file name, camera, a tag, note or subtitle holds every word of the sentence.
/// Queries by picture have no confidence. Scores rank the hits of one query; they cannot be compared
/// across queries.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch query \"a person riding a bicycle\"
  vsearch query \"white car\" -k 5 --in '*gate*'
  vsearch query \"white car\" --camera gate --after 2024-05-01 --between 22:00..06:00

  Several things at once, some not wanted (the sentence itself never says \"not\"):
  vsearch query \"white car\" --and \"at night\":0.5 --not \"parking lot\"
  vsearch query \"white car + at night:0.5 - parking lot\"
  vsearch query \"white car\" --image bmw.jpg:0.7

  By a picture, a moment, an earlier hit, or words:
  vsearch query --image gate.mp4@00:01:30 -k 20
  vsearch query --like 3
  vsearch query --text \"gate 3\"

  One thing, then another:
  vsearch query \"person with a red bag\" --then \"person without a bag\" --within 60s

  What was taught, and what is learnt while you look:
  vsearch query @\"our forklift\"
  vsearch query \"a forklift\" --feedback

  For people and for scripts:
  vsearch query \"a dog\" --per-video 1 --diverse --thumbnails hits/
  vsearch query \"a dog\" --sort time --confidence 0.8
  vsearch query \"a truck\" --json | jq -r 'select(.rank) | .video + \" \" + .timecode'

Exit codes: 0 hits, 1 none that is likely enough, 2 error.")]
pub(super) struct QueryArgs {
    /// Number of hits
    #[arg(short, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    k: u32,
    /// Minimum confidence to list, 0 to 1
    #[arg(long, value_name = "MINIMUM", default_value_t = MINIMUM_CONFIDENCE, value_parser = confidence)]
    confidence: f64,
    /// List hits of every confidence
    #[arg(long)]
    all: bool,
    /// List at most N hits of each video
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    per_video: Option<u32>,
    /// List hits that differ; near duplicates in other videos are only counted
    #[arg(long)]
    diverse: bool,
    /// Order of the hits found
    #[arg(long, value_enum, default_value = "score")]
    sort: Sort,
    /// Then this, within the time of --within; repeat it for longer sequences
    #[arg(long, value_name = "SENTENCE", conflicts_with_all = ["text", "feedback", "per_video", "diverse", "thumbnails", "show", "explain"])]
    then: Vec<String>,
    /// Longest time between two steps of a sequence: 60s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    within: Option<f64>,
    /// Follow a sequence by wall clock in front of one camera [default: within one video]
    #[arg(long, requires = "then")]
    same_camera: bool,
    /// Follow a sequence by wall clock across all cameras
    #[arg(long, requires = "then", conflicts_with = "same_camera")]
    any_camera: bool,
    /// Judge hits one by one; each answer refines the search
    #[arg(long, conflicts_with_all = ["text", "not", "per_video", "diverse", "thumbnails", "explain", "all"])]
    feedback: bool,
    /// Compare every vector, however many there are
    #[arg(long)]
    exact: bool,
    /// Print how each score was computed and how hits were found
    #[arg(long)]
    explain: bool,
    /// Print JSON Lines (see docs/formats.md)
    #[arg(long)]
    json: bool,
    /// Model to query with: a name, or the folder of a CLIP model [default: the library's own]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Write the hits' frames to DIR as JPEG
    #[arg(long, value_name = "DIR")]
    thumbnails: Option<PathBuf>,
    /// Show the hits' frames in the terminal (kitty, iTerm2 and sixel)
    #[arg(long, conflicts_with = "json")]
    show: bool,
    #[command(flatten)]
    ask: AskArgs,
    #[command(flatten)]
    scope: ScopeArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Best first
    Score,
    /// By wall clock where it is known, else by video and time
    Time,
}

pub(super) fn run(common: &Common, args: &QueryArgs) -> Result<ExitCode, Error> {
    let query = args.query()?;
    let session = session(common)?;
    if args.feedback {
        return feedback::run(&session, &query, (args.show, args.json));
    }
    let reply = session.query(&query)?;
    tell_of_model(&session, common, false);
    if let Some(script) = reply.unread_script {
        note!("{}", unread(&reply.model, script));
    }
    match &reply.found {
        Found::Hits(answer) => args.print_hits(common, &session, &query, answer)?,
        Found::Sequences(found) => {
            for sequence in found.sequences.iter().filter(|_| args.json) {
                json_line(&SequenceLine::new(sequence))?;
            }
            match args.json {
                true => json_line(&SearchedLine::of_sequences(
                    found.sequences.len(),
                    &found.searched,
                ))?,
                false => print(&sequence_table(&found.sequences))?,
            }
        }
    }
    let searched = reply.searched();
    if args.explain && !query.filter.is_everything() {
        note!(
            "filters leave {} of {}",
            searched.videos,
            count(searched.all_videos, "video")
        );
    }
    if !common.quiet {
        note!("{}", rests_on(searched, !query.filter.is_everything()));
        let undated = match args.any_camera {
            true => searched.undated + searched.clockless,
            false => searched.undated,
        };
        if undated > 0 {
            note!(
                "left out: {} recorded at an unknown time",
                count(undated, "video")
            );
        }
    }
    let Some(reason) = nothing_found(&reply, &query) else {
        return Ok(ExitCode::SUCCESS);
    };
    note!("{reason}");
    Ok(ExitCode::from(1))
}

impl Reply {
    fn searched(&self) -> &Searched {
        match &self.found {
            Found::Hits(answer) => &answer.searched,
            Found::Sequences(found) => &found.searched,
        }
    }
}

/// Why nothing was found, where it was not.
fn nothing_found(reply: &Reply, query: &Query) -> Option<String> {
    let (found, best) = match &reply.found {
        Found::Hits(answer) => (!answer.hits.is_empty(), answer.best_left_out),
        Found::Sequences(found) => (!found.sequences.is_empty(), None),
    };
    let reason = match (best, &reply.found) {
        _ if found => return None,
        (Some(best), Found::Hits(answer)) => {
            return Some(format!("no confident match: {}", unlikely(answer, best)));
        }
        _ if reply.searched().videos == 0 => "no indexed video lies in the scope asked for",
        _ if query.request.is_text() => {
            "no path, camera, tag, note or subtitle in scope holds these words"
        }
        _ if !query.request.then.is_empty() => {
            "nothing likely follows one another in this time (--all, --within)"
        }
        _ if query.filter.is_timed() => "nothing in scope was recorded at these times",
        _ => "the videos searched gave no frames (vsearch status)",
    };
    Some(format!("no match: {reason}"))
}

impl QueryArgs {
    fn query(&self) -> Result<Query, Error> {
        let minimum = if self.all { 0.0 } else { self.confidence };
        Ok(Query {
            request: self.ask.request(&self.then)?,
            filter: self.scope.filter(&std::env::current_dir()?)?,
            options: Options {
                limit: self.k as usize,
                minimum_confidence: minimum,
                per_video: self.per_video.map(|n| n as usize),
                diverse: self.diverse,
                exact: self.exact,
            },
            model: self.model.clone(),
            templates: Templates::named(&self.ask.templates)?,
            within: self.within,
            line: match (self.same_camera, self.any_camera) {
                (true, _) => Line::Camera,
                (_, true) => Line::Anywhere,
                _ => Line::Video,
            },
        })
    }

    fn print_hits(
        &self,
        common: &Common,
        session: &Session,
        query: &Query,
        answer: &Answer,
    ) -> Result<(), Error> {
        let mut answer = answer.clone();
        if self.sort == Sort::Time {
            answer.sort_by_time();
        }
        if let Some(reason) = &answer.without_words {
            note!("words were ignored: {reason} (vsearch check --repair)");
        }
        if self.json {
            for hit in &answer.hits {
                json_line(&HitLine::new(hit, self.explain))?;
            }
            json_line(&SearchedLine::of_hits(&answer))?;
        } else {
            print(&table(&answer, self.explain))?;
        }
        if self.explain {
            let minimum = query.options.minimum_confidence;
            note!("{}", how(&answer, &query.request, minimum));
            if let Some(templates) = self.ask.averaged() {
                note!("templates {templates}: each sentence is the mean of its phrasings");
            }
        }
        if let Some(folder) = &self.thumbnails {
            let written = pictures::write(&*session.reader()?, folder, &answer.hits)?;
            if !common.quiet {
                note!("{} written to {}", count(written, "picture"), shown(folder));
            }
        }
        if self.show {
            pictures::show(&*session.reader()?, &answer.hits)?;
        }
        Ok(())
    }
}

/// Why no hit is listed.
fn unlikely(answer: &Answer, best: f64) -> String {
    match answer.seeable {
        Some(seeable) if seeable < MINIMUM_CONFIDENCE => {
            "the sentence hardly says anything that can be seen (--all lists guesses)".into()
        }
        _ => format!(
            "the best guess is {:.0} % likely (--all lists guesses)",
            (100.0 * best).floor()
        ),
    }
}

/// A reader who trusts the answer must know that the model could not read the question.
fn unread(model: &str, script: &str) -> String {
    let chinese = match script {
        "Han" => {
            let name = models::CHINESE;
            format!("; {name} can: vsearch model pull {name}, then index with --model {name}")
        }
        _ => String::new(),
    };
    format!(
        "hint: {model} cannot read {script} script, so these hits mean little; ask in English{chinese}"
    )
}

fn confidence(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minimum) if (0.0..=1.0).contains(&minimum) => Ok(minimum),
        _ => Err("must be a number from 0 to 1, as 0.8".into()),
    }
}

/// Seconds of `60s`, `5m`, `1h 30m`, or of a plain number.
fn duration(text: &str) -> Result<f64, String> {
    let plain = text.parse::<f64>().ok();
    let said = || Some(text.parse::<jiff::SignedDuration>().ok()?.as_secs_f64());
    match plain.or_else(said) {
        Some(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(seconds),
        _ => Err("must be a time above 0, as 60s, 5m or 1h".into()),
    }
}

/// A hit as it is printed for people, its video padded to `columns`.
pub(super) fn line(hit: &Hit, columns: usize) -> String {
    let confidence = match hit.confidence {
        Some(c) => format!("{:>3.0} %", 100.0 * c),
        None => "    -".into(),
    };
    let near_duplicates = match hit.near_duplicates {
        0 => String::new(),
        n => format!("  (and {n} alike in other videos)"),
    };
    format!(
        "{:>3}  {confidence}  {:.4}  {}  {}  {} - {}{near_duplicates}",
        hit.rank,
        hit.score,
        padded(&shown(&hit.video), columns),
        hit.timecode,
        timecode(hit.start),
        timecode(hit.end),
    )
}

/// Columns of the longest name.
pub(super) fn widest<'a>(hits: impl Iterator<Item = &'a Hit>) -> usize {
    let names = hits.map(|h| width(&shown(&h.video)));
    names.max().unwrap_or(0)
}

fn table(answer: &Answer, explain: bool) -> String {
    let mut out = String::new();
    let columns = widest(answer.hits.iter());
    for h in &answer.hits {
        let _ = writeln!(out, "{}", line(h, columns));
        if explain {
            let _ = writeln!(out, "       {}", explained(h, &h.parts));
        }
    }
    out
}

/// What a score is made of.
fn explained(hit: &Hit, parts: &Parts) -> String {
    let mut said = Vec::new();
    said.extend(parts.similarity.map(|s| format!("similarity {s:.4}")));
    let views = match parts.views {
        0 | 1 => String::new(),
        n => format!(", the best of {n} views"),
    };
    said.extend(hit.region.map(|r| {
        format!(
            "of {}x{} pixels at {},{}{views}",
            r.width, r.height, r.x, r.y
        )
    }));
    said.extend(parts.words.map(|w| {
        let passage = parts.passage.as_deref().unwrap_or_default();
        format!("words {w:+.4} for {:?}", passage.replace('\n', " "))
    }));
    said.extend(parts.penalty.map(|p| {
        let cosines: Vec<String> = parts.unwanted.iter().map(|u| format!("{u:.4}")).collect();
        format!("unwanted {:+.4} for similarity {}", -p, cosines.join(", "))
    }));
    said.extend(
        parts
            .z_score
            .map(|z| format!("{z:.1} deviations above what pictures of all kinds have with it")),
    );
    said.join("; ")
}

fn sequence_table(found: &[Sequence]) -> String {
    let mut out = String::new();
    let columns = widest(found.iter().flat_map(|s| &s.steps));
    for sequence in found {
        let confidence = match sequence.confidence {
            Some(c) => format!("{:>3.0} %", 100.0 * c),
            None => "    -".into(),
        };
        let rank = sequence.rank;
        let _ = writeln!(out, "{rank:>3}  {confidence}  {:.2}", sequence.score);
        for step in &sequence.steps {
            let _ = writeln!(out, "   {}", line(step, columns));
        }
    }
    out
}

/// How the hits were found and judged.
fn how(answer: &Answer, request: &Request, minimum: f64) -> String {
    let mut said = match answer.method {
        Method::Exact => format!("exact: all {} vectors in scope were compared", answer.among),
        Method::Hnsw => format!(
            "HNSW: the graph led through {} vectors in scope (--exact compares them all)",
            answer.among
        ),
        Method::Words => format!("words: {} passages hold some of them", answer.among),
    };
    let composed = request.wanted.len() + request.unwanted.len() > 1;
    let mut tell = |clauses: &[Clause], sign: char| {
        for clause in clauses.iter().filter(|_| composed) {
            let (name, weight) = (clause.name(), clause.weight);
            let _ = write!(said, "\n  {sign} {name:?}, weight {weight}");
        }
    };
    tell(&request.wanted, '+');
    tell(&request.unwanted, '-');
    if answer.left_out > 0 {
        let _ = write!(
            said,
            "\n{} below confidence {minimum} left out",
            count(answer.left_out, "candidate")
        );
    }
    if let Some(seeable) = answer.seeable.filter(|s| *s < 0.995) {
        let _ = write!(
            said,
            "\nthe sentence is about something that can be seen: {:.0} % likely",
            100.0 * seeable
        );
    }
    said
}

/// What an answer rests on.
fn rests_on(searched: &Searched, scoped: bool) -> String {
    let unseen = searched.unseen;
    let scope = if scoped { " in scope" } else { "" };
    let of = match unseen >= 1.0 {
        true => format!(" of {}", length(searched.length)),
        false => String::new(),
    };
    let mut line = format!(
        "searched {}{of} in {}{scope}",
        length(searched.length - unseen),
        count(searched.videos, "video")
    );
    if unseen >= 1.0 {
        line += &format!("; {} not seen (vsearch status --gaps)", length(unseen));
    }
    if searched.troubled > 0 {
        line += &format!(
            "; {} not or only partly readable (vsearch status)",
            searched.troubled
        );
    }
    line
}
