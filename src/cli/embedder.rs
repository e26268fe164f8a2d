//! Which model a verb works with, and where it computes.

use super::args::Common;
use super::failure::Failure;
use crate::embed::{Device, Embedder, builtin, default_model, open_model, store};

/// Opens the model asked for, else the library's own, else the default one.
pub(super) fn open(
    common: &Common,
    asked: Option<&str>,
    own: Option<&str>,
) -> Result<Box<dyn Embedder>, Failure> {
    let device = Device::open(common.device)?;
    if let Some(reason) = device.fell_back().filter(|_| !common.quiet) {
        note!("computing on the CPU: {reason}");
    }
    if let Some(name) = asked.or(own) {
        return Ok(open_model(name, &device)?);
    }
    let name = default_model();
    if name == builtin::NAME && !common.quiet {
        note!(
            "using the built-in model, which knows things but hardly colours or actions; `vsearch \
             model pull {}` brings CLIP, which does",
            store::RECOMMENDED
        );
    }
    Ok(open_model(name, &device)?)
}
