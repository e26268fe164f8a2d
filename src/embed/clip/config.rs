//! What a CLIP folder says of its architecture, in either of the two layouts it comes in.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ClipError;

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
            from_open_clip(parse(&open_clip)?, &open_clip)?
        } else if transformers.is_file() {
            from_transformers(parse(&transformers)?, &transformers)?
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

pub(super) fn parse<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, ClipError> {
    let text = fs::read_to_string(path).map_err(|cause| ClipError::Unreadable {
        path: path.into(),
        cause,
    })?;
    serde_json::from_str(&text).map_err(|cause| ClipError::BadConfig {
        path: path.into(),
        reason: cause.to_string(),
    })
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
    embed_dim: usize,
    #[serde(default)]
    quick_gelu: bool,
    vision_cfg: OpenClipVision,
    text_cfg: OpenClipText,
}

#[derive(Deserialize)]
struct OpenClipVision {
    image_size: usize,
    layers: OpenClipLayers,
    width: usize,
    patch_size: Option<usize>,
    head_width: Option<usize>,
    mlp_ratio: Option<f64>,
    timm_model_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OpenClipLayers {
    Vit(usize),
    ResNet([usize; 4]),
}

#[derive(Deserialize)]
struct OpenClipText {
    context_length: usize,
    vocab_size: usize,
    width: usize,
    heads: usize,
    layers: usize,
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
    let tower = |width: usize, layers, heads, ratio: Option<f64>| Tower {
        width,
        layers,
        heads,
        mlp_width: (width as f64 * ratio.unwrap_or(4.0)) as usize,
    };
    let head_width = v.head_width.unwrap_or(HEAD_WIDTH).max(1);
    let vision = match v.layers {
        OpenClipLayers::ResNet(blocks) => Vision::ResNet {
            blocks,
            width: v.width,
            heads: v.width * 32 / head_width,
        },
        OpenClipLayers::Vit(layers) => Vision::Vit {
            patch: v.patch_size.unwrap_or(16),
            tower: tower(v.width, layers, v.width / head_width, v.mlp_ratio),
        },
    };
    let activation = match quick_gelu {
        true => Activation::QuickGelu,
        false => Activation::Gelu,
    };
    Ok(Config {
        layout: Layout::OpenClip,
        dim: embed_dim,
        image_size: v.image_size,
        mean: file.preprocess_cfg.mean.unwrap_or(OPENAI_MEAN),
        std: file.preprocess_cfg.std.unwrap_or(OPENAI_STD),
        vision,
        text: tower(t.width, t.layers, t.heads, t.mlp_ratio),
        reading: Reading::Causal,
        context: t.context_length,
        vocabulary: t.vocab_size,
        activation,
        weights: PathBuf::new(),
    })
}

// --- transformers ----------------------------------------------------------------------------

#[derive(Deserialize)]
struct TransformersFile {
    model_type: String,
    projection_dim: Option<usize>,
    #[serde(default)]
    vision_config: TransformersTower,
    #[serde(default)]
    text_config: TransformersTower,
}

/// Fields left out mean the defaults of ViT-B/32, as in transformers itself.
#[derive(Deserialize, Default)]
struct TransformersTower {
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    hidden_act: Option<String>,
    image_size: Option<usize>,
    patch_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    vocab_size: Option<usize>,
}

impl TransformersTower {
    fn tower(&self, width: usize, heads: usize) -> Tower {
        let width = self.hidden_size.unwrap_or(width);
        Tower {
            width,
            layers: self.num_hidden_layers.unwrap_or(12),
            heads: self.num_attention_heads.unwrap_or(heads),
            mlp_width: self.intermediate_size.unwrap_or(4 * width),
        }
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
    Ok(Config {
        layout: Layout::Transformers,
        dim: file.projection_dim.unwrap_or(512),
        image_size: v.image_size.unwrap_or(224),
        mean: OPENAI_MEAN,
        std: OPENAI_STD,
        vision: Vision::Vit {
            patch: v.patch_size.unwrap_or(32),
            tower: v.tower(768, 12),
        },
        text: t.tower(width, heads),
        reading,
        context: t.max_position_embeddings.unwrap_or(context),
        vocabulary: t.vocab_size.unwrap_or(vocabulary),
        activation,
        weights: PathBuf::new(),
    })
}
