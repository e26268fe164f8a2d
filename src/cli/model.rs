use std::fmt::Write;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Common;
use super::output::{json_line, print, shown};
use crate::app::{Error, model_cards, open_model, quoted};
use crate::embed::Device;
use crate::embed::canary::canaries;
use crate::models::{self, Hub, PullEvent};

/// List, download and check models
///
/// Models come from the Hugging Face hub, as safetensors, into that hub's own cache, where other
/// tools find them too. HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are
/// respected. This is the only verb that uses the network.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch model list
  vsearch model pull ViT-B-32
  vsearch model pull laion/CLIP-ViT-L-14-laion2B-s32B-b82K
  vsearch model verify ViT-B-32
  HF_ENDPOINT=https://mirror.example vsearch model pull ViT-L-14")]
pub(super) struct ModelArgs {
    #[command(subcommand)]
    verb: ModelVerb,
}

#[derive(Debug, Subcommand)]
enum ModelVerb {
    /// List the models: name, dimension, size, languages, licence, whether it is here
    List {
        /// Print JSON Lines
        #[arg(long)]
        json: bool,
    },
    /// Download a model; a broken download goes on where it ended
    Pull {
        /// A name from `vsearch model list`, or a repository of the hub: owner/name or owner/name@revision
        name: String,
    },
    /// Check a model: checksums, every tensor, and the self-test
    Verify {
        /// A name, a repository, or the folder of a CLIP model
        name: String,
    },
}

pub(super) fn run(common: &Common, args: &ModelArgs) -> Result<ExitCode, Error> {
    match &args.verb {
        ModelVerb::List { json } => list(*json),
        ModelVerb::Pull { name } => pull(common, name),
        ModelVerb::Verify { name } => verify(common, name),
    }
}

fn list(json: bool) -> Result<ExitCode, Error> {
    let cards = model_cards();
    if json {
        cards.iter().try_for_each(json_line)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = String::new();
    let width = cards.iter().map(|c| c.name.len()).max().unwrap_or(0);
    for c in cards {
        let _ = writeln!(
            out,
            "{} {:width$}  {:>4} dimensions  {:>5.0} MB  {}  {}  {}",
            if c.here { '*' } else { ' ' },
            c.name,
            c.dim,
            c.bytes as f64 / 1e6,
            c.licence,
            c.languages,
            c.description
        );
    }
    out += "* is on this machine; the others come with: vsearch model pull NAME\n";
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn pull(common: &Common, name: &str) -> Result<ExitCode, Error> {
    let progress = Download::new(common.quiet);
    let dir = Hub::from_env().pull(name, &|event| progress.show(&event))?;
    progress.bar.finish_and_clear();
    if !common.quiet {
        note!("{name} is here: {}", shown(&dir));
        note!(
            "hint: use it with: vsearch index --model {} FOLDER",
            quoted(name)
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(common: &Common, name: &str) -> Result<ExitCode, Error> {
    let device = Device::open(common.device)?;
    if !Path::new(name).is_dir()
        && let Some(dir) = models::folder(name)
    {
        let checked = Hub::from_env().verify(&dir)?;
        print(&format!(
            "{name}: {checked} files have the checksums of the hub\n"
        ))?;
    }
    let embedder = open_model(name, &device)?;
    canaries(embedder.as_ref())?;
    print(&format!(
        "{name}: every tensor is there, the self-test passes on {}; fingerprint {}\n",
        embedder.profile().device,
        embedder.fingerprint()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// A bar for each file in a terminal, a line for each elsewhere.
struct Download {
    quiet: bool,
    bar: ProgressBar,
}

impl Download {
    fn new(quiet: bool) -> Self {
        let target = match quiet || !std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style = "{msg} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, ETA {eta}";
        bar.set_style(ProgressStyle::with_template(style).expect("a valid template"));
        Self { quiet, bar }
    }

    fn show(&self, event: &PullEvent) {
        match event {
            PullEvent::File { name, bytes } => {
                self.bar.reset();
                self.bar.set_length(*bytes);
                self.bar.set_message((*name).to_owned());
                if !self.quiet && self.bar.is_hidden() {
                    note!("downloading {name}, {:.1} MB", *bytes as f64 / 1e6);
                }
            }
            PullEvent::Bytes(more) => self.bar.inc(*more),
            PullEvent::Checking { name } => self.bar.set_message(format!("checking {name}")),
            PullEvent::Again { error } => {
                self.bar.suspend(|| note!("{error}; trying again"));
            }
        }
    }
}
