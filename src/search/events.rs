//! Moments that match and touch one another → one event, known by its best frame.

use std::collections::{BTreeSet, HashMap};

use crate::store::{MomentRow, Passage};
use crate::types::{VectorId, VideoId};

/// A neighbour belongs to an event while it keeps this share of the height of the best frame over pictures of all
/// kinds: where the score falls into a valley, the event ends.
const KEPT_HEIGHT: f64 = 0.45;
/// Seconds between the end of one moment and the start of the next that still touch.
const TOUCHING: f64 = 0.05;
/// Half of the time between two samples, in seconds, where moments last longer because they are folded.
const HALF_A_GAP: f64 = 1.0;
/// Seconds between an event and the end of its file, and between two files of one camera, that are no gap.
const EDGE: f64 = 2.5;

/// A catalogue moment that came up for a query.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) row: MomentRow,
    pub(super) score: f64,
    /// The best of its views, and its cosine; `None` where it was found by its words, or only stands beside an event.
    pub(super) nearest: Option<(VectorId, f64)>,
    /// The greatest cosine of any view with each thing that is not wanted, and what they took off.
    pub(super) unwanted: Vec<f64>,
    pub(super) penalty: f64,
    /// What holds its words, where it was found by them.
    pub(super) passage: Option<Passage>,
    /// What the things in it add to its score, as they bear out what is asked; 0 where they do not.
    pub(super) raised: f64,
}

/// A stretch of one video, or of files that follow one another on one camera.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) best: Candidate,
    /// Seconds of the video of its best frame: from its first sample to the first after it.
    pub(super) start: f64,
    pub(super) end: f64,
    /// What it shows came and went between two samples, halfway as a rule: so many seconds before those.
    pub(super) came_before: f64,
    pub(super) went_before: f64,
    /// How likely it is real; `None` where that cannot be told.
    pub(super) confidence: Option<f64>,
    /// Its stretches in files before and after, in order.
    pub(super) goes_on: Vec<Stretch>,
}

/// Seconds of a video.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    pub(super) video: VideoId,
    pub(super) start: f64,
    pub(super) end: f64,
}

/// Where a video lies on the wall clock of its camera.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recorded {
    pub(super) camera: String,
    /// Seconds since 1970, and seconds.
    pub(super) start: f64,
    pub(super) length: f64,
}

impl Candidate {
    /// Found by pictures alone.
    pub(super) fn new(row: MomentRow, similarity: f64) -> Self {
        Self {
            row,
            score: similarity,
            nearest: None,
            unwanted: Vec::new(),
            penalty: 0.0,
            passage: None,
            raised: 0.0,
        }
    }

    /// What a neighbour scores at least that belongs to an event of which this is the best frame; `background` is
    /// what pictures of all kinds score.
    fn least(&self, background: f64) -> f64 {
        self.height() - (1.0 - KEPT_HEIGHT) * (self.height() - background).abs()
    }

    /// What events grow by: a detector may miss a thing in one frame of many.
    fn height(&self) -> f64 {
        self.score - self.raised
    }
}

impl Event {
    pub(super) fn new(best: Candidate, start: f64, end: f64) -> Self {
        Self {
            best,
            start,
            end,
            came_before: 0.0,
            went_before: 0.0,
            confidence: None,
            goes_on: Vec::new(),
        }
    }

    /// Stretches it over the moments around it that touch it and belong to it.
    pub(super) fn grow(&mut self, around: &[Candidate], background: f64) {
        let least = self.best.least(background);
        let mut belong: Vec<&MomentRow> = around
            .iter()
            .filter(|c| c.height() >= least)
            .map(|c| &c.row)
            .collect();
        belong.sort_by_key(|row| row.start);
        for row in &belong {
            if row.start.seconds() - self.end <= TOUCHING && row.end.seconds() >= self.start {
                self.end = self.end.max(row.end.seconds());
            }
        }
        for row in belong.iter().rev() {
            if self.start - row.end.seconds() <= TOUCHING && row.start.seconds() <= self.end {
                self.start = self.start.min(row.start.seconds());
            }
        }
        let rows = || around.iter().map(|c| &c.row);
        let ends_at = |time: f64| rows().find(|r| (r.end.seconds() - time).abs() <= TOUCHING);
        let begins_at = |time: f64| rows().find(|r| (r.start.seconds() - time).abs() <= TOUCHING);
        let (before, last) = (ends_at(self.start), ends_at(self.end));
        self.between_samples(before, last.filter(|_| begins_at(self.end).is_some()));
    }

    /// `before`: the moment that ends where it begins; `last`: its last one, where another follows. At the edges of a
    /// file, or where nothing is known of what lies beyond, the samples themselves count.
    fn between_samples(&mut self, before: Option<&MomentRow>, last: Option<&MomentRow>) {
        let half = |row: &MomentRow| (row.end.since(row.start) / 2.0).min(HALF_A_GAP);
        self.came_before = before.map_or(0.0, half);
        self.went_before = last.map_or(0.0, half);
    }

    /// It is lettering.
    pub(super) fn is_read(&self) -> bool {
        self.best.passage.as_ref().is_some_and(|p| p.is_lettering)
    }

    /// Whether the best frame of another lies in its stretch.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let time = other.best.row.time.seconds();
        self.best.row.video == other.best.row.video && (self.start..=self.end).contains(&time)
    }

    /// What lists are ordered by.
    pub(super) fn worth(&self) -> f64 {
        self.confidence.unwrap_or(self.best.score)
    }

    /// Those it lies in.
    pub(super) fn videos(&self) -> impl Iterator<Item = VideoId> {
        let others = self.goes_on.iter().map(|s| s.video);
        std::iter::once(self.best.row.video).chain(others)
    }

    fn stretch(&self) -> Stretch {
        Stretch {
            video: self.best.row.video,
            start: self.start,
            end: self.end,
        }
    }
}

/// Joins candidates, given best first, to events. From each best frame the stretch grows both ways while the next
/// moment touches it and scores nearly as well; `background` is what pictures of all kinds score.
pub(super) fn events(candidates: Vec<Candidate>, background: f64) -> Vec<Event> {
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
        let (mut first, mut last) = (at, at);
        let least = best.least(background);
        let belongs = |used: &[bool], j: usize| !used[j] && candidates[j].height() >= least;
        for (place, &j) in frames.iter().enumerate().skip(at + 1) {
            let row = &candidates[j].row;
            if !belongs(&used, j) || row.start.seconds() - end > TOUCHING {
                break;
            }
            used[j] = true;
            last = place;
            end = end.max(row.end.seconds());
        }
        for (place, &j) in frames.iter().enumerate().take(at).rev() {
            let row = &candidates[j].row;
            if !belongs(&used, j) || start - row.end.seconds() > TOUCHING {
                break;
            }
            used[j] = true;
            first = place;
            start = start.min(row.start.seconds());
        }
        let row = |place: usize| frames.get(place).map(|&j| &candidates[j].row);
        let before = first.checked_sub(1).and_then(row);
        let before = before.filter(|r| start - r.end.seconds() <= TOUCHING);
        let after = row(last + 1).filter(|r| r.start.seconds() - end <= TOUCHING);
        let mut event = Event::new(best.clone(), start, end);
        event.between_samples(before, row(last).filter(|_| after.is_some()));
        out.push(event);
    }
    out
}

/// Makes one event of those that reach from the end of a file into the next one of the same camera. Given and
/// returned best first; the best one keeps its place and takes the others in.
pub(super) fn joined(events: Vec<Event>, recorded: &HashMap<VideoId, Recorded>) -> Vec<Event> {
    let (absorbed, goes_on) = absorbed(&events, recorded);
    let all = events.into_iter().zip(goes_on).zip(absorbed);
    all.filter(|(_, absorbed)| !absorbed)
        .map(|((event, goes_on), _)| Event { goes_on, ..event })
        .collect()
}

/// Of events, given best first: whether each is taken in by a better one, and what each takes in.
pub(super) fn absorbed(
    events: &[Event],
    recorded: &HashMap<VideoId, Recorded>,
) -> (Vec<bool>, Vec<Vec<Stretch>>) {
    let clock = |i: usize| recorded.get(&events[i].best.row.video);
    let millis = |seconds: f64| (seconds * 1e3) as i64;
    // Of those that touch the start, and the end, of their files: by camera and wall clock.
    let (mut begins, mut ends) = (BTreeSet::new(), BTreeSet::new());
    for (i, event) in events.iter().enumerate() {
        if let Some(own) = clock(i).filter(|_| event.best.passage.is_none()) {
            if event.start <= EDGE {
                begins.insert((own.camera.as_str(), millis(own.start), i));
            }
            if event.end >= own.length - EDGE {
                ends.insert((own.camera.as_str(), millis(own.start + own.length), i));
            }
        }
    }
    let mut absorbed = vec![false; events.len()];
    let mut goes_on: Vec<Vec<Stretch>> = vec![Vec::new(); events.len()];
    for i in 0..events.len() {
        if absorbed[i] || events[i].best.passage.is_some() {
            continue;
        }
        let video = |j: usize| events[j].best.row.video;
        // Of another file than `from`, which may be shorter than an edge.
        let near = |edges: &BTreeSet<(&str, i64, usize)>, from, camera, time, absorbed: &[bool]| {
            let span = (camera, millis(time - EDGE), 0)..=(camera, millis(time + EDGE), usize::MAX);
            let mut near = edges.range(span).map(|(.., j)| *j);
            near.find(|&j| j > i && !absorbed[j] && video(j) != video(from))
        };
        let (mut first, mut last) = (i, i);
        while let Some(own) = clock(last).filter(|own| events[last].end >= own.length - EDGE)
            && let Some(j) = near(
                &begins,
                last,
                own.camera.as_str(),
                own.start + own.length,
                &absorbed,
            )
        {
            absorbed[j] = true;
            goes_on[i].push(events[j].stretch());
            last = j;
        }
        while let Some(own) = clock(first).filter(|_| events[first].start <= EDGE)
            && let Some(j) = near(&ends, first, own.camera.as_str(), own.start, &absorbed)
        {
            absorbed[j] = true;
            goes_on[i].insert(0, events[j].stretch());
            first = j;
        }
    }
    (absorbed, goes_on)
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
            nearest: Some((VectorId(start), score)),
            ..Candidate::new(row, score)
        }
    }

    fn stretches(candidates: Vec<Candidate>) -> Vec<(i64, f64, f64, f64)> {
        let found = events(candidates, 0.0).into_iter();
        found
            .map(|e| {
                (
                    e.best.row.video.0,
                    e.start,
                    e.best.row.time.seconds(),
                    e.end,
                )
            })
            .collect()
    }

    #[test]
    fn touching_frames_become_one_event_around_the_best() {
        let c = vec![
            candidate(1, 4, 0.9),
            candidate(1, 2, 0.85),
            candidate(2, 0, 0.8),
            candidate(1, 6, 0.79),
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
    fn below_the_background_neighbours_belong_as_well() {
        let c = vec![
            candidate(1, 2, -0.5),
            candidate(1, 0, -0.5),
            candidate(1, 4, -0.9),
        ];
        assert_eq!(stretches(c), [(1, 0.0, 2.0, 4.0), (1, 4.0, 4.0, 6.0)]);
    }

    #[test]
    fn an_event_ends_where_the_score_falls_into_a_valley() {
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

    #[test]
    fn an_event_comes_and_goes_between_two_samples() {
        let c = vec![
            candidate(1, 4, 0.9),
            candidate(1, 2, 0.3),
            candidate(1, 6, 0.2),
        ];
        let found = events(c, 0.0);
        let times = |e: &Event| (e.start - e.came_before, e.end - e.went_before);
        assert_eq!(times(&found[0]), (3.0, 5.0));
        // The last of a file lasts to its end.
        assert_eq!(times(&found[2]), (5.0, 8.0));
    }

    #[test]
    fn an_event_grows_over_what_was_no_candidate() {
        let mut found = Event::new(candidate(1, 10, 0.9), 10.0, 12.0);
        let around = [
            candidate(1, 12, 0.6),
            candidate(1, 14, 0.5),
            candidate(1, 16, 0.2),
            candidate(1, 18, 0.9),
            candidate(1, 8, 0.7),
            candidate(1, 4, 0.8),
        ];
        found.grow(&around, 0.0);
        assert_eq!((found.start, found.end), (8.0, 16.0));
        // Before 8 s nothing is known; after 16 s something else was seen.
        assert_eq!((found.came_before, found.went_before), (0.0, 1.0));
    }

    #[test]
    fn files_that_follow_one_another_on_one_camera_make_one_event() {
        let recorded = |camera: &str, start: f64| Recorded {
            camera: camera.into(),
            start,
            length: 60.0,
        };
        let clocks = HashMap::from([
            (VideoId(1), recorded("gate", 0.0)),
            (VideoId(2), recorded("gate", 60.0)),
            (VideoId(3), recorded("gate", 120.5)),
            (VideoId(4), recorded("yard", 60.0)),
            (VideoId(5), recorded("gate", 300.0)),
        ]);
        let found = [
            Event::new(candidate(2, 30, 0.9), 0.0, 60.0),
            Event::new(candidate(3, 0, 0.8), 0.0, 4.0),
            Event::new(candidate(4, 0, 0.7), 0.0, 4.0),
            Event::new(candidate(1, 52, 0.6), 50.0, 60.0),
            Event::new(candidate(1, 10, 0.5), 5.0, 20.0),
            Event::new(candidate(5, 0, 0.4), 0.0, 2.0),
        ];
        let kept = joined(found.into(), &clocks);
        let videos: Vec<i64> = kept.iter().map(|e| e.best.row.video.0).collect();
        assert_eq!(videos, [2, 4, 1, 5]);
        let others: Vec<(i64, f64, f64)> = kept[0]
            .goes_on
            .iter()
            .map(|s| (s.video.0, s.start, s.end))
            .collect();
        assert_eq!(others, [(1, 50.0, 60.0), (3, 0.0, 4.0)]);
    }
}
