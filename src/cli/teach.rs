use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::ask::earlier_hit;
use super::embedder;
use super::failure::Failure;
use super::input::picture;
use super::output::{count, library, print};
use crate::embed::Embedder;
use crate::index::{Reader, Writer};
use crate::search::{Lesson, learn};
use crate::types::Embedding;

/// Teach a concept by examples, to be asked for by its name
///
/// A few examples do. The name counts as a sentence too: what the examples do not tell, it does. Teach
/// it again, with all examples, to change it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch teach \"our forklift\" --positive hall.mp4@00:01:30 --positive forklift.jpg
  vsearch teach \"our forklift\" --positive 1 --positive 4 --negative 2   (hits of the last query)
  vsearch query @\"our forklift\"
  vsearch teach                       list what was taught
  vsearch teach \"our forklift\" --forget")]
pub(super) struct TeachArgs {
    /// What it is called
    name: Option<String>,
    /// Pictures of it: files, VIDEO@TIME, or numbers of hits of the last query
    #[arg(long, value_name = "EXAMPLE", num_args = 1.., requires = "name")]
    positive: Vec<String>,
    /// Pictures of what it is not
    #[arg(long, value_name = "EXAMPLE", num_args = 1.., requires = "name")]
    negative: Vec<String>,
    /// What says it in words, where its name does not
    #[arg(long, value_name = "SENTENCE", requires = "name")]
    sentence: Option<String>,
    /// Take it out of the library
    #[arg(long, requires = "name", conflicts_with_all = ["positive", "negative", "sentence"])]
    forget: bool,
    /// Model it is taught to [default: the library's own]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

pub(super) fn run(common: &Common, args: &TeachArgs) -> Result<ExitCode, Failure> {
    let dir = library(common)?;
    let reader = Reader::open(&dir)?;
    let name = args
        .name
        .as_deref()
        .map(|n| n.trim_start_matches('@').trim());
    if let Some(name) = name.filter(|_| args.forget) {
        return match Writer::forget(&dir, name)? {
            true => Ok(ExitCode::SUCCESS),
            false => Err(
                Failure::new(format!("nothing of the name {name:?} was taught"))
                    .hint("see what was: vsearch teach"),
            ),
        };
    }
    let own = reader.model_names()?.into_iter().next();
    let embedder = embedder::open(common, args.model.as_deref(), own.as_deref())?;
    let embedder = embedder.as_ref();
    let Some(model) = reader.model(embedder.fingerprint())? else {
        return Err(
            Failure::new(format!("the library has no vectors of {}", embedder.name()))
                .hint("index some videos first: vsearch index FOLDER"),
        );
    };
    let Some(name) = name else {
        for (name, positives, negatives) in reader.concepts(&model)? {
            let (yes, no) = (count(positives, "positive"), count(negatives, "negative"));
            print(&format!("@{name:?}  {yes}, {no}\n"))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    if name.is_empty() {
        return Err(Failure::new("the name is empty")
            .hint("vsearch teach \"our forklift\" --positive hall.mp4@00:01:30"));
    }
    if args.positive.is_empty() {
        return Err(
            Failure::new(format!("no example shows {name:?}")).hint(format!(
                "show one at least: vsearch teach {name:?} --positive VIDEO@TIME"
            )),
        );
    }
    let examples = |named: &[String]| -> Result<Vec<Embedding>, Failure> {
        let each = named.iter().map(|n| example(&reader, embedder, n));
        each.collect()
    };
    let sentence = args.sentence.as_deref().unwrap_or(name);
    let lesson = Lesson {
        sentence: Some(embedder.embed_text(sentence)?),
        positives: examples(&args.positive)?,
        negatives: examples(&args.negative)?,
    };
    let concept = learn(&reader, embedder, name, &lesson)?;
    Writer::teach(&dir, model.id, &concept)?;
    if !common.quiet {
        note!(
            "learnt from {} and {}; ask for it: vsearch query @{name:?}",
            count(concept.positives, "positive"),
            count(concept.negatives, "negative")
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The vector of an example.
fn example(reader: &Reader, embedder: &dyn Embedder, named: &str) -> Result<Embedding, Failure> {
    if let Ok(number) = named.trim_start_matches('#').parse() {
        return earlier_hit(reader, embedder, number);
    }
    let vector = embedder.embed_images(&[picture(named)?])?.pop();
    vector.ok_or_else(|| Failure::new(format!("{named}: gave no vector")))
}
