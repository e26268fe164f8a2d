//! What is open: a library, a device, models, readers.

use std::collections::HashMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::Error;
use super::models::{default_model, open_model};
use crate::embed::{Device, DeviceChoice, Embedder, builtin};
use crate::media::Decoding;
use crate::store::{Finding, Library, Note, ObjectCount, Reader};

/// Readers kept for the next question.
const READERS_KEPT: usize = 8;

/// Where a session works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of the library.
    pub library: PathBuf,
    pub device: DeviceChoice,
    pub decoding: Decoding,
}

/// A library, and what is needed to work with it. Nothing is opened before it is used.
pub struct Session {
    library: Library,
    device: DeviceChoice,
    opened_device: OnceLock<Device>,
    decoding: Decoding,
    models: Mutex<HashMap<String, Arc<dyn Embedder>>>,
    readers: Mutex<Vec<Reader>>,
}

/// A reader that goes back to its session: each thread that asks has one of its own.
pub struct PooledReader<'s> {
    session: &'s Session,
    /// `None` once it has gone back.
    reader: Option<Reader>,
}

impl Deref for PooledReader<'_> {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        self.reader
            .as_ref()
            .expect("it is there until it is dropped")
    }
}

impl Drop for PooledReader<'_> {
    fn drop(&mut self) {
        let mut readers = self.session.readers();
        if let Some(reader) = self.reader.take().filter(|_| readers.len() < READERS_KEPT) {
            readers.push(reader);
        }
    }
}

impl Session {
    pub fn new(settings: Settings) -> Self {
        Self {
            library: Library::at(settings.library),
            device: settings.device,
            opened_device: OnceLock::new(),
            decoding: settings.decoding,
            models: Mutex::default(),
            readers: Mutex::default(),
        }
    }

    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Where files are decoded.
    pub fn decoding(&self) -> &Decoding {
        &self.decoding
    }

    fn readers(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reader of the library.
    ///
    /// # Errors
    /// Where there is no library, or it cannot be read.
    pub fn reader(&self) -> Result<PooledReader<'_>, Error> {
        let kept = self.readers().pop();
        let reader = match kept {
            Some(reader) => reader,
            None => self.library.reader()?,
        };
        Ok(PooledReader {
            session: self,
            reader: Some(reader),
        })
    }

    /// The same, of a library that is about to be written: one of an earlier format is brought up to date.
    pub fn current_reader(&self) -> Result<PooledReader<'_>, Error> {
        Ok(PooledReader {
            session: self,
            reader: Some(self.library.current_reader()?),
        })
    }

    /// Where models compute.
    pub fn device(&self) -> Result<&Device, Error> {
        if let Some(device) = self.opened_device.get() {
            return Ok(device);
        }
        let device = Device::open(self.device)?;
        Ok(self.opened_device.get_or_init(|| device))
    }

    /// The model of this name, opened once.
    pub fn model(&self, name: &str) -> Result<Arc<dyn Embedder>, Error> {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = models.get(name) {
            return Ok(Arc::clone(model));
        }
        let model = open_model(name, self.device()?)?;
        models.insert(name.into(), Arc::clone(&model));
        Ok(model)
    }

    /// The model asked for, else the one that answers in the library, else the default one.
    pub fn answering_model(
        &self,
        asked: Option<&str>,
        reader: &Reader,
    ) -> Result<Arc<dyn Embedder>, Error> {
        let own = match asked {
            Some(_) => None,
            None => reader.model_names()?.into_iter().next(),
        };
        self.model(asked.or(own.as_deref()).unwrap_or(default_model()))
    }

    /// Why models compute on the CPU although the build has code for a GPU.
    pub fn fell_back(&self) -> Option<&str> {
        self.opened_device.get().and_then(Device::fell_back)
    }

    /// Whether new libraries are made with the built-in model, as nothing better is here.
    pub fn defaults_to_builtin(&self) -> bool {
        default_model() == builtin::NAME
    }

    /// The user's own words on videos.
    pub fn notes(&self) -> Result<Vec<Note>, Error> {
        Ok(self.current_reader()?.notes()?)
    }

    /// How many things were seen, by class and camera.
    pub fn object_counts(&self) -> Result<Vec<ObjectCount>, Error> {
        Ok(self.reader()?.object_counts()?)
    }

    /// What in the library is not as it was written.
    pub fn check(&self) -> Result<Vec<Finding>, Error> {
        Ok(self.library.check()?)
    }

    /// Makes again what [`Session::check`] finds repairable.
    pub fn repair(&self) -> Result<(), Error> {
        Ok(self.library.repair()?)
    }

    /// Copies the library as it is now to a folder that is empty or not there.
    pub fn backup(&self, to: &std::path::Path) -> Result<(), Error> {
        if to.read_dir().is_ok_and(|mut d| d.next().is_some()) {
            return Err(Error::user(format!("{}: is not empty", to.display()))
                .hint("name a folder that does not exist yet"));
        }
        Ok(self.reader()?.backup(to)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_shared_by_threads<T: Send + Sync + 'static>() {}

    #[test]
    fn a_session_is_shared_by_threads_and_pools_its_readers() {
        is_shared_by_threads::<Session>();
        let dir = tempfile::tempdir().unwrap();
        let session = Session::new(Settings {
            library: dir.path().join("lib"),
            device: DeviceChoice::Cpu,
            decoding: Decoding::InProcess,
        });
        assert!(session.reader().is_err());
        drop(session.library().writer().unwrap());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!(session.reader().unwrap().videos().unwrap().is_empty()));
            }
        });
        let kept = session.readers().len();
        assert!((1..=4).contains(&kept), "{kept} kept");
        let first = session.reader().unwrap();
        assert_eq!(session.readers().len(), kept - 1);
        drop(first);
        assert_eq!(session.readers().len(), kept);
        // A model is opened once, whoever asks.
        let (a, b) = (
            session.model("builtin").unwrap(),
            session.model("builtin").unwrap(),
        );
        assert!(Arc::ptr_eq(&a, &b));
    }
}
