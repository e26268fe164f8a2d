//! Words in paths, cameras, tags, notes and subtitles, alone or beside pictures.

use std::collections::{HashMap, HashSet};

use super::merge::{Candidate, Merged};
use crate::store::{Match, MomentRow, Reader, Selection, StoreError};
use crate::types::{Timestamp, VideoId};

/// Where all candidates look alike, words still tell them apart.
const LEAST_SPREAD: f64 = 0.01;
/// Moments looked at to find one in scope.
const TRIED: usize = 10_000;

/// The moments that passages are about, best first: for subtitles the span they are shown, for words of
/// a whole video its first moment.
pub(super) fn words_alone(
    reader: &Reader,
    matches: &[Match],
    selection: &Selection,
    limit: usize,
) -> Result<Vec<Merged>, StoreError> {
    let inside =
        |row: &MomentRow| selection.holds(row.video, row.start.seconds(), row.end.seconds());
    let mut found: Vec<Merged> = Vec::new();
    let mut seen = HashSet::new();
    for matched in matches {
        if found.len() == limit {
            break;
        }
        let passage = &matched.passage;
        let span = passage.span.unwrap_or((0.0, f64::INFINITY));
        let tried = if selection.is_timed() { TRIED } else { 1 };
        let rows = reader.moments_between(passage.video, span, tried)?;
        let Some(mut row) = rows.into_iter().find(inside) else {
            continue;
        };
        // A path and a note may be about the same moment.
        if !seen.insert((row.moment, passage.span.is_some())) {
            continue;
        }
        let score = f64::from(matched.score);
        let whole = (row.start.seconds(), row.end.seconds());
        let (start, end) = passage.span.unwrap_or(whole);
        row.region = None;
        // The frame to look at is the one shown when the words are, not the one that was embedded.
        row.time = row.time.max(Timestamp::from_seconds(start, row.time.base));
        found.push(Merged {
            best: Candidate {
                row,
                score,
                nearest: None,
                unwanted: Vec::new(),
                penalty: 0.0,
                words: Some((score, passage.text.clone())),
            },
            start,
            end,
        });
    }
    Ok(found)
}

/// Adds to the score of each candidate what the best passage about it counts, and sorts them again.
pub(super) fn fuse(candidates: &mut Vec<Candidate>, matches: &[Match], weight: f64) {
    let mut seen = HashSet::new();
    candidates.retain(|c| seen.insert(c.row.moment));
    let mut sorted: Vec<f64> = candidates.iter().map(|c| c.score).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let spread = sorted.last().map_or(0.0, |best| best - middle);
    let spread = spread.max(LEAST_SPREAD);
    let most = matches
        .iter()
        .map(|m| m.score)
        .fold(f32::MIN_POSITIVE, f32::max);
    let mut by_video: HashMap<VideoId, Vec<&Match>> = HashMap::new();
    for matched in matches {
        by_video
            .entry(matched.passage.video)
            .or_default()
            .push(matched);
    }
    for candidate in candidates.iter_mut() {
        let about = by_video.get(&candidate.row.video).into_iter().flatten();
        let (start, end) = (candidate.row.start.seconds(), candidate.row.end.seconds());
        let best = about
            .filter(|m| {
                m.passage
                    .span
                    .is_none_or(|(from, to)| from <= end && start <= to)
            })
            .max_by(|a, b| a.score.total_cmp(&b.score));
        if let Some(best) = best {
            let bonus = weight * spread * f64::from(best.score / most);
            candidate.score += bonus;
            candidate.words = Some((bonus, best.passage.text.clone()));
        }
    }
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
}
