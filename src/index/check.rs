//! Whether a library is what was written, and bringing it back where that can be done.

use std::path::{Path, PathBuf};

use super::{IndexError, Writer, derived_dir, text_dir};
use crate::ann::{Graph, Vectors};
use crate::catalog::{Catalog, ModelRow};
use crate::text::Text;
use crate::types::VectorId;

/// A vector of the catalogue is of length 1 to within this, f16 rounding included.
const LENGTH_OFF: f32 = 0.02;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub path: PathBuf,
    pub what: String,
    /// It can be made again from what is sound.
    pub mendable: bool,
}

/// A vector of the catalogue that differs from its sound copy in the file derived from it.
type Differing = (VectorId, Vec<u8>);

/// Looks at every page, vector and link of the library in `dir`.
///
/// # Errors
/// Where the catalogue cannot even be opened.
pub fn check(dir: &Path) -> Result<Vec<Finding>, IndexError> {
    let catalog = Catalog::open(dir)?;
    let mut findings = of_catalog(&catalog)?;
    for model in catalog.models()? {
        findings.extend(of_model(&catalog, dir, &model)?.0);
    }
    let path = text_dir(dir);
    let words = match Text::open(&path) {
        Ok(text) if text.as_ref().is_none_or(Text::is_sound) => None,
        Ok(_) => Some("the index of words is not as it was written".to_owned()),
        Err(e) => Some(e.to_string()),
    };
    findings.extend(words.map(|what| Finding {
        path,
        what,
        mendable: true,
    }));
    findings.extend(catalog.thumbnail_fault().map(|(path, what)| Finding {
        path,
        what,
        mendable: true,
    }));
    Ok(findings)
}

/// Mends what [`check`] finds mendable.
pub fn mend(dir: &Path) -> Result<(), IndexError> {
    let mut catalog = Catalog::create_or_open(dir)?;
    catalog.mend_thumbnails()?;
    for model in catalog.models()? {
        let (_, differing) = of_model(&catalog, dir, &model)?;
        catalog.restore_vectors(&differing)?;
        let derived = derived_dir(dir, &model.fingerprint);
        if let Ok(Some(vectors)) = Vectors::open(&derived, model.dim) {
            Graph::discard_unsound(&vectors);
        }
    }
    drop(catalog);
    // Damaged files are found and made anew by what keeps them caught up.
    Writer::remove(dir, &[])
}

fn of_catalog(catalog: &Catalog) -> Result<Vec<Finding>, IndexError> {
    let said = catalog.integrity()?.into_iter();
    let finding = |what| Finding {
        path: catalog.path(),
        what,
        mendable: false,
    };
    Ok(said.map(finding).collect())
}

fn of_model(
    catalog: &Catalog,
    dir: &Path,
    model: &ModelRow,
) -> Result<(Vec<Finding>, Vec<Differing>), IndexError> {
    let derived = derived_dir(dir, &model.fingerprint);
    let mut findings = Vec::new();
    let mut found = |path: &Path, what: String, mendable| {
        findings.push(Finding {
            path: path.into(),
            what,
            mendable,
        });
    };
    let vectors = match Vectors::open(&derived, model.dim) {
        Ok(vectors) => vectors,
        Err(e) => {
            found(&derived, e.to_string(), true);
            None
        }
    };
    let damaged = vectors.as_ref().map_or(Vec::new(), Vectors::damaged_rows);
    for rows in &damaged {
        let what = format!(
            "vectors {} to {} are not as they were written",
            rows.start, rows.end
        );
        found(&derived, what, true);
    }
    if let Some(vectors) = &vectors {
        match Graph::open(vectors) {
            Ok(Some(graph)) if !graph.is_sound() => {
                found(&derived, "the graph is not as it was written".into(), true);
            }
            Err(e) => found(&derived, e.to_string(), true),
            Ok(_) => {}
        }
    }
    // Both copies of each vector, side by side.
    let mut copies = vectors
        .iter()
        .flat_map(|v| v.rows().iter().zip(0..))
        .peekable();
    let (mut differing, mut off) = (Vec::new(), 0);
    catalog.each_vector(model.id, VectorId(0), |stored| {
        while copies.next_if(|(row, _)| row.id() < stored.id).is_some() {}
        let copy = copies.next_if(|(row, _)| row.id() == stored.id);
        let sound = |row: &usize| !damaged.iter().any(|d| d.contains(row));
        let copy = copy.map(|(_, row)| row).filter(sound);
        let copy = copy.and_then(|row| Some(vectors.as_ref()?.bytes_of(row)));
        let length: f32 = stored.values().iter().map(|v| v * v).sum::<f32>().sqrt();
        let well_made = stored.bytes.len() == 2 * model.dim && (length - 1.0).abs() < LENGTH_OFF;
        match copy {
            Some(copy) if copy != stored.bytes => differing.push((stored.id, copy.to_vec())),
            _ if !well_made => off += 1,
            _ => {}
        }
    })?;
    let path = catalog.path();
    if !differing.is_empty() {
        let what = format!(
            "{} vectors of {} are not as they were written; sound copies are there",
            differing.len(),
            model.name
        );
        found(&path, what, true);
    }
    if off > 0 {
        let what = format!(
            "{off} vectors of {} are damaged: index their videos again",
            model.name
        );
        found(&path, what, false);
    }
    Ok((findings, differing))
}
