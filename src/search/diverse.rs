//! Hits that differ from one another.

use std::collections::HashMap;

use super::SearchError;
use super::candidates::Search;
use super::events::Event;
use crate::types::{Embedding, MomentId};

/// How much the score counts beside novelty (the λ of maximal marginal relevance).
const RELEVANCE: f64 = 0.7;
/// Moments of different videos as similar as this show the same.
const NEAR_DUPLICATE: f32 = 0.98;

impl Search<'_> {
    /// Up to `limit` of the events that differ from one another, with how many more are like each.
    pub(super) fn diverse(
        &self,
        events: Vec<Event>,
        limit: usize,
    ) -> Result<Vec<(Event, usize)>, SearchError> {
        let nearest = events.iter().filter_map(|e| e.best.nearest);
        let ids: Vec<_> = nearest.map(|(id, _)| id).collect();
        let mut vectors = self.reader.vectors(&ids)?;
        let said = events.iter().filter(|e| e.best.nearest.is_none());
        let said: Vec<MomentId> = said.map(|e| e.best.row.moment).collect();
        let views = self.reader.vectors_of(&self.model, &said)?.into_iter();
        let first =
            |(moment, views): (MomentId, Vec<Embedding>)| Some((moment, views.into_iter().next()?));
        let first_views: HashMap<MomentId, Embedding> = views.filter_map(first).collect();
        let with_vector = events.into_iter().filter_map(|event| {
            let vector = match event.best.nearest {
                Some((vector, _)) => vectors.remove(&vector),
                None => first_views.get(&event.best.row.moment).cloned(),
            };
            Some((event, vector?))
        });
        Ok(diversify(with_vector.collect(), limit))
    }
}

/// Takes up to `limit` moments, given best first with their vectors, by maximal marginal relevance
/// (Carbonell & Goldstein 1998): each time the one that scores well and is least like those taken. Near
/// duplicates in other videos are counted with the first of them. Returns the moments with how many more are
/// like each.
fn diversify(moments: Vec<(Event, Embedding)>, limit: usize) -> Vec<(Event, usize)> {
    let mut kept: Vec<(Event, Embedding, usize)> = Vec::new();
    for (moment, vector) in moments {
        let video = moment.best.row.video;
        let same = kept
            .iter_mut()
            .find(|(m, v, _)| m.best.row.video != video && v.similarity(&vector) >= NEAR_DUPLICATE);
        match same {
            Some((.., count)) => *count += 1,
            None => kept.push((moment, vector, 0)),
        }
    }
    let score = |e: &Event| e.worth();
    let best = kept.first().map_or(0.0, |(m, ..)| score(m));
    let range = best - kept.last().map_or(0.0, |(m, ..)| score(m));
    let relevance = |m: &Event| match range > 0.0 {
        true => 1.0 - (best - score(m)) / range,
        false => 1.0,
    };
    let mut taken: Vec<(Event, usize)> = Vec::new();
    // How similar each is to the nearest of those taken.
    let mut nearest = vec![0f64; kept.len()];
    while taken.len() < limit && !kept.is_empty() {
        // Of equals the first: it scores best.
        let mut next = (0, f64::NEG_INFINITY);
        for (i, ((moment, ..), nearest)) in kept.iter().zip(&nearest).enumerate() {
            let worth = RELEVANCE * relevance(moment) - (1.0 - RELEVANCE) * nearest;
            if worth > next.1 {
                next = (i, worth);
            }
        }
        let (moment, vector, near_duplicates) = kept.remove(next.0);
        nearest.remove(next.0);
        for ((_, other, _), nearest) in kept.iter().zip(&mut nearest) {
            *nearest = nearest.max(f64::from(other.similarity(&vector)));
        }
        taken.push((moment, near_duplicates));
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::events::tests::candidate;

    fn moment(video: i64, score: f64, direction: [f32; 2]) -> (Event, Embedding) {
        let best = candidate(video, video * 100 + (score * 50.0) as i64, score);
        (
            Event::new(best, 0.0, 1.0),
            Embedding::normalised(direction.to_vec()).unwrap(),
        )
    }

    fn videos(taken: &[(Event, usize)]) -> Vec<(i64, usize)> {
        let ids = taken.iter().map(|(m, n)| (m.best.row.video.0, *n));
        ids.collect()
    }

    #[test]
    fn duplicates_in_other_videos_are_counted() {
        let pool = vec![
            moment(1, 0.9, [1.0, 0.0]),
            moment(2, 0.8, [1.0, 0.001]),
            moment(3, 0.7, [0.0, 1.0]),
        ];
        assert_eq!(videos(&diversify(pool, 10)), [(1, 1), (3, 0)]);
    }

    #[test]
    fn what_is_new_comes_before_more_of_the_same() {
        let pool = vec![
            moment(1, 0.9, [1.0, 0.0]),
            moment(1, 0.88, [1.0, 0.1]),
            moment(2, 0.8, [0.0, 1.0]),
            moment(3, 0.2, [-1.0, 0.0]),
        ];
        let taken = diversify(pool, 2);
        assert_eq!(videos(&taken), [(1, 0), (2, 0)]);
    }
}
