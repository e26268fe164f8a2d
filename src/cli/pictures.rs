//! Frames of hits: as JPEG files, or inline in a terminal that can show pictures.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

use super::output::{print, print_as_it_is, shown};
use super::terminal::Protocol;
use crate::app::{Error, picture_of};
use crate::search::Hit;
use crate::store::Reader;
use crate::types::is_unseen;

const JPEG_QUALITY: u8 = 88;
const MAX_STEM_BYTES: usize = 200;

/// Writes each hit's frame to `folder`, named by rank, video and time. A frame that cannot be
/// read any more is named and left out. Returns how many were written.
pub(super) fn write(reader: &Reader, folder: &Path, hits: &[Hit]) -> Result<usize, Error> {
    std::fs::create_dir_all(folder).map_err(|e| {
        Error::environment(format!("{}: the folder cannot be made: {e}", shown(folder)))
            .hint("name a folder you can write to: --thumbnails DIR")
    })?;
    let mut written = 0;
    for hit in hits {
        let Some(frame) = frame(reader, hit) else {
            continue;
        };
        let path = folder.join(file_name(hit));
        let encoded = File::create(&path)
            .map_err(|e| e.to_string())
            .and_then(|file| {
                JpegEncoder::new_with_quality(BufWriter::new(file), JPEG_QUALITY)
                    .encode_image(&frame)
                    .map_err(|e| e.to_string())
            });
        match encoded {
            Ok(()) => written += 1,
            Err(e) => note!("no picture for hit {}: {}: {e}", hit.rank, shown(&path)),
        }
    }
    Ok(written)
}

/// `RANK_VIDEO_TIME.jpg`, short enough for any file system.
fn file_name(hit: &Hit) -> String {
    let stem = hit.video.file_stem().unwrap_or_default().to_string_lossy();
    let mut safe = String::new();
    for c in stem.chars() {
        if safe.len() + c.len_utf8() > MAX_STEM_BYTES {
            break;
        }
        safe.push(if is_unseen(c) { '_' } else { c });
    }
    format!(
        "{:03}_{safe}_{}.jpg",
        hit.rank,
        hit.timecode.replace(':', "-")
    )
}

/// Prints each hit's frame below a line naming it.
pub(super) fn show(reader: &Reader, hits: &[Hit]) -> Result<(), Error> {
    let Some(protocol) = Protocol::of_stdout() else {
        return Err(
            Error::environment("this terminal is not known to show pictures")
                .hint("write them to files instead: --thumbnails DIR")
                .hint("or, if it does, name how: VSEARCH_PICTURES=kitty, iterm2 or sixel"),
        );
    };
    for hit in hits {
        let Some(frame) = frame(reader, hit) else {
            continue;
        };
        let video = shown(&hit.video);
        print(&format!("{:>3}  {video}  {}\n", hit.rank, hit.timecode))?;
        match protocol.encode(frame) {
            Ok(picture) => print_as_it_is(&picture)?,
            Err(e) => note!("no picture for hit {}: {e}", hit.rank),
        }
    }
    Ok(())
}

/// The frame, or the thumbnail kept of it where the video cannot be read any more.
fn frame(reader: &Reader, hit: &Hit) -> Option<RgbImage> {
    match picture_of(reader, hit) {
        Ok(picture) => {
            if let Some(e) = picture.kept {
                note!("hit {} as kept in the library: {e}", hit.rank);
            }
            let p = picture.pixels;
            RgbImage::from_raw(p.width(), p.height(), p.into_rgb())
        }
        Err(e) => {
            note!("no picture for hit {}: {e}", hit.rank);
            None
        }
    }
}
