//! How well queries find what is known to be there: moment recall@k and mean reciprocal rank; and how
//! well their confidence tells what is there from what is not.
//!
//! A query is found at k when one of its first k hits lies in the right file and inside, or
//! within a second of, one of its intervals.

use serde::{Deserialize, Serialize};

use super::{Answer, Hit};

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

/// Rank of the first hit that is right, from 1; `None` where none is. `is_file` tells whether
/// a hit lies in the right file.
pub fn rank(hits: &[Hit], truth: &TruthQuery, is_file: impl Fn(&Hit) -> bool) -> Option<usize> {
    let right = |hit: &&Hit| {
        let inside = |[start, end]: &[f64; 2]| {
            (start - SLACK_SECONDS..=end + SLACK_SECONDS).contains(&hit.time)
        };
        is_file(hit) && truth.intervals.iter().any(inside)
    };
    hits.iter().find(right).map(|hit| hit.rank)
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
}

pub fn scores(ranks: &[Option<usize>]) -> Scores {
    let mean = |f: &dyn Fn(usize) -> f64| {
        let sum: f64 = ranks.iter().flatten().map(|&r| f(r)).sum();
        (sum / ranks.len().max(1) as f64 * 1e4).round() / 1e4
    };
    let recall = |k: usize| mean(&|r| f64::from(u8::from(r <= k)));
    Scores {
        queries: ranks.len(),
        recall_at_1: recall(1),
        recall_at_5: recall(5),
        recall_at_10: recall(10),
        mean_reciprocal_rank: mean(&|r| 1.0 / r as f64),
    }
}

/// What a query got where what it names is known to be there, or not to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// The greatest, with the similarity and z-score of the same hit.
    pub confidence: f64,
    pub similarity: f64,
    #[serde(rename = "stands_out")]
    pub z_score: f64,
    /// How likely the sentence is about something that can be seen.
    pub seeable: f64,
    /// Hits at the level.
    pub hits: usize,
}

impl Pair {
    /// `None` where there is no hit, or no confidence in it.
    pub fn new(answer: &Answer, minimum: f64) -> Option<Self> {
        let sure = |h: &Hit| h.confidence.unwrap_or(0.0);
        let hits = answer.hits.iter();
        let best = hits.max_by(|a, b| sure(a).total_cmp(&sure(b)))?;
        let parts = &best.parts;
        Some(Self {
            confidence: best.confidence?,
            similarity: parts.similarity?,
            z_score: parts.z_score?,
            seeable: answer.seeable?,
            hits: answer.hits.iter().filter(|h| sure(h) >= minimum).count(),
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
        let sum: f64 = pairs.iter().map(f).sum();
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
    fn scores_count_ranks() {
        let s = scores(&[Some(1), Some(4), None, Some(10)]);
        assert_eq!(
            (s.recall_at_1, s.recall_at_5, s.recall_at_10),
            (0.25, 0.5, 0.75)
        );
        assert_eq!(s.mean_reciprocal_rank, 0.3375);
        assert_eq!(scores(&[]).recall_at_1, 0.0);
    }

    #[test]
    fn present_and_absent_are_told_apart() {
        let pair = |confidence: f64, similarity: f64, hits| Pair {
            confidence,
            similarity,
            z_score: 0.0,
            seeable: 1.0,
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
        assert_eq!(rank(&hits, &truth, in_a), Some(3));
        assert_eq!(rank(&hits[..2], &truth, in_a), None);
    }
}
