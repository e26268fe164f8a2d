//! Vectors.

use super::Region;

/// An L2-normalised vector; two of one model compare by dot product (= cosine).
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// Normalises `values`. `None` when they are empty, all zero, or not finite.
    pub fn normalised(mut values: Vec<f32>) -> Option<Self> {
        let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt();
        if !norm.is_finite() || norm <= f32::MIN_POSITIVE {
            return None;
        }
        values.iter_mut().for_each(|v| *v /= norm);
        Some(Self(values))
    }

    pub fn dim(&self) -> usize {
        self.0.len()
    }

    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// Cosine similarity, in [-1, 1].
    pub fn similarity(&self, other: &Self) -> f32 {
        // Several sums side by side, so that the compiler can use wide registers.
        const LANES: usize = 16;
        let (ours, rest) = self.0.as_chunks::<LANES>();
        let (theirs, other_rest) = other.0.as_chunks::<LANES>();
        let mut sums = [0f32; LANES];
        for (a, b) in ours.iter().zip(theirs) {
            for lane in 0..LANES {
                sums[lane] += a[lane] * b[lane];
            }
        }
        let rest = rest.iter().zip(other_rest).map(|(a, b)| a * b);
        sums.into_iter().chain(rest).sum()
    }
}

/// The vectors of a frame, one for each of its views, with the region it was made from; `None` is
/// the whole frame.
pub type ViewVectors = Vec<(Option<Region>, Embedding)>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_embedding_of_nothing_is_refused() {
        assert_eq!(Embedding::normalised(vec![0.0; 3]), None);
        assert_eq!(Embedding::normalised(vec![f32::NAN]), None);
        assert_eq!(Embedding::normalised(vec![]), None);
    }

    proptest! {
        #[test]
        fn embeddings_have_unit_length(v in proptest::collection::vec(-10f32..10.0, 1..64)) {
            if let Some(e) = Embedding::normalised(v) {
                prop_assert!((e.similarity(&e) - 1.0).abs() < 1e-4);
            }
        }
    }
}
