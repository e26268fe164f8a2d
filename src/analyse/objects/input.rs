//! A frame → what a detector is given: at which size, and in how many pieces.

use fast_image_resize as fir;

use crate::types::{Pixels, Region};

/// The longer side of what a detector is given, where it takes any size: larger finds little more for its price
/// (docs/objects.md).
const SIDE: u32 = 416;
/// Sides are multiples of the coarsest stride.
const MULTIPLE: u32 = 32;
/// A frame longer than this, in times of its shorter side, is looked at in pieces: shrunk to [`SIDE`] it would show
/// nothing. So many pieces at most.
const LONGEST: f64 = 2.5;
const PIECES_AT_MOST: u32 = 6;
/// What neighbouring pieces share, of their length: a thing on the seam lies whole in one.
const SHARED: f64 = 0.15;

/// Blue, green and red as NanoDet was trained: less these, over those.
const MEAN: [f32; 3] = [103.53, 116.28, 123.675];
const DEVIATION: [f32; 3] = [57.375, 57.12, 58.395];

/// What one pass of a detector looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    /// Of the frame.
    pub(super) region: Region,
    /// Size it is given at.
    pub(super) width: u32,
    pub(super) height: u32,
}

/// What is looked at of a frame: the whole of it, or, of a very long one, pieces. `fixed`: the only size the
/// detector takes.
pub(super) fn passes(width: u32, height: u32, fixed: Option<(u32, u32)>) -> Vec<Pass> {
    let pass = |region: Region| {
        let (width, height) = fixed.unwrap_or_else(|| size(region.width, region.height));
        Pass {
            region,
            width,
            height,
        }
    };
    let (long, short) = (width.max(height), width.min(height));
    if f64::from(long) <= LONGEST * f64::from(short) {
        return vec![pass(Region::new(0, 0, width, height))];
    }
    let wanted = (f64::from(long) / (f64::from(short) * LONGEST * (1.0 - SHARED))).ceil();
    let pieces = (wanted as u32).clamp(2, PIECES_AT_MOST);
    let length = f64::from(long) / (1.0 + f64::from(pieces - 1) * (1.0 - SHARED));
    let length = (length.ceil() as u32).min(long);
    let start = |i: u32| (u64::from(long - length) * u64::from(i) / u64::from(pieces - 1)) as u32;
    let region = |i| match width > height {
        true => Region::new(start(i), 0, length, height),
        false => Region::new(0, start(i), width, length),
    };
    (0..pieces).map(|i| pass(region(i))).collect()
}

fn size(width: u32, height: u32) -> (u32, u32) {
    let factor = f64::from(SIDE) / f64::from(width.max(height));
    let side = |length: u32| {
        let cells = f64::from(length) * factor / f64::from(MULTIPLE);
        (cells.round() as u32).max(1) * MULTIPLE
    };
    (side(width), side(height))
}

/// What a pass sees, `[height, width, 3]`.
pub(super) fn pixels(frame: &Pixels, pass: &Pass) -> Result<Vec<f32>, fir::ResizeError> {
    let kind = fir::PixelType::U8x3;
    let source = fir::images::ImageRef::new(frame.width(), frame.height(), frame.rgb(), kind)
        .expect("the pixels fill their size");
    let mut target = fir::images::Image::new(pass.width, pass.height, kind);
    let [x, y, width, height] = pass.region.to_array().map(f64::from);
    let options = fir::ResizeOptions::new()
        .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear))
        .crop(x, y, width, height);
    fir::Resizer::new().resize(&source, &mut target, &options)?;
    let (pixels, _) = target.buffer().as_chunks::<3>();
    // Blue first.
    let value = |p: &[u8; 3], c: usize| (f32::from(p[2 - c]) - MEAN[c]) / DEVIATION[c];
    let values = pixels.iter().flat_map(|p| [0, 1, 2].map(|c| value(p, c)));
    Ok(values.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_keep_their_shape() {
        let size = |w, h| {
            let all = passes(w, h, None);
            (all.len(), all[0].width, all[0].height)
        };
        assert_eq!(size(1920, 1080), (1, 416, 224));
        assert_eq!(size(640, 480), (1, 416, 320));
        assert_eq!(size(1080, 1920), (1, 224, 416));
        assert_eq!(size(1, 1), (1, 416, 416));
        assert_eq!(passes(64, 64, Some((320, 320)))[0].width, 320);
    }

    #[test]
    fn pixels_are_blue_green_red() {
        let frame = Pixels::new(2, 1, [200, 100, 50].repeat(2)).unwrap();
        let pass = passes(2, 1, Some((32, 32)))[0];
        let pixels = pixels(&frame, &pass).unwrap();
        assert_eq!(pixels.len(), 3 * 32 * 32);
        for (channel, value) in [(0, 50.0), (1, 100.0), (2, 200.0)] {
            let expected = (value - MEAN[channel]) / DEVIATION[channel];
            assert!((pixels[channel] - expected).abs() < 1e-4);
        }
    }

    proptest! {
        #[test]
        fn every_pixel_is_looked_at(width in 1u32..12_000, height in 1u32..12_000) {
            let all = passes(width, height, None);
            prop_assert!(all.len() <= PIECES_AT_MOST as usize);
            let (mut reached, long) = (0, width.max(height));
            for pass in &all {
                let r = pass.region;
                prop_assert!(r.x + r.width <= width && r.y + r.height <= height);
                prop_assert!(pass.width % MULTIPLE == 0 && pass.height % MULTIPLE == 0);
                prop_assert!(pass.width * pass.height <= SIDE * SIDE);
                let (from, to) = match width > height {
                    true => (r.x, r.x + r.width),
                    false => (r.y, r.y + r.height),
                };
                prop_assert!(from <= reached);
                reached = reached.max(to);
            }
            prop_assert_eq!(reached, long);
        }
    }
}
