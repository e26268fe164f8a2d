//! The classes a detector tells apart.

use std::fmt;
use std::str::FromStr;

/// One of the 80 classes of COCO (Lin et al., "Microsoft COCO: Common Objects in Context", 2014), by its place in
/// the order that detectors are trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(u8);

const NAMES: [&str; 80] = [
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "backpack",
    "umbrella",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
];

impl Class {
    pub const COUNT: usize = NAMES.len();
    pub const PERSON: Self = Self(0);
    pub const BICYCLE: Self = Self(1);
    pub const CAR: Self = Self(2);
    pub const MOTORCYCLE: Self = Self(3);
    pub const HORSE: Self = Self(17);
    pub const SKATEBOARD: Self = Self(36);
    pub const SURFBOARD: Self = Self(37);

    /// By its place, from 0.
    pub fn new(index: usize) -> Option<Self> {
        (index < NAMES.len()).then_some(Self(index as u8))
    }

    /// Its place, from 0.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (0..NAMES.len() as u8).map(Self)
    }

    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Class {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::all().find(|c| c.name() == name).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_the_names_of_their_places() {
        for (class, name) in [
            (Class::PERSON, "person"),
            (Class::BICYCLE, "bicycle"),
            (Class::CAR, "car"),
            (Class::MOTORCYCLE, "motorcycle"),
            (Class::HORSE, "horse"),
            (Class::SKATEBOARD, "skateboard"),
            (Class::SURFBOARD, "surfboard"),
        ] {
            assert_eq!((class.name(), name.parse()), (name, Ok(class)));
        }
        assert_eq!((Class::new(80), "gun".parse::<Class>()), (None, Err(())));
    }
}
