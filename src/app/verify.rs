//! Whether stored times land on the frames that were seen.

use std::collections::HashSet;
use std::path::Path;

use super::{Error, Session};
use crate::analyse::{Views, crop};
use crate::media::{Choice, Limits, MediaError, frame_at};

/// The same picture reached by seeking, embedded again: a neighbouring frame of a moving scene lies
/// lower.
const SAME: f32 = 0.97;

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
    Unreadable(MediaError),
}

impl Session {
    /// Seeks to so many moments, taken at random, embeds the frames found there and compares.
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
            };
            let frame = match frame_at(&video.path, choice, seconds) {
                Ok(frame) => frame,
                Err(e) => {
                    verified.unreadable += 1;
                    report(VerifyEvent::Unreadable(e));
                    continue;
                }
            };
            videos.insert(row.video);
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
