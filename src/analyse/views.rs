//! Which parts of a frame are embedded. CLIP takes a square, and its own preprocessing keeps the
//! middle one: 44 % of a 16:9 frame is thrown away.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::types::{Object, Pixels, Region};

/// Rows of the zoomed grid of [`Views::Tiles`]: a thing half a row high is seen at twice the size.
const TILE_ROWS: u32 = 2;

/// What of a thing's width and height is looked at around it, on each side.
const MARGIN: f64 = 0.15;
/// Things of one frame that are embedded, each by itself.
const THINGS_AT_MOST: usize = 8;

/// What of a frame is embedded, each part to a vector of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Views {
    /// One view, as the model's own preprocessing makes it: the middle square for CLIP, the whole
    /// frame for the built-in model.
    Center,
    /// The whole frame, made square by grey bars.
    Fit,
    /// The fewest squares as high (or as wide) as the frame that cover it.
    Cover,
    /// `Cover`, and a grid of squares half as high for small things.
    Tiles,
    /// `Cover`, and each thing that a detector saw.
    Objects,
}

impl FromStr for Views {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [
            Self::Center,
            Self::Fit,
            Self::Cover,
            Self::Tiles,
            Self::Objects,
        ];
        let found = all.into_iter().find(|v| v.to_string() == name);
        found.ok_or_else(|| "must be center, fit, cover, tiles or objects".into())
    }
}

impl fmt::Display for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Center => "center",
            Self::Fit => "fit",
            Self::Cover => "cover",
            Self::Tiles => "tiles",
            Self::Objects => "objects",
        })
    }
}

/// A part of a frame on its way to a model.
#[derive(Debug)]
pub struct View {
    /// In the frame's pixels; `None` is the whole frame.
    pub region: Option<Region>,
    pub pixels: Pixels,
}

impl Views {
    /// What suits a model: `cover` where it `crops` squares out of frames.
    pub fn default_for(crops: bool) -> Self {
        match crops {
            true => Self::Cover,
            false => Self::Center,
        }
    }

    /// How many views a 16:9 frame has, with some things in it.
    pub fn usual(self) -> usize {
        match self {
            Self::Center | Self::Fit => 1,
            Self::Cover => 2,
            Self::Objects => 4,
            Self::Tiles => 10,
        }
    }

    /// The views of a frame, one at least. `crops`: the model takes the middle square of what it is given.
    pub fn cut(self, frame: Pixels, crops: bool) -> Vec<View> {
        let (width, height) = (frame.width(), frame.height());
        let side = width.min(height);
        let whole = |pixels| View {
            region: None,
            pixels,
        };
        let mut squares = match self {
            // Cropped by the model itself, after resizing: to the last bit as its authors did.
            Self::Center => {
                let middle = || Region::new((width - side) / 2, (height - side) / 2, side, side);
                return vec![View {
                    region: (crops && width != height).then(middle),
                    pixels: frame,
                }];
            }
            Self::Fit => return vec![whole(padded(frame))],
            Self::Cover | Self::Tiles | Self::Objects => grid(width, height, side),
        };
        if self == Self::Tiles && side >= TILE_ROWS {
            squares.extend(grid(width, height, side.div_ceil(TILE_ROWS)));
        }
        if squares.len() == 1 && width == height {
            return vec![whole(frame)];
        }
        let all = Region::new(0, 0, width, height);
        let cut = |region| View {
            region: (region != all).then_some(region),
            pixels: cropped(&frame, region),
        };
        squares.into_iter().map(cut).collect()
    }
}

/// Each of these things with a margin around it, the surest first.
pub fn of_things(frame: &Pixels, objects: &[Object]) -> Vec<View> {
    let around = |object: &Object| {
        let [x, y, width, height] = object.region.to_array();
        let margin = |length: u32| (f64::from(length) * MARGIN) as u32;
        let (left, top) = (
            x.saturating_sub(margin(width)),
            y.saturating_sub(margin(height)),
        );
        let right = (x + width + margin(width)).min(frame.width());
        let bottom = (y + height + margin(height)).min(frame.height());
        Region::new(
            left,
            top,
            right.saturating_sub(left),
            bottom.saturating_sub(top),
        )
    };
    let things = objects.iter().take(THINGS_AT_MOST).map(around);
    let cut = |region| View {
        region: Some(region),
        pixels: crop(frame, region),
    };
    things.map(cut).collect()
}

/// The fewest squares of `side` that cover the frame, evenly spread.
fn grid(width: u32, height: u32, side: u32) -> Vec<Region> {
    let spread = |length: u32| {
        let n = length.div_ceil(side);
        let step =
            move |i: u32| u64::from(length - side) * u64::from(i) / u64::from((n - 1).max(1));
        (0..n).map(move |i| step(i) as u32)
    };
    let rows =
        spread(height).flat_map(|y| spread(width).map(move |x| Region::new(x, y, side, side)));
    rows.collect()
}

/// The part of a frame inside `region`, as far as it lies in the frame.
pub fn crop(frame: &Pixels, region: Region) -> Pixels {
    let (x, y) = (
        region.x.min(frame.width() - 1),
        region.y.min(frame.height() - 1),
    );
    let width = region.width.clamp(1, frame.width() - x);
    let height = region.height.clamp(1, frame.height() - y);
    cropped(frame, Region::new(x, y, width, height))
}

fn cropped(frame: &Pixels, region: Region) -> Pixels {
    let stride = frame.width() as usize * 3;
    let rows = frame.rgb().chunks_exact(stride);
    let rows = rows.skip(region.y as usize).take(region.height as usize);
    let columns = region.x as usize * 3..(region.x + region.width) as usize * 3;
    // Row by row: byte by byte it was a fiftieth of indexing with CLIP.
    let mut rgb = Vec::with_capacity(columns.len() * region.height as usize);
    rows.for_each(|row| rgb.extend_from_slice(&row[columns.clone()]));
    Pixels::new(region.width, region.height, rgb).expect("the region lies inside the frame")
}

/// The frame in the middle of a grey square.
fn padded(frame: Pixels) -> Pixels {
    const GREY: u8 = 127;
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let side = width.max(height);
    let (left, top) = ((side - width) / 2, (side - height) / 2);
    let mut rgb = vec![GREY; side * side * 3];
    for (y, row) in frame.rgb().chunks_exact(width * 3).enumerate() {
        let at = ((top + y) * side + left) * 3;
        rgb[at..at + width * 3].copy_from_slice(row);
    }
    Pixels::new(side as u32, side as u32, rgb).expect("a whole square")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_wide_frame_takes_two_squares_and_a_grid() {
        let squares = [[0, 0, 1080, 1080], [840, 0, 1080, 1080]].map(Region::from);
        assert_eq!(grid(1920, 1080, 1080), squares);
        assert_eq!(Views::Cover.usual(), grid(1920, 1080, 1080).len());
        let tiles = grid(1920, 1080, 540).len();
        assert_eq!((tiles, Views::Tiles.usual()), (8, 2 + tiles));
        assert_eq!(grid(100, 100, 100), [Region::new(0, 0, 100, 100)]);
    }

    #[test]
    fn parts_are_cut_where_their_boxes_say() {
        let pixels = (0..6 * 4u32).flat_map(|i| [i as u8; 3]).collect();
        let frame = Pixels::new(6, 4, pixels).unwrap();
        assert_eq!(cropped(&frame, Region::new(2, 1, 4, 3)).rgb()[0], 8);
        let square = padded(frame);
        assert_eq!((square.width(), square.height()), (6, 6));
        assert_eq!(
            (square.rgb()[0], square.rgb()[6 * 3], square.rgb()[35 * 3]),
            (127, 0, 127)
        );
    }

    proptest! {
        #[test]
        fn squares_cover_every_pixel(width in 1u32..90, height in 1u32..90, rows in 1u32..3) {
            let side = width.min(height).div_ceil(rows);
            let squares = grid(width, height, side);
            for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
                let inside = |r: &Region| {
                    (r.x..r.x + r.width).contains(&x) && (r.y..r.y + r.height).contains(&y)
                };
                prop_assert!(squares.iter().any(inside));
            }
            for r in squares {
                prop_assert!(r.x + r.width <= width && r.y + r.height <= height);
            }
        }
    }
}
