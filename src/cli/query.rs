use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::args::Common;
use super::ask::{AskArgs, remember};
use super::embedder;
use super::failure::Failure;
use super::feedback;
use super::output::{count, json_line, length, library, print, shown};
use super::pictures;
use super::scope::ScopeArgs;
use crate::embed::Embedder;
use crate::index::{Method, Reader, VideoRow};
use crate::search::{
    Answer, LEVEL, Line, Options, Parts, Question, Scope, Sequence, query, query_sequence,
};
use crate::types::{Hit, timecode};

/// Find moments with a sentence or a picture
///
/// Prints the best matching moments: rank, confidence, score, video, time of the best frame, and the
/// stretch that matches. The confidence says how likely a hit is real; what is less likely than the
/// level is not listed, unless its file name, camera, a tag, note or subtitle holds all words of the
/// sentence. A question with a picture has no confidence. Scores rank the hits of one query and say
/// nothing across queries.
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
  vsearch query \"a truck\" --json | jq -r '.video + \" \" + .timecode'

Exit codes: 0 hits, 1 none that is likely enough, 2 error.")]
pub(super) struct QueryArgs {
    /// Number of hits
    #[arg(short, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    k: u32,
    /// Least confidence of a hit that is listed, 0 to 1
    #[arg(long, value_name = "LEVEL", default_value_t = LEVEL, value_parser = level)]
    confidence: f64,
    /// List hits below that level too
    #[arg(long)]
    all: bool,
    /// List so many hits of one video at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    per_video: Option<u32>,
    /// List hits that differ from one another; near duplicates in other videos are counted
    #[arg(long)]
    diverse: bool,
    /// Order of the hits found
    #[arg(long, value_enum, default_value = "score")]
    sort: Sort,
    /// And then this, within the time of --within; may be said again for longer sequences
    #[arg(long, value_name = "SENTENCE", conflicts_with_all = ["text", "feedback", "per_video", "diverse", "thumbnails", "show", "explain"])]
    then: Vec<String>,
    /// Longest time from the end of one step of a sequence to the start of the next: 60s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    within: Option<f64>,
    /// Steps of a sequence by the wall clock, before the same camera [default: in the same video]
    #[arg(long, requires = "then")]
    same_camera: bool,
    /// Steps of a sequence by the wall clock, before any camera
    #[arg(long, requires = "then", conflicts_with = "same_camera")]
    any_camera: bool,
    /// Judge the hits one by one; each answer refines what is looked for
    #[arg(long, conflicts_with_all = ["text", "not", "per_video", "diverse", "thumbnails", "explain", "all"])]
    feedback: bool,
    /// Look at every vector, however many there are
    #[arg(long)]
    exact: bool,
    /// Print what each score and confidence is made of, and how the hits were found
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

pub(super) fn run(common: &Common, args: &QueryArgs) -> Result<ExitCode, Failure> {
    args.ask.check()?;
    let Some(within) = args.within.or(args.then.is_empty().then_some(0.0)) else {
        return Err(
            Failure::new("a sequence needs the longest time between its steps")
                .hint(format!("as in --then {:?} --within 60s", args.then[0])),
        );
    };
    let here = std::env::current_dir()?;
    let scope = args.scope.scope(&here)?;
    let dir = library(common)?;
    let reader = Reader::open(&dir)?.exact(args.exact);
    let own = reader.model_names()?.into_iter().next();
    let embedder = embedder::open(common, args.model.as_deref(), own.as_deref())?;
    let embedder = embedder.as_ref();
    let question = args.ask.question(&reader, embedder)?;
    let found = if args.feedback {
        remember(&reader, embedder, &[]);
        let outputs = (args.show, args.json);
        return feedback::run(&reader, embedder, question, &scope, outputs);
    } else if args.then.is_empty() {
        hits(common, args, &reader, embedder, &question, &scope)?
    } else {
        sequences(args, &reader, embedder, question, (within, &scope))?
    };

    let mut videos = reader.videos()?;
    let clockless = |v: &&VideoRow| match args.any_camera {
        true => scope.contains(v) && v.recorded_ms.is_none() || scope.lacks_time(v),
        false => scope.lacks_time(v),
    };
    let undated = videos.iter().filter(clockless).count();
    let all = videos.len();
    videos.retain(|v| scope.contains(v));
    if args.explain && !scope.is_everything() {
        note!("filters leave {} of {}", videos.len(), count(all, "video"));
    }
    if !common.quiet {
        note!("{}", searched(&videos, !scope.is_everything()));
        if undated > 0 {
            note!(
                "left out: {} recorded at an unknown time",
                count(undated, "video")
            );
        }
    }
    match found {
        Found::Hits => return Ok(ExitCode::SUCCESS),
        Found::Unlikely(reason) => note!("no confident match: {reason}"),
        Found::Nothing if videos.is_empty() => {
            note!("no match: no indexed video lies in the scope asked for");
        }
        Found::Nothing if args.ask.is_words() => {
            note!("no match: no path, camera, tag, note or subtitle in scope holds these words");
        }
        Found::Nothing if !args.then.is_empty() => {
            note!("no match: nothing likely follows one another in this time (--all, --within)");
        }
        Found::Nothing if scope.is_timed() => {
            note!("no match: nothing in scope was recorded at these times");
        }
        Found::Nothing => note!("no match: the videos searched gave no frames (vsearch status)"),
    }
    Ok(ExitCode::from(1))
}

enum Found {
    Hits,
    /// None that is likely enough; says why.
    Unlikely(String),
    Nothing,
}

impl QueryArgs {
    fn options(&self) -> Options {
        Options {
            limit: self.k as usize,
            level: if self.all { 0.0 } else { self.confidence },
            per_video: self.per_video.map(|n| n as usize),
            diverse: self.diverse,
        }
    }
}

fn hits(
    common: &Common,
    args: &QueryArgs,
    reader: &Reader,
    embedder: &dyn Embedder,
    question: &Question,
    scope: &Scope,
) -> Result<Found, Failure> {
    let mut answer = query(reader, embedder, question, args.options(), scope)?;
    let found = answer.hits.iter().zip(&answer.parts);
    let vectors: Vec<_> = found.map(|(_, p)| p.vector).collect();
    remember(reader, embedder, &vectors);
    if args.sort == Sort::Time {
        by_time(&mut answer);
    }
    if let Some(reason) = &answer.without_words {
        note!("words were left out of account: {reason} (vsearch check --repair)");
    }
    if args.json {
        for (hit, parts) in answer.hits.iter().zip(&answer.parts) {
            let parts = args.explain.then_some(parts);
            json_line(&HitLine { hit, parts })?;
        }
    } else {
        print(&table(&answer, args.explain))?;
    }
    if args.explain {
        note!("{}", how(&answer, question, args.options().level));
        if let Some(templates) = args.ask.templates() {
            note!("templates {templates}: each sentence is the mean of its phrasings");
        }
    }
    if let Some(folder) = &args.thumbnails {
        let written = pictures::write(reader, folder, &answer.hits)?;
        if !common.quiet {
            note!("{} written to {}", count(written, "picture"), shown(folder));
        }
    }
    if args.show {
        pictures::show(reader, &answer.hits)?;
    }
    Ok(match (answer.hits.is_empty(), answer.best_left_out) {
        (false, _) => Found::Hits,
        (true, Some(best)) => Found::Unlikely(unlikely(&answer, best)),
        (true, None) => Found::Nothing,
    })
}

/// Why no hit is listed.
fn unlikely(answer: &Answer, best: f64) -> String {
    match answer.seeable {
        Some(seeable) if seeable < LEVEL => {
            "the sentence hardly says anything that can be seen (--all lists guesses)".into()
        }
        _ => format!(
            "the best guess is {:.0} % likely (--all lists guesses)",
            (100.0 * best).floor()
        ),
    }
}

/// Ranks stay those by score.
fn by_time(answer: &mut Answer) {
    let hits = std::mem::take(&mut answer.hits);
    let mut both: Vec<(Hit, Parts)> = hits.into_iter().zip(answer.parts.drain(..)).collect();
    both.sort_by(|(a, _), (b, _)| {
        let clock = |h: &Hit| (h.recorded_ms, h.video.clone());
        clock(a).cmp(&clock(b)).then(a.time.total_cmp(&b.time))
    });
    (answer.hits, answer.parts) = both.into_iter().unzip();
}

fn sequences(
    args: &QueryArgs,
    reader: &Reader,
    embedder: &dyn Embedder,
    first: Question,
    (within, scope): (f64, &Scope),
) -> Result<Found, Failure> {
    let line = match (args.same_camera, args.any_camera) {
        (true, _) => Line::Camera,
        (_, true) => Line::Anywhere,
        _ => Line::Video,
    };
    let mut questions = vec![Question {
        words: None,
        ..first
    }];
    for sentence in &args.then {
        questions.push(args.ask.then(sentence, reader, embedder)?);
    }
    remember(reader, embedder, &[]);
    let found = query_sequence(
        reader,
        embedder,
        &questions,
        (within, line),
        args.options(),
        scope,
    )?;
    if args.json {
        for sequence in &found {
            json_line(sequence)?;
        }
    } else {
        print(&sequence_table(&found))?;
    }
    Ok(match found.is_empty() {
        true => Found::Nothing,
        false => Found::Hits,
    })
}

/// A hit, and what its score is made of where that is asked.
#[derive(Serialize)]
struct HitLine<'a> {
    #[serde(flatten)]
    hit: &'a Hit,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<&'a Parts>,
}

fn level(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(level) if (0.0..=1.0).contains(&level) => Ok(level),
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

/// A hit as it is printed for people, its video padded to `width`.
pub(super) fn line(hit: &Hit, width: usize) -> String {
    let confidence = match hit.confidence {
        Some(c) => format!("{:>3.0} %", 100.0 * c),
        None => "    -".into(),
    };
    let alike = match hit.alike {
        0 => String::new(),
        n => format!("  (and {n} alike in other videos)"),
    };
    format!(
        "{:>3}  {confidence}  {:.4}  {:width$}  {}  {} - {}{alike}",
        hit.rank,
        hit.score,
        shown(&hit.video),
        hit.timecode,
        timecode(hit.start),
        timecode(hit.end),
    )
}

fn widest<'a>(hits: impl Iterator<Item = &'a Hit>) -> usize {
    let names = hits.map(|h| shown(&h.video).chars().count());
    names.max().unwrap_or(0)
}

fn table(answer: &Answer, explain: bool) -> String {
    let mut out = String::new();
    let width = widest(answer.hits.iter());
    for (h, parts) in answer.hits.iter().zip(&answer.parts) {
        let _ = writeln!(out, "{}", line(h, width));
        if explain {
            let _ = writeln!(out, "       {}", explained(h, parts));
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
    said.extend(
        hit.view
            .map(|[x, y, w, h]| format!("of {w}x{h} pixels at {x},{y}{views}")),
    );
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
            .stands_out
            .map(|z| format!("{z:.1} deviations above what pictures of all kinds have with it")),
    );
    said.join("; ")
}

fn sequence_table(found: &[Sequence]) -> String {
    let mut out = String::new();
    let width = widest(found.iter().flat_map(|s| &s.steps));
    for sequence in found {
        let confidence = match sequence.confidence {
            Some(c) => format!("{:>3.0} %", 100.0 * c),
            None => "    -".into(),
        };
        let rank = sequence.rank;
        let _ = writeln!(out, "{rank:>3}  {confidence}  {:.2}", sequence.score);
        for step in &sequence.steps {
            let _ = writeln!(out, "   {}", line(step, width));
        }
    }
    out
}

/// How the hits were found and judged.
fn how(answer: &Answer, question: &Question, level: f64) -> String {
    let mut said = match answer.method {
        Method::Exact => format!("exact: all {} vectors in scope were compared", answer.among),
        Method::Hnsw => format!(
            "HNSW: the graph led through {} vectors in scope (--exact compares them all)",
            answer.among
        ),
    };
    for (parts, sign) in [(&question.wanted, '+'), (&question.unwanted, '-')] {
        let composed = question.wanted.len() + question.unwanted.len() > 1;
        for part in parts.iter().filter(|_| composed) {
            let _ = write!(said, "\n  {sign} {:?}, weight {}", part.name, part.weight);
        }
    }
    if answer.left_out > 0 {
        let _ = write!(
            said,
            "\n{} below confidence {level} left out",
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
fn searched(videos: &[VideoRow], scoped: bool) -> String {
    let promised = |v: &VideoRow| v.duration.unwrap_or(0.0).max(v.read_to.unwrap_or(0.0));
    let all: f64 = videos.iter().map(promised).sum();
    let unseen: f64 = videos.iter().map(VideoRow::unseen).sum();
    let trouble = |v: &&VideoRow| v.error.is_some() || !v.complete;
    let trouble = videos.iter().filter(trouble).count();
    let scope = if scoped { " in scope" } else { "" };
    let of = match unseen >= 1.0 {
        true => format!(" of {}", length(all)),
        false => String::new(),
    };
    let mut line = format!(
        "searched {}{of} in {}{scope}",
        length(all - unseen),
        count(videos.len(), "video")
    );
    if unseen >= 1.0 {
        line += &format!("; {} not seen (vsearch status --gaps)", length(unseen));
    }
    if trouble > 0 {
        line += &format!("; {trouble} not or only partly readable (vsearch status)");
    }
    line
}
