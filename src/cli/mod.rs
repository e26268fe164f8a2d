//! The command line: arguments, one file for each verb, printing, hints, exit codes.

/// A line to standard error.
macro_rules! note {
    ($($arg:tt)*) => { $crate::cli::output::say(format_args!($($arg)*)) };
}

mod args;
mod ask;
mod backup;
mod camera;
mod check;
mod embed;
mod eval;
mod feedback;
mod hits;
mod index;
mod label;
mod library;
mod log;
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
use crate::app::{Error, Session, Settings};
use crate::media::Decoding;

/// Parses the arguments and does what they say.
///
/// Exit codes, as grep's: 0 found or done, 1 nothing found or not all done, and of errors by their kind.
pub fn run() -> ExitCode {
    with_single_threaded_products();
    let args = Args::try_parse().unwrap_or_else(|e| refused(&e));
    log::start(args.common.verbose);
    match dispatch(args) {
        Ok(code) => code,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Says what is wrong with the arguments, or what was asked about them. A name may stand there that a shell
/// found: it may not write to the terminal either.
fn refused(error: &clap::Error) -> ! {
    let text = error.to_string();
    if text.replace('\n', "").contains(crate::types::is_unseen) {
        output::say_lines(text.trim_end());
        std::process::exit(error.exit_code());
    }
    error.exit()
}

/// Says what happened, why, and what to type next.
fn failed(error: &Error) -> ExitCode {
    note!("error: {error}");
    for cause in error.causes() {
        note!("  because: {cause}");
    }
    for hint in error.hints() {
        note!("hint: {hint}");
    }
    ExitCode::from(error.kind().exit_code())
}

/// The session a verb works in.
fn session(common: &args::Common) -> Result<Session, Error> {
    Ok(session_in(output::library(common)?, common))
}

/// The same with another library than the usual one.
fn session_in(library: std::path::PathBuf, common: &args::Common) -> Session {
    let decoding = Decoding::in_children().unwrap_or_else(|e| {
        note!("decoding in this process, as the program cannot be found ({e}): a file that crashes its decoder ends it");
        Decoding::InProcess
    });
    Session::new(Settings {
        library,
        device: common.device,
        decoding,
    })
}

/// Says where models compute, and that there is a better one, where that is worth a line.
fn tell_of_model(session: &Session, common: &args::Common, is_default: bool) {
    if common.quiet {
        return;
    }
    if let Some(reason) = session.fell_back() {
        note!("computing on the CPU: {reason}");
    }
    if is_default && session.defaults_to_builtin() {
        note!(
            "using the built-in model, which knows things and their colours but hardly actions; CLIP knows more: \
             vsearch model pull {}",
            crate::models::RECOMMENDED
        );
    }
}

/// Says, once for each library, that others can read it where nobody asked for that.
fn tell_of_modes(session: &Session, common: &args::Common) {
    if !common.quiet && session.library().is_newly_found_open() {
        let dir = session.library().dir().to_string_lossy();
        note!(
            "other users of this machine can read {dir}; to keep it to yourself: chmod -R go= {}",
            crate::app::quoted(&dir)
        );
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

fn dispatch(args: Args) -> Result<ExitCode, Error> {
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
        Verb::Camera(a) => camera::run(&common, &a),
        Verb::Check(a) => check::run(&common, &a),
        Verb::Backup(a) => backup::run(&common, &a),
        Verb::Library(a) => library::run(&common, &a),
        Verb::Remove(a) => remove::run(&common, &a),
        Verb::DecodeWorker { memory, parent } => {
            // Stopping is the parent's to decide.
            let _ = ctrlc::set_handler(|| {});
            crate::media::serve(memory, parent)?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Completions { shell } => {
            let mut command = Args::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "vsearch", &mut script);
            output::print_as_it_is(&String::from_utf8_lossy(&script))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
