//! Frames of hits: as JPEG files, or inline in a terminal that can show pictures.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, RgbImage};

use super::failure::Failure;
use super::output::{print, shown};
use crate::media::frame_at;
use crate::types::Hit;

const JPEG_QUALITY: u8 = 88;
/// Width of an inline picture, in terminal cells.
const INLINE_WIDTH: u32 = 48;

/// Writes each hit's frame to `folder`, named by rank, video and time. A frame that cannot be
/// read any more is named and left out. Returns how many were written.
pub(super) fn write(folder: &Path, hits: &[Hit]) -> Result<usize, Failure> {
    std::fs::create_dir_all(folder).map_err(|e| {
        Failure::new(format!("{}: the folder cannot be made: {e}", shown(folder)))
            .hint("name a folder you can write to: --thumbnails DIR")
    })?;
    let mut written = 0;
    for hit in hits {
        let Some(frame) = frame(hit) else { continue };
        let stem = hit.video.file_stem().unwrap_or_default().to_string_lossy();
        let safe: String = stem
            .chars()
            .map(|c| if c.is_control() || c == '/' { '_' } else { c })
            .take(100)
            .collect();
        let time = hit.timecode.replace(':', "-");
        let path = folder.join(format!("{:03}_{safe}_{time}.jpg", hit.rank));
        let failed = |e: String| Failure::new(format!("{}: cannot be written: {e}", shown(&path)));
        let file = File::create(&path).map_err(|e| failed(e.to_string()))?;
        let mut encoder = JpegEncoder::new_with_quality(BufWriter::new(file), JPEG_QUALITY);
        encoder
            .encode_image(&frame)
            .map_err(|e| failed(e.to_string()))?;
        written += 1;
    }
    Ok(written)
}

/// Prints each hit's frame below a line naming it.
pub(super) fn show(hits: &[Hit]) -> Result<(), Failure> {
    let can = viuer::get_kitty_support() != viuer::KittySupport::None
        || viuer::is_iterm_supported()
        || viuer::is_sixel_supported();
    if !can {
        return Err(Failure::new("this terminal shows no pictures")
            .hint("write them to files instead: --thumbnails DIR"));
    }
    let config = viuer::Config {
        width: Some(INLINE_WIDTH),
        absolute_offset: false,
        ..viuer::Config::default()
    };
    for hit in hits {
        let Some(frame) = frame(hit) else { continue };
        print(&format!(
            "{:>3}  {}  {}\n",
            hit.rank,
            shown(&hit.video),
            hit.timecode
        ))?;
        viuer::print(&DynamicImage::ImageRgb8(frame), &config)
            .map_err(|e| Failure::new(format!("the terminal took no picture: {e}")))?;
    }
    Ok(())
}

fn frame(hit: &Hit) -> Option<RgbImage> {
    match frame_at(&hit.video, hit.time) {
        Ok(p) => RgbImage::from_raw(p.width(), p.height(), p.into_rgb()),
        Err(e) => {
            eprintln!("no picture for hit {}: {e}", hit.rank);
            None
        }
    }
}
