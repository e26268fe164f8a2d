//! Conditions on the things of a frame.

use crate::types::{Class, Colour};

/// A colour that a thing has by so much of it counts, whatever it has more of.
pub const COLOUR_SHARE: f64 = 0.3;

/// Frames that show so many things of a class and of these colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectFilter {
    pub class: Class,
    /// Of the thing, or of a person's upper and lower garment.
    pub whole: Option<Colour>,
    pub upper: Option<Colour>,
    pub lower: Option<Colour>,
    pub at_least: usize,
    /// `None`: any number.
    pub at_most: Option<usize>,
}

/// Why a condition on things is none.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ObjectFilterError {
    #[error("{name:?} is no class of things that are looked for")]
    Class {
        name: String,
        nearest: Vec<&'static str>,
    },
    #[error("{name:?} is no colour that things are told by")]
    Colour {
        name: String,
        nearest: Vec<&'static str>,
    },
    #[error("{text:?} is no condition on things")]
    Form { text: String },
    #[error("{text:?} is no condition on how many there are")]
    Count { text: String },
    #[error("a {class} has no upper and lower garment")]
    NoGarments { class: Class },
}

impl ObjectFilter {
    /// One thing of a class at least.
    pub fn some(class: Class) -> Self {
        Self {
            class,
            whole: None,
            upper: None,
            lower: None,
            at_least: 1,
            at_most: None,
        }
    }

    /// `person`, `car=white`, `"person upper=blue lower=black"`.
    pub fn parse(text: &str) -> Result<Self, ObjectFilterError> {
        let (mut name, mut colours) = (Vec::new(), Vec::new());
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some((key @ ("upper" | "lower" | "colour" | "color"), colour)) => {
                    colours.push((key, colour));
                }
                Some((last, colour)) => {
                    name.push(last);
                    colours.push(("colour", colour));
                }
                None => name.push(word),
            }
        }
        if name.is_empty() {
            return Err(ObjectFilterError::Form { text: text.into() });
        }
        let mut filter = Self::some(class(&name.join(" "))?);
        let is_person = filter.class == Class::PERSON;
        for (key, name) in colours {
            let colour = colour(name)?;
            match key {
                "upper" if is_person => filter.upper = Some(colour),
                "lower" if is_person => filter.lower = Some(colour),
                // What a person wears is first of all what is worn above.
                "colour" | "color" if is_person => filter.upper = Some(colour),
                "colour" | "color" => filter.whole = Some(colour),
                _ => {
                    return Err(ObjectFilterError::NoGarments {
                        class: filter.class,
                    });
                }
            }
        }
        Ok(filter)
    }

    /// `"person>=3"`, `car=0`, `dog<2`.
    pub fn parse_count(text: &str) -> Result<Self, ObjectFilterError> {
        let bad = || ObjectFilterError::Count { text: text.into() };
        let at = text.find(['<', '>', '=']).ok_or_else(bad)?;
        let (name, rest) = text.split_at(at);
        let sign = rest.trim_start_matches(['<', '>', '=']);
        let (sign, number) = (&rest[..rest.len() - sign.len()], sign.trim());
        let number: u16 = number.parse().map_err(|_| bad())?;
        let number = usize::from(number);
        let (at_least, at_most) = match sign {
            ">=" => (number, None),
            ">" => (number + 1, None),
            "<=" => (0, Some(number)),
            "<" => (0, Some(number.checked_sub(1).ok_or_else(bad)?)),
            "=" | "==" => (number, Some(number)),
            _ => return Err(bad()),
        };
        Ok(Self {
            at_least,
            at_most,
            ..Self::some(class(name.trim())?)
        })
    }

    /// Whether frames without any such thing hold it, too.
    pub fn holds_for_none(&self) -> bool {
        self.at_least == 0
    }
}

fn class(name: &str) -> Result<Class, ObjectFilterError> {
    let name = name.to_lowercase();
    name.parse().map_err(|()| ObjectFilterError::Class {
        nearest: nearest(&name, Class::all().map(Class::name)),
        name,
    })
}

fn colour(name: &str) -> Result<Colour, ObjectFilterError> {
    let name = match name.to_lowercase().as_str() {
        "gray" | "silver" => "grey".into(),
        other => other.to_owned(),
    };
    name.parse().map_err(|()| ObjectFilterError::Colour {
        nearest: nearest(&name, Colour::ALL.into_iter().map(Colour::name)),
        name,
    })
}

/// The names most like one, the most alike first.
fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    const LISTED: usize = 3;
    let mut known: Vec<(f64, &str)> = known.map(|k| (strsim::jaro_winkler(name, k), k)).collect();
    known.sort_by(|a, b| b.0.total_cmp(&a.0));
    known.into_iter().take(LISTED).map(|(_, k)| k).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let person = ObjectFilter::some(Class::PERSON);
        assert_eq!(ObjectFilter::parse("person"), Ok(person));
        let blue = ObjectFilter {
            upper: Some(Colour::Blue),
            lower: Some(Colour::Black),
            ..person
        };
        let parsed = ObjectFilter::parse("person upper=blue lower=black");
        assert_eq!(parsed, Ok(blue));
        let car = ObjectFilter {
            whole: Some(Colour::White),
            ..ObjectFilter::some(Class::CAR)
        };
        assert_eq!(ObjectFilter::parse("car=white"), Ok(car));
        assert_eq!(ObjectFilter::parse("car colour=white"), Ok(car));
        let light = ObjectFilter::parse("traffic light=red").unwrap();
        assert_eq!(
            (light.class.name(), light.whole),
            ("traffic light", Some(Colour::Red))
        );
        let shirt = ObjectFilter::parse("person=gray").unwrap();
        assert_eq!(shirt.upper, Some(Colour::Grey));
    }

    #[test]
    fn counts_are_read() {
        let count = |text| {
            let f = ObjectFilter::parse_count(text).unwrap();
            (f.class.name(), f.at_least, f.at_most)
        };
        assert_eq!(count("person>=3"), ("person", 3, None));
        assert_eq!(count("person > 3"), ("person", 4, None));
        assert_eq!(count("stop sign=0"), ("stop sign", 0, Some(0)));
        assert_eq!(count("dog<2"), ("dog", 0, Some(1)));
        for bad in [
            "person",
            "person>=",
            "person>=-1",
            "person>99999999999",
            "dog<0",
            "person=>3",
        ] {
            let error = ObjectFilter::parse_count(bad).unwrap_err();
            assert!(matches!(error, ObjectFilterError::Count { .. }), "{bad}");
        }
    }

    #[test]
    fn what_is_not_known_is_answered_with_the_nearest() {
        let ObjectFilterError::Class { nearest, .. } = ObjectFilter::parse("persn").unwrap_err()
        else {
            panic!()
        };
        assert_eq!(nearest[0], "person");
        let ObjectFilterError::Colour { nearest, .. } =
            ObjectFilter::parse("car=bleu").unwrap_err()
        else {
            panic!()
        };
        assert!(nearest.contains(&"blue"), "{nearest:?}");
        assert!(matches!(
            ObjectFilter::parse("car upper=red"),
            Err(ObjectFilterError::NoGarments { .. })
        ));
        for bad in ["", "   ", "upper=red"] {
            assert!(ObjectFilter::parse(bad).is_err(), "{bad:?}");
        }
    }
}
