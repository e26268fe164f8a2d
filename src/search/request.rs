//! The grammar of a question: what is asked for, before any model has read it.

use std::path::{Path, PathBuf};

use super::HitName;

const WEIGHTS: std::ops::RangeInclusive<f64> = 0.01..=100.0;
/// A part that counts so many times less than another changes nothing.
const UNBALANCED: f64 = 100.0;

/// What is asked for: all that is wanted together, nothing that is not, and then perhaps another thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub wanted: Vec<Clause>,
    pub unwanted: Vec<Clause>,
    /// Words to look for in paths, cameras, tags, notes and subtitles, and in no picture.
    pub text: Option<String>,
    /// Words of the sentences are looked for in those, too.
    pub words: bool,
    /// What comes after it, step by step.
    pub then: Vec<Request>,
}

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    pub subject: Subject,
    /// How much it counts beside the others; positive.
    pub weight: f64,
}

/// What a thing is asked for by.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    Sentence(String),
    /// The name of what was taught.
    Concept(String),
    Picture(PathBuf),
    /// A frame of a video, by its time in seconds.
    Frame {
        video: PathBuf,
        seconds: f64,
    },
    /// A hit of an earlier query.
    Hit(HitName),
}

/// Why something cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("the sentence is empty")]
    EmptySentence,
    #[error("there are no words to look for")]
    NoWords,
    #[error("{weight} is no weight: they go from {} to {}", WEIGHTS.start(), WEIGHTS.end())]
    Weight { text: String, weight: f64 },
    #[error("it says what is not wanted, but not what is")]
    NothingWanted { unwanted: String },
    #[error("{name:?} is both wanted and not wanted")]
    Contradiction { name: String },
    #[error("{most:?} counts {times} times as much as {least:?}, which would change nothing")]
    Unbalanced {
        most: String,
        least: String,
        times: f64,
    },
    #[error("{}: no such file", path.display())]
    NoSuchFile { path: PathBuf },
    #[error("{text:?} is not a time")]
    NotATime { video: String, text: String },
}

impl Request {
    /// A sentence that may be composed: `white car + at night:0.5 - parking lot`.
    pub fn sentence(text: &str) -> Result<Self, RequestError> {
        let mut request = Self::default();
        let parts = composed(text);
        // A sentence alone keeps its colons: it has nothing to weigh against.
        if let [(_, sentence)] = parts[..] {
            request.wanted.push(Clause::said(sentence, 1.0)?);
            return Ok(request);
        }
        for (wanted, part) in parts {
            let clause = Clause::weighted(part)?;
            match wanted {
                true => request.wanted.push(clause),
                false => request.unwanted.push(clause),
            }
        }
        Ok(request)
    }

    /// Words alone.
    pub fn text(words: &str) -> Self {
        Self {
            text: Some(words.into()),
            ..Self::default()
        }
    }

    /// Only words are looked for, and no picture.
    pub fn is_text(&self) -> bool {
        self.text.is_some()
    }

    /// Checks that it wants something, nothing that it does not want, and that every part counts.
    pub fn check(&self) -> Result<(), RequestError> {
        let says_nothing = |words: &String| !words.chars().any(char::is_alphanumeric);
        if self.text.as_ref().is_some_and(says_nothing) {
            return Err(RequestError::NoWords);
        }
        if let (true, Some(unwanted)) = (self.wanted.is_empty(), self.unwanted.first()) {
            return Err(RequestError::NothingWanted {
                unwanted: unwanted.name(),
            });
        }
        let wanted: Vec<String> = self.wanted.iter().map(Clause::name).collect();
        let unwanted = self.unwanted.iter().map(Clause::name);
        if let Some(name) = unwanted.into_iter().find(|n| wanted.contains(n)) {
            return Err(RequestError::Contradiction { name });
        }
        let by_weight = |a: &&Clause, b: &&Clause| a.weight.total_cmp(&b.weight);
        let least = self.wanted.iter().min_by(by_weight);
        let most = self.wanted.iter().max_by(by_weight);
        if let (Some(least), Some(most)) = (least, most)
            && most.weight / least.weight > UNBALANCED
        {
            return Err(RequestError::Unbalanced {
                most: most.name(),
                least: least.name(),
                times: most.weight / least.weight,
            });
        }
        self.then.iter().try_for_each(Self::check)
    }
}

impl Default for Request {
    fn default() -> Self {
        Self {
            wanted: Vec::new(),
            unwanted: Vec::new(),
            text: None,
            words: true,
            then: Vec::new(),
        }
    }
}

impl Clause {
    /// A sentence or `@NAME`, and perhaps `:WEIGHT`.
    pub fn weighted(text: &str) -> Result<Self, RequestError> {
        let (text, weight) = weighted(text, |_| false)?;
        Self::said(text, weight)
    }

    /// A picture file or `VIDEO@TIME`, and perhaps `:WEIGHT`.
    pub fn picture(text: &str) -> Result<Self, RequestError> {
        let (named, weight) = weighted(text, names_picture)?;
        let subject = Subject::picture(named)?;
        Ok(Self { subject, weight })
    }

    /// A hit by its number in the last list or by its id, else as [`Clause::picture`].
    pub fn like(text: &str) -> Result<Self, RequestError> {
        let (named, weight) = weighted(text, names_picture)?;
        let subject = Subject::example(named)?;
        Ok(Self { subject, weight })
    }

    fn said(text: &str, weight: f64) -> Result<Self, RequestError> {
        let text = text.trim();
        let subject = match text.strip_prefix('@') {
            _ if text.is_empty() => return Err(RequestError::EmptySentence),
            Some(name) => Subject::Concept(name.into()),
            None => Subject::Sentence(text.into()),
        };
        Ok(Self { subject, weight })
    }

    /// As it was asked.
    pub fn name(&self) -> String {
        match &self.subject {
            Subject::Sentence(text) => text.clone(),
            Subject::Concept(name) => format!("@{name}"),
            Subject::Picture(path) => path.to_string_lossy().into_owned(),
            Subject::Frame { video, seconds } => format!("{}@{seconds}", video.to_string_lossy()),
            Subject::Hit(name) => name.to_string(),
        }
    }
}

impl Subject {
    /// A picture file or `VIDEO@TIME`. A file whose name holds an `@` is taken as a file.
    pub fn picture(named: &str) -> Result<Self, RequestError> {
        if Path::new(named).exists() {
            return Ok(Self::Picture(named.into()));
        }
        let (video, seconds) = video_at(named)?;
        Ok(Self::Frame { video, seconds })
    }

    /// A hit by its number in the last list or by its id, else as [`Subject::picture`].
    pub fn example(named: &str) -> Result<Self, RequestError> {
        match HitName::parse(named) {
            Some(name) => Ok(Self::Hit(name)),
            None => Self::picture(named),
        }
    }
}

/// A video and a time of it, in seconds: `VIDEO@TIME`.
pub fn video_at(named: &str) -> Result<(PathBuf, f64), RequestError> {
    let Some((video, time)) = named.rsplit_once('@') else {
        return Err(RequestError::NoSuchFile { path: named.into() });
    };
    match seconds(time) {
        Some(seconds) => Ok((video.into(), seconds)),
        None => Err(RequestError::NotATime {
            video: video.into(),
            text: time.into(),
        }),
    }
}

/// `SECONDS`, `MM:SS` or `HH:MM:SS`, each with a fraction or without.
fn seconds(text: &str) -> Option<f64> {
    let parts: Vec<&str> = text.split(':').collect();
    let digits = |p: &&str| !p.is_empty() && p.chars().all(|c| c.is_ascii_digit() || c == '.');
    // Two digits each, so that `3:0.7` is 3 s and a weight.
    let two = |p: &&str| p.split('.').next().is_some_and(|whole| whole.len() == 2);
    if parts.len() > 3 || !parts.iter().all(digits) || !parts[1..].iter().all(two) {
        return None;
    }
    let add = |sum: f64, part: &&str| Some(sum * 60.0 + part.parse::<f64>().ok()?);
    parts.iter().try_fold(0.0, add)
}

/// The parts of a composed sentence, and whether each is wanted.
fn composed(text: &str) -> Vec<(bool, &str)> {
    let mut parts = Vec::new();
    let (mut rest, mut wanted) = (text, true);
    loop {
        let next = [(" + ", true), (" - ", false)];
        let next = next.map(|(sign, is_wanted)| (rest.find(sign), is_wanted));
        let next = next.into_iter().filter_map(|(at, w)| Some((at?, w))).min();
        match next {
            Some((at, is_wanted)) => {
                parts.push((wanted, rest[..at].trim()));
                (rest, wanted) = (&rest[at + 3..], is_wanted);
            }
            None => {
                parts.push((wanted, rest.trim()));
                return parts;
            }
        }
    }
}

/// `text:WEIGHT`, unless the whole is a name of its own.
fn weighted(text: &str, is_name: impl Fn(&str) -> bool) -> Result<(&str, f64), RequestError> {
    let whole = (text.trim(), 1.0);
    let Some((before, weight)) = text.rsplit_once(':').filter(|_| !is_name(text)) else {
        return Ok(whole);
    };
    if !weight
        .trim()
        .starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
    {
        return Ok(whole);
    }
    match weight.trim().parse::<f64>() {
        Ok(weight) if WEIGHTS.contains(&weight) => Ok((before.trim(), weight)),
        Ok(weight) => Err(RequestError::Weight {
            text: before.trim().into(),
            weight,
        }),
        Err(_) => Ok(whole),
    }
}

/// A file, or a video and a time.
fn names_picture(text: &str) -> bool {
    Path::new(text).exists() || video_at(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_may_be_composed() {
        assert_eq!(
            composed("white car + at night:0.5 - parking lot"),
            [
                (true, "white car"),
                (true, "at night:0.5"),
                (false, "parking lot")
            ]
        );
        assert_eq!(composed("a t-shirt"), [(true, "a t-shirt")]);
        let request = Request::sentence("white car + @van:0.5 - parking lot").unwrap();
        let named = |clauses: &[Clause]| -> Vec<(String, f64)> {
            clauses.iter().map(|c| (c.name(), c.weight)).collect()
        };
        let wanted = [("white car".to_owned(), 1.0), ("@van".to_owned(), 0.5)];
        assert_eq!(named(&request.wanted), wanted);
        assert_eq!(named(&request.unwanted), [("parking lot".to_owned(), 1.0)]);
        assert!(Request::sentence("a sign: 3:15").unwrap().wanted[0].weight == 1.0);
        assert!(Request::sentence(" ").is_err() && Request::sentence("a car +  ").is_err());
    }

    #[test]
    fn weights_follow_a_colon() {
        let of = |text| weighted(text, |_| false).unwrap();
        assert_eq!(of("at night:0.5"), ("at night", 0.5));
        assert_eq!(of("at night"), ("at night", 1.0));
        assert_eq!(of("a sign: stop"), ("a sign: stop", 1.0));
        assert!(weighted("x:0", |_| false).is_err());
        assert!(weighted("x:-1", |_| false).is_err());
        assert_eq!(weighted("a.mp4@1:30", |_| true).unwrap().0, "a.mp4@1:30");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let check = |text: &str| Request::sentence(text).unwrap().check();
        assert!(check("a car + a road - a truck").is_ok());
        assert!(matches!(
            check("a car - a car"),
            Err(RequestError::Contradiction { .. })
        ));
        let unbalanced = check("a car:100 + night:0.1");
        assert!(matches!(unbalanced, Err(RequestError::Unbalanced { .. })));
        let mut only = Request::sentence("a car").unwrap();
        only.unwanted = std::mem::take(&mut only.wanted);
        assert!(matches!(
            only.check(),
            Err(RequestError::NothingWanted { .. })
        ));
    }

    #[test]
    fn times_are_seconds_or_timecodes() {
        assert_eq!(seconds("12.5"), Some(12.5));
        assert_eq!(seconds("1:30"), Some(90.0));
        assert_eq!(seconds("01:00:00.250"), Some(3600.25));
        for wrong in [
            "",
            "x",
            "1:",
            "-1",
            "1:02:03:04",
            "1.2.3",
            "inf",
            "3:0.7",
            "1:2",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
