//! The command line: arguments, one file for each verb, printing, hints, exit codes.

/// A line to standard error. Nobody listening there is no reason to stop.
macro_rules! note {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($arg)*);
    }};
}

mod args;
mod ask;
mod backup;
mod check;
mod embed;
mod embedder;
mod eval;
mod failure;
mod feedback;
mod index;
mod input;
mod label;
mod model;
mod note;
mod output;
mod pictures;
mod progress;
mod query;
mod reading;
mod reembed;
mod remove;
mod scope;
mod status;
mod stop;
mod teach;
mod terminal;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::args::{Args, Verb};
use self::failure::Failure;

/// Parses the arguments and does what they say.
///
/// Exit codes, as grep's: 0 found or done, 1 nothing found or not all done, 2 an error.
pub fn run() -> ExitCode {
    with_single_threaded_products();
    let args = Args::parse();
    match dispatch(args) {
        Ok(code) => code,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => failure.print(),
    }
}

/// What candle reads before each matrix product: how many threads it may take.
const PRODUCT_THREADS: &str = "RAYON_NUM_THREADS";

/// Tells candle on Linux that a product takes one thread, as a worker has. Where it is not told it reads
/// /proc/cpuinfo for each product, which costs a twentieth of embedding pictures and a fourth of sentences.
fn with_single_threaded_products() {
    let threads = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    if threads == 1 && std::env::var_os(PRODUCT_THREADS).is_none() {
        // SAFETY: nothing else runs that could read the environment while it changes.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var(PRODUCT_THREADS, "1");
        }
    }
}

fn dispatch(args: Args) -> Result<ExitCode, Failure> {
    let common = args.common;
    match args.verb {
        Verb::Index(a) => index::run(&common, &a),
        Verb::Query(a) => query::run(&common, &a),
        Verb::Watch(a) => watch::run(&common, &a),
        Verb::Verify(a) => verify::run(&common, &a),
        Verb::Status(a) => status::run(&common, &a),
        Verb::Embed(a) => embed::run(&common, &a),
        Verb::Label(a) => label::run(&common, &a),
        Verb::Eval(a) => eval::run(&common, &a),
        Verb::Model(a) => model::run(&common, &a),
        Verb::Reembed(a) => reembed::run(&common, &a),
        Verb::Teach(a) => teach::run(&common, &a),
        Verb::Note(a) => note::run(&common, &a),
        Verb::Check(a) => check::run(&common, &a),
        Verb::Backup(a) => backup::run(&common, &a),
        Verb::Remove(a) => remove::run(&common, &a),
        Verb::DecodeWorker { memory } => {
            // Stopping is the parent's to decide.
            let _ = ctrlc::set_handler(|| {});
            crate::media::serve(memory)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Completions { shell } => {
            let mut command = Args::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "vsearch", &mut script);
            output::print(&String::from_utf8_lossy(&script))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
