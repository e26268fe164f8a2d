//! The picture of a hit.

use super::Error;
use crate::embed::kept_picture;
use crate::media::{Choice, MediaError, frame_at};
use crate::search::Hit;
use crate::store::Reader;
use crate::types::Pixels;

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
    match reader
        .thumbnail(hit.moment)
        .and_then(|jpeg| kept_picture(&jpeg))
    {
        Some(pixels) => Ok(Picture {
            pixels,
            kept: Some(unreadable),
        }),
        None => Err(unreadable.into()),
    }
}
