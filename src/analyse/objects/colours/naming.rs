//! A colour → its names (after Benavente, Vanrell & Baldrich, "Parametric fuzzy sets for automatic color naming",
//! JOSA A 2008): soft membership in the eleven basic terms, by lightness, chroma and hue of OKLab.

// Names: hue bounds in degrees and softness, set beforehand.
const PINK_RED: f32 = 355.0;
const RED_ORANGE: f32 = 34.0;
const ORANGE_YELLOW: f32 = 75.0;
const GREEN_BLUE: f32 = 200.0;
const BLUE_PURPLE: f32 = 297.0;
const PURPLE_PINK: f32 = 320.0;
const HUE_SOFT: f32 = 5.0;
const LIGHT_SOFT: f32 = 0.05;
const CHROMA_SOFT: f32 = 0.015;
const LOG_CHROMA_SOFT: f32 = 0.15;
const MAGENTA_L: f32 = 0.42;
const PINK_L: f32 = 0.62;
const PINK_C: f32 = 0.17;
const RED_BROWN_C: f32 = 0.07;
const ORANGE_BROWN_C: f32 = 0.14;
const OLIVE_HUE: f32 = 98.0;

// Names: fitted on the labels (13 values).
/// Chroma from which a colour is not grey, at five lightnesses. The first pair was set later, on footage: what is left
/// of a clipped black is a tint of one channel (R 0, G 0, B 18), which OKLab gives much chroma.
const COLOURED: [(f32, f32); 5] = [
    (0.05, 0.15),
    (0.15, 0.04),
    (0.35, 0.025),
    (0.60, 0.035),
    (0.90, 0.04),
];
/// Factors of that chroma for hues near 75 degrees and, where dark, near 262 degrees.
const WARM: f32 = 1.4;
const COOL: f32 = 0.8;
const BLACK: f32 = 0.40;
const WHITE: f32 = 0.64;
const BROWN_L: f32 = 0.62;
const BROWN_C: f32 = 0.10;
const YELLOW_GREEN: f32 = 108.0;

/// The logistic function.
fn soft(x: f32) -> f32 {
    1.0 / (1.0 + (-x.clamp(-30.0, 30.0)).exp())
}

/// Signed angle from a hue to another, -180 to 180 degrees.
fn around(h: f32, centre: f32) -> f32 {
    (h - centre + 180.0).rem_euclid(360.0) - 180.0
}

/// About 1 for hues between two bounds, about 0 elsewhere.
fn between(h: f32, low: f32, high: f32) -> f32 {
    let half = (high - low).rem_euclid(360.0) / 2.0;
    soft((half - around(h, low + half).abs()) / HUE_SOFT)
}

/// The chroma from which a colour of this lightness and hue is not grey.
fn coloured_from(l: f32, h: f32) -> f32 {
    let mut t = if l <= COLOURED[0].0 {
        COLOURED[0].1
    } else {
        COLOURED[COLOURED.len() - 1].1
    };
    for pair in COLOURED.windows(2) {
        let ((l0, t0), (l1, t1)) = (pair[0], pair[1]);
        if l > l0 && l <= l1 {
            t = t0 + (t1 - t0) * (l - l0) / (l1 - l0);
        }
    }
    let near = |hue: f32| (-(around(h, hue) / 40.0).powi(2)).exp();
    t * (1.0
        + (WARM - 1.0) * near(75.0)
        + (COOL - 1.0) * near(262.0) * ((0.8 - l) / 0.3).clamp(0.0, 1.0))
}

/// Soft membership of a colour in the eleven terms.
pub(super) fn membership(l: f32, c: f32, h: f32) -> [f32; 11] {
    let coloured = soft(((c + 1e-4) / coloured_from(l, h)).ln() / LOG_CHROMA_SOFT);
    let (dark, light) = (
        soft((BLACK - l) / LIGHT_SOFT),
        soft((l - WHITE) / LIGHT_SOFT),
    );
    let red = between(h, PINK_RED, RED_ORANGE);
    let orange = between(h, RED_ORANGE, ORANGE_YELLOW);
    let yellow = between(h, ORANGE_YELLOW, YELLOW_GREEN);
    let green = between(h, YELLOW_GREEN, GREEN_BLUE);
    let blue = between(h, GREEN_BLUE, BLUE_PURPLE);
    let purple = between(h, BLUE_PURPLE, PURPLE_PINK);
    let pink = between(h, PURPLE_PINK, PINK_RED);
    let k = coloured / (red + orange + yellow + green + blue + purple + pink + 1e-6);
    let dim = soft((BROWN_L - l) / LIGHT_SOFT);
    let rosy = red * soft((l - PINK_L) / LIGHT_SOFT) * soft((PINK_C - c) / 0.02);
    let rust = (red - rosy) * dim * soft((RED_BROWN_C - c) / CHROMA_SOFT);
    let bright = 1.0 - dim * soft((ORANGE_BROWN_C - c) / CHROMA_SOFT);
    let tan = orange * (1.0 - bright * (1.0 - soft((BROWN_C - c) / CHROMA_SOFT)));
    let olive = yellow * dim * soft((OLIVE_HUE - h) / 5.0);
    let plum = pink * (1.0 - soft((l - MAGENTA_L) / LIGHT_SOFT));
    let grey = 1.0 - coloured;
    [
        grey * dark,
        grey * light,
        grey * (1.0 - dark) * (1.0 - light),
        k * (red - rosy - rust + plum / 2.0),
        k * (orange - tan),
        k * (yellow - olive),
        k * green,
        k * blue,
        k * (purple + plum / 2.0),
        k * (pink - plum + rosy),
        k * (rust + tan + olive),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::pixels::{chroma_hue, linear_table, pixel};
    use super::*;
    use crate::types::{Colour, Pixels};

    fn first(rgb: [u8; 3]) -> Colour {
        let picture = Pixels::new(1, 1, rgb.to_vec()).unwrap();
        let lab = pixel(&picture, &linear_table(), 0, 0);
        let (chroma, hue) = chroma_hue(lab);
        let shares = Colour::ALL.into_iter().zip(membership(lab[0], chroma, hue));
        shares.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0
    }

    #[test]
    fn a_tinted_black_is_black_and_navy_is_blue() {
        for rgb in [[0, 0, 0], [0, 0, 10], [0, 0, 18], [8, 0, 0], [0, 6, 9]] {
            assert_eq!(first(rgb), Colour::Black, "{rgb:?}");
        }
        for rgb in [[0, 0, 40], [10, 30, 72], [12, 20, 44], [20, 30, 60]] {
            assert_eq!(first(rgb), Colour::Blue, "{rgb:?}");
        }
    }
}
