use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::output::{count, print};
use super::session;
use crate::app::{Error, TeachRequest, quoted};
use crate::search::Subject;

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

pub(super) fn run(common: &Common, args: &TeachArgs) -> Result<ExitCode, Error> {
    let session = session(common)?;
    let name = args.name.as_deref();
    let Some(name) = name.map(|n| n.trim_start_matches('@').trim()) else {
        for (name, positives, negatives) in session.concepts(args.model.as_deref())? {
            let (yes, no) = (count(positives, "positive"), count(negatives, "negative"));
            print(&format!("@{name:?}  {yes}, {no}\n"))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    if args.forget {
        session.forget(name)?;
        return Ok(ExitCode::SUCCESS);
    }
    let subjects = |named: &[String]| -> Result<Vec<Subject>, Error> {
        named.iter().map(|n| Ok(Subject::example(n)?)).collect()
    };
    let concept = session.teach(&TeachRequest {
        name: name.into(),
        positives: subjects(&args.positive)?,
        negatives: subjects(&args.negative)?,
        sentence: args.sentence.clone(),
        model: args.model.clone(),
    })?;
    if !common.quiet {
        note!(
            "learnt from {} and {}; ask for it: vsearch query {}",
            count(concept.positives, "positive"),
            count(concept.negatives, "negative"),
            quoted(&format!("@{name}"))
        );
    }
    Ok(ExitCode::SUCCESS)
}
