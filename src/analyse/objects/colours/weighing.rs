//! Which pixels of a box are of the thing: those near its middle, of colours that are likelier inside the box than
//! around it.

use super::pixels::{Lab, Rect, chroma_hue, grid, pixel};
use super::{Palette, Part};
use crate::types::{Pixels, Region};

// Where to look. Fractions are of the box; set by hand on 300 labelled garments and things.
const GRID: i64 = 24;
const RING_GRID: i64 = 32;
/// Samples a side of the upper garment, as background of the lower one.
const UPPER_GRID: i64 = 12;
/// Width of the ring round the box, as a part of the box's width (things: of the shorter side).
const MARGIN: f32 = 0.15;
/// Garment bands of a whole standing person, as parts of the height.
const UPPER: (f32, f32) = (0.20, 0.50);
const LOWER: (f32, f32) = (0.50, 0.83);
/// A box that the picture's lower edge cuts off is the top of a person this many widths high.
const STANDING: f32 = 3.0;
const UPPER_START_MAX: f32 = 0.42;
const LOWER_START_MAX: f32 = 0.80;
/// Weight by place: exp(-(fall * u)²), u from -1 to 1 across the band.
const CENTRE_FALL: f32 = 1.0;
const GARMENT_ROW_FALL: f32 = 0.5;

// How to weigh.
/// Part of the picture's colour cast that is taken out.
const CAST_PART: f32 = 0.7;
/// Weight of skin-coloured samples of a person.
const SKIN: f32 = 0.2;
/// Background votes of the rest of the picture and of the upper garment; the ring has one.
const PICTURE_BACK: f32 = 0.5;
const UPPER_BACK: f32 = 0.5;
const ROUNDS: usize = 3;
const LIGHT_BINS: usize = 12;
const AB_BINS: usize = 32;
const AB_PER_UNIT: f32 = 50.0;
const AB_LOW: f32 = 0.32;

fn is_skin(p: Lab) -> bool {
    let (c, h) = chroma_hue(p);
    h > 25.0 && h < 75.0 && c > 0.03 && c < 0.14 && p[0] > 0.35 && p[0] < 0.9
}

/// Takes part of the cast out; less in the dark.
fn uncast(p: Lab, cast: [f32; 2]) -> Lab {
    let k = CAST_PART * (1.4 * p[0]).clamp(0.0, 1.0);
    [p[0], p[1] - k * cast[0], p[2] - k * cast[1]]
}

/// The part of a box inside the picture, at least one pixel.
pub(super) fn clip(picture: &Pixels, region: Region) -> Rect {
    let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
    let [x0, y0, w, h] = region.to_array().map(i64::from);
    let (x, y) = (x0.min(width - 1), y0.min(height - 1));
    Rect {
        x,
        y,
        w: ((x0 + w).min(width) - x).max(1),
        h: ((y0 + h).min(height) - y).max(1),
    }
}

/// Top and bottom of the part asked, as parts of the box's height.
fn band(r: Rect, part: Part, picture_height: u32) -> (f32, f32) {
    let cut = r.y + r.h >= i64::from(picture_height) - 3;
    let grow = if cut {
        (STANDING * r.w as f32 / r.h as f32).max(1.0)
    } else {
        1.0
    };
    match part {
        Part::Whole => (0.0, 1.0),
        Part::Upper => {
            let top = (UPPER.0 * grow).min(UPPER_START_MAX);
            (top, (UPPER.1 * grow).max(top + 0.2).min(1.0))
        }
        Part::Lower => (
            (LOWER.0 * grow).min(LOWER_START_MAX),
            (LOWER.1 * grow).min(1.0),
        ),
    }
}

/// The rows of a box that a part takes, as a rectangle at least one pixel high.
fn rows(r: Rect, part: Part, picture_height: u32) -> Rect {
    let (a, b) = band(r, part, picture_height);
    let (top, bottom) = ((a * r.h as f32) as i64, (b * r.h as f32) as i64);
    Rect {
        y: r.y + top,
        h: (bottom - top).max(1),
        ..r
    }
}

fn bin(p: Lab) -> usize {
    let at = |v: f32, n: usize| v.clamp(0.0, n as f32 - 1.0) as usize;
    let [l, a, b] = [
        at(p[0] * LIGHT_BINS as f32, LIGHT_BINS),
        at((p[1] + AB_LOW) * AB_PER_UNIT, AB_BINS),
        at((p[2] + AB_LOW) * AB_PER_UNIT, AB_BINS),
    ];
    (l * AB_BINS + a) * AB_BINS + b
}

/// Adds a histogram, smoothed by 1 2 1 along each axis and summing to `total`, at the bins asked.
fn add_histogram(
    entries: impl Iterator<Item = (usize, f32)>,
    total: f32,
    asked: &[usize],
    out: &mut [f32],
) {
    let mut h = vec![0.0f32; LIGHT_BINS * AB_BINS * AB_BINS];
    for (i, w) in entries {
        h[i] += w;
    }
    for (n, step) in [
        (LIGHT_BINS, AB_BINS * AB_BINS),
        (AB_BINS, AB_BINS),
        (AB_BINS, 1),
    ] {
        let old = h.clone();
        for (i, v) in h.iter_mut().enumerate() {
            let at = i / step % n;
            let before = if at > 0 { old[i - step] } else { old[i] };
            let after = if at + 1 < n { old[i + step] } else { old[i] };
            *v = (before + 2.0 * old[i] + after) / 4.0;
        }
    }
    let sum = h.iter().sum::<f32>() + 1e-9;
    for (o, &i) in out.iter_mut().zip(asked) {
        *o += total * h[i] / sum;
    }
}

/// Samples round the box, of the rest of the picture and, for a lower garment, of the upper one; with their votes.
fn background(
    palette: &Palette,
    region: Rect,
    part: Part,
    rows_asked: Rect,
) -> Vec<(Vec<Lab>, f32)> {
    let get = |x, y| uncast(pixel(palette.picture, &palette.linear, x, y), palette.cast);
    let all = Rect {
        x: 0,
        y: 0,
        w: i64::from(palette.picture.width()),
        h: i64::from(palette.picture.height()),
    };
    let side = if part == Part::Whole {
        region.w.min(region.h)
    } else {
        region.w
    };
    let m = ((MARGIN * side as f32) as i64).max(4);
    let my = if part == Part::Whole { m } else { 0 };
    let wide = Rect {
        x: region.x - m,
        y: rows_asked.y - my,
        w: region.w + 2 * m,
        h: rows_asked.h + 2 * my,
    };
    let ring: Vec<Lab> = grid(wide, RING_GRID)
        .filter(|&(x, y)| all.holds(x, y) && !region.holds(x, y))
        .map(|(x, y)| get(x, y))
        .collect();
    let far: Vec<Lab> = palette
        .samples
        .iter()
        .filter(|s| !region.holds(s.0, s.1))
        .map(|s| uncast(s.2, palette.cast))
        .collect();
    let mut groups = Vec::new();
    if ring.len() >= 20 {
        groups.push((ring, 1.0));
    }
    if far.len() > 30 {
        groups.push((far, PICTURE_BACK));
    }
    if part == Part::Lower {
        let upper = rows(region, Part::Upper, palette.picture.height());
        let bottom = (upper.y + upper.h).min(rows_asked.y - (0.02 * region.h as f32) as i64);
        if bottom > upper.y {
            let middle = Rect {
                x: region.x + region.w / 4,
                y: upper.y,
                w: (region.w / 2).max(1),
                h: bottom - upper.y,
            };
            groups.push((
                grid(middle, UPPER_GRID).map(|(x, y)| get(x, y)).collect(),
                UPPER_BACK,
            ));
        }
    }
    groups
}

/// Samples of the part asked and their weights.
pub(super) fn weigh(palette: &Palette, region: Rect, part: Part) -> (Vec<Lab>, Vec<f32>) {
    let asked = rows(region, part, palette.picture.height());
    let samples: Vec<Lab> = grid(asked, GRID)
        .map(|(x, y)| uncast(pixel(palette.picture, &palette.linear, x, y), palette.cast))
        .collect();
    let place =
        |i: usize, fall: f32| (-(fall * ((2 * i + 1) as f32 / GRID as f32 - 1.0)).powi(2)).exp();
    let row_fall = if part == Part::Whole {
        CENTRE_FALL
    } else {
        GARMENT_ROW_FALL
    };
    let n = GRID as usize;
    let skin = |p: &Lab| {
        if part != Part::Whole && is_skin(*p) {
            SKIN
        } else {
            1.0
        }
    };
    let prior: Vec<f32> = samples
        .iter()
        .enumerate()
        .map(|(i, p)| place(i / n, row_fall) * place(i % n, CENTRE_FALL) * skin(p))
        .collect();
    let bins: Vec<usize> = samples.iter().map(|p| bin(*p)).collect();
    let mut back = vec![0.0; samples.len()];
    for (group, votes) in background(palette, region, part, asked) {
        add_histogram(
            group.iter().map(|p| (bin(*p), 1.0)),
            votes,
            &bins,
            &mut back,
        );
    }
    let mut weights = prior.clone();
    for _ in 0..ROUNDS {
        let mut fore = vec![0.0; samples.len()];
        add_histogram(
            bins.iter().copied().zip(weights.iter().copied()),
            1.0,
            &bins,
            &mut fore,
        );
        for (i, w) in weights.iter_mut().enumerate() {
            *w = prior[i] * (fore[i] / (fore[i] + back[i] + 1e-9)).powi(2);
        }
    }
    (samples, weights)
}
