//! Frames come out upright, in true colours and aspect; damage is counted and never ends the
//! reading early in silence.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use vsearch::media::{
    Choice, Decoding, Ending, Limits, MediaError, ReadReport, Sampling, Source, Span, Worker,
    sample,
};
use vsearch::types::Pixels;

use crate::clips::{assert_times_told, clip, ffmpeg, h264, samples, samples_of};

/// A picture whose left half is red and right half blue, 64x32.
const RED_BLUE: &str = "-f lavfi -i color=red:s=32x32:r=5:d=1 -f lavfi -i color=blue:s=32x32:r=5:d=1 \
     -filter_complex hstack";

fn first(path: &Path) -> Pixels {
    let (mut frames, _) = samples(path, Sampling::DEFAULT).unwrap();
    frames.remove(0).1
}

/// Which of red, green and blue a point is.
fn colour(pixels: &Pixels, x: u32, y: u32) -> char {
    let at = ((y * pixels.width() + x) * 3) as usize;
    let rgb = &pixels.rgb()[at..at + 3];
    match rgb {
        [r, g, b] if *r > 200 && *g < 60 && *b < 60 => 'r',
        [r, g, b] if *r < 60 && *g < 60 && *b > 200 => 'b',
        _ => panic!("{rgb:?} at {x},{y}"),
    }
}

#[test]
fn a_recorded_rotation_is_undone() {
    let dir = tempfile::tempdir().unwrap();
    let flat = dir.path().join("flat.mp4");
    let x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    ffmpeg(&format!("{RED_BLUE} {x264} {{}}"), &flat);
    assert_eq!(
        (colour(&first(&flat), 5, 16), colour(&first(&flat), 60, 16)),
        ('r', 'b')
    );

    for degrees in [90, 180, 270] {
        let turned = dir.path().join(format!("turned{degrees}.mp4"));
        let copy = format!(
            "-i {} -c copy -metadata:s:v rotate={degrees} {{}}",
            flat.display()
        );
        ffmpeg(&copy, &turned);
        let expected = dir.path().join(format!("expected{degrees}.png"));
        ffmpeg(
            &format!("-i {} -frames:v 1 {{}}", turned.display()),
            &expected,
        );
        let expected = vsearch::embed::load_picture(&expected).unwrap();
        let ours = first(&turned);
        assert_eq!(
            (ours.width(), ours.height()),
            (expected.width(), expected.height())
        );
        for (x, y) in [(4, 4), (ours.width() - 5, ours.height() - 5)] {
            assert_eq!(
                colour(&ours, x, y),
                colour(&expected, x, y),
                "{degrees} at {x},{y}"
            );
        }
    }
}

#[test]
fn pixels_that_are_not_square_are_made_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wide.mkv");
    ffmpeg(
        &format!("{RED_BLUE},setsar=2/1 -c:v libx264 -pix_fmt yuv420p {{}}"),
        &path,
    );
    let frame = first(&path);
    assert_eq!((frame.width(), frame.height()), (128, 32));
    assert_eq!((colour(&frame, 5, 16), colour(&frame, 120, 16)), ('r', 'b'));
}

#[test]
fn colours_are_true_whatever_the_encoding() {
    let dir = tempfile::tempdir().unwrap();
    for (name, options) in [
        (
            "bt709.mkv",
            "-vf scale=out_color_matrix=bt709 -colorspace bt709 -pix_fmt yuv420p",
        ),
        (
            "full.mkv",
            "-vf scale=out_range=full -color_range pc -pix_fmt yuv420p",
        ),
        ("ten.mkv", "-pix_fmt yuv420p10le"),
        ("yuv444.mkv", "-pix_fmt yuv444p"),
    ] {
        let path = dir.path().join(name);
        let red = "-f lavfi -i color=0xc83214:s=64x48:r=5:d=1";
        ffmpeg(&format!("{red} {options} -c:v libx264 -qp 0 {{}}"), &path);
        let rgb = first(&path).rgb()[..3].to_vec();
        let near = rgb
            .iter()
            .zip([0xc8u8, 0x32, 0x14])
            .all(|(a, b)| a.abs_diff(b) <= 4);
        assert!(near, "{name}: {rgb:?}");
    }
}

#[test]
fn odd_and_tiny_sizes_are_read() {
    let dir = tempfile::tempdir().unwrap();
    for size in ["1x1", "3x5", "17x2"] {
        let scale = size.replace('x', ":");
        let path = dir.path().join(format!("{size}.mkv"));
        ffmpeg(
            &format!("-f lavfi -i color=red:s=64x48:r=5:d=1,scale={scale} -c:v ffv1 {{}}"),
            &path,
        );
        let frame = first(&path);
        assert_eq!(format!("{}x{}", frame.width(), frame.height()), size);
    }
}

#[test]
fn a_truncated_file_is_read_as_far_as_it_goes_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole.mkv");
    let noise = "-f lavfi -i testsrc2=s=160x120:r=25:d=20 -c:v libx264 -preset ultrafast -g 25";
    ffmpeg(&format!("{noise} {{}}"), &whole);
    let bytes = fs::read(&whole).unwrap();
    let cut = dir.path().join("cut.mkv");
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let (frames, report) = samples(&cut, Sampling::DEFAULT).unwrap();
    assert!(frames.len() >= 8, "{} frames", frames.len());
    let Ending::Early(reason) = report.ending else {
        panic!("{:?}", report.ending);
    };
    assert!(reason.contains("of the 20.0 s it promises"), "{reason}");
}

/// A timecode track says at the start that it lasts to the end.
#[test]
fn a_truncated_file_with_a_timecode_says_so_too() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole.mp4");
    let noise = "-f lavfi -i testsrc2=s=160x120:r=25:d=20 -c:v libx264 -preset ultrafast -g 25 \
         -timecode 00:00:00:00 -movflags +faststart";
    ffmpeg(&format!("{noise} {{}}"), &whole);
    let bytes = fs::read(&whole).unwrap();
    let cut = dir.path().join("cut.mp4");
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let (_, report) = samples(&cut, Sampling::DEFAULT).unwrap();
    assert!(matches!(report.ending, Ending::Early(_)), "{report:?}");
    assert!(report.coverage.seconds_read() < 15.0, "{report:?}");
    assert!(report.coverage.unseen() > 5.0, "{report:?}");
}

#[test]
fn damage_in_the_middle_is_counted_and_passed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.ts");
    let noise = "-f lavfi -i testsrc2=s=160x120:r=25:d=20 -c:v libx264 -preset ultrafast -g 100";
    ffmpeg(&format!("{noise} {{}}"), &path);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    for (i, b) in bytes[middle..middle + 30_000].iter_mut().enumerate() {
        *b = (i * 7919 % 251) as u8;
    }
    fs::write(&path, &bytes).unwrap();
    let (frames, report) = samples(&path, Sampling::DEFAULT).unwrap();
    assert!(report.coverage.decode_errors() > 0);
    assert!(
        frames.last().unwrap().0 > 17.0,
        "ended at {}",
        frames.last().unwrap().0
    );
}

#[test]
fn what_is_no_video_is_said_to_be_none() {
    let dir = tempfile::tempdir().unwrap();
    let audio = dir.path().join("audio.mp4");
    ffmpeg("-f lavfi -i sine=d=1 -c:a aac {}", &audio);
    let e = samples(&audio, Sampling::DEFAULT).unwrap_err();
    assert!(matches!(e, MediaError::NoVideoStream { .. }), "{e}");

    let still = dir.path().join("still.png");
    ffmpeg("-f lavfi -i color=red:s=8x8 -frames:v 1 {}", &still);
    let e = samples(&still, Sampling::DEFAULT).unwrap_err();
    assert!(matches!(e, MediaError::Still { .. }), "{e}");

    let text = dir.path().join("text.mp4");
    fs::write(&text, "this is no film at all\n".repeat(50)).unwrap();
    let e = samples(&text, Sampling::DEFAULT).unwrap_err();
    assert!(e.is_other_kind(), "{e}");

    let empty = dir.path().join("empty.mp4");
    fs::write(&empty, "").unwrap();
    let e = samples(&empty, Sampling::DEFAULT).unwrap_err();
    assert!(matches!(e, MediaError::Empty { .. }), "{e}");
}

#[test]
fn one_frame_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one.mp4");
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48 -frames:v 1 -c:v libx264 {}",
        &path,
    );
    for sampling in [
        Sampling::DEFAULT,
        Sampling::Keyframes,
        Sampling::Every { seconds: 5.0 },
    ] {
        assert_eq!(samples(&path, sampling).unwrap().0.len(), 1);
    }
    // A stopped consumer is a stopped reading, not an error.
    let (_, report) = samples(&h264(dir.path(), "b.mp4", 1, 5), Sampling::DEFAULT).unwrap();
    assert_eq!(report.ending, Ending::Complete);
}

#[test]
fn a_second_half_that_cannot_be_decoded_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("zeroed.mp4");
    let noise = "-f lavfi -i testsrc2=s=160x120:r=25:d=20 -c:v libx264 -preset ultrafast -g 50";
    ffmpeg(&format!("{noise} -movflags +faststart {{}}"), &path);
    let mut bytes = fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0);
    fs::write(&path, &bytes).unwrap();
    let (frames, report) = samples(&path, Sampling::DEFAULT).unwrap();
    assert!(frames.last().unwrap().0 < 15.0);
    assert!(matches!(report.ending, Ending::Early(_)), "{report:?}");
    assert!(
        report.coverage.largest_gap.unwrap_or(0.0) > 5.0,
        "{report:?}"
    );
}

#[test]
fn a_playlist_opens_no_other_file() {
    let dir = tempfile::tempdir().unwrap();
    let real = h264(dir.path(), "real.mp4", 1, 25);
    for (name, text) in [
        (
            "a.m3u8",
            format!("#EXTM3U\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n", real.display()),
        ),
        (
            "a.ffconcat",
            format!("ffconcat version 1.0\nfile {}\n", real.display()),
        ),
        (
            "a.sdp",
            "v=0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n".to_owned(),
        ),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        let e = samples(&path, Sampling::DEFAULT).unwrap_err();
        assert!(!matches!(e, MediaError::Stopped { .. }), "{e}");
    }
}

#[test]
fn a_large_frame_is_made_smaller_for_sampling_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("4k.mkv");
    ffmpeg(
        "-f lavfi -i testsrc2=s=3840x2160:r=1:d=1 -c:v mjpeg {}",
        &path,
    );
    let (sampled, whole) = (
        first(&path),
        vsearch::media::frame_at(&path, Choice::default(), 0.0).unwrap(),
    );
    assert_eq!((sampled.width(), sampled.height()), (1920, 1080));
    assert_eq!((whole.width(), whole.height()), (3840, 2160));
}

#[test]
fn scenes_are_looked_at_where_they_begin() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cuts.mp4");
    let scenes = "-f lavfi -i testsrc2=s=160x120:r=25:d=3 -f lavfi -i smptebars=s=160x120:r=25:d=3.4 \
                  -f lavfi -i mandelbrot=s=160x120:r=25 -filter_complex [0][1][2]concat=n=3 -t 9 \
                  -c:v libx264 -preset ultrafast -g 250 -sc_threshold 0 {}";
    ffmpeg(scenes, &path);
    let (got, _) = samples(&path, Sampling::SCENES).unwrap();
    let times: Vec<f64> = got
        .iter()
        .map(|(t, _)| (t * 100.0).round() / 100.0)
        .collect();
    assert_eq!(times, [0.0, 3.0, 6.4]);
}

#[test]
fn another_video_stream_is_read_where_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("two.mkv");
    let two = "-f lavfi -i color=red:s=64x48:r=10:d=2 -f lavfi -i color=blue:s=64x48:r=10:d=2 -map 0 -map 1 \
               -c:v ffv1 -disposition:v:0 default {}";
    ffmpeg(two, &path);
    let colour = |stream| {
        let choice = Choice {
            stream,
            ..Choice::default()
        };
        let source = Source::open_with(&path, &Arc::new(AtomicBool::new(false)), choice)?;
        let mut rgb = Vec::new();
        sample(source, Sampling::DEFAULT, Span::WHOLE, 1, |frame| {
            rgb = frame.pixels.rgb()[..3].to_vec();
            ControlFlow::Continue(())
        })?;
        Ok::<_, MediaError>(rgb)
    };
    assert!(colour(None).unwrap()[0] > 200);
    assert!(colour(Some(1)).unwrap()[2] > 200);
    assert!(matches!(
        colour(Some(2)),
        Err(MediaError::NoSuchStream { streams: 2, .. })
    ));
}

#[test]
fn an_interlaced_frame_shows_one_field() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fields.mkv");
    // Fields of two times: white above black, line by line, where both are shown.
    let fields = "-f lavfi -i color=black:s=64x48:r=50:d=2,format=gray,geq=lum=255*mod(N\\,2) \
                  -vf tinterlace=mode=interleave_top,setfield=tff -pix_fmt yuv420p -c:v ffv1 {}";
    ffmpeg(fields, &path);
    let (got, _) = samples(&path, Sampling::DEFAULT).unwrap();
    let rgb = got[0].1.rgb();
    let (least, most) = (rgb.iter().min().unwrap(), rgb.iter().max().unwrap());
    assert!(most - least < 16, "{least} to {most}: both fields at once");
}

#[test]
fn stretches_of_a_file_give_what_the_whole_gives() {
    let dir = tempfile::tempdir().unwrap();
    let open_gop =
        "-c:v libx264 -preset ultrafast -bf 3 -g 40 -x264-params open-gop=1 -sc_threshold 0";
    let clips = [
        h264(dir.path(), "a.mp4", 30, 40),
        clip(dir.path(), "b.mkv", 30, open_gop),
        clip(dir.path(), "c.mp4", 30, open_gop),
    ];
    let every = Sampling::Every { seconds: 0.5 };
    let thinned = Sampling::Every { seconds: 5.0 };
    for path in &clips {
        for sampling in [Sampling::DEFAULT, Sampling::Keyframes, every, thinned] {
            let (whole, all) = samples(path, sampling).unwrap();
            let edges = [0.0, 10.0, 20.0];
            let (mut parts, mut together): (Vec<_>, Option<ReadReport>) = Default::default();
            for (n, from) in edges.into_iter().enumerate() {
                let to = edges.get(n + 1).copied();
                let (frames, report) = samples_of(path, sampling, Span { from, to }).unwrap();
                assert!(
                    frames
                        .iter()
                        .all(|(t, _)| *t >= from - 1e-6 && to.is_none_or(|to| *t < to))
                );
                assert_eq!(report.ending, Ending::Complete);
                parts.extend(frames);
                match &mut together {
                    None => together = Some(report),
                    Some(t) => t.join(report),
                }
            }
            let together = together.unwrap();
            let what = format!("{}, {sampling}", path.display());
            assert_times_told(&whole, &what);
            assert_times_told(&parts, &what);
            assert_eq!(together.coverage.frames as usize, parts.len());
            assert_eq!(
                (
                    together.coverage.gaps.len(),
                    together.coverage.decode_errors()
                ),
                (0, 0),
                "{what}"
            );
            assert!(
                (together.coverage.seconds_read() - all.coverage.seconds_read()).abs() < 1e-6,
                "{what}"
            );
            let times =
                |frames: &[(f64, Pixels)]| frames.iter().map(|(t, _)| *t).collect::<Vec<_>>();
            // Where a stretch begins a frame is looked at that the whole may have passed over.
            let more = times(&parts);
            let (missing, most) = match sampling {
                Sampling::GapFilled { .. } => (more.len().abs_diff(whole.len()), 4),
                _ => (
                    times(&whole).iter().filter(|t| !more.contains(t)).count(),
                    0,
                ),
            };
            assert!(missing <= most, "{what}: {more:?} {:?}", times(&whole));
            assert!(
                more.windows(2).all(|w| w[1] - w[0] <= 5.1),
                "{what}: {more:?}"
            );
        }
    }
}

#[test]
fn one_frame_in_many_seconds_is_found_without_decoding_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let path = h264(dir.path(), "a.mp4", 60, 50);
    let (frames, report) = samples(&path, Sampling::Every { seconds: 20.0 }).unwrap();
    let times: Vec<f64> = frames.iter().map(|(t, _)| *t).collect();
    assert_eq!(times, [0.0, 20.0, 40.0]);
    assert_times_told(&frames, "every 20 s");
    // Three GOPs of 50 frames, and what was sent before the first sample came back.
    assert!(
        report.decoded < 300,
        "{} frames were decoded",
        report.decoded
    );
    assert_eq!(
        (report.ending, report.coverage.gaps.len()),
        (Ending::Complete, 0)
    );
}

/// A child dies with the thread that started it, where it asks for that (Linux): one that ends must not
/// take the decoder with it.
#[test]
fn a_decoder_outlives_the_thread_that_first_used_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = h264(dir.path(), "a.mp4", 4, 25);
    let program = assert_cmd::cargo::cargo_bin!("vsearch").to_owned();
    let decoding = Decoding::Child(program);
    let mut worker = Worker::new(decoding, Limits::default(), None, Arc::default());
    let here = path.clone();
    let mut worker = std::thread::spawn(move || {
        worker.probe(&here).unwrap();
        worker
    })
    .join()
    .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let go_on = |_| ControlFlow::Continue(());
    let read = worker.sample(&path, Sampling::DEFAULT, Span::WHOLE, 1, go_on);
    assert_eq!(read.unwrap().1.ending, Ending::Complete);
}
