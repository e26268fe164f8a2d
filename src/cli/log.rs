//! The log: off unless it is asked for, on standard error.

use tracing_subscriber::EnvFilter;

use super::output::VisibleStderr;

/// What is logged, as `vsearch=debug` or `vsearch::ingest=trace,vsearch=info`.
const VARIABLE: &str = "VSEARCH_LOG";

/// Starts it: as the environment says, else `verbose` times `-v`.
pub(super) fn start(verbose: u8) {
    let asked = std::env::var(VARIABLE).ok().filter(|v| !v.is_empty());
    let usual = match verbose {
        0 => None,
        1 => Some("vsearch=info"),
        2 => Some("vsearch=debug"),
        _ => Some("vsearch=trace"),
    };
    let Some(directives) = asked.as_deref().or(usual) else {
        return;
    };
    match EnvFilter::try_new(directives) {
        // Fails only where there is a log already.
        Ok(filter) => drop(
            tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_writer(|| VisibleStderr)
                .try_init(),
        ),
        Err(e) => note!("{VARIABLE}={directives}: {e}; nothing is logged"),
    }
}
