//! Clocks that err: a frame's time is what its own stamp says, whatever others say.

use std::path::{Path, PathBuf};

use vsearch::media::{Choice, Ending, FrameReader, ReadReport, Sampling};
use vsearch::types::Pixels;

use crate::clips::{assert_times_told, clip, ffmpeg, number, samples};
use crate::commands::Vsearch;

/// Frames in the order they are shown, each keyframe a second after the one before.
const PLAIN: &str = "-c:v libx264 -preset ultrafast -g 25 -sc_threshold 0 -bf 0";
const REORDERED: &str = "-c:v libx264 -preset ultrafast -g 50 -sc_threshold 0 -bf 3";
const MPEG: i64 = 90_000;
const PACKET: usize = 188;

const SAMPLINGS: [Sampling; 4] = [
    Sampling::DEFAULT,
    Sampling::Every { seconds: 1.0 },
    Sampling::Every { seconds: 0.2 },
    Sampling::Keyframes,
];

/// The bytes of a transport stream (ISO/IEC 13818-1) with the stamps of its video moved: those of the
/// n-th packet of the elementary stream, in decoding order, by `off(n)` ticks of 1/90,000 s.
fn restamped(path: &Path, off: impl Fn(usize) -> i64) -> Vec<u8> {
    let mut bytes = std::fs::read(path).unwrap();
    let mut n = 0;
    for packet in bytes.chunks_exact_mut(PACKET) {
        assert_eq!(packet[0], 0x47);
        let (begins, fields) = (packet[1] & 0x40 != 0, packet[3] >> 4 & 3);
        let at = match fields & 2 {
            0 => 4,
            _ => 5 + usize::from(packet[4]),
        };
        let is_video = |h: &[u8]| h.starts_with(&[0, 0, 1]) && (0xE0..=0xEF).contains(&h[3]);
        if !begins || fields & 1 == 0 || !is_video(&packet[at..]) {
            continue;
        }
        let stamps = match packet[at + 7] >> 6 {
            3 => 2,
            2 => 1,
            _ => 0,
        };
        for stamp in packet[at + 9..].chunks_exact_mut(5).take(stamps) {
            write_stamp(stamp, (read_stamp(stamp) + off(n)).rem_euclid(1 << 33));
        }
        n += 1;
    }
    bytes
}

fn read_stamp(b: &[u8]) -> i64 {
    let b: Vec<i64> = b.iter().map(|b| i64::from(*b)).collect();
    (b[0] >> 1 & 7) << 30 | b[1] << 22 | (b[2] >> 1) << 15 | b[3] << 7 | b[4] >> 1
}

fn write_stamp(b: &mut [u8], t: i64) {
    b[0] = b[0] & 0xF1 | ((t >> 30 & 7) << 1) as u8;
    b[1] = (t >> 22 & 0xFF) as u8;
    b[2] = ((t >> 15 & 0x7F) << 1 | 1) as u8;
    b[3] = (t >> 7 & 0xFF) as u8;
    b[4] = ((t & 0x7F) << 1 | 1) as u8;
}

fn written(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Nothing is missing of these seconds, and nothing says that it is.
fn assert_whole(report: &ReadReport, seconds: f64, what: &str) {
    let seen = &report.coverage;
    assert_eq!(report.ending, Ending::Complete, "{what}: {seen:?}");
    assert!(
        (seen.seconds_read() - seconds).abs() < 0.1,
        "{what}: {seen:?}"
    );
    assert!((seen.length() - seconds).abs() < 0.2, "{what}: {seen:?}");
    assert_eq!((seen.unseen(), seen.decode_errors()), (0.0, 0), "{what}");
}

/// Each frame is where the file itself says that it is, and a seek leads there.
fn assert_seekable(path: &Path, frames: &[(f64, Pixels)], what: &str) {
    for (seconds, pixels) in frames.iter().step_by(5) {
        let mut file = FrameReader::new(path, Choice::default(), None);
        let (found, _) = file.frame_at(*seconds).unwrap();
        assert_eq!(number(&found), number(pixels), "{what}: at {seconds}");
        let near =
            |file: &FrameReader| file.stamped_at().is_none_or(|s| (s - seconds).abs() < 1e-6);
        // A seek may lead to a wrong stamp: with others before it, it is known to be one.
        if !near(&file) {
            file.frame_at((seconds - 3.0).max(0.0)).unwrap();
            let (found, _) = file.frame_at(*seconds).unwrap();
            assert_eq!(number(&found), number(pixels), "{what}: at {seconds}");
        }
        assert!(near(&file), "{what}: {seconds} {:?}", file.stamped_at());
    }
}

#[test]
fn one_stamp_out_of_order_moves_no_other_frame() {
    let dir = tempfile::tempdir().unwrap();
    let right = clip(dir.path(), "right.ts", 40, PLAIN);
    for seconds in [-31, -3, 3, 31, 9_000] {
        // A keyframe, and one that is none.
        for touched in [250, 263] {
            let off = |n| if n == touched { seconds * MPEG } else { 0 };
            let path = written(dir.path(), "wrong.ts", &restamped(&right, off));
            for sampling in SAMPLINGS {
                let what = format!("{seconds} s at {touched}, {sampling}");
                let (frames, report) = samples(&path, sampling).unwrap();
                assert_times_told(&frames, &what);
                assert_whole(&report, 40.0, &what);
                let seen = &report.coverage;
                assert_eq!((seen.wrong_times, seen.jumps.len()), (1, 0), "{what}");
                assert!(
                    (seen.faults[0] - touched as f64 / 25.0).abs() < 0.01,
                    "{what}"
                );
            }
            let (frames, _) = samples(&path, Sampling::DEFAULT).unwrap();
            assert_seekable(&path, &frames, &format!("{seconds} s at {touched}"));
        }
    }
}

#[test]
fn every_tenth_stamp_too_early_makes_no_drift() {
    let dir = tempfile::tempdir().unwrap();
    let right = clip(dir.path(), "right.ts", 40, PLAIN);
    // 0.15 s, and so far that it cannot be a frame out of order.
    for early in [13_500, 2 * MPEG] {
        let off = |n| if n % 10 == 5 { -early } else { 0 };
        let path = written(dir.path(), "wrong.ts", &restamped(&right, off));
        for sampling in SAMPLINGS {
            let what = format!("{early} ticks early, {sampling}");
            let (frames, report) = samples(&path, sampling).unwrap();
            assert_times_told(&frames, &what);
            assert_whole(&report, 40.0, &what);
            assert!(report.coverage.jumps.is_empty(), "{what}");
        }
        let (frames, _) = samples(&path, Sampling::DEFAULT).unwrap();
        assert_seekable(&path, &frames, &format!("{early} ticks early"));
    }
}

#[test]
fn frames_decoded_out_of_order_keep_their_times_too() {
    let dir = tempfile::tempdir().unwrap();
    let right = clip(dir.path(), "right.ts", 40, REORDERED);
    for seconds in [-31, -3, 3, 31] {
        let off = |n| if n % 100 == 61 { seconds * MPEG } else { 0 };
        let path = written(dir.path(), "wrong.ts", &restamped(&right, off));
        let what = format!("{seconds} s");
        let (frames, report) = samples(&path, Sampling::Every { seconds: 1.0 }).unwrap();
        let wrong = frames
            .iter()
            .filter(|(t, p)| number(p) != (t * 25.0).round() as u32 % 50);
        // The touched themselves are no more than put between their neighbours.
        assert!(wrong.count() <= 10, "{what}");
        assert!(report.coverage.jumps.is_empty(), "{what}");
        assert_whole(&report, 40.0, &what);
        let (last, _) = frames.last().unwrap();
        assert!((38.9..40.0).contains(last), "{what}: {last}");
    }
}

#[test]
fn a_far_stamp_makes_no_unseen_hours() {
    let dir = tempfile::tempdir().unwrap();
    let right = clip(dir.path(), "right.ts", 20, PLAIN);
    for touched in [250, 499] {
        let off = |n| if n == touched { 3 * 3600 * MPEG } else { 0 };
        let path = written(dir.path(), "far.ts", &restamped(&right, off));
        let what = format!("frame {touched}");
        let (frames, report) = samples(&path, Sampling::DEFAULT).unwrap();
        assert_whole(&report, 20.0, &what);
        assert_times_told(&frames, &what);
    }
}

#[test]
fn joined_recordings_are_counted_on_where_their_clocks_go_back() {
    let dir = tempfile::tempdir().unwrap();
    let one = clip(dir.path(), "one.ts", 10, PLAIN);
    // The second begins anew, or before the first has ended.
    for (starts, moved) in [(0, 10.0), (7, 3.0)] {
        let both = [restamped(&one, |_| 0), restamped(&one, |_| starts * MPEG)].concat();
        let path = written(dir.path(), "both.ts", &both);
        for sampling in SAMPLINGS {
            let what = format!("from {starts} s, {sampling}");
            let (frames, report) = samples(&path, sampling).unwrap();
            assert_times_told(&frames, &what);
            let seen = &report.coverage;
            assert!((seen.seconds_read() - 20.0).abs() < 0.1, "{what}: {seen:?}");
            assert_eq!((seen.jumps.len(), seen.unseen()), (1, 0.0), "{what}");
            let (at, by) = seen.jumps[0];
            assert!(
                (at - 10.0).abs() < 0.1 && (by - moved).abs() < 0.1,
                "{what}: {at} {by}"
            );
        }
        // Frames of it are found from the start on.
        let choice = Choice {
            from_start: true,
            ..Choice::default()
        };
        let mut file = FrameReader::new(&path, choice, None);
        for seconds in [3.0, 9.0, 12.0, 17.4, 4.0] {
            let (found, _) = file.frame_at(seconds).unwrap();
            assert_eq!(
                number(&found),
                (seconds * 25.0).round() as u32 % 50,
                "{seconds}"
            );
        }
    }
}

#[test]
fn a_gap_between_recordings_stays_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let one = clip(dir.path(), "one.ts", 10, PLAIN);
    let both = [restamped(&one, |_| 0), restamped(&one, |_| 24 * MPEG)].concat();
    let path = written(dir.path(), "both.ts", &both);
    let (frames, report) = samples(&path, Sampling::DEFAULT).unwrap();
    assert_times_told(&frames, "gap");
    let seen = &report.coverage;
    assert!(seen.jumps.is_empty() && seen.wrong_times == 0, "{seen:?}");
    let [(from, to)] = seen.gaps[..] else {
        panic!("{seen:?}");
    };
    assert!(
        (9.0..10.0).contains(&from) && (to - 24.0).abs() < 0.1,
        "{seen:?}"
    );
}

/// A camera that sends nothing while nothing moves.
#[test]
fn pauses_of_minutes_keep_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pauses.mkv");
    // Five seconds each, ten minutes from one to the next.
    let source = "-f lavfi -i color=black:s=64x48:r=25:d=20,format=gray,geq=lum=mod(N\\,50)*4+20,\
         setpts=(N+floor(N/125)*14875)/25/TB -pix_fmt yuv420p -vsync vfr \
         -c:v libx264 -preset ultrafast -bf 2 {}";
    ffmpeg(source, &path);
    let (frames, report) = samples(&path, Sampling::DEFAULT).unwrap();
    for (seconds, pixels) in &frames {
        let part = (seconds / 600.0).floor();
        let n = ((seconds - part * 600.0) * 25.0).round() + part * 125.0;
        assert_eq!(number(pixels), n as u32 % 50, "at {seconds}");
    }
    let seen = &report.coverage;
    assert_eq!(
        (seen.wrong_times, seen.jumps.len(), seen.gaps.len()),
        (0, 0, 3),
        "{seen:?}"
    );
    assert_eq!(report.ending, Ending::Complete);
    for (from, to) in &seen.gaps {
        let inside = |t: f64| t > *from && t < *to;
        assert!(!frames.iter().any(|(t, _)| inside(*t)), "{from} to {to}");
    }
}

#[test]
fn the_ledger_tells_and_verify_asks_the_file() {
    let v = Vsearch::new();
    let right = clip(v.dir.path(), "right.ts", 20, PLAIN);
    let off = |n| if n == 130 { -3 * MPEG } else { 0 };
    let wrong = restamped(&right, off);
    written(&v.footage(), "wrong.ts", &wrong);
    let index = ["index", "footage", "-q", "--every", "1", "--fold", "off"];
    let (code, _, err) = v.run(&index);
    assert_eq!(code, 0, "{err}");
    let status = v.json(&["status", "--json"]);
    assert_eq!(status[0]["wrong_times"], 1, "{status:?}");
    assert_eq!(status[0]["jumps"].as_array().map(Vec::len), Some(0));
    assert_eq!(status[1]["summary"]["unseen"], 0.0);
    let (code, out, said) = v.run(&["verify"]);
    assert!(code == 0 && out.contains("0 differ"), "{out}{said}");
    let (_, out, _) = v.run(&["status", "--gaps"]);
    assert!(out.contains("1 frame seen whose time was wrong"), "{out}");

    // Times that no frame of the file has.
    let catalog = v.dir.path().join("library/catalog.sqlite");
    let db = rusqlite::Connection::open(catalog).unwrap();
    db.execute("UPDATE moments SET time = time + 13 * base_den / 1000", [])
        .unwrap();
    drop(db);
    let (code, _, said) = v.run(&["verify"]);
    assert_eq!(code, 1);
    assert!(said.contains("the frame there is shown at"), "{said}");

    // One recording behind the other: read whole again where it has grown.
    let one = restamped(&clip(v.dir.path(), "one.ts", 10, PLAIN), |_| 0);
    written(
        &v.footage(),
        "wrong.ts",
        &[one.clone(), one.clone()].concat(),
    );
    assert_ne!(v.run(&index).0, 2);
    let status = v.json(&["status", "--json"]);
    assert_eq!(
        status[0]["jumps"].as_array().map(Vec::len),
        Some(1),
        "{status:?}"
    );
    let (_, out, said) = v.run(&["verify"]);
    assert!(out.contains("0 differ"), "{out}{said}");
    let (_, out, _) = v.run(&["status", "--gaps"]);
    assert!(out.contains("the clock began anew"), "{out}");
    written(
        &v.footage(),
        "wrong.ts",
        &[one.clone(), one.clone(), one].concat(),
    );
    assert_ne!(v.run(&index).0, 2);
    let status = v.json(&["status", "--json"]);
    assert_eq!(
        status[0]["jumps"].as_array().map(Vec::len),
        Some(2),
        "{status:?}"
    );
    assert!(
        status[0]["read_to"]
            .as_f64()
            .is_some_and(|t| (t - 30.0).abs() < 0.1)
    );
}
