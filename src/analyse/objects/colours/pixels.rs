//! Pixels of a frame as colours: OKLab (Ottosson 2020), lightness from 0 to 1, a and b (chroma, at most about 0.32),
//! hue in degrees.

use crate::types::Pixels;

/// L, a and b.
pub(super) type Lab = [f32; 3];

/// A rectangle inside a picture, in pixels.
#[derive(Clone, Copy)]
pub(super) struct Rect {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) w: i64,
    pub(super) h: i64,
}

impl Rect {
    pub(super) fn holds(&self, x: i64, y: i64) -> bool {
        x >= self.x && x < self.x + self.w && y >= self.y && y < self.y + self.h
    }
}

/// sRGB byte to linear light (IEC 61966-2-1).
pub(super) fn linear_table() -> [f32; 256] {
    std::array::from_fn(|i| {
        let s = i as f32 / 255.0;
        if s <= 0.04045 {
            s / 12.92
        } else {
            ((s + 0.055) / 1.055).powf(2.4)
        }
    })
}

/// OKLab of the pixel nearest to a place.
pub(super) fn pixel(picture: &Pixels, linear: &[f32; 256], x: i64, y: i64) -> Lab {
    let x = x.clamp(0, i64::from(picture.width()) - 1) as usize;
    let y = y.clamp(0, i64::from(picture.height()) - 1) as usize;
    let at = (y * picture.width() as usize + x) * 3;
    let rgb = &picture.rgb()[at..at + 3];
    let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(|v| linear[usize::from(v)]);
    let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

/// Centres of n by n cells of a rectangle, row by row, in whole pixels.
pub(super) fn grid(r: Rect, n: i64) -> impl Iterator<Item = (i64, i64)> {
    (0..n * n).map(move |i| {
        (
            r.x + (2 * (i % n) + 1) * r.w / (2 * n),
            r.y + (2 * (i / n) + 1) * r.h / (2 * n),
        )
    })
}

pub(super) fn percentile(mut values: Vec<f32>, percent: usize) -> f32 {
    values.sort_by(f32::total_cmp);
    values
        .get(values.len().saturating_sub(1) * percent / 100)
        .copied()
        .unwrap_or(0.0)
}

/// Chroma, and hue in degrees from 0 to 360.
pub(super) fn chroma_hue(p: Lab) -> (f32, f32) {
    (
        p[1].hypot(p[2]),
        p[2].atan2(p[1]).to_degrees().rem_euclid(360.0),
    )
}
