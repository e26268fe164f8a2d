//! Question → candidates → events: how far to look, what is taken off, who judges.

use std::collections::{HashMap, HashSet};

use super::claims::Claimed;
use super::confidence::{self, Judge};
use super::events::{Candidate, Event, Recorded, absorbed, events, joined};
use super::question::{Part, Question};
use super::spread::Spread;
use super::{Parts, SearchError, rounded, words};
use crate::embed::{EmbedError, Embedder};
use crate::store::{
    FROM_FILE, Filter, Found, Match, Method, ModelRow, MomentRow, Neighbour, Reader, Selection,
    StoreError,
};
use crate::types::{Embedding, MomentId, VectorId, VideoId};

/// Vectors looked at for each hit asked for: neighbours in time must be among them to merge.
const CANDIDATES_PER_HIT: usize = 4;
const MIN_CANDIDATES: usize = 400;
/// Never more than this: whoever asks for so much has a scope to narrow.
const CANDIDATES_AT_MOST: usize = 100_000;
/// Passages of words looked at, at least.
const WORDS_LOOKED_AT: usize = 200;
/// What is not wanted takes off so many times as much as it stands out more than what is wanted
/// (docs/decisions/0013-questions-of-several-parts.md).
const UNWANTED: f64 = 4.0;
/// Listed events whose stretches are followed beyond the candidates, and how far to either side, in seconds.
const GROWN_AT_MOST: usize = 200;
const GROWN_BY: f64 = 600.0;
const MOMENTS_AROUND: usize = 2_000;
/// Vectors of pictures held at once while confidence is told.
const PICTURES_AT_ONCE: usize = 1_000;

/// A library, a model and a selection of its videos, to ask questions of.
pub(super) struct Search<'a> {
    pub(super) reader: &'a Reader,
    pub(super) embedder: &'a dyn Embedder,
    pub(super) model: ModelRow,
    pub(super) selection: Selection,
    exact: bool,
}

/// Events that answer one question, best first.
pub(super) struct Ranked {
    pub(super) events: Vec<Event>,
    pub(super) method: Method,
    /// Vectors in scope.
    pub(super) among: usize,
    pub(super) without_words: Option<String>,
    /// Of the question's vector; `None` where only words were looked for.
    pub(super) spread: Option<Spread>,
    /// Sentences of which the model cannot tell whether a picture shows them.
    pub(super) untold: Vec<String>,
    /// What is wanted and what is not, where they look the same to the model.
    pub(super) alike: Vec<(String, String)>,
}

impl<'a> Search<'a> {
    /// `None` where the model has no vectors here.
    pub(super) fn open(
        reader: &'a Reader,
        embedder: &'a dyn Embedder,
        filter: &Filter,
        exact: bool,
    ) -> Result<Option<Self>, SearchError> {
        let Some(model) = reader.model(embedder.fingerprint())? else {
            return Ok(None);
        };
        Ok(Some(Self {
            reader,
            embedder,
            model,
            selection: reader.select(filter)?,
            exact,
        }))
    }

    pub(super) fn sample(&self) -> Result<Vec<Embedding>, SearchError> {
        confidence::sample(self.reader, self.embedder, &self.model)
    }

    /// At least `enough` events where there are so many, `per_video` of one video counted at most; those found by words
    /// among them, all by what they are worth.
    pub(super) fn ranked(
        &self,
        question: &Question,
        enough: usize,
        per_video: Option<usize>,
    ) -> Result<Ranked, SearchError> {
        let searched = self.selection.searched;
        let most_of = |most: usize| enough.min(most.saturating_mul(searched.videos));
        let enough = per_video.map_or(enough, most_of);
        let alone = question.wanted.is_empty();
        // Beside pictures, a damaged index of words costs what words would have added.
        let (said, without_words) = match self.said(question, enough, per_video) {
            Ok(said) => (said, None),
            Err(e) if !alone => (Vec::new(), Some(e.to_string())),
            Err(e) => return Err(e.into()),
        };
        let sample = self.sample()?;
        let Some(vector) = question.vector(&sample) else {
            if !alone {
                return Err(EmbedError::NoDirection.into());
            }
            return Ok(Ranked {
                method: Method::Words,
                among: said.len(),
                events: said,
                without_words,
                spread: None,
                untold: Vec::new(),
                alike: Vec::new(),
            });
        };

        let spread = Spread::new(&vector, &sample);
        let claim = Claimed::of(question, self.embedder, &spread);
        let unwanted = question.unwanted.iter();
        let unwanted: Vec<(&Part, Spread)> = unwanted
            .map(|part| (part, Spread::new(&part.vector, &sample)))
            .collect();
        let bearing_out = match &claim {
            Some(claim) => self.bearing_out(claim, &vector)?,
            None => Vec::new(),
        };
        // Long still scenes fill the first candidates with one event: look further until there are
        // events enough, or no more vectors.
        let wanted = enough.saturating_mul(CANDIDATES_PER_HIT);
        let mut wanted = wanted.clamp(MIN_CANDIDATES, CANDIDATES_AT_MOST);
        let (mut found, method, among, whole) = loop {
            let near = self.near(&vector, wanted)?;
            let all = near.neighbours.len() < wanted;
            let mut candidates = self.candidates(&near.neighbours)?;
            if let Some(claim) = &claim {
                let known: HashSet<MomentId> = candidates.iter().map(|c| c.row.moment).collect();
                let more = bearing_out
                    .iter()
                    .filter(|c| !known.contains(&c.row.moment));
                candidates.extend(more.cloned());
                claim.raise(self.reader, &mut candidates)?;
            }
            self.penalise(&mut candidates, &spread, &unwanted)?;
            let found = events(candidates, spread.mean);
            // What lies beyond has this similarity at most, and nothing to be taken off it.
            let last = near.neighbours.last();
            let beyond = last.map_or(-1.0, |n| f64::from(n.similarity));
            let sure = |e: &&Event| question.unwanted.is_empty() || e.best.score >= beyond;
            let absorbed = absorbed(&found, &self.recorded(&found)?).0;
            let apart = found.iter().zip(absorbed).filter(|(_, absorbed)| !absorbed);
            let sure = apart.map(|(event, _)| event).filter(sure);
            if all || listed(sure, per_video) >= enough || wanted >= CANDIDATES_AT_MOST {
                break (found, near.method, near.among, all);
            }
            wanted = wanted.saturating_mul(4).min(CANDIDATES_AT_MOST);
        };
        let about = (&vector, &spread);
        let judge = Judge::new(self.reader, self.embedder, &question.wanted, about)?;
        if !whole {
            let taken_apart = (&spread, &unwanted[..], claim.as_ref());
            found = self.grown(found, &vector, taken_apart, enough)?;
        }
        self.judge(&judge, &mut found)?;
        // Where lettering is read that was asked for, its pictures are no other event.
        let is_read = |e: &Event| said.iter().any(|s| s.is_read() && s.overlaps(e));
        found.retain(|e| !is_read(e));
        found.extend(said);
        found.sort_by(|a, b| b.worth().total_cmp(&a.worth()));
        Ok(Ranked {
            events: found,
            method,
            among,
            without_words,
            spread: Some(spread),
            untold: judge.untold,
            alike: question.alike(&sample),
        })
    }

    fn near(&self, vector: &Embedding, limit: usize) -> Result<Found, StoreError> {
        let (reader, model) = (self.reader, &self.model);
        reader.neighbours(model, vector, limit, &self.selection, self.exact)
    }

    /// Follows the first events, given best first, to where they end: neighbours that belong to them need not be
    /// among the candidates. Events whose best frame lies in the stretch of a better one are part of it.
    fn grown(
        &self,
        events: Vec<Event>,
        vector: &Embedding,
        (of_question, unwanted, claim): (&Spread, &[(&Part, Spread)], Option<&Claimed>),
        enough: usize,
    ) -> Result<Vec<Event>, SearchError> {
        let mut kept: Vec<Event> = Vec::with_capacity(events.len());
        let mut taken: HashMap<VideoId, Vec<(f64, f64)>> = HashMap::new();
        for mut event in events {
            let video = event.best.row.video;
            let time = event.best.row.time.seconds();
            let stretches = taken.entry(video).or_default();
            if stretches
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&time))
            {
                continue;
            }
            if kept.len() < enough.min(GROWN_AT_MOST) {
                let span = (event.start - GROWN_BY, event.end + GROWN_BY);
                let mut rows = self.reader.moments_between(video, span, MOMENTS_AROUND)?;
                let holds = |row: &MomentRow| {
                    let (start, end) = (row.start.seconds(), row.end.seconds());
                    self.selection.holds(video, start, end) && self.selection.has_moment(row.moment)
                };
                rows.retain(holds);
                let views = self.views(rows.iter().map(|r| r.moment))?;
                let mut around = Vec::with_capacity(rows.len());
                for row in rows {
                    let views = views.get(&row.moment).into_iter().flatten();
                    let cosines = views.map(|v| f64::from(vector.similarity(v)));
                    if let Some(cosine) = cosines.reduce(f64::max) {
                        around.push(Candidate::new(row, cosine));
                    }
                }
                if let Some(claim) = claim {
                    claim.raise(self.reader, &mut around)?;
                }
                self.penalise(&mut around, of_question, unwanted)?;
                event.grow(&around, of_question.mean);
                stretches.push((event.start, event.end));
            }
            kept.push(event);
        }
        Ok(kept)
    }

    /// Hits by words of the question, of videos in scope.
    fn said(
        &self,
        question: &Question,
        enough: usize,
        per_video: Option<usize>,
    ) -> Result<Vec<Event>, StoreError> {
        let limit = WORDS_LOOKED_AT.max(enough);
        let alone = question.wanted.is_empty();
        let asked = question.words.as_deref();
        let wanted = words::Wanted {
            words: asked.unwrap_or_default(),
            alone,
            selection: &self.selection,
            limit: enough,
            per_video,
        };
        let mut events = Vec::new();
        for (lettering, claim) in question.lettering() {
            let matches = self.reader.lettering(lettering, limit, &self.selection)?;
            events.extend(words::read(
                self.reader,
                (lettering, claim),
                &matches,
                &wanted,
            )?);
        }
        if let Some(asked) = asked {
            let matches: Vec<Match> = self.reader.words(asked, limit, &self.selection)?;
            let said = words::found(self.reader, &matches, &wanted)?;
            let is_read = |e: &Event| events.iter().any(|read: &Event| read.overlaps(e));
            let more: Vec<Event> = said
                .into_iter()
                .filter(|e| !e.is_read() || !is_read(e))
                .collect();
            events.extend(more);
        }
        Ok(events)
    }

    /// The moments of vectors, best first, each by the best of its views.
    fn candidates(&self, near: &[Neighbour]) -> Result<Vec<Candidate>, StoreError> {
        let ids: Vec<VectorId> = near.iter().map(|n| n.id).collect();
        let mut rows = self.reader.moments_of(&ids)?;
        let mut candidates = Vec::with_capacity(near.len());
        let mut seen = HashSet::new();
        for n in near {
            // A vector the graph still holds may have left the catalogue.
            if let Some(row) = rows.remove(&n.id)
                && seen.insert(row.moment)
            {
                let similarity = f64::from(n.similarity);
                candidates.push(Candidate {
                    nearest: Some((n.id, similarity)),
                    ..Candidate::new(row, similarity)
                });
            }
        }
        Ok(candidates)
    }

    /// The moments that bear a claim out, by the best of their views.
    fn bearing_out(
        &self,
        claim: &Claimed,
        vector: &Embedding,
    ) -> Result<Vec<Candidate>, SearchError> {
        let rows = claim.bearing_out(self.reader, &self.selection)?;
        let views = self.views(rows.iter().map(|r| r.moment))?;
        let candidate = |row: MomentRow| {
            let views = views.get(&row.moment).into_iter().flatten();
            let cosines = views.map(|v| f64::from(vector.similarity(v)));
            Some(Candidate::new(row, cosines.reduce(f64::max)?))
        };
        Ok(rows.into_iter().filter_map(candidate).collect())
    }

    /// The vectors of all views of moments.
    fn views(
        &self,
        moments: impl Iterator<Item = MomentId>,
    ) -> Result<HashMap<MomentId, Vec<Embedding>>, StoreError> {
        let moments: Vec<MomentId> = moments.collect();
        let views = self.reader.vectors_of(&self.model, &moments)?;
        Ok(views.into_iter().collect())
    }

    /// Takes off the score of candidates in which something that is not wanted stands out more, in any view, than
    /// what is wanted.
    fn penalise(
        &self,
        candidates: &mut [Candidate],
        of_question: &Spread,
        unwanted: &[(&Part, Spread)],
    ) -> Result<(), SearchError> {
        if unwanted.is_empty() {
            return Ok(());
        }
        let all_views = self.views(candidates.iter().map(|c| c.row.moment))?;
        for candidate in candidates.iter_mut() {
            let views = all_views.get(&candidate.row.moment);
            let stands_out = of_question.z_score(candidate.score);
            for (part, spread) in unwanted {
                let views = views.into_iter().flatten();
                let cosines = views.map(|v| f64::from(part.vector.similarity(v)));
                let cosine = cosines.reduce(f64::max).unwrap_or(-1.0);
                let more = (spread.z_score(cosine) - stands_out).max(0.0);
                candidate.unwanted.push(cosine);
                candidate.penalty += UNWANTED * part.weight * of_question.deviation * more;
            }
            candidate.score -= candidate.penalty;
        }
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(())
    }

    /// Tells how likely each event is real.
    fn judge(&self, judge: &Judge, events: &mut [Event]) -> Result<(), SearchError> {
        for events in events.chunks_mut(PICTURES_AT_ONCE) {
            let nearest = events.iter().filter_map(|e| e.best.nearest);
            let pictures = match judge.needs_pictures() {
                true => self
                    .reader
                    .vectors(&nearest.map(|(id, _)| id).collect::<Vec<_>>())?,
                false => HashMap::new(),
            };
            for event in events {
                let picture = event.best.nearest.and_then(|(id, _)| pictures.get(&id));
                let likely = judge.confidence(event.best.score, picture);
                // As it is printed: what reads as the level is at the level.
                event.confidence = likely.map(|c| rounded(c, 3));
            }
        }
        Ok(())
    }

    /// Joins events that go on in the next file of their camera, where the clock is known.
    pub(super) fn joined(&self, events: Vec<Event>) -> Result<Vec<Event>, SearchError> {
        let recorded = self.recorded(&events)?;
        Ok(joined(events, &recorded))
    }

    /// Where the videos of events lie on the wall clocks of their cameras, as far as that is known.
    fn recorded(&self, events: &[Event]) -> Result<HashMap<VideoId, Recorded>, StoreError> {
        let ids: HashSet<VideoId> = events.iter().map(|e| e.best.row.video).collect();
        let ids: Vec<VideoId> = ids.into_iter().collect();
        let mut recorded = HashMap::new();
        for (id, video) in self.reader.videos_by_id(&ids)? {
            let from = video.recorded_from.as_deref();
            let clock = video.recorded_ms.filter(|_| from != Some(FROM_FILE));
            if let (Some(camera), Some(ms)) = (video.camera, clock) {
                let own = Recorded {
                    camera,
                    start: ms as f64 / 1e3,
                    length: self.reader.video_length(id)?,
                };
                recorded.insert(id, own);
            }
        }
        Ok(recorded)
    }

    /// What the scores of candidates are made of.
    pub(super) fn parts<'c>(
        &self,
        candidates: impl Iterator<Item = &'c Candidate> + Clone,
        spread: Option<Spread>,
    ) -> Result<HashMap<MomentId, Parts>, SearchError> {
        let views = self.views(candidates.clone().map(|c| c.row.moment))?;
        let parts = candidates.map(|candidate| {
            let unwanted = candidate.unwanted.iter().map(|u| rounded(*u, 4));
            let penalised = !candidate.unwanted.is_empty();
            let (vector, similarity) = candidate.nearest.unzip();
            let z_score = spread.zip(similarity).map(|(s, c)| s.z_score(c));
            let parts = Parts {
                vector,
                similarity: similarity.map(|s| rounded(s, 4)),
                z_score: z_score.map(|z| rounded(z, 2)),
                views: views.get(&candidate.row.moment).map_or(0, Vec::len),
                passage: None,
                unwanted: unwanted.collect(),
                penalty: penalised.then(|| rounded(candidate.penalty, 4)),
            };
            (candidate.row.moment, parts)
        });
        Ok(parts.collect())
    }
}

/// How many of the events can be listed.
fn listed<'e>(events: impl Iterator<Item = &'e Event>, per_video: Option<usize>) -> usize {
    let Some(most) = per_video else {
        return events.count();
    };
    let mut counts: HashMap<VideoId, usize> = HashMap::new();
    for event in events {
        *counts.entry(event.best.row.video).or_default() += 1;
    }
    counts.into_values().map(|n| n.min(most)).sum()
}
