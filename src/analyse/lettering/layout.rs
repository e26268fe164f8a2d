//! Fragments → lines, in reading order.

use super::lines::{LineBox, STEEP};

/// A fragment goes on where one ended: in the same direction (radians), of about its height, on its level (shares of the
/// lower height), after a gap (of it, too).
const TURNED: f64 = 15.0 * std::f64::consts::PI / 180.0;
const TALLER: f64 = 1.5;
const OFF_LEVEL: f64 = 0.4;
const GAP: std::ops::Range<f64> = -0.5..1.0;
/// Lines of which the middles differ by less than this share of the lower height stand in one row.
const ONE_ROW: f64 = 0.5;

/// What is read, how sure, and where.
type Read = (String, f32, LineBox);

/// Joins fragments of one line: from left to right, each is added to the first line that it continues.
pub(super) fn joined(mut fragments: Vec<Read>) -> Vec<Read> {
    fragments.sort_by(|a, b| a.2.x.total_cmp(&b.2.x));
    let mut lines: Vec<Read> = Vec::new();
    for (text, score, fragment) in fragments {
        match lines.iter_mut().find(|(.., line)| goes_on(line, &fragment)) {
            Some((line_text, line_score, line)) => {
                *line_text = format!("{line_text} {text}");
                *line_score = line_score.min(score);
                *line = both(line, &fragment);
            }
            None => lines.push((text, score, fragment)),
        }
    }
    lines
}

fn goes_on(line: &LineBox, fragment: &LineBox) -> bool {
    let (sin, cos) = line.angle.sin_cos();
    let (dx, dy) = (fragment.x - line.x, fragment.y - line.y);
    let (along, across) = (dx * cos + dy * sin, dy * cos - dx * sin);
    let tall = line.height.max(fragment.height);
    let low = line.height.min(fragment.height);
    let gap = along - (line.length + fragment.length) / 2.0;
    line.angle.abs().max(fragment.angle.abs()) < STEEP
        && (line.angle - fragment.angle).abs() < TURNED
        && tall < TALLER * low
        && across.abs() < OFF_LEVEL * low
        && GAP.start * low < gap
        && gap < GAP.end * low
}

/// From the beginning of one to the end of the other.
fn both(line: &LineBox, fragment: &LineBox) -> LineBox {
    let tip = |l: &LineBox, way: f64| {
        let (sin, cos) = l.angle.sin_cos();
        let half = way * l.length / 2.0;
        (l.x + half * cos, l.y + half * sin)
    };
    let (start, end) = (tip(line, -1.0), tip(fragment, 1.0));
    let (dx, dy) = (end.0 - start.0, end.1 - start.1);
    LineBox {
        x: (start.0 + end.0) / 2.0,
        y: (start.1 + end.1) / 2.0,
        length: dx.hypot(dy),
        height: line.height.max(fragment.height),
        angle: dy.atan2(dx),
        score: line.score.min(fragment.score),
    }
}

/// From the top; what stands in one row from the left.
pub(super) fn ordered(mut lines: Vec<Read>) -> Vec<Read> {
    lines.sort_by(|a, b| a.2.y.total_cmp(&b.2.y));
    let mut rows: Vec<Vec<Read>> = Vec::new();
    for read in lines {
        let in_row = |row: &&mut Vec<Read>| {
            let (first, line) = (&row[0].2, &read.2);
            (line.y - first.y).abs() < ONE_ROW * line.height.min(first.height)
        };
        match rows.last_mut().filter(in_row) {
            Some(row) => row.push(read),
            None => rows.push(vec![read]),
        }
    }
    for row in &mut rows {
        row.sort_by(|a, b| a.2.x.total_cmp(&b.2.x));
    }
    rows.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, x: f64, y: f64, length: f64) -> Read {
        let line = LineBox {
            x,
            y,
            length,
            height: 20.0,
            angle: 0.0,
            score: 0.9,
        };
        (text.into(), 0.9, line)
    }

    #[test]
    fn fragments_of_a_line_are_joined_and_rows_ordered() {
        let fragments = vec![
            read("LOGISTICS", 200.0, 12.0, 100.0),
            read("below", 60.0, 60.0, 40.0),
            read("JCN", 120.0, 10.0, 40.0),
            read("far", 500.0, 10.0, 40.0),
        ];
        let lines = ordered(joined(fragments));
        let texts: Vec<&str> = lines.iter().map(|(text, ..)| text.as_str()).collect();
        assert_eq!(texts, ["JCN LOGISTICS", "far", "below"]);
        assert!((lines[0].2.length - 150.0).abs() < 0.1);
    }
}
