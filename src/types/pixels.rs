//! Pictures.

use std::fmt;

/// Most pixels of a frame or a picture that is decoded, where nothing else is said.
pub const MOST_PIXELS: u64 = 1 << 28;

/// An upright picture: 8-bit sRGB, rows top to bottom, no padding, square pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Pixels {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Pixels {
    /// `None` unless `rgb` holds exactly `width * height * 3` bytes and is not empty.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        let expected = (width as usize)
            .checked_mul(height as usize)?
            .checked_mul(3)?;
        (expected > 0 && rgb.len() == expected).then_some(Self { width, height, rgb })
    }

    pub fn width(&self) -> u32 {
        self.width
    }

    pub fn height(&self) -> u32 {
        self.height
    }

    /// `height * width * 3` bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }
}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pixels({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_fill_their_size_exactly() {
        assert!(Pixels::new(2, 1, vec![0; 6]).is_some());
        assert!(Pixels::new(2, 1, vec![0; 5]).is_none());
        assert!(Pixels::new(0, 4, Vec::new()).is_none());
        // Three times this overflows.
        assert!(Pixels::new(u32::MAX, u32::MAX, Vec::new()).is_none());
    }
}
