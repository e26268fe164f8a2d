//! Where one scene ends and the next begins: the mean difference of small grey pictures of
//! neighbouring frames, against what is usual in this video (as PySceneDetect's adaptive detector).

use ffmpeg_next as ff;

use super::upright::{filtered, filters};

/// Pixels of a side of the small pictures.
const SIDE: usize = 32;
/// A cut changes pixels by so much at least, of 255, on the mean.
const LEAST: f32 = 18.0;
/// And by so many times what has been usual.
const TIMES_USUAL: f32 = 3.0;
/// Weight of the newest difference in what is usual.
const NEWEST: f32 = 0.1;

type Kind = (ff::format::Pixel, u32, u32);

#[derive(Default)]
pub(super) struct Cuts {
    graph: Option<(Kind, ff::filter::Graph)>,
    before: Vec<u8>,
    usual: f32,
}

impl Cuts {
    /// Whether another scene begins with this frame, the next in display order.
    pub(super) fn is_cut(&mut self, frame: &ff::frame::Video) -> bool {
        let Ok(now) = self.small(frame) else {
            return false;
        };
        let sum: u32 = now
            .iter()
            .zip(&self.before)
            .map(|(a, b)| u32::from(a.abs_diff(*b)))
            .sum();
        let difference = sum as f32 / now.len().max(1) as f32;
        let first = std::mem::replace(&mut self.before, now).is_empty();
        let cut = !first && difference >= LEAST && difference >= TIMES_USUAL * self.usual;
        if !cut {
            self.usual += (difference - self.usual) * NEWEST;
        }
        cut
    }

    fn small(&mut self, frame: &ff::frame::Video) -> Result<Vec<u8>, ff::Error> {
        let kind = (frame.format(), frame.width(), frame.height());
        if self.graph.as_ref().is_none_or(|(k, _)| *k != kind) {
            let spec = format!("scale=w={SIDE}:h={SIDE}:flags=area,format=gray");
            self.graph = Some((kind, filters(kind.0, kind.1, kind.2, &spec)?));
        }
        let (_, graph) = self.graph.as_mut().ok_or(ff::Error::Bug)?;
        // A graph takes what it is given, and the frame may be wanted yet.
        let out = filtered(graph, &frame.clone())?;
        let rows = out.data(0).chunks(out.stride(0)).take(SIDE);
        Ok(rows
            .flat_map(|row| row.iter().take(SIDE))
            .copied()
            .collect())
    }
}
