//! What a detector of the NanoDet family puts out → detections.
//!
//! Each point of three or four grids carries a score for each class and, for each of the four distances to the edges
//! of its box, a distribution over 0 to R strides, whose mean it is (Li et al., "Generalized Focal Loss", NeurIPS
//! 2020).

use crate::types::Class;

/// Boxes of one class that overlap by more (intersection over union) show the same thing, the better of them.
const SAME: f32 = 0.6;
/// Boxes of one class that are looked at.
const LOOKED_AT: usize = 300;

/// A box of something, as left, top, right and bottom edge in pixels of what the detector was given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Boxed {
    pub(super) class: Class,
    pub(super) score: f32,
    pub(super) edges: [f32; 4],
}

/// Where the points of the grids lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grids {
    pub(super) strides: &'static [u32],
    /// In the middle of their cells, and not at the upper left corner.
    pub(super) centred: bool,
}

impl Grids {
    /// Of NanoDet, and of NanoDet-Plus, which has one coarser grid more.
    const FAMILY: [Self; 2] = [
        Self {
            strides: &[8, 16, 32],
            centred: true,
        },
        Self {
            strides: &[8, 16, 32, 64],
            centred: false,
        },
    ];

    /// The grids that have so many points over a picture of this size.
    pub(super) fn of_points(points: usize, width: u32, height: u32) -> Option<Self> {
        let fits = |grids: &Self| grids.points(width, height).count() == points;
        Self::FAMILY.into_iter().find(fits)
    }

    /// The points row by row, with their strides.
    fn points(self, width: u32, height: u32) -> impl Iterator<Item = (f32, f32, f32)> {
        let middle = if self.centred { 0.5 } else { 0.0 };
        self.strides.iter().flat_map(move |&stride| {
            let (columns, rows) = (width.div_ceil(stride), height.div_ceil(stride));
            let at = move |i: u32| (i as f32 + middle) * stride as f32;
            (0..rows).flat_map(move |y| (0..columns).map(move |x| (at(x), at(y), stride as f32)))
        })
    }
}

/// The boxes that score at least `minimum`, the best first. `output` has a row for each point: its scores, then its
/// distributions.
pub(super) fn boxes(
    output: &[f32],
    (grids, width, height): (Grids, u32, u32),
    minimum: f32,
) -> Vec<Boxed> {
    let count = grids.points(width, height).count().max(1);
    let row = output.len() / count;
    let bins = row.saturating_sub(Class::COUNT) / 4;
    if bins == 0 {
        return Vec::new();
    }
    let mut all = Vec::new();
    for (values, (x, y, stride)) in output.chunks_exact(row).zip(grids.points(width, height)) {
        let (scores, distances) = values.split_at(Class::COUNT);
        if scores.iter().all(|s| *s < minimum) {
            continue;
        }
        let mut edges = [0.0; 4];
        for (edge, distribution) in edges.iter_mut().zip(distances.chunks_exact(bins)) {
            *edge = mean(distribution) * stride;
        }
        let [left, top, right, bottom] = edges;
        let edges = [x - left, y - top, x + right, y + bottom];
        let classes = scores.iter().enumerate().filter(|(_, s)| **s >= minimum);
        all.extend(classes.filter_map(|(class, &score)| {
            let class = Class::new(class)?;
            let sound = score.is_finite() && edges.iter().all(|e| e.is_finite());
            sound.then_some(Boxed {
                class,
                score,
                edges,
            })
        }));
    }
    distinct(all)
}

/// The mean of a distribution over 0, 1, 2, … given by its logits.
fn mean(logits: &[f32]) -> f32 {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (i, logit) in logits.iter().enumerate() {
        let weight = (logit - greatest).exp();
        sum += weight;
        weighted += weight * i as f32;
    }
    weighted / sum
}

/// Without boxes that show what a better one of their class does.
pub(super) fn distinct(mut all: Vec<Boxed>) -> Vec<Boxed> {
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut seen = [0usize; Class::COUNT];
    let mut kept: Vec<Boxed> = Vec::new();
    for one in all {
        let seen = &mut seen[one.class.index()];
        *seen += 1;
        let same = |k: &Boxed| k.class == one.class && overlap(k.edges, one.edges) > SAME;
        if *seen <= LOOKED_AT && !kept.iter().any(same) {
            kept.push(one);
        }
    }
    kept
}

/// Intersection over union.
fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area =
        |[left, top, right, bottom]: [f32; 4]| (right - left).max(0.0) * (bottom - top).max(0.0);
    let both = area([
        a[0].max(b[0]),
        a[1].max(b[1]),
        a[2].min(b[2]),
        a[3].min(b[3]),
    ]);
    both / (area(a) + area(b) - both).max(f32::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINS: usize = 11;

    fn nanodet(points: usize) -> Vec<f32> {
        vec![0.0; points * (Class::COUNT + 4 * BINS)]
    }

    /// Puts a box at a point: distances in strides, as sure distributions.
    fn put(output: &mut [f32], point: usize, class: Class, score: f32, distances: [usize; 4]) {
        let row = Class::COUNT + 4 * BINS;
        let values = &mut output[point * row..(point + 1) * row];
        values[class.index()] = score;
        for (side, distance) in distances.into_iter().enumerate() {
            values[Class::COUNT + side * BINS + distance] = 50.0;
        }
    }

    #[test]
    fn points_and_distances_make_boxes() {
        let grids = Grids::of_points(8 * 4 + 4 * 2 + 2, 64, 32).unwrap();
        assert!(grids.centred && grids.strides.len() == 3);
        let mut output = nanodet(42);
        // Row 1, column 2 of the finest grid: (20, 12).
        put(&mut output, 10, Class::CAR, 0.8, [1, 0, 2, 1]);
        // The same thing once more, less surely; and another class in its place.
        put(&mut output, 11, Class::CAR, 0.6, [2, 0, 1, 1]);
        put(&mut output, 12, Class::PERSON, 0.7, [3, 0, 0, 1]);
        let found = boxes(&output, (grids, 64, 32), 0.3);
        let told: Vec<_> = found.iter().map(|b| (b.class, b.edges)).collect();
        let car = (Class::CAR, [12.0, 12.0, 36.0, 20.0]);
        assert_eq!(told[0], car);
        assert_eq!(told.len(), 2);
        assert_eq!(boxes(&output, (grids, 64, 32), 0.75).len(), 1);
    }

    #[test]
    fn a_family_is_known_by_its_points() {
        let plus = 52 * 52 + 26 * 26 + 13 * 13 + 7 * 7;
        let grids = Grids::of_points(plus, 416, 416).unwrap();
        assert!(!grids.centred && grids.strides.len() == 4);
        assert_eq!(Grids::of_points(8399, 640, 640), None);
    }

    #[test]
    fn values_that_are_no_numbers_are_no_boxes() {
        let grids = Grids::of_points(42, 64, 32).unwrap();
        let mut output = nanodet(42);
        output.fill(f32::NAN);
        assert!(boxes(&output, (grids, 64, 32), 0.1).is_empty());
        output.fill(f32::INFINITY);
        assert!(boxes(&output, (grids, 64, 32), 0.1).is_empty());
        assert!(boxes(&[], (grids, 64, 32), 0.1).is_empty());
    }
}
