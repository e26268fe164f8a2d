//! The outermost boxes of an MP4 or QuickTime file (ISO/IEC 14496-12, 4.2): what FFmpeg's demuxer does not say of one
//! that it refuses.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Boxes that are looked at; a sound file has a handful.
const LOOKED_AT: usize = 1000;

/// Whether a file begins as MP4 or QuickTime and holds no index: recorders write it last.
pub(super) fn lack_index(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| index_is_lacking(file).unwrap_or(false))
}

fn index_is_lacking(mut file: impl Read + Seek) -> std::io::Result<bool> {
    let length = file.seek(SeekFrom::End(0))?;
    let (mut at, mut has_pictures) = (0, false);
    for _ in 0..LOOKED_AT {
        if at + 8 > length {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let mut header = [0; 8];
        file.read_exact(&mut header)?;
        let [a, b, c, d, kind @ ..] = header;
        match &kind {
            b"moov" | b"moof" => return Ok(false),
            b"mdat" => has_pictures = true,
            b"ftyp" | b"free" | b"skip" | b"wide" | b"uuid" | b"pnot" => {}
            _ if at == 0 => return Ok(false),
            _ => {}
        }
        let size = match u32::from_be_bytes([a, b, c, d]) {
            // To the end of the file.
            0 => break,
            1 if at + 16 <= length => {
                let mut large = [0; 8];
                file.read_exact(&mut large)?;
                u64::from_be_bytes(large)
            }
            size => size.into(),
        };
        if size < 8 {
            break;
        }
        at = at.saturating_add(size);
    }
    Ok(has_pictures)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(kind: &[u8; 4], size: u32, body: usize) -> Vec<u8> {
        [&size.to_be_bytes(), kind.as_slice(), &vec![0; body]].concat()
    }

    fn lacking(boxes: &[Vec<u8>]) -> bool {
        index_is_lacking(Cursor::new(boxes.concat())).unwrap()
    }

    #[test]
    fn a_film_without_an_index_is_told_from_what_is_none() {
        let (begin, index) = (boxed(b"ftyp", 16, 8), boxed(b"moov", 12, 4));
        let pictures = boxed(b"mdat", 108, 100);
        assert!(!lacking(&[begin.clone(), pictures.clone(), index.clone()]));
        assert!(!lacking(&[begin.clone(), index, pictures.clone()]));
        assert!(lacking(&[begin.clone(), pictures]));
        // Cut inside, or its length never written.
        assert!(lacking(&[begin.clone(), boxed(b"mdat", 90_000, 50)]));
        assert!(lacking(&[begin.clone(), boxed(b"mdat", 0, 50)]));
        let large = [9_000_000_000u64.to_be_bytes().to_vec(), vec![0; 9]].concat();
        assert!(lacking(&[begin.clone(), boxed(b"mdat", 1, 0), large]));
        assert!(!lacking(&[begin]));
        assert!(!lacking(&[b"no film, but text about mdat".to_vec()]));
        assert!(!lacking(&[Vec::new()]));
    }
}
