use super::*;
use serde::Deserialize;

/// What PyTorch makes of the original weights (models/golden.py).
#[derive(Deserialize)]
struct Golden {
    logits: Vec<f32>,
    sentences: Vec<Sentence>,
}

#[derive(Deserialize)]
struct Sentence {
    text: String,
    vector: Vec<f32>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

/// The picture of models/golden.py.
fn picture() -> Vec<u8> {
    let pixels = (0..224i32).flat_map(|y| (0..224i32).map(move |x| (x, y)));
    pixels
        .flat_map(|(x, y)| {
            if (x - 112).pow(2) + (y - 112).pow(2) < 60 * 60 {
                [250, 200, 20]
            } else {
                [x as u8, y as u8, ((x + y) / 2) as u8]
            }
        })
        .collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let unit = |v: &[f32]| Embedding::normalised(v.to_vec()).unwrap();
    unit(a).similarity(&unit(b))
}

#[test]
fn the_fingerprint_is_that_of_the_weights() {
    let mut hasher = blake3::Hasher::new();
    for part in [WEIGHTS, TOKENIZER, PREPROCESSING] {
        hasher.update(part);
    }
    assert_eq!(&hasher.finalize().to_hex()[..32], FINGERPRINT);
}

#[test]
fn class_probabilities_are_pytorchs() {
    let network = EfficientNetLite0::load(&Weights::parse(WEIGHTS).unwrap()).unwrap();
    let ours = network
        .logits(&[picture()])
        .unwrap()
        .to_vec2::<f32>()
        .unwrap();
    let theirs = golden().logits;
    assert!(cosine(&ours[0], &theirs) > 0.9995);
    let worst = ours[0]
        .iter()
        .zip(&theirs)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(worst < 0.1, "{worst}");
}

#[test]
fn sentence_vectors_are_pytorchs() {
    let model = Builtin::new();
    for s in golden().sentences {
        let ours = model.embed_text(&s.text).unwrap();
        let similarity = cosine(ours.as_slice(), &s.vector);
        assert!(similarity > 0.995, "{}: {similarity}", s.text);
    }
}
