//! One session with a library: what every face of vsearch is a few lines over. A [`Session`] owns what it
//! opens, and may be shared by threads.

mod camera;
mod error;
mod evaluate;
mod frame;
mod index;
pub mod json;
mod label;
mod models;
mod onlookers;
mod paths;
mod query;
mod reembed;
mod remove;
mod session;
mod status;
mod teach;
mod verify;

pub use camera::ClockChange;
pub use error::{Error, Kind, quoted};
pub use evaluate::{Evaluation, EvaluationRequest, Told, read_truth};
pub use frame::{Picture, picture_of};
pub use index::{IndexRequest, Indexer};
pub use label::{LabelRequest, Labelled, Labels};
pub use models::{default_model, model_cards, open_model};
pub use onlookers::{DetectorChoice, OnlookerChoice};
pub use paths::{real_glob, real_path};
pub use query::{Found, Judging, Query, Reply};
pub use reembed::{ReembedRequest, Reembedding};
pub use remove::Removal;
pub use session::{PooledReader, Session, Settings};
pub use status::{Status, Summary, trouble};
pub use teach::TeachRequest;
pub use verify::{Verified, VerifyEvent};
