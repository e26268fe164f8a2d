//! Where lines of text lie: a map of their hearts → boxes.

use fast_image_resize as fir;

use crate::types::{Pixels, Region};

/// Sides of what the network takes are multiples of it.
const MULTIPLE: u32 = 32;
/// Probability above which a pixel lies in the heart of a line.
const HEART: f32 = 0.3;
/// What is higher than this share of a frame's shorter side is no line.
const LARGEST: f64 = 1.0 / 3.0;
/// A heart so many times longer than high has a direction; another lies level.
const LONG: f64 = 1.5;
/// From here on a line stands, in radians: it is read turned, its top first.
pub(super) const STEEP: f64 = 60.0 * std::f64::consts::PI / 180.0;
/// The area of a heart over its perimeter, times this, is how far its line goes beyond it (the DB paper's D).
const UNCLIP: f64 = 1.6;

/// Which hearts count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hearts {
    /// Mean probability of their pixels.
    pub(super) sure: f32,
    /// Pixels of the map that they are long and high, at least.
    pub(super) least: usize,
}

/// A line of text in a frame, in its pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LineBox {
    /// Its middle.
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) length: f64,
    pub(super) height: f64,
    /// Of the direction in which it is read, in radians from the x axis towards the y axis.
    pub(super) angle: f64,
    /// Mean probability of its heart.
    pub(super) score: f32,
}

impl LineBox {
    /// What of a frame it covers; `None` where that is nothing.
    pub(super) fn region(&self, width: u32, height: u32) -> Option<Region> {
        let (sin, cos) = (self.angle.sin().abs(), self.angle.cos().abs());
        let across = (self.length * cos + self.height * sin) / 2.0;
        let down = (self.length * sin + self.height * cos) / 2.0;
        let inside = |v: f64, most: u32| v.round().clamp(0.0, f64::from(most)) as u32;
        let left = inside(self.x - across, width);
        let top = inside(self.y - down, height);
        let right = inside(self.x + across, width);
        let bottom = inside(self.y + down, height);
        let (w, h) = (right.checked_sub(left)?, bottom.checked_sub(top)?);
        (w > 0 && h > 0).then(|| Region::new(left, top, w, h))
    }
}

/// What a frame is shrunk to; it is never enlarged, but for the rounding.
pub(super) fn size(width: u32, height: u32, side: u32) -> (u32, u32) {
    let factor = (f64::from(side) / f64::from(width.max(height))).min(1.0);
    let side = |length: u32| {
        let steps = f64::from(length) * factor / f64::from(MULTIPLE);
        (steps.round() as u32).max(1) * MULTIPLE
    };
    (side(width), side(height))
}

/// What the network takes of a frame at a size, `[height, width, 3]`: blue, green and red, from -1 to 1.
pub(super) fn pixels(
    frame: &Pixels,
    width: u32,
    height: u32,
) -> Result<Vec<f32>, fir::ResizeError> {
    let kind = fir::PixelType::U8x3;
    let source = fir::images::ImageRef::new(frame.width(), frame.height(), frame.rgb(), kind)
        .expect("the pixels fill their size");
    let mut target = fir::images::Image::new(width, height, kind);
    let options = fir::ResizeOptions::new()
        .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear));
    fir::Resizer::new().resize(&source, &mut target, &options)?;
    let (pixels, _) = target.buffer().as_chunks::<3>();
    let values = pixels.iter().flat_map(|p| [p[2], p[1], p[0]]);
    Ok(values.map(|v| f32::from(v) / 127.5 - 1.0).collect())
}

/// The lines of a frame of which the map, row by row, has this width and height.
pub(super) fn boxes(
    map: &[f32],
    (width, height): (usize, usize),
    (frame_width, frame_height): (u32, u32),
    which: Hearts,
) -> Vec<LineBox> {
    let scale = (
        f64::from(frame_width) / width as f64,
        f64::from(frame_height) / height as f64,
    );
    let highest = LARGEST * f64::from(frame_width.min(frame_height));
    let hearts = hearts(map, width);
    hearts
        .iter()
        .filter_map(|heart| line(map, width, heart, (scale, which)))
        .filter(|line| line.height <= highest)
        .collect()
}

/// A stretch of a row of the map.
#[derive(Debug, Clone, Copy)]
struct Run {
    y: usize,
    from: usize,
    to: usize,
}

/// Pixels above [`HEART`] that touch, at their corners, too; each as stretches of rows.
fn hearts(map: &[f32], width: usize) -> Vec<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    // Of each run another that it touches, up to the first of its heart (union-find).
    let mut touches: Vec<usize> = Vec::new();
    let first_of = |touches: &mut Vec<usize>, mut run: usize| {
        while touches[run] != run {
            touches[run] = touches[touches[run]];
            run = touches[run];
        }
        run
    };
    let mut above = 0..0;
    for (y, row) in map.chunks(width).enumerate() {
        let begun = runs.len();
        let mut x = 0;
        while x < width {
            if row[x] <= HEART {
                x += 1;
                continue;
            }
            let from = x;
            while x < width && row[x] > HEART {
                x += 1;
            }
            let run = runs.len();
            runs.push(Run { y, from, to: x });
            touches.push(run);
            for other in above.clone() {
                if runs[other].from <= x && runs[other].to >= from {
                    let (a, b) = (first_of(&mut touches, run), first_of(&mut touches, other));
                    touches[a.max(b)] = a.min(b);
                }
            }
        }
        above = begun..runs.len();
    }
    let mut hearts: Vec<Vec<Run>> = Vec::new();
    let mut place = vec![usize::MAX; runs.len()];
    for (n, run) in runs.iter().enumerate() {
        let first = first_of(&mut touches, n);
        if place[first] == usize::MAX {
            place[first] = hearts.len();
            hearts.push(Vec::new());
        }
        hearts[place[first]].push(*run);
    }
    hearts
}

/// The line of a heart; `None` where it is too small or too unsure.
fn line(
    map: &[f32],
    width: usize,
    heart: &[Run],
    ((across, down), which): ((f64, f64), Hearts),
) -> Option<LineBox> {
    let rows = heart.last()?.y - heart.first()?.y + 1;
    let columns = heart.iter().map(|r| r.to).max()? - heart.iter().map(|r| r.from).min()?;
    if rows.min(columns) < which.least {
        return None;
    }
    let count: usize = heart.iter().map(|r| r.to - r.from).sum();
    let values = heart
        .iter()
        .flat_map(|r| &map[r.y * width + r.from..r.y * width + r.to]);
    let score = (values.map(|v| f64::from(*v)).sum::<f64>() / count as f64) as f32;
    if score < which.sure {
        return None;
    }
    // The middles of its pixels, in the frame.
    let pixels = || {
        let each = |r: &Run| {
            let y = (r.y as f64 + 0.5) * down;
            (r.from..r.to).map(move |x| ((x as f64 + 0.5) * across, y))
        };
        heart.iter().flat_map(each)
    };
    let mean = |of: &dyn Fn((f64, f64)) -> f64| pixels().map(of).sum::<f64>() / count as f64;
    let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
    let (xx, yy) = (
        mean(&|p| (p.0 - x) * (p.0 - x)),
        mean(&|p| (p.1 - y) * (p.1 - y)),
    );
    let xy = mean(&|p| (p.0 - x) * (p.1 - y));
    // Of its longer axis.
    let mut angle = 0.5 * (2.0 * xy).atan2(xx - yy);
    let extent = |angle: f64| {
        let (sin, cos) = angle.sin_cos();
        let mut e = [
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        for (px, py) in pixels() {
            let (px, py) = (px - x, py - y);
            let (u, v) = (px * cos + py * sin, py * cos - px * sin);
            e = [e[0].min(u), e[1].max(u), e[2].min(v), e[3].max(v)];
        }
        e
    };
    let pixel = (across + down) / 2.0;
    let mut e = extent(angle);
    if e[1] - e[0] + pixel < LONG * (e[3] - e[2] + pixel) {
        angle = 0.0;
        e = extent(angle);
    } else if angle < -STEEP {
        // Downwards; its middle stays where it is.
        angle += std::f64::consts::PI;
        e = [-e[1], -e[0], -e[3], -e[2]];
    }
    let (along, over) = ((e[0] + e[1]) / 2.0, (e[2] + e[3]) / 2.0);
    let (length, high) = (e[1] - e[0] + pixel, e[3] - e[2] + pixel);
    let beyond = UNCLIP * length * high / (2.0 * (length + high));
    let (sin, cos) = angle.sin_cos();
    Some(LineBox {
        x: x + along * cos - over * sin,
        y: y + along * sin + over * cos,
        length: length + 2.0 * beyond,
        height: high + 2.0 * beyond,
        angle,
        score,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_shrunk_and_never_enlarged() {
        assert_eq!(size(1920, 1080, 736), (736, 416));
        assert_eq!(size(640, 360, 736), (640, 352));
        assert_eq!(size(1, 1, 736), (32, 32));
        assert_eq!(size(10_000, 100, 736), (736, 32));
    }

    /// A map with bars of probability .9.
    fn map(width: usize, height: usize, inside: impl Fn(f64, f64) -> bool) -> Vec<f32> {
        let at = (0..width * height).map(|i| ((i % width) as f64, (i / width) as f64));
        at.map(|(x, y)| if inside(x, y) { 0.9 } else { 0.1 })
            .collect()
    }

    #[test]
    fn hearts_become_lines_with_their_direction() {
        let level = |x: f64, y: f64| (20.0..60.0).contains(&x) && (10.0..16.0).contains(&y);
        let standing = |x: f64, y: f64| (80.0..86.0).contains(&x) && (20.0..70.0).contains(&y);
        // Through (30, 50), 20 degrees down.
        let (sin, cos) = 20f64.to_radians().sin_cos();
        let slanting = move |x: f64, y: f64| {
            let (x, y) = (x - 30.0, y - 50.0);
            (x * cos + y * sin).abs() < 20.0 && (y * cos - x * sin).abs() < 3.0
        };
        let dust = |x: f64, y: f64| x == 90.0 && y == 5.0;
        let all = move |x, y| level(x, y) || standing(x, y) || slanting(x, y) || dust(x, y);
        let which = Hearts {
            sure: 0.6,
            least: 3,
        };
        let found = boxes(&map(96, 96, all), (96, 96), (192, 192), which);
        assert_eq!(found.len(), 3);
        let degrees: Vec<f64> = found.iter().map(|l| l.angle.to_degrees().round()).collect();
        assert_eq!(degrees, [0.0, 90.0, 20.0]);
        let first = found[0];
        assert_eq!((first.x, first.y), (80.0, 26.0));
        let beyond = UNCLIP * 80.0 * 12.0 / (2.0 * 92.0);
        assert!((first.length - 80.0 - 2.0 * beyond).abs() < 1e-9);
        let region = first.region(192, 192).unwrap();
        assert_eq!(region.y, (26.0 - 6.0 - beyond).round() as u32);
    }

    #[test]
    fn stretches_that_meet_later_are_one_heart() {
        let u = |x: f64, y: f64| {
            let walls = (2.0..6.0).contains(&x) || (20.0..24.0).contains(&x);
            (walls && y < 20.0) || ((2.0..24.0).contains(&x) && (20.0..24.0).contains(&y))
        };
        assert_eq!(hearts(&map(32, 32, u), 32).len(), 1);
        assert_eq!(hearts(&map(32, 32, |x, y| x == y), 32).len(), 1);
        assert!(hearts(&map(32, 32, |_, _| false), 32).is_empty());
    }
}
