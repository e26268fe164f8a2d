//! A decoded frame → RGB as a player shows it: colours, aspect and rotation respected.

use ffmpeg_next as ff;

use super::tone;
use crate::types::Pixels;

/// Aspect ratios beyond this are damage, not anamorphic video.
const MAX_PIXEL_ASPECT: f64 = 8.0;

/// Longest side FFmpeg's scaler takes with room to spare.
const MAX_SIDE: u32 = 16_384;

/// What the filter graph was built for; another frame shape needs another graph.
#[derive(PartialEq, Clone, Copy)]
pub(super) struct Shape {
    format: ff::format::Pixel,
    width: u32,
    height: u32,
    aspect: ff::Rational,
    pub(super) space: ff::color::Space,
    range: ff::color::Range,
    pub(super) transfer: ff::color::TransferCharacteristic,
    pub(super) primaries: ff::color::Primaries,
    interlaced: bool,
    turn: Turn,
}

/// Turns frames upright; keeps its filter graph while the frames keep their shape.
#[derive(Default)]
pub(super) struct Upright {
    graph: Option<(Shape, ff::filter::Graph)>,
    turn: Turn,
    /// A frame's range of brightness could not be brought down.
    untoned: bool,
    /// Longest side of the pictures made.
    max_side: Option<u32>,
}

impl Upright {
    /// `stream` carries the rotation recorded by the camera. Frames with a side longer than
    /// `max_side` are made smaller.
    pub(super) fn new(stream: &ff::Stream, max_side: Option<u32>) -> Self {
        let turn = stream
            .side_data()
            .find(|d| d.kind() == ff::packet::side_data::Type::DisplayMatrix)
            .and_then(|d| Turn::from_display_matrix(d.data()))
            .unwrap_or_default();
        Self {
            graph: None,
            turn,
            untoned: false,
            max_side,
        }
    }

    /// How many times larger than the picture just made a player shows it.
    pub(super) fn scale(&self, made: &Pixels) -> f64 {
        let Some((shape, _)) = &self.graph else {
            return 1.0;
        };
        let (width, height) = display_size(shape, MAX_SIDE);
        f64::from(width.max(height)) / f64::from(made.width().max(made.height()))
    }

    pub(super) fn pixels(&mut self, frame: &ff::frame::Video) -> Result<Pixels, ff::Error> {
        let shape = Shape {
            format: frame.format(),
            width: frame.width(),
            height: frame.height(),
            aspect: frame.aspect_ratio(),
            space: frame.color_space(),
            range: frame.color_range(),
            transfer: frame.color_transfer_characteristic(),
            primaries: frame.color_primaries(),
            interlaced: frame.is_interlaced(),
            turn: self.turn,
        };
        let tone = tone::mapping(&shape).filter(|_| !self.untoned);
        let made = match &tone {
            // The graph takes the picture, which is wanted again where it fails.
            Some(tone) => self.through(shape, Some(tone), &frame.clone()),
            None => self.through(shape, None, frame),
        };
        self.untoned |= tone::is_hdr(&shape) && (tone.is_none() || made.is_err());
        match made {
            Err(_) if tone.is_some() => {
                self.graph = None;
                self.through(shape, None, frame)
            }
            made => made,
        }
    }

    fn through(
        &mut self,
        shape: Shape,
        tone: Option<&str>,
        frame: &ff::frame::Video,
    ) -> Result<Pixels, ff::Error> {
        if self.graph.as_ref().is_none_or(|(s, _)| *s != shape) {
            let longest = self.max_side.unwrap_or(MAX_SIDE);
            self.graph = Some((shape, graph(&shape, longest, tone)?));
        }
        let (_, graph) = self.graph.as_mut().ok_or(ff::Error::Bug)?;
        packed(&filtered(graph, frame)?).ok_or(ff::Error::InvalidData)
    }

    /// Whether frames had a range of brightness (HDR) that FFmpeg, as it is built here, cannot bring down to a screen's.
    pub(super) fn untoned(&self) -> bool {
        self.untoned
    }
}

fn graph(shape: &Shape, longest: u32, tone: Option<&str>) -> Result<ff::filter::Graph, ff::Error> {
    let (width, height) = display_size(shape, longest);
    // Samples lie too far apart for a filter that looks at neighbours: one field is shown.
    let field = if shape.interlaced { "field=top," } else { "" };
    let spec = format!(
        "{field}scale=w={width}:h={height}:flags=bicubic,{}format=rgb24{}",
        tone.unwrap_or_default(),
        shape.turn.filters()
    );
    filters(shape.format, shape.width, shape.height, &spec)
}

/// A graph of the filters `spec` names, from frames of this kind.
pub(super) fn filters(
    format: ff::format::Pixel,
    width: u32,
    height: u32,
    spec: &str,
) -> Result<ff::filter::Graph, ff::Error> {
    let mut graph = ff::filter::Graph::new();
    let find = |name| ff::filter::find(name).ok_or(ff::Error::FilterNotFound);
    let format = format.descriptor().ok_or(ff::Error::InvalidData)?;
    let args = format!(
        "video_size={width}x{height}:pix_fmt={}:time_base=1/1000000:pixel_aspect=1/1",
        format.name()
    );
    graph.add(&find("buffer")?, "in", &args)?;
    graph.add(&find("buffersink")?, "out", "")?;
    graph.output("in", 0)?.input("out", 0)?.parse(spec)?;
    graph.validate()?;
    Ok(graph)
}

/// Sends a frame through a graph, which takes its picture: the frame is empty then.
pub(super) fn filtered(
    graph: &mut ff::filter::Graph,
    frame: &ff::frame::Video,
) -> Result<ff::frame::Video, ff::Error> {
    let mut input = graph.get("in").ok_or(ff::Error::FilterNotFound)?;
    input.source().add(frame)?;
    let mut out = ff::frame::Video::empty();
    let mut output = graph.get("out").ok_or(ff::Error::FilterNotFound)?;
    output.sink().frame(&mut out)?;
    Ok(out)
}

/// Pixels made square by widening or narrowing, as players do; then both sides made smaller
/// where one is longer than `longest`.
fn display_size(shape: &Shape, longest: u32) -> (u32, u32) {
    let aspect = f64::from(shape.aspect);
    let believable =
        aspect.is_finite() && (1.0 / MAX_PIXEL_ASPECT..=MAX_PIXEL_ASPECT).contains(&aspect);
    let width = f64::from(shape.width) * if believable { aspect } else { 1.0 };
    let height = f64::from(shape.height);
    let scale = (f64::from(longest) / width.max(height)).min(1.0);
    let side = |s: f64| (s * scale).round().max(1.0) as u32;
    (side(width), side(height))
}

/// Copies an RGB24 frame without its row padding.
fn packed(frame: &ff::frame::Video) -> Option<Pixels> {
    let (width, height) = (frame.width(), frame.height());
    let row = width as usize * 3;
    let mut rgb = Vec::with_capacity(row * height as usize);
    for line in frame.data(0).chunks(frame.stride(0)).take(height as usize) {
        rgb.extend_from_slice(line.get(..row)?);
    }
    Pixels::new(width, height, rgb)
}

/// How far the picture must be turned, and whether it is mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Turn {
    /// Clockwise, in quarter turns, applied last.
    quarters: u8,
    /// Mirrored top to bottom before it is turned.
    flipped: bool,
}

impl Turn {
    /// From the nine 16.16 integers of a display matrix (ISO/IEC 14496-12, 8.3.2), of which
    /// the upper left 2x2 maps a stored point (x, y) to (ax + cy, bx + dy).
    fn from_display_matrix(bytes: &[u8]) -> Option<Self> {
        let at = |i: usize| {
            let four = bytes.get(4 * i..4 * i + 4)?;
            Some(f64::from(i32::from_ne_bytes(four.try_into().ok()?)) / 65_536.0)
        };
        let (a, b, c, d) = (at(0)?, at(1)?, at(3)?, at(4)?);
        if a.hypot(b) == 0.0 || c.hypot(d) == 0.0 {
            return None;
        }
        let quarters = (b.atan2(a).to_degrees() / 90.0).round() as i32;
        Some(Self {
            quarters: quarters.rem_euclid(4) as u8,
            flipped: a * d - b * c < 0.0,
        })
    }

    fn filters(self) -> &'static str {
        match (self.flipped, self.quarters) {
            (false, 1) => ",transpose=clock",
            (false, 2) => ",hflip,vflip",
            (false, 3) => ",transpose=cclock",
            (true, 0) => ",vflip",
            (true, 1) => ",vflip,transpose=clock",
            (true, 2) => ",hflip",
            (true, 3) => ",vflip,transpose=cclock",
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(a: i32, b: i32, c: i32, d: i32) -> Vec<u8> {
        let one = 65_536;
        [a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30]
            .iter()
            .flat_map(|v: &i32| v.to_ne_bytes())
            .collect()
    }

    #[test]
    fn display_matrices_are_read_as_turns() {
        let turn = |m: Vec<u8>| Turn::from_display_matrix(&m).unwrap().filters();
        assert_eq!(turn(matrix(1, 0, 0, 1)), "");
        assert_eq!(turn(matrix(0, 1, -1, 0)), ",transpose=clock");
        assert_eq!(turn(matrix(-1, 0, 0, -1)), ",hflip,vflip");
        assert_eq!(turn(matrix(0, -1, 1, 0)), ",transpose=cclock");
        assert_eq!(turn(matrix(-1, 0, 0, 1)), ",hflip");
        assert_eq!(turn(matrix(1, 0, 0, -1)), ",vflip");
        assert_eq!(Turn::from_display_matrix(&[0; 36]), None);
        assert_eq!(Turn::from_display_matrix(&[1, 2]), None);
    }
}
