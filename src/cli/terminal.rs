//! Pictures inside the terminal: the protocols of kitty and iTerm2, and sixel.

use std::io::{Cursor, IsTerminal};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat, RgbImage};

/// Longest side of an inline picture, in pixels.
const SIDE: u32 = 480;
/// kitty's limit on one chunk of base64.
const KITTY_CHUNK: usize = 4096;
/// Names a protocol where the terminal is not known by its environment.
const VARIABLE: &str = "VSEARCH_PICTURES";

/// How a terminal takes pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Kitty,
    Iterm2,
    Sixel,
}

impl Protocol {
    /// Of the terminal standard output goes to, as its environment tells; `None` where it goes
    /// elsewhere or the terminal is not known to show pictures.
    pub(super) fn of_stdout() -> Option<Self> {
        if !std::io::stdout().is_terminal() {
            return None;
        }
        Self::of_environment(|name| std::env::var(name).ok())
    }

    fn of_environment(get: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let is = |name: &str, values: &[&str]| {
            get(name).is_some_and(|v| values.iter().any(|part| v.contains(part)))
        };
        match get(VARIABLE).as_deref() {
            Some("kitty") => return Some(Self::Kitty),
            Some("iterm2") => return Some(Self::Iterm2),
            Some("sixel") => return Some(Self::Sixel),
            _ => {}
        }
        if is("TERM", &["kitty", "ghostty"]) || is("TERM_PROGRAM", &["ghostty"]) {
            Some(Self::Kitty)
        } else if is("TERM_PROGRAM", &["iTerm", "WezTerm", "mintty"]) {
            Some(Self::Iterm2)
        } else if is("TERM", &["sixel", "foot", "mlterm", "contour", "yaft"]) {
            Some(Self::Sixel)
        } else {
            None
        }
    }

    /// The escape sequence that shows `picture`, and a line break.
    pub(super) fn encode(self, picture: RgbImage) -> Result<String, String> {
        let picture = DynamicImage::ImageRgb8(picture);
        let small = match picture.width().max(picture.height()) > SIDE {
            true => picture.thumbnail(SIDE, SIDE),
            false => picture,
        };
        let png = || {
            let mut png = Cursor::new(Vec::new());
            let written = small.write_to(&mut png, ImageFormat::Png);
            written.map_err(|e| e.to_string())?;
            Ok::<_, String>(STANDARD.encode(png.into_inner()))
        };
        let shown = match self {
            Self::Kitty => kitty(&png()?),
            Self::Iterm2 => format!("\u{1b}]1337;File=inline=1:{}\u{7}", png()?),
            Self::Sixel => {
                let (width, height) = (small.width() as usize, small.height() as usize);
                let rgba = small.to_rgba8().into_raw();
                icy_sixel::SixelImage::try_from_rgba(rgba, width, height)
                    .and_then(|image| image.encode())
                    .map_err(|e| e.to_string())?
            }
        };
        Ok(shown + "\n")
    }
}

/// The terminal graphics protocol of kitty: PNG, shown at once, in chunks.
fn kitty(base64: &str) -> String {
    let chunks: Vec<&[u8]> = base64.as_bytes().chunks(KITTY_CHUNK).collect();
    let mut out = String::new();
    for (i, chunk) in chunks.iter().enumerate() {
        let first = if i == 0 { "a=T,f=100,q=2," } else { "" };
        let more = u8::from(i + 1 < chunks.len());
        let data = String::from_utf8_lossy(chunk);
        out += &format!("\u{1b}_G{first}m={more};{data}\u{1b}\\");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_known_by_their_environment() {
        let of = |name: &'static str, value: &'static str| {
            Protocol::of_environment(|n| (n == name).then(|| value.to_owned()))
        };
        assert_eq!(of("TERM", "xterm-kitty"), Some(Protocol::Kitty));
        assert_eq!(of("TERM_PROGRAM", "iTerm.app"), Some(Protocol::Iterm2));
        assert_eq!(of("TERM", "foot"), Some(Protocol::Sixel));
        assert_eq!(of("VSEARCH_PICTURES", "sixel"), Some(Protocol::Sixel));
        assert_eq!(of("TERM", "xterm-256color"), None);
    }

    #[test]
    fn each_protocol_frames_its_picture() {
        let noise = RgbImage::from_fn(200, 100, |x, y| {
            image::Rgb([
                (x * 7 % 251) as u8,
                (y * 13 % 241) as u8,
                (x * y % 239) as u8,
            ])
        });
        let kitty = Protocol::Kitty.encode(noise.clone()).unwrap();
        assert!(kitty.starts_with("\u{1b}_Ga=T,f=100,q=2,m=1;"));
        assert!(kitty.ends_with("\u{1b}\\\n") && kitty.contains("\u{1b}_Gm=0;"));
        let iterm = Protocol::Iterm2.encode(noise.clone()).unwrap();
        assert!(iterm.starts_with("\u{1b}]1337;File=inline=1:") && iterm.ends_with("\u{7}\n"));
        let sixel = Protocol::Sixel.encode(noise).unwrap();
        assert!(sixel.starts_with("\u{1b}P") && sixel.ends_with("\u{1b}\\\n"));
    }
}
