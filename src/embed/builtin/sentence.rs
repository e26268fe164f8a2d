//! all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019): BERT, mean over tokens.

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use tokenizers::{Tokenizer, TruncationParams};

use super::EmbedError;
use super::weights::{CPU, Weights};

/// Longer sentences are cut, as the model's authors do.
const MAX_TOKENS: usize = 256;

pub(super) struct SentenceEncoder {
    tokenizer: Tokenizer,
    bert: BertModel,
}

impl SentenceEncoder {
    pub(super) fn load(weights: &Weights, tokenizer: &[u8]) -> Result<Self, EmbedError> {
        let mut tokenizer = Tokenizer::from_bytes(tokenizer)?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(Some(TruncationParams {
            max_length: MAX_TOKENS,
            ..Default::default()
        }))?;
        let tensors = weights
            .names("text.")
            .into_iter()
            .map(|name| Ok((name.clone(), weights.tensor(&format!("text.{name}"))?)))
            .collect::<Result<HashMap<String, Tensor>, EmbedError>>()?;
        let config = Config {
            hidden_size: 384,
            num_hidden_layers: 6,
            num_attention_heads: 12,
            intermediate_size: 1536,
            ..Config::default()
        };
        let bert = BertModel::load(VarBuilder::from_tensors(tensors, DType::F32, &CPU), &config)?;
        Ok(Self { tokenizer, bert })
    }

    /// Whether nothing of it is cut.
    pub(super) fn fits(&self, text: &str) -> Result<bool, EmbedError> {
        let encoding = self.tokenizer.encode(text, true)?;
        Ok(encoding.get_overflowing().is_empty())
    }

    /// The mean of the token vectors, not normalised; 384 values.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let encoding = self.tokenizer.encode(text, true)?;
        let ids = Tensor::new(encoding.get_ids(), &CPU)?.unsqueeze(0)?;
        let tokens = self.bert.forward(&ids, &ids.zeros_like()?, None)?;
        Ok(tokens.mean(1)?.squeeze(0)?.to_vec1()?)
    }
}
