//! What a question says of things, so far as boxes and colours can tell whether it holds.

use super::{Class, Colour, Colours, Object, Relation, Relative, Shares, relations};

/// A thing that has so much of a colour is of it, whatever it has more of.
const OF_COLOUR: f32 = 0.3;

/// That a frame shows such a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Any of these.
    pub classes: Vec<Class>,
    /// Of a thing the colour of the whole, of a person one that is worn.
    pub colour: Option<Colour>,
    /// Of a person's garments.
    pub upper: Option<Colour>,
    pub lower: Option<Colour>,
    /// What it does with another thing of any of these classes, in this colour.
    pub does: Option<(Relative, Vec<Class>, Option<Colour>)>,
    /// So many of them.
    pub at_least: usize,
}

impl Claim {
    /// One thing of any of these classes.
    pub fn of(classes: Vec<Class>) -> Self {
        Self {
            classes,
            colour: None,
            upper: None,
            lower: None,
            does: None,
            at_least: 1,
        }
    }

    /// How sure it is that things of a frame bear it out: the score of the least sure thing it takes, of the surest
    /// that do; with the place of the first of those in the list. `None` where none do.
    pub fn borne_out(&self, objects: &[Object]) -> Option<(f32, usize)> {
        let related = match self.does {
            Some(_) => relations(objects),
            None => Vec::new(),
        };
        let such = |i: &usize| self.is_such(&objects[*i]);
        let mut scores: Vec<(f32, usize)> = (0..objects.len())
            .filter(such)
            .filter_map(|i| Some((self.score(i, objects, &related)?, i)))
            .collect();
        scores.sort_by(|a, b| b.0.total_cmp(&a.0));
        let least = scores.get(self.at_least.max(1) - 1)?;
        Some((least.0, scores[0].1))
    }

    fn is_such(&self, object: &Object) -> bool {
        let colours = &object.colours;
        let worn = |asked: Option<Colour>, worn: &Option<Shares>| {
            asked.is_none_or(|c| has(worn.as_ref(), c))
        };
        self.classes.contains(&object.class)
            && match object.is_person() {
                true => self.colour.is_none_or(|c| {
                    let mostly = |s: &Shares| s.first().is_some_and(|(first, _)| *first == c);
                    has(colours.upper.as_ref(), c) || colours.lower.as_ref().is_some_and(mostly)
                }),
                false => worn(self.colour, &colours.whole),
            }
            && worn(self.upper, &colours.upper)
            && worn(self.lower, &colours.lower)
    }

    /// Of a thing that is such, with what it does.
    fn score(&self, of: usize, objects: &[Object], related: &[Relation]) -> Option<f32> {
        let own = objects[of].score;
        let Some((is, classes, colour)) = &self.does else {
            return Some(own);
        };
        let fits = |r: &&Relation| {
            let to = &objects[r.to];
            let painted = colour.is_none_or(|c| has(to.colours.whole.as_ref(), c));
            r.of == of && r.is == *is && classes.contains(&to.class) && painted
        };
        let scores = related.iter().filter(fits).map(|r| objects[r.to].score);
        Some(own.min(scores.reduce(f32::max)?))
    }

    /// Whether it says no more than that such a thing is there.
    pub fn is_bare(&self) -> bool {
        let worn = self.upper.or(self.lower);
        self.colour.or(worn).is_none() && self.does.is_none() && self.at_least <= 1
    }

    /// Whether it takes a colour to tell.
    pub fn needs_colour(&self) -> bool {
        let of_other = self.does.as_ref().is_some_and(|(.., c)| c.is_some());
        self.colour.or(self.upper).or(self.lower).is_some() || of_other
    }

    /// Whether things of a frame would bear it out, but for a colour that cannot be told of them.
    pub fn lacks_colour(&self, objects: &[Object]) -> bool {
        if !self.needs_colour() || self.borne_out(objects).is_some() {
            return false;
        }
        let does = self.does.as_ref();
        let plain = Self {
            does: does.map(|(is, classes, _)| (*is, classes.clone(), None)),
            at_least: self.at_least,
            ..Self::of(self.classes.clone())
        };
        let untold = |o: &&Object| o.colours == Colours::default();
        let without: Vec<Object> = objects.iter().filter(untold).cloned().collect();
        plain.borne_out(&without).is_some()
    }
}

fn has(shares: Option<&Shares>, colour: Colour) -> bool {
    let Some(shares) = shares else {
        return false;
    };
    shares
        .iter()
        .enumerate()
        .any(|(i, (c, share))| *c == colour && (i == 0 || *share >= OF_COLOUR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Region;

    fn object(class: Class, x: u32, score: f32, colour: Colour) -> Object {
        let shares = Some(vec![(colour, 0.7)]);
        let colours = match class == Class::PERSON {
            true => Colours {
                upper: shares,
                ..Colours::default()
            },
            false => Colours {
                whole: shares,
                ..Colours::default()
            },
        };
        Object {
            class,
            score,
            region: Region::new(x, 0, 60, 120),
            colours,
        }
    }

    #[test]
    fn claims_hold_by_the_least_sure_thing_they_take() {
        let blue = object(Class::PERSON, 0, 0.8, Colour::Blue);
        let mut bicycle = object(Class::BICYCLE, 0, 0.5, Colour::Black);
        bicycle.region = Region::new(0, 60, 60, 70);
        let red = object(Class::PERSON, 500, 0.9, Colour::Red);
        let all = [red, blue, bicycle];
        let person = Claim::of(vec![Class::PERSON]);
        assert_eq!(person.borne_out(&all), Some((0.9, 0)));
        let two = Claim {
            at_least: 2,
            ..person.clone()
        };
        assert_eq!(two.borne_out(&all), Some((0.8, 0)));
        let three = Claim {
            at_least: 3,
            ..person.clone()
        };
        assert_eq!(three.borne_out(&all), None);
        let in_blue = Claim {
            colour: Some(Colour::Blue),
            ..person.clone()
        };
        assert_eq!(in_blue.borne_out(&all), Some((0.8, 1)));
        let riding = |colour| Claim {
            colour,
            does: Some((Relative::Rides, vec![Class::BICYCLE], None)),
            ..person.clone()
        };
        assert_eq!(riding(Some(Colour::Blue)).borne_out(&all), Some((0.5, 1)));
        assert_eq!(riding(Some(Colour::Red)).borne_out(&all), None);

        // Red cannot be told of what has no colour, and is not there where all have another.
        assert!(!riding(Some(Colour::Red)).lacks_colour(&all) && !riding(None).lacks_colour(&all));
        let grey = all.map(|o| Object {
            colours: Colours::default(),
            ..o
        });
        assert!(riding(Some(Colour::Red)).lacks_colour(&grey));
        assert!(in_blue.lacks_colour(&grey) && !person.lacks_colour(&grey));
    }
}
