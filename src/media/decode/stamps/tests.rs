use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;

const SECOND: i64 = 90_000;

fn ticks(fps: i64) -> Ticks {
    Ticks {
        frame: SECOND / fps,
        second: SECOND,
        wraps: true,
        end: None,
        latest: None,
    }
}

/// Times and verdicts of a stream.
fn read(ticks: Ticks, stamps: &[Option<i64>]) -> Vec<(Option<i64>, Verdict)> {
    read_as(ticks, stamps, true)
}

/// The same, with frames in order or, for all that is known, in another.
fn read_as(ticks: Ticks, stamps: &[Option<i64>], in_order: bool) -> Vec<(Option<i64>, Verdict)> {
    let mut clock = Stamps::new(ticks);
    let mut out = Vec::new();
    let mut order = 0;
    for (n, stamp) in stamps.iter().enumerate() {
        clock.push(*stamp, stamp.filter(|_| in_order), 1_000, n);
        while let Some(given) = clock.pop() {
            assert_eq!(given.item, order);
            order += 1;
            out.push((given.ticks, given.verdict));
        }
        assert!(clock.held.len() < LOOK);
    }
    clock.finish();
    while let Some(given) = clock.pop() {
        out.push((given.ticks, given.verdict));
    }
    assert_eq!(out.len(), stamps.len());
    out
}

fn regular(fps: i64, count: i64) -> Vec<i64> {
    (0..count).map(|i| i * SECOND / fps).collect()
}

fn all(stamps: &[i64]) -> Vec<Option<i64>> {
    stamps.iter().copied().map(Some).collect()
}

/// Ten frames a second, one of them stamped some seconds off, or every tenth: the others keep theirs.
#[test]
fn stamps_out_of_order_move_no_other() {
    let right = regular(10, 400);
    for seconds in [-30.0, -3.0, -0.15, 0.15, 3.0, 30.0, 3e4, -3e4] {
        for period in [400, 10, 7] {
            let touched = |n: usize| n % period == period / 4;
            let mut stamps = right.clone();
            for (n, s) in stamps.iter_mut().enumerate() {
                if touched(n) {
                    *s += (seconds * SECOND as f64) as i64;
                }
            }
            let got = read(ticks(10), &all(&stamps));
            for (n, (time, verdict)) in got.iter().enumerate() {
                let off = (time.unwrap() - right[n]).abs();
                assert!(
                    off == 0 || touched(n) && off <= SECOND,
                    "{seconds} {period} {n}"
                );
                assert!(!matches!(verdict, Verdict::Jump(_)));
            }
        }
    }
}

#[test]
fn the_last_stamp_of_all_makes_no_hours() {
    let mut stamps = regular(10, 100);
    stamps[99] += 3 * 3600 * SECOND;
    let got = read(ticks(10), &all(&stamps));
    assert_eq!(got[99], (Some(99 * 9_000), Verdict::Wrong));
    // But where the container itself says so.
    let mut known = ticks(10);
    known.end = Some(4 * 3600 * SECOND);
    assert_eq!(read(known, &all(&stamps))[99].1, Verdict::Kept);
}

#[test]
fn a_clock_that_starts_again_is_counted_on() {
    let one = regular(25, 100);
    let got = read(ticks(25), &all(&[one.clone(), one].concat()));
    let times: Vec<i64> = got.iter().filter_map(|(t, _)| *t).collect();
    assert_eq!(times, regular(25, 200));
    let jumps: Vec<_> = (0..200)
        .filter(|n| matches!(got[*n].1, Verdict::Jump(_)))
        .collect();
    assert_eq!(jumps, [100]);
    assert_eq!(got[100].1, Verdict::Jump(100 * 3_600));
}

#[test]
fn a_leap_beyond_the_end_the_container_tells_is_a_jump() {
    let mut stamps = regular(10, 100);
    stamps.iter_mut().skip(50).for_each(|s| *s += 1 << 40);
    let mut known = ticks(10);
    known.latest = Some(100 * SECOND);
    let got = read(known, &all(&stamps));
    let times: Vec<i64> = got.iter().filter_map(|(t, _)| *t).collect();
    assert_eq!(times, regular(10, 100));
}

#[test]
fn a_clock_of_33_bits_runs_on() {
    let right: Vec<i64> = regular(25, 3000)
        .iter()
        .map(|t| t + WRAP - 100 * 3_600)
        .collect();
    let stamps: Vec<i64> = right.iter().map(|t| t % WRAP).collect();
    let got = read(ticks(25), &all(&stamps));
    assert!(
        got.iter()
            .zip(&right)
            .all(|(g, r)| *g == (Some(*r), Verdict::Kept))
    );
}

#[test]
fn scenes_that_pause_all_the_time_keep_their_times() {
    let stamps: Vec<i64> = (0..200).map(|i| (i * 30 + i * i % 7) * SECOND).collect();
    let got = read(ticks(25), &all(&stamps));
    assert!(
        got.iter()
            .zip(&stamps)
            .all(|(g, s)| *g == (Some(*s), Verdict::Kept))
    );
}

#[test]
fn large_items_are_not_held_for_long() {
    let mut clock = Stamps::new(ticks(25));
    for n in 0..20 {
        clock.push(Some(n * 3_600), None, LOOK_BYTES / 8, ());
        while clock.pop().is_some() {}
        assert!(clock.held_bytes < LOOK_BYTES);
    }
}

#[test]
fn a_wrong_stamp_that_a_seek_leads_to_is_counted_back() {
    let mut stamps = regular(25, 100);
    stamps[0] -= 3 * SECOND;
    let mut clock = Stamps::new(ticks(25));
    clock.begin_inside();
    for (n, s) in stamps.iter().enumerate() {
        clock.push(Some(*s), None, 1_000, n);
    }
    let first = clock.pop().unwrap();
    assert_eq!((first.ticks, first.verdict), (Some(0), Verdict::Wrong));
    let second = clock.pop().unwrap();
    assert_eq!((second.ticks, second.verdict), (Some(3_600), Verdict::Kept));
}

/// Where frames come in order, a stamp that goes back by less than frames out of order do is known too.
#[test]
fn small_steps_back_are_made_good_where_frames_come_in_order() {
    let right = regular(10, 400);
    let mut stamps = right.clone();
    stamps
        .iter_mut()
        .skip(20)
        .step_by(10)
        .for_each(|s| *s -= 13_500);
    let got = read(ticks(10), &all(&stamps));
    assert!(got.iter().zip(&right).all(|(g, r)| g.0 == Some(*r)));
    let got = read_as(ticks(10), &all(&stamps), false);
    assert!(
        got.iter()
            .zip(&stamps)
            .all(|(g, s)| *g == (Some(*s), Verdict::Kept))
    );
}

#[test]
fn what_has_no_stamp_passes() {
    let got = read(ticks(25), &[None, None, Some(7_200), None, Some(14_400)]);
    let times: Vec<_> = got.iter().map(|(t, _)| *t).collect();
    assert_eq!(times, [None, None, Some(7_200), None, Some(14_400)]);
}

/// What befalls a stretch of frames on one clock.
#[derive(Debug, Clone)]
struct Part {
    frames: usize,
    /// Seconds from where the clock would go on.
    joins_at: f64,
    /// After so many frames the scene pauses so many seconds.
    pauses: Vec<(usize, f64)>,
    /// From this frame on, so many, by so many seconds (each by some more where `apart`).
    wrong: Vec<(usize, usize, f64, bool)>,
    missing: Vec<usize>,
}

fn off() -> impl Strategy<Value = f64> {
    let size = prop_oneof![0.05..1.0f64, 1.0..4.0f64, 4.0..60.0f64, 60.0..90_000.0f64];
    (size, any::<bool>()).prop_map(|(s, back): (f64, bool)| if back { -s } else { s })
}

fn part() -> impl Strategy<Value = Part> {
    let joins = prop_oneof![
        -20_000.0..-60.0f64, // the clock starts again
        -60.0..0.0,          // parts overlap
        0.0..600.0,          // with a gap
    ];
    let wrong = proptest::collection::vec((0usize..20, 1..=RUN, off(), any::<bool>()), 0..8);
    let pauses = proptest::collection::vec((LOOK..130, 2.0..400.0), 0..3);
    let missing = proptest::collection::vec(0usize..300, 0..5);
    (150usize..300, joins, pauses, wrong, missing).prop_map(
        |(frames, joins_at, pauses, wrong, missing)| {
            let mut at = 40;
            let wrong = wrong.into_iter().map(|(more, run, off, apart)| {
                at += 4 * RUN + more;
                (at - 4 * RUN, run, off, apart)
            });
            Part {
                frames,
                joins_at,
                wrong: wrong.collect(),
                pauses,
                missing,
            }
        },
    )
}

/// Decoding order: after the first, of each four the last comes first.
fn reordered(times: &[i64]) -> Vec<i64> {
    let (first, rest) = times.split_at(1);
    let groups = rest.chunks(4).flat_map(|g| {
        let last = g.last().copied();
        last.into_iter().chain(g[..g.len() - 1].iter().copied())
    });
    first.iter().copied().chain(groups).collect()
}

/// (what is stamped, the part's own time, untouched) of each frame.
fn stream(fps: i64, parts: &[Part], b_frames: bool) -> Vec<Vec<(Option<i64>, i64, bool)>> {
    let frame = SECOND / fps;
    let mut at = 1_000 * SECOND;
    let mut out = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            at += (part.joins_at * SECOND as f64) as i64;
        }
        let mut times = Vec::new();
        for i in 0..part.frames {
            for (_, pause) in part.pauses.iter().filter(|(p, _)| *p == i) {
                at += (pause * SECOND as f64) as i64;
            }
            times.push(at);
            at += frame;
        }
        if b_frames {
            times = reordered(&times);
        }
        let mut frames: Vec<_> = times.iter().map(|t| (Some(*t), *t, true)).collect();
        for &(from, run, off, apart) in &part.wrong {
            // No jump and no end so close that either could be the clock.
            if from + run + RETURNED > part.frames {
                continue;
            }
            for (i, frame) in frames[from..from + run].iter_mut().enumerate() {
                let more = if apart { off * 0.7 * i as f64 } else { 0.0 };
                frame.0 = Some(frame.1 + ((off + more) * SECOND as f64) as i64);
                frame.2 = false;
            }
        }
        for &m in part.missing.iter().filter(|m| **m < part.frames) {
            frames[m].0 = None;
            frames[m].2 = false;
        }
        out.push(frames);
    }
    out
}

proptest! {
    #![proptest_config(Config { cases: 1_000, failure_persistence: None, ..Config::default() })]

    /// However many stamps are wrong, the others say what they say: those of one part all moved by
    /// the same, by nothing where no clock went back.
    #[test]
    fn untouched_frames_keep_their_times(
        parts in proptest::collection::vec(part(), 1..4),
        fps in prop_oneof![Just(5i64), Just(10), Just(25), Just(30), Just(50)],
        b_frames in any::<bool>(),
    ) {
        let stream = stream(fps, &parts, b_frames);
        let stamps: Vec<_> = stream.iter().flatten().map(|f| f.0).collect();
        let got = read_as(ticks(fps), &stamps, !b_frames);
        let mut at = 0;
        let mut moved = 0;
        for (n, frames) in stream.iter().enumerate() {
            let mut by = None;
            for (f, (time, verdict)) in frames.iter().zip(&got[at..]) {
                if f.2 {
                    let offset = time.unwrap() - f.1;
                    prop_assert_eq!(*by.get_or_insert(offset), offset, "part {} {:?}", n, verdict);
                }
            }
            let by = by.unwrap();
            if n == 0 || parts[n].joins_at > 0.0 {
                prop_assert_eq!(by, moved);
            }
            moved = by;
            at += frames.len();
        }
    }
}
