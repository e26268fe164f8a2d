use std::collections::HashSet;
use std::process::ExitCode;

use clap::Args;

use super::args::Common;
use super::embedder;
use super::failure::Failure;
use super::output::{count, library, print, shown};
use crate::embed::{Views, crop};
use crate::index::Reader;
use crate::media::frame_at;
use crate::types::timecode;

/// The same picture reached by seeking, embedded again: a neighbouring frame of a moving scene lies
/// lower.
const SAME: f32 = 0.97;

/// Check that the library's times land on the frames it saw
///
/// Takes a random sample of moments, seeks in their videos to the time a player would, embeds the frame
/// found there and compares it with what is stored. Exits with 1 where one differs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  vsearch verify
  vsearch verify --sample 1000")]
pub(super) struct VerifyArgs {
    /// Moments to check
    #[arg(long, value_name = "N", default_value_t = 100)]
    sample: u32,
}

pub(super) fn run(common: &Common, args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let dir = library(common)?;
    let reader = Reader::open(&dir)?;
    let own = reader.model_names()?.into_iter().next();
    let embedder = embedder::open(common, None, own.as_deref())?;
    let Some(model) = reader.model(embedder.fingerprint())? else {
        return Err(Failure::new("the library has no vectors yet")
            .hint("index some videos first: vsearch index FOLDER"));
    };
    let sample = reader.random_vectors(model.id, args.sample as usize)?;
    let (mut worst, mut differ, mut unreadable) = (1.0f32, 0, 0);
    let mut videos = HashSet::new();
    for (id, stored) in &sample {
        let Some(row) = reader.moment_of(*id)? else {
            continue;
        };
        let Some(video) = reader.video(row.video)? else {
            continue;
        };
        let seconds = row.time.seconds();
        let frame = match frame_at(&video.path, video.stream, seconds) {
            Ok(frame) => frame,
            Err(e) => {
                unreadable += 1;
                note!("{e}");
                continue;
            }
        };
        videos.insert(row.video);
        let part = match row.view {
            Some(view) => crop(&frame, view),
            None if video.sampling.ends_with(&Views::Fit.to_string()) => {
                let mut views = Views::Fit.of(frame, embedder.as_ref());
                views.remove(0).pixels
            }
            None => frame,
        };
        let again = embedder.embed_images(&[part])?;
        let similarity = again.first().map_or(0.0, |v| v.similarity(stored));
        worst = worst.min(similarity);
        if similarity < SAME {
            differ += 1;
            note!(
                "differs: {} at {} (similarity {similarity:.3})",
                shown(&video.path),
                timecode(seconds)
            );
        }
    }
    print(&format!(
        "{} checked in {}: {differ} differ, {unreadable} could not be read, worst similarity {worst:.4}\n",
        count(sample.len(), "moment"),
        count(videos.len(), "video")
    ))?;
    Ok(match differ + unreadable {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(1),
    })
}
