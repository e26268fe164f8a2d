//! Picture files → pixels. Nothing is allocated before the header has said how large a picture is.

use std::io::{self, BufRead, Cursor, Seek};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use super::EmbedError;
use crate::types::{MOST_PIXELS, Pixels};

/// Bytes of a picture that is decoded: three channels of 8 bits for the most pixels, and some more.
const MOST_BYTES: u64 = 1 << 30;
/// Largest picture file, in bytes: a JPEG is read whole.
const LARGEST_FILE: u64 = 512 << 20;
/// A picture this many times longer than it is wide would be as many squares for a model, of which it sees one.
const LONGEST_SHAPE: u32 = 50;
/// Longest side of a picture kept in a library, in pixels: more is damage.
const KEPT_SIDE: u32 = 4096;

/// Reads a picture file upright (EXIF orientation applied), transparency on black.
///
/// # Errors
/// Where it is no picture, or a larger one than is decoded.
pub fn load_picture(path: &Path) -> Result<Pixels, EmbedError> {
    let failed = |cause: ImageError| EmbedError::Picture {
        path: path.into(),
        cause,
    };
    let unreadable = |cause: io::Error| failed(cause.into());
    let large = |reason| EmbedError::LargePicture {
        path: path.into(),
        reason,
    };
    let metadata = path.metadata().map_err(unreadable)?;
    // A pipe would block.
    if !metadata.is_file() {
        let kind = io::ErrorKind::InvalidInput;
        return Err(unreadable(io::Error::new(kind, "not a regular file")));
    }
    if metadata.len() > LARGEST_FILE {
        let (size, most) = (metadata.len() >> 20, LARGEST_FILE >> 20);
        return Err(large(format!(
            "has {size} MB; pictures up to {most} MB are read"
        )));
    }
    let reader = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(unreadable)?;
    match decoded(reader, too_large) {
        Ok(Some(pixels)) => Ok(pixels),
        Ok(None) => Err(EmbedError::EmptyPicture { path: path.into() }),
        Err(Undecoded::Refused(reason)) => Err(large(reason)),
        Err(Undecoded::Failed(cause)) => Err(failed(cause)),
    }
}

/// A picture kept in a library; `None` where it is damaged.
pub fn kept_picture(jpeg: &[u8]) -> Option<Pixels> {
    let reader = ImageReader::new(Cursor::new(jpeg));
    let refused = |width: u32, height: u32| {
        let damaged = width.max(height) > KEPT_SIDE;
        damaged.then(|| "larger than any that is kept".to_owned())
    };
    decoded(reader.with_guessed_format().ok()?, refused).ok()?
}

/// Why a picture of a user is not decoded, where it is not.
fn too_large(width: u32, height: u32) -> Option<String> {
    let (long, short) = (width.max(height), width.min(height));
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Some(format!(
            "has {width}x{height} pixels; pictures up to {} million are read",
            MOST_PIXELS / 1_000_000
        ));
    }
    let strip = short > 0 && long / short >= LONGEST_SHAPE;
    strip.then(|| {
        format!(
            "has {width}x{height} pixels; pictures are read that are less than {LONGEST_SHAPE} times as long as wide"
        )
    })
}

enum Undecoded {
    Refused(String),
    Failed(ImageError),
}

impl From<ImageError> for Undecoded {
    fn from(cause: ImageError) -> Self {
        Self::Failed(cause)
    }
}

/// The pixels of a picture, unless `refused` says of its width and height why not; `None` where it has none.
fn decoded(
    mut reader: ImageReader<impl BufRead + Seek>,
    refused: impl Fn(u32, u32) -> Option<String>,
) -> Result<Option<Pixels>, Undecoded> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if let Some(reason) = refused(width, height) {
        return Err(Undecoded::Refused(reason));
    }
    if decoder.total_bytes() > MOST_BYTES {
        let (size, most) = (decoder.total_bytes() >> 20, MOST_BYTES >> 20);
        return Err(Undecoded::Refused(format!(
            "has {width}x{height} pixels, which take {size} MB; pictures up to {most} MB are read"
        )));
    }
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    let rgb = image.into_rgb8();
    let (width, height) = rgb.dimensions();
    Ok(Pixels::new(width, height, rgb.into_raw()))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use image::ImageFormat;

    use super::*;

    /// A PNG of 200,000x200,000 pixels, in its header.
    const CLAIMS: &str = "iVBORw0KGgoAAAANSUhEUgADDUAAAw1ACAIAAAB2WR9dAAAAC0lEQVR4nGNgYAAAAAMAAbitOmMAAAAASUVORK5CYII=";

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let image = DynamicImage::new_rgb8(width, height);
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    fn loaded(bytes: &[u8]) -> Result<Pixels, EmbedError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        load_picture(file.path())
    }

    #[test]
    fn what_a_header_claims_is_refused_unread() {
        let claims = STANDARD.decode(CLAIMS).unwrap();
        let refused = loaded(&claims).unwrap_err();
        assert!(
            matches!(&refused, EmbedError::LargePicture { reason, .. } if reason.contains("200000x200000")),
            "{refused}"
        );
        assert!(kept_picture(&claims).is_none());
        // The same of a BMP, which claims without a checksum.
        let mut bmp = Cursor::new(Vec::new());
        DynamicImage::new_rgb8(2, 2)
            .write_to(&mut bmp, ImageFormat::Bmp)
            .unwrap();
        let mut bmp = bmp.into_inner();
        for at in [18, 22] {
            bmp[at..at + 4].copy_from_slice(&60_000i32.to_le_bytes());
        }
        let refused = loaded(&bmp).unwrap_err().to_string();
        assert!(refused.contains("60000x60000"), "{refused}");
    }

    #[test]
    fn pictures_within_the_limits_are_read() {
        assert_eq!(loaded(&png(49, 1)).unwrap().width(), 49);
        let strip = loaded(&png(1, 50)).unwrap_err().to_string();
        assert!(strip.contains("1x50"), "{strip}");
        assert_eq!(too_large(16_384, 16_384), None);
        assert!(too_large(16_384, 16_385).is_some());
        assert_eq!(kept_picture(&png(4096, 1)).unwrap().width(), 4096);
        assert!(kept_picture(&png(4097, 1)).is_none());
        assert!(kept_picture(b"nothing").is_none());
    }

    #[test]
    fn files_too_large_and_no_files_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(LARGEST_FILE + 1).unwrap();
        let refused = load_picture(file.path()).unwrap_err();
        assert!(
            matches!(refused, EmbedError::LargePicture { .. }),
            "{refused}"
        );
        let folder = tempfile::tempdir().unwrap();
        assert!(load_picture(folder.path()).is_err());
    }
}
