//! Models on this machine and on the hub. Hub models lie in Hugging Face's own cache
//! (`$HF_HOME/hub`), so that what another tool brought is here for vsearch as well.

mod checksum;
mod hub;
mod published;

use std::path::{Path, PathBuf};

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
    /// From a model's name, or from `owner/name` or `owner/name@revision` itself.
    pub fn from_name(name: &str) -> Option<Self> {
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

/// What is told of a model before it is opened.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ModelCard {
    pub name: &'static str,
    pub dim: usize,
    /// Bytes on disk (in the program, for the built-in model); about, for a model of the hub.
    pub bytes: u64,
    pub languages: &'static str,
    pub licence: &'static str,
    pub description: &'static str,
    /// On the hub.
    pub repository: Option<&'static str>,
    /// On this machine.
    pub here: bool,
}

/// Every model that can be pulled by a name of ours, with whether it is on this machine.
pub fn published() -> Vec<ModelCard> {
    let hub = Hub::from_env();
    let card = |p: &published::Published| ModelCard {
        here: folder_of(&hub, p.name).is_some(),
        ..p.card()
    };
    PUBLISHED.iter().map(card).collect()
}

/// Where the model of this name (or repository) lies, if all its files are on this machine.
pub fn folder(name: &str) -> Option<PathBuf> {
    folder_of(&Hub::from_env(), name)
}

fn folder_of(hub: &Hub, name: &str) -> Option<PathBuf> {
    let dir = hub.snapshot(&Repository::from_name(name)?)?;
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
