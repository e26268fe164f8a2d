//! The model hub, through hf-hub; what it leaves out is here: tokens and switches of the
//! environment, checksums, and that a model appears whole or not at all.
//!
//! Files arrive in a cache of their own beside the real one (a broken download goes on there
//! later), are checked, and only when all are right do they move and does the branch's ref, by
//! which every reader finds them, get written.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

use super::{LAYOUTS, Repository, TOKENIZERS, checksum};

const ENDPOINT: &str = "https://huggingface.co";
/// Where files arrive, beside the models they will join.
const STAGING: &str = ".vsearch-pull";
/// A connection that breaks, or a hub that is busy, is tried so often in all.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Formats that run code when they are read.
const PICKLES: [&str; 4] = [".bin", ".pt", ".pth", ".ckpt"];

/// Why a model could not be brought, or is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error("{name}: no model of this name, and no repository (owner/name)")]
    NoSuchModel { name: String },
    #[error("HF_HUB_OFFLINE is set, so {repository} cannot be downloaded")]
    Offline { repository: String },
    #[error("{endpoint} asks for an account that may read {repository} ({status})")]
    Forbidden {
        endpoint: String,
        repository: String,
        status: u16,
    },
    #[error("{endpoint} has no {what}")]
    NotThere { endpoint: String, what: String },
    #[error("{endpoint} answers {status} for {what}")]
    Refused {
        endpoint: String,
        what: String,
        status: u16,
    },
    #[error("{what} could not be downloaded from {endpoint}: {reason}")]
    Broken {
        endpoint: String,
        what: String,
        reason: String,
    },
    #[error("{repository} holds no CLIP model (no {} with a config)", LAYOUTS[0][1])]
    NoModel { repository: String },
    #[error(
        "{repository} has its weights only as a pickle ({file}), which can run code when it is read; only safetensors are"
    )]
    Pickle { repository: String, file: String },
    #[error("{what} arrived with a wrong checksum; it has been thrown away")]
    Checksum { what: String },
    #[error("{}: differs from what was published", path.display())]
    Changed { path: PathBuf },
    #[error("another vsearch is downloading {what} ({} is locked)", lock.display())]
    Locked { what: String, lock: PathBuf },
    #[error("the disk of {} is full; what has come is kept", dir.display())]
    DiskFull { dir: PathBuf },
    #[error("{}: {cause}", path.display())]
    Io {
        path: PathBuf,
        cause: std::io::Error,
    },
}

impl HubError {
    /// Worth another try at once.
    fn passes(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}

/// What happens while a model is pulled, for a display.
#[derive(Debug)]
pub enum PullEvent<'a> {
    /// A file of so many bytes begins to arrive.
    File { name: &'a str, bytes: u64 },
    /// So many more bytes of it are here (at first: from an earlier try).
    Bytes(u64),
    /// It is whole; its checksum is taken.
    Checking { name: &'a str },
    /// Something went wrong that will be tried again.
    Again { error: &'a HubError },
}

/// A hub and the cache of what came from it.
#[derive(Debug, Clone)]
pub struct Hub {
    endpoint: String,
    cache: PathBuf,
    token: Option<String>,
    offline: bool,
    wait: Duration,
}

impl Hub {
    /// As the environment says: `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`, `HF_TOKEN` (else the
    /// token file), `HF_HUB_OFFLINE`.
    pub fn from_env() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
        let cache = variable("HF_HUB_CACHE").map(|dir| Cache::new(dir.into()));
        let cache = cache.unwrap_or_else(Cache::from_env);
        let yes = |v: String| !["0", "false", "no", "off"].contains(&v.to_lowercase().as_str());
        Self {
            endpoint: variable("HF_ENDPOINT")
                .map_or(ENDPOINT.into(), |e| e.trim_end_matches('/').to_owned()),
            token: variable("HF_TOKEN").or_else(|| cache.token()),
            cache: cache.path().clone(),
            offline: variable("HF_HUB_OFFLINE").is_some_and(yes),
            wait: FIRST_WAIT,
        }
    }

    /// A hub for tests: no token, no waiting.
    #[cfg(test)]
    pub(super) fn at(endpoint: String, cache: &Path) -> Self {
        Self {
            endpoint,
            cache: cache.into(),
            token: None,
            offline: false,
            wait: Duration::ZERO,
        }
    }

    /// The folder of a repository's files at the revision, where any are on this machine.
    pub(super) fn snapshot(&self, repository: &Repository) -> Option<PathBuf> {
        let cache = Cache::new(self.cache.clone()).repo(repo(repository));
        let folder = self.cache.join(repo(repository).folder_name());
        let commit = std::fs::read_to_string(folder.join("refs").join(&repository.revision));
        // A commit can be asked for itself, without a ref.
        let commit = commit.unwrap_or_else(|_| repository.revision.clone());
        let dir = cache.pointer_path(commit.trim());
        dir.is_dir().then_some(dir)
    }

    /// Brings a model; returns its folder. What is on this machine already is not fetched again.
    ///
    /// # Errors
    /// [`HubError`]; whatever it is, nothing half-done can be found as a model.
    pub fn pull(&self, name: &str, report: &dyn Fn(PullEvent)) -> Result<PathBuf, HubError> {
        let Some(repository) = Repository::from_name(name) else {
            return Err(HubError::NoSuchModel { name: name.into() });
        };
        if let Some(dir) = super::folder_of(self, name) {
            return Ok(dir);
        }
        let shown = repository.name.clone();
        if self.offline {
            return Err(HubError::Offline { repository: shown });
        }
        let staging = self.cache.join(STAGING);
        std::fs::create_dir_all(&staging).map_err(|cause| self.io(&staging, cause))?;
        let api = ApiBuilder::from_cache(Cache::new(staging.clone()))
            .with_endpoint(self.endpoint.clone())
            .with_token(self.token.clone())
            .with_progress(false)
            .with_user_agent("vsearch", env!("CARGO_PKG_VERSION"))
            .build()
            .map_err(|e| self.error(e, &shown, ""))?;
        let asked = api.repo(repo(&repository));
        let list = || asked.info().map_err(|e| self.error(e, &shown, ""));
        let info = self.trying(report, list)?;
        // All files of one commit, whatever is pushed meanwhile.
        let pinned = Repository::from_name(&format!("{shown}@{}", info.sha));
        let pinned = pinned.unwrap_or_else(|| repository.clone());
        let remote = api.repo(repo(&pinned));
        let there: Vec<&str> = info.siblings.iter().map(|s| s.rfilename.as_str()).collect();
        let mut staged = Vec::new();
        for file in wanted(&there, &shown)? {
            let fetch = || self.fetch(&remote, &pinned, file, &staging, report);
            staged.push((file, self.trying(report, fetch)?));
        }
        self.install(&repository, &staging, &staged)
    }

    /// Runs `work` again after a fault that may pass, waiting longer each time.
    fn trying<T>(
        &self,
        report: &dyn Fn(PullEvent),
        work: impl Fn() -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        let mut wait = self.wait;
        for _ in 1..TRIES {
            match work() {
                Err(error) if error.passes() => report(PullEvent::Again { error: &error }),
                done => return done,
            }
            std::thread::sleep(wait);
            wait *= 2;
        }
        work()
    }

    /// One file into the staging cache, checked.
    fn fetch(
        &self,
        remote: &ApiRepo,
        repository: &Repository,
        file: &str,
        staging: &Path,
        report: &dyn Fn(PullEvent),
    ) -> Result<PathBuf, HubError> {
        let staged = Cache::new(staging.into()).repo(repo(repository));
        let path = match staged.get(file) {
            Some(path) => path,
            None => {
                let progress = Bridge {
                    report,
                    begun: false,
                };
                let download = || remote.download_with_progress(file, progress);
                // hf-hub panics on some answers no hub should give.
                let Ok(downloaded) = catch_unwind(AssertUnwindSafe(download)) else {
                    let reason = "its answer makes no sense".to_owned();
                    let what = format!("{}/{file}", repository.name);
                    let endpoint = self.endpoint.clone();
                    return Err(HubError::Broken {
                        endpoint,
                        what,
                        reason,
                    });
                };
                downloaded.map_err(|e| {
                    if matches!(e, ApiError::InvalidResume) || status(&e) == Some(416) {
                        // What an earlier try left fits no longer.
                        drop_parts(staging, repository);
                    }
                    self.error(e, &repository.name, file)
                })?
            }
        };
        report(PullEvent::Checking { name: file });
        let blob = path.canonicalize().map_err(|cause| self.io(&path, cause))?;
        let name = blob.file_name().unwrap_or_default().to_string_lossy();
        match checksum::matches(&blob, &name) {
            Ok(Some(false)) => {
                let _ = (std::fs::remove_file(&path), std::fs::remove_file(&blob));
                let what = format!("{}/{file}", repository.name);
                Err(HubError::Checksum { what })
            }
            Ok(_) => Ok(path),
            Err(cause) => Err(self.io(&blob, cause)),
        }
    }

    /// Moves what arrived to where every tool looks for it; the ref comes last.
    fn install(
        &self,
        repository: &Repository,
        staging: &Path,
        staged: &[(&str, PathBuf)],
    ) -> Result<PathBuf, HubError> {
        let cache = Cache::new(self.cache.clone()).repo(repo(repository));
        let io = |path: &Path| {
            let path = path.to_owned();
            move |cause| self.io(&path, cause)
        };
        let commit = staged
            .first()
            .and_then(|(_, path)| path.parent()?.file_name());
        let commit = commit.unwrap_or_default().to_string_lossy().into_owned();
        let snapshot = cache.pointer_path(&commit);
        std::fs::create_dir_all(&snapshot).map_err(io(&snapshot))?;
        for (file, path) in staged {
            let from = path.canonicalize().map_err(io(path))?;
            let name = from.file_name().unwrap_or_default().to_string_lossy();
            let blob = cache.blob_path(&name);
            let folder = blob.parent().unwrap_or(&self.cache);
            std::fs::create_dir_all(folder).map_err(io(folder))?;
            std::fs::rename(&from, &blob).map_err(io(&from))?;
            let link = snapshot.join(file);
            let _ = std::fs::remove_file(&link);
            let target = Path::new("../../blobs").join(&*name);
            std::os::unix::fs::symlink(target, &link).map_err(io(&link))?;
        }
        cache.create_ref(&commit).map_err(io(&snapshot))?;
        let _ = std::fs::remove_dir_all(staging.join(repo(repository).folder_name()));
        Ok(snapshot)
    }

    /// Takes the checksums of a model that is here.
    ///
    /// # Errors
    /// [`HubError::Changed`] names the first file that is not what was published.
    pub fn verify(&self, dir: &Path) -> Result<usize, HubError> {
        let mut checked = 0;
        let known = LAYOUTS.into_iter().flatten().chain(TOKENIZERS);
        for path in known.map(|f| dir.join(f)).filter(|p| p.exists()) {
            let blob = path.canonicalize().map_err(|cause| self.io(&path, cause))?;
            let name = blob.file_name().unwrap_or_default().to_string_lossy();
            match checksum::matches(&blob, &name).map_err(|cause| self.io(&path, cause))? {
                Some(true) => checked += 1,
                Some(false) => return Err(HubError::Changed { path }),
                None => {}
            }
        }
        Ok(checked)
    }

    pub(super) fn io(&self, path: &Path, cause: std::io::Error) -> HubError {
        match cause.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => HubError::DiskFull {
                dir: self.cache.clone(),
            },
            _ => HubError::Io {
                path: path.into(),
                cause,
            },
        }
    }

    fn error(&self, e: ApiError, repository: &str, file: &str) -> HubError {
        let endpoint = self.endpoint.clone();
        let what = match file {
            "" => repository.to_owned(),
            file => format!("{repository}/{file}"),
        };
        match (status(&e), e) {
            (Some(status @ (401 | 403)), _) => HubError::Forbidden {
                endpoint,
                repository: repository.into(),
                status,
            },
            (Some(404), _) => HubError::NotThere { endpoint, what },
            (Some(416), _) | (_, ApiError::InvalidResume) => HubError::Broken {
                endpoint,
                what,
                reason: "what an earlier download left does not fit".into(),
            },
            (Some(status), _) => HubError::Refused {
                endpoint,
                what,
                status,
            },
            (None, ApiError::LockAcquisition(lock)) => HubError::Locked { what, lock },
            (None, ApiError::IoError(cause))
                if matches!(
                    cause.kind(),
                    ErrorKind::StorageFull
                        | ErrorKind::QuotaExceeded
                        | ErrorKind::PermissionDenied
                        | ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                self.io(&self.cache, cause)
            }
            (None, e) => HubError::Broken {
                endpoint,
                what,
                reason: e.to_string(),
            },
        }
    }
}

fn repo(r: &Repository) -> Repo {
    Repo::with_revision(r.name.clone(), RepoType::Model, r.revision.clone())
}

/// The HTTP status an error stands for.
fn status(e: &ApiError) -> Option<u16> {
    match e {
        ApiError::RequestError(e) => match **e {
            ureq::Error::StatusCode(status) => Some(status),
            _ => None,
        },
        ApiError::TooManyRetries(e) => status(e),
        _ => None,
    }
}

/// Which files make a model, the weights last, so that what is small fails first.
fn wanted<'a>(there: &[&'a str], repository: &str) -> Result<Vec<&'a str>, HubError> {
    let find = |name: &str| there.iter().copied().find(|f| *f == name);
    for [config, weights] in LAYOUTS {
        if let (Some(config), Some(weights)) = (find(config), find(weights)) {
            let tokenizers = TOKENIZERS.into_iter().filter_map(find);
            return Ok(std::iter::once(config)
                .chain(tokenizers)
                .chain([weights])
                .collect());
        }
    }
    let pickled = |f: &&&str| PICKLES.iter().any(|p| f.ends_with(p));
    let repository = repository.to_owned();
    Err(match there.iter().find(pickled) {
        Some(file) => HubError::Pickle {
            repository,
            file: (*file).into(),
        },
        None => HubError::NoModel { repository },
    })
}

/// Throws away what is half here of a repository.
fn drop_parts(staging: &Path, repository: &Repository) {
    let blobs = staging.join(repo(repository).folder_name()).join("blobs");
    let files = std::fs::read_dir(blobs).into_iter().flatten().flatten();
    for file in files.filter(|f| f.path().extension().is_some_and(|e| e == "part")) {
        let _ = std::fs::remove_file(file.path());
    }
}

/// Hands hf-hub's progress on.
struct Bridge<'a> {
    report: &'a dyn Fn(PullEvent),
    begun: bool,
}

impl hf_hub::api::Progress for Bridge<'_> {
    fn init(&mut self, size: usize, filename: &str) {
        // It says so twice.
        if !std::mem::replace(&mut self.begun, true) {
            (self.report)(PullEvent::File {
                name: filename,
                bytes: size as u64,
            });
        }
    }

    fn update(&mut self, size: usize) {
        (self.report)(PullEvent::Bytes(size as u64));
    }

    fn finish(&mut self) {}
}
