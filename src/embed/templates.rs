//! Prompt ensembling (Radford et al. 2021, 3.1.4): one thing said in several ways, the vectors
//! averaged.

use std::path::{Path, PathBuf};

use super::{EmbedError, Embedder, normalised};
use crate::types::Embedding;

/// What stands for the sentence in a template.
const SLOT: &str = "{}";

/// Ways of saying what a photograph shows.
const PHOTO: &[&str] = &[
    "{}",
    "a photo of {}.",
    "a picture of {}.",
    "a close-up photo of {}.",
    "a photo of {} in the distance.",
    "a blurry photo of {}.",
    "a dark photo of {}.",
];

/// Ways of saying what a fixed camera shows: from above, far away, at night, in poor quality.
const CCTV: &[&str] = &[
    "{}",
    "surveillance camera footage of {}.",
    "a low resolution security camera image of {}.",
    "{}, seen from above by a fixed camera.",
    "a blurry photo of {} in the distance.",
    "a night-time security camera image of {}.",
];

/// Sentences to embed in a query's stead; the default is the sentence as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Templates(Vec<String>);

/// Why there are no templates.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("{name:?} is no set of templates (none, photo, cctv) and no file")]
    Unknown { name: String },
    #[error("{}: cannot be read: {cause}", path.display())]
    Unreadable {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{}, line {line}: a template needs {{}} where the sentence goes", path.display())]
    NoSlot { path: PathBuf, line: usize },
    #[error("{}: holds no template", path.display())]
    Empty { path: PathBuf },
}

impl Templates {
    /// The sentence as it is.
    pub fn none() -> Self {
        Self(vec![SLOT.into()])
    }

    /// A set by its name, or a file with one template a line; empty lines are skipped.
    pub fn named(name: &str) -> Result<Self, TemplateError> {
        let own = |set: &[&str]| Ok(Self(set.iter().map(|&t| t.to_owned()).collect()));
        match name {
            "none" => Ok(Self::none()),
            "photo" => own(PHOTO),
            "cctv" => own(CCTV),
            file if Path::new(file).is_file() => Self::read(Path::new(file)),
            _ => Err(TemplateError::Unknown { name: name.into() }),
        }
    }

    fn read(path: &Path) -> Result<Self, TemplateError> {
        let text = std::fs::read_to_string(path).map_err(|cause| TemplateError::Unreadable {
            path: path.into(),
            cause,
        })?;
        let lines = text.lines().map(str::trim).zip(1..);
        let lines: Vec<_> = lines.filter(|(l, _)| !l.is_empty()).collect();
        if let Some(&(_, line)) = lines.iter().find(|(l, _)| !l.contains(SLOT)) {
            let path = path.into();
            return Err(TemplateError::NoSlot { path, line });
        }
        match lines.is_empty() {
            true => Err(TemplateError::Empty { path: path.into() }),
            false => Ok(Self(lines.iter().map(|(l, _)| (*l).to_owned()).collect())),
        }
    }

    /// How much of a sentence is read in every phrasing, where that is not all: whole words, or characters of a text
    /// without spaces.
    pub fn cut<'t>(
        &self,
        embedder: &dyn Embedder,
        text: &'t str,
    ) -> Result<Option<&'t str>, EmbedError> {
        let fits = |text: &str| -> Result<bool, EmbedError> {
            for template in &self.0 {
                if !embedder.fits(&template.replace(SLOT, text))? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        if fits(text)? {
            return Ok(None);
        }
        let mut ends: Vec<usize> = text.match_indices(' ').map(|(at, _)| at).collect();
        if ends.is_empty() {
            ends = text.char_indices().map(|(at, _)| at).collect();
        }
        // The first that does not fit is looked for by halves.
        let (mut read, mut beyond) = (0, ends.len());
        while read < beyond {
            let middle = (read + beyond) / 2;
            match fits(&text[..ends[middle]])? {
                true => read = middle + 1,
                false => beyond = middle,
            }
        }
        let end = read.checked_sub(1).map_or(0, |last| ends[last]);
        Ok(Some(text[..end].trim_end()))
    }

    /// The mean of the vectors of every phrasing, of length 1.
    pub fn embed(&self, embedder: &dyn Embedder, text: &str) -> Result<Embedding, EmbedError> {
        if text.trim().is_empty() {
            return Err(EmbedError::EmptyText);
        }
        let phrased = self.0.iter().map(|t| t.replace(SLOT, text));
        let mut sum = vec![0f32; embedder.dim()];
        for phrase in phrased {
            let vector = embedder.embed_text(&phrase)?;
            for (s, v) in sum.iter_mut().zip(vector.as_slice()) {
                *s += v;
            }
        }
        normalised(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::builtin::Builtin;

    #[test]
    fn the_mean_of_phrasings_is_embedded() {
        let model = Builtin::new();
        let embed = |t: &str| model.embed_text(t).unwrap();
        let none = Templates::named("none").unwrap();
        assert!(
            none.embed(&model, "a dog")
                .unwrap()
                .similarity(&embed("a dog"))
                > 0.9999
        );
        let two = Templates(vec!["a {}".into(), "one {}, two {}".into()]);
        let (a, b) = (embed("a dog"), embed("one dog, two dog"));
        let sum = a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| a + b);
        let mean = Embedding::normalised(sum.collect()).unwrap();
        assert!(two.embed(&model, "dog").unwrap().similarity(&mean) > 0.9999);
        assert!(two.embed(&model, " ").is_err());
    }

    #[test]
    fn files_of_templates_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.txt");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Templates::named(file.to_str().unwrap())
        };
        let two = read("a {}\n\n  the {}  \n").unwrap();
        assert_eq!(two, Templates(vec!["a {}".into(), "the {}".into()]));
        assert!(matches!(
            read("a {}\nb\n"),
            Err(TemplateError::NoSlot { line: 2, .. })
        ));
        assert!(matches!(read("\n"), Err(TemplateError::Empty { .. })));
        assert!(matches!(
            Templates::named("photos"),
            Err(TemplateError::Unknown { .. })
        ));
    }
}
