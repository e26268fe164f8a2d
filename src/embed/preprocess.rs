//! Pixels → the size a model takes.

use fast_image_resize as fir;

use super::EmbedError;
use crate::types::Pixels;

/// Resizes to `side` x `side` without keeping the aspect, so that all of the frame is seen.
/// Bicubic with antialiasing: Catmull-Rom widened by the scale, as Pillow's BICUBIC.
///
/// Returns `side * side * 3` bytes.
pub(super) fn squash(pixels: &Pixels, side: u32) -> Result<Vec<u8>, EmbedError> {
    let kind = fir::PixelType::U8x3;
    let from = fir::images::ImageRef::new(pixels.width(), pixels.height(), pixels.rgb(), kind)
        .expect("Pixels hold width * height * 3 bytes");
    let mut to = fir::images::Image::new(side, side, kind);
    let bicubic = fir::ResizeAlg::Convolution(fir::FilterType::CatmullRom);
    let options = fir::ResizeOptions::new().resize_alg(bicubic);
    fir::Resizer::new().resize(&from, &mut to, &options)?;
    Ok(to.into_vec())
}
