//! What a CLIP folder says of its architecture, in either of the two layouts it comes in.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Number;

use super::ClipError;
use super::numbers::{CONTEXT, LAYERS, MLP_WIDTH, Numbers, SIDE, VOCABULARY, WIDTH};

/// Largest config file, in bytes: they have some thousands.
const LARGEST: u64 = 1 << 20;

/// OpenAI's own normalisation (Radford et al. 2021); configs that give none mean these.
const OPENAI_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const OPENAI_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];
/// Channels of one attention head in every published image tower.
const HEAD_WIDTH: usize = 64;

/// Names and order of tensors in the weights file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// `open_clip_config.json` + `open_clip_model.safetensors`.
    OpenClip,
    /// `config.json` + `model.safetensors`.
    Transformers,
}

/// What reads sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// CLIP's own causal transformer over byte pairs.
    Causal,
    /// BERT over word pieces, as Chinese-CLIP.
    Bert,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    /// x · sigmoid(1.702 x), as OpenAI trained with.
    QuickGelu,
    /// Exact GELU.
    Gelu,
}

/// One stack of transformer blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tower {
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) mlp_width: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Vision {
    Vit {
        patch: usize,
        tower: Tower,
    },
    /// CLIP's modified ResNet: blocks in each stage, width of the stem, heads of the pooling.
    ResNet {
        blocks: [usize; 4],
        width: usize,
        heads: usize,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    pub(super) layout: Layout,
    /// Length of every vector.
    pub(super) dim: usize,
    /// Side of the square picture, in pixels.
    pub(super) image_size: usize,
    pub(super) mean: [f32; 3],
    pub(super) std: [f32; 3],
    pub(super) vision: Vision,
    pub(super) text: Tower,
    pub(super) reading: Reading,
    pub(super) context: usize,
    pub(super) vocabulary: usize,
    pub(super) activation: Activation,
    pub(super) weights: PathBuf,
}

impl Config {
    /// Reads the config of the model in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, ClipError> {
        let open_clip = dir.join("open_clip_config.json");
        let transformers = dir.join("config.json");
        let mut config = if open_clip.is_file() {
            from_open_clip(parse(&open_clip, LARGEST)?, &open_clip)?
        } else if transformers.is_file() {
            from_transformers(parse(&transformers, LARGEST)?, &transformers)?
        } else {
            return Err(ClipError::NoConfig { dir: dir.into() });
        };
        let name = match config.layout {
            Layout::OpenClip => "open_clip_model.safetensors",
            Layout::Transformers => "model.safetensors",
        };
        config.weights = dir.join(name);
        if !config.weights.is_file() {
            return Err(match pickle_in(dir) {
                Some(path) => ClipError::Pickle { path },
                None => ClipError::NoWeights {
                    path: config.weights,
                },
            });
        }
        Ok(config)
    }
}

impl Tower {
    fn written(self) -> String {
        let Self {
            width,
            layers,
            heads,
            mlp_width,
        } = self;
        format!(
            "Tower {{ width: {width}, layers: {layers}, heads: {heads}, mlp_width: {mlp_width} }}"
        )
    }
}

impl Config {
    /// All that shapes a vector besides the weights, as it goes into a model's fingerprint. Libraries
    /// know models by that: what is written here may not change, whatever the fields are called.
    pub(super) fn written(&self) -> String {
        let layout = match self.layout {
            Layout::OpenClip => "OpenClip",
            Layout::Transformers => "Transformers",
        };
        let reading = match self.reading {
            Reading::Causal => "Causal",
            Reading::Bert => "Bert",
        };
        let activation = match self.activation {
            Activation::QuickGelu => "QuickGelu",
            Activation::Gelu => "Gelu",
        };
        let vision = match &self.vision {
            Vision::Vit { patch, tower } => {
                format!("Vit {{ patch: {patch}, tower: {} }}", tower.written())
            }
            Vision::ResNet {
                blocks,
                width,
                heads,
            } => format!("ResNet {{ blocks: {blocks:?}, width: {width}, heads: {heads} }}"),
        };
        let (dim, image_size, text) = (self.dim, self.image_size, self.text.written());
        let (mean, std) = (self.mean, self.std);
        let (context, vocabulary) = (self.context, self.vocabulary);
        format!(
            "Config {{ layout: {layout}, dim: {dim}, image_size: {image_size}, mean: {mean:?}, \
             std: {std:?}, vision: {vision}, text: {text}, reading: {reading}, context: {context}, \
             vocabulary: {vocabulary}, activation: {activation}, weights: \"\" }}"
        )
    }
}

/// A JSON file of at most so many bytes.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(path: &Path, most: u64) -> Result<T, ClipError> {
    let text = read(path, most)?;
    serde_json::from_str(&text).map_err(|cause| ClipError::BadConfig {
        path: path.into(),
        reason: cause.to_string(),
    })
}

/// A text file of at most so many bytes.
pub(super) fn read(path: &Path, most: u64) -> Result<String, ClipError> {
    let unreadable = |cause| ClipError::Unreadable {
        path: path.into(),
        cause,
    };
    // Looked at before it is opened: a pipe would block there.
    if !path.metadata().map_err(unreadable)?.is_file() {
        let kind = io::ErrorKind::InvalidInput;
        return Err(unreadable(io::Error::new(kind, "not a regular file")));
    }
    let mut text = String::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    let read = file.take(most + 1).read_to_string(&mut text);
    // Cut between the bytes of a character, it is too large all the same.
    let size = path.metadata().map_err(unreadable)?.len();
    if size > most {
        return Err(ClipError::BadConfig {
            path: path.into(),
            reason: format!("it has {size} bytes, of which at most {most} are read"),
        });
    }
    read.map_err(unreadable)?;
    Ok(text)
}

/// Weights in a format that runs code when it is read.
fn pickle_in(dir: &Path) -> Option<PathBuf> {
    let mut files = fs::read_dir(dir).ok()?.filter_map(|e| Some(e.ok()?.path()));
    files.find(|p| {
        let extension = p.extension().and_then(|e| e.to_str());
        matches!(extension, Some("bin" | "pt" | "pth" | "ckpt" | "pkl"))
    })
}

// --- open_clip -------------------------------------------------------------------------------

#[derive(Deserialize)]
struct OpenClipFile {
    model_cfg: OpenClipModel,
    #[serde(default)]
    preprocess_cfg: Preprocess,
}

#[derive(Deserialize, Default)]
struct Preprocess {
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
}

#[derive(Deserialize)]
struct OpenClipModel {
    embed_dim: Number,
    #[serde(default)]
    quick_gelu: bool,
    vision_cfg: OpenClipVision,
    text_cfg: OpenClipText,
}

#[derive(Deserialize)]
struct OpenClipVision {
    image_size: Number,
    layers: OpenClipLayers,
    width: Number,
    patch_size: Option<Number>,
    head_width: Option<Number>,
    mlp_ratio: Option<f64>,
    timm_model_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OpenClipLayers {
    Vit(Number),
    ResNet([Number; 4]),
}

#[derive(Deserialize)]
struct OpenClipText {
    context_length: Number,
    vocab_size: Number,
    width: Number,
    heads: Number,
    layers: Number,
    mlp_ratio: Option<f64>,
    hf_model_name: Option<String>,
}

fn from_open_clip(file: OpenClipFile, path: &Path) -> Result<Config, ClipError> {
    let OpenClipModel {
        embed_dim,
        quick_gelu,
        vision_cfg: v,
        text_cfg: t,
    } = file.model_cfg;
    if let Some(other) = v.timm_model_name.as_ref().or(t.hf_model_name.as_ref()) {
        return Err(ClipError::UnknownArchitecture {
            path: path.into(),
            name: other.clone(),
        });
    }
    let n = Numbers(path);
    let activation = match quick_gelu {
        true => Activation::QuickGelu,
        false => Activation::Gelu,
    };
    let image_size = n.whole("vision_cfg.image_size", &v.image_size, SIDE)?;
    let width = n.whole("text_cfg.width", &t.width, WIDTH)?;
    let heads = n.whole("text_cfg.heads", &t.heads, 1..=width)?;
    let (mean, std) = (file.preprocess_cfg.mean, file.preprocess_cfg.std);
    Ok(Config {
        layout: Layout::OpenClip,
        dim: n.whole("embed_dim", &embed_dim, WIDTH)?,
        image_size,
        mean: n.mean("preprocess_cfg.mean", mean.unwrap_or(OPENAI_MEAN))?,
        std: n.std("preprocess_cfg.std", std.unwrap_or(OPENAI_STD))?,
        vision: open_clip_vision(&v, n, image_size)?,
        text: Tower {
            width,
            layers: n.whole("text_cfg.layers", &t.layers, LAYERS)?,
            heads: n.heads("text_cfg.heads", heads, width)?,
            mlp_width: n.wider("text_cfg.mlp_ratio", t.mlp_ratio, width)?,
        },
        reading: Reading::Causal,
        context: n.whole("text_cfg.context_length", &t.context_length, CONTEXT)?,
        vocabulary: n.whole("text_cfg.vocab_size", &t.vocab_size, VOCABULARY)?,
        activation,
        weights: PathBuf::new(),
    })
}

fn open_clip_vision(v: &OpenClipVision, n: Numbers, side: usize) -> Result<Vision, ClipError> {
    const FIELD: &str = "vision_cfg.head_width";
    let width = n.whole("vision_cfg.width", &v.width, WIDTH)?;
    let head_width =
        |most| n.whole_or(FIELD, v.head_width.as_ref(), HEAD_WIDTH.min(most), 1..=most);
    match &v.layers {
        OpenClipLayers::ResNet(blocks) => {
            // Each of five halvings leaves something; the stem has half the width.
            n.whole("vision_cfg.image_size", &v.image_size, 32..=*SIDE.end())?;
            n.whole("vision_cfg.width", &v.width, 2..=*WIDTH.end())?;
            let mut counts = [0; 4];
            for (count, block) in counts.iter_mut().zip(blocks) {
                *count = n.whole("vision_cfg.layers", block, LAYERS)?;
            }
            let wide = width * 32;
            Ok(Vision::ResNet {
                blocks: counts,
                width,
                heads: n.heads(FIELD, wide / head_width(wide)?, wide)?,
            })
        }
        OpenClipLayers::Vit(layers) => Ok(Vision::Vit {
            patch: n.patch("vision_cfg.patch_size", v.patch_size.as_ref(), 16, side)?,
            tower: Tower {
                width,
                layers: n.whole("vision_cfg.layers", layers, LAYERS)?,
                heads: n.heads(FIELD, width / head_width(width)?, width)?,
                mlp_width: n.wider("vision_cfg.mlp_ratio", v.mlp_ratio, width)?,
            },
        }),
    }
}

// --- transformers ----------------------------------------------------------------------------

#[derive(Deserialize)]
struct TransformersFile {
    model_type: String,
    projection_dim: Option<Number>,
    #[serde(default)]
    vision_config: TransformersTower,
    #[serde(default)]
    text_config: TransformersTower,
}

/// Fields left out mean the defaults of ViT-B/32, as in transformers itself.
#[derive(Deserialize, Default)]
struct TransformersTower {
    hidden_size: Option<Number>,
    intermediate_size: Option<Number>,
    num_hidden_layers: Option<Number>,
    num_attention_heads: Option<Number>,
    hidden_act: Option<String>,
    image_size: Option<Number>,
    patch_size: Option<Number>,
    max_position_embeddings: Option<Number>,
    vocab_size: Option<Number>,
}

impl TransformersTower {
    /// `of`: where in the file it stands; `width`, `heads`: what is meant where they are left out.
    fn tower(&self, of: &str, n: Numbers, width: usize, heads: usize) -> Result<Tower, ClipError> {
        let number = |name: &str, value: &Option<Number>, meant, range| {
            n.whole_or(&format!("{of}.{name}"), value.as_ref(), meant, range)
        };
        let width = number("hidden_size", &self.hidden_size, width, WIDTH)?;
        let field = "num_attention_heads";
        let heads = number(
            field,
            &self.num_attention_heads,
            heads.min(width),
            1..=width,
        )?;
        let wide = &self.intermediate_size;
        Ok(Tower {
            width,
            layers: number("num_hidden_layers", &self.num_hidden_layers, 12, LAYERS)?,
            heads: n.heads(&format!("{of}.{field}"), heads, width)?,
            mlp_width: number("intermediate_size", wide, 4 * width, MLP_WIDTH)?,
        })
    }
}

fn from_transformers(file: TransformersFile, path: &Path) -> Result<Config, ClipError> {
    let unknown = |name: &str| ClipError::UnknownArchitecture {
        path: path.into(),
        name: name.into(),
    };
    // Defaults of the text tower: width, heads, context, vocabulary.
    let (reading, (width, heads, context, vocabulary)) = match file.model_type.as_str() {
        "clip" => (Reading::Causal, (512, 8, 77, 49_408)),
        "chinese_clip" => (Reading::Bert, (768, 12, 512, 30_522)),
        other => return Err(unknown(other)),
    };
    let (v, t) = (&file.vision_config, &file.text_config);
    if let (Reading::Bert, Some(act)) = (reading, t.hidden_act.as_deref().filter(|a| *a != "gelu"))
    {
        return Err(unknown(act));
    }
    let activation = match v.hidden_act.as_deref() {
        None | Some("quick_gelu") => Activation::QuickGelu,
        Some("gelu") => Activation::Gelu,
        Some(other) => return Err(unknown(other)),
    };
    let n = Numbers(path);
    let number = |field, value: &Option<Number>, meant, range| {
        n.whole_or(field, value.as_ref(), meant, range)
    };
    let image_size = number("vision_config.image_size", &v.image_size, 224, SIDE)?;
    let (positions, words) = (&t.max_position_embeddings, &t.vocab_size);
    Ok(Config {
        layout: Layout::Transformers,
        dim: number("projection_dim", &file.projection_dim, 512, WIDTH)?,
        image_size,
        mean: OPENAI_MEAN,
        std: OPENAI_STD,
        vision: Vision::Vit {
            patch: n.patch(
                "vision_config.patch_size",
                v.patch_size.as_ref(),
                32,
                image_size,
            )?,
            tower: v.tower("vision_config", n, 768, 12)?,
        },
        text: t.tower("text_config", n, width, heads)?,
        reading,
        context: number(
            "text_config.max_position_embeddings",
            positions,
            context,
            CONTEXT,
        )?,
        vocabulary: number("text_config.vocab_size", words, vocabulary, VOCABULARY)?,
        activation,
        weights: PathBuf::new(),
    })
}
