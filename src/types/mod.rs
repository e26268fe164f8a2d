//! Words every room shares: ids, time, pictures, vectors, things, lettering, and what was seen. No I/O, no format of a
//! file or of a message.

mod coverage;
mod embedding;
mod id;
mod lettering;
mod object;
mod pixels;
mod region;
mod text;
mod time;

pub use coverage::Coverage;
pub use embedding::{Embedding, ViewVectors};
pub use id::{Generation, ModelId, MomentId, VectorId, VideoId};
pub use lettering::TextLine;
pub use object::{Claim, Class, Colour, Colours, Object, Relation, Relative, Shares, relations};
pub use pixels::{MOST_PIXELS, Pixels};
pub use region::Region;
pub use text::is_unseen;
pub use time::{TimeBase, Timestamp, timecode};
