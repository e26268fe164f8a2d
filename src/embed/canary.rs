//! The self-test of a model: two pictures and two sentences every model must tell apart, and must
//! see tomorrow as it did today.

use std::panic::resume_unwind;

use super::device::CPU_INT8;
use super::{EmbedError, Embedder};
use crate::types::{Embedding, Pixels};

/// The similarity from which two different inputs count as the same to a model.
const SAME: f32 = 0.999_99;
/// What one model on one device must keep to its earlier self: f16 at rest, and another machine's
/// order of summing, cost less.
const UNCHANGED: f32 = 0.999;
/// In eight bits: weights have 8 on some CPUs and 7 on others, and either may be 8° off f32 (a cosine of
/// 0.99), so 16° from one another.
const INT8_UNCHANGED: f32 = 0.96;
const SENTENCES: [&str; 2] = ["a person riding a bicycle", "an empty parking lot at night"];
const SIDE: u32 = 256;

/// The vectors of the two pictures, then of the two sentences.
pub type Canaries = Vec<Embedding>;

/// Embeds the canaries, and refuses a model to which they are all one or that changes with the
/// company a picture comes in.
///
/// # Errors
/// [`EmbedError::SelfTest`] with what is wrong.
pub fn canaries(embedder: &dyn Embedder) -> Result<Canaries, EmbedError> {
    let failed = |reason: String| EmbedError::SelfTest {
        model: embedder.name().into(),
        device: embedder.profile().device.clone(),
        reason,
    };
    let embedded = |e: EmbedError| match e {
        // Not a number, or nothing at all.
        EmbedError::NoDirection => failed("a vector is not finite, or zero".into()),
        e => e,
    };
    let pictures = pictures();
    let see = || -> Result<_, EmbedError> {
        let together = embedder.embed_images(&pictures)?;
        Ok((together, embedder.embed_images(&pictures[1..])?))
    };
    let read = || -> Result<Vec<_>, EmbedError> {
        SENTENCES.iter().map(|s| embedder.embed_text(s)).collect()
    };
    // Where it is not loaded yet both its sides are by this, so at the same time.
    let (seen, texts) = std::thread::scope(|scope| {
        let reading = std::thread::Builder::new().spawn_scoped(scope, read);
        let seen = see();
        let texts = match reading {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // The machine has no thread left.
            Err(_) => read(),
        };
        (seen, texts)
    });
    let (images, alone) = seen.map_err(embedded)?;
    let texts = texts.map_err(embedded)?;
    if let Some(v) = images
        .iter()
        .chain(&texts)
        .find(|v| v.dim() != embedder.dim())
    {
        let (found, expected) = (v.dim(), embedder.dim());
        return Err(failed(format!(
            "a vector has {found} values, not {expected}"
        )));
    }
    for (what, pair) in [("pictures", &images), ("sentences", &texts)] {
        if pair[0].similarity(&pair[1]) > SAME {
            return Err(failed(format!("two different {what} get the same vector")));
        }
    }
    let together = alone[0].similarity(&images[1]);
    if together < UNCHANGED {
        let reason =
            format!("a picture alone and in a batch get different vectors ({together:.4})");
        return Err(failed(reason));
    }
    Ok(images.into_iter().chain(texts).collect())
}

/// Compares with what the same model gave on the same device before.
///
/// # Errors
/// [`EmbedError::SelfTest`] where a vector has changed.
pub fn compare(
    embedder: &dyn Embedder,
    now: &Canaries,
    before: &Canaries,
) -> Result<(), EmbedError> {
    let kept = now
        .iter()
        .zip(before)
        .map(|(a, b)| match a.dim() == b.dim() {
            true => a.similarity(b),
            false => -1.0,
        });
    let worst = kept.fold(1.0, f32::min);
    let unchanged = match embedder.profile().device == CPU_INT8 {
        true => INT8_UNCHANGED,
        false => UNCHANGED,
    };
    if worst >= unchanged && now.len() == before.len() {
        return Ok(());
    }
    Err(EmbedError::SelfTest {
        model: embedder.name().into(),
        device: embedder.profile().device.clone(),
        reason: format!(
            "it gives other vectors than when this library was made (cosine {worst:.4})"
        ),
    })
}

pub(super) fn pictures() -> [Pixels; 2] {
    [sky_over_field(), boards()]
}

/// Blue above, green below, a bright disc.
fn sky_over_field() -> Pixels {
    drawn(|x, y| match (x - 180).pow(2) + (y - 60).pow(2) < 30 * 30 {
        true => [250, 230, 120],
        false if y < 140 => [90, 150, (200 + y / 4) as u8],
        false => [60, (180 - y / 2) as u8, 40],
    })
}

/// Black and white boards.
fn boards() -> Pixels {
    drawn(|x, y| match (x / 32 + y / 32) % 2 {
        0 => [15, 15, 20],
        _ => [240, 240, 235],
    })
}

fn drawn(colour: impl Fn(i32, i32) -> [u8; 3]) -> Pixels {
    let side = SIDE as i32;
    let rgb = (0..side * side).flat_map(|i| colour(i % side, i / side));
    Pixels::new(SIDE, SIDE, rgb.collect()).expect("a whole picture")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::builtin::Builtin;
    use crate::embed::{Profile, Schedule};

    /// Gives `image` for every picture and `text` for every sentence, turned a little where told.
    struct Broken {
        image: Vec<f32>,
        turn: bool,
        profile: Profile,
    }

    impl Embedder for Broken {
        fn profile(&self) -> &Profile {
            &self.profile
        }
        fn schedule(&self, _cores: usize) -> Schedule {
            Schedule {
                batch_size: 1,
                workers: 1,
                threads: 1,
            }
        }
        fn embed_images(&self, images: &[Pixels]) -> Result<Vec<Embedding>, EmbedError> {
            let one = |i: usize| {
                let mut values = self.image.clone();
                values[1] += if self.turn { i as f32 } else { 0.0 };
                Embedding::normalised(values).ok_or(EmbedError::NoDirection)
            };
            (0..images.len()).map(one).collect()
        }
        fn embed_text(&self, text: &str) -> Result<Embedding, EmbedError> {
            Ok(Embedding::normalised(vec![1.0, text.len() as f32]).unwrap())
        }
    }

    fn reason(image: &[f32], turn: bool) -> String {
        let image = image.to_vec();
        let profile = Profile {
            name: "broken".into(),
            fingerprint: String::new(),
            dim: 2,
            device: "cpu".into(),
            scripts: &[],
            logit_scale: None,
            crops: false,
            reference: None,
        };
        let broken = Broken {
            image,
            turn,
            profile,
        };
        canaries(&broken).unwrap_err().to_string()
    }

    #[test]
    fn a_model_that_sees_nothing_is_refused() {
        assert!(reason(&[1.0, 0.0], false).contains("two different pictures"));
        assert!(reason(&[f32::NAN, 0.0], false).contains("not finite"));
        assert!(reason(&[0.0, 0.0, 1.0], false).contains("3 values, not 2"));
        assert!(reason(&[1.0, 0.0], true).contains("alone and in a batch"));
    }

    #[test]
    fn the_built_in_model_passes_and_a_change_is_told() {
        let model = Builtin::new();
        let now = canaries(&model).unwrap();
        compare(&model, &now, &now).unwrap();
        let swapped = vec![
            now[1].clone(),
            now[0].clone(),
            now[2].clone(),
            now[3].clone(),
        ];
        let error = compare(&model, &now, &swapped).unwrap_err().to_string();
        assert!(error.contains("other vectors than when"), "{error}");
        assert!(compare(&model, &now, &now[..3].to_vec()).is_err());
    }
}
