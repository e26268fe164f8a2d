//! The time of a frame is the time a player shows, in every container.

use std::path::Path;

use vsearch::media::{Choice, Sampling, frame_at};

use crate::clips::{assert_times_told, clip, ffmpeg, h264, number, samples};

const X264: &str = "-c:v libx264 -preset ultrafast -g 60 -sc_threshold 0 -bf 2";

/// Sampled times are told by the pictures, lie no more than 2 s apart, and can be seeked back to.
fn assert_exact(path: &Path, what: &str) {
    let (frames, report) = samples(path, Sampling::DEFAULT).unwrap();
    assert_times_told(&frames, what);
    assert!(
        report.coverage.largest_gap.unwrap_or(0.0) <= 2.001,
        "{what}: {}",
        report.coverage.largest_gap.unwrap_or(0.0)
    );
    assert_eq!(report.coverage.decode_errors(), 0, "{what}");
    for (seconds, pixels) in frames.iter().step_by(2) {
        let again = frame_at(path, Choice::default(), *seconds).unwrap();
        assert_eq!(
            number(&again),
            number(pixels),
            "{what}: seeking to {seconds}"
        );
    }
}

#[test]
fn in_every_container() {
    let dir = tempfile::tempdir().unwrap();
    let muxers = [
        ("a.mp4", ""),
        ("moov-first.mp4", "-movflags +faststart"),
        ("fragmented.mp4", "-movflags frag_keyframe+empty_moov"),
        ("a.mov", ""),
        ("a.mkv", ""),
        ("no-cues.mkv", "-live 1"),
        ("a.ts", ""),
        ("a.flv", ""),
        ("a.avi", "-bf 0"),
    ];
    for (name, options) in muxers {
        let path = clip(dir.path(), name, 7, &format!("{X264} {options}"));
        assert_exact(&path, name);
    }
    for (name, codec) in [
        ("mpeg2.ts", "-c:v mpeg2video -q:v 2 -g 60 -bf 2"),
        ("mpeg4.avi", "-c:v mpeg4 -q:v 2 -g 60"),
        ("vp8.webm", "-c:v libvpx -b:v 2M -deadline realtime -g 60"),
        ("mjpeg.avi", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p"),
        (
            "hevc.mp4",
            "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=60",
        ),
    ] {
        assert_exact(&clip(dir.path(), name, 5, codec), name);
    }
}

/// Program streams carry a pts for few frames only; what FFmpeg makes of the rest, and players
/// with it, is up to a frame off.
#[test]
fn in_a_program_stream_to_a_frame() {
    let dir = tempfile::tempdir().unwrap();
    let path = clip(dir.path(), "a.mpg", 5, "-c:v mpeg2video -q:v 2 -g 60");
    let (frames, report) = samples(&path, Sampling::DEFAULT).unwrap();
    assert!(
        report.coverage.largest_gap.unwrap_or(0.0) <= 2.001,
        "{}",
        report.coverage.largest_gap.unwrap_or(0.0)
    );
    for (seconds, pixels) in &frames {
        let expected = (seconds * 25.0).round() as i64 % 50;
        let off = (i64::from(number(pixels)) - expected).rem_euclid(50);
        assert!([0, 1, 49].contains(&off), "at {seconds}: {off}");
    }
}

#[test]
fn after_a_start_26_hours_in() {
    let dir = tempfile::tempdir().unwrap();
    let path = clip(
        dir.path(),
        "late.ts",
        5,
        &format!("{X264} -output_ts_offset 93600"),
    );
    assert_exact(&path, "late.ts");
}

#[test]
fn with_an_edit_list() {
    let dir = tempfile::tempdir().unwrap();
    let whole = h264(dir.path(), "whole.mp4", 8, 50);
    let cut = dir.path().join("cut.mp4");
    // Copied from 1 s on: the packets since the keyframe at 0 s stay, an edit list hides them.
    ffmpeg(&format!("-ss 1 -i {} -c copy {{}}", whole.display()), &cut);
    let (frames, _) = samples(&cut, Sampling::DEFAULT).unwrap();
    for (seconds, pixels) in &frames {
        let expected = ((seconds + 1.0) * 25.0).round() as u32 % 50;
        assert_eq!(number(pixels), expected, "at {seconds}");
    }
}

#[test]
fn of_raw_h264_counted_from_its_frame_rate() {
    let dir = tempfile::tempdir().unwrap();
    let path = clip(dir.path(), "raw.h264", 5, &format!("{X264} -bf 0 -f h264"));
    let (frames, report) = samples(&path, Sampling::DEFAULT).unwrap();
    assert_times_told(&frames, "raw.h264");
    assert!(report.coverage.largest_gap.unwrap_or(0.0) <= 2.001);
}

#[test]
fn of_variable_frame_rate() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vfr.mkv");
    // Frames 0..50 come at 25 a second, those after at 5 a second.
    ffmpeg(
        "-f lavfi -i color=black:s=64x48:r=25:d=4,format=gray,geq=lum=mod(N\\,50)*4+20,\
         setpts=if(lt(N\\,50)\\,N\\,50+(N-50)*5)/25/TB -pix_fmt yuv420p -vsync vfr \
         -c:v libx264 -preset ultrafast {}",
        &path,
    );
    let (frames, _) = samples(&path, Sampling::Every { seconds: 1.0 }).unwrap();
    assert!(frames.len() >= 11, "{}", frames.len());
    for (seconds, pixels) in &frames {
        let n = match *seconds < 2.0 {
            true => seconds * 25.0,
            false => 50.0 + (seconds - 2.0) * 5.0,
        };
        assert_eq!(number(pixels), n.round() as u32 % 50, "at {seconds}");
    }
}

#[test]
fn keyframes_near_enough_are_decoded_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = h264(dir.path(), "short-gops.mp4", 10, 25);
    let (frames, report) = samples(&path, Sampling::DEFAULT).unwrap();
    assert_times_told(&frames, "short GOPs");
    assert_eq!(frames.len(), 10);
    assert!(report.decoded <= 35, "decoded {}", report.decoded);
}

#[test]
fn keyframes_only_takes_keyframes_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = h264(dir.path(), "long-gops.mp4", 10, 125);
    let (frames, report) = samples(&path, Sampling::Keyframes).unwrap();
    let times: Vec<f64> = frames.iter().map(|(t, _)| *t).collect();
    assert_eq!(times, [0.0, 5.0]);
    assert_eq!(report.decoded, 2);
    assert!(
        (report.coverage.largest_gap.unwrap_or(0.0) - 5.0).abs() < 0.05,
        "{}",
        report.coverage.largest_gap.unwrap_or(0.0)
    );
}

#[test]
fn a_stream_of_keyframes_is_thinned() {
    let dir = tempfile::tempdir().unwrap();
    let path = clip(
        dir.path(),
        "intra.avi",
        6,
        "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p",
    );
    for sampling in [Sampling::DEFAULT, Sampling::Keyframes] {
        let (frames, _) = samples(&path, sampling).unwrap();
        assert!((3..=13).contains(&frames.len()), "{} frames", frames.len());
    }
}

#[test]
fn a_time_past_the_end_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = h264(dir.path(), "short.mp4", 2, 25);
    assert_eq!(
        number(&frame_at(&path, Choice::default(), 1.97).unwrap()),
        49
    );
    let e = frame_at(&path, Choice::default(), 9.0)
        .unwrap_err()
        .to_string();
    assert!(e.contains("ends at 2.000 s"), "{e}");
}

#[test]
fn open_gops_are_sampled_like_closed_ones() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["open.mp4", "open.ts"] {
        let codec = "-c:v libx264 -x264-params open-gop=1:keyint=25:bframes=3:scenecut=0";
        let path = clip(dir.path(), name, 10, codec);
        for sampling in [Sampling::DEFAULT, Sampling::Keyframes] {
            let (frames, report) = samples(&path, sampling).unwrap();
            assert_times_told(&frames, name);
            assert!(frames.len() >= 9, "{name}: {} frames", frames.len());
            assert!(
                report.coverage.largest_gap.unwrap_or(0.0) <= 2.001,
                "{name}: {}",
                report.coverage.largest_gap.unwrap_or(0.0)
            );
        }
    }
}

#[test]
fn a_stream_refreshed_without_keyframes_is_sampled() {
    let dir = tempfile::tempdir().unwrap();
    let codec = "-c:v libx264 -x264-params intra-refresh=1:keyint=25:bframes=0";
    let path = clip(dir.path(), "refresh.mkv", 10, codec);
    let (frames, report) = samples(&path, Sampling::DEFAULT).unwrap();
    assert!(frames.len() >= 4, "{} frames", frames.len());
    assert!(
        report.coverage.largest_gap.unwrap_or(0.0) <= 3.1,
        "{}",
        report.coverage.largest_gap.unwrap_or(0.0)
    );
}

#[test]
fn a_clock_that_starts_again_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let one = clip(dir.path(), "one.ts", 6, X264);
    let twice = dir.path().join("twice.ts");
    let bytes = std::fs::read(&one).unwrap();
    std::fs::write(&twice, [bytes.clone(), bytes].concat()).unwrap();
    let (frames, report) = samples(&twice, Sampling::Every { seconds: 1.0 }).unwrap();
    assert!(frames.len() >= 12, "{} frames", frames.len());
    assert!(
        report.coverage.seconds_read() > 11.5,
        "{}",
        report.coverage.seconds_read()
    );
    assert_eq!(report.coverage.jumps.len(), 1, "the jump is told");
}

#[test]
fn keyframes_only_stand_for_the_whole_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = h264(dir.path(), "one-key.mp4", 9, 1000);
    let (frames, report) = samples(&path, Sampling::Keyframes).unwrap();
    assert_eq!(frames.len(), 1);
    assert!(
        (report.coverage.seconds_read() - 9.0).abs() < 0.1
            && (report.coverage.largest_gap.unwrap_or(0.0) - 9.0).abs() < 0.1
    );
}
