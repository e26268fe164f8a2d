//! How far a similarity stands out among those of pictures of all kinds.

use crate::types::Embedding;

/// Where all pictures are alike, still so much is chance.
const LEAST_DEVIATION: f64 = 0.01;

/// The cosines of one vector with a sample of pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub mean: f64,
    pub deviation: f64,
}

impl Spread {
    pub fn new(vector: &Embedding, sample: &[Embedding]) -> Self {
        Self::from_values(sample.iter().map(|s| f64::from(vector.similarity(s))))
    }

    pub(super) fn from_values(values: impl Iterator<Item = f64>) -> Self {
        let add = |(n, s, q): (f64, f64, f64), v: f64| (n + 1.0, s + v, q + v * v);
        let (count, sum, squares) = values.fold((0.0, 0.0, 0.0), add);
        let count = count.max(1.0);
        let mean = sum / count;
        let variance = (squares / count - mean * mean).max(0.0);
        Self {
            mean,
            deviation: variance.sqrt().max(LEAST_DEVIATION),
        }
    }

    /// Standard deviations above the mean.
    pub fn z_score(&self, similarity: f64) -> f64 {
        (similarity - self.mean) / self.deviation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(x: f32, y: f32) -> Embedding {
        Embedding::normalised(vec![x, y]).unwrap()
    }

    #[test]
    fn deviations_are_counted_from_the_mean() {
        let sample = [unit(1.0, 0.0), unit(0.0, 1.0)];
        let spread = Spread::new(&unit(1.0, 0.0), &sample);
        assert!((spread.mean - 0.5).abs() < 1e-6 && (spread.deviation - 0.5).abs() < 1e-6);
        assert!((spread.z_score(1.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_sample_of_one_or_none_divides_by_no_zero() {
        for sample in [&[][..], &[unit(1.0, 0.0)]] {
            let spread = Spread::new(&unit(1.0, 0.0), sample);
            assert!(spread.z_score(0.3).is_finite());
        }
    }
}
