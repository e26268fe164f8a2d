//! Models by name: the built-in one, those of the hub on this machine, and folders.

use std::path::Path;
use std::sync::Arc;

use super::{Error, quoted};
use crate::embed::clip::Clip;
use crate::embed::{Device, EmbedError, Embedder, builtin};
use crate::models::{self, ModelCard};

/// The model used where none is named and the library has none: CLIP where it is on this machine,
/// else the built-in one.
pub fn default_model() -> &'static str {
    match models::folder(models::RECOMMENDED) {
        Some(_) => models::RECOMMENDED,
        None => builtin::NAME,
    }
}

/// Every model that can be named, with whether it is on this machine.
pub fn model_cards() -> Vec<ModelCard> {
    let built_in = ModelCard {
        name: builtin::NAME,
        dim: builtin::DIM,
        bytes: builtin::BYTES as u64,
        languages: "English, Chinese",
        licence: "Apache-2.0",
        description: "EfficientNet-Lite0 + MiniLM joined by ConSE, NanoDet; inside the program; not CLIP",
        repository: None,
        here: true,
    };
    std::iter::once(built_in)
        .chain(models::published())
        .collect()
}

/// Opens a model: the CLIP model in the folder of that name, else the one [`model_cards`] lists (or
/// that of a repository, `owner/name`) where it is on this machine.
///
/// # Errors
/// Where there is no such model, or it is not here, and what is wrong with its files.
pub fn open_model(name: &str, device: &Device) -> Result<Arc<dyn Embedder>, Error> {
    if name == builtin::NAME {
        if device.is_int8() {
            return Err(EmbedError::NoDevice {
                device: device.to_string(),
                reason: "the built-in model has no eight-bit products".into(),
            }
            .into());
        }
        return Ok(Arc::new(builtin::Builtin::new()));
    }
    let open = |dir: &Path, name: String| -> Result<Arc<dyn Embedder>, Error> {
        let clip = Clip::open(dir, name, device).map_err(EmbedError::from)?;
        Ok(Arc::new(clip))
    };
    let dir = Path::new(name);
    if dir.is_dir() {
        // Its whole path opens it again, from wherever.
        let whole = dir.canonicalize().unwrap_or_else(|_| dir.into());
        return open(dir, whole.to_string_lossy().into_owned());
    }
    match models::folder(name) {
        Some(dir) => open(&dir, name.to_owned()),
        None if models::Repository::from_name(name).is_some() => Err(Error::user(format!(
            "the model {name} is not on this machine"
        ))
        .hint(format!(
            "download it with: vsearch model pull {}",
            quoted(name)
        ))),
        None => Err(Error::user(format!("unknown model {name:?}"))
            .hint("see which there are: vsearch model list")),
    }
}
