//! Which time stamps of a stream to believe.
//!
//! Frames are counted; what a stamp says beyond the count is its *level*. While a clock runs the level
//! stays where it is, but for frames out of order and scenes that pause. A stamp of another level is
//! held, with all that comes after it, until they show which it is:
//!
//! - *wrong*: those after it are where the clock was, or bear another level out. Its item is given the
//!   time after the one before it, and no other time changes;
//! - *a pause*: it lies ahead, and so do those after it. All keep what they say;
//! - *a jump*: it lies behind, and those after it go on from there. They are counted on: all stamps up
//!   to the next jump are moved by the same.
//!
//! Steps shorter than [`WANDER`] are none of these: nothing is held and nothing moved, since frames
//! come out of order by as much. Only where they come in order a stamp that goes back alone is wrong.

use std::collections::VecDeque;

/// Seconds a stamp may lie from where the clock is: reordered frames do. At least so many frames' length.
const WANDER: f64 = 1.0;
const WANDER_FRAMES: i64 = 8;
/// Longest run of wrong stamps that is told from a pause or a jump.
pub(super) const RUN: usize = 8;
/// Items looked at before a doubtful one is judged, and bytes of them at most.
pub(super) const LOOK: usize = 4 * RUN;
const LOOK_BYTES: usize = 32 << 20;
/// So many stamps that are where the clock was before show that it has not jumped: more than there are
/// frames shown before a pause and decoded after it.
const RETURNED: usize = RUN + 4;
/// Levels the clock has had lately: a few wrong ones among them hide no right one.
const TRUSTED: usize = 3 * RUN;
/// Seconds by which the last stamp of all may lie ahead with nothing to bear it out: a scene that paused.
const STILL: f64 = 30.0;
/// Frames come in order where less than one of so many is shown later than it is decoded.
const ORDERLY: i64 = 16;
/// MPEG's clocks have 33 bits.
const WRAP: i64 = 1 << 33;
/// Seconds that a clock may pause while it wraps.
const WRAP_NEAR: f64 = 60.0;

/// What a stream's stamps mean, in ticks of its time base.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticks {
    /// Of one frame, at least 1.
    pub(super) frame: i64,
    /// Of one second.
    pub(super) second: i64,
    /// Stamps begin at 0 again after 2^33.
    pub(super) wraps: bool,
    /// Where the stream ends, if its container says so and has not just looked at the last stamps.
    pub(super) end: Option<i64>,
    /// No time is later.
    pub(super) latest: Option<i64>,
}

/// What was made of a stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is believed, moved as those before it are.
    Kept,
    /// It is not; the time is made up from the one before.
    Wrong,
    /// The clock jumped here: from here on stamps are moved by so many ticks more.
    Jump(i64),
}

/// An item and its time.
#[derive(Debug)]
pub(super) struct Stamped<T> {
    pub(super) item: T,
    /// `None` where it has no stamp.
    pub(super) ticks: Option<i64>,
    pub(super) verdict: Verdict,
}

#[derive(Debug)]
struct Held<T> {
    item: T,
    bytes: usize,
    stamp: Option<i64>,
    /// Items before it in the stream.
    count: i64,
}

/// Takes the items of a stream in decoding order and gives them back with their times.
#[derive(Debug)]
pub(super) struct Stamps<T> {
    ticks: Ticks,
    wander: i64,
    held: VecDeque<Held<T>>,
    held_bytes: usize,
    count: i64,
    /// Items that are shown later than they are decoded, or may be.
    reordered: i64,
    /// Levels of the stamps believed lately, since the last jump; the newest last.
    trusted: VecDeque<i64>,
    /// The stamp believed last.
    believed: Option<i64>,
    /// Added to stamps since the last jump.
    moved: i64,
    /// The time given last, and the latest.
    last: Option<i64>,
    front: Option<i64>,
    /// The first item is not the first of the stream.
    inside: bool,
    ended: bool,
}

impl<T> Stamps<T> {
    pub(super) fn new(ticks: Ticks) -> Self {
        let second = ticks.second as f64;
        Self {
            wander: ((second * WANDER) as i64).max(ticks.frame.saturating_mul(WANDER_FRAMES)),
            ticks,
            held: VecDeque::new(),
            held_bytes: 0,
            count: 0,
            reordered: 0,
            trusted: VecDeque::new(),
            believed: None,
            moved: 0,
            last: None,
            front: None,
            inside: false,
            ended: false,
        }
    }

    /// Items come from somewhere inside the stream.
    pub(super) fn begin_inside(&mut self) {
        self.inside = true;
    }

    /// Takes the next item, of so many bytes; `decoded` is the stamp for when it is to be decoded.
    pub(super) fn push(&mut self, stamp: Option<i64>, decoded: Option<i64>, bytes: usize, item: T) {
        let in_order = stamp.zip(decoded).is_some_and(|(s, d)| s <= d);
        self.reordered += i64::from(!in_order);
        let stamp = stamp.map(|s| self.unwrapped(s));
        self.held_bytes += bytes;
        self.held.push_back(Held {
            item,
            bytes,
            stamp,
            count: self.count,
        });
        self.count += 1;
    }

    /// No more will come: those held are judged by what there is.
    pub(super) fn finish(&mut self) {
        self.ended = true;
    }

    /// The next item whose time is certain.
    pub(super) fn pop(&mut self) -> Option<Stamped<T>> {
        let head = self.held.front()?;
        let Some(stamp) = head.stamp else {
            return self.give(None, Verdict::Kept);
        };
        let level = self.level(stamp, head.count);
        let full = self.ended || self.held.len() >= LOOK || self.held_bytes >= LOOK_BYTES;
        if self.is_trusted(level) {
            return match self.usual_for(stamp, level) {
                None => self.believe(stamp, level),
                Some(_) if !full && self.held.len() <= 2 * RUN => None,
                Some(usual) if self.stays_at(level, usual) => self.believe(stamp, level),
                Some(_) => self.disbelieve(),
            };
        }
        if self.has_returned(level) {
            return self.disbelieve();
        }
        if !full {
            return None;
        }
        let ahead = self.trusted.iter().all(|t| level > *t);
        let lasts = match ahead {
            true => self.goes_on_from(stamp) && self.may_begin(level),
            false => self.is_borne_out(level) && self.leaves_the_old(level),
        };
        let late = |latest| stamp.saturating_add(self.moved) > latest;
        let too_late = !self.trusted.is_empty() && self.ticks.latest.is_some_and(late);
        match (lasts, ahead && !too_late) {
            (false, _) => self.disbelieve(),
            (true, true) => self.believe(stamp, level),
            (true, false) => self.jump(stamp, level),
        }
    }

    /// The level the clock usually has, where a stamp goes back though frames come in order, and is itself
    /// the unusual one: not the one before it, that went too far.
    fn usual_for(&self, stamp: i64, level: i64) -> Option<i64> {
        let orderly = self.reordered.saturating_mul(ORDERLY) < self.count;
        let goes_back = self.believed.is_some_and(|before| stamp < before);
        if !orderly || !goes_back || self.trusted.len() <= 2 * RUN {
            return None;
        }
        let mut levels: Vec<i64> = self.trusted.iter().copied().collect();
        levels.sort_unstable();
        let usual = levels[levels.len() / 2];
        let before = self.trusted.back()?;
        (level.abs_diff(usual) > before.abs_diff(usual)).then_some(usual)
    }

    /// Whether most of what follows is nearer to `level` than to what is usual.
    fn stays_at(&self, level: i64, usual: i64) -> bool {
        let later = self.later_levels().take(2 * RUN);
        let (there, back): (Vec<i64>, Vec<i64>) =
            later.partition(|l| l.abs_diff(level) < l.abs_diff(usual));
        there.len() > back.len()
    }

    /// Whether what follows a doubtful stamp is where the clock was before it.
    fn has_returned(&self, level: i64) -> bool {
        let there = |l: i64| {
            let near = |t: &i64| t.abs_diff(l) <= self.wander.unsigned_abs();
            self.trusted.iter().any(near)
        };
        let old = |l: &i64| there(*l) && self.is_old(*l, level);
        self.later_levels().filter(old).count() >= RETURNED
    }

    /// Whether a stamp ahead of the clock is followed by others that are: a scene has paused.
    fn goes_on_from(&self, stamp: i64) -> bool {
        let later = self.held.iter().filter_map(|h| h.stamp);
        let behind = |l: &i64| *l < stamp.saturating_sub(self.wander);
        let (behind, ahead): (Vec<i64>, Vec<i64>) = later.skip(1).take(3 * RUN).partition(behind);
        match ahead.len() + behind.len() {
            0 => self.may_be_the_last(stamp),
            _ => ahead.len() >= behind.len(),
        }
    }

    /// Whether the first stamp of all may be right. Inside a stream it hardly comes just before a pause: that
    /// it is wrong is likelier.
    fn may_begin(&self, level: i64) -> bool {
        !self.inside || !self.trusted.is_empty() || self.is_borne_out(level)
    }

    /// Whether a stamp that none follows is where the stream may end.
    fn may_be_the_last(&self, stamp: i64) -> bool {
        let promised = |end| stamp.saturating_add(self.moved) <= end;
        let after = stamp.saturating_sub(self.believed.unwrap_or(stamp));
        let still = (self.ticks.second as f64 * STILL) as i64;
        after <= still.max(self.wander) || self.ticks.end.is_some_and(promised)
    }

    /// Whether no other level among those held is borne out by more of them.
    fn is_borne_out(&self, level: i64) -> bool {
        let near = |a: i64, b: i64| a.abs_diff(b) <= self.wander.unsigned_abs();
        let support = |of: i64| self.levels().filter(|l| near(*l, of)).count();
        let own = support(level);
        self.later_levels()
            .all(|l| near(l, level) || support(l) <= own)
    }

    /// Whether most of what follows a stamp behind the clock is nearer to it than to the clock.
    fn leaves_the_old(&self, level: i64) -> bool {
        let (old, new): (Vec<i64>, Vec<i64>) =
            self.later_levels().partition(|l| self.is_old(*l, level));
        new.len() > old.len()
    }

    /// Whether a level is nearer to where the clock was than to `new`.
    fn is_old(&self, level: i64, new: i64) -> bool {
        let nearest = self.trusted.iter().map(|t| t.abs_diff(level)).min();
        nearest.is_some_and(|n| n < level.abs_diff(new))
    }

    /// Whether it is where the clock was lately, or between: frames shown between two pauses may be
    /// decoded after both.
    fn is_trusted(&self, level: i64) -> bool {
        let (least, most) = (self.trusted.iter().min(), self.trusted.iter().max());
        least.zip(most).is_some_and(|(least, most)| {
            (least.saturating_sub(self.wander)..=most.saturating_add(self.wander)).contains(&level)
        })
    }

    fn level(&self, stamp: i64, count: i64) -> i64 {
        stamp.saturating_sub(count.saturating_mul(self.ticks.frame))
    }

    fn levels(&self) -> impl Iterator<Item = i64> {
        let level = |h: &Held<T>| h.stamp.map(|s| self.level(s, h.count));
        self.held.iter().filter_map(level)
    }

    fn later_levels(&self) -> impl Iterator<Item = i64> {
        // The first of those held has a stamp where this is asked.
        self.levels().skip(1)
    }

    fn believe(&mut self, stamp: i64, level: i64) -> Option<Stamped<T>> {
        self.trust(stamp, level);
        self.give(Some(stamp.saturating_add(self.moved)), Verdict::Kept)
    }

    fn jump(&mut self, stamp: i64, level: i64) -> Option<Stamped<T>> {
        let next = self
            .front
            .map_or(stamp, |f| f.saturating_add(self.ticks.frame));
        let before = self.moved;
        self.moved = next.saturating_sub(stamp);
        self.trusted.clear();
        self.trust(stamp, level);
        self.give(Some(next), Verdict::Jump(self.moved.saturating_sub(before)))
    }

    fn disbelieve(&mut self) -> Option<Stamped<T>> {
        let next = match self.last {
            Some(last) => Some(last.saturating_add(self.ticks.frame)),
            None => self.counted_back(),
        };
        self.give(next, Verdict::Wrong)
    }

    /// The time of the first item of all, from the level that most bear out.
    fn counted_back(&self) -> Option<i64> {
        let level = self.levels().find(|l| self.is_borne_out(*l))?;
        let count = self.held.front()?.count;
        Some(level.saturating_add(count.saturating_mul(self.ticks.frame)))
    }

    fn trust(&mut self, stamp: i64, level: i64) {
        if self.trusted.len() >= TRUSTED {
            self.trusted.pop_front();
        }
        self.trusted.push_back(level);
        self.believed = Some(stamp);
    }

    fn give(&mut self, ticks: Option<i64>, verdict: Verdict) -> Option<Stamped<T>> {
        let Held { item, bytes, .. } = self.held.pop_front()?;
        self.held_bytes -= bytes;
        // What has no stamp still takes its place in the count.
        let next = self.last.map(|l| l.saturating_add(self.ticks.frame));
        self.last = ticks.or(next);
        self.front = self.front.max(self.last);
        Some(Stamped {
            item,
            ticks,
            verdict,
        })
    }

    /// The stamp as a clock that does not wrap would have it.
    fn unwrapped(&self, stamp: i64) -> i64 {
        let Some(believed) = self.believed.filter(|_| self.ticks.wraps) else {
            return stamp;
        };
        let away = believed.saturating_sub(stamp);
        let turns = away.saturating_add(WRAP / 2).div_euclid(WRAP);
        let there = stamp.saturating_add(turns.saturating_mul(WRAP));
        let near = (self.ticks.second as f64 * WRAP_NEAR) as i64;
        match there.abs_diff(believed) <= near.unsigned_abs() {
            true => there,
            false => stamp,
        }
    }
}

#[cfg(test)]
mod tests;
