//! Learning from a few examples (as the linear probes of Radford et al. 2021, 3.1.5): a logistic regression on
//! vectors, held near what the concept's name says by itself.

use super::confidence::{self, logistic};
use super::question::{Part, Source};
use super::spread::Spread;
use super::{Search, SearchError};
use crate::embed::Embedder;
use crate::store::{Concept, Filter, Reader};
use crate::types::Embedding;

/// How firmly the head is held near the name's own vector: chosen by `script/bench-teach`.
const HOLD: f64 = 0.01;
/// Vectors of the library taken for negatives, and what they count together, but no more than the examples.
const OTHERS: usize = 300;
const OTHERS_COUNT: f64 = 3.0;
/// Not taken are those as similar as this to a positive: they may well show the same.
const ALIKE: f32 = 0.9;
const ROUNDS: usize = 500;
/// Log-odds of what the name says by itself, in standard deviations above pictures of all kinds: where a picture is
/// as likely to show it as not. Lower than [`crate::embed::Reference`] has it, for examples are given of what is there.
const SLOPE: f64 = 1.34;
const INTERCEPT: f64 = -3.44;

/// Examples of a concept.
#[derive(Debug, Default, Clone)]
pub struct TrainingExamples {
    /// Its name as a sentence, or what else says it in words.
    pub sentence: Option<Embedding>,
    pub positives: Vec<Embedding>,
    pub negatives: Vec<Embedding>,
}

/// Fits a head to the examples, with vectors of the library as further, doubtful negatives.
///
/// # Errors
/// Where the library cannot be read, or has no vector of the model.
pub fn learn(
    reader: &Reader,
    embedder: &dyn Embedder,
    name: &str,
    examples: &TrainingExamples,
) -> Result<Concept, SearchError> {
    let everywhere = Filter::everything(jiff::tz::TimeZone::UTC);
    let Some(search) = Search::open(reader, embedder, &everywhere, false)? else {
        return Err(SearchError::NoVectors {
            model: embedder.name().into(),
            available: reader.model_names()?,
        });
    };
    let mut others = reader.sample(&search.model, OTHERS)?;
    others.retain(|o| examples.positives.iter().all(|p| p.similarity(o) < ALIKE));
    let sample = confidence::sample(reader, embedder, &search.model)?;
    let prior = match &examples.sentence {
        Some(sentence) => {
            let spread = Spread::new(sentence, &sample);
            let slope = SLOPE / spread.deviation;
            Head {
                weights: scaled(sentence.as_slice(), slope),
                bias: INTERCEPT - slope * spread.mean,
            }
        }
        None => Head {
            weights: vec![0.0; embedder.dim()],
            bias: 0.0,
        },
    };
    let head = fit(prior, &examples.positives, &examples.negatives, &others);
    Ok(Concept {
        name: name.into(),
        weights: head.weights.iter().map(|w| *w as f32).collect(),
        bias: head.bias,
        positives: examples.positives.len(),
        negatives: examples.negatives.len(),
    })
}

impl Part {
    /// What a concept asks for; `None` where its head points nowhere.
    pub fn concept(concept: &Concept) -> Option<Self> {
        let squares = concept
            .weights
            .iter()
            .map(|w| f64::from(*w) * f64::from(*w));
        let scale = squares.sum::<f64>().sqrt();
        let vector = Embedding::normalised(concept.weights.clone())?;
        let bias = concept.bias;
        Some(Self {
            name: format!("@{}", concept.name),
            vector,
            source: Source::Concept { scale, bias },
            weight: 1.0,
            reading: None,
            cut: None,
        })
    }
}

/// The log-odds of a vector are its dot product with `weights`, plus `bias`.
#[derive(Debug, Clone)]
struct Head {
    weights: Vec<f64>,
    bias: f64,
}

impl Head {
    fn log_odds(&self, vector: &Embedding) -> f64 {
        let products = self.weights.iter().zip(vector.as_slice());
        products.map(|(w, v)| w * f64::from(*v)).sum::<f64>() + self.bias
    }
}

fn scaled(vector: &[f32], by: f64) -> Vec<f64> {
    vector.iter().map(|v| f64::from(*v) * by).collect()
}

/// Minimises the weighted log loss plus the squared distance of the weights from those of `prior`, by
/// accelerated gradient descent. Positives count together as much as all that is none of them.
fn fit(
    prior: Head,
    positives: &[Embedding],
    negatives: &[Embedding],
    others: &[Embedding],
) -> Head {
    if positives.is_empty() && negatives.is_empty() {
        return prior;
    }
    let known = (positives.len() + negatives.len()) as f64;
    let of_others = match others.is_empty() {
        true => 0.0,
        false => OTHERS_COUNT.min(known),
    };
    let against = negatives.len() as f64 + of_others;
    let group = |vectors: &[Embedding], label: f64, count: f64| {
        let each = count / vectors.len().max(1) as f64;
        let with = |v: &Embedding| (v.clone(), label, each);
        vectors.iter().map(with).collect::<Vec<_>>()
    };
    let for_it = if against > 0.0 { against } else { known };
    let examples = [
        group(positives, 1.0, for_it),
        group(negatives, 0.0, negatives.len() as f64),
        group(others, 0.0, of_others),
    ]
    .concat();
    // Where all examples are of one kind, only the prior tells where the bias is.
    let one_kind = positives.is_empty() || against == 0.0;
    let hold_bias = if one_kind { HOLD } else { 0.0 };
    // The loss bends no more than this: vectors have length 1, the bias one more.
    let total: f64 = examples.iter().map(|(.., count)| count).sum();
    let step = 1.0 / (0.25 * 2.0 * total + HOLD);
    let mut head = prior.clone();
    let mut before = head.clone();
    for round in 0..ROUNDS {
        // Nesterov's momentum.
        let push = round as f64 / (round as f64 + 3.0);
        let ahead = |now: f64, then: f64| now + push * (now - then);
        let looked = Head {
            weights: head
                .weights
                .iter()
                .zip(&before.weights)
                .map(|(now, then)| ahead(*now, *then))
                .collect(),
            bias: ahead(head.bias, before.bias),
        };
        let held = looked.weights.iter().zip(&prior.weights);
        let mut slope: Vec<f64> = held.map(|(w, p)| HOLD * (w - p)).collect();
        let mut bias_slope = hold_bias * (looked.bias - prior.bias);
        for (vector, label, count) in &examples {
            let error = count * (logistic(looked.log_odds(vector)) - label);
            for (s, v) in slope.iter_mut().zip(vector.as_slice()) {
                *s += error * f64::from(*v);
            }
            bias_slope += error;
        }
        before = head;
        head = Head {
            weights: looked
                .weights
                .iter()
                .zip(slope)
                .map(|(w, s)| w - step * s)
                .collect(),
            bias: looked.bias - step * bias_slope,
        };
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(values: [f32; 3]) -> Embedding {
        Embedding::normalised(values.to_vec()).unwrap()
    }

    fn prior() -> Head {
        Head {
            weights: vec![4.0, 0.0, 0.0],
            bias: -2.0,
        }
    }

    #[test]
    fn without_examples_the_name_decides() {
        let head = fit(prior(), &[], &[], &[unit([1.0, 0.0, 0.0])]);
        assert_eq!(head.weights, prior().weights);
    }

    #[test]
    fn examples_turn_the_head_towards_what_they_share() {
        let yes = [unit([0.2, 1.0, 0.0]), unit([0.1, 1.0, 0.1])];
        let no = [unit([1.0, 0.0, 0.1])];
        let others = [unit([0.9, 0.1, 0.3]), unit([0.5, 0.0, 1.0])];
        let head = fit(prior(), &yes, &no, &others);
        let likely = |v: &Embedding| logistic(head.log_odds(v));
        assert!(likely(&yes[0]) > 0.7 && likely(&yes[1]) > 0.7);
        assert!(likely(&no[0]) < 0.4, "{}", likely(&no[0]));
        assert!(likely(&unit([0.15, 1.0, 0.2])) > likely(&unit([0.6, 0.2, 0.8])));
    }

    #[test]
    fn one_example_keeps_most_of_what_the_name_says() {
        let head = fit(prior(), &[unit([1.0, 0.3, 0.0])], &[], &[]);
        assert!(head.weights[0] > 3.0);
    }
}
