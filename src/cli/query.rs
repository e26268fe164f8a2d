use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::args::Common;
use super::ask::AskArgs;
use super::hits::{counted, sequence_table, table, whole_percent};
use super::output::{count, json_line, length, print, say_lines, shown};
use super::scope::ScopeArgs;
use super::{feedback, pictures, session, tell_of_model};
use crate::app::json::{HitLine, SearchedLine, SequenceLine};
use crate::app::{Error, Found, Query, Reply, Session, quoted};
use crate::embed::{Reading, Templates};
use crate::models;
use crate::search::{Answer, Clause, Line, MINIMUM_CONFIDENCE, Options, Request};
use crate::store::{Method, Searched};

/// Find moments with a sentence or a picture
///
/// Lists the k best events: rank, confidence, time of the best frame, the stretch that matches, the id of the
/// hit and its video; then the wall clock and the camera where they are known. Confidence is the probability
/// that a hit is real. Hits that reach the minimum are matches; the others stand below as weaker guesses. What
/// words of names, tags, notes and subtitles find is a hit of its own, with the passage. Queries by picture have
/// no confidence.
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
  vsearch query --like 3         (hit 3 of the last list)
  vsearch query --like m17       (the hit of that id, whatever was asked since)
  vsearch query --text \"gate 3\"
  vsearch query \"a truck with JCN printed on it\"

  One thing, then another:
  vsearch query \"person with a red bag\" --then \"person without a bag\" --within 60s

  What was taught, and what is learnt while you look:
  vsearch query @\"our forklift\"
  vsearch query \"a forklift\" --feedback

  For people and for scripts:
  vsearch query \"a dog\" --per-video 1 --diverse --thumbnails hits/
  vsearch query \"a dog\" --sort time --matches --confidence 0.8
  vsearch query \"a truck\" --json | jq -r 'select(.rank) | .video + \" \" + .timecode'

Exit codes: 0 matches, 1 none (guesses may be listed), 2 error.")]
pub(super) struct QueryArgs {
    /// Number of hits
    #[arg(short, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    k: u32,
    /// Minimum confidence of a match, 0 to 1; what is below is listed as a guess
    #[arg(long, value_name = "MINIMUM", default_value_t = MINIMUM_CONFIDENCE, value_parser = confidence)]
    confidence: f64,
    /// List matches only, no guesses
    #[arg(long)]
    matches: bool,
    /// List guesses as well, which is the default
    #[arg(long, hide = true, conflicts_with = "matches")]
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
    /// Longest time from the end of one step of a sequence to the start of the next: 10s, 5m, 1h [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    within: Option<f64>,
    /// Follow a sequence by wall clock in front of one camera [default: within one video]
    #[arg(long)]
    same_camera: bool,
    /// Follow a sequence by wall clock across all cameras
    #[arg(long, conflicts_with = "same_camera")]
    any_camera: bool,
    /// Judge hits one by one; each answer refines the search
    #[arg(long, conflicts_with_all = ["text", "not", "per_video", "diverse", "thumbnails", "explain", "all", "matches"])]
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

/// Words, and at most so many characters, shown of where a sentence was cut.
const CUT_SHOWN: usize = 5;
const CUT_AT_MOST: usize = 60;

/// Seconds between the steps of a sequence where nobody says otherwise.
const WITHIN: f64 = 60.0;

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
        Found::Hits(answer) => args.print_hits(common, &session, &query, (&reply, answer))?,
        Found::Sequences(found) => {
            for sequence in found.sequences.iter().filter(|_| args.json) {
                json_line(&SequenceLine::new(sequence))?;
            }
            match args.json {
                true => json_line(&SearchedLine::of_sequences(
                    found,
                    &reply.readings,
                    &reply.cut,
                ))?,
                false => print(&sequence_table(&found.sequences))?,
            }
        }
    }
    for (asked, reading) in &reply.readings {
        note!("{}", read_as(&reply.model, asked, reading));
    }
    for (_, read) in &reply.cut {
        note!("{}", cut_after(&reply.model, read));
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
        let untold = match &reply.found {
            Found::Hits(answer) => {
                note!("{}", counted(answer));
                for (wanted, unwanted) in &answer.alike {
                    note!(
                        "{wanted:?} and {unwanted:?} look much the same to {}, which can hardly keep one and leave out \
                         the other",
                        reply.model
                    );
                }
                &answer.untold
            }
            Found::Sequences(found) => &found.untold,
        };
        for sentence in untold {
            note!(
                "{} cannot tell whether a picture shows {sentence:?}: it knows nothing like it, so these are guesses",
                reply.model
            );
        }
        note!("{}", rests_on(searched, !query.filter.is_everything()));
        if searched.unlooked > 0 {
            let left_out = match query.filter.objects.is_empty() {
                true => "not looked at for things",
                false => "left out, as nobody has looked for things in them",
            };
            let moments = count(searched.unlooked, "moment");
            note!("{left_out}: {moments} (vsearch reembed)");
        }
        if searched.unread > 0 {
            let moments = count(searched.unread, "moment");
            note!("lettering not read: {moments} (vsearch reembed)");
        }
        let undated = match args.any_camera {
            true => searched.undated + searched.clockless,
            false => searched.undated,
        };
        if undated > 0 {
            note!(
                "left out: {} recorded at an unknown time (--trust-file-times takes the file's)",
                count(undated, "video")
            );
        }
        if searched.guessed > 0 {
            note!(
                "left out: {} of which only the time of the file is known (--trust-file-times)",
                count(searched.guessed, "video")
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
    let best = match &reply.found {
        Found::Hits(answer) if answer.matches > 0 => return None,
        Found::Hits(answer) => answer.hits.first().map(|h| h.confidence),
        Found::Sequences(found) if found.sequences.iter().any(|s| s.is_match) => return None,
        Found::Sequences(found) => found.sequences.first().map(|s| s.confidence),
    };
    let reason = match best {
        Some(best) => {
            let best = whole_percent(best.unwrap_or(0.0));
            return Some(format!("no match: the best guess is {best} % likely"));
        }
        None if reply.searched().videos == 0 => "no indexed video lies in the scope asked for",
        None if query.request.is_text() => {
            "no path, camera, tag, note or subtitle in scope holds these words"
        }
        None if query.options.matches_only => "nothing is likely enough (leave --matches out)",
        None if !query.request.then.is_empty() => {
            "nothing follows one another in this time (--within)"
        }
        None if query.filter.is_timed() => "nothing in scope was recorded at these times",
        None if !query.filter.objects.is_empty() => "no moment in scope shows these things",
        None => "the videos searched gave no frames (vsearch status)",
    };
    Some(format!("no match: {reason}"))
}

impl QueryArgs {
    fn query(&self) -> Result<Query, Error> {
        self.needs_steps()?;
        Ok(Query {
            request: self.ask.request(&self.then)?,
            filter: self.scope.filter(&std::env::current_dir()?)?,
            options: Options {
                limit: self.k as usize,
                minimum_confidence: self.confidence,
                matches_only: self.matches,
                per_video: self.per_video.map(|n| n as usize),
                diverse: self.diverse,
                exact: self.exact,
            },
            model: self.model.clone(),
            templates: Templates::named(&self.ask.templates)?,
            within: self.within.unwrap_or(WITHIN),
            line: match (self.same_camera, self.any_camera) {
                (true, _) => Line::Camera,
                (_, true) => Line::Anywhere,
                _ => Line::Video,
            },
        })
    }

    /// Refuses what tells how steps follow one another where there is one only.
    fn needs_steps(&self) -> Result<(), Error> {
        let within = self.within.map(|s| format!("--within {s}s"));
        let camera = self.same_camera.then(|| "--same-camera".to_owned());
        let given = within
            .or(camera)
            .or(self.any_camera.then(|| "--any-camera".to_owned()));
        let Some(given) = given.filter(|_| self.then.is_empty()) else {
            return Ok(());
        };
        let first = self.ask.sentence().unwrap_or("a car stops");
        Err(Error::user(format!(
            "{given} tells how the next thing must follow, and none does"
        ))
        .hint(format!(
            "say what follows: vsearch query {} --then \"a person gets out\" {given}",
            quoted(first)
        )))
    }

    fn print_hits(
        &self,
        common: &Common,
        session: &Session,
        query: &Query,
        (reply, answer): (&Reply, &Answer),
    ) -> Result<(), Error> {
        let mut answer = answer.clone();
        if self.sort == Sort::Time {
            answer.sort_by_time();
        }
        if let Some(reason) = &answer.without_words {
            note!("words were ignored: {reason} (see: vsearch check)");
        }
        if self.json {
            for hit in &answer.hits {
                json_line(&HitLine::new(hit, self.explain))?;
            }
            json_line(&SearchedLine::of_hits(&answer, &reply.readings, &reply.cut))?;
        } else {
            print(&table(&answer, self.explain))?;
        }
        if self.explain {
            say_lines(&how(&answer, &query.request));
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

/// What was looked for instead of what was asked, and why.
fn read_as(model: &str, asked: &str, reading: &Reading) -> String {
    let mut said = Vec::new();
    let list = |words: &[String]| {
        let words: Vec<String> = words.iter().map(|w| format!("{w:?}")).collect();
        words.join(", ")
    };
    if !reading.not_told_apart.is_empty() {
        let makes = list(&reading.not_told_apart);
        said.push(format!("{makes}: makes of cars are not known to {model}"));
    }
    if !reading.not_known.is_empty() {
        said.push(format!("{} not known to {model}", list(&reading.not_known)));
    }
    if !reading.lettering.is_empty() {
        said.push(format!(
            "lettering looked for: {}",
            list(&reading.lettering)
        ));
    }
    if reading.text != asked {
        said.push(format!("searched for {:?}", reading.text));
    }
    said.join("; ")
}

/// How far a sentence was read.
pub(super) fn cut_after(model: &str, read: &str) -> String {
    let words: Vec<&str> = read.split(' ').collect();
    let last = words[words.len().saturating_sub(CUT_SHOWN)..].join(" ");
    let last: Vec<char> = last.chars().collect();
    let last: String = last[last.len().saturating_sub(CUT_AT_MOST)..]
        .iter()
        .collect();
    format!("the sentence is longer than {model} reads: all behind \"…{last}\" was left out")
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

/// How the hits were found and judged.
fn how(answer: &Answer, request: &Request) -> String {
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
