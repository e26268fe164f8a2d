//! Words → videos and times, by tantivy. Derived: the catalogue holds every word, and the generation
//! this was made of is its commit's payload.

mod words;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, Occur, Query, TermQuery};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions, Value,
};
use tantivy::tokenizer::{AsciiFoldingFilter, TextAnalyzer};
use tantivy::{Index, TantivyDocument, Term};

use self::words::Words;
use crate::types::VideoId;

const TOKENIZER: &str = "words";
/// Of the layout; another number is made anew.
const VERSION: u32 = 1;
/// Memory the one indexing thread may take.
const WRITER_BYTES: usize = 30 << 20;
/// A video that is not looked in must not use up the places: so many times as many are asked for.
const SPARE: usize = 4;

/// Why the index of words did not answer. It can always be made again.
#[derive(Debug, thiserror::Error)]
#[error("{}: the index of words failed: {reason}", path.display())]
pub struct TextError {
    path: PathBuf,
    reason: String,
}

/// Words of a video.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    pub video: VideoId,
    /// Seconds; `None` where they are of the whole video.
    pub span: Option<(f64, f64)>,
    pub text: String,
}

/// A passage that holds words asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    pub passage: Passage,
    /// BM25; comparable within one answer.
    pub score: f32,
}

/// What an index was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// The catalogue's.
    pub generation: i64,
    /// The newest timed passage in it, and how many there are.
    pub last: i64,
    pub timed: u64,
}

/// An open index.
pub struct Text {
    index: Index,
    fields: Fields,
    path: PathBuf,
}

#[derive(Clone, Copy)]
struct Fields {
    text: Field,
    video: Field,
    timed: Field,
    start: Field,
    end: Field,
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let words = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::WithFreqs);
    let text = TextOptions::default()
        .set_indexing_options(words)
        .set_stored();
    let fields = Fields {
        text: schema.add_text_field("text", text),
        video: schema.add_i64_field("video", INDEXED | STORED | FAST),
        timed: schema.add_u64_field("timed", INDEXED),
        start: schema.add_f64_field("start", STORED),
        end: schema.add_f64_field("end", STORED),
    };
    (schema.build(), fields)
}

fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(Words)
        .filter(AsciiFoldingFilter)
        .build()
}

/// Whether a text holds all words of another, which has some.
pub fn holds_all(text: &str, wanted: &str) -> bool {
    let words = |text: &str| {
        let (mut analyzer, mut words) = (analyzer(), HashSet::new());
        let mut stream = analyzer.token_stream(text);
        stream.process(&mut |token| {
            words.insert(token.text.clone());
        });
        words
    };
    let wanted = words(wanted);
    !wanted.is_empty() && wanted.is_subset(&words(text))
}

impl Text {
    /// Opens the index in `dir`; `None` where there is none this vsearch can use.
    ///
    /// # Errors
    /// Where it is damaged.
    pub fn open(dir: &Path) -> Result<Option<Self>, TextError> {
        if !dir.join("meta.json").exists() {
            return Ok(None);
        }
        let (schema, fields) = schema();
        let index = Index::open_in_dir(dir).map_err(|e| failed(dir, &e))?;
        if index.schema() != schema {
            return Ok(None);
        }
        index.tokenizers().register(TOKENIZER, analyzer());
        Ok(Some(Self {
            index,
            fields,
            path: dir.into(),
        }))
    }

    /// What it was made of.
    pub fn state(&self) -> Option<State> {
        let payload = self.index.load_metas().ok()?.payload?;
        let state: State = serde_json::from_str(&payload).ok()?;
        (state.version == VERSION).then_some(state)
    }

    /// Whether its files are those that were written.
    pub fn is_sound(&self) -> bool {
        self.index
            .validate_checksum()
            .is_ok_and(|bad| bad.is_empty())
    }

    /// Up to `limit` passages of videos that are `kept` which hold words of `query`, best first.
    pub fn search(
        &self,
        query: &str,
        limit: usize,
        kept: impl Fn(VideoId) -> bool,
    ) -> Result<Vec<Match>, TextError> {
        let failed = |e| failed(&self.path, &e);
        let mut analyzer = analyzer();
        let mut stream = analyzer.token_stream(query);
        let mut words: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        while let Some(token) = stream.next() {
            let term = Term::from_field_text(self.fields.text, &token.text);
            let word = TermQuery::new(term, IndexRecordOption::WithFreqs);
            words.push((Occur::Should, Box::new(word)));
        }
        let query = BooleanQuery::new(words);
        let searcher = self.index.reader().map_err(failed)?.searcher();
        let mut wanted = limit * SPARE;
        loop {
            let collector = TopDocs::with_limit(wanted.max(1)).order_by_score();
            let found = searcher.search(&query, &collector).map_err(failed)?;
            let all = found.len() < wanted;
            let mut matches = Vec::new();
            for (score, address) in found {
                let document: TantivyDocument = searcher.doc(address).map_err(failed)?;
                let passage = self.passage(&document);
                if kept(passage.video) {
                    matches.push(Match { passage, score });
                }
            }
            if all || matches.len() >= limit {
                matches.truncate(limit);
                return Ok(matches);
            }
            wanted *= 4;
        }
    }

    fn passage(&self, document: &TantivyDocument) -> Passage {
        let value = |field| document.get_first(field);
        let seconds = |field| value(field).and_then(|v| v.as_f64());
        Passage {
            video: VideoId(
                value(self.fields.video)
                    .and_then(|v| v.as_i64())
                    .unwrap_or(0),
            ),
            span: seconds(self.fields.start).zip(seconds(self.fields.end)),
            text: value(self.fields.text)
                .and_then(|v| v.as_str())
                .unwrap_or_default()
                .to_owned(),
        }
    }
}

/// Brings the index in `dir` to a generation of the catalogue. `whole`: all passages that may change, which
/// take the place of those of before; `timed`: those that stay, with their ids, those newer than the index's last, or all where it is made
/// `anew`.
pub fn update(
    dir: &Path,
    anew: bool,
    generation: i64,
    whole: &[Passage],
    timed: impl FnOnce(&mut dyn FnMut(i64, Passage)) -> bool,
) -> Result<(), TextError> {
    let failed = |e| failed(dir, &e);
    let io = |e: std::io::Error| TextError {
        path: dir.into(),
        reason: e.to_string(),
    };
    if anew && dir.exists() {
        std::fs::remove_dir_all(dir).map_err(io)?;
    }
    std::fs::create_dir_all(dir).map_err(io)?;
    let text = match Text::open(dir)? {
        Some(text) => text,
        None => {
            let (schema, fields) = schema();
            let index = Index::create_in_dir(dir, schema).map_err(failed)?;
            index.tokenizers().register(TOKENIZER, analyzer());
            Text {
                index,
                fields,
                path: dir.into(),
            }
        }
    };
    let fresh = State {
        version: VERSION,
        generation,
        last: 0,
        timed: 0,
    };
    let mut state = State {
        generation,
        ..text.state().unwrap_or(fresh)
    };
    let mut writer = text
        .index
        .writer_with_num_threads::<TantivyDocument>(1, WRITER_BYTES)
        .map_err(failed)?;
    writer.delete_term(Term::from_field_u64(text.fields.timed, 0));
    let mut trouble = None;
    let mut add = |passage: &Passage, timed: bool| {
        let mut document = TantivyDocument::new();
        document.add_text(text.fields.text, &passage.text);
        document.add_i64(text.fields.video, passage.video.0);
        document.add_u64(text.fields.timed, u64::from(timed));
        if let Some((start, end)) = passage.span {
            document.add_f64(text.fields.start, start);
            document.add_f64(text.fields.end, end);
        }
        if let Err(e) = writer.add_document(document) {
            trouble.get_or_insert(e);
        }
    };
    whole.iter().for_each(|passage| add(passage, false));
    let complete = timed(&mut |id, passage| {
        add(&passage, true);
        state.last = state.last.max(id);
        state.timed += 1;
    });
    if let Some(e) = trouble {
        return Err(failed(e));
    }
    if !complete {
        // What was read of the catalogue is not all: nothing of it counts.
        writer.rollback().map_err(failed)?;
        return Ok(());
    }
    let payload = serde_json::to_string(&state).expect("four numbers are JSON");
    let mut commit = writer.prepare_commit().map_err(failed)?;
    commit.set_payload(&payload);
    commit.commit().map_err(failed)?;
    writer.wait_merging_threads().map_err(failed)
}

fn failed(path: &Path, cause: &tantivy::TantivyError) -> TextError {
    TextError {
        path: path.into(),
        reason: cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(video: i64, span: Option<(f64, f64)>, text: &str) -> Passage {
        Passage {
            video: VideoId(video),
            span,
            text: text.into(),
        }
    }

    #[test]
    fn all_words_must_be_there() {
        assert!(holds_all("/srv/north_gate-3.mp4", "Gate 3"));
        assert!(holds_all("Café entrance", "cafe"));
        assert!(!holds_all("/srv/gate.mp4", "gate 3"));
        assert!(!holds_all("/srv/gate.mp4", " - "));
    }

    fn found(text: &Text, query: &str) -> Vec<i64> {
        let matches = text.search(query, 10, |v| v != VideoId(9)).unwrap();
        matches.iter().map(|m| m.passage.video.0).collect()
    }

    #[test]
    fn words_find_their_videos_and_times() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("text");
        let whole = [
            passage(1, None, "/srv/gate3/Lobby-café.mp4"),
            passage(2, None, "/srv/gate4/yard.mp4 一号门"),
            passage(9, None, "/srv/gate3/gone.mp4"),
        ];
        let spoken = passage(2, Some((5.0, 7.5)), "穿着蓝色上衣骑自行车的人");
        let first = spoken.clone();
        update(&at, false, 1, &whole, |add| {
            add(4, first);
            true
        })
        .unwrap();
        let text = Text::open(&at).unwrap().unwrap();
        assert_eq!(found(&text, "gate 3"), [1, 2]);
        assert_eq!(found(&text, "CAFE"), [1]);
        assert_eq!(found(&text, "自行车"), [2]);
        assert_eq!(text.search("蓝色", 5, |_| true).unwrap()[0].passage, spoken);
        assert!(found(&text, "elephant").is_empty() && found(&text, "").is_empty());
        let state = text.state().unwrap();
        assert_eq!((state.generation, state.last, state.timed), (1, 4, 1));

        // Whole videos are told anew, timed passages go on.
        let more = passage(1, Some((1.0, 2.0)), "an elephant");
        update(&at, false, 2, &whole[..1], |add| {
            add(5, more);
            true
        })
        .unwrap();
        let text = Text::open(&at).unwrap().unwrap();
        assert_eq!(found(&text, "gate"), [1]);
        assert_eq!(found(&text, "elephant"), [1]);
        assert_eq!(found(&text, "蓝色"), [2]);
        assert_eq!(text.state().unwrap().timed, 2);
        assert!(text.is_sound());
    }
}
