//! CLIP's preprocessing: shortest side to the model's size by antialiased bicubic, centre crop,
//! per-channel mean and deviation. As torchvision's `Resize` and `CenterCrop` over Pillow.

use fast_image_resize::ResizeError;

use super::super::preprocess::bicubic;
use crate::types::Pixels;

pub(super) struct Preprocess {
    side: usize,
    mean: [f32; 3],
    std: [f32; 3],
}

impl Preprocess {
    pub(super) fn new(side: usize, mean: [f32; 3], std: [f32; 3]) -> Self {
        Self { side, mean, std }
    }

    /// Fills `3 * side * side` values, one channel after the other.
    pub(super) fn fill(&self, image: &Pixels, to: &mut [f32]) -> Result<(), ResizeError> {
        let cropped = self.resized(image)?;
        for (channel, to) in to.chunks_exact_mut(self.side * self.side).enumerate() {
            let (mean, std) = (self.mean[channel], self.std[channel]);
            let values = cropped.chunks_exact(3).map(|rgb| rgb[channel]);
            for (to, v) in to.iter_mut().zip(values) {
                *to = (f32::from(v) / 255.0 - mean) / std;
            }
        }
        Ok(())
    }

    /// `side * side * 3` bytes.
    pub(super) fn resized(&self, image: &Pixels) -> Result<Vec<u8>, ResizeError> {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let short = width.min(height);
        // torchvision truncates the long side.
        let (w, h) = (self.side * width / short, self.side * height / short);
        // Pillow rounds to bytes between its two passes, the horizontal one first.
        let wide = bicubic(image.rgb(), (width, height), (w, height))?;
        let whole = bicubic(&wide, (w, height), (w, h))?;
        let (left, top) = (half(w - self.side), half(h - self.side));
        let mut square = Vec::with_capacity(self.side * self.side * 3);
        for row in whole.chunks_exact(w * 3).skip(top).take(self.side) {
            square.extend_from_slice(&row[left * 3..(left + self.side) * 3]);
        }
        Ok(square)
    }
}

/// Half of `n`, ties to the even number, as Python's `round` does for torchvision.
fn half(n: usize) -> usize {
    n / 2 + usize::from(n % 4 == 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_as_pythons_do() {
        // [int(round(n / 2.0)) for n in range(8)]
        let halves: Vec<usize> = (0..8).map(half).collect();
        assert_eq!(halves, [0, 0, 1, 2, 2, 2, 3, 4]);
    }

    #[test]
    fn the_centre_of_a_wide_picture_is_kept() {
        let row = (0..8u8).flat_map(|x| [x * 30; 3]);
        let wide = Pixels::new(8, 4, row.collect::<Vec<u8>>().repeat(4)).unwrap();
        let preprocess = Preprocess::new(4, [0.0; 3], [1.0; 3]);
        let mut values = vec![0.0; 3 * 4 * 4];
        preprocess.fill(&wide, &mut values).unwrap();
        let expected: Vec<f32> = [60.0, 90.0, 120.0, 150.0].map(|v| v / 255.0).repeat(12);
        assert_eq!(values, expected);
    }
}
