//! Hits as they are printed for people: matches, then weaker guesses, a row each.

use std::fmt::Write;

use super::output::{count, said, shorter, shown, terminal_width, width};
use crate::search::{Answer, FileState, FoundBy, Hit, Parts, Sequence};
use crate::store::FROM_FILE;
use crate::types::timecode;

/// Columns before the name of the video.
const BEFORE_NAME: usize = 52;
/// A name is not cut shorter than this.
const NAME_AT_LEAST: usize = 20;
/// Above the hits that are not likely enough.
const GUESSES: &str = "weaker guesses\n";

/// The rows of an answer.
pub(super) fn table(answer: &Answer, explain: bool) -> String {
    let mut out = String::new();
    let mut is_match = true;
    for hit in &answer.hits {
        if is_match && !hit.is_match {
            out += GUESSES;
        }
        is_match = hit.is_match;
        out += &row(hit);
        if explain {
            let _ = writeln!(out, "       {}", explained(hit, &hit.parts));
        }
    }
    out
}

/// The rows of sequences: one of each sequence, then one of each of its steps.
pub(super) fn sequence_table(found: &[Sequence]) -> String {
    let mut out = String::new();
    let mut is_match = true;
    for sequence in found {
        if is_match && !sequence.is_match {
            out += GUESSES;
        }
        is_match = sequence.is_match;
        let likely = percent(sequence.confidence);
        let _ = writeln!(out, "{:>3}  {likely}", sequence.rank);
        for step in &sequence.steps {
            for line in row(step).lines() {
                let _ = writeln!(out, "   {line}");
            }
        }
    }
    out
}

/// Matches and guesses, in words.
pub(super) fn counted(answer: &Answer) -> String {
    let listed = answer.hits.iter().filter(|h| h.is_match).count();
    let guesses = answer.hits.len() - listed;
    let matches = match (answer.matches, listed) {
        (1, 1) => "1 match".to_owned(),
        (all, listed) if all == listed => format!("{all} matches"),
        (all, listed) => format!("{listed} of {all} matches"),
    };
    let guesses = match guesses {
        1 => "1 guess".to_owned(),
        n => format!("{n} guesses"),
    };
    format!("{matches}, {guesses} of {}", count(answer.events, "event"))
}

/// A hit with the lines that belong to it; each ends with a newline.
pub(super) fn row(hit: &Hit) -> String {
    let room = terminal_width().map_or(usize::MAX, |columns| {
        columns.saturating_sub(BEFORE_NAME).max(NAME_AT_LEAST)
    });
    let name = shown(&hit.video);
    let name = match width(&name) > room {
        true => shorter(&name, room),
        false => name,
    };
    let stretch = format!("{}-{}", short(hit.start), short(hit.end));
    let mut out = format!(
        "{:>3}  {}  {}  {stretch:<17}  {:<5}  {name}\n",
        hit.rank,
        percent(hit.confidence),
        hit.timecode,
        hit.name(),
    );
    let mut more = |text: String| {
        let _ = writeln!(out, "            {text}");
    };
    let from = hit.recorded_from.as_deref().filter(|f| *f != FROM_FILE);
    let clock = hit.recorded_at.as_deref().zip(from);
    let clock = clock.map(|(at, from)| format!("{} ({from})", wall_clock(at)));
    let camera = hit.camera.as_ref().map(|c| format!("camera {}", said(c)));
    let when: Vec<String> = clock.into_iter().chain(camera).collect();
    if !when.is_empty() {
        more(when.join(", "));
    }
    let passage = hit.parts.passage.as_deref().unwrap_or_default();
    match hit.found_by {
        FoundBy::Words => more(format!("words: {passage:?}")),
        FoundBy::Lettering => more(format!("read: {passage:?}")),
        FoundBy::Pictures | FoundBy::Objects => {}
    }
    if hit.lacks_colour {
        more("its colour cannot be told: infrared, dark, hidden or too small".into());
    }
    for (video, start, end) in &hit.goes_on {
        more(format!(
            "and {}-{} of {}",
            short(*start),
            short(*end),
            shown(video)
        ));
    }
    match hit.file_state() {
        FileState::AsRead => {}
        FileState::Gone => more("the file is gone".into()),
        FileState::Changed => more("the file has changed since it was indexed".into()),
    }
    if hit.near_duplicates > 0 {
        more(format!("and {} alike in other videos", hit.near_duplicates));
    }
    out
}

fn percent(confidence: Option<f64>) -> String {
    match confidence {
        Some(c) => format!("{:>3} %", whole_percent(c)),
        None => "    -".into(),
    }
}

/// Rounded down, so that no guess reads as a match.
pub(super) fn whole_percent(confidence: f64) -> u32 {
    (100.0 * confidence + 1e-9).floor() as u32
}

/// A time to the second.
fn short(seconds: f64) -> String {
    let code = timecode(seconds);
    code.split('.').next().unwrap_or_default().to_owned()
}

/// `2024-05-01T23:59:50.000+02:00` for reading.
fn wall_clock(at: &str) -> String {
    match (at.get(..10), at.get(11..19), at.get(23..)) {
        (Some(day), Some(time), Some(zone)) => format!("{day} {time} {zone}"),
        _ => at.to_owned(),
    }
}

/// What a score is made of.
fn explained(hit: &Hit, parts: &Parts) -> String {
    let mut said = Vec::new();
    said.extend(parts.similarity.map(|s| format!("similarity {s:.4}")));
    let views = match parts.views {
        0 | 1 => String::new(),
        n => format!(", the best of {n} views"),
    };
    said.extend(hit.region.map(|r| {
        format!(
            "of {}x{} pixels at {},{}{views}",
            r.width, r.height, r.x, r.y
        )
    }));
    if hit.found_by == FoundBy::Words {
        said.push(format!("words rank it by {:.2}", hit.score));
    }
    said.extend(parts.penalty.map(|p| {
        let cosines: Vec<String> = parts.unwanted.iter().map(|u| format!("{u:.4}")).collect();
        format!("unwanted {:+.4} for similarity {}", -p, cosines.join(", "))
    }));
    said.extend(parts.raised.map(|r| format!("things {r:+.4}")));
    said.extend(
        parts
            .z_score
            .map(|z| format!("{z:.1} deviations above what pictures of all kinds have with it")),
    );
    said.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_read_well() {
        assert_eq!(
            wall_clock("2024-05-01T23:59:50.000+02:00"),
            "2024-05-01 23:59:50 +02:00"
        );
        assert_eq!(short(3725.9), "01:02:05");
        assert_eq!(
            (percent(Some(0.499)), percent(Some(0.29))),
            (" 49 %".into(), " 29 %".into())
        );
    }
}
