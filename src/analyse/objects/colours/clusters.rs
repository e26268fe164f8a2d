//! Weighed colours → a few of them, each with its share.

use super::pixels::Lab;

const CLUSTERS: usize = 6;
const CLUSTER_ROUNDS: usize = 8;
/// Lightness counts this much in cluster distances.
const CLUSTER_L: f32 = 0.7;

fn distance(a: Lab, b: Lab) -> f32 {
    (CLUSTER_L * (a[0] - b[0])).powi(2) + (a[1] - b[1]).powi(2) + (a[2] - b[2]).powi(2)
}

/// The place of the greatest value, the first of equals; 0 of none.
fn greatest(values: impl Iterator<Item = f32>) -> usize {
    values
        .enumerate()
        .fold(
            (0, f32::NEG_INFINITY),
            |best, v| if v.1 > best.1 { v } else { best },
        )
        .0
}

/// Weighted k-means: the first centre is the sample nearest the mean, each next one the farthest by weight.
pub(super) fn clusters(samples: &[Lab], weights: &[f32]) -> ([Lab; CLUSTERS], [f32; CLUSTERS]) {
    let total = weights.iter().sum::<f32>() + 1e-12;
    let w: Vec<f32> = weights.iter().map(|v| v / total + 1e-9).collect();
    let sum = w.iter().sum::<f32>();
    let mean: Lab =
        std::array::from_fn(|j| samples.iter().zip(&w).map(|(p, w)| p[j] * w).sum::<f32>() / sum);
    let mut centres = [mean; CLUSTERS];
    if samples.is_empty() {
        return (centres, [0.0; CLUSTERS]);
    }
    centres[0] = samples[greatest(samples.iter().map(|p| -distance(*p, mean)))];
    let mut far: Vec<f32> = samples.iter().map(|p| distance(*p, centres[0])).collect();
    for centre in centres.iter_mut().skip(1) {
        *centre = samples[greatest(far.iter().zip(&w).map(|(d, w)| d * w))];
        for (d, p) in far.iter_mut().zip(samples) {
            *d = d.min(distance(*p, *centre));
        }
    }
    let mut mass = [0.0f32; CLUSTERS];
    for _ in 0..CLUSTER_ROUNDS {
        let mut sums = [[0.0f32; 3]; CLUSTERS];
        mass = [0.0; CLUSTERS];
        for (p, w) in samples.iter().zip(&w) {
            let k = greatest(centres.iter().map(|c| -distance(*p, *c)));
            mass[k] += w;
            for j in 0..3 {
                sums[k][j] += w * p[j];
            }
        }
        for k in (0..CLUSTERS).filter(|&k| mass[k] > 0.0) {
            centres[k] = sums[k].map(|s| s / mass[k]);
        }
    }
    let sum = mass.iter().sum::<f32>();
    (centres, mass.map(|m| m / sum))
}
