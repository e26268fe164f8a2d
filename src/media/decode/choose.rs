//! Which decoded frames are samples. Frames come in display order.

use crate::types::Timestamp;

use super::sampling::Sampling;

/// Keyframes closer than this to the sample before add nothing: all-intra video has 30 a second.
pub(super) const KEYFRAME_SPACING: f64 = 0.5;

/// In a stream that never flags a keyframe (intra refresh), frames this far apart stand in.
const UNFLAGGED_SPACING: f64 = 2.0;

/// Rounding of time bases must not make a frame miss its second.
const TOLERANCE: f64 = 1e-4;

/// Keeps the one frame that may still become a sample. `F` is a decoded frame.
pub(super) struct Chooser<F> {
    sampling: Sampling,
    last: Option<Timestamp>,
    passed: Option<(Timestamp, F)>,
    next_due: f64,
}

impl<F> Chooser<F> {
    pub(super) fn new(sampling: Sampling) -> Self {
        Self {
            sampling,
            last: None,
            passed: None,
            next_due: 0.0,
        }
    }

    /// Takes the next frame and hands on the samples now certain, in order of time.
    ///
    /// `key`: the frame is a keyframe; `cut`: another scene begins with it.
    pub(super) fn push(
        &mut self,
        time: Timestamp,
        key: bool,
        cut: bool,
        frame: F,
    ) -> Vec<(Timestamp, F)> {
        let Some(last) = self.last else {
            self.next_due = time.seconds();
            return vec![self.take(time, frame)];
        };
        if time <= last {
            return Vec::new(); // out of order: damage, or a clock that jumped back
        }
        match self.sampling {
            Sampling::Every { seconds } => {
                if time.seconds() + TOLERANCE < self.next_due + seconds {
                    return Vec::new();
                }
                vec![self.take(time, frame)]
            }
            Sampling::Scenes { max_gap } => {
                let since = time.since(last);
                match since + TOLERANCE >= max_gap || (cut && since >= KEYFRAME_SPACING) {
                    true => vec![self.take(time, frame)],
                    false => Vec::new(),
                }
            }
            Sampling::Keyframes => {
                let since = time.since(last);
                if since >= UNFLAGGED_SPACING || (key && since >= KEYFRAME_SPACING) {
                    vec![self.take(time, frame)]
                } else {
                    Vec::new()
                }
            }
            Sampling::GapFilled { max_gap } => {
                let mut out = Vec::new();
                if time.since(last) > max_gap + TOLERANCE
                    && let Some((t, f)) = self.passed.take()
                {
                    out.push(self.take(t, f));
                }
                let since = time.since(self.last.unwrap_or(last));
                if since > max_gap + TOLERANCE || (key && since >= KEYFRAME_SPACING) {
                    out.push(self.take(time, frame));
                } else {
                    self.passed = Some((time, frame));
                }
                out
            }
        }
    }

    fn take(&mut self, time: Timestamp, frame: F) -> (Timestamp, F) {
        self.last = Some(time);
        self.passed = None;
        if let Sampling::Every { seconds } = self.sampling {
            // The grid stays put: a late frame does not push those after it.
            let missed = (time.seconds() + TOLERANCE - self.next_due) / seconds;
            self.next_due += missed.floor().max(0.0) * seconds;
        }
        (time, frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TimeBase;
    use proptest::prelude::*;

    fn chosen(sampling: Sampling, frames: &[(i64, bool)]) -> Vec<i64> {
        let base = TimeBase::new(1, 1000).unwrap();
        let mut c = Chooser::new(sampling);
        frames
            .iter()
            .flat_map(|&(ms, key)| c.push(Timestamp::new(ms, base), key, key, ()))
            .map(|(t, ())| t.ticks)
            .collect()
    }

    #[test]
    fn every_second_keeps_its_grid() {
        let frames: Vec<_> = (0..100).map(|i| (i * 40, i == 0)).collect();
        let got = chosen(Sampling::Every { seconds: 1.0 }, &frames);
        assert_eq!(got, [0, 1000, 2000, 3000]);
    }

    #[test]
    fn scenes_are_sampled_where_they_begin_and_now_and_then() {
        let frames: Vec<_> = (0..600).map(|i| (i * 40, i == 50 || i == 52)).collect();
        let got = chosen(Sampling::Scenes { max_gap: 10.0 }, &frames);
        assert_eq!(got, [0, 2000, 12_000, 22_000]);
    }

    #[test]
    fn gaps_are_filled_with_the_last_frame_in_reach() {
        let frames: Vec<_> = (0..120).map(|i| (i * 40, i == 0)).collect();
        let got = chosen(Sampling::GapFilled { max_gap: 2.0 }, &frames);
        assert_eq!(got, [0, 2000, 4000]);
    }

    proptest! {
        #[test]
        fn no_gap_is_longer_than_asked_unless_the_file_has_it(
            steps in proptest::collection::vec((1i64..700, proptest::bool::weighted(0.05)), 1..200)
        ) {
            let mut t = 0;
            let frames: Vec<_> = steps.iter().map(|&(d, k)| { t += d; (t, k) }).collect();
            let got = chosen(Sampling::GapFilled { max_gap: 2.0 }, &frames);
            prop_assert!(got.windows(2).all(|w| w[1] - w[0] <= 2000 && w[1] > w[0]));
            prop_assert!(t - got.last().unwrap() <= 2000);
        }
    }
}
