//! Words in paths, cameras, tags, notes and subtitles, and lettering: hits of a kind of their own, which add to what
//! pictures show and never change it (docs/decisions/0012-words-beside-pictures.md).

use std::collections::{HashMap, HashSet};

use super::events::{Candidate, Event};
use crate::store::{Match, MomentRow, Passage, Reader, Selection, StoreError, misread, words_held};
use crate::types::{Claim, MomentId, Timestamp, VideoId};

/// Confidence of a hit whose passage holds all telling words of the question: where it is of a time, as a subtitle
/// or a note, and where it is of a whole video, as its name or a tag.
const OF_A_TIME: f64 = 0.95;
const OF_A_VIDEO: f64 = 0.6;
/// That of one whose passage holds all but one word of many; fewer, less.
const SOME_WORDS: f64 = 0.45;
/// That of lettering by how many of its characters would have to be misread.
const READ: [f64; 3] = [0.95, 0.8, 0.6];
/// It counts as much where the things in the frame are not those that it was asked for on.
const ON_SOMETHING_ELSE: f64 = 0.8;
/// Beside pictures, hits by words of whole videos: more would crowd out what is seen.
const NAMED_AT_MOST: usize = 3;
/// Beside pictures, fewer of the words than this say nothing.
const LEAST_SHARE: f64 = 0.5;
/// Moments looked at to find one in scope.
const TRIED: usize = 10_000;

/// What is looked for by words, and where.
pub(super) struct Wanted<'a> {
    pub(super) words: &'a str,
    /// No pictures are asked for.
    pub(super) alone: bool,
    pub(super) selection: &'a Selection,
    pub(super) limit: usize,
    /// So many of one video at most.
    pub(super) per_video: Option<usize>,
}

/// The stretches that passages are about, best first: of subtitles and notes their time, of words of a whole video
/// the whole of it.
pub(super) fn found(
    reader: &Reader,
    matches: &[Match],
    wanted: &Wanted,
) -> Result<Vec<Event>, StoreError> {
    let judged = matches.iter().filter_map(|matched| {
        let of_a_time = matched.passage.span.is_some();
        // Beside pictures only lettering that is asked for counts.
        if matched.passage.is_lettering && !wanted.alone {
            return None;
        }
        // Every file below a folder bears the folder's name: beside pictures only its own counts.
        let text = match wanted.alone || of_a_time {
            true => matched.passage.text.as_str(),
            false => own_words(&matched.passage.text),
        };
        Some((confidence(text, of_a_time, wanted)?, text, matched))
    });
    let mut judged: Vec<(f64, &str, &Match)> = judged.collect();
    judged.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut events: Vec<Event> = Vec::new();
    let mut whole = HashSet::new();
    let mut of_video: HashMap<VideoId, usize> = HashMap::new();
    for (confidence, text, matched) in judged {
        if events.len() == wanted.limit {
            break;
        }
        let passage = &matched.passage;
        let count = of_video.entry(passage.video).or_default();
        let full = wanted.per_video.is_some_and(|most| *count >= most);
        let named = !wanted.alone && passage.span.is_none() && whole.len() == NAMED_AT_MOST;
        if full || named {
            continue;
        }
        let Some((row, start, end)) = stretch(reader, passage, wanted.selection)? else {
            continue;
        };
        // A path and a tag may be about the same video.
        if passage.span.is_none() && !whole.insert(passage.video) {
            continue;
        }
        *count += 1;
        let best = Candidate {
            passage: Some(Passage {
                text: text.to_owned(),
                ..passage.clone()
            }),
            ..Candidate::new(row, f64::from(matched.score))
        };
        events.push(Event {
            confidence: Some(confidence),
            ..Event::new(best, start, end)
        });
    }
    Ok(events)
}

/// The stretches in which lettering that is asked for was read, best first: where things of a claim bear that out, the
/// frames that show both.
pub(super) fn read(
    reader: &Reader,
    (asked, claim): (&str, Option<&Claim>),
    matches: &[Match],
    wanted: &Wanted,
) -> Result<Vec<Event>, StoreError> {
    let mut events: Vec<Event> = Vec::new();
    let mut of_video: HashMap<VideoId, usize> = HashMap::new();
    let spelt = |m: &Match| misread(&m.passage.text, asked);
    let mut judged: Vec<(u8, &Match)> = matches
        .iter()
        .filter_map(|m| Some((spelt(m)?, m)))
        .collect();
    judged.sort_by_key(|(misread, _)| *misread);
    for (misread, matched) in judged {
        if events.len() == wanted.limit {
            break;
        }
        let passage = &matched.passage;
        let Some((start, end)) = passage.span else {
            continue;
        };
        let video = passage.video;
        // Another reading of a line that is listed.
        let is_listed = |e: &Event| e.best.row.video == video && e.start <= end && e.end >= start;
        let count = of_video.entry(video).or_default();
        if events.iter().any(is_listed) || wanted.per_video.is_some_and(|most| *count >= most) {
            continue;
        }
        let mut rows = reader.moments_between(video, (start, end), TRIED)?;
        let in_scope = |row: &MomentRow| {
            let (start, end) = (row.start.seconds(), row.end.seconds());
            wanted.selection.holds(video, start, end) && wanted.selection.has_moment(row.moment)
        };
        rows.retain(in_scope);
        let moments: Vec<MomentId> = rows.iter().map(|row| row.moment).collect();
        let lettering = reader.lettering_of(&moments)?;
        let holds = |row: &MomentRow| {
            let lines = lettering.get(&row.moment).into_iter().flatten();
            lines.into_iter().any(|line| line.text == passage.text)
        };
        rows.retain(holds);
        let objects = match claim {
            Some(_) => reader.objects_of(&moments)?,
            None => HashMap::new(),
        };
        let shows = |row: &&MomentRow| {
            let objects = objects.get(&row.moment);
            claim
                .zip(objects)
                .is_some_and(|(c, o)| c.borne_out(o).is_some())
        };
        let both = rows.iter().find(shows);
        let Some(row) = both.or(rows.first()) else {
            continue;
        };
        *count += 1;
        let on_it = match claim.is_none() || both.is_some() {
            true => 1.0,
            false => ON_SOMETHING_ELSE,
        };
        let mut row = row.clone();
        row.region = None;
        let best = Candidate {
            passage: Some(passage.clone()),
            ..Candidate::new(row, f64::from(matched.score))
        };
        events.push(Event {
            confidence: Some(READ[usize::from(misread).min(READ.len() - 1)] * on_it),
            ..Event::new(best, start, end)
        });
    }
    events.sort_by(|a, b| b.worth().total_cmp(&a.worth()));
    Ok(events)
}

/// The moment to look at and the seconds that a passage is about; `None` where nothing of that is in scope.
fn stretch(
    reader: &Reader,
    passage: &Passage,
    selection: &Selection,
) -> Result<Option<(MomentRow, f64, f64)>, StoreError> {
    let video = passage.video;
    if let Some((start, end)) = passage.span {
        if !selection.holds(video, start, end) {
            return Ok(None);
        }
        let rows = reader.moments_between(video, (start, end), TRIED)?;
        let row = rows
            .into_iter()
            .find(|row| selection.has_moment(row.moment));
        return Ok(row.map(|mut row| {
            row.region = None;
            // The frame to look at is the one shown when the words are, not the one that was embedded.
            row.time = Timestamp::from_seconds(start, row.time.base);
            (row, start, end)
        }));
    }
    let apart = selection.tells_moments_apart();
    let tried = if apart { TRIED } else { 1 };
    let rows = reader.moments_between(video, (0.0, f64::INFINITY), tried)?;
    let inside = |row: &MomentRow| {
        selection.holds(row.video, row.start.seconds(), row.end.seconds())
            && selection.has_moment(row.moment)
    };
    let Some(mut row) = rows.into_iter().find(inside) else {
        return Ok(None);
    };
    row.region = None;
    let (start, end) = match apart {
        true => (row.start.seconds(), row.end.seconds()),
        false => (0.0, reader.video_length(video)?),
    };
    Ok(Some((row, start, end)))
}

/// `None` where a passage is not worth a hit.
fn confidence(passage: &str, of_a_time: bool, wanted: &Wanted) -> Option<f64> {
    let (asked, held) = words_held(passage, wanted.words);
    if asked == 0 || held == 0 {
        return None;
    }
    if held == asked {
        return Some(if of_a_time { OF_A_TIME } else { OF_A_VIDEO });
    }
    let share = held as f64 / asked as f64;
    let worth_it = wanted.alone || (of_a_time && held > 1 && share >= LEAST_SHARE);
    worth_it.then_some(SOME_WORDS * share)
}

/// Of a passage that begins with a path only the file's name.
fn own_words(passage: &str) -> &str {
    let path = passage.lines().next().unwrap_or_default();
    match path.strip_prefix('/').and_then(|p| p.rfind('/')) {
        Some(slash) => &passage[slash + 2..],
        None => passage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Searched;

    fn beside(passage: &str, of_a_time: bool, words: &str) -> Option<f64> {
        let selection = Selection::everything(Searched::default());
        let wanted = Wanted {
            words,
            alone: false,
            selection: &selection,
            limit: 10,
            per_video: None,
        };
        confidence(own_words(passage), of_a_time, &wanted)
    }

    #[test]
    fn a_word_of_a_name_is_no_hit_for_a_sentence() {
        let name = "/srv/white/intel-car-detection.mp4";
        assert_eq!(beside(name, false, "a white car"), None);
        assert_eq!(beside(name, false, "a car"), Some(OF_A_VIDEO));
        assert_eq!(beside("it's a cam", true, "a person on it"), None);
        assert_eq!(beside("/srv/a/b.mp4", false, "a b"), Some(OF_A_VIDEO));
    }

    #[test]
    fn what_is_said_is_a_match_and_some_of_it_a_guess() {
        let said = "the JCN truck is at the gate";
        assert_eq!(beside(said, true, "a JCN truck"), Some(OF_A_TIME));
        let some = beside(said, true, "a truck printed with JCN").unwrap();
        assert!(some < 0.5 && some > 0.2);
        assert_eq!(beside(said, true, "a red car before a truck"), None);
    }
}
