//! From one format of the catalogue to the next.

use rusqlite::{Connection, params};
use rusqlite_migration::{M, Migrations};
use serde_json::{Value, json};

/// The format this vsearch writes.
pub(super) const FORMAT: usize = 12;

pub(super) fn migrations() -> Migrations<'static> {
    Migrations::new(vec![
        M::up(include_str!("../../../../migrations/0001_library.sql")),
        M::up(include_str!("../../../../migrations/0002_canaries.sql")),
        M::up(include_str!("../../../../migrations/0003_ledger.sql")),
        M::up(include_str!(
            "../../../../migrations/0004_answering_model.sql"
        )),
        M::up(include_str!("../../../../migrations/0005_texts.sql")),
        M::up(include_str!("../../../../migrations/0006_concepts.sql")),
        M::up_with_hook(
            include_str!("../../../../migrations/0007_house.sql"),
            |t: &rusqlite::Transaction| {
                begin_history(t)?;
                Ok(type_policies(t)?)
            },
        ),
        M::up(include_str!("../../../../migrations/0008_objects.sql")),
        M::up(include_str!("../../../../migrations/0009_lettering.sql")),
        M::up(include_str!("../../../../migrations/0010_cameras.sql")),
        M::up(include_str!("../../../../migrations/0011_clocks.sql")),
        M::up(include_str!("../../../../migrations/0012_sidecars.sql")),
    ])
}

fn begin_history(t: &Connection) -> rusqlite::Result<()> {
    let sql = "INSERT INTO history (first, token) VALUES (0, lower(hex(randomblob(16))))";
    t.execute(sql, []).map(drop)
}

/// Reads each policy that was kept as a sentence, once.
fn type_policies(t: &Connection) -> rusqlite::Result<()> {
    let mut sentences = t.prepare("SELECT DISTINCT sampling FROM videos")?;
    let sentences: Vec<String> = sentences
        .query_map([], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for sentence in sentences {
        let (policy, views) = typed(&sentence);
        let sql = "UPDATE videos SET sampling = ?2, views = ?3 WHERE sampling = ?1";
        t.execute(sql, params![sentence, policy, views])?;
    }
    Ok(())
}

/// The policy a sentence tells, as JSON of version 1, and its views. What is none is left as it is, and
/// matches no policy: its file is read again.
fn typed(sentence: &str) -> (String, String) {
    let mut parts: Vec<&str> = sentence.split(", ").collect();
    let views = match parts.last() {
        Some(&views @ ("fit" | "cover" | "tiles")) => {
            parts.pop();
            views
        }
        _ => "center",
    };
    let policy = policy(&parts).unwrap_or_else(|| sentence.to_owned());
    (policy, views.to_owned())
}

fn policy(parts: &[&str]) -> Option<String> {
    let mut rest = parts.iter().copied();
    let first = rest.next()?;
    let seconds = |text: &str| text.strip_suffix(" s")?.parse::<f64>().ok();
    let gap = |text: &str| seconds(text.strip_prefix("gaps filled to ")?);
    let sampling = match first {
        "keyframes" => match rest.clone().next().and_then(gap) {
            Some(max_gap) => {
                rest.next();
                json!({"gap_filled": {"max_gap": max_gap}})
            }
            None => json!("keyframes"),
        },
        "scenes" => json!({"scenes": {"max_gap": rest.next().and_then(gap)?}}),
        every => json!({"every": {"seconds": seconds(every.strip_prefix("every ")?)?}}),
    };
    let (mut fold, mut stream) = ("off", Value::Null);
    for part in rest {
        match part.split_once(' ') {
            Some(("fold", of @ ("normal" | "strong"))) => fold = of,
            Some(("stream", n)) => stream = json!(n.parse::<usize>().ok()?),
            _ => return None,
        }
    }
    // The order of `ingest::Policy`: policies are compared as text.
    let (fold, stream) = (json!(fold), stream.to_string());
    Some(format!(
        r#"{{"version":1,"sampling":{sampling},"fold":{fold},"stream":{stream}}}"#
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migrations_hold_together() {
        let migrations = migrations();
        migrations.validate().unwrap();
        let mut db = Connection::open_in_memory().unwrap();
        migrations.to_latest(&mut db).unwrap();
        let format: i64 = db
            .pragma_query_value(None, "user_version", |r| r.get(0))
            .unwrap();
        assert_eq!(format, FORMAT as i64);
    }

    #[test]
    fn policies_of_before_are_read() {
        for (sentence, policy, views) in [
            (
                "keyframes, gaps filled to 2 s, fold normal",
                r#"{"version":1,"sampling":{"gap_filled":{"max_gap":2.0}},"fold":"normal","stream":null}"#,
                "center",
            ),
            (
                "keyframes, cover",
                r#"{"version":1,"sampling":"keyframes","fold":"off","stream":null}"#,
                "cover",
            ),
            (
                "every 0.5 s, fold strong, stream 1, tiles",
                r#"{"version":1,"sampling":{"every":{"seconds":0.5}},"fold":"strong","stream":1}"#,
                "tiles",
            ),
            (
                "scenes, gaps filled to 10 s, fold normal, fit",
                r#"{"version":1,"sampling":{"scenes":{"max_gap":10.0}},"fold":"normal","stream":null}"#,
                "fit",
            ),
            ("bench", "bench", "center"),
        ] {
            assert_eq!(typed(sentence), (policy.into(), views.into()));
        }
    }
}
