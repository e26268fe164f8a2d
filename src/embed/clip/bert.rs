//! The text tower of Chinese-CLIP (Yang et al. 2022): BERT (Devlin et al. 2019), which looks both
//! ways and norms after each step, read at its first token.

use std::path::Path;

use candle_core::{DType, Result as CandleResult, Tensor};
use candle_nn::{LayerNorm, Module};
use tokenizers::Tokenizer;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;

use super::config::{Activation, Config};
use super::fused::{activate, add_residual};
use super::tokenizer::{LARGEST, fits, framed};
use super::transformer::{Linear, attend, layer_norm_eps};
use super::weights::Weights;
use super::{ClipError, EmbedError, config};

const NORM_EPS: f64 = 1e-12;
const UNKNOWN: &str = "[UNK]";
const FIRST: &str = "[CLS]";
const LAST: &str = "[SEP]";

pub(super) struct BertTower {
    words: Tensor,
    /// With the type of the first sentence added: there is only one.
    positions: Tensor,
    norm: LayerNorm,
    blocks: Vec<Block>,
    /// `[dim, width]`; has no bias.
    projection: Tensor,
}

struct Block {
    qkv: Linear,
    out: Linear,
    norm_1: LayerNorm,
    fc: Linear,
    proj: Linear,
    norm_2: LayerNorm,
    heads: usize,
}

impl BertTower {
    pub(super) fn load(w: &Weights, config: &Config) -> Result<Self, ClipError> {
        let (tower, width) = (config.text, config.text.width);
        let table = |name: &str, rows| {
            let name = format!("text_model.embeddings.{name}_embeddings.weight");
            w.tensor(&name, &[rows, width])
        };
        let types = table("token_type", 2)?;
        let block = |i: usize| {
            let part = |p: &str| format!("text_model.encoder.layer.{i}.{p}");
            let norm = |p: &str| layer_norm_eps(w, &part(p), width, NORM_EPS);
            let [q, k, v] = ["query", "key", "value"].map(|n| part(&format!("attention.self.{n}")));
            Ok(Block {
                qkv: Linear::joined(w, [&q, &k, &v], width)?,
                out: Linear::load(w, &part("attention.output.dense"), width, width)?,
                norm_1: norm("attention.output.LayerNorm")?,
                fc: Linear::load(w, &part("intermediate.dense"), width, tower.mlp_width)?,
                proj: Linear::load(w, &part("output.dense"), tower.mlp_width, width)?,
                norm_2: norm("output.LayerNorm")?,
                heads: tower.heads,
            })
        };
        Ok(Self {
            words: table("word", config.vocabulary)?,
            positions: table("position", config.context)?.broadcast_add(&types.get(0)?)?,
            norm: layer_norm_eps(w, "text_model.embeddings.LayerNorm", width, NORM_EPS)?,
            blocks: (0..tower.layers)
                .map(block)
                .collect::<Result<_, ClipError>>()?,
            projection: w.tensor("text_projection.weight", &[config.dim, width])?,
        })
    }

    /// `ids`: first to last token, both included, at most the context's length. Returns `dim`
    /// values, not normalised.
    pub(super) fn forward(&self, ids: &[u32]) -> CandleResult<Vec<f32>> {
        let words = self
            .words
            .index_select(&Tensor::new(ids, self.words.device())?, 0)?;
        let x = (words + self.positions.narrow(0, 0, ids.len())?)?;
        let mut x = self.norm.forward(&x.unsqueeze(0)?)?;
        for (i, block) in self.blocks.iter().enumerate() {
            // Only the first row is read, so of the last block only that one is computed.
            let row = (i + 1 == self.blocks.len()).then_some(0);
            x = block.forward(&x, row)?;
        }
        let first = x.narrow(1, 0, 1)?.squeeze(1)?;
        let vector = first.matmul(&self.projection.t()?)?.squeeze(0)?;
        vector.to_dtype(DType::F32)?.to_vec1()
    }
}

impl Block {
    fn forward(&self, x: &Tensor, row: Option<usize>) -> CandleResult<Tensor> {
        let attended = attend(&self.qkv, self.heads, x, row, None)?;
        let x = match row {
            Some(row) => x.narrow(1, row, 1)?,
            None => x.clone(),
        };
        let x = add_residual(self.out.product(&attended)?, &self.out.bias, &x)?;
        let x = self.norm_1.forward(&x)?;
        let wide = activate(self.fc.product(&x)?, &self.fc.bias, Activation::Gelu)?;
        let y = add_residual(self.proj.product(&wide)?, &self.proj.bias, &x)?;
        self.norm_2.forward(&y)
    }
}

/// BERT's word pieces, from the `vocab.txt` beside the weights.
pub(super) struct BertTokenizer {
    inner: Tokenizer,
    first: u32,
    last: u32,
}

impl BertTokenizer {
    /// Reads `dir/vocab.txt`: one token a line, `size` of them.
    pub(super) fn open(dir: &Path, size: usize) -> Result<Self, ClipError> {
        let path = dir.join("vocab.txt");
        let bad = |reason: String| ClipError::BadConfig {
            path: path.clone(),
            reason,
        };
        let lines = config::read(&path, LARGEST)?.lines().count();
        fits(dir, lines, size)?;
        let pieces = WordPiece::from_file(&path.to_string_lossy())
            .unk_token(UNKNOWN.into())
            .build()
            .map_err(|e| bad(e.to_string()))?;
        let mut inner = Tokenizer::new(pieces);
        let normalizer = BertNormalizer::new(true, true, None, true);
        let normalized = inner.with_normalizer(Some(normalizer)).map(drop);
        normalized.map_err(|e| bad(e.to_string()))?;
        inner.with_pre_tokenizer(Some(BertPreTokenizer));
        let found = inner.get_vocab_size(true);
        if found != size {
            return Err(ClipError::Tokenizer {
                dir: dir.into(),
                found,
                expected: size,
            });
        }
        let id = |token: &str| inner.token_to_id(token).ok_or(format!("has no {token}"));
        let (first, last) = (id(FIRST).map_err(bad)?, id(LAST).map_err(bad)?);
        id(UNKNOWN).map_err(bad)?;
        Ok(Self { inner, first, last })
    }

    /// First token, at most `context - 2` pieces of the text, last token.
    pub(super) fn encode(&self, text: &str, context: usize) -> Result<Vec<u32>, EmbedError> {
        let encoding = self.inner.encode_fast(text, false)?;
        Ok(framed(encoding.get_ids(), self.first, self.last, context))
    }
}
