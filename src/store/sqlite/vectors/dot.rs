//! Dot products of vectors as they lie in the file: f16, on the machine's widest instructions.

use simsimd::{SpatialSimilarity, f16};

/// Cosine of two normalised vectors of one length.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    f32::dot(a, b).unwrap_or(-1.0) as f32
}

/// The same of halves, summed in f32.
pub(in super::super) fn dot_halves(a: &[f16], b: &[f16]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if let Some(dot) = avx512::dot(a, b) {
        return dot;
    }
    f16::dot(a, b).unwrap_or(-1.0) as f32
}

/// simsimd widens halves eight at a time, into one sum; this does so 64 at a time, into four
/// (`script/bench-search`: twice as fast where vectors lie in the cache). Where the processor has
/// AVX-512 FP16, simsimd also sums in halves, which is off by more than 0.001.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::__m256i;
    use std::sync::OnceLock;

    use pulp::NullaryFnOnce;
    use pulp::x86::V4;
    use simsimd::f16;

    const LANES: usize = 16;
    const SUMS: usize = 4;

    struct Dot<'a> {
        simd: V4,
        a: &'a [f16],
        b: &'a [f16],
    }

    impl NullaryFnOnce for Dot<'_> {
        type Output = f32;

        #[inline(always)]
        fn call(self) -> f32 {
            let simd = self.simd.avx512f;
            let mut sums = [simd._mm512_setzero_ps(); SUMS];
            let (a, rest_a) = self.a.as_chunks::<{ LANES * SUMS }>();
            let (b, rest_b) = self.b.as_chunks::<{ LANES * SUMS }>();
            for (a, b) in a.iter().zip(b) {
                let (a, _) = a.as_chunks::<LANES>();
                let (b, _) = b.as_chunks::<LANES>();
                for n in 0..SUMS {
                    let a = simd._mm512_cvtph_ps(wide(&a[n]));
                    let b = simd._mm512_cvtph_ps(wide(&b[n]));
                    sums[n] = simd._mm512_fmadd_ps(a, b, sums[n]);
                }
            }
            let left = simd._mm512_add_ps(sums[0], sums[1]);
            let right = simd._mm512_add_ps(sums[2], sums[3]);
            let sum = simd._mm512_reduce_add_ps(simd._mm512_add_ps(left, right));
            let value = |h: &f16| half::f16::from_bits(h.0).to_f32();
            let rest = rest_a.iter().zip(rest_b);
            sum + rest.map(|(a, b)| value(a) * value(b)).sum::<f32>()
        }
    }

    #[inline(always)]
    fn wide(halves: &[f16; LANES]) -> __m256i {
        pulp::cast(halves.map(|h| h.0))
    }

    /// `None` where the machine has no AVX-512, or where the lengths differ.
    pub(super) fn dot(a: &[f16], b: &[f16]) -> Option<f32> {
        static SIMD: OnceLock<Option<V4>> = OnceLock::new();
        let simd = (*SIMD.get_or_init(V4::try_new))?;
        (a.len() == b.len()).then(|| simd.vectorize(Dot { simd, a, b }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::vectors::to_halves;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn halves_give_what_wide_numbers_give(
            values in proptest::collection::vec((-1f32..1.0, -1f32..1.0), 1..300),
            whole in any::<bool>(),
        ) {
            let length = if whole { values.len().next_multiple_of(64) } else { values.len() };
            let at = |i: usize| values[i % values.len()];
            let a = to_halves(&(0..length).map(|i| at(i).0).collect::<Vec<_>>());
            let b = to_halves(&(0..length).map(|i| at(i).1).collect::<Vec<_>>());
            let wide = |h: &f16| f64::from(half::f16::from_bits(h.0));
            let expected: f64 = a.iter().zip(&b).map(|(a, b)| wide(a) * wide(b)).sum();
            prop_assert!((f64::from(dot_halves(&a, &b)) - expected).abs() < 1e-3);
        }
    }
}
