//! A line of a frame, level and as high as the network reads it.

use super::lines::LineBox;
use crate::types::Pixels;

/// Pixels that a line is made high.
pub(super) const HEIGHT: usize = 48;
/// A longer line is squeezed.
const WIDEST: usize = 1600;
/// What is read is padded to a multiple of it, with mid grey.
const STEP: usize = 8;
/// Samples of a pixel across and down, at most.
const SAMPLES_AT_MOST: usize = 8;

/// What the network takes of a line, `[3, HEIGHT, width]`, and that width: blue, green and red, from -1 to 1. Each pixel is
/// the mean of samples, bilinear between the four next pixels of the frame, whose border goes on beyond it.
pub(super) fn planes(frame: &Pixels, line: &LineBox) -> (Vec<f32>, usize) {
    let width = (HEIGHT as f64 * line.length / line.height).round() as usize;
    let width = width.clamp(STEP, WIDEST);
    let samples = (line.height / HEIGHT as f64).ceil() as usize;
    let samples = samples.clamp(1, SAMPLES_AT_MOST);
    let padded = width.div_ceil(STEP) * STEP;
    let (sin, cos) = line.angle.sin_cos();
    let across = |i: usize| ((i as f64 + 0.5) / (width * samples) as f64 - 0.5) * line.length;
    let down = |i: usize| ((i as f64 + 0.5) / (HEIGHT * samples) as f64 - 0.5) * line.height;
    let mut planes = vec![0.0; 3 * HEIGHT * padded];
    for row in 0..HEIGHT {
        for column in 0..width {
            let mut sum = [0.0; 3];
            for v in (row * samples..(row + 1) * samples).map(down) {
                for u in (column * samples..(column + 1) * samples).map(across) {
                    let (x, y) = (line.x + u * cos - v * sin, line.y + u * sin + v * cos);
                    let sample = sample(frame, x - 0.5, y - 0.5);
                    sum.iter_mut().zip(sample).for_each(|(s, v)| *s += v);
                }
            }
            for (plane, channel) in [2, 1, 0].into_iter().enumerate() {
                let mean = sum[channel] / (samples * samples) as f64;
                let at = (plane * HEIGHT + row) * padded + column;
                planes[at] = (mean / 127.5 - 1.0) as f32;
            }
        }
    }
    (planes, padded)
}

/// Red, green and blue between the pixels of which the middles are whole numbers.
fn sample(frame: &Pixels, x: f64, y: f64) -> [f64; 3] {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let x = x.clamp(0.0, (width - 1) as f64);
    let y = y.clamp(0.0, (height - 1) as f64);
    let (left, top) = (x as usize, y as usize);
    let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
    let (tx, ty) = (x - left as f64, y - top as f64);
    let rgb = frame.rgb();
    let at = |x: usize, y: usize, c: usize| f64::from(rgb[3 * (y * width + x) + c]);
    [0, 1, 2].map(|c| {
        let upper = at(left, top, c) * (1.0 - tx) + at(right, top, c) * tx;
        let lower = at(left, bottom, c) * (1.0 - tx) + at(right, bottom, c) * tx;
        upper * (1.0 - ty) + lower * ty
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_out_level() {
        // Red above, blue below the middle; the line stands, and is read from its top.
        let rgb = (0..100).flat_map(|i| match i / 10 < 5 {
            true => [255, 0, 0],
            false => [0, 0, 255],
        });
        let frame = Pixels::new(10, 10, rgb.collect()).unwrap();
        let line = LineBox {
            x: 5.0,
            y: 5.0,
            length: 10.0,
            height: 2.0,
            angle: std::f64::consts::FRAC_PI_2,
            score: 1.0,
        };
        let (planes, width) = planes(&frame, &line);
        assert_eq!((width, planes.len()), (240, 3 * HEIGHT * 240));
        let at = |plane: usize, x: usize| planes[(plane * HEIGHT + 20) * width + x];
        assert_eq!((at(2, 0), at(0, 0)), (1.0, -1.0));
        assert_eq!((at(2, 239), at(0, 239)), (-1.0, 1.0));
    }
}
