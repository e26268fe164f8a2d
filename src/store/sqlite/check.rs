//! Whether a library is what was written, and bringing it back where that can be done.

use std::path::Path;

use super::Library;
use super::catalog::{Catalog, unpack};
use super::graph::Graph;
use super::vectors::Vectors;
use super::words::Words;
use crate::store::{Finding, ModelRow, StoreError};
use crate::types::VectorId;

/// A vector of the catalogue is of length 1 to within this, f16 rounding included.
const LENGTH_OFF: f32 = 0.02;

/// A vector of the catalogue that differs from its sound copy in the file derived from it.
type Differing = (VectorId, Vec<u8>);

pub(super) fn check(library: &Library) -> Result<Vec<Finding>, StoreError> {
    let catalog = Catalog::open(library.dir())?;
    let mut findings = of_catalog(&catalog)?;
    for model in catalog.models()? {
        findings.extend(of_model(&catalog, library, &model)?.0);
    }
    let path = library.words_dir();
    let words = match Words::open(&path) {
        Ok(words) if words.as_ref().is_none_or(Words::is_sound) => None,
        Ok(_) => Some("the index of words is not as it was written".to_owned()),
        Err(e) if e.is_forbidden() => return Err(e.into()),
        Err(e) => Some(e.to_string()),
    };
    findings.extend(words.map(|what| Finding {
        path,
        what,
        repairable: true,
    }));
    findings.extend(catalog.thumbnail_fault().map(|(path, what)| Finding {
        path,
        what,
        repairable: true,
    }));
    Ok(findings)
}

pub(super) fn repair(library: &Library) -> Result<(), StoreError> {
    let mut writer = library.writer()?;
    let catalog = &mut writer.catalog;
    catalog.repair_thumbnails()?;
    for model in catalog.models()? {
        let (_, differing) = of_model(catalog, library, &model)?;
        catalog.restore_vectors(&differing)?;
        let derived = library.vectors_dir(&model.fingerprint);
        let vectors = Vectors::open(&derived, model.dim);
        if let Ok(Some(vectors)) = &vectors {
            Graph::discard_unsound(vectors);
        }
        // Built again from the catalogue by what follows.
        let damaged = match &vectors {
            Ok(Some(vectors)) => !vectors.damaged_rows().is_empty(),
            Ok(None) => false,
            Err(_) => true,
        };
        if damaged {
            let _ = std::fs::remove_dir_all(&derived);
        }
    }
    let words = library.words_dir();
    if !Words::open(&words).is_ok_and(|w| w.is_none_or(|w| w.is_sound())) {
        let _ = std::fs::remove_dir_all(&words);
    }
    writer.catch_up()
}

fn of_catalog(catalog: &Catalog) -> Result<Vec<Finding>, StoreError> {
    let said = catalog.integrity()?.into_iter();
    let finding = |what| Finding {
        path: catalog.path(),
        what,
        repairable: false,
    };
    Ok(said.map(finding).collect())
}

fn of_model(
    catalog: &Catalog,
    library: &Library,
    model: &ModelRow,
) -> Result<(Vec<Finding>, Vec<Differing>), StoreError> {
    let derived = library.vectors_dir(&model.fingerprint);
    let mut findings = Vec::new();
    let mut found = |path: &Path, what: String, repairable| {
        findings.push(Finding {
            path: path.into(),
            what,
            repairable,
        });
    };
    let vectors = match Vectors::open(&derived, model.dim) {
        Ok(vectors) => vectors,
        Err(e) => {
            found(&derived, e.to_string(), true);
            None
        }
    };
    // What is of another history holds other vectors under the same ids; queries do not use it, and the next
    // writer rebuilds it.
    let known = match &vectors {
        Some(vectors) => catalog.knows(vectors.origin())?,
        None => false,
    };
    let vectors = vectors.filter(|_| known);
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
        let well_made = is_well_made(stored.bytes, model.dim);
        match copy {
            Some(copy) if copy != stored.bytes && is_well_made(copy, model.dim) => {
                differing.push((stored.id, copy.to_vec()));
            }
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

/// Whether some bytes are those of a normalised vector.
fn is_well_made(bytes: &[u8], dim: usize) -> bool {
    let mut values = Vec::with_capacity(dim);
    unpack(bytes, &mut values);
    let length: f32 = values.iter().map(|v| v * v).sum::<f32>().sqrt();
    bytes.len() == 2 * dim && (length - 1.0).abs() < LENGTH_OFF
}
