//! Parts of frames.

/// A rectangle of a frame, in display pixels; `x` and `y` are of its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

impl Region {
    pub fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    /// The same part of the same frame when that is shown `factor` times as large.
    pub fn scaled(self, factor: f64) -> Self {
        let by = |v: u32| (f64::from(v) * factor) as u32;
        Self::new(by(self.x), by(self.y), by(self.width), by(self.height))
    }

    /// `[x, y, width, height]`, as JSON and SQL hold it.
    pub fn to_array(self) -> [u32; 4] {
        [self.x, self.y, self.width, self.height]
    }
}

impl From<[u32; 4]> for Region {
    fn from([x, y, width, height]: [u32; 4]) -> Self {
        Self::new(x, y, width, height)
    }
}
