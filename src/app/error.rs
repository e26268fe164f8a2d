//! An error on its way to the user, whatever face they see: of what kind it is, what happened, why, and
//! what to do next.

mod store;

use std::error::Error as Cause;
use std::fmt;

use crate::analyse::{DetectorError, OnlookerError};
use crate::embed::clip::ClipError;
use crate::embed::{EmbedError, TemplateError};
use crate::ingest::IngestError;
use crate::media::MediaError;
use crate::models::HubError;
use crate::search::{RequestError, SearchError};
use crate::store::{FilterError, ObjectFilterError, StoreError};

/// Who can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was asked cannot be done; another request can.
    User,
    /// The machine: a disk, a permission, a device, the network, another program.
    Environment,
    /// A file is not what it should be: a video, a model, the library.
    Data,
    /// vsearch is wrong.
    Bug,
}

impl Kind {
    /// Of a program that ends with it. Scripts tell hits (0), none (1) and errors (2) apart, as grep's; a bug
    /// ends as a panic does.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::User | Self::Environment | Self::Data => 2,
            Self::Bug => 101,
        }
    }
}

/// What happened, and what to do next.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    cause: Box<dyn Cause + Send + Sync>,
    hints: Vec<String>,
}

impl Error {
    pub fn new(kind: Kind, cause: impl Into<Box<dyn Cause + Send + Sync>>) -> Self {
        Self {
            kind,
            cause: cause.into(),
            hints: Vec::new(),
        }
    }

    /// Something else has to be asked for.
    pub fn user(cause: impl Into<Box<dyn Cause + Send + Sync>>) -> Self {
        Self::new(Kind::User, cause)
    }

    /// A file is not what it should be.
    pub fn data(cause: impl Into<Box<dyn Cause + Send + Sync>>) -> Self {
        Self::new(Kind::Data, cause)
    }

    /// The machine is in the way.
    pub fn environment(cause: impl Into<Box<dyn Cause + Send + Sync>>) -> Self {
        Self::new(Kind::Environment, cause)
    }

    /// Adds a line saying what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Lines that say what to do next.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// What caused it, and what caused that, the outermost left out where it already says so.
    pub fn causes(&self) -> Vec<String> {
        let mut shown = self.cause.to_string();
        let mut causes = Vec::new();
        let mut cause = self.cause.source();
        while let Some(e) = cause {
            let text = e.to_string();
            if !shown.contains(&text) {
                causes.push(text.clone());
            }
            shown = text;
            cause = e.source();
        }
        causes
    }

    /// The reader of our output has gone (`vsearch query … | head`): nothing went wrong.
    pub fn is_broken_pipe(&self) -> bool {
        let io = self.cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// Another vsearch is writing: it will pass.
    pub fn is_busy(&self) -> bool {
        let store = self.cause.downcast_ref::<StoreError>();
        store.is_some_and(|e| matches!(e, StoreError::Busy { .. }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)
    }
}

impl From<std::io::Error> for Error {
    fn from(cause: std::io::Error) -> Self {
        Self::environment(cause)
    }
}

impl Error {
    fn maybe_hint(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }
}

impl From<IngestError> for Error {
    fn from(cause: IngestError) -> Self {
        match cause {
            IngestError::Store(e) => e.into(),
            IngestError::Embed(e) => e.into(),
            IngestError::Onlooker(OnlookerError::Detector(e)) => e.into(),
            IngestError::Onlooker(OnlookerError::Ocr(e)) => Self::new(Kind::Bug, e),
            cause @ IngestError::Threads(_) => Self::environment(cause),
        }
    }
}

impl From<SearchError> for Error {
    fn from(cause: SearchError) -> Self {
        use SearchError as E;
        let moment = "name the moment: --like VIDEO@TIME";
        let hint: String = match cause {
            E::Store(e) => return e.into(),
            E::Embed(e) => return e.into(),
            E::Media(e @ MediaError::PastEnd { .. }) => {
                return Self::from(e).hint("vsearch status shows how far videos go");
            }
            E::Media(e) => return e.into(),
            E::Request(e) => return e.into(),
            E::NoConcept {
                ref name,
                ref known,
                ..
            } => {
                let known: Vec<String> = known.iter().map(|n| quoted(&format!("@{n}"))).collect();
                let there = (!known.is_empty()).then(|| format!("there is {}", known.join(", ")));
                let teach = format!(
                    "teach it: vsearch teach {} --positive VIDEO@TIME",
                    quoted(name)
                );
                return Self::user(cause).maybe_hint(there).hint(teach);
            }
            E::NoVectors { ref available, .. } => match available.first() {
                Some(name) => format!("name one that is there: --model {}", quoted(name)),
                None => "index some videos first: vsearch index FOLDER".into(),
            },
            E::NoLastHits | E::NoSuchMoment { .. } => moment.into(),
            E::HitOfOtherModel { ref model, .. } => {
                format!("ask with {model} again, then name the hit")
            }
            E::NoSuchHit { .. } => {
                "name one of them, a hit by its id, as m17, or a moment: --like VIDEO@TIME".into()
            }
        };
        Self::user(cause).hint(hint)
    }
}

impl From<RequestError> for Error {
    fn from(cause: RequestError) -> Self {
        use RequestError as E;
        let hint = match &cause {
            E::EmptySentence => SAY_SOMETHING.into(),
            E::NoWords => "say which: vsearch query --text \"gate 3\"".into(),
            E::Weight { text, weight } if *weight < 0.0 => {
                format!(
                    "what is not wanted: --not {}",
                    quoted(&format!("{text}:{}", -weight))
                )
            }
            E::Weight { text, .. } => format!("as in {}", quoted(&format!("{text}:0.5"))),
            E::NothingWanted { unwanted } => {
                format!(
                    "say both: vsearch query \"a street\" --not {}",
                    quoted(unwanted)
                )
            }
            E::Contradiction { .. } => "take one of the two out".into(),
            E::Unbalanced { most, least, .. } => {
                format!(
                    "give weights nearer to one another, as {} and {}",
                    quoted(&format!("{most}:1")),
                    quoted(&format!("{least}:0.5"))
                )
            }
            E::NoSuchFile { .. } => "name a file, or a video and a time: gate.mp4@00:01:30".into(),
            E::NotATime { video, .. } => {
                format!(
                    "give seconds or a timecode: {}",
                    quoted(&format!("{video}@00:01:30.5"))
                )
            }
        };
        Self::user(cause).hint(hint)
    }
}

impl From<FilterError> for Error {
    fn from(cause: FilterError) -> Self {
        let hint = match &cause {
            FilterError::Glob { .. } => "quote it, as in --in '*gate*'",
            FilterError::Time { .. } => "as in --after 2024-05-01 or --after '2024-05-01 22:00'",
            FilterError::Between { .. } => "as in --between 22:00..06:00",
            FilterError::Empty { .. } => "swap --after and --before",
        };
        Self::user(cause).hint(hint)
    }
}

impl From<ObjectFilterError> for Error {
    fn from(cause: ObjectFilterError) -> Self {
        use ObjectFilterError as E;
        let hint = match &cause {
            E::Class { nearest, .. } | E::Colour { nearest, .. } => {
                format!("the nearest known: {}", nearest.join(", "))
            }
            E::Form { .. } => {
                "as in --object person, --object car=white or --object \"person upper=blue\"".into()
            }
            E::Count { .. } => "as in --count \"person>=3\" or --count car=0".into(),
            E::NoGarments { class } => {
                format!("as in --object {}", quoted(&format!("{class}=white")))
            }
        };
        Self::user(cause).hint(hint)
    }
}

impl From<DetectorError> for Error {
    fn from(cause: DetectorError) -> Self {
        use DetectorError as E;
        let hint =
            "leave --detector out for the built-in one; docs/objects.md says what a file must hold";
        match &cause {
            E::Unreadable { .. } | E::NotOnnx { .. } | E::OtherFamily { .. } => {
                Self::data(cause).hint(hint)
            }
            E::Damaged(_) | E::Resize(_) | E::Failed(_) => Self::new(Kind::Bug, cause),
        }
    }
}

impl From<MediaError> for Error {
    fn from(cause: MediaError) -> Self {
        use MediaError as E;
        match cause {
            E::NoWorker { .. } => Self::environment(cause),
            E::OtherVersion { .. } => {
                Self::environment(cause).hint("start it again, so that it is of one version")
            }
            E::PastEnd { .. } | E::NoSuchStream { .. } => Self::user(cause),
            _ => Self::data(cause),
        }
    }
}

/// As a POSIX shell reads it back, whatever it holds: what is printed to be pasted must not run anything else.
pub fn quoted(text: &str) -> String {
    // Only a zero byte cannot be quoted, and no argument can hold one.
    shlex::try_quote(text).map_or_else(|_| String::new(), Into::into)
}

const SAY_SOMETHING: &str = "say what to look for: vsearch query \"a person riding a bicycle\"";

impl From<EmbedError> for Error {
    fn from(cause: EmbedError) -> Self {
        use EmbedError as E;
        match &cause {
            E::EmptyText => Self::user(cause).hint(SAY_SOMETHING),
            E::NoDirection => Self::user(cause),
            E::Picture { path, .. } | E::EmptyPicture { path } => {
                let hint = format!(
                    "of a video, name the time as well: --image {}",
                    quoted(&format!("{}@12.5", path.display()))
                );
                Self::user(cause).hint(hint)
            }
            E::LargePicture { .. } => Self::user(cause)
                .hint("make it smaller: no model sees more than a thousand pixels a side"),
            E::NoDevice { .. } => Self::environment(cause).hint(
                "leave --device out, or say --device cpu; docs/gpu.md tells how to build for a GPU",
            ),
            E::Clip(ClipError::Int8 { .. }) => {
                Self::user(cause).hint("say --device cpu, which computes in f32")
            }
            E::SelfTest { model, .. } => {
                let hint = format!(
                    "nothing was written; check the model's files: vsearch model verify {}",
                    quoted(model)
                );
                Self::data(cause).hint(hint)
            }
            _ => Self::data(cause),
        }
    }
}

impl From<HubError> for Error {
    fn from(cause: HubError) -> Self {
        let kind = match &cause {
            HubError::NoSuchModel { .. } | HubError::NotThere { .. } => Kind::User,
            HubError::NoModel { .. }
            | HubError::Pickle { .. }
            | HubError::Changed { .. }
            | HubError::Checksum { .. } => Kind::Data,
            _ => Kind::Environment,
        };
        let hint: String = match &cause {
            HubError::NoSuchModel { .. } => "see which there are: vsearch model list".into(),
            HubError::Offline { .. } => {
                "unset HF_HUB_OFFLINE, or name a folder: --model DIR".into()
            }
            HubError::Forbidden { .. } => {
                "accept the model's terms on the hub, then set HF_TOKEN to a token of yours".into()
            }
            HubError::NotThere { .. } => "check the name, and HF_ENDPOINT where it is set".into(),
            HubError::Refused { .. } | HubError::Broken { .. } | HubError::Checksum { .. } => {
                "try again later; what has come is kept. Behind a proxy set HTTPS_PROXY, for a \
                 mirror HF_ENDPOINT"
                    .into()
            }
            HubError::NoModel { .. } => {
                "it must hold open_clip_config.json and open_clip_model.safetensors, or \
                 config.json and model.safetensors"
                    .into()
            }
            HubError::Pickle { repository, .. } => format!(
                "some repositories have safetensors on a branch: vsearch model pull \
                 {repository}@refs/pr/1; or convert it and name the folder: --model DIR"
            ),
            HubError::Changed { path } => {
                format!("delete {} and pull the model again", path.display())
            }
            HubError::Locked { .. } => "wait for it to end, then try again".into(),
            HubError::DiskFull { .. } => {
                "make room, or name another place: HF_HOME=DIR vsearch model pull NAME".into()
            }
            HubError::Io { .. } => "check the folder; HF_HOME=DIR names another".into(),
        };
        Self::new(kind, cause).hint(hint)
    }
}

impl From<TemplateError> for Error {
    fn from(cause: TemplateError) -> Self {
        Self::user(cause).hint("as in --templates cctv, or a file with lines as: a photo of {}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_decide_exit_codes_and_hints_say_what_to_type() {
        let dir = std::path::PathBuf::from("/lib");
        let busy = StoreError::Busy {
            dir: dir.clone(),
            process: Some(7),
        };
        let busy = Error::from(IngestError::Store(busy));
        assert!(busy.is_busy() && busy.kind() == Kind::Environment);
        assert!(busy.to_string().contains("process 7"));
        let none = Error::from(SearchError::Store(StoreError::NoLibrary { dir }));
        assert_eq!((none.kind(), none.kind().exit_code()), (Kind::User, 2));
        assert!(none.hints()[0].contains("vsearch index FOLDER"));
        let odd = Error::from(RequestError::NotATime {
            video: "a.mp4".into(),
            text: "x".into(),
        });
        assert!(odd.hints()[0].contains("a.mp4@00:01:30.5"));
        assert_eq!(quoted("it is $(x)"), "'it is $(x)'");
        assert_eq!(Kind::Bug.exit_code(), 101);
    }

    #[test]
    fn causes_that_say_something_new_are_told() {
        let file = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let error = Error::from(StoreError::Folder {
            dir: "/lib".into(),
            cause: file,
        });
        assert!(error.causes().is_empty(), "{:?}", error.causes());
    }
}
