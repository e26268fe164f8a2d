//! The colours of things, by the eleven basic terms.
//!
//! A grid of the box is sampled, part of the picture's colour cast is taken out, and samples are weighed by nearness
//! to the middle and by how much likelier their colour is inside the box than around it. The weighed samples are put
//! in six clusters, and each cluster is named softly. What it is worth: `script/bench-colours`, docs/objects.md.

mod clusters;
mod naming;
mod pixels;
mod weighing;

use self::clusters::clusters;
use self::naming::membership;
use self::pixels::{Lab, Rect, chroma_hue, grid, linear_table, percentile, pixel};
use self::weighing::{clip, weigh};
use crate::types::{Class, Colour, Colours, Pixels, Region, Shares};

const PICTURE_GRID: i64 = 28;
/// Pixels of about this chroma or less tell the cast.
const CAST_CHROMA: f32 = 0.04;
/// Lightness is divided by the picture's white level to this power.
const RELATIVE: f32 = 0.75;
/// How much more than greys the colours count.
const BOOST: f32 = 1.5;
/// Lower garments: votes for other than black, white, grey and blue count this much, as they are often skin or ground.
const LOWER_OTHER: f32 = 0.6;
/// A picture has no colour where the 95th percentile of chroma beside one tint (in proportion to lightness) is below
/// this: infrared and black and white.
const NO_COLOUR: f32 = 0.011;
/// Sides of a box from which on its colours can be told, in pixels.
const SMALLEST: u32 = 8;
/// Of a person, the height.
const SMALLEST_PERSON: u32 = 40;
/// Shares below this are not kept.
const LEAST_SHARE: f32 = 0.1;

/// What of a box is asked: all of it, or a person's upper or lower garment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Whole,
    Upper,
    Lower,
}

/// What every box of a picture needs: samples of the whole picture, its cast (a, b) and its white level (L).
pub(super) struct Palette<'a> {
    picture: &'a Pixels,
    samples: Vec<(i64, i64, Lab)>,
    cast: [f32; 2],
    white: f32,
    linear: [f32; 256],
}

impl<'a> Palette<'a> {
    pub(super) fn of(picture: &'a Pixels) -> Self {
        let linear = linear_table();
        let all = Rect {
            x: 0,
            y: 0,
            w: i64::from(picture.width()),
            h: i64::from(picture.height()),
        };
        let places = grid(all, PICTURE_GRID);
        let samples: Vec<(i64, i64, Lab)> = places
            .map(|(x, y)| (x, y, pixel(picture, &linear, x, y)))
            .collect();
        let (mut a, mut b, mut sum) = (0.0, 0.0, 1e-6);
        for (_, _, p) in samples.iter().filter(|s| s.2[0] > 0.25) {
            let w = (-(p[1] * p[1] + p[2] * p[2]) / (CAST_CHROMA * CAST_CHROMA)).exp() * p[0];
            (a, b, sum) = (a + w * p[1], b + w * p[2], sum + w);
        }
        Self {
            picture,
            cast: [a / sum, b / sum],
            white: percentile(samples.iter().map(|s| s.2[0]).collect(), 97),
            samples,
            linear,
        }
    }

    /// False for infrared and black-and-white pictures, also where they bear a slight tint.
    fn has_colour(&self) -> bool {
        let (mut a, mut b, mut sum) = (0.0, 0.0, 1e-9);
        for (_, _, p) in &self.samples {
            (a, b, sum) = (a + p[0] * p[1], b + p[0] * p[2], sum + p[0] * p[0]);
        }
        let beside = |p: Lab| (p[1] - a / sum * p[0]).hypot(p[2] - b / sum * p[0]);
        percentile(self.samples.iter().map(|s| beside(s.2)).collect(), 95) >= NO_COLOUR
    }

    /// Of a thing in a box.
    pub(super) fn colours(&self, class: Class, region: Region) -> Colours {
        let (least, height) = (region.width.min(region.height), region.height);
        let is_person = class == Class::PERSON;
        let tells = least >= SMALLEST && (!is_person || height >= SMALLEST_PERSON);
        if !tells || !self.has_colour() {
            return Colours::default();
        }
        let kept = |part| Some(kept(self.shares(region, part)));
        match is_person {
            true => Colours {
                whole: None,
                upper: kept(Part::Upper),
                lower: kept(Part::Lower),
            },
            false => Colours {
                whole: kept(Part::Whole),
                ..Colours::default()
            },
        }
    }

    /// Shares of [`Colour::ALL`], summing to 1.
    pub(super) fn shares(&self, region: Region, part: Part) -> [f32; 11] {
        let region = clip(self.picture, region);
        let (samples, weights) = weigh(self, region, part);
        let (centres, mass) = clusters(&samples, &weights);
        let scale = self.white.clamp(0.6, 1.0).powf(-RELATIVE);
        let mut sum = [0.0f32; 11];
        for (c, m) in centres.iter().zip(mass) {
            let (chroma, hue) = chroma_hue(*c);
            for (s, v) in sum
                .iter_mut()
                .zip(membership(c[0] * scale, chroma * scale, hue))
            {
                *s += m * v;
            }
        }
        for (s, colour) in sum.iter_mut().zip(Colour::ALL) {
            let is_grey = matches!(colour, Colour::Black | Colour::White | Colour::Grey);
            if !is_grey {
                *s *= BOOST;
            }
            if part == Part::Lower && !is_grey && colour != Colour::Blue {
                *s *= LOWER_OTHER;
            }
        }
        let total = sum.iter().sum::<f32>().max(1e-9);
        sum.map(|s| s / total)
    }
}

/// Shares of [`Colour::ALL`] of a part of a box, summing to 1.
pub fn shares(picture: &Pixels, region: Region, part: Part) -> [f32; 11] {
    Palette::of(picture).shares(region, part)
}

/// Those that count, the greatest first.
fn kept(shares: [f32; 11]) -> Shares {
    let mut shares: Shares = Colour::ALL.into_iter().zip(shares).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    let counts = |(i, (_, share)): &(usize, &(Colour, f32))| *i == 0 || *share >= LEAST_SHARE;
    shares
        .iter()
        .enumerate()
        .filter(counts)
        .map(|(_, s)| *s)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of grey noise with a box of one colour in it.
    fn picture(rgb: [u8; 3]) -> (Pixels, Region) {
        let region = Region::new(60, 30, 60, 50);
        let inside = |x, y| (60..120).contains(&x) && (30..80).contains(&y);
        let pixels = (0..120u32).flat_map(|y| (0..180u32).map(move |x| (x, y)));
        let noise = |x: u32, y: u32| (110 + (x * 7 + y * 13) % 50) as u8;
        let bytes = pixels.flat_map(|(x, y)| match inside(x, y) {
            true => rgb,
            // A little of every hue, so that the picture has colour.
            false => [noise(x, y), noise(y, x), noise(x + y, y)],
        });
        (Pixels::new(180, 120, bytes.collect()).unwrap(), region)
    }

    fn car() -> Class {
        Class::CAR
    }

    #[test]
    fn plain_colours_have_their_names() {
        for (rgb, name) in [
            ([200, 20, 25], Colour::Red),
            ([30, 70, 190], Colour::Blue),
            ([40, 140, 50], Colour::Green),
            ([235, 205, 30], Colour::Yellow),
            ([15, 15, 18], Colour::Black),
            ([245, 245, 240], Colour::White),
            ([240, 130, 20], Colour::Orange),
            ([110, 60, 25], Colour::Brown),
        ] {
            let (picture, region) = picture(rgb);
            let colours = Palette::of(&picture).colours(car(), region);
            assert_eq!(colours.whole.unwrap()[0].0, name, "{rgb:?}");
            assert_eq!(colours.upper, None);
        }
    }

    #[test]
    fn a_picture_without_colour_has_none() {
        let grey = |i: u32| [(i * 37 % 251) as u8; 3];
        let bytes = (0..180 * 120).flat_map(grey).collect();
        let picture = Pixels::new(180, 120, bytes).unwrap();
        let region = Region::new(20, 20, 80, 80);
        let palette = Palette::of(&picture);
        assert_eq!(palette.colours(car(), region), Colours::default());
        // Infrared is often tinted.
        let tinted = |i: u32| {
            let v = f32::from(grey(i)[0]);
            [v as u8, (v * 0.96) as u8, v as u8]
        };
        let bytes = (0..180 * 120).flat_map(tinted).collect();
        let picture = Pixels::new(180, 120, bytes).unwrap();
        let colours = Palette::of(&picture).colours(car(), region);
        assert_eq!(colours, Colours::default());
    }

    #[test]
    fn a_person_wears_two_and_small_boxes_tell_nothing() {
        let (picture, _) = picture([200, 20, 25]);
        let palette = Palette::of(&picture);
        let tall = palette.colours(Class::PERSON, Region::new(60, 0, 50, 110));
        assert!(tall.upper.is_some() && tall.lower.is_some() && tall.whole.is_none());
        for region in [[0, 0, 7, 60], [0, 0, 20, 30], [179, 119, 400, 400]] {
            let colours = palette.colours(Class::PERSON, region.into());
            let _ = palette.shares(region.into(), Part::Lower);
            assert!(region[2] == 400 || colours == Colours::default());
        }
        let one = Pixels::new(1, 1, vec![255, 0, 0]).unwrap();
        let shares = Palette::of(&one).shares(Region::new(5, 5, 9, 9), Part::Whole);
        assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-3);
    }
}
