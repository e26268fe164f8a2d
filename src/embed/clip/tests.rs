use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::Deserialize;

use super::*;

/// What open_clip and transformers make of the same weights (script/clip_reference.py).
#[derive(Deserialize)]
struct Golden {
    name: String,
    layout: String,
    config: serde_json::Value,
    tensors: BTreeMap<String, Vec<usize>>,
    image: Vec<f32>,
    texts: Vec<GoldenText>,
}

#[derive(Deserialize)]
struct GoldenText {
    text: String,
    vector: Vec<f32>,
}

fn goldens() -> Vec<Golden> {
    serde_json::from_str(include_str!("golden/models.json")).unwrap()
}

/// The reference's weights: a hash of the tensor's name (FNV-1a) and the position.
fn filled(name: &str, shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>() as u32;
    let seed = name.bytes().fold(0x811C_9DC5u32, |h, b| {
        (h ^ u32::from(b)).wrapping_mul(0x0100_0193)
    });
    let fan_in: usize = shape.iter().skip(1).product();
    let value = |i: u32| {
        let mut h = i.wrapping_mul(0x9E37_79B1).wrapping_add(seed);
        h = (h ^ (h >> 16)).wrapping_mul(0x7FEB_352D);
        h = (h ^ (h >> 15)).wrapping_mul(0x846C_A68B);
        h ^= h >> 16;
        let u = (h >> 8) as f32 / (1u32 << 24) as f32;
        match () {
            () if name == "logit_scale" => 4.6052,
            () if name.ends_with("running_var") => u + 0.5,
            () if shape.len() > 1 => (u - 0.5) * (12.0 / fan_in as f32).sqrt(),
            () if name.ends_with(".weight") => 1.0 + 0.2 * (u - 0.5),
            () => 0.2 * (u - 0.5),
        }
    };
    Tensor::from_vec((0..count).map(value).collect(), shape, &Device::Cpu).unwrap()
}

/// The reference's picture.
fn picture() -> Pixels {
    let pixels = (0..224i32).flat_map(|y| (0..260i32).map(move |x| (x, y)));
    let rgb = pixels.flat_map(|(x, y)| {
        if (x - 130).pow(2) + (y - 112).pow(2) < 60 * 60 {
            [250, 200, 20]
        } else {
            [(x % 256) as u8, y as u8, ((x + y) / 2 % 256) as u8]
        }
    });
    Pixels::new(260, 224, rgb.collect()).unwrap()
}

fn write(golden: &Golden, dir: &Path) {
    let (config, weights) = match golden.layout.as_str() {
        "open_clip" => ("open_clip_config.json", "open_clip_model.safetensors"),
        _ => ("config.json", "model.safetensors"),
    };
    std::fs::write(dir.join(config), golden.config.to_string()).unwrap();
    let tensors: std::collections::HashMap<String, Tensor> = golden
        .tensors
        .iter()
        .map(|(name, shape)| (name.clone(), filled(name, shape)))
        .collect();
    candle_core::safetensors::save(&tensors, dir.join(weights)).unwrap();
}

fn opened(golden: &Golden) -> (tempfile::TempDir, Clip) {
    let dir = tempfile::tempdir().unwrap();
    write(golden, dir.path());
    let clip = Clip::open(dir.path()).unwrap();
    (dir, clip)
}

fn cosine(ours: &Embedding, theirs: &[f32]) -> f32 {
    ours.similarity(&Embedding::normalised(theirs.to_vec()).unwrap())
}

#[test]
fn vectors_are_those_of_open_clip_and_transformers() {
    for golden in goldens() {
        let (_dir, clip) = opened(&golden);
        let image = clip.embed_images(&[picture()]).unwrap();
        let similarity = cosine(&image[0], &golden.image);
        assert!(similarity > 0.9999, "{}: image {similarity}", golden.name);
        for t in &golden.texts {
            let ours = clip.embed_text(&t.text).unwrap();
            let similarity = cosine(&ours, &t.vector);
            assert!(
                similarity > 0.9999,
                "{}: {:?} {similarity}",
                golden.name,
                t.text
            );
        }
        assert!((clip.logit_scale() - 100.0).abs() < 0.1);
    }
}

#[test]
fn a_batch_gives_what_each_gives_alone() {
    let (_dir, clip) = opened(&goldens()[0]);
    let grey = Pixels::new(70, 50, vec![127; 70 * 50 * 3]).unwrap();
    let both = clip.embed_images(&[picture(), grey.clone()]).unwrap();
    for (alone, together) in [picture(), grey].into_iter().zip(&both) {
        let alone = clip.embed_images(&[alone]).unwrap();
        assert!(alone[0].similarity(together) > 0.99999);
    }
}

#[test]
fn preprocessed_pixels_are_pillows() {
    for (side, png) in [
        (224, &include_bytes!("golden/preprocessed-224.png")[..]),
        (97, include_bytes!("golden/preprocessed-97.png")),
    ] {
        let theirs = image::load_from_memory(png).unwrap().into_rgb8().into_raw();
        let ours = Preprocess::new(side, [0.0; 3], [1.0; 3])
            .resized(&picture())
            .unwrap();
        assert_eq!(ours.len(), theirs.len());
        let worst = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(1), "side {side}: {worst:?}");
    }
}

#[test]
fn tokens_are_those_of_open_clip() {
    let tokenizer = ClipTokenizer::new();
    let lines = include_str!("golden/tokens.jsonl").lines();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines {
        let (text, theirs): (String, Vec<u32>) = serde_json::from_str(line).unwrap();
        let ours = tokenizer.encode(&text, 77).unwrap();
        count += 1;
        if ours != theirs {
            wrong.push((text, ours, theirs));
        }
    }
    assert!(count >= 2000, "{count} strings");
    assert!(
        wrong.is_empty(),
        "{} wrong: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(8)]
    );
}

#[test]
fn what_is_wrong_with_a_folder_is_said() {
    let golden = &goldens()[0];
    let dir = tempfile::tempdir().unwrap();
    let refused = || Clip::open(dir.path()).err().unwrap();
    assert!(matches!(refused(), ClipError::NoConfig { .. }));

    write(golden, dir.path());
    let weights = dir.path().join("open_clip_model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(refused(), ClipError::BadWeights { .. }));

    std::fs::remove_file(&weights).unwrap();
    assert!(matches!(refused(), ClipError::NoWeights { .. }));
    std::fs::write(dir.path().join("open_clip_pytorch_model.bin"), "x").unwrap();
    assert!(matches!(refused(), ClipError::Pickle { .. }));

    let mut less = BTreeMap::clone(&golden.tensors);
    less.remove("visual.ln_post.bias");
    write(
        &Golden {
            tensors: less,
            ..clone(golden)
        },
        dir.path(),
    );
    let e = refused();
    assert!(
        matches!(&e, ClipError::MissingTensor { name, .. } if name == "visual.ln_post.bias"),
        "{e}"
    );

    let mut wider = BTreeMap::clone(&golden.tensors);
    wider.insert("visual.proj".into(), vec![64, 33]);
    write(
        &Golden {
            tensors: wider,
            ..clone(golden)
        },
        dir.path(),
    );
    let e = refused();
    assert!(
        matches!(&e, ClipError::WrongShape { name, .. } if name == "visual.proj"),
        "{e}"
    );

    let config = dir.path().join("open_clip_config.json");
    std::fs::write(&config, "{").unwrap();
    assert!(matches!(refused(), ClipError::BadConfig { .. }));
    std::fs::remove_file(&config).unwrap();
    std::fs::write(dir.path().join("config.json"), r#"{"model_type":"llama"}"#).unwrap();
    assert!(matches!(refused(), ClipError::UnknownArchitecture { name, .. } if name == "llama"));
}

fn clone(g: &Golden) -> Golden {
    Golden {
        name: g.name.clone(),
        layout: g.layout.clone(),
        config: g.config.clone(),
        tensors: BTreeMap::new(),
        image: Vec::new(),
        texts: Vec::new(),
    }
}
