//! What is done to each value after a convolution.

use pulp::Simd;
use serde::Deserialize;

/// x * P(x^2) / Q(x^2), the coefficients of the highest powers first, for |x| up to `most`.
struct Rational<const P: usize, const Q: usize> {
    most: f32,
    above: [f32; P],
    below: [f32; Q],
}

/// erf and tanh to 5e-7, as Eigen has them.
const ERF: Rational<7, 5> = Rational {
    most: 4.0,
    above: [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ],
    below: [
        -1.456_607_2e-5,
        -2.133_740_6e-4,
        -1.682_827e-3,
        -7.373_329_3e-3,
        -1.426_473_9e-2,
    ],
};
const TANH: Rational<7, 4> = Rational {
    most: 7.905_311,
    above: [
        -2.760_768_5e-16,
        2.000_188e-13,
        -8.604_672e-11,
        5.122_297_1e-8,
        1.485_722_4e-5,
        6.372_619_5e-4,
        4.893_524_6e-3,
    ],
    below: [1.198_258_4e-6, 1.185_347e-4, 2.268_434_6e-3, 4.893_525e-3],
};

impl<const P: usize, const Q: usize> Rational<P, Q> {
    #[inline(always)]
    fn of<S: Simd>(&self, simd: S, x: S::f32s) -> S::f32s {
        let x = simd.min_f32s(x, simd.splat_f32s(self.most));
        let x = simd.max_f32s(x, simd.splat_f32s(-self.most));
        let square = simd.mul_f32s(x, x);
        let above = polynomial(simd, square, &self.above);
        let below = polynomial(simd, square, &self.below);
        simd.div_f32s(simd.mul_f32s(x, above), below)
    }
}

#[inline(always)]
fn polynomial<S: Simd>(simd: S, x: S::f32s, coefficients: &[f32]) -> S::f32s {
    let mut sum = simd.splat_f32s(0.0);
    for c in coefficients {
        sum = simd.mul_add_e_f32s(sum, x, simd.splat_f32s(*c));
    }
    sum
}

/// A function of one value.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Activation {
    None,
    Relu,
    LeakyRelu {
        alpha: f32,
    },
    Gelu,
    /// alpha x + beta between 0 and 1, then `plus` more.
    HardSigmoid {
        alpha: f32,
        beta: f32,
        #[serde(default)]
        plus: f32,
    },
    Sigmoid,
}

impl Activation {
    /// In place.
    #[inline(always)]
    pub(super) fn apply<S: Simd>(self, simd: S, values: &mut [f32]) {
        let splat = |x| simd.splat_f32s(x);
        let zero = splat(0.0);
        match self {
            Self::None => {}
            Self::Relu => each(
                simd,
                values,
                #[inline(always)]
                |x| simd.max_f32s(x, zero),
            ),
            Self::LeakyRelu { alpha } => each(
                simd,
                values,
                #[inline(always)]
                |x| {
                    let below = simd.mul_f32s(simd.min_f32s(x, zero), splat(alpha));
                    simd.add_f32s(simd.max_f32s(x, zero), below)
                },
            ),
            Self::Gelu => each(
                simd,
                values,
                #[inline(always)]
                |x| {
                    let erf = ERF.of(
                        simd,
                        simd.mul_f32s(x, splat(std::f32::consts::FRAC_1_SQRT_2)),
                    );
                    let half = simd.mul_f32s(x, splat(0.5));
                    simd.mul_add_e_f32s(half, erf, half)
                },
            ),
            Self::HardSigmoid { alpha, beta, plus } => each(
                simd,
                values,
                #[inline(always)]
                |x| {
                    let line = simd.mul_add_e_f32s(x, splat(alpha), splat(beta));
                    let within = simd.min_f32s(simd.max_f32s(line, zero), splat(1.0));
                    simd.add_f32s(within, splat(plus))
                },
            ),
            Self::Sigmoid => each(
                simd,
                values,
                #[inline(always)]
                |x| {
                    let half = splat(0.5);
                    let tanh = TANH.of(simd, simd.mul_f32s(x, half));
                    let sigmoid = simd.mul_add_e_f32s(tanh, half, half);
                    simd.min_f32s(simd.max_f32s(sigmoid, zero), splat(1.0))
                },
            ),
        }
    }
}

#[inline(always)]
fn each<S: Simd>(simd: S, values: &mut [f32], function: impl Fn(S::f32s) -> S::f32s) {
    let (vectors, rest) = S::as_mut_simd_f32s(values);
    for v in vectors {
        *v = function(*v);
    }
    if !rest.is_empty() {
        let v = simd.partial_load_f32s(rest);
        simd.partial_store_f32s(rest, function(v));
    }
}

/// Adds to values in place.
#[inline(always)]
pub(super) fn add<S: Simd>(simd: S, values: &mut [f32], addends: &[f32]) {
    let (vectors, rest) = S::as_mut_simd_f32s(values);
    let (more, more_rest) = S::as_simd_f32s(addends);
    for (v, a) in vectors.iter_mut().zip(more) {
        *v = simd.add_f32s(*v, *a);
    }
    for (v, a) in rest.iter_mut().zip(more_rest) {
        *v += a;
    }
}
