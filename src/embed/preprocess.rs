//! Resizing as the models' authors do it.

use fast_image_resize as fir;

/// Antialiased bicubic: Catmull-Rom widened by the scale, as Pillow's BICUBIC. Sizes are width
/// and height; `rgb` holds 3 bytes for each pixel of `from`, the answer for each of `to`.
pub(super) fn bicubic(
    rgb: &[u8],
    from: (usize, usize),
    to: (usize, usize),
) -> Result<Vec<u8>, fir::ResizeError> {
    let kind = fir::PixelType::U8x3;
    let source = fir::images::ImageRef::new(from.0 as u32, from.1 as u32, rgb, kind)
        .expect("the pixels fill their size");
    let mut target = fir::images::Image::new(to.0 as u32, to.1 as u32, kind);
    let filter = fir::ResizeAlg::Convolution(fir::FilterType::CatmullRom);
    let options = fir::ResizeOptions::new().resize_alg(filter);
    fir::Resizer::new().resize(&source, &mut target, &options)?;
    Ok(target.into_vec())
}
