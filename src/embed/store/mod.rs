//! Models on this machine and on the hub. Hub models lie in Hugging Face's own cache
//! (`$HF_HOME/hub`), so that what another tool brought is here for vsearch as well.

mod checksum;
mod hub;
mod published;

use std::path::{Path, PathBuf};

use super::{ModelCard, builtin};

pub use hub::{Hub, HubError, PullEvent};
pub use published::{CHINESE, RECOMMENDED};

use published::PUBLISHED;

/// `owner/name` on the hub, and a branch, tag or commit of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub name: String,
    pub revision: String,
}

impl Repository {
    /// Of a model's name, or of `owner/name` or `owner/name@revision` itself.
    pub fn of(name: &str) -> Option<Self> {
        let known = PUBLISHED.iter().find(|p| p.name == name);
        let named = known.map_or(name, |p| p.repository);
        let (name, revision) = named.split_once('@').unwrap_or((named, "main"));
        let (owner, rest) = name.split_once('/')?;
        let plain = |s: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !s.is_empty() && !s.starts_with('.') && s.chars().all(allowed)
        };
        let safe = |s: &str| s.split('/').all(plain);
        (plain(owner) && plain(rest) && safe(revision)).then(|| Self {
            name: name.into(),
            revision: revision.into(),
        })
    }
}

/// Every model that can be named, with whether it is on this machine.
pub fn models() -> Vec<ModelCard> {
    let hub = Hub::from_env();
    let published = PUBLISHED.iter().map(|p| ModelCard {
        here: folder_of(&hub, p.name).is_some(),
        ..p.card()
    });
    std::iter::once(builtin::card()).chain(published).collect()
}

/// Where the model of this name (or repository) lies, if all its files are on this machine.
pub fn folder(name: &str) -> Option<PathBuf> {
    folder_of(&Hub::from_env(), name)
}

fn folder_of(hub: &Hub, name: &str) -> Option<PathBuf> {
    let dir = hub.snapshot(&Repository::of(name)?)?;
    holds_model(&dir).then_some(dir)
}

/// A config with its weights, in one of the two layouts.
fn holds_model(dir: &Path) -> bool {
    let has = |files: [&str; 2]| files.iter().all(|f| dir.join(f).is_file());
    LAYOUTS.into_iter().any(has)
}

/// Config and weights of a model: open_clip's names, and those of transformers.
const LAYOUTS: [[&str; 2]; 2] = [
    ["open_clip_config.json", "open_clip_model.safetensors"],
    ["config.json", "model.safetensors"],
];

/// Tokenizers, in all the forms they come in.
const TOKENIZERS: [&str; 4] = ["tokenizer.json", "vocab.json", "merges.txt", "vocab.txt"];

#[cfg(test)]
mod tests;
