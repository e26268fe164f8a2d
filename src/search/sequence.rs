//! One thing, then another: ordered moments within a time.

use std::collections::{HashMap, HashSet};

use super::{Hit, Options, Question, Search, SearchError, nothing_to_search, rounded};
use crate::embed::Embedder;
use crate::store::{Filter, Reader, Searched};
use crate::types::{MomentId, VideoId};

/// Events of each step among which sequences are looked for, at least and at most.
const AMONG: std::ops::RangeInclusive<usize> = 100..=300;

/// One thing and then another: a hit for each step.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// 1 is the best.
    pub rank: usize,
    /// Mean z-score of its hits.
    pub score: f64,
    /// How likely all its hits are real.
    pub confidence: Option<f64>,
    /// All its hits are matches.
    pub is_match: bool,
    /// Ranked by their step.
    pub steps: Vec<Hit>,
}

/// The sequences that answer a request, best first.
#[derive(Debug, Clone)]
pub struct Sequences {
    pub sequences: Vec<Sequence>,
    /// What was searched, as of the same state of the library.
    pub searched: Searched,
    /// Sentences of which the model cannot tell whether a picture shows them.
    pub untold: Vec<String>,
}

/// On which clock the steps of a sequence follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// That of one video.
    Video,
    /// The wall clock, before one camera; of a video without either, its own.
    Camera,
    /// The wall clock, before whichever camera.
    Anywhere,
}

/// What follows what, and how soon.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a> {
    pub questions: &'a [Question],
    /// Longest time, in seconds, from the end of what answers one question to the start of what answers the next.
    pub within: f64,
    pub line: Line,
}

/// Finds events that answer the first question, each followed by one that answers the next, and so on.
pub fn query_sequence(
    reader: &Reader,
    embedder: &dyn Embedder,
    chain: Chain,
    options: Options,
    filter: &Filter,
) -> Result<Sequences, SearchError> {
    let _snapshot = reader.snapshot()?;
    let Some(search) = Search::open(reader, embedder, filter, options.exact)? else {
        return Ok(Sequences {
            sequences: Vec::new(),
            searched: nothing_to_search(reader, embedder, filter)?,
            untold: Vec::new(),
        });
    };
    let minimum = options.minimum_confidence;
    let questions = chain.questions.iter();
    let steps = questions.map(|q| search.steps(q, chain.line, minimum, filter));
    let steps = steps.collect::<Result<Vec<_>, _>>()?;
    let untold: Vec<String> = steps
        .iter()
        .flat_map(|(_, untold)| untold.clone())
        .collect();
    let steps: Vec<Vec<Step>> = steps.into_iter().map(|(steps, _)| steps).collect();
    let sequence = |chain: Vec<Step>| {
        let worth: f64 = chain.iter().map(|s| s.worth).sum();
        let likely: Option<f64> = chain.iter().map(|s| s.hit.confidence).product();
        Sequence {
            rank: 0,
            score: rounded(worth / chain.len() as f64, 4),
            confidence: likely.map(|c| rounded(c, 3)),
            is_match: chain.iter().all(|s| s.hit.is_match),
            steps: chain.into_iter().map(|s| s.hit).collect(),
        }
    };
    // Chains of matches first; then, of what is left, those with guesses in them.
    let matches = steps
        .iter()
        .map(|s| s.iter().filter(|s| s.hit.is_match).cloned().collect());
    let mut found = chains(matches.collect(), chain.within, options.limit);
    if !options.matches_only {
        let used: HashSet<MomentId> = found.iter().flatten().map(|s| s.hit.moment).collect();
        let left = |steps: Vec<Step>| {
            let unused = steps.into_iter().filter(|s| !used.contains(&s.hit.moment));
            unused.collect()
        };
        let left = steps.into_iter().map(left).collect();
        found.extend(chains(left, chain.within, options.limit - found.len()));
    }
    let mut sequences: Vec<Sequence> = found.into_iter().map(sequence).collect();
    for (n, sequence) in sequences.iter_mut().enumerate() {
        sequence.rank = n + 1;
    }
    Ok(Sequences {
        sequences,
        searched: search.selection.searched,
        untold,
    })
}

impl Search<'_> {
    /// The events that answer one question of a sequence, and its sentences of which the model cannot tell.
    fn steps(
        &self,
        question: &Question,
        line: Line,
        minimum_confidence: f64,
        filter: &Filter,
    ) -> Result<(Vec<Step>, Vec<String>), SearchError> {
        let mut ranked = self.ranked(question, *AMONG.start(), None)?;
        ranked.events.truncate(*AMONG.end());
        let Some(spread) = ranked.spread else {
            return Ok((Vec::new(), ranked.untold));
        };
        let ids = ranked.events.iter().map(|e| e.best.row.video);
        let videos = self.reader.videos_by_id(&ids.collect::<Vec<VideoId>>())?;
        let moments = ranked.events.iter().map(|e| e.best.row.moment);
        let moments: Vec<MomentId> = moments.collect();
        let mut objects = self.reader.objects_of(&moments)?;
        let mut lettering = self.reader.lettering_of(&moments)?;
        let mut steps = Vec::new();
        for event in &ranked.events {
            let Some(video) = videos.get(&event.best.row.video) else {
                continue;
            };
            let time = event.best.row.time.seconds();
            let recorded = filter.clock(video.recorded_ms, video.recorded_from.as_deref());
            let on_clock = recorded.map(|ms| ms as f64 / 1e3 + time);
            let of_video = || Some((format!("video {}", event.best.row.video.0), time));
            let place = match (line, &video.camera, on_clock) {
                (Line::Anywhere, _, clock) => clock.map(|c| (String::new(), c)),
                (Line::Camera, Some(camera), Some(clock)) => {
                    Some((format!("camera {camera}"), clock))
                }
                _ => of_video(),
            };
            let hit = Hit {
                rank: steps.len() + 1,
                is_match: event.confidence.is_none_or(|c| c >= minimum_confidence),
                objects: objects.remove(&event.best.row.moment).unwrap_or_default(),
                lettering: lettering.remove(&event.best.row.moment).unwrap_or_default(),
                ..Hit::new(event, video, self.embedder.name(), filter)
            };
            let (before, after) = (time - hit.start, hit.end - time);
            steps.extend(place.map(|(line, time)| Step {
                line,
                time,
                start: time - before,
                end: time + after,
                worth: spread.z_score(event.best.score),
                hit,
            }));
        }
        Ok((steps, ranked.untold))
    }
}

/// An event of a step, on the clock on which steps follow one another.
#[derive(Debug, Clone)]
struct Step {
    /// Events follow one another only where this is the same.
    line: String,
    /// Of its best frame, and of the stretch around it, in seconds.
    time: f64,
    start: f64,
    end: f64,
    /// How well it answers its step; comparable between steps.
    worth: f64,
    hit: Hit,
}

impl Step {
    /// Seconds from the end of this to the start of another that follows it; `None` where it does not, or one
    /// stretch shows both.
    fn until(&self, other: &Self) -> Option<f64> {
        let apart = self.end <= other.time && self.time <= other.start;
        (apart && self.time < other.time).then(|| (other.start - self.end).max(0.0))
    }
}

/// Chains of one event for each step, each at most `within` seconds after the one before. Best first, by the sum of
/// what their events are worth. No event is in two of them.
fn chains(steps: Vec<Vec<Step>>, within: f64, limit: usize) -> Vec<Vec<Step>> {
    let some = |moments: Vec<Step>| moments.into_iter().map(Some).collect();
    let mut steps: Vec<Vec<Option<Step>>> = steps.into_iter().map(some).collect();
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(best) = best(&steps, within) else {
            break;
        };
        let places = best.into_iter().zip(&mut steps);
        let mut chain: Vec<Step> = places.filter_map(|(i, step)| step[i].take()).collect();
        // A moment may answer several steps.
        let used = |s: &Step| chain.iter().any(|c| c.hit.moment == s.hit.moment);
        for slot in steps.iter_mut().flatten() {
            if slot.as_ref().is_some_and(used) {
                *slot = None;
            }
        }
        for (n, step) in chain.iter_mut().enumerate() {
            step.hit.rank = n + 1;
        }
        found.push(chain);
    }
    found
}

/// The places, in each step, of the best chain there is.
fn best(steps: &[Vec<Option<Step>>], within: f64) -> Option<Vec<usize>> {
    // The best chain that ends in each moment of the step before: its worth, and the moment before.
    type Ends = Vec<Option<(f64, usize)>>;
    let mut ends: Vec<Ends> = Vec::new();
    for (n, moments) in steps.iter().enumerate() {
        let mut lines: HashMap<&str, Vec<(&Step, f64, usize)>> = HashMap::new();
        if let Some(last) = ends.last() {
            for (i, (end, step)) in last.iter().zip(&steps[n - 1]).enumerate() {
                if let (Some((worth, _)), Some(step)) = (end, step) {
                    let line = lines.entry(&step.line).or_default();
                    line.push((step, *worth, i));
                }
            }
        }
        let of = |step: &Step| {
            if n == 0 {
                return Some((step.worth, 0));
            }
            let line = lines.get(step.line.as_str())?;
            let soon = |before: &Step| before.until(step).is_some_and(|gap| gap <= within);
            let before = line.iter().filter(|(before, ..)| soon(before));
            let (_, worth, i) = before.max_by(|a, b| a.1.total_cmp(&b.1))?;
            Some((worth + step.worth, *i))
        };
        let ending = moments.iter().map(|step| of(step.as_ref()?));
        ends.push(ending.collect());
    }
    let last = ends.last()?.iter().enumerate();
    let (mut at, _) = last
        .filter_map(|(i, end)| Some((i, (*end)?.0)))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    let mut places = vec![at];
    for ending in ends[1..].iter().rev() {
        at = ending[at]?.1;
        places.push(at);
    }
    places.reverse();
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::MomentId;
    use proptest::prelude::*;

    fn step(line: i64, time: f64, worth: f64) -> Step {
        let hit = Hit {
            score: worth,
            moment: MomentId(line * 1000 + time as i64),
            ..crate::search::tests::hit("v", time)
        };
        let line = line.to_string();
        Step {
            line,
            time,
            start: time,
            end: time,
            worth,
            hit,
        }
    }

    fn times(chains: &[Vec<Step>]) -> Vec<Vec<f64>> {
        let times = |c: &Vec<Step>| c.iter().map(|s| s.time).collect();
        chains.iter().map(times).collect()
    }

    #[test]
    fn the_best_pair_in_order_and_time_comes_first() {
        let first = vec![step(1, 10.0, 1.0), step(1, 50.0, 3.0), step(2, 0.0, 9.0)];
        let then = vec![step(1, 40.0, 2.0), step(1, 60.0, 1.0), step(2, 500.0, 9.0)];
        let found = chains(vec![first, then], 60.0, 10);
        assert_eq!(times(&found), [vec![50.0, 60.0], vec![10.0, 40.0]]);
    }

    #[test]
    fn the_time_between_two_steps_is_from_the_end_of_one_to_the_start_of_the_other() {
        let stretch = |start: f64, end: f64| Step {
            start,
            end,
            ..step(1, (start + end) / 2.0, 1.0)
        };
        let until = |a: (f64, f64), b: (f64, f64)| stretch(a.0, a.1).until(&stretch(b.0, b.1));
        assert_eq!(until((0.0, 4.0), (14.0, 16.0)), Some(10.0));
        assert_eq!(until((0.0, 4.0), (4.0, 6.0)), Some(0.0));
        // What runs on a little into the next is still before it; one inside the other is not.
        assert_eq!(until((0.0, 5.0), (4.0, 8.0)), Some(0.0));
        assert_eq!(until((0.0, 20.0), (4.0, 6.0)), None);
        assert_eq!(until((4.0, 6.0), (0.0, 20.0)), None);
        assert_eq!(until((14.0, 16.0), (0.0, 4.0)), None);
        let found = |within| {
            let (a, b) = (vec![stretch(0.0, 4.0)], vec![stretch(14.0, 16.0)]);
            chains(vec![a, b], within, 1).len()
        };
        assert_eq!((found(1.0), found(10.0), found(60.0)), (0, 1, 1));
    }

    #[test]
    fn a_moment_is_in_one_chain_and_not_twice_in_it() {
        let first = vec![step(1, 10.0, 1.0), step(1, 20.0, 1.0)];
        let then = vec![step(1, 20.0, 1.0), step(1, 30.0, 2.0)];
        let found = chains(vec![first, then], 60.0, 10);
        assert_eq!(times(&found).len(), 1);
        assert!(
            chains(
                vec![vec![step(1, 5.0, 1.0)], vec![step(1, 5.0, 1.0)]],
                9.0,
                1
            )
            .is_empty()
        );
    }

    proptest! {
        #[test]
        fn the_first_chain_is_the_best_of_all(
            moments in proptest::collection::vec((0i64..2, 0u32..40, 0u32..100), 3..24),
        ) {
            let thirds = moments.len() / 3;
            let of = |n: usize| -> Vec<Step> {
                let some = &moments[n * thirds..(n + 1) * thirds];
                let step = |(l, t, w): &(i64, u32, u32)| step(*l, f64::from(*t), f64::from(*w));
                some.iter().map(step).collect()
            };
            let all: Vec<Vec<Step>> = (0..3).map(of).collect();
            let mut best: Option<f64> = None;
            for a in &all[0] {
                for b in &all[1] {
                    for c in &all[2] {
                        let follows = |x: &Step, y: &Step| {
                            x.line == y.line && x.time < y.time && y.time - x.time <= 10.0
                        };
                        if follows(a, b) && follows(b, c) {
                            let worth = a.worth + b.worth + c.worth;
                            best = Some(best.map_or(worth, |w| w.max(worth)));
                        }
                    }
                }
            }
            let found = chains((0..3).map(of).collect(), 10.0, 1);
            let worth = found.first().map(|c| c.iter().map(|s| s.worth).sum::<f64>());
            prop_assert_eq!(worth, best);
        }
    }
}
