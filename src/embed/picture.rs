//! Picture files → pixels.

use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageReader};

use super::EmbedError;
use crate::types::Pixels;

/// Reads a picture file upright (EXIF orientation applied), transparency on black.
pub fn load_picture(path: &Path) -> Result<Pixels, EmbedError> {
    let failed = |cause: image::ImageError| EmbedError::Picture {
        path: path.into(),
        cause,
    };
    let mut decoder = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|e| failed(e.into()))?
        .into_decoder()
        .map_err(failed)?;
    let orientation = decoder.orientation().map_err(failed)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    image.apply_orientation(orientation);
    let rgb = image.into_rgb8();
    let (width, height) = rgb.dimensions();
    Pixels::new(width, height, rgb.into_raw())
        .ok_or_else(|| EmbedError::EmptyPicture { path: path.into() })
}
