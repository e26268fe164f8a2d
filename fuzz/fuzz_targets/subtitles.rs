//! From the bytes of a subtitle file to what it says: whatever they are, no panic, no hang, and never more than
//! a file may say.
#![no_main]

#[path = "../../src/media/mod.rs"]
#[allow(dead_code, unused_imports)]
mod media;
#[path = "../../src/types/mod.rs"]
#[allow(dead_code, unused_imports)]
mod types;

use libfuzzer_sys::fuzz_target;
use media::parse_subtitles;

fuzz_target!(|data: &[u8]| {
    let read = parse_subtitles(data);
    assert!(!read.lines.is_empty() || read.trouble.is_some());
    assert!(read.lines.len() <= 20_000);
    for line in read.lines {
        assert!(line.start >= 0.0 && line.start < line.end && line.end.is_finite());
        assert!(!line.text.is_empty() && line.text.chars().count() <= 2_000);
        assert!(!line.text.contains(char::is_control));
    }
});
