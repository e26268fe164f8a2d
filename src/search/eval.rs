//! How well queries find what is known to be there: moment recall@k, mean reciprocal rank and how well the stretch
//! told fits; how many right hits are listed as matches and as guesses; and how well their confidence tells what is
//! there from what is not.
//!
//! A hit is right when it lies in the right file and its best frame inside, or within a second of, an interval of
//! its query. A query is found at k when one of its first k hits is right.

use serde::{Deserialize, Serialize};

use super::{Answer, Hit, rounded};

/// Interval edges are good to about half a second, and sampling adds to it.
const SLACK_SECONDS: f64 = 1.0;

/// Hits asked for each query; a true one further down counts as not found.
pub const DEPTH: usize = 100;

/// One file of a ground truth (docs/formats.md); fields not named here are ignored.
#[derive(Debug, Clone, Deserialize)]
pub struct TruthFile {
    /// Path below the folder of videos.
    pub file: String,
    pub queries: Vec<TruthQuery>,
}

/// A sentence, and where in its file what it names is visible.
#[derive(Debug, Clone, Deserialize)]
pub struct TruthQuery {
    pub query: String,
    /// Seconds from the start of the video.
    pub intervals: Vec<[f64; 2]>,
}

/// Hits a list has where nobody says otherwise.
pub const LISTED: usize = 10;

/// The first right hit of a query.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RightHit {
    /// From 1.
    pub rank: usize,
    #[serde(rename = "match")]
    pub is_match: bool,
    /// Temporal intersection over union of its stretch and the interval it fits best.
    pub iou: f64,
}

/// Whether a hit, in the right file, shows what a query names.
pub fn is_right(hit: &Hit, truth: &TruthQuery) -> bool {
    let inside =
        |[start, end]: &[f64; 2]| (start - SLACK_SECONDS..=end + SLACK_SECONDS).contains(&hit.time);
    truth.intervals.iter().any(inside)
}

/// The first hit that is right; `None` where none is. `is_file` tells whether a hit lies in the right file.
pub fn first_right(
    hits: &[Hit],
    truth: &TruthQuery,
    is_file: impl Fn(&Hit) -> bool,
) -> Option<RightHit> {
    let hit = hits.iter().find(|h| is_file(h) && is_right(h, truth))?;
    let iou = |[start, end]: &[f64; 2]| {
        let shared = (hit.end.min(*end) - hit.start.max(*start)).max(0.0);
        let all = hit.end.max(*end) - hit.start.min(*start);
        if all > 0.0 { shared / all } else { 1.0 }
    };
    Some(RightHit {
        rank: hit.rank,
        is_match: hit.is_match,
        iou: rounded(truth.intervals.iter().map(iou).fold(0.0, f64::max), 4),
    })
}

/// Over all queries.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scores {
    pub queries: usize,
    pub recall_at_1: f64,
    pub recall_at_5: f64,
    pub recall_at_10: f64,
    /// Mean of 1/rank; 0 for what was not found.
    pub mean_reciprocal_rank: f64,
    /// Share of the queries with a right hit among the ten listed: as a match, and as a guess.
    pub right_matches: f64,
    pub right_guesses: f64,
    /// Mean over the queries found at 10.
    pub temporal_iou: f64,
}

pub fn scores(found: &[Option<RightHit>]) -> Scores {
    let sum = |f: &dyn Fn(&RightHit) -> f64| found.iter().flatten().map(f).fold(0.0, |a, b| a + b);
    let share = |f: &dyn Fn(&RightHit) -> bool| {
        rounded(
            sum(&|r| f64::from(u8::from(f(r)))) / found.len().max(1) as f64,
            4,
        )
    };
    let listed = |r: &RightHit| r.rank <= LISTED;
    let fits = sum(&|r| if listed(r) { r.iou } else { 0.0 });
    let count = found.iter().flatten().filter(|r| listed(r)).count();
    Scores {
        queries: found.len(),
        recall_at_1: share(&|r| r.rank <= 1),
        recall_at_5: share(&|r| r.rank <= 5),
        recall_at_10: share(&listed),
        mean_reciprocal_rank: rounded(sum(&|r| 1.0 / r.rank as f64) / found.len().max(1) as f64, 4),
        right_matches: share(&|r| listed(r) && r.is_match),
        right_guesses: share(&|r| listed(r) && !r.is_match),
        temporal_iou: rounded(fits / count.max(1) as f64, 4),
    }
}

/// Hits whose confidence lies in one tenth of all there is, and how many of them are right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Bin {
    pub hits: usize,
    pub right: usize,
    /// Mean of what was said of them.
    pub said: f64,
    /// Share of them that is right; `None` without hits.
    pub share: Option<f64>,
}

/// The ten bins of a reliability diagram, of hits by their confidence and whether they are right.
pub fn reliability(hits: &[(f64, bool)]) -> [Bin; 10] {
    let mut bins = [Bin::default(); 10];
    for (confidence, right) in hits {
        let bin = &mut bins[((confidence * 10.0) as usize).min(9)];
        bin.hits += 1;
        bin.right += usize::from(*right);
        bin.said += confidence;
    }
    for bin in bins.iter_mut().filter(|b| b.hits > 0) {
        bin.said = rounded(bin.said / bin.hits as f64, 3);
        bin.share = Some(rounded(bin.right as f64 / bin.hits as f64, 3));
    }
    bins
}

/// What a query got where what it names is known to be there, or not to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// The greatest, with the similarity and z-score of the same hit.
    pub confidence: f64,
    pub similarity: f64,
    #[serde(rename = "stands_out")]
    pub z_score: f64,
    /// The model can tell whether a picture shows what the sentence says.
    pub told: bool,
    /// Matches.
    #[serde(rename = "matches")]
    pub hits: usize,
}

impl Pair {
    /// `None` where there is no hit, or no confidence in it.
    pub fn new(answer: &Answer) -> Option<Self> {
        let best = answer.hits.first()?;
        let parts = &best.parts;
        Some(Self {
            confidence: best.confidence?,
            similarity: parts.similarity?,
            z_score: parts.z_score?,
            told: answer.untold.is_empty(),
            hits: answer.hits.iter().filter(|h| h.is_match).count(),
        })
    }
}

/// How well confidence tells what is there from what is not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Honesty {
    /// Queries asked where what they name is there, and where it is not.
    pub present: usize,
    pub absent: usize,
    /// How likely a present query's best confidence is greater than an absent one's (ROC AUC; Hanley &
    /// McNeil 1982), and the same of its similarity; `None` where there are no queries of one kind.
    pub auc: Option<f64>,
    pub auc_of_similarity: Option<f64>,
    /// Share of present queries with a hit at the level.
    pub kept: f64,
    /// Hits at the level for each absent query, and the share of these that get any.
    pub false_hits: f64,
    #[serde(rename = "fooled")]
    pub false_positive_rate: f64,
}

/// `None` without any query.
pub fn honesty(present: &[Pair], absent: &[Pair]) -> Option<Honesty> {
    let share = |pairs: &[Pair], f: &dyn Fn(&Pair) -> f64| {
        let sum = pairs.iter().map(f).fold(0.0, |a, b| a + b);
        (sum / pairs.len().max(1) as f64 * 1e4).round() / 1e4
    };
    let both = !present.is_empty() && !absent.is_empty();
    let auc = |of: &dyn Fn(&Pair) -> f64| {
        let beaten = |p: &Pair| {
            share(absent, &|a| match of(p).total_cmp(&of(a)) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            })
        };
        both.then(|| share(present, &beaten))
    };
    let any = |p: &Pair| f64::from(u8::from(p.hits > 0));
    (!present.is_empty() || !absent.is_empty()).then(|| Honesty {
        present: present.len(),
        absent: absent.len(),
        auc: auc(&|p| p.confidence),
        auc_of_similarity: auc(&|p| p.similarity),
        kept: share(present, &any),
        false_hits: share(absent, &|p| p.hits as f64),
        false_positive_rate: share(absent, &any),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_count_ranks_and_fits() {
        let right = |rank, is_match, iou| {
            Some(RightHit {
                rank,
                is_match,
                iou,
            })
        };
        let s = scores(&[
            right(1, true, 0.5),
            right(4, false, 1.0),
            None,
            right(10, false, 0.0),
        ]);
        assert_eq!(
            (s.recall_at_1, s.recall_at_5, s.recall_at_10),
            (0.25, 0.5, 0.75)
        );
        assert_eq!(s.mean_reciprocal_rank, 0.3375);
        assert_eq!(
            (s.right_matches, s.right_guesses, s.temporal_iou),
            (0.25, 0.5, 0.5)
        );
        assert_eq!(scores(&[]).recall_at_1, 0.0);
    }

    #[test]
    fn what_was_said_is_held_against_what_was_right() {
        let bins = reliability(&[(0.82, true), (0.88, false), (1.0, true), (0.0, false)]);
        assert_eq!((bins[8].hits, bins[8].share), (2, Some(0.5)));
        assert_eq!(bins[8].said, 0.85);
        assert_eq!((bins[9].right, bins[0].share), (1, Some(0.0)));
        assert_eq!(bins[5].share, None);
    }

    #[test]
    fn present_and_absent_are_told_apart() {
        let pair = |confidence: f64, similarity: f64, hits| Pair {
            confidence,
            similarity,
            z_score: 0.0,
            told: true,
            hits,
        };
        let present = [pair(0.9, 0.2, 2), pair(0.3, 0.3, 0)];
        let absent = [pair(0.1, 0.1, 0), pair(0.5, 0.3, 1)];
        let h = honesty(&present, &absent).unwrap();
        assert_eq!((h.auc, h.auc_of_similarity), (Some(0.75), Some(0.625)));
        assert_eq!(honesty(&[], &absent).unwrap().auc, None);
        assert_eq!(
            (h.kept, h.false_hits, h.false_positive_rate),
            (0.5, 0.5, 0.5)
        );
        assert_eq!(honesty(&[], &[]), None);
    }

    #[test]
    fn a_hit_must_lie_in_the_file_and_the_interval() {
        let hit = |rank, video: &str, time| Hit {
            rank,
            ..crate::search::tests::hit(video, time)
        };
        let truth = TruthQuery {
            query: "q".into(),
            intervals: vec![[10.0, 12.0]],
        };
        let hits = [hit(1, "b", 11.0), hit(2, "a", 8.9), hit(3, "a", 12.9)];
        let in_a = |h: &Hit| h.video.ends_with("a");
        let right = first_right(&hits, &truth, in_a).unwrap();
        assert_eq!((right.rank, right.is_match), (3, true));
        assert_eq!(first_right(&hits[..2], &truth, in_a), None);
        let long = Hit {
            start: 11.0,
            end: 15.0,
            ..hit(1, "a", 12.0)
        };
        let right = first_right(&[long], &truth, in_a).unwrap();
        assert_eq!(right.iou, 0.2);
    }
}
