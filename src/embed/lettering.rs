//! Which lettering a question asks for: what stands in quotes, codes, and what something "says".

use std::sync::LazyLock;

use regex::Regex;

/// What stands in a question for the lettering while it is taken apart.
const HERE: char = '\u{fffc}';
/// Written in capitals, and no lettering.
const ACRONYMS: &[&str] = &[
    "ATM", "ATV", "BBQ", "BMW", "BMX", "BYD", "CCTV", "CD", "DVD", "GMC", "GPS", "HD", "IR", "LCD",
    "LED", "LPG", "MG", "MPV", "MTB", "NIO", "OK", "PC", "PPE", "RV", "SUV", "TV", "UFO", "UK",
    "US", "USA", "USB", "UV", "VR", "VW", "AND", "OR", "NOT", "WC",
];
/// Characters of lettering that is asked for.
const LONGEST: usize = 60;

/// A question taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Each to be looked for.
    pub(super) lettering: Vec<String>,
    /// The question without it; empty where it asks for nothing else.
    pub(super) rest: String,
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is sound")
}

/// What is in quotes.
static QUOTED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"["“”„«「『《]([^"“”„«»「」『』《》]+)["”“»」』》]|(?:^|\s)[‘']([^'‘’]+)[’'](?:$|[\s,.;!?])"#,
    )
});
/// What comes behind "printed with" or "that says", in whatever case.
static SAYS: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)\b((?:printed|labell?ed|marked|lettered|painted|written) (?:with )?(?:the (?:words?|letters?|name|text) )?|(?:says|saying|reads|that read) (?:the (?:words?|letters?) )?|\bthe words? |\blettering )((?:[\w&-]+)(?: (?:[\w&-]+))?)",
    )
});
/// Capitals and digits: "JCN", "AB12 CDE", "B MW 1234".
static CODE: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?-u:\b)[A-Z0-9][A-Z0-9·-]*(?: [A-Z0-9][A-Z0-9·-]*)*(?-u:\b)"));
/// Before a code, it says that even one digit is meant.
static NUMBERED: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?i)(?:plates?|number|no\.|registration|route|bus|unit|gate|platform|sign) $")
});
/// What goes with the lettering.
static AROUND: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i),?\s*(?:\b(?:with|bearing|having|that|which|reading)\b\s*)?(?:\bthe\s+)?(?:\b(?:words?|letters?|text|lettering|inscription|name|number)\b\s*)?(?:\b(?:is|are|was|has)\s+)?(?:\b(?:printed|written|painted|labell?ed|marked|lettered|saying|says|reads|reading|read)\b\s*)?(?:\bwith\s+)?(?:\bthe\s+)?(?:\b(?:words?|letters?|text|name)\b\s*)?\x{fffc}(?:\s+(?:printed|written|painted|lettered))?(?:\s+(?:on|across|along)\s+(?:it|(?:its|the|his|her|their)\s+(?:side|sides|door|doors|back|front|roof|body|shirt|jacket)))?",
    )
});
/// Chinese: what is written, printed or stuck on something.
static CHINESE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?:车身|上面|车上|身上|门上)?(?:写着|写有|印着|印有|标着|标有|贴着|喷着|喷有|涂着|显示着?|车牌(?:号码?)?(?:是|为)?|字样(?:是|为))\s*(\x{fffc}|[A-Za-z0-9·\- ]+|\p{Han}[A-Za-z][·\s]?[A-Za-z0-9]{4,6}|\p{Han}{1,10}?)\s*(?:字样|几个字|的字)?\s*(的|$|[，。,.\s])",
    )
});

/// Whether capitals and digits are lettering by themselves.
fn is_code(code: &str, numbered: bool) -> bool {
    let digits = code.chars().filter(char::is_ascii_digit).count();
    let letters = code.chars().filter(char::is_ascii_uppercase).count();
    let year = letters == 0 && code.len() == 4 && ["19", "20"].iter().any(|y| code.starts_with(y));
    match (letters, digits) {
        _ if ACRONYMS.contains(&code) => false,
        (0, _) if numbered => true,
        (0, n) => n >= 4 && !year,
        (1, 0) => false,
        (_, 0) => code.len() >= 2,
        // "4K", "3D", "A4".
        (1, 1) => numbered,
        _ => true,
    }
}

/// What of a question is lettering, and what is left of it.
pub(super) fn asked(question: &str) -> Asked {
    let mut lettering: Vec<String> = Vec::new();
    let mut take = |text: &str| -> String {
        let text: String = text.trim().chars().take(LONGEST).collect();
        lettering.push(text);
        HERE.into()
    };
    let mut text = QUOTED
        .replace_all(question, |found: &regex::Captures| {
            let quoted = found.get(1).or_else(|| found.get(2));
            let quoted = quoted.map_or("", |q| q.as_str());
            match quoted.chars().any(char::is_alphanumeric) {
                true => format!(" {} ", take(quoted)),
                false => found[0].to_owned(),
            }
        })
        .into_owned();
    text = CHINESE
        .replace_all(&text, |found: &regex::Captures| {
            if !found[1].starts_with(HERE) {
                take(&found[1]);
            }
            // "一辆印着JCN的卡车" is "一辆卡车".
            String::new()
        })
        .into_owned();
    text = text.replace(['\u{3000}'], " ");
    let chinese = text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    // Who writes all in capitals says nothing by them.
    let in_sentence = chinese || text.chars().any(char::is_lowercase);
    text = SAYS
        .replace_all(&text, |found: &regex::Captures| {
            let (before, said) = (&found[1], &found[2]);
            // "painted red", "written on a wall": no lettering.
            let mut words = said.split(' ');
            let first = words.next().unwrap_or_default();
            let second = words.next().unwrap_or_default();
            let says = before.contains("with")
                || before.to_lowercase().starts_with("say")
                || before.to_lowercase().starts_with("read")
                || before.contains("word")
                || before.contains("letter")
                || before.contains("that read")
                || first
                    .chars()
                    .all(|c| c.is_uppercase() || c.is_ascii_digit());
            let little = [
                "a", "an", "the", "on", "in", "at", "by", "and", "it", "of", "to", "with",
            ];
            if !says || little.contains(&first.to_lowercase().as_str()) {
                return found[0].to_owned();
            }
            let capital = |w: &str| w.chars().all(|c| c.is_uppercase() || c.is_ascii_digit());
            let goes_on = !second.is_empty()
                && !little.contains(&second.to_lowercase().as_str())
                && capital(first) == capital(second);
            match goes_on {
                true => take(said),
                false => format!("{} {second}", take(first)),
            }
        })
        .into_owned();
    if in_sentence {
        let whole = text.clone();
        text = CODE
            .replace_all(&whole, |found: &regex::Captures| {
                let (code, at) = (&found[0], found.get(0).map_or(0, |m| m.start()));
                let numbered = NUMBERED.is_match(&whole[..at]);
                // A sentence may begin with a capital: "A white car".
                let code = match code.strip_prefix("A ") {
                    Some(rest) if at == 0 => rest,
                    _ => code,
                };
                match is_code(code, numbered) {
                    true if code.len() == found[0].len() => take(code),
                    true => format!("A {}", take(code)),
                    false => found[0].to_owned(),
                }
            })
            .into_owned();
    }
    if lettering.is_empty() {
        return Asked {
            lettering,
            rest: question.to_owned(),
        };
    }
    let rest = AROUND.replace_all(&text, " ").replace(HERE, " ");
    let rest: Vec<&str> = rest.split_whitespace().collect();
    let rest = rest.join(" ").replace(" ,", ",");
    let rest = rest.trim_matches(|c: char| c.is_whitespace() || ",.;:，。".contains(c));
    let little = [
        "a",
        "an",
        "the",
        "with",
        "that",
        "word",
        "words",
        "text",
        "lettering",
    ];
    let says_more = rest
        .split(' ')
        .any(|w| !little.contains(&w.to_lowercase().as_str()));
    Asked {
        lettering,
        rest: match says_more {
            true => rest.to_owned(),
            false => String::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lettering_is_told_from_what_else_is_asked() {
        for (question, lettering, rest) in [
            ("a truck with JCN printed on it", &["JCN"][..], "a truck"),
            ("a truck printed with JCN", &["JCN"], "a truck"),
            ("a truck printed with jcn", &["jcn"], "a truck"),
            ("a JCN truck", &["JCN"], "a truck"),
            ("a plate \"B MW 1234\"", &["B MW 1234"], "a plate"),
            (
                "a white van with the plate AB12 CDE",
                &["AB12 CDE"],
                "a white van with the plate",
            ),
            ("a sign that says stop", &["stop"], "a sign"),
            ("a sign saying NO PARKING", &["NO PARKING"], "a sign"),
            ("\"JCN\"", &["JCN"], ""),
            ("bus number 42", &["42"], "bus"),
            (
                "a red car painted with the words TAXI",
                &["TAXI"],
                "a red car",
            ),
            ("A DHL van", &["DHL"], "A van"),
            ("一辆印着JCN的卡车", &["JCN"], "一辆卡车"),
            ("车身印有“顺丰”字样的货车", &["顺丰"], "货车"),
            ("写着顺丰的货车", &["顺丰"], "货车"),
            ("车牌沪A12345的白色汽车", &["沪A12345"], "白色汽车"),
            ("JCN卡车", &["JCN"], "卡车"),
        ] {
            let found = asked(question);
            assert_eq!(
                (&found.lettering[..], found.rest.as_str()),
                (
                    &lettering
                        .iter()
                        .map(|l| (*l).to_owned())
                        .collect::<Vec<_>>()[..],
                    rest
                ),
                "{question}"
            );
        }
    }

    #[test]
    fn most_questions_ask_for_none() {
        for question in [
            "a white BMW",
            "a person in blue riding a bicycle",
            "A WHITE CAR",
            "A man with a TV",
            "a person reading a book",
            "a wall painted red",
            "2 people and 3 dogs",
            "a car in 2024",
            "a 4K camera",
            "don't walk, it's red",
            "穿着蓝色上衣骑自行车的人",
            "一辆白色宝马",
            "白色SUV",
            "a person with a red bag",
            "a printed page on a wall",
            "I see a dog",
            "",
        ] {
            let found = asked(question);
            assert!(found.lettering.is_empty(), "{question}: {found:?}");
            assert_eq!(found.rest, question);
        }
    }

    proptest! {
        #[test]
        fn any_question_is_taken_apart(question in "\\PC{0,80}") {
            let found = asked(&question);
            prop_assert!(!found.rest.contains(HERE) || question.contains(HERE));
        }
    }
}
