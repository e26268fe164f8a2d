//! A question → what the built-in model can look for: Chinese becomes English, makes of cars become cars, and
//! what nobody taught it is named.

mod chinese;
mod claim;
mod lexicon;

use crate::embed::{Reading, lettering};

/// Makes of cars, which the model cannot tell apart.
const MAKES: &[&str] = &[
    "acura",
    "alfa romeo",
    "aston martin",
    "audi",
    "bentley",
    "bmw",
    "bugatti",
    "buick",
    "byd",
    "cadillac",
    "chery",
    "chevrolet",
    "chevy",
    "chrysler",
    "citroen",
    "dacia",
    "daihatsu",
    "dodge",
    "ferrari",
    "fiat",
    "ford",
    "geely",
    "gmc",
    "great wall",
    "haval",
    "honda",
    "hongqi",
    "hummer",
    "hyundai",
    "infiniti",
    "isuzu",
    "jaguar",
    "jeep",
    "kia",
    "lada",
    "lamborghini",
    "land rover",
    "lexus",
    "li auto",
    "lincoln",
    "lotus",
    "lynk & co",
    "maserati",
    "mazda",
    "mclaren",
    "mercedes",
    "mercedes-benz",
    "mg",
    "mini cooper",
    "mitsubishi",
    "nio",
    "nissan",
    "opel",
    "peugeot",
    "polestar",
    "porsche",
    "range rover",
    "renault",
    "rolls-royce",
    "roewe",
    "saab",
    "seat",
    "skoda",
    "smart",
    "subaru",
    "suzuki",
    "tesla",
    "toyota",
    "trumpchi",
    "vauxhall",
    "volkswagen",
    "volvo",
    "vw",
    "wuling",
    "xpeng",
    "zeekr",
];
/// Kinds of vehicles: a make before one of these only goes.
const VEHICLES: &[&str] = &[
    "car",
    "cars",
    "truck",
    "trucks",
    "van",
    "vans",
    "suv",
    "suvs",
    "sedan",
    "bus",
    "pickup",
    "lorry",
    "minivan",
    "motorcycle",
    "taxi",
    "limousine",
    "convertible",
    "wagon",
];
/// Words that the model knows better by another.
const SAME: &[(&str, &str)] = &[
    ("cyclist", "person riding a bicycle"),
    ("cyclists", "people riding bicycles"),
    ("bicyclist", "person riding a bicycle"),
    ("bicyclists", "people riding bicycles"),
    ("biker", "person riding a motorcycle"),
    ("bikers", "people riding motorcycles"),
    ("motorcyclist", "person riding a motorcycle"),
    ("motorcyclists", "people riding motorcycles"),
    ("pedestrian", "person walking"),
    ("pedestrians", "people walking"),
    ("lorry", "truck"),
    ("lorries", "trucks"),
    ("guy", "man"),
    ("guys", "men"),
    ("dude", "man"),
    ("bloke", "man"),
    ("lady", "woman"),
    ("ladies", "women"),
    ("bike", "bicycle"),
    ("bikes", "bicycles"),
    ("motorbike", "motorcycle"),
    ("motorbikes", "motorcycles"),
    ("automobile", "car"),
    ("automobiles", "cars"),
    ("kid", "child"),
    ("kids", "children"),
    ("cellphone", "cell phone"),
    ("smartphone", "cell phone"),
    ("television", "tv"),
    ("sofa", "couch"),
    ("plane", "airplane"),
    ("puppy", "dog"),
    ("rucksack", "backpack"),
];

/// What of a question the built-in model looks for.
pub(super) fn read(text: &str) -> Reading {
    let mut reading = Reading::as_asked(text);
    let asked = lettering::asked(text);
    // Who asks for lettering alone asks for what it stands on as well, whatever that is.
    let text = match asked.rest.is_empty() {
        true => text,
        false => &asked.rest,
    };
    reading.text = text.to_owned();
    if chinese::is_chinese(text) {
        let translated = chinese::translate(text);
        reading.not_known = translated.unknown;
        if translated.english.is_empty() {
            return reading;
        }
        reading.text = translated.english;
    }
    let (text, makes) = without_makes(&reading.text);
    reading.text = in_its_words(&text);
    reading.not_told_apart = makes;
    if let Some(claimed) = claim::claimed(&reading.text) {
        reading.claim = Some(claimed.claim);
        reading.unchecked = claimed.unchecked;
    }
    reading.unchecked.extend(
        reading
            .not_told_apart
            .iter()
            .chain(&reading.not_known)
            .cloned(),
    );
    reading
}

/// Without makes of cars, and which there were; where no vehicle is named a car is.
fn without_makes(text: &str) -> (String, Vec<String>) {
    let lower = text.to_ascii_lowercase();
    let mut makes: Vec<&str> = MAKES.to_vec();
    // "mercedes-benz" before "mercedes".
    makes.sort_by_key(|m| std::cmp::Reverse(m.len()));
    let mut found = Vec::new();
    let (mut out, mut at) = (String::new(), 0);
    while at < text.len() {
        let begins = at == 0 || !is_letter(&lower[..at], true);
        let is_here =
            |m: &&&str| lower[at..].starts_with(**m) && !is_letter(&lower[at + m.len()..], false);
        let make = makes.iter().filter(|_| begins).find(is_here);
        let Some(make) = make.filter(|m| is_a_make(m, &text[at..], at == 0)) else {
            let c = text[at..].chars().next().map_or(1, char::len_utf8);
            out += &text[at..at + c];
            at += c;
            continue;
        };
        found.push(text[at..at + make.len()].to_owned());
        at += make.len();
        let next = text[at..].split_whitespace().next().unwrap_or_default();
        let next = next
            .trim_matches(|c: char| !c.is_alphanumeric())
            .to_lowercase();
        match VEHICLES.contains(&next.as_str()) {
            true => at += text[at..].len() - text[at..].trim_start().len(),
            false => {
                // "an Audi" is "a car".
                if out == "an " || out.ends_with(" an ") {
                    out.truncate(out.len() - "n ".len());
                    out.push(' ');
                }
                out += "car";
            }
        }
    }
    (out, found)
}

/// Names that are words, too, are makes only where they are written as names.
fn is_a_make(make: &str, text: &str, first: bool) -> bool {
    let words = [
        "seat",
        "smart",
        "mini cooper",
        "lotus",
        "lincoln",
        "jaguar",
        "ford",
        "dodge",
        "great wall",
        "mg",
    ];
    // The first word of a sentence is written as a name is.
    !words.contains(&make) || (!first && text.starts_with(char::is_uppercase))
}

/// Whether a letter or digit is at the end, or the beginning, of text.
fn is_letter(text: &str, last: bool) -> bool {
    let c = if last {
        text.chars().next_back()
    } else {
        text.chars().next()
    };
    c.is_some_and(char::is_alphanumeric)
}

/// With words that the model knows in place of others for the same.
fn in_its_words(text: &str) -> String {
    let same = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let known = SAME.iter().find(|(w, _)| bare.eq_ignore_ascii_case(w))?;
        Some(word.replace(bare, known.1))
    };
    let words = text
        .split(' ')
        .map(|w| same(w).unwrap_or_else(|| w.to_owned()));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_are_named_and_left_out() {
        for (asked, looked_for, makes) in [
            ("a white BMW", "a white car", &["BMW"][..]),
            ("white bmw suv at night", "white suv at night", &["bmw"]),
            ("a Mercedes-Benz van", "a van", &["Mercedes-Benz"]),
            ("an Audi", "a car", &["Audi"]),
            ("a man taking a seat", "a man taking a seat", &[]),
            ("crossing a ford", "crossing a ford", &[]),
            ("a Ford", "a car", &["Ford"]),
            ("audience", "audience", &[]),
            ("a man carrying a bag", "a man carrying a bag", &[]),
            ("Seat in a bus", "Seat in a bus", &[]),
            ("白色宝马", "a white car", &["BMW"]),
        ] {
            let reading = read(asked);
            assert_eq!(
                (reading.text.as_str(), &reading.not_told_apart[..]),
                (
                    looked_for,
                    &makes.iter().map(|m| (*m).to_owned()).collect::<Vec<_>>()[..]
                ),
                "{asked}"
            );
        }
    }

    #[test]
    fn words_for_the_same_meet() {
        assert_eq!(
            read("a cyclist in blue").text,
            "a person riding a bicycle in blue"
        );
        assert_eq!(read("two pedestrians").text, "two people walking");
        assert_eq!(read("a lorry, parked").text, "a truck, parked");
        assert_eq!(read("a white car").text, "a white car");
    }

    #[test]
    fn any_text_is_read() {
        for text in [
            "",
            "  ",
            "ß İ 中 a",
            "的",
            "BMW",
            "bmw宝马",
            "\u{1f697} car",
        ] {
            let _ = read(text);
        }
    }
}
