//! The library's contract: what is written and read, as plain rows; filters as data; errors. Nothing
//! here ranks, decodes or embeds.
//!
//! A [`Library`] is a place. Its [`Writer`] changes what is there, one at a time; a [`ModelWriter`]
//! adds one model's vectors; many [`Reader`]s answer meanwhile, each of one state. `sqlite/` keeps
//! all of it in a folder.

mod clock;
mod error;
mod filter;
mod objects;
mod rows;
pub mod sqlite;
mod stamp;

pub use clock::{CameraClock, zone_from_text, zone_to_text};
pub use error::StoreError;
pub use filter::{FROM_FILE, Filter, FilterError, Pattern, Searched, Selection};
pub use objects::{ObjectFilter, ObjectFilterError};
pub use rows::{
    CameraRow, CameraVideos, Concept, Finding, Fingerprints, Found, GraphProgress, Known, Lacking,
    LackingMoment, LaterSeen, Match, Method, ModelRow, MomentRow, MomentVectors, Neighbour,
    NewModel, NewMoment, NewText, Note, ObjectCount, Passage, ReadLettering, Reading, Recorded,
    RecordedVideo, SeenObjects, SidecarTrouble, TextKind, VideoRecord, VideoRef, VideoRow,
};
pub use sqlite::{
    GRAPH_FROM, Library, ModelWriter, Reader, Thumbnails, Writer, misread, of_this_user, words_held,
};
pub use stamp::{FileStamp, content_digest};
