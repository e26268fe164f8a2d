//! The small picture kept of a moment.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use crate::types::Pixels;

/// How pictures of moments are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thumbnail {
    /// Of the longer side, in pixels.
    pub side: u32,
    /// Of JPEG, 1 to 100.
    pub quality: u8,
}

impl Default for Thumbnail {
    fn default() -> Self {
        Self {
            side: 320,
            quality: 75,
        }
    }
}

impl Thumbnail {
    /// A JPEG of a frame; `None` where none can be made of it.
    pub(super) fn of(self, frame: &Pixels) -> Option<Vec<u8>> {
        let (width, height) = (frame.width(), frame.height());
        let longer = width.max(height);
        let fitted = |n: u32| match longer <= self.side {
            true => n,
            false => (u64::from(n) * u64::from(self.side) / u64::from(longer)).max(1) as u32,
        };
        let source = ImageRef::new(width, height, frame.rgb(), PixelType::U8x3).ok()?;
        let mut small = Image::new(fitted(width), fitted(height), PixelType::U8x3);
        // As many pixels as lie under one count: enough for a small picture, a third of Lanczos' work.
        let filter = ResizeAlg::Convolution(FilterType::Bilinear);
        let options = ResizeOptions::new().resize_alg(filter);
        Resizer::new().resize(&source, &mut small, &options).ok()?;
        let mut jpeg = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, self.quality);
        let (width, height) = (small.width(), small.height());
        encoder
            .encode(small.buffer(), width, height, ExtendedColorType::Rgb8)
            .ok()?;
        Some(jpeg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_fits_and_keeps_its_shape() {
        let frame = |w: u32, h: u32| Pixels::new(w, h, vec![90; (w * h * 3) as usize]).unwrap();
        for ((w, h), expected) in [
            ((640, 360), (320, 180)),
            ((100, 50), (100, 50)),
            ((2, 2000), (1, 320)),
        ] {
            let jpeg = Thumbnail::default().of(&frame(w, h)).unwrap();
            let read = image::load_from_memory(&jpeg).unwrap();
            assert_eq!((read.width(), read.height()), expected);
        }
    }
}
