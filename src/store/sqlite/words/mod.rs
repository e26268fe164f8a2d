//! Words → videos and times, by tantivy. Derived: the catalogue holds every word, and what of it this was
//! made of is its commit's payload.

mod folder;
mod spelling;
mod tokens;

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tantivy::collector::{FilterCollector, TopDocs};
use tantivy::query::{BooleanQuery, ConstScoreQuery, FuzzyTermQuery, Occur, Query, TermQuery};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing,
    TextOptions, Value,
};
use tantivy::tokenizer::{AsciiFoldingFilter, TextAnalyzer};
use tantivy::{
    Index, IndexReader, IndexSettings, ReloadPolicy, TantivyDocument, TantivyError, Term,
};

use self::folder::Folder;
pub use self::spelling::misread;
use self::tokens::Words as Tokens;
use super::modes::make_folder;
use super::vectors::Origin;
use crate::store::rows::{Match, Passage};
use crate::types::VideoId;

const TOKENIZER: &str = "words";
const VIDEO: &str = "video";
/// Of the layout; another number is built again.
const VERSION: u32 = 3;
/// What tantivy begins with.
const META: &str = "meta.json";
/// How often an index is opened that cannot be: a writer may be at it.
const LOOKS: usize = 3;
/// Memory the one indexing thread may take.
const WRITER_BYTES: usize = 30 << 20;

/// Why the index of words did not answer. It can always be built again.
#[derive(Debug, thiserror::Error)]
#[error("{}: the index of words failed: {reason}", path.display())]
pub struct WordsError {
    path: PathBuf,
    reason: String,
    forbidden: bool,
}

impl WordsError {
    fn new(path: &Path, cause: impl ToString) -> Self {
        Self {
            path: path.into(),
            reason: cause.to_string(),
            forbidden: false,
        }
    }

    /// Nothing is wrong with it: this user may not read it.
    pub fn is_forbidden(&self) -> bool {
        self.forbidden
    }
}

/// What an index was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// The catalogue's.
    pub generation: i64,
    pub token: String,
    /// The last of the catalogue's changes of words that is in it.
    pub change: i64,
}

impl State {
    pub fn new(origin: Origin, change: i64) -> Self {
        Self {
            version: VERSION,
            generation: origin.generation,
            token: origin.token,
            change,
        }
    }

    pub fn origin(&self) -> Origin {
        Origin {
            generation: self.generation,
            token: self.token.clone(),
        }
    }
}

/// An open index.
pub struct Words {
    index: Index,
    reader: IndexReader,
    fields: Fields,
    path: PathBuf,
}

#[derive(Clone, Copy)]
struct Fields {
    text: Field,
    video: Field,
    start: Field,
    end: Field,
    /// Of lettering, as it may be misread; of nothing else.
    spelling: Field,
    /// 1 for lettering.
    lettering: Field,
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
        video: schema.add_i64_field(VIDEO, INDEXED | STORED | FAST),
        start: schema.add_f64_field("start", STORED),
        end: schema.add_f64_field("end", STORED),
        spelling: schema.add_text_field("spelling", STRING),
        lettering: schema.add_u64_field("lettering", STORED),
    };
    (schema.build(), fields)
}

fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(Tokens)
        .filter(AsciiFoldingFilter)
        .build()
}

/// English words so common that they tell nothing (Lucene's list), and what a tokenizer leaves of "it's" and
/// "don't".
const STOP_WORDS: [&str; 37] = [
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it",
    "no", "not", "of", "on", "or", "s", "such", "t", "that", "the", "their", "then", "there",
    "these", "they", "this", "to", "was", "will", "with", "who", "which",
];

/// The words of a text, each once.
fn words_of(text: &str) -> HashSet<String> {
    let (mut analyzer, mut words) = (analyzer(), HashSet::new());
    let mut stream = analyzer.token_stream(text);
    stream.process(&mut |token| {
        words.insert(token.text.clone());
    });
    words
}

/// Those that tell something; all of them where none does.
fn telling_words(text: &str) -> HashSet<String> {
    let mut words = words_of(text);
    let common = |w: &String| STOP_WORDS.contains(&w.as_str());
    if !words.iter().all(common) {
        words.retain(|w| !common(w));
    }
    words
}

/// How many words of a question tell something, and how many of those a passage holds.
pub fn words_held(passage: &str, question: &str) -> (usize, usize) {
    let (asked, held) = (telling_words(question), words_of(passage));
    (asked.len(), asked.intersection(&held).count())
}

impl Words {
    /// Opens the index in `dir`; `None` where there is none this vsearch can use.
    ///
    /// # Errors
    /// Where it is damaged.
    pub fn open(dir: &Path) -> Result<Option<Self>, WordsError> {
        match File::open(dir.join(META)) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => {
                let forbidden = e.kind() == io::ErrorKind::PermissionDenied;
                return Err(WordsError {
                    forbidden,
                    ..WordsError::new(dir, e)
                });
            }
        }
        let mut opened = Self::look(dir);
        for _ in 1..LOOKS {
            if opened.is_ok() {
                break;
            }
            opened = Self::look(dir);
        }
        opened
    }

    fn look(dir: &Path) -> Result<Option<Self>, WordsError> {
        let (schema, fields) = schema();
        let folder = Folder::open(dir).map_err(|e| WordsError::new(dir, e))?;
        let index = Index::open(folder).map_err(|e| WordsError::new(dir, e))?;
        match index.schema() == schema {
            true => Self::over(index, fields, dir).map(Some),
            false => Ok(None),
        }
    }

    fn create(dir: &Path) -> Result<Self, WordsError> {
        let (schema, fields) = schema();
        let folder = Folder::open(dir).map_err(|e| WordsError::new(dir, e))?;
        let index = Index::create(folder, schema, IndexSettings::default());
        Self::over(index.map_err(|e| WordsError::new(dir, e))?, fields, dir)
    }

    fn over(index: Index, fields: Fields, dir: &Path) -> Result<Self, WordsError> {
        index.tokenizers().register(TOKENIZER, analyzer());
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
        Ok(Self {
            reader: reader.try_into().map_err(|e| WordsError::new(dir, e))?,
            index,
            fields,
            path: dir.into(),
        })
    }

    /// What it was made of.
    pub fn state(&self) -> Option<State> {
        let payload = self.index.load_metas().ok()?.payload?;
        let state: State = serde_json::from_str(&payload).ok()?;
        (state.version == VERSION).then_some(state)
    }

    /// Whether its files are those that were written. Reads all of them.
    pub fn is_sound(&self) -> bool {
        self.index
            .validate_checksum()
            .is_ok_and(|bad| bad.is_empty())
    }

    /// Up to `limit` passages of videos in scope that hold telling words of `query`, best first.
    pub fn search(
        &self,
        query: &str,
        limit: usize,
        in_scope: impl Fn(VideoId) -> bool + Send + Sync + 'static,
    ) -> Result<Vec<Match>, WordsError> {
        let word = |word: String| -> (Occur, Box<dyn Query>) {
            let term = Term::from_field_text(self.fields.text, &word);
            let query = TermQuery::new(term, IndexRecordOption::WithFreqs);
            (Occur::Should, Box::new(query))
        };
        let words: Vec<_> = telling_words(query).into_iter().map(word).collect();
        if words.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        self.best(&BooleanQuery::new(words), limit, in_scope)
    }

    /// Up to `limit` passages of lettering of videos in scope that hold `asked` or something misread for it, best first.
    pub fn lettering(
        &self,
        asked: &str,
        limit: usize,
        in_scope: impl Fn(VideoId) -> bool + Send + Sync + 'static,
    ) -> Result<Vec<Match>, WordsError> {
        let spelling = spelling::spelling(asked);
        if spelling.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let term = || Term::from_field_text(self.fields.spelling, &spelling);
        let whole = TermQuery::new(term(), IndexRecordOption::Basic);
        let mut ways: Vec<(Box<dyn Query>, f32)> = vec![(Box::new(whole), 4.0)];
        if spelling::may_go_on(&spelling) {
            ways.push((Box::new(FuzzyTermQuery::new_prefix(term(), 0, false)), 2.0));
        }
        let misread = spelling::misread_at_most(&spelling);
        if misread > 0 {
            ways.push((Box::new(FuzzyTermQuery::new(term(), misread, false)), 1.0));
        }
        let scored = ways.into_iter().map(|(way, score)| {
            let way: Box<dyn Query> = Box::new(ConstScoreQuery::new(way, score));
            (Occur::Should, way)
        });
        self.best(&BooleanQuery::new(scored.collect()), limit, in_scope)
    }

    fn best(
        &self,
        query: &BooleanQuery,
        limit: usize,
        in_scope: impl Fn(VideoId) -> bool + Send + Sync + 'static,
    ) -> Result<Vec<Match>, WordsError> {
        let failed = |e: TantivyError| WordsError::new(&self.path, e);
        let in_scope = Arc::new(in_scope);
        let scoped = FilterCollector::new(
            VIDEO.into(),
            move |video: i64| in_scope(VideoId(video)),
            TopDocs::with_limit(limit).order_by_score(),
        );
        let searcher = self.reader.searcher();
        let found = searcher.search(query, &scoped);
        let each = found.map_err(failed)?.into_iter().map(|(score, address)| {
            let document: TantivyDocument = searcher.doc(address).map_err(failed)?;
            let passage = self.passage(&document);
            Ok(Match { passage, score })
        });
        each.collect()
    }

    fn passage(&self, document: &TantivyDocument) -> Passage {
        let value = |field| document.get_first(field);
        let seconds = |field| value(field).and_then(|v| v.as_f64());
        let video = value(self.fields.video).and_then(|v| v.as_i64());
        let text = value(self.fields.text).and_then(|v| v.as_str());
        Passage {
            video: VideoId(video.unwrap_or(0)),
            span: seconds(self.fields.start).zip(seconds(self.fields.end)),
            text: text.unwrap_or_default().to_owned(),
            is_lettering: value(self.fields.lettering).is_some(),
        }
    }
}

/// Which videos' passages are brought up to date.
pub enum Changed<'a> {
    /// All: the index is built again.
    Everything,
    These(&'a [VideoId]),
}

/// Brings the index in `dir` to a state of the catalogue: takes the passages of the videos that `changed` out and
/// puts in those that `passages` hands over; that says whether it handed over all.
pub fn update(
    dir: &Path,
    state: &State,
    changed: Changed,
    passages: impl FnOnce(&mut dyn FnMut(Passage)) -> bool,
) -> Result<(), WordsError> {
    let failed = |e: TantivyError| WordsError::new(dir, e);
    let io = |e: io::Error| WordsError::new(dir, e);
    let rebuild = matches!(changed, Changed::Everything);
    if rebuild && dir.exists() {
        std::fs::remove_dir_all(dir).map_err(io)?;
    }
    make_folder(dir).map_err(io)?;
    let words = match Words::open(dir)? {
        Some(words) => words,
        None if rebuild => Words::create(dir)?,
        None => return Err(WordsError::new(dir, "it is not there any more")),
    };
    let mut writer = words
        .index
        .writer_with_num_threads::<TantivyDocument>(1, WRITER_BYTES)
        .map_err(failed)?;
    if let Changed::These(videos) = changed {
        for video in videos {
            writer.delete_term(Term::from_field_i64(words.fields.video, video.0));
        }
    }
    let mut trouble = None;
    let complete = passages(&mut |passage| {
        let mut document = TantivyDocument::new();
        document.add_text(words.fields.text, &passage.text);
        document.add_i64(words.fields.video, passage.video.0);
        if passage.is_lettering {
            document.add_u64(words.fields.lettering, 1);
            for run in spelling::runs(&passage.text) {
                document.add_text(words.fields.spelling, &run);
            }
        }
        if let Some((start, end)) = passage.span {
            document.add_f64(words.fields.start, start);
            document.add_f64(words.fields.end, end);
        }
        if let Err(e) = writer.add_document(document) {
            trouble.get_or_insert(e);
        }
    });
    if let Some(e) = trouble {
        return Err(failed(e));
    }
    if !complete {
        // What was read of the catalogue is not all: nothing of it counts.
        writer.rollback().map_err(failed)?;
        return Ok(());
    }
    let payload = serde_json::to_string(state).map_err(|e| io(e.into()))?;
    let mut commit = writer.prepare_commit().map_err(failed)?;
    commit.set_payload(&payload);
    commit.commit().map_err(failed)?;
    writer.wait_merging_threads().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(video: i64, span: Option<(f64, f64)>, text: &str) -> Passage {
        Passage {
            video: VideoId(video),
            span,
            text: text.into(),
            is_lettering: false,
        }
    }

    #[test]
    fn only_words_that_tell_something_count() {
        assert_eq!(words_held("/srv/north_gate-3.mp4", "Gate 3"), (2, 2));
        assert_eq!(words_held("Café entrance", "the cafe"), (1, 1));
        assert_eq!(words_held("/srv/gate.mp4", "gate 3"), (2, 1));
        assert_eq!(
            words_held("it's a \"cam\"", "a person on a bicycle"),
            (2, 0)
        );
        assert_eq!(words_held("The Who live, and more", "the who"), (2, 2));
        assert_eq!(words_held("/srv/gate.mp4", " - "), (0, 0));
    }

    fn found(words: &Words, query: &str, limit: usize) -> Vec<i64> {
        let in_scope = |v| v != VideoId(9);
        let matches = words.search(query, limit, in_scope).unwrap();
        matches.iter().map(|m| m.passage.video.0).collect()
    }

    fn put(dir: &Path, change: i64, changed: Changed, passages: &[Passage]) -> Words {
        let origin = Origin {
            generation: change,
            token: "t".into(),
        };
        update(dir, &State::new(origin, change), changed, |add| {
            passages.iter().for_each(|p| add(p.clone()));
            true
        })
        .unwrap();
        Words::open(dir).unwrap().unwrap()
    }

    #[test]
    fn words_find_their_videos_and_times() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("text");
        let spoken = passage(2, Some((5.0, 7.5)), "穿着蓝色上衣骑自行车的人");
        let all = [
            passage(1, None, "/srv/gate3/Lobby-café.mp4"),
            passage(2, None, "/srv/gate4/yard.mp4 一号门"),
            spoken.clone(),
            passage(9, None, "/srv/gate3/gone.mp4"),
        ];
        let words = put(&at, 1, Changed::Everything, &all);
        assert_eq!(found(&words, "gate 3", 10), [1, 2]);
        assert_eq!(found(&words, "CAFE", 10), [1]);
        assert_eq!(found(&words, "自行车", 10), [2]);
        let blue = words.search("蓝色", 5, |_| true).unwrap();
        assert_eq!(blue[0].passage, spoken);
        assert!(found(&words, "elephant", 10).is_empty() && found(&words, "", 10).is_empty());
        assert_eq!(words.state().unwrap().change, 1);

        // Of the videos that changed everything is told again, of the others nothing.
        let more = [
            passage(1, None, "/srv/moved.mp4"),
            passage(1, Some((1.0, 2.0)), "an elephant"),
        ];
        let gone = [VideoId(1), VideoId(9)];
        let words = put(&at, 2, Changed::These(&gone), &more);
        assert_eq!(found(&words, "gate", 10), [2]);
        assert_eq!(found(&words, "elephant", 10), [1]);
        assert_eq!(found(&words, "蓝色", 10), [2]);
        assert!(words.is_sound());
    }

    #[test]
    fn lettering_is_found_misread_and_the_best_first() {
        let dir = tempfile::tempdir().unwrap();
        let line = |video, text| Passage {
            is_lettering: true,
            ..passage(video, Some((1.0, 2.0)), text)
        };
        let all = [
            line(1, "B NW 1284"),
            line(2, "BMW-1234"),
            line(3, "8MW 1234X"),
            line(9, "B MW 1234"),
            passage(4, None, "/srv/BMW1234.mp4"),
        ];
        let words = put(dir.path(), 1, Changed::Everything, &all);
        let found = |asked: &str, limit| -> Vec<i64> {
            let matches = words.lettering(asked, limit, |v| v != VideoId(9)).unwrap();
            assert!(matches.iter().all(|m| m.passage.is_lettering));
            matches.iter().map(|m| m.passage.video.0).collect()
        };
        assert_eq!(found("B MW 1234", 1), [2]);
        assert_eq!(found("B MW 1234", 9), [2, 3, 1]);
        assert_eq!(found("BMW", 9), [2, 3]);
        assert!(found("JCN", 9).is_empty() && found("-", 9).is_empty());
    }

    /// What is out of scope takes no place from what is in it, however much of it there is.
    #[test]
    fn a_scope_is_applied_before_ranking() {
        let dir = tempfile::tempdir().unwrap();
        let mut all: Vec<Passage> = (0..500).map(|_| passage(9, None, "gate gate")).collect();
        all.push(passage(3, None, "a long way from the gate to the yard"));
        let words = put(dir.path(), 1, Changed::Everything, &all);
        assert_eq!(found(&words, "gate", 1), [3]);
    }
}
