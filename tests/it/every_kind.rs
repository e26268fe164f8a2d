//! Every kind of file: containers, codecs, oddities, each made by ffmpeg at test time. Each must give
//! frames that tell the time they come with, and be where ffmpeg's own seeking lands. Prints a table
//! (`cargo test every_kind -- --nocapture`).

use std::path::{Path, PathBuf};
use std::process::Command;

use vsearch::media::{MediaError, Sampling};

use crate::clips::{clip, ffmpeg, number, samples};

const H264: &str = "-c:v libx264 -preset ultrafast -g 25 -sc_threshold 0";
const HEVC: &str = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=25";
const SECONDS: u32 = 4;

/// Name, codec and container options. `+` in front of a name: made from the H.264 clip, by these.
#[rustfmt::skip]
const KINDS: &[(&str, &str)] = &[
    ("h264.mp4", "{H264}"), ("h264.mov", "{H264}"), ("h264.mkv", "{H264}"), ("h264.avi", "{H264} -bf 0"),
    ("h264.flv", "{H264}"), ("h264.ts", "{H264}"), ("h264.m2ts", "{H264}"), ("h264.nut", "{H264}"),
    ("h264.3gp", "{H264}"), ("faststart.mp4", "{H264} -movflags +faststart"),
    ("fragmented.mp4", "{H264} -movflags frag_keyframe+empty_moov+default_base_moof"),
    ("late-start.mp4", "{H264} -output_ts_offset 7.3"), ("late-start.mkv", "{H264} -output_ts_offset 7.3"),
    ("26-hours.ts", "{H264} -output_ts_offset 93600"), ("near-wrap.ts", "{H264} -output_ts_offset 95443"),
    ("live.mkv", "{H264} -live 1 -f matroska"), ("no-cues.mkv", "{H264} -write_crc32 0 -reserve_index_space 0 -live 1"),
    ("bframes.mp4", "-c:v libx264 -bf 3 -g 50"), ("open-gop.mp4", "-c:v libx264 -bf 3 -x264-params open-gop=1:keyint=25"),
    ("one-key.mp4", "-c:v libx264 -preset ultrafast -g 9999 -sc_threshold 0"),
    ("all-intra.mp4", "-c:v libx264 -preset ultrafast -g 1"),
    ("intra-refresh.mp4", "-c:v libx264 -preset ultrafast -x264-params intra-refresh=1:keyint=25"),
    ("intra-refresh.ts", "-c:v libx264 -preset ultrafast -x264-params intra-refresh=1:keyint=25"),
    ("h264-10.mkv", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le"),
    ("h264-422.mkv", "-c:v libx264 -preset ultrafast -pix_fmt yuv422p"),
    ("h264-444.mkv", "-c:v libx264 -preset ultrafast -pix_fmt yuv444p"),
    ("h264-interlaced.ts", "-c:v libx264 -preset ultrafast -g 25 -flags +ilme+ildct -x264-params tff=1"),
    ("bt709.mp4", "{H264} -colorspace bt709 -color_primaries bt709 -color_trc bt709"),
    ("raw.h264", "{H264} -bf 0 -f h264"), ("raw.hevc", "{HEVC} -f hevc"),
    ("hevc.mp4", "{HEVC}"), ("hevc.mkv", "{HEVC}"), ("hevc.ts", "{HEVC}"),
    ("hevc-open.mp4", "-c:v libx265 -preset fast -x265-params log-level=none:keyint=25:open-gop=1"),
    ("hevc-10.mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10le"),
    ("av1.mkv", "-c:v libaom-av1 -cpu-used 8 -g 25"), ("av1.mp4", "-c:v libaom-av1 -cpu-used 8 -g 25"),
    ("vp8.webm", "-c:v libvpx -g 25 -deadline realtime"), ("vp9.webm", "-c:v libvpx-vp9 -g 25 -deadline realtime"),
    ("vp9-10.webm", "-c:v libvpx-vp9 -g 25 -deadline realtime -profile:v 2 -pix_fmt yuv420p10le"),
    ("mpeg2.mpg", "-c:v mpeg2video -q:v 2 -bf 0"), ("mpeg2.ts", "-c:v mpeg2video -q:v 2"),
    ("mpeg2-interlaced.ts", "-c:v mpeg2video -q:v 2 -flags +ilme+ildct"), ("mpeg2.mxf", "-c:v mpeg2video -q:v 2"),
    ("mpeg2.vob", "-c:v mpeg2video -q:v 2 -bf 0"), ("mpeg1.mpg", "-c:v mpeg1video -q:v 2 -bf 0"),
    ("mpeg4.avi", "-c:v mpeg4 -q:v 2"), ("mpeg4.mp4", "-c:v mpeg4 -q:v 2"), ("mpeg4.m4v", "-c:v mpeg4 -q:v 2 -f m4v"),
    ("mjpeg.avi", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p"), ("mjpeg.mov", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p"),
    ("prores.mov", "-c:v prores -pix_fmt yuv422p10le"), ("dnxhr.mov", "-c:v dnxhd -profile:v dnxhr_sq -s 256x144 -pix_fmt yuv422p"),
    ("ffv1.mkv", "-c:v ffv1"), ("huffyuv.avi", "-c:v huffyuv -pix_fmt yuv422p"), ("theora.ogv", "-c:v libtheora -q:v 9"),
    ("wmv2.wmv", "-c:v wmv2 -q:v 2"), ("wmv1.asf", "-c:v wmv1 -q:v 2"), ("msmpeg4.avi", "-c:v msmpeg4 -q:v 2"),
    ("flv1.flv", "-c:v flv -q:v 2"), ("plain.y4m", "-f yuv4mpegpipe"), ("animated.gif", "-r 25 -pix_fmt gray"),
    ("wide-pixels.mp4", "{H264} -vf setsar=2/1"), ("odd.mkv", "-c:v ffv1 -s 65x49"), ("tiny.mkv", "-c:v ffv1 -s 16x16"),
    ("4k.mp4", "{H264} -s 3840x2160"), ("turned.mp4", "{H264} -metadata:s:v rotate=90"),
    ("timecode.mov", "{H264} -timecode 01:02:03:04"),
    ("with space.mp4", "{H264}"), ("'quo\"ted'.mp4", "{H264}"), ("new\nline.mp4", "{H264}"), ("-dash.mp4", "{H264}"),
    ("emoji-\u{1f697}.mp4", "{H264}"), ("%03d.mp4", "{H264}"), ("a:b.mp4", "{H264}"),
];

struct Row {
    name: String,
    expected: usize,
    sampled: usize,
    worst_ms: f64,
    seek_ms: f64,
    status: String,
}

/// Makes a file under a plain name, then gives it its own.
fn made(dir: &Path, name: &str, options: &str) -> PathBuf {
    let extension = Path::new(name).extension().unwrap().to_str().unwrap();
    let options = options.replace("{H264}", H264).replace("{HEVC}", HEVC);
    let plain = clip(dir, &format!("plain.{extension}"), SECONDS, &options);
    let path = dir.join(name);
    if plain != path {
        std::fs::rename(plain, &path).unwrap();
    }
    path
}

/// The frame number that `ffmpeg -ss` shows at a time.
fn seen_by_ffmpeg(path: &Path, seconds: f64) -> Option<u32> {
    // By a name that no protocol or pattern can be read into.
    let link = path
        .parent()?
        .join(format!("link.{}", path.extension()?.to_str()?));
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(path, &link).ok()?;
    let out = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-nostdin",
            "-ss",
            &format!("{seconds:.4}"),
            "-i",
        ])
        .arg(&link)
        .args([
            "-frames:v",
            "1",
            "-vf",
            "scale=16:16,format=rgb24",
            "-f",
            "rawvideo",
            "-",
        ])
        .output()
        .ok()?;
    let pixels = vsearch::types::Pixels::new(16, 16, out.stdout)?;
    Some(number(&pixels))
}

fn looked_at(path: &Path, name: &str) -> Row {
    let every = Sampling::Every { seconds: 0.4 };
    let mut row = Row {
        name: name.escape_debug().to_string(),
        expected: (f64::from(SECONDS) / 0.4) as usize,
        sampled: 0,
        worst_ms: f64::NAN,
        seek_ms: f64::NAN,
        status: "ok".into(),
    };
    // All three ways of sampling must find something.
    for sampling in [Sampling::Keyframes, Sampling::DEFAULT, every] {
        match samples(path, sampling) {
            Ok((got, report)) => {
                row.sampled = got.len();
                let off = |(t, p): &(f64, vsearch::types::Pixels)| {
                    let told = f64::from(number(p)) / 25.0;
                    // Levels repeat every two seconds.
                    ((t - told + 1.0).rem_euclid(2.0) - 1.0).abs() * 1e3
                };
                row.worst_ms = got.iter().map(off).fold(0.0, f64::max);
                let allowed = if AS_FFMPEG.contains(&name) {
                    45.0
                } else {
                    20.0
                };
                if row.worst_ms > allowed {
                    row.status = format!("{sampling}: {:.0} ms off", row.worst_ms);
                    return row;
                }
                if report.coverage.decode_errors() > 0 {
                    row.status = format!("{} decode errors", report.coverage.decode_errors());
                }
                let (wrong, jumps) = (report.coverage.wrong_times, &report.coverage.jumps);
                if wrong > 0 || !jumps.is_empty() {
                    row.status = format!("{wrong} wrong times, jumps {jumps:?}");
                }
                let Some((t, p)) = got.get(got.len() / 2) else {
                    continue;
                };
                // As a hit's time is printed: rounded down to milliseconds.
                let printed = (t * 1e3 + 1e-6).floor() / 1e3;
                if let Some(theirs) = seen_by_ffmpeg(path, printed) {
                    let frames =
                        (i64::from(theirs) - i64::from(number(p)) + 25).rem_euclid(50) - 25;
                    row.seek_ms = (frames.abs() as f64) * 40.0;
                }
            }
            Err(e) => {
                row.status = e.to_string();
                return row;
            }
        }
    }
    row
}

/// Where FFmpeg's own `-ss` does not land on the frame its decoder gives that time: formats without
/// an index, or without times of their own.
const UNSEEKABLE: &[&str] = &[
    "raw.h264",
    "raw.hevc",
    "mpeg4.m4v",
    "animated.gif",
    "mpeg1.mpg",
    "intra-refresh.mp4",
    "intra-refresh.ts",
];

/// Program streams give few of their frames a time, and FFmpeg's demuxer gives it to the frame before:
/// every player built on it, its own seeking, and vsearch are one frame off the truth together.
const AS_FFMPEG: &[&str] = &["mpeg2.mpg", "mpeg2.vob", "mpeg1.mpg"];

#[test]
#[allow(clippy::print_stdout)] // the table is the point
fn every_kind_of_file_gives_frames_at_their_times() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = Vec::new();
    for (name, options) in KINDS {
        // Rounding of pictures this small or anamorphic must not matter: they tell a grey level only.
        let path = made(dir.path(), name, options);
        rows.push(looked_at(&path, name));
        std::fs::remove_file(&path).unwrap();
    }
    rows.push(edit_list(dir.path()));
    rows.push(variable_rate(dir.path()));
    rows.push(with_sound(dir.path()));
    println!(
        "{:<28} {:>8} {:>8} {:>9} {:>9}  status",
        "file", "expected", "sampled", "error ms", "-ss ms"
    );
    for r in &rows {
        println!(
            "{:<28} {:>8} {:>8} {:>9.1} {:>9.1}  {}",
            r.name, r.expected, r.sampled, r.worst_ms, r.seek_ms, r.status
        );
    }
    println!("{} files", rows.len());
    let wrong: Vec<&Row> = rows
        .iter()
        .filter(|r| {
            let seek = r.seek_ms > 20.0 && !UNSEEKABLE.contains(&r.name.as_str());
            r.status != "ok" || r.sampled + 1 < r.expected || seek
        })
        .collect();
    let named: Vec<String> = wrong
        .iter()
        .map(|r| format!("{}: {} ({} ms by -ss)", r.name, r.status, r.seek_ms))
        .collect();
    assert!(named.is_empty(), "{named:#?}");
    assert!(rows.len() >= 60);
}

/// Cut without decoding: the edit list skips what lies before the cut. What a player shows first tells
/// its own number.
fn edit_list(dir: &Path) -> Row {
    let whole = clip(
        dir,
        "whole.mp4",
        SECONDS + 2,
        "-c:v libx264 -g 50 -bf 0 -preset ultrafast",
    );
    let cut = dir.join("edit-list.mp4");
    ffmpeg(
        &format!("-ss 2.0 -i {} -c copy {{}}", whole.display()),
        &cut,
    );
    looked_at(&cut, "edit-list.mp4")
}

/// Sound that begins before the picture does: the player's zero is the sound's.
fn with_sound(dir: &Path) -> Row {
    let silent = clip(dir, "silent.mp4", SECONDS, &format!("{H264} -bf 0"));
    let path = dir.join("sound.mkv");
    let args = format!(
        "-i {} -f lavfi -i sine=d=4 -map 0 -map 1 -c:v copy -c:a libvorbis {{}}",
        silent.display()
    );
    ffmpeg(&args, &path);
    looked_at(&path, "sound.mkv")
}

/// Frames dropped at random: those left still tell their times.
fn variable_rate(dir: &Path) -> Row {
    let path = clip(
        dir,
        "variable.mkv",
        SECONDS,
        "-vf select='not(mod(n\\,3))+not(mod(n\\,5))' -fps_mode vfr -c:v libx264 -preset ultrafast -g 10",
    );
    looked_at(&path, "variable.mkv")
}

#[test]
fn what_is_no_video_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let sound = dir.path().join("sound.m4a");
    ffmpeg("-f lavfi -i sine=d=2 -c:a aac {}", &sound);
    let cover = dir.path().join("cover.mp3");
    let art = "-f lavfi -i sine=d=2 -f lavfi -i color=red:s=64x64:d=0.04 -map 0 -map 1 -frames:v 1 \
               -c:a libmp3lame -c:v mjpeg -disposition:v attached_pic {}";
    ffmpeg(art, &cover);
    for path in [sound, cover] {
        let refused = samples(&path, Sampling::DEFAULT).unwrap_err();
        assert!(
            matches!(refused, MediaError::NoVideoStream { .. }),
            "{refused}"
        );
    }
}
