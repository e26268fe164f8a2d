//! What an English question claims of things that a detector finds, and what of it nobody can check.

use crate::types::{Claim, Class, Colour, Relative};

/// Nouns, and the classes any of which they may be. What is more than a class tells nothing of, as whether a person is
/// a woman, is checked by nobody.
const NOUNS: &[(&str, &[&str], bool)] = &[
    ("person", &["person"], true),
    ("people", &["person"], true),
    ("persons", &["person"], true),
    ("pedestrian", &["person"], true),
    ("somebody", &["person"], true),
    ("someone", &["person"], true),
    ("human", &["person"], true),
    ("figure", &["person"], true),
    ("passerby", &["person"], true),
    ("man", &["person"], false),
    ("men", &["person"], false),
    ("woman", &["person"], false),
    ("women", &["person"], false),
    ("boy", &["person"], false),
    ("girl", &["person"], false),
    ("child", &["person"], false),
    ("children", &["person"], false),
    ("businessman", &["person"], false),
    ("worker", &["person"], false),
    ("student", &["person"], false),
    ("students", &["person"], false),
    ("policeman", &["person"], false),
    ("officer", &["person"], false),
    ("driver", &["person"], false),
    ("vehicle", &["car", "truck", "bus", "motorcycle"], true),
    ("vehicles", &["car", "truck", "bus", "motorcycle"], true),
    ("sedan", &["car"], false),
    ("suv", &["car", "truck"], false),
    ("taxi", &["car"], false),
    ("cab", &["car"], false),
    ("jeep", &["car", "truck"], false),
    ("van", &["car", "truck", "bus"], false),
    ("minivan", &["car", "truck"], false),
    ("pickup", &["truck", "car"], false),
    ("coach", &["bus"], true),
    (
        "animal",
        &[
            "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe",
        ],
        true,
    ),
    ("bag", &["handbag", "backpack", "suitcase"], true),
    ("purse", &["handbag"], true),
    ("luggage", &["suitcase"], true),
    ("phone", &["cell phone"], true),
    ("mobile", &["cell phone"], true),
    ("ball", &["sports ball"], true),
    ("football", &["sports ball"], false),
    ("fridge", &["refrigerator"], true),
    ("table", &["dining table"], true),
    ("screen", &["tv", "laptop"], true),
    ("plant", &["potted plant"], true),
    ("hydrant", &["fire hydrant"], true),
    ("glass", &["wine glass", "cup"], true),
    ("mug", &["cup"], true),
    ("skateboarder", &["person"], false),
    ("motorbike", &["motorcycle"], true),
    ("scooter", &["motorcycle"], false),
    ("sofa", &["couch"], true),
];

/// Worn above, and below.
const UPPER: &[&str] = &[
    "shirt",
    "shirts",
    "t-shirt",
    "tshirt",
    "top",
    "jacket",
    "coat",
    "sweater",
    "cardigan",
    "hoodie",
    "vest",
    "blouse",
    "jumper",
    "pullover",
    "suit",
    "uniform",
    "dress",
    "clothes",
    "clothing",
    "jersey",
    "sweatshirt",
    "overalls",
];
const LOWER: &[&str] = &[
    "trousers", "pants", "jeans", "shorts", "skirt", "leggings", "slacks",
];
/// They say nothing that could be wrong.
const EMPTY: &[&str] = &[
    "a", "an", "the", "of", "in", "on", "at", "is", "are", "and", "or", "some", "any", "there",
    "that", "who", "which", "seen", "visible", "photo", "picture", "image", "frame", "one",
    "wearing", "dressed", "coloured", "colored", "colour", "color", "plastic", "standing",
    "walking",
];
const RIDING: &[&str] = &["riding", "rides", "cycling"];
const HOLDING: &[&str] = &["with", "holding", "holds", "carrying", "carries"];
const WITHOUT: &[&str] = &["without", "no", "not"];
/// Names of things elsewhere, but not here.
const OTHERS: &[&str] = &["glasses", "tie", "ties", "sunglasses"];
const BESIDE: &[&str] = &["beside", "near", "by"];
const COUNTS: &[(&str, usize)] = &[
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("several", 3),
    ("many", 4),
    ("2", 2),
    ("3", 3),
    ("4", 4),
    ("5", 5),
    ("group", 3),
    ("crowd", 5),
    ("couple", 2),
];
/// Names of shades, by the basic colour.
const SHADES: &[(&str, Colour)] = &[
    ("gray", Colour::Grey),
    ("silver", Colour::Grey),
    ("beige", Colour::Brown),
    ("tan", Colour::Brown),
    ("khaki", Colour::Brown),
    ("navy", Colour::Blue),
    ("teal", Colour::Blue),
    ("turquoise", Colour::Blue),
    ("maroon", Colour::Red),
    ("crimson", Colour::Red),
    ("violet", Colour::Purple),
    ("gold", Colour::Yellow),
    ("golden", Colour::Yellow),
];
/// They change a colour, not its name.
const SHADING: &[&str] = &["light", "bright", "pale", "deep", "faded"];

/// A claim, and words of the question that it leaves out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claimed {
    pub(super) claim: Claim,
    /// Nobody checks these.
    pub(super) unchecked: Vec<String>,
}

/// A word that stands for something.
#[derive(Debug, Clone, PartialEq)]
enum Word {
    Thing(Vec<Class>, bool),
    Colour(Colour),
    Upper,
    Lower,
    Does(Relative),
    Count(usize),
    /// What follows is not there.
    Without,
    /// Says nothing.
    Empty,
    Other,
}

/// What a question claims of the things in a frame; `None` where it names none that a detector finds.
pub(super) fn claimed(text: &str) -> Option<Claimed> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '\''))
        .filter(|w| !w.is_empty())
        .collect();
    let mut reader = Reader::default();
    let mut at = 0;
    while at < words.len() {
        let (word, length) = read(&words[at..]);
        let said = words[at..at + length].join(" ");
        at += length;
        let next = words.get(at..).filter(|w| !w.is_empty()).map(|w| read(w).0);
        let names = matches!(next, Some(Word::Thing(..) | Word::Upper | Word::Lower));
        let acts = words.get(at).is_none_or(|w| w.ends_with("ing"));
        let word = match word {
            // "a person in orange" wears it.
            Word::Thing(..) if said == "orange" && reader.wears(Colour::Orange) => continue,
            // "a man with a tie": a garment; "a tie": a thing.
            Word::Other if reader.claim.is_none() && matches!(said.as_str(), "tie" | "ties") => {
                class("tie").map_or(Word::Other, |tie| Word::Thing(vec![tie], true))
            }
            word => word,
        };
        match word {
            // "a person in blue riding": what is worn, as no noun follows.
            Word::Colour(c) if acts && reader.wears(c) => {}
            word => reader.take(word, said, names),
        }
    }
    reader.finish()
}

/// A question on its way to a claim.
#[derive(Default)]
struct Reader {
    claim: Option<Claim>,
    unchecked: Vec<String>,
    /// They tell of the noun that is to come.
    colour: Option<Colour>,
    count: Option<usize>,
    does: Option<Relative>,
    /// The noun that is to come is not there.
    without: bool,
    /// The word before was "on", or told more of what is to come after it.
    on: bool,
    /// The same of "and", or a number: things of one kind add up.
    and: bool,
}

impl Reader {
    /// A colour with no noun after it; false where nobody is there to wear it, or wears one already.
    fn wears(&mut self, colour: Colour) -> bool {
        match &mut self.claim {
            Some(claim) if claim.classes.contains(&Class::PERSON) && claim.colour.is_none() => {
                claim.colour = Some(colour);
                true
            }
            _ => false,
        }
    }

    /// `names`: what comes next is a thing or a garment, of which this may tell.
    fn take(&mut self, word: Word, said: String, names: bool) {
        self.on = match &word {
            Word::Empty => said == "on" || (self.on && matches!(said.as_str(), "a" | "an" | "the")),
            Word::Colour(_) | Word::Thing(..) => self.on,
            _ => false,
        };
        self.and = match &word {
            Word::Empty => {
                said == "and" || (self.and && matches!(said.as_str(), "a" | "an" | "the"))
            }
            Word::Count(_) => true,
            Word::Colour(_) | Word::Thing(..) => self.and,
            _ => false,
        };
        match word {
            Word::Empty => {}
            Word::Colour(c) if self.colour.is_none() => self.colour = Some(c),
            Word::Count(n) => self.count = Some(n),
            Word::Does(is) => self.does = Some(is),
            Word::Without => {
                self.without = true;
                self.unchecked.push(said);
            }
            Word::Thing(..) if self.without => {
                (self.without, self.colour, self.count) = (false, None, None);
                self.unchecked.push(said);
            }
            Word::Thing(classes, checked) => self.thing(classes, checked, said),
            Word::Upper | Word::Lower => self.garment(word == Word::Upper, said),
            Word::Colour(_) => self.unchecked.push(said),
            Word::Other => {
                // "a grey wall": its colour is none of the thing's.
                if !names {
                    self.count = None;
                    let colour = self.colour.take().map(|c| c.name().to_owned());
                    self.unchecked.extend(colour);
                }
                self.unchecked.push(said);
            }
        }
    }

    fn thing(&mut self, classes: Vec<Class>, checked: bool, said: String) {
        let (colour, count) = (self.colour.take(), self.count.take().unwrap_or(1));
        if !checked {
            self.unchecked.push(said.clone());
        }
        let does = self.does.take();
        let on = std::mem::take(&mut self.on);
        let Some(claim) = &mut self.claim else {
            self.claim = Some(Claim {
                colour,
                at_least: count,
                ..Claim::of(classes)
            });
            return;
        };
        let of_person = claim.classes.contains(&Class::PERSON);
        if claim.classes == classes && claim.colour == colour {
            // "a woman in a white dress next to a man" is one in white.
            if self.and && claim.upper.or(claim.lower).is_none() {
                claim.at_least += count;
            }
            return;
        }
        let is = match does {
            Some(Relative::Holds) if !classes.iter().any(|c| c.is_held()) => None,
            Some(is) => Some(is),
            None if on => classes
                .iter()
                .any(|c| c.is_ridden())
                .then_some(Relative::Rides),
            None => None,
        };
        match is.filter(|_| of_person && claim.does.is_none()) {
            Some(is) => claim.does = Some((is, classes, colour)),
            None => self.unchecked.push(said),
        }
    }

    fn garment(&mut self, is_upper: bool, said: String) {
        let colour = self.colour.take();
        let of_person = |c: &&mut Claim| c.classes.contains(&Class::PERSON);
        match (self.claim.as_mut().filter(of_person), colour) {
            (Some(claim), Some(c)) if is_upper && claim.upper.is_none() => claim.upper = Some(c),
            (Some(claim), Some(c)) if !is_upper && claim.lower.is_none() => claim.lower = Some(c),
            _ => self.unchecked.push(said),
        }
    }

    fn finish(mut self) -> Option<Claimed> {
        let mut claim = self.claim?;
        // "a person in blue"
        if let Some(left) = self.colour {
            match claim.colour.is_none() && claim.classes.contains(&Class::PERSON) {
                true => claim.colour = Some(left),
                false => self.unchecked.push(left.name().to_owned()),
            }
        }
        if let Some(is) = self.does.filter(|is| *is != Relative::Holds) {
            self.unchecked.push(is.name().to_owned());
        }
        Some(Claimed {
            claim,
            unchecked: self.unchecked,
        })
    }
}

/// What the first words stand for, and how many they are.
fn read(words: &[&str]) -> (Word, usize) {
    let pair = words.get(..2).map(|w| w.join(" "));
    if let Some(class) = pair.as_deref().and_then(class) {
        return (Word::Thing(vec![class], true), 2);
    }
    let first = words[0];
    // "light blue", "dark red": the colour.
    if SHADING.contains(&first) || first == "dark" {
        let next = words.get(1).and_then(|w| colour(w));
        return match next {
            Some(c) => (Word::Colour(c), 2),
            None => (Word::Other, 1),
        };
    }
    let one = |list: &[&str]| list.contains(&first);
    let word = if one(OTHERS) {
        Word::Other
    } else if one(WITHOUT) {
        Word::Without
    } else if let Some(c) = colour(first) {
        // "an orange" and "orange juice" are fruit, "an orange car" is not.
        let fruit = c == Colour::Orange && words.len() == 1;
        match (fruit, class("orange")) {
            (true, Some(orange)) => Word::Thing(vec![orange], true),
            _ => Word::Colour(c),
        }
    } else if one(UPPER) {
        Word::Upper
    } else if one(LOWER) {
        Word::Lower
    } else if one(RIDING) {
        Word::Does(Relative::Rides)
    } else if one(HOLDING) {
        Word::Does(Relative::Holds)
    } else if one(BESIDE) {
        Word::Does(Relative::Beside)
    } else if first == "next" {
        return (
            Word::Does(Relative::Beside),
            if words.get(1) == Some(&"to") { 2 } else { 1 },
        );
    } else if let Some((_, n)) = COUNTS.iter().find(|(w, _)| *w == first) {
        Word::Count(*n)
    } else if let Some(noun) = NOUNS
        .iter()
        .find(|(w, ..)| *w == first || is_plural_of(first, w))
    {
        let classes = noun.1.iter().filter_map(|c| c.parse().ok()).collect();
        Word::Thing(classes, noun.2)
    } else if let Some(class) = class(first) {
        Word::Thing(vec![class], true)
    } else if one(EMPTY) {
        Word::Empty
    } else {
        Word::Other
    };
    (word, 1)
}

fn colour(word: &str) -> Option<Colour> {
    // "silver-blue"
    let word = word.rsplit('-').next().unwrap_or(word);
    let shade = SHADES.iter().find(|(w, _)| *w == word).map(|(_, c)| *c);
    shade.or_else(|| word.parse().ok())
}

/// A class by its name, one or many.
fn class(name: &str) -> Option<Class> {
    Class::all().find(|c| name == c.name() || is_plural_of(name, c.name()))
}

fn is_plural_of(many: &str, one: &str) -> bool {
    let Some(ending) = many.strip_prefix(one) else {
        return one == "knife" && many == "knives";
    };
    ending == "s" || ending == "es"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> (Claim, Vec<String>) {
        let claimed = claimed(text).unwrap_or_else(|| panic!("{text}: nothing claimed"));
        (claimed.claim, claimed.unchecked)
    }

    fn class(name: &str) -> Class {
        name.parse().unwrap()
    }

    #[test]
    fn things_and_their_colours_are_claimed() {
        let white = Claim {
            colour: Some(Colour::White),
            ..Claim::of(vec![Class::CAR])
        };
        assert_eq!(told("a white car"), (white.clone(), vec![]));
        assert_eq!(told("the white cars").0, white);
        assert_eq!(told("a light blue car").0.colour, Some(Colour::Blue));
        assert_eq!(told("a traffic light").0.classes, [class("traffic light")]);
        assert_eq!(told("an orange").0.classes, [class("orange")]);
        assert_eq!(told("two people").0.at_least, 2);
        assert_eq!(claimed("a gun"), None);
        assert_eq!(claimed(""), None);
    }

    #[test]
    fn people_wear_and_do_what_is_said() {
        let (claim, unchecked) = told("a person in blue riding a bicycle");
        assert_eq!((claim.colour, unchecked), (Some(Colour::Blue), vec![]));
        assert_eq!(
            claim.does,
            Some((Relative::Rides, vec![Class::BICYCLE], None))
        );
        let (claim, unchecked) = told("a man in a grey shirt and blue jeans");
        assert_eq!(
            (claim.upper, claim.lower),
            (Some(Colour::Grey), Some(Colour::Blue))
        );
        assert_eq!(unchecked, ["man"]);
        let (claim, _) = told("a woman with a red umbrella");
        assert_eq!(
            claim.does,
            Some((Relative::Holds, vec![class("umbrella")], Some(Colour::Red)))
        );
        let (claim, _) = told("a person in orange");
        assert_eq!(claim.colour, Some(Colour::Orange));
        let (claim, _) = told("a person pushing a bicycle");
        assert_eq!(claim.does, None);
        let (claim, unchecked) = told("a red car and a blue car");
        assert_eq!((claim.at_least, claim.colour), (1, Some(Colour::Red)));
        assert_eq!(unchecked, ["car"]);
        let (claim, _) = told("three soldiers beside a truck");
        assert_eq!(claim.at_least, 1);
        let (claim, _) = told("a person on a bicycle next to a car");
        assert_eq!(
            claim.does,
            Some((Relative::Rides, vec![Class::BICYCLE], None))
        );
        let (claim, _) = told("a woman in a black leather jacket");
        assert_eq!(claim.upper, Some(Colour::Black));
        let (claim, _) = told("a person next to a car");
        assert_eq!(claim.does, Some((Relative::Beside, vec![Class::CAR], None)));
    }

    #[test]
    fn what_nobody_checks_is_told() {
        assert_eq!(told("a person falling down").1, ["falling", "down"]);
        assert_eq!(told("a car on fire").1, ["fire"]);
        assert_eq!(told("a black cat on a roof").1, ["roof"]);
        let (claim, unchecked) = told("a woman and a man against a grey wall");
        assert_eq!((claim.at_least, claim.colour), (2, None));
        assert_eq!(unchecked, ["woman", "man", "against", "grey", "wall"]);
        assert_eq!(claimed("empty asphalt without cars"), None);
        let (claim, unchecked) = told("a white sports car");
        assert_eq!(
            (claim.colour, unchecked),
            (Some(Colour::White), vec!["sports".to_owned()])
        );
        let (claim, _) = told("four people sitting at white tables");
        assert_eq!((claim.at_least, claim.colour, claim.does), (4, None, None));
        let (claim, _) = told("a bald man with a beard and glasses");
        assert_eq!(claim.does, None);
    }
}
