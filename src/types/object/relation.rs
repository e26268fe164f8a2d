//! What the boxes of things show of how they stand to one another.

use super::{Class, Object};
use crate::types::Region;

/// How one thing of a frame stands to another, both by their places in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relation {
    pub of: usize,
    pub is: Relative,
    pub to: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relative {
    /// A person sits or stands on it and moves with it.
    Rides,
    /// A person has it in the hands, on the back or on the arm.
    Holds,
    /// A person stands next to it.
    Beside,
}

impl Relative {
    pub fn name(self) -> &'static str {
        match self {
            Self::Rides => "rides",
            Self::Holds => "holds",
            Self::Beside => "beside",
        }
    }
}

/// What a person rides, and what can be carried.
const RIDDEN: &[&str] = &[
    "bicycle",
    "motorcycle",
    "horse",
    "skateboard",
    "surfboard",
    "snowboard",
    "skis",
    "elephant",
];
const HELD: &[&str] = &[
    "backpack",
    "umbrella",
    "handbag",
    "suitcase",
    "frisbee",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
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
    "hot dog",
    "pizza",
    "donut",
    "laptop",
    "remote",
    "cell phone",
    "book",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
    "skateboard",
    "surfboard",
    "snowboard",
    "skis",
];
const BESIDE: &[&str] = &[
    "bicycle",
    "car",
    "motorcycle",
    "bus",
    "train",
    "truck",
    "boat",
    "bench",
    "dog",
    "horse",
    "dining table",
    "traffic light",
    "fire hydrant",
    "stop sign",
];

/// What a rider covers of the mount in width, at least, and by how much of a person's height the mount may end
/// above the person's feet.
const RIDER_OVER: f32 = 0.45;
const MOUNT_DEPTH: f32 = 0.45;
/// What of a held thing lies inside the person's box, at least.
const HELD_INSIDE: f32 = 0.6;
/// A held thing is no higher than the person by this.
const HELD_SIZE: f32 = 0.75;
/// Things are next to one another within this part of the person's height.
const NEAR: f32 = 0.35;

/// What the boxes of a frame's things show. Each thing is ridden or held by one person at most.
pub fn relations(objects: &[Object]) -> Vec<Relation> {
    let people = || (0..objects.len()).filter(|i| objects[*i].is_person());
    let mut found = Vec::new();
    for (to, thing) in objects.iter().enumerate().filter(|(_, o)| !o.is_person()) {
        let of_kind = |kinds: &[&str]| kinds.contains(&thing.class.name());
        let best = |is: Relative, fits: &dyn Fn(&Object) -> Option<f32>| {
            let fitting = people().filter_map(|of| Some((of, fits(&objects[of])?)));
            let (of, _) = fitting.max_by(|a, b| a.1.total_cmp(&b.1))?;
            Some(Relation { of, is, to })
        };
        let ridden = || best(Relative::Rides, &|p| rides(p.region, thing.region));
        let held = || best(Relative::Holds, &|p| holds(p.region, thing.region));
        let beside = || best(Relative::Beside, &|p| beside(p.region, thing.region));
        let first = of_kind(RIDDEN).then(ridden).flatten();
        let first = first.or_else(|| of_kind(HELD).then(held).flatten());
        found.extend(first.or_else(|| of_kind(BESIDE).then(beside).flatten()));
    }
    found.sort();
    found
}

/// Left, top, right and bottom.
fn edges(r: Region) -> [f32; 4] {
    let [x, y, w, h] = r.to_array().map(|v| v as f32);
    [x, y, x + w, y + h]
}

/// How far two stretches overlap.
fn overlap(a: (f32, f32), b: (f32, f32)) -> f32 {
    (a.1.min(b.1) - a.0.max(b.0)).max(0.0)
}

/// The person is above the lower part of the mount and over most of the narrower one's width. The more, the better.
fn rides(person: Region, mount: Region) -> Option<f32> {
    let ([pl, pt, pr, pb], [ml, mt, mr, mb]) = (edges(person), edges(mount));
    let narrower = (pr - pl).min(mr - ml).max(1.0);
    let over = overlap((pl, pr), (ml, mr)) / narrower;
    let height = (pb - pt).max(1.0);
    let on = pt < mt + 0.25 * (mb - mt) && mt < pb && pb <= mb + 0.15 * height;
    let reaches = mb - pb <= MOUNT_DEPTH * height + (mb - mt) * 0.5;
    (over >= RIDER_OVER && on && reaches).then_some(over)
}

fn holds(person: Region, thing: Region) -> Option<f32> {
    let ([pl, pt, pr, pb], [tl, tt, tr, tb]) = (edges(person), edges(thing));
    // Hands reach a little beyond the box.
    let reach = 0.1 * (pr - pl);
    let area = ((tr - tl) * (tb - tt)).max(1.0);
    let inside = overlap((pl - reach, pr + reach), (tl, tr)) * overlap((pt, pb), (tt, tb)) / area;
    let small = (tb - tt) <= HELD_SIZE * (pb - pt);
    (inside >= HELD_INSIDE && small).then_some(inside)
}

fn beside(person: Region, thing: Region) -> Option<f32> {
    let ([pl, pt, pr, pb], [tl, _, tr, tb]) = (edges(person), edges(thing));
    let height = (pb - pt).max(1.0);
    let apart = (tl - pr).max(pl - tr).max(0.0);
    // Both stand on about the same ground.
    let ground = (pb - tb).abs() <= NEAR * height;
    (apart <= NEAR * height && ground).then(|| -apart)
}

impl Class {
    /// Whether a person can have it in the hands, and keeps it there.
    pub fn is_held(self) -> bool {
        let flies = ["sports ball", "frisbee", "kite"];
        HELD.contains(&self.name()) && !flies.contains(&self.name())
    }

    /// Whether a person can ride it.
    pub fn is_ridden(self) -> bool {
        RIDDEN.contains(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Colours;

    fn object(class: &str, region: [u32; 4]) -> Object {
        Object {
            class: class.parse().unwrap(),
            score: 0.9,
            region: region.into(),
            colours: Colours::default(),
        }
    }

    #[test]
    fn riders_holders_and_bystanders_are_told_apart() {
        let rider = object("person", [100, 50, 60, 150]);
        let bicycle = object("bicycle", [80, 120, 110, 100]);
        let walker = object("person", [300, 60, 60, 160]);
        let bag = object("handbag", [340, 120, 25, 40]);
        let car = object("car", [380, 130, 150, 90]);
        let far = object("bicycle", [900, 120, 110, 100]);
        let all = [rider, bicycle, walker, bag, car, far];
        let told = |of, is, to| Relation { of, is, to };
        assert_eq!(
            relations(&all),
            [
                told(0, Relative::Rides, 1),
                told(2, Relative::Holds, 3),
                told(2, Relative::Beside, 4),
            ]
        );
    }

    #[test]
    fn boxes_of_no_size_relate_to_nothing_that_fails() {
        let all = [
            object("person", [0, 0, 0, 0]),
            object("bicycle", [0, 0, 0, 0]),
            object("bottle", [0, 0, 1, 1]),
        ];
        let _ = relations(&all);
    }
}
