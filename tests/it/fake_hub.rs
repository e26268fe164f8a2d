//! A model hub on loopback that can be told to fail. The tests of `embed::store` use this file too.

#![allow(dead_code)] // each of the two users reads a part

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use sha1::Digest;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What goes wrong with a request for a file or for the repository's list ("").
#[derive(Clone, Copy)]
pub enum Fault {
    Status(u16),
    /// The connection ends after so many bytes.
    Cut(usize),
    /// One byte differs from what the checksum says.
    Flip,
    /// A redirect that leads nowhere.
    Nowhere,
}

/// A fault, of which file, and how many more times.
struct Planned {
    file: String,
    fault: Fault,
    times: usize,
}

struct State {
    files: BTreeMap<String, Vec<u8>>,
    planned: Mutex<Vec<Planned>>,
    /// `Authorization` and `Range` of each request, after its path.
    seen: Mutex<Vec<String>>,
}

pub struct FakeHub {
    pub endpoint: String,
    state: Arc<State>,
}

impl FakeHub {
    /// Serves these files in every repository.
    pub fn start(files: BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (planned, seen) = (Mutex::default(), Mutex::default());
        let state = Arc::new(State {
            files,
            planned,
            seen,
        });
        let serving = Arc::clone(&state);
        let serve = move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                std::thread::spawn(move || state.answer(stream));
            }
        };
        std::thread::Builder::new()
            .name("fake-hub".into())
            .spawn(serve)
            .unwrap();
        Self { endpoint, state }
    }

    /// Serves the files of a folder.
    pub fn of(dir: &Path) -> Self {
        let entries = std::fs::read_dir(dir).unwrap().flatten();
        let file = |e: std::fs::DirEntry| {
            let name = e.file_name().into_string().unwrap();
            (name, std::fs::read(e.path()).unwrap())
        };
        Self::start(entries.map(file).collect())
    }

    /// The next `times` requests for the bytes of `file` ("" for the list) fail.
    pub fn fail(&self, file: &str, fault: Fault, times: usize) {
        let file = file.into();
        let planned = Planned { file, fault, times };
        self.state.planned.lock().unwrap().push(planned);
    }

    pub fn heal(&self) {
        self.state.planned.lock().unwrap().clear();
    }

    pub fn seen(&self) -> Vec<String> {
        self.state.seen.lock().unwrap().clone()
    }
}

impl State {
    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        let request = lines.next()?.ok()?;
        let headers: Vec<String> = lines
            .map_while(Result::ok)
            .take_while(|l| !l.is_empty())
            .collect();
        let header = |name: &str| {
            let found = headers.iter().find_map(|h| {
                let (key, value) = h.split_once(": ")?;
                key.eq_ignore_ascii_case(name).then(|| value.to_owned())
            });
            found.unwrap_or_default()
        };
        let path = request.split(' ').nth(1)?.to_owned();
        let (range, token) = (header("range"), header("authorization"));
        let line = format!("{path} {range} {token}");
        self.seen.lock().unwrap().push(line);
        let file = path.split_once("/resolve/").map(|(_, rest)| {
            let file = rest.split_once('/').map_or(rest, |(_, file)| file);
            file.to_owned()
        });
        // Asking for the first byte only is asking what there is: that never fails by itself.
        let asks = range == "bytes=0-0";
        let fault = self.fault(file.as_deref().unwrap_or(""), asks);
        if let Some(Fault::Status(status)) = fault {
            return reply(&mut stream, status, "", b"");
        }
        if matches!(fault, Some(Fault::Nowhere)) {
            let head = format!("X-Repo-Commit: {COMMIT}\r\nETag: \"x\"\r\n");
            return reply(&mut stream, 302, &head, b"");
        }
        let Some(file) = file else {
            let names = self.files.keys();
            let siblings: Vec<_> = names.map(|f| serde_json::json!({"rfilename": f})).collect();
            let list = serde_json::json!({"sha": COMMIT, "siblings": siblings}).to_string();
            return reply(&mut stream, 200, "", list.as_bytes());
        };
        let Some(bytes) = self.files.get(&file) else {
            return reply(&mut stream, 404, "", b"");
        };
        let numbers = range.trim_start_matches("bytes=").split_once('-');
        let (from, to) = numbers.unwrap_or(("0", ""));
        let from: usize = from.parse().ok()?;
        let to = to.parse::<usize>().map_or(bytes.len(), |to| to + 1);
        if from >= bytes.len() {
            return reply(&mut stream, 416, "", b"");
        }
        let head = format!(
            "X-Repo-Commit: {COMMIT}\r\nETag: \"{}\"\r\nContent-Range: bytes {from}-{}/{}\r\n",
            etag(&file, bytes),
            to - 1,
            bytes.len()
        );
        let mut part = bytes[from..to].to_vec();
        match fault {
            Some(Fault::Flip) => part[0] ^= 1,
            Some(Fault::Cut(after)) => {
                let head = format!(
                    "HTTP/1.1 206 Partial Content\r\n{head}Content-Length: {}\r\n\r\n",
                    part.len()
                );
                part.truncate(after);
                return write(&mut stream, &[head.as_bytes(), &part].concat());
            }
            _ => {}
        }
        reply(&mut stream, 206, &head, &part)
    }

    fn fault(&self, file: &str, asks: bool) -> Option<Fault> {
        let mut planned = self.planned.lock().unwrap();
        let body = |f: &Fault| matches!(f, Fault::Cut(_) | Fault::Flip);
        let next = planned
            .iter_mut()
            .find(|p| p.times > 0 && p.file == file && !(asks && body(&p.fault)))?;
        next.times -= 1;
        Some(next.fault)
    }
}

/// As the hub does: SHA-256 of what is large, git's name of the rest.
fn etag(file: &str, bytes: &[u8]) -> String {
    let hex = |d: &[u8]| d.iter().map(|b| format!("{b:02x}")).collect::<String>();
    if file.ends_with(".safetensors") {
        return hex(&sha2::Sha256::digest(bytes));
    }
    let header = format!("blob {}\0", bytes.len());
    hex(&sha1::Sha1::new_with_prefix(header)
        .chain_update(bytes)
        .finalize())
}

fn reply(stream: &mut TcpStream, status: u16, head: &str, body: &[u8]) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {status} X\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    write(stream, &[head.as_bytes(), body].concat())
}

fn write(stream: &mut TcpStream, bytes: &[u8]) -> Option<()> {
    stream.write_all(bytes).ok()?;
    stream.flush().ok()
}
