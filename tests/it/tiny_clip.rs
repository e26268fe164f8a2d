//! CLIP models small enough to write at test time, filled as script/clip_reference.py fills them.
//! The tests of `embed::clip` use this file too.

#![allow(dead_code)] // each of the two users reads a part

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde::Deserialize;

/// What open_clip and transformers make of the same weights (script/clip_reference.py).
#[derive(Deserialize)]
pub struct Golden {
    pub name: String,
    pub layout: String,
    pub config: serde_json::Value,
    pub tensors: BTreeMap<String, Vec<usize>>,
    /// Where the model brings its own.
    pub vocabulary: Option<Vec<String>>,
    pub image: Vec<f32>,
    pub texts: Vec<GoldenText>,
}

#[derive(Deserialize)]
pub struct GoldenText {
    pub text: String,
    pub vector: Vec<f32>,
}

pub fn goldens() -> Vec<Golden> {
    serde_json::from_str(include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/embed/clip/golden/models.json"
    )))
    .unwrap()
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

pub fn write(golden: &Golden, dir: &Path) {
    let (config, weights) = match golden.layout.as_str() {
        "open_clip" => ("open_clip_config.json", "open_clip_model.safetensors"),
        _ => ("config.json", "model.safetensors"),
    };
    std::fs::write(dir.join(config), golden.config.to_string()).unwrap();
    if let Some(tokens) = &golden.vocabulary {
        std::fs::write(dir.join("vocab.txt"), tokens.join("\n")).unwrap();
    }
    let tensors: std::collections::HashMap<String, Tensor> = golden
        .tensors
        .iter()
        .map(|(name, shape)| (name.clone(), filled(name, shape)))
        .collect();
    candle_core::safetensors::save(&tensors, dir.join(weights)).unwrap();
}
