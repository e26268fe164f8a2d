//! Clips made at test time, whose pictures tell their own time: frame number N is a flat grey
//! of level [`level`]`(N)`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use vsearch::media::{MediaError, ReadReport, Sampling, Source, Span, sample};
use vsearch::types::Pixels;

/// Grey levels lie this far apart, so that lossy codecs cannot blur one into the next.
const STEP: u32 = 4;
const LEVELS: u32 = 50;

/// Runs ffmpeg; `args` are split at spaces, `{}` is the file to write.
pub fn ffmpeg(args: &str, out: &Path) {
    let args = args.split_whitespace().map(|a| match a {
        "{}" => out.as_os_str().to_owned(),
        a => a.into(),
    });
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(args)
        .output()
        .expect("the ffmpeg program is installed (script/bootstrap)");
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

/// `seconds` of telling frames at 25 a second, encoded as `codec` says, into `dir/name`.
pub fn clip(dir: &Path, name: &str, seconds: u32, codec: &str) -> PathBuf {
    let path = dir.join(name);
    let source = format!(
        "-f lavfi -i color=black:s=64x48:r=25:d={seconds},format=gray,geq=lum=mod(N\\,{LEVELS})*{STEP}+20"
    );
    ffmpeg(&format!("{source} -pix_fmt yuv420p {codec} {{}}"), &path);
    path
}

/// An ordinary H.264 clip with a keyframe every `gop` frames.
pub fn h264(dir: &Path, name: &str, seconds: u32, gop: u32) -> PathBuf {
    let codec = format!("-c:v libx264 -preset ultrafast -g {gop} -sc_threshold 0");
    clip(dir, name, seconds, &codec)
}

/// The frame number (modulo [`LEVELS`]) a picture tells.
pub fn number(pixels: &Pixels) -> u32 {
    let sum: u64 = pixels.rgb().iter().map(|&v| u64::from(v)).sum();
    let mean = sum as f64 / pixels.rgb().len() as f64;
    ((mean - 20.0) / f64::from(STEP)).round().max(0.0) as u32
}

/// Samples a file: (seconds, picture) in order, and the report.
pub fn samples(
    path: &Path,
    sampling: Sampling,
) -> Result<(Vec<(f64, Pixels)>, ReadReport), MediaError> {
    samples_of(path, sampling, Span::WHOLE)
}

/// The same of a stretch of a file.
pub fn samples_of(
    path: &Path,
    sampling: Sampling,
    span: Span,
) -> Result<(Vec<(f64, Pixels)>, ReadReport), MediaError> {
    let mut out = Vec::new();
    let source = Source::open(path, &Arc::new(AtomicBool::new(false)))?;
    let report = sample(source, sampling, span, 1, |frame| {
        out.push((frame.time.seconds(), frame.pixels));
        ControlFlow::Continue(())
    })?;
    Ok((out, report))
}

/// Asserts that each picture tells the time it came with, at 25 frames a second.
pub fn assert_times_told(samples: &[(f64, Pixels)], what: &str) {
    assert!(!samples.is_empty(), "{what}: no frames");
    for (seconds, pixels) in samples {
        let expected = (seconds * 25.0).round() as u32 % LEVELS;
        assert_eq!(number(pixels), expected, "{what}: at {seconds} s");
    }
}
