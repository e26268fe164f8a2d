//! Hits judged one by one by a reader's keys, and looked for again after each.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use super::hits::row;
use super::output::{count, json_line, print, say_lines};
use super::pictures;
use crate::app::json::HitLine;
use crate::app::{Error, Query, Session};
use crate::search::Hit;

const KEYS: &str = "y yes, n no, s skip, q quit";

/// Asks about hit after hit until the reader quits or none are left, then prints those that were right.
pub(super) fn run(
    session: &Session,
    query: &Query,
    (show, json): (bool, bool),
) -> Result<ExitCode, Error> {
    let mut judging = session.judge(query)?;
    let (mut right, mut wrong): (Vec<Hit>, Vec<Hit>) = (Vec::new(), Vec::new());
    let mut told = false;
    note!("is it? {KEYS}");
    while let Some(next) = judging.next_hit()? {
        let seen = right.len() + wrong.len();
        if let Some(unseen) = next.unseen.filter(|_| seen > 0) {
            note!(
                "  {seen} judged, {} right; about {unseen:.0} more unseen",
                right.len()
            );
        }
        if !next.worth_it && !told {
            note!("  what is left hardly looks right: q would be a good answer");
            told = true;
        }
        let mut hit = next.hit;
        hit.rank = seen + 1;
        say_lines(row(&hit).trim_end());
        if show {
            pictures::show(judging.reader(), std::slice::from_ref(&hit))?;
        }
        let liked = match key()? {
            Some('y') => Some(true),
            Some('n') => Some(false),
            Some('s') => None,
            _ => break,
        };
        judging.answer(&hit, liked)?;
        match liked {
            Some(true) => right.push(hit),
            Some(false) => wrong.push(hit),
            None => {}
        }
    }
    for (n, hit) in right.iter_mut().enumerate() {
        hit.rank = n + 1;
    }
    for hit in &right {
        match json {
            true => json_line(&HitLine::new(hit, false))?,
            false => print(&row(hit))?,
        }
    }
    note!(
        "{} right of {}",
        right.len(),
        count(right.len() + wrong.len(), "hit")
    );
    if !right.is_empty() {
        let named = |hits: &[Hit]| -> String {
            let each = hits.iter().map(|h| format!(" {}", h.name()));
            each.collect()
        };
        let negative = match wrong.is_empty() {
            true => String::new(),
            false => format!(" --negative{}", named(&wrong)),
        };
        note!(
            "keep it: vsearch teach NAME --positive{}{negative}",
            named(&right)
        );
    }
    Ok(match right.is_empty() {
        true => ExitCode::from(1),
        false => ExitCode::SUCCESS,
    })
}

/// One of the keys; `None` at the end of input.
fn key() -> Result<Option<char>, Error> {
    let terminal = console::Term::stderr();
    loop {
        let typed = if std::io::stdin().is_terminal() && terminal.is_term() {
            // Raw: Ctrl-C ends the judging, not the program with what was judged.
            match terminal.read_key_raw()? {
                console::Key::Char(c) => Some(c),
                console::Key::CtrlC | console::Key::Escape => return Ok(None),
                _ => None,
            }
        } else {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_line(&mut text)?;
            match read {
                0 => return Ok(None),
                _ => text.trim().chars().next(),
            }
        };
        match typed.map(|c| c.to_ascii_lowercase()) {
            Some(c @ ('y' | 'n' | 's' | 'q')) => return Ok(Some(c)),
            Some('\u{3}' | '\u{4}') => return Ok(None),
            _ => note!("{KEYS}"),
        }
    }
}
