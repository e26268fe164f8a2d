//! Consecutive matching frames of one video → one moment.

use std::collections::HashMap;

use crate::store::MomentRow;
use crate::types::{VectorId, VideoId};

/// A neighbour scoring at least this share of the best of its stretch belongs to it (below zero: no more than so
/// much less).
const CONTINUITY: f64 = 0.8;

/// Seconds between the end of one moment and the start of the next that still touch.
const TOUCHING: f64 = 0.05;

/// A catalogue moment that came up for a query.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) row: MomentRow,
    pub(super) score: f64,
    /// The best of its views, and its cosine; `None` where only words were looked for.
    pub(super) nearest: Option<(VectorId, f64)>,
    /// The greatest cosine of any view with each thing that is not wanted and which view that is, and what they
    /// took off.
    pub(super) unwanted: Vec<(f64, usize)>,
    pub(super) penalty: f64,
    /// What words added to the score, and the passage that holds them.
    pub(super) words: Option<(f64, String)>,
}

/// A stretch of one video, known by its best frame.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) best: Candidate,
    /// Seconds.
    pub(super) start: f64,
    pub(super) end: f64,
}

/// Merges candidates, given best first. From each best frame the stretch grows both ways while
/// the next moment touches it and scores nearly as well.
pub(super) fn merge(candidates: Vec<Candidate>) -> Vec<Merged> {
    let mut by_video: HashMap<VideoId, Vec<usize>> = HashMap::new();
    for (i, c) in candidates.iter().enumerate() {
        by_video.entry(c.row.video).or_default().push(i);
    }
    for frames in by_video.values_mut() {
        frames.sort_by_key(|&i| candidates[i].row.start);
    }
    let mut places = vec![0; candidates.len()];
    for frames in by_video.values() {
        for (place, &i) in frames.iter().enumerate() {
            places[i] = place;
        }
    }
    let mut used = vec![false; candidates.len()];
    let mut out = Vec::new();
    for (i, best) in candidates.iter().enumerate() {
        if used[i] {
            continue;
        }
        used[i] = true;
        let frames = &by_video[&best.row.video];
        let at = places[i];
        let mut start = best.row.start.seconds();
        let mut end = best.row.end.seconds();
        let least = best.score - (1.0 - CONTINUITY) * best.score.abs();
        let belongs = |used: &[bool], j: usize| !used[j] && candidates[j].score >= least;
        for &j in &frames[at + 1..] {
            let row = &candidates[j].row;
            if !belongs(&used, j) || row.start.seconds() - end > TOUCHING {
                break;
            }
            used[j] = true;
            end = end.max(row.end.seconds());
        }
        for &j in frames[..at].iter().rev() {
            let row = &candidates[j].row;
            if !belongs(&used, j) || start - row.end.seconds() > TOUCHING {
                break;
            }
            used[j] = true;
            start = start.min(row.start.seconds());
        }
        out.push(Merged {
            best: best.clone(),
            start,
            end,
        });
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::types::{MomentId, TimeBase, Timestamp};

    pub(in crate::search) fn candidate(video: i64, start: i64, score: f64) -> Candidate {
        let at = |s| Timestamp::new(s, TimeBase::new(1, 1).unwrap());
        let row = MomentRow {
            moment: MomentId(start),
            video: VideoId(video),
            time: at(start),
            start: at(start),
            end: at(start + 2),
            region: None,
        };
        Candidate {
            row,
            score,
            nearest: Some((VectorId(start), score)),
            unwanted: Vec::new(),
            penalty: 0.0,
            words: None,
        }
    }

    fn stretches(candidates: Vec<Candidate>) -> Vec<(i64, f64, f64, f64)> {
        let merged = merge(candidates).into_iter();
        merged
            .map(|m| {
                (
                    m.best.row.video.0,
                    m.start,
                    m.best.row.time.seconds(),
                    m.end,
                )
            })
            .collect()
    }

    #[test]
    fn touching_frames_become_one_moment_around_the_best() {
        let c = vec![
            candidate(1, 4, 0.9),
            candidate(1, 2, 0.8),
            candidate(2, 0, 0.8),
            candidate(1, 6, 0.75),
            candidate(1, 20, 0.74),
        ];
        assert_eq!(
            stretches(c),
            [
                (1, 2.0, 4.0, 8.0),
                (2, 0.0, 0.0, 2.0),
                (1, 20.0, 20.0, 22.0)
            ]
        );
    }

    #[test]
    fn below_zero_neighbours_belong_as_well() {
        let c = vec![
            candidate(1, 2, -0.5),
            candidate(1, 0, -0.5),
            candidate(1, 4, -0.9),
        ];
        assert_eq!(stretches(c), [(1, 0.0, 2.0, 4.0), (1, 4.0, 4.0, 6.0)]);
    }

    #[test]
    fn a_stretch_ends_where_the_score_falls() {
        let c = vec![
            candidate(1, 0, 0.9),
            candidate(1, 4, 0.85),
            candidate(1, 2, 0.3),
        ];
        assert_eq!(
            stretches(c),
            [(1, 0.0, 0.0, 2.0), (1, 4.0, 4.0, 6.0), (1, 2.0, 2.0, 4.0)]
        );
    }
}
