//! Whether stored times land on the frames that were seen.

use std::collections::HashSet;
use std::path::Path;

use super::{Error, Session};
use crate::analyse::{Views, crop};
use crate::media::{Choice, FrameReader, Limits, MediaError};

/// The same picture reached by seeking, embedded again: a neighbouring frame of a moving scene lies
/// lower.
const SAME: f32 = 0.97;
/// Seconds by which a stored time may miss the one the file gives for its frame: rounding.
const SAME_TIME: f64 = 0.002;
/// Seconds before a frame from which on it is reached once more where its stamp is doubted.
const RUN_UP: f64 = 3.0;

/// What was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    pub moments: usize,
    pub videos: usize,
    pub differ: usize,
    pub unreadable: usize,
    /// The least cosine of a stored vector and that of the frame found.
    pub worst: f32,
}

/// A moment that is not as it was stored.
#[derive(Debug)]
pub enum VerifyEvent<'a> {
    Differs {
        video: &'a Path,
        seconds: f64,
        similarity: f32,
    },
    /// The file says of the frame found there that it is shown at another time.
    Elsewhere {
        video: &'a Path,
        seconds: f64,
        stamped: f64,
    },
    Unreadable(MediaError),
}

impl Session {
    /// Seeks to so many moments, taken at random, compares their times with what the file itself says of the
    /// frames found there, embeds them and compares these too.
    pub fn verify(
        &self,
        sample: usize,
        report: &mut dyn FnMut(VerifyEvent),
    ) -> Result<Verified, Error> {
        let reader = self.reader()?;
        let embedder = self.answering_model(None, &reader)?;
        let Some(model) = reader.model(embedder.fingerprint())? else {
            return Err(Error::user("the library has no vectors yet")
                .hint("index some videos first: vsearch index FOLDER"));
        };
        let sample = reader.random_vectors(model.id, sample)?;
        let ids: Vec<_> = sample.iter().map(|(id, _)| *id).collect();
        let rows = reader.moments_of(&ids)?;
        let of: Vec<_> = rows.values().map(|row| row.video).collect();
        let refs = reader.videos_by_id(&of)?;
        let mut verified = Verified {
            moments: sample.len(),
            videos: 0,
            differ: 0,
            unreadable: 0,
            worst: 1.0,
        };
        let mut videos = HashSet::new();
        for (id, stored) in &sample {
            let Some(row) = rows.get(id) else {
                continue;
            };
            let Some(video) = refs.get(&row.video) else {
                continue;
            };
            let seconds = row.time.seconds();
            let choice = Choice {
                stream: video.stream,
                pixels: Some(Limits::default().pixels),
                from_start: video.clock_jumps,
            };
            let mut file = FrameReader::new(&video.path, choice, None);
            let frame = match file.frame_at(seconds) {
                Ok((frame, _)) => frame,
                Err(e) => {
                    verified.unreadable += 1;
                    report(VerifyEvent::Unreadable(e));
                    continue;
                }
            };
            videos.insert(row.video);
            if let Some(stamped) = elsewhere(&mut file, seconds) {
                verified.differ += 1;
                report(VerifyEvent::Elsewhere {
                    video: &video.path,
                    seconds,
                    stamped,
                });
                continue;
            }
            let part = match row.region {
                Some(region) => crop(&frame, region),
                None if video.reading.views == Views::Fit.to_string() => {
                    Views::Fit.cut(frame, false).remove(0).pixels
                }
                None => frame,
            };
            let again = embedder.embed_images(&[part])?;
            let similarity = again.first().map_or(0.0, |v| v.similarity(stored));
            verified.worst = verified.worst.min(similarity);
            if similarity < SAME {
                verified.differ += 1;
                report(VerifyEvent::Differs {
                    video: &video.path,
                    seconds,
                    similarity,
                });
            }
        }
        verified.videos = videos.len();
        Ok(verified)
    }
}

/// When the file says that the frame just found at `seconds` is shown, where that is another time.
fn elsewhere(file: &mut FrameReader, seconds: f64) -> Option<f64> {
    let misses = |stamped: &f64| (stamped - seconds).abs() > SAME_TIME;
    file.stamped_at().filter(misses)?;
    // A seek may have led to a frame whose stamp is wrong: those before it tell.
    file.frame_at((seconds - RUN_UP).max(0.0)).ok()?;
    file.frame_at(seconds).ok()?;
    file.stamped_at().filter(misses)
}
