//! Things that are seen in a frame: what they are, where, and in which colours.

mod claim;
mod class;
mod colour;
mod relation;

use super::Region;

pub use claim::Claim;
pub use class::Class;
pub use colour::{Colour, Shares};
pub use relation::{Relation, Relative, relations};

/// A thing that a detector found in a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub class: Class,
    /// How sure the detector is, in (0, 1].
    pub score: f32,
    pub region: Region,
    pub colours: Colours,
}

/// Which colours a thing has; `None` where that cannot be told: too small, hidden, or a picture without colour.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Colours {
    /// Of anything but a person.
    pub whole: Option<Shares>,
    /// Of a person's upper and lower garment.
    pub upper: Option<Shares>,
    pub lower: Option<Shares>,
}

impl Object {
    pub fn is_person(&self) -> bool {
        self.class == Class::PERSON
    }
}
