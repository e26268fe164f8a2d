//! What every [`Embedder`] must keep, asked of each there is.

use super::builtin::Builtin;
use super::clip::Clip;
use super::tiny_clip::{goldens, write};
use super::{Device, EmbedError, Embedder};
use crate::types::{Embedding, Pixels};

/// What one picture's vectors may differ by, alone and in a batch, here and there.
const SAME: f32 = 0.9999;

/// Three pictures of different sizes and contents.
fn pictures() -> Vec<Pixels> {
    let drawn = |width: u32, height: u32, colour: fn(u32, u32) -> [u8; 3]| {
        let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let rgb = rows.flat_map(|(x, y)| colour(x, y)).collect();
        Pixels::new(width, height, rgb).unwrap()
    };
    vec![
        drawn(320, 180, |x, y| [(x % 256) as u8, (y % 256) as u8, 90]),
        drawn(97, 230, |x, y| {
            [if (x / 9 + y / 9) % 2 == 0 { 240 } else { 10 }; 3]
        }),
        drawn(33, 33, |x, _| [200, (x * 7 % 256) as u8, 30]),
    ]
}

fn same(a: &Embedding, b: &Embedding) -> bool {
    a.dim() == b.dim() && a.similarity(b) > SAME
}

fn is_whole(model: &dyn Embedder, vector: &Embedding) -> bool {
    let length: f32 = vector.as_slice().iter().map(|v| v * v).sum();
    vector.dim() == model.dim() && (length - 1.0).abs() < 1e-3
}

/// Runs the whole contract.
fn hold(model: &dyn Embedder) {
    let name = model.name().to_owned();
    let profile = model.profile();
    assert!(!profile.name.is_empty() && profile.dim > 0, "{name}");
    assert!(
        profile.fingerprint.len() >= 16,
        "{name}: {:?}",
        profile.fingerprint
    );
    assert!(
        profile.fingerprint.bytes().all(|b| b.is_ascii_hexdigit()),
        "{name}"
    );
    assert!(!profile.scripts.is_empty(), "{name}");
    for cores in [1, 2, 64] {
        let schedule = model.schedule(cores);
        assert!(schedule.batch_size > 0 && schedule.workers > 0, "{name}");
        assert!(
            (1..=cores).contains(&schedule.threads),
            "{name}: {schedule:?}"
        );
    }

    // Order and count are kept; a batch gives what each gives alone.
    let pictures = pictures();
    let together = model.embed_images(&pictures).unwrap();
    assert_eq!(together.len(), pictures.len(), "{name}");
    for (n, (picture, vector)) in pictures.iter().zip(&together).enumerate() {
        assert!(is_whole(model, vector), "{name}: picture {n}");
        let alone = model.embed_images(std::slice::from_ref(picture)).unwrap();
        assert_eq!(alone.len(), 1, "{name}");
        assert!(same(&alone[0], vector), "{name}: picture {n} alone");
    }
    assert!(
        !same(&together[0], &together[1]),
        "{name}: all pictures are one"
    );
    let mut reversed: Vec<Pixels> = pictures.clone();
    reversed.reverse();
    let mut backwards = model.embed_images(&reversed).unwrap();
    backwards.reverse();
    assert!(
        together.iter().zip(&backwards).all(|(a, b)| same(a, b)),
        "{name}: order"
    );

    // Nothing in, nothing out; a sentence without words is refused.
    assert!(model.embed_images(&[]).unwrap().is_empty(), "{name}");
    for empty in ["", " \t\n"] {
        let refused = model.embed_text(empty);
        assert!(
            matches!(refused, Err(EmbedError::EmptyText)),
            "{name}: {empty:?}"
        );
    }
    let sentences = ["a person riding a bicycle", "an empty road", "x"];
    let read: Vec<Embedding> = sentences
        .iter()
        .map(|s| model.embed_text(s).unwrap())
        .collect();
    assert!(read.iter().all(|v| is_whole(model, v)), "{name}: sentences");
    // Longer than any context: cut, not refused.
    let long = "a white car and a red car ".repeat(400);
    assert!(is_whole(model, &model.embed_text(&long).unwrap()), "{name}");

    // One model serves many threads, whatever pool they are in.
    model.load().unwrap();
    std::thread::scope(|scope| {
        for n in 0..4 {
            let (pictures, together, read) = (&pictures, &together, &read);
            scope.spawn(move || {
                let work = || {
                    let one = std::slice::from_ref(&pictures[n % 3]);
                    let seen = model.embed_images(one).unwrap();
                    assert!(same(&seen[0], &together[n % 3]));
                    let said = model.embed_text(sentences[n % 3]).unwrap();
                    assert!(same(&said, &read[n % 3]));
                };
                match n % 2 {
                    0 => work(),
                    _ => rayon::ThreadPoolBuilder::new()
                        .num_threads(1)
                        .build()
                        .unwrap()
                        .install(work),
                }
            });
        }
    });
}

#[test]
fn the_built_in_model_keeps_the_contract() {
    hold(&Builtin::new());
}

#[test]
fn every_clip_keeps_the_contract() {
    for golden in goldens() {
        let dir = tempfile::tempdir().unwrap();
        write(&golden, dir.path());
        hold(&Clip::open(dir.path(), golden.name.clone(), &Device::cpu()).unwrap());
    }
}
