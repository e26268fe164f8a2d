use std::collections::BTreeMap;

use super::*;

use crate::embed::DeviceChoice;
use crate::embed::tiny_clip::{Golden, goldens, write};

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

fn opened(golden: &Golden) -> (tempfile::TempDir, Clip) {
    let dir = tempfile::tempdir().unwrap();
    write(golden, dir.path());
    let clip = open(dir.path()).unwrap();
    (dir, clip)
}

/// Opened, and both towers loaded.
fn open(dir: &Path) -> Result<Clip, ClipError> {
    let clip = Clip::open(dir, "tiny".into(), &Device::cpu())?;
    clip.vision()?;
    clip.text()?;
    Ok(clip)
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
        assert!((clip.profile().logit_scale.unwrap() - 100.0).abs() < 0.1);
    }
}

/// The steps a GPU takes, in f16, on the CPU.
#[test]
fn half_precision_without_fused_steps_gives_nearly_the_same() {
    let mut half = Device::cpu();
    half.dtype = DType::F16;
    for golden in goldens() {
        let dir = tempfile::tempdir().unwrap();
        write(&golden, dir.path());
        let clip = Clip::open(dir.path(), "half".into(), &half).unwrap();
        let image = clip.embed_images(&[picture()]).unwrap();
        let similarity = cosine(&image[0], &golden.image);
        assert!(similarity > 0.999, "{}: image {similarity}", golden.name);
        for t in &golden.texts {
            let similarity = cosine(&clip.embed_text(&t.text).unwrap(), &t.vector);
            assert!(similarity > 0.999, "{}: text {similarity}", golden.name);
        }
    }
}

fn in_int8(dir: &Path) -> Clip {
    let device = Device::open(DeviceChoice::CpuInt8).unwrap();
    Clip::open(dir, "int8".into(), &device).unwrap()
}

#[test]
fn eight_bits_give_nearly_the_same_and_resnets_have_none() {
    for golden in goldens() {
        let dir = tempfile::tempdir().unwrap();
        write(&golden, dir.path());
        let clip = in_int8(dir.path());
        assert_eq!(clip.profile().device, "cpu-int8");
        match (clip.embed_images(&[picture()]), &clip.config.vision) {
            (Ok(image), Vision::Vit { .. }) => {
                let similarity = cosine(&image[0], &golden.image);
                assert!(similarity > 0.995, "{}: image {similarity}", golden.name);
                assert!(similarity < 0.9999999, "{}: not rounded", golden.name);
            }
            (Err(e), Vision::ResNet { .. }) => {
                assert!(e.to_string().contains("no vision transformer"), "{e}");
            }
            (other, _) => panic!("{}: {other:?}", golden.name),
        }
        // Sentences stay exact.
        let text = clip.embed_text(&golden.texts[0].text).unwrap();
        assert!(cosine(&text, &golden.texts[0].vector) > 0.9999);
    }
}

/// The golden model with each tensor of the picture tower's blocks changed by `change`.
fn changed(dir: &Path, change: impl Fn(&str, &mut Vec<f32>, usize)) {
    write(&goldens()[0], dir);
    let path = dir.join("open_clip_model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &candle_core::Device::Cpu).unwrap();
    for (name, tensor) in &mut tensors {
        if let Some(name) = name.strip_prefix("visual.transformer.resblocks.") {
            let mut values = tensor.flatten_all().unwrap().to_vec1().unwrap();
            change(name, &mut values, *tensor.dims().last().unwrap());
            *tensor = Tensor::from_vec(values, tensor.shape(), tensor.device()).unwrap();
        }
    }
    candle_core::safetensors::save(&tensors, &path).unwrap();
}

/// What trained transformers have: activations much greater than all others, always the same ones.
#[test]
fn great_activations_take_no_bits_from_the_others() {
    const TIMES: f32 = 1000.0;
    let dir = tempfile::tempdir().unwrap();
    changed(dir.path(), |name, values, width| {
        if name.contains(".ln_") {
            values[0] *= TIMES;
        }
        if name.ends_with("in_proj_weight") || name.ends_with("c_fc.weight") {
            values.iter_mut().step_by(width).for_each(|v| *v /= TIMES);
        }
    });
    let golden = &goldens()[0];
    let exact = open(dir.path())
        .unwrap()
        .embed_images(&[picture()])
        .unwrap();
    assert!(cosine(&exact[0], &golden.image) > 0.9999);
    let rounded = in_int8(dir.path()).embed_images(&[picture()]).unwrap();
    let similarity = cosine(&rounded[0], &golden.image);
    assert!(similarity > 0.995, "{similarity}");
}

/// Two great activations that only cancel each other out: all else is lost beside them.
#[test]
fn a_model_that_eight_bits_change_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    changed(dir.path(), |name, values, width| {
        if name.contains(".ln_") && name.ends_with("weight") {
            values[..2].fill(0.0);
        }
        if name.contains(".ln_") && name.ends_with("bias") {
            values[..2].fill(1e5);
        }
        if name.ends_with("in_proj_weight") || name.ends_with("c_fc.weight") {
            values
                .chunks_exact_mut(width)
                .for_each(|row| row[1] = -row[0]);
        }
    });
    open(dir.path()).unwrap();
    let refused = in_int8(dir.path()).load().unwrap_err().to_string();
    assert!(
        refused.contains("sees a test picture too differently"),
        "{refused}"
    );
}

/// Libraries know models by their fingerprints: these are what earlier versions made of the same models.
#[test]
fn fingerprints_are_those_libraries_know() {
    let found: Vec<String> = goldens()
        .iter()
        .map(|golden| {
            let dir = tempfile::tempdir().unwrap();
            write(golden, dir.path());
            let config = Config::read(dir.path()).unwrap();
            blake3::hash(config.written().as_bytes()).to_hex()[..16].to_owned()
        })
        .collect();
    assert_eq!(
        found,
        WRITTEN,
        "of {:?}",
        goldens().iter().map(|g| &g.name).collect::<Vec<_>>()
    );
}

const WRITTEN: [&str; 5] = [
    "ece2ee7e5f7a6b63",
    "074331091a375db0",
    "1a0a00bfac462a17",
    "72e17734c1a75f73",
    "4181fed8aa07551f",
];

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
    let tokenizer = ClipTokenizer::openai();
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
    let refused = || open(dir.path()).err().unwrap();
    assert!(matches!(refused(), ClipError::NoConfig { .. }));

    write(golden, dir.path());
    let weights = dir.path().join("open_clip_model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(refused(), ClipError::BadWeights { .. }));

    let header = br#"{"logit_scale":{"dtype":"F32","shape":[],"data_offsets":[4,0]}}"#;
    let backwards = [&(header.len() as u64).to_le_bytes()[..], header].concat();
    std::fs::write(&weights, backwards).unwrap();
    assert!(open(dir.path()).is_err());
    for garbage in [&b"x"[..], &[255; 64], &[8, 0, 0, 0, 0, 0, 0, 0, b'{']] {
        std::fs::write(&weights, garbage).unwrap();
        assert!(matches!(refused(), ClipError::BadWeights { .. }));
    }
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

/// Every number of both layouts, each out of its range in turn.
#[test]
fn numbers_that_no_model_has_are_refused_by_name() {
    use serde_json::json;
    let (huge, wrong) = (
        json!(u64::MAX),
        [json!(0), json!(-1), json!(1.5), json!(u64::MAX)],
    );
    let open_clip = [
        "embed_dim",
        "vision_cfg.image_size",
        "vision_cfg.layers",
        "vision_cfg.width",
        "vision_cfg.patch_size",
        "vision_cfg.head_width",
        "text_cfg.context_length",
        "text_cfg.vocab_size",
        "text_cfg.width",
        "text_cfg.heads",
        "text_cfg.layers",
    ];
    let transformers = [
        "projection_dim",
        "vision_config.hidden_size",
        "vision_config.intermediate_size",
        "vision_config.num_hidden_layers",
        "vision_config.num_attention_heads",
        "vision_config.image_size",
        "vision_config.patch_size",
        "text_config.hidden_size",
        "text_config.intermediate_size",
        "text_config.num_hidden_layers",
        "text_config.num_attention_heads",
        "text_config.max_position_embeddings",
        "text_config.vocab_size",
    ];
    let dir = tempfile::tempdir().unwrap();
    let refused = |golden: &Golden, at: &str, field: &str, value: &serde_json::Value| {
        let mut config = golden.config.clone();
        *config.pointer_mut(at).unwrap() = value.clone();
        std::fs::write(dir.path().join(file_of(golden)), config.to_string()).unwrap();
        let error = open(dir.path()).err().unwrap().to_string();
        assert!(
            error.contains(file_of(golden)) && error.contains(field),
            "{field} = {value}: {error}"
        );
    };
    for golden in goldens() {
        let dir = dir.path();
        for file in std::fs::read_dir(dir).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        write(&golden, dir);
        let (root, fields) = match golden.layout.as_str() {
            "open_clip" => ("/model_cfg/", &open_clip[..]),
            _ => ("/", &transformers[..]),
        };
        for field in fields {
            let at = format!("{root}{}", field.replace('.', "/"));
            let there = golden.config.pointer(&at);
            let Some(there) = there.filter(|v| !v.is_null()) else {
                continue;
            };
            let stages = there.is_array();
            for value in &wrong {
                match stages {
                    true => refused(&golden, &format!("{at}/3"), field, value),
                    false => refused(&golden, &at, field, value),
                }
            }
        }
        if golden.name == "vit" {
            for (field, value) in [
                ("vision_cfg.mlp_ratio", json!(0.0)),
                ("vision_cfg.mlp_ratio", json!(1e300)),
                ("text_cfg.mlp_ratio", json!(-4.0)),
                // As many heads as do not divide the width.
                ("text_cfg.heads", json!(3)),
                ("vision_cfg.head_width", json!(3)),
                // More patches than a picture is cut into.
                ("vision_cfg.image_size", json!(2048)),
                ("vision_cfg.image_size", huge.clone()),
            ] {
                let mut config = golden.config.clone();
                let (part, name) = field.split_once('.').unwrap();
                config["model_cfg"][part][name] = value.clone();
                std::fs::write(dir.join(file_of(&golden)), config.to_string()).unwrap();
                let error = open(dir).err().unwrap().to_string();
                let field = match name {
                    "image_size" if value != huge => "vision_cfg.patch_size",
                    _ => field,
                };
                assert!(error.contains(field), "{field} = {value}: {error}");
            }
            for (name, value) in [
                ("std", json!([0.2, 0.0, 0.2])),
                ("mean", json!([0, 1e30, 0])),
            ] {
                let mut config = golden.config.clone();
                config["preprocess_cfg"] = json!({ name: value });
                std::fs::write(dir.join(file_of(&golden)), config.to_string()).unwrap();
                let error = open(dir).err().unwrap().to_string();
                assert!(error.contains(&format!("preprocess_cfg.{name}")), "{error}");
            }
        }
    }
}

fn file_of(golden: &Golden) -> &'static str {
    match golden.layout.as_str() {
        "open_clip" => "open_clip_config.json",
        _ => "config.json",
    }
}

#[test]
fn files_of_a_model_that_are_too_large_are_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    write(&goldens()[0], dir.path());
    let refused = || open(dir.path()).err().unwrap().to_string();
    let whole = dir.path().join("tokenizer.json");
    let large =
        |path: &Path, size: u64| std::fs::File::create(path).unwrap().set_len(size).unwrap();
    large(&whole, tokenizer::LARGEST + 1);
    let error = refused();
    assert!(
        error.contains("tokenizer.json") && error.contains("at most"),
        "{error}"
    );

    // More tokens than the model has; a number beyond them; more merges than tokens.
    let (words, pairs) = tokenizer::openai();
    let mut more = words.clone();
    more.insert("one more".into(), 49_408);
    let file = |vocab: &std::collections::HashMap<String, u32>, merges: &[(String, String)]| {
        let file = serde_json::json!({"model": {"vocab": vocab, "merges": merges}});
        std::fs::write(&whole, file.to_string()).unwrap();
    };
    file(&more, &pairs);
    let error = refused();
    assert!(error.contains("49409 tokens"), "{error}");
    let mut beyond = words.clone();
    beyond.insert("!".into(), 4_000_000_000);
    file(&beyond, &pairs);
    let error = refused();
    assert!(
        error.contains("4000000000") && error.contains("tokenizer.json"),
        "{error}"
    );
    file(&words, &[&pairs[..], &pairs[..]].concat());
    let error = refused();
    assert!(error.contains("merges are 97788"), "{error}");
    std::fs::remove_file(&whole).unwrap();

    let config = dir.path().join("open_clip_config.json");
    large(&config, (1 << 20) + 1);
    let error = refused();
    assert!(
        error.contains("open_clip_config.json") && error.contains("at most"),
        "{error}"
    );

    write(&goldens()[0], dir.path());
    let weights = dir.path().join("open_clip_model.safetensors");
    let header = [&(5u64 << 20).to_le_bytes()[..], &vec![b' '; 5 << 20]].concat();
    std::fs::write(&weights, header).unwrap();
    assert!(matches!(
        open(dir.path()),
        Err(ClipError::BadWeights { .. })
    ));
    let far =
        br#"{"logit_scale":{"dtype":"F32","shape":[],"data_offsets":[0,18446744073709551615]}}"#;
    let far = [&(far.len() as u64).to_le_bytes()[..], far].concat();
    std::fs::write(&weights, far).unwrap();
    assert!(matches!(
        open(dir.path()),
        Err(ClipError::BadWeights { .. })
    ));
}

fn clone(g: &Golden) -> Golden {
    Golden {
        name: g.name.clone(),
        layout: g.layout.clone(),
        config: g.config.clone(),
        tensors: BTreeMap::new(),
        vocabulary: None,
        image: Vec::new(),
        texts: Vec::new(),
    }
}

#[test]
fn a_vocabulary_that_does_not_fit_is_refused() {
    let goldens = goldens();
    let golden = goldens.iter().find(|g| g.vocabulary.is_some()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    write(golden, dir.path());
    let vocabulary = dir.path().join("vocab.txt");
    std::fs::write(&vocabulary, "[UNK]\n[CLS]\n[SEP]\n").unwrap();
    let refused = || open(dir.path()).err().unwrap();
    assert!(matches!(refused(), ClipError::Tokenizer { found: 3, .. }));
    std::fs::remove_file(&vocabulary).unwrap();
    assert!(matches!(refused(), ClipError::Unreadable { path, .. } if path == vocabulary));
}

#[test]
fn the_folders_own_tokenizer_is_read_and_must_fit() {
    let dir = tempfile::tempdir().unwrap();
    write(&goldens()[0], dir.path());
    let (vocab, merges) = (dir.path().join("vocab.json"), dir.path().join("merges.txt"));
    let whole = dir.path().join("tokenizer.json");
    let (words, pairs) = tokenizer::openai();
    let lines: Vec<String> = pairs.iter().map(|(a, b)| format!("{a} {b}")).collect();
    std::fs::write(&vocab, serde_json::to_string(&words).unwrap()).unwrap();
    std::fs::write(&merges, format!("#version: 0.2\n{}\n", lines.join("\n"))).unwrap();
    let sentence = "Two people's bicycles, at 10 o'clock!";
    let expected = ClipTokenizer::openai().encode(sentence, 77).unwrap();
    let ids = || {
        ClipTokenizer::open(dir.path(), 49408)?
            .encode(sentence, 77)
            .map_err(|_| ClipError::NoConfig {
                dir: dir.path().into(),
            })
    };
    assert_eq!(ids().unwrap(), expected);

    for merges in [serde_json::json!(lines), serde_json::json!(pairs)] {
        let file = serde_json::json!({"model": {"vocab": words, "merges": merges}});
        std::fs::write(&whole, file.to_string()).unwrap();
        assert_eq!(ids().unwrap(), expected);
    }
    let few = serde_json::json!({"model": {"vocab": {"a": 0}, "merges": []}});
    std::fs::write(&whole, few.to_string()).unwrap();
    assert!(
        matches!(open(dir.path()).err(), Some(ClipError::BadConfig { path, .. }) if path == whole)
    );
    std::fs::remove_file(&whole).unwrap();
    std::fs::write(&vocab, r#"{"<|startoftext|>":0,"<|endoftext|>":1}"#).unwrap();
    std::fs::write(&merges, "").unwrap();
    assert!(matches!(
        open(dir.path()).err(),
        Some(ClipError::Tokenizer { found: 2, .. })
    ));
}

#[test]
fn a_script_the_model_never_read_is_named() {
    let goldens = goldens();
    for golden in &goldens {
        let (_dir, clip) = opened(golden);
        let chinese = golden.vocabulary.is_some();
        let unread = |text| crate::embed::unread_script(&clip, text);
        assert_eq!(unread("a white car, 3 m"), None);
        assert_eq!(unread("白色的 BMW"), (!chinese).then_some("Han"));
        assert_eq!(unread("белый"), Some("Cyrillic"));
    }
}
