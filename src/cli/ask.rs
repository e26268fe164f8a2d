//! Options of what a query asks for.

use clap::Args;

use crate::app::Error;
use crate::search::{Clause, Request};

#[derive(Debug, Args)]
#[command(next_help_heading = "What to look for")]
pub(super) struct AskArgs {
    /// A sentence, or @NAME for what was taught; parts are joined by " + " and taken off by " - "
    #[arg(required_unless_present_any = ["image", "text", "like", "and"])]
    sentence: Option<String>,
    /// This too; counts as much as the sentence, or WEIGHT times as much
    #[arg(long, value_name = "SENTENCE[:WEIGHT]")]
    and: Vec<String>,
    /// But not this: what shows it ranks lower
    #[arg(long, value_name = "SENTENCE[:WEIGHT]")]
    not: Vec<String>,
    /// Moments like a picture: a file, or the frame of a video at a time
    #[arg(long, value_name = "FILE|VIDEO@TIME[:WEIGHT]")]
    image: Vec<String>,
    /// Moments like an earlier hit: its number in the last list (which --like NUMBER leaves as it is), its id (m17), or VIDEO@TIME
    #[arg(long, value_name = "HIT[:WEIGHT]")]
    like: Vec<String>,
    /// Words in paths, cameras, tags, notes and subtitles, and lettering in pictures
    #[arg(long, value_name = "WORDS", conflicts_with_all = ["sentence", "and", "not", "image", "like", "templates"])]
    text: Option<String>,
    /// Look at pictures only: list no hits by words of the sentence in names, notes and subtitles
    #[arg(long, conflicts_with = "text")]
    no_words: bool,
    /// Phrasings to average: none, photo, cctv, or a file of one a line with {}
    #[arg(long, value_name = "NAME|FILE", default_value = "none")]
    pub(super) templates: String,
}

impl AskArgs {
    /// What is asked for; `then`: and what after that.
    pub(super) fn request(&self, then: &[String]) -> Result<Request, Error> {
        let mut request = match (&self.sentence, &self.text) {
            (_, Some(words)) => Request::text(words),
            (Some(sentence), None) => Request::sentence(sentence)?,
            (None, None) => Request::default(),
        };
        request.words = !self.no_words;
        for text in &self.and {
            request.wanted.push(Clause::weighted(text)?);
        }
        for text in &self.not {
            request.unwanted.push(Clause::weighted(text)?);
        }
        for named in &self.image {
            request.wanted.push(Clause::picture(named)?);
        }
        for named in &self.like {
            request.wanted.push(Clause::like(named)?);
        }
        for sentence in then {
            request.then.push(Request::sentence(sentence)?);
        }
        request.check()?;
        Ok(request)
    }

    /// As it was typed.
    pub(super) fn sentence(&self) -> Option<&str> {
        self.sentence.as_deref()
    }

    /// The set of phrasings that are averaged, where there is one.
    pub(super) fn averaged(&self) -> Option<&str> {
        Some(self.templates.as_str()).filter(|t| *t != "none")
    }
}
