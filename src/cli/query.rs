use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::args::Common;
use super::embedder;
use super::failure::Failure;
use super::input::picture;
use super::output::{count, json_line, length, library, print, shown};
use super::pictures;
use super::scope::ScopeArgs;
use crate::embed::{EmbedError, Templates, store, unread_script};
use crate::index::{Method, Reader, VideoRow};
use crate::search::{Answer, Parts, Question, query};
use crate::types::{Hit, timecode};

/// Find moments with a sentence or a picture
///
/// Prints the best matching moments: rank, score, video, time of the best frame, and the stretch
/// that matches. Scores rank the hits of one query; they say little across queries.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch query \"a person riding a bicycle\"
  vsearch query \"white car\" -k 5 --in '*gate*'
  vsearch query \"white car\" --camera gate --after 2024-05-01 --between 22:00..06:00
  vsearch query --text \"gate 3\"
  vsearch query --image suspect.jpg
  vsearch query --image gate.mp4@00:01:30 -k 20
  vsearch query \"a dog\" --thumbnails hits/
  vsearch query \"a truck\" --json | jq -r '.video + \" \" + .timecode'

Exit codes: 0 hits, 1 none, 2 error.")]
pub(super) struct QueryArgs {
    /// What to look for
    #[arg(required_unless_present_any = ["image", "text"])]
    sentence: Option<String>,
    /// Look for words in paths, cameras, tags, notes and subtitles, not at pictures
    #[arg(long, value_name = "WORDS", conflicts_with_all = ["sentence", "image", "templates"])]
    text: Option<String>,
    /// What such words count beside pictures when a sentence is asked: 0 leaves them out
    #[arg(long, value_name = "WEIGHT", default_value_t = Question::WORDS_WEIGHT, value_parser = weight)]
    text_weight: f64,
    /// Look for moments like a picture: a file, or the frame of a video at a time
    #[arg(long, value_name = "FILE|VIDEO@TIME", conflicts_with_all = ["sentence", "templates"])]
    image: Option<String>,
    /// Phrasings that are averaged: none, photo, cctv, or a file of one a line with {}
    #[arg(long, value_name = "NAME|FILE", default_value = "none")]
    templates: String,
    /// Look at every vector, however many there are
    #[arg(long)]
    exact: bool,
    /// Print what each score is made of, and how the hits were found
    #[arg(long)]
    explain: bool,
    /// Number of hits
    #[arg(short, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    k: u32,
    /// Print JSON Lines (see docs/formats.md)
    #[arg(long)]
    json: bool,
    /// Model to query with: a name, or the folder of a CLIP model [default: the library's own]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// List hits below the confidence level too (there is no such level yet)
    #[arg(long)]
    all: bool,
    /// Write the hits' frames to DIR as JPEG
    #[arg(long, value_name = "DIR")]
    thumbnails: Option<PathBuf>,
    /// Show the hits' frames in the terminal (kitty, iTerm2 and sixel)
    #[arg(long, conflicts_with = "json")]
    show: bool,
    #[command(flatten)]
    scope: ScopeArgs,
}

pub(super) fn run(common: &Common, args: &QueryArgs) -> Result<ExitCode, Failure> {
    if args.sentence.as_ref().is_some_and(|s| s.trim().is_empty()) {
        return Err(EmbedError::EmptyText.into());
    }
    let templates = Templates::named(&args.templates)?;
    let here = std::env::current_dir()?;
    let scope = args.scope.scope(&here)?;
    let dir = library(common)?;
    let reader = Reader::open(&dir)?.exact(args.exact);
    let own = reader.model_names()?.into_iter().next();
    let embedder = embedder::open(common, args.model.as_deref(), own.as_deref())?;
    let vector = match (&args.sentence, &args.image) {
        (_, Some(image)) => embedder.embed_images(&[picture(image)?])?.pop(),
        (Some(sentence), None) => {
            if let Some(script) = unread_script(embedder.as_ref(), sentence) {
                note!("{}", unread(embedder.name(), script));
            }
            Some(templates.embed(embedder.as_ref(), sentence)?)
        }
        (None, None) => None,
    };
    let question = Question {
        vector: vector.as_ref(),
        words: args.text.as_deref().or(args.sentence.as_deref()),
        words_weight: args.text_weight,
    };
    let limit = args.k as usize;
    let answer = query(&reader, embedder.as_ref(), question, limit, &scope)?;

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
        note!("{}", how(&answer));
    }
    if let Some(folder) = &args.thumbnails {
        let written = pictures::write(&reader, folder, &answer.hits)?;
        if !common.quiet {
            note!("{} written to {}", count(written, "picture"), shown(folder));
        }
    }
    if args.show {
        pictures::show(&reader, &answer.hits)?;
    }
    let mut videos = reader.videos()?;
    let undated = videos.iter().filter(|v| scope.lacks_time(v)).count();
    videos.retain(|v| scope.contains(v));
    if !common.quiet {
        note!("{}", searched(&videos, !scope.is_everything()));
        if scope.is_timed() && undated > 0 {
            note!(
                "left out: {} recorded at an unknown time",
                count(undated, "video")
            );
        }
    }
    if answer.hits.is_empty() {
        match videos.is_empty() {
            true => note!("no match: no indexed video lies in the scope asked for"),
            false if scope.is_timed() => {
                note!("no match: nothing in scope was recorded at these times");
            }
            false => note!("no match: the videos searched gave no frames (vsearch status)"),
        }
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

/// A reader who trusts the answer must know that the model could not read the question.
fn unread(model: &str, script: &str) -> String {
    let chinese = match script {
        "Han" => {
            let name = store::CHINESE;
            format!("; {name} did: vsearch model pull {name}, then index with --model {name}")
        }
        _ => String::new(),
    };
    format!(
        "hint: {model} did not learn to read {script} script, so these hits mean little; ask in \
         English{chinese}"
    )
}

/// A hit, and what its score is made of where that is asked.
#[derive(Serialize)]
struct HitLine<'a> {
    #[serde(flatten)]
    hit: &'a Hit,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<&'a Parts>,
}

fn weight(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(w) if (0.0..=100.0).contains(&w) => Ok(w),
        _ => Err("must be a number from 0 to 100".into()),
    }
}

fn table(answer: &Answer, explain: bool) -> String {
    let mut out = String::new();
    let names = answer.hits.iter().map(|h| shown(&h.video).chars().count());
    let width = names.max().unwrap_or(0);
    for (h, parts) in answer.hits.iter().zip(&answer.parts) {
        let _ = writeln!(
            out,
            "{:>3}  {:.4}  {:width$}  {}  {} - {}",
            h.rank,
            h.score,
            shown(&h.video),
            h.timecode,
            timecode(h.start),
            timecode(h.end),
        );
        if explain {
            let similarity = parts.similarity.map(|s| format!("similarity {s:.4}"));
            let part = h
                .view
                .map(|[x, y, w, h]| format!("of {w}x{h} pixels at {x},{y}"));
            let words = parts.words.map(|w| {
                let passage = parts.passage.as_deref().unwrap_or_default();
                format!("words {w:+.4} for {:?}", passage.replace('\n', " "))
            });
            let parts: Vec<String> = [similarity, part, words].into_iter().flatten().collect();
            let _ = writeln!(out, "       {}", parts.join(", "));
        }
    }
    out
}

/// How the hits were found.
fn how(answer: &Answer) -> String {
    match answer.method {
        Method::Exact => format!("exact: all {} vectors in scope were compared", answer.among),
        Method::Hnsw => format!(
            "HNSW: the graph led through {} vectors in scope (--exact compares them all)",
            answer.among
        ),
    }
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
