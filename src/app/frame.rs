//! The picture of a hit.

use std::io::Cursor;

use image::{ImageReader, Limits};

use super::Error;
use crate::media::{Choice, MediaError, frame_at};
use crate::search::Hit;
use crate::store::Reader;
use crate::types::Pixels;

/// Longest side of a picture kept in a library, in pixels: more is damage.
const KEPT_SIDE: u32 = 8192;

/// The frame of a hit.
#[derive(Debug)]
pub struct Picture {
    pub pixels: Pixels,
    /// Why it is the small picture kept in the library and not the video's own frame.
    pub kept: Option<MediaError>,
}

/// The frame of a hit, or the thumbnail kept of it where its video cannot be read any more.
///
/// # Errors
/// Where there is neither.
pub fn picture_of(reader: &Reader, hit: &Hit) -> Result<Picture, Error> {
    let choice = Choice {
        stream: hit.stream,
        pixels: Some(crate::media::Limits::default().pixels),
        from_start: hit.clock_jumps,
    };
    let unreadable = match frame_at(&hit.video, choice, hit.time) {
        Ok(pixels) => return Ok(Picture { pixels, kept: None }),
        Err(e) => e,
    };
    match reader.thumbnail(hit.moment).and_then(|jpeg| decoded(&jpeg)) {
        Some(pixels) => Ok(Picture {
            pixels,
            kept: Some(unreadable),
        }),
        None => Err(unreadable.into()),
    }
}

/// A JPEG kept in a library; `None` where it is damaged.
fn decoded(jpeg: &[u8]) -> Option<Pixels> {
    let mut reader = ImageReader::new(Cursor::new(jpeg))
        .with_guessed_format()
        .ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(KEPT_SIDE);
    limits.max_image_height = Some(KEPT_SIDE);
    reader.limits(limits);
    let picture = reader.decode().ok()?.into_rgb8();
    Pixels::new(picture.width(), picture.height(), picture.into_raw())
}
