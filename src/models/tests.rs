use std::cell::RefCell;
use std::path::Path;

use super::*;
use crate::embed::clip::Clip;
use crate::embed::{Device, Embedder, tiny_clip};

#[path = "../../tests/it/fake_hub.rs"]
mod fake_hub;

use fake_hub::{FakeHub, Fault};

const NAME: &str = "ViT-B-32";
const WEIGHTS: &str = "open_clip_model.safetensors";

/// A hub with a tiny model, and an empty cache.
fn hub() -> (FakeHub, tempfile::TempDir, Hub) {
    let model = tempfile::tempdir().unwrap();
    tiny_clip::write(&tiny_clip::goldens()[0], model.path());
    std::fs::write(model.path().join("README.md"), "not asked for").unwrap();
    let fake = FakeHub::of(model.path());
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub::at(fake.endpoint.clone(), cache.path());
    (fake, cache, hub)
}

fn refused(hub: &Hub, cache: &Path) -> HubError {
    let error = hub.pull(NAME, &|_| {}).unwrap_err();
    assert_eq!(folder_of(hub, NAME), None, "{error}");
    let half = cache.join("models--timm--vit_base_patch32_clip_224.openai");
    assert!(!half.exists(), "{error}: something can be found");
    error
}

#[test]
fn a_pulled_model_opens_and_is_not_pulled_again() {
    let (fake, _cache, hub) = hub();
    let log = RefCell::new(Vec::new());
    let dir = hub
        .pull(NAME, &|e| log.borrow_mut().push(format!("{e:?}")))
        .unwrap();
    let clip = Clip::open(&dir, NAME.into(), &Device::cpu()).unwrap();
    assert_eq!(clip.profile().name, NAME);
    assert!(!dir.join("README.md").exists());
    assert!(log.borrow().iter().any(|e| e.contains(WEIGHTS)));
    assert_eq!(hub.verify(&dir).unwrap(), 2);

    let asked = fake.seen().len();
    assert_eq!(hub.pull(NAME, &|_| {}).unwrap(), dir);
    assert_eq!(fake.seen().len(), asked);

    let weights = dir.join(WEIGHTS).canonicalize().unwrap();
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    assert!(matches!(hub.verify(&dir), Err(HubError::Changed { path }) if path.ends_with(WEIGHTS)));
}

#[test]
fn a_hub_that_refuses_is_quoted() {
    for (status, right) in [
        (401, "account"),
        (403, "account"),
        (404, "has no"),
        (429, "answers 429"),
        (500, "answers 500"),
    ] {
        let (fake, cache, hub) = hub();
        fake.fail("", Fault::Status(status), 9);
        let said = refused(&hub, cache.path()).to_string();
        assert!(said.contains(right), "{status}: {said}");
        fake.heal();
        fake.fail(WEIGHTS, Fault::Status(status), 9);
        let said = refused(&hub, cache.path()).to_string();
        assert!(said.contains(right), "{status}: {said}");
    }
}

#[test]
fn a_hub_that_recovers_is_asked_again() {
    let (fake, _cache, hub) = hub();
    fake.fail("", Fault::Status(429), 2);
    fake.fail(WEIGHTS, Fault::Status(503), 1);
    let again = RefCell::new(0);
    let report =
        |e: PullEvent| *again.borrow_mut() += usize::from(matches!(e, PullEvent::Again { .. }));
    hub.pull(NAME, &report).unwrap();
    assert_eq!(*again.borrow(), 3);
}

#[test]
fn a_broken_download_goes_on_where_it_ended() {
    let (fake, cache, hub) = hub();
    fake.fail(WEIGHTS, Fault::Cut(1000), 4);
    assert!(matches!(
        refused(&hub, cache.path()),
        HubError::Broken { .. }
    ));
    fake.heal();
    hub.pull(NAME, &|_| {}).unwrap();
    let last = fake
        .seen()
        .into_iter()
        .rfind(|l| l.contains(WEIGHTS))
        .unwrap();
    assert!(last.contains("bytes=4000-"), "{last}");
}

#[test]
fn a_wrong_checksum_is_thrown_away() {
    let (fake, cache, hub) = hub();
    fake.fail(WEIGHTS, Fault::Flip, 1);
    assert!(matches!(
        refused(&hub, cache.path()),
        HubError::Checksum { .. }
    ));
    hub.pull(NAME, &|_| {}).unwrap();
}

#[test]
fn a_redirect_to_nowhere_is_an_error() {
    let (fake, cache, hub) = hub();
    fake.fail(WEIGHTS, Fault::Nowhere, 9);
    assert!(matches!(
        refused(&hub, cache.path()),
        HubError::Broken { .. }
    ));
}

#[test]
fn pickles_and_other_models_are_refused() {
    for (file, pickle) in [("open_clip_pytorch_model.bin", true), ("model.gguf", false)] {
        let files = ["config.json", file].map(|f| (f.to_owned(), b"{}".to_vec()));
        let fake = FakeHub::start(files.into());
        let cache = tempfile::tempdir().unwrap();
        let hub = Hub::at(fake.endpoint.clone(), cache.path());
        let error = refused(&hub, cache.path());
        assert_eq!(matches!(error, HubError::Pickle { .. }), pickle, "{error}");
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let (_fake, cache, hub) = hub();
    std::fs::write(cache.path().join(".vsearch-pull"), "in the way").unwrap();
    assert!(matches!(refused(&hub, cache.path()), HubError::Io { .. }));
    let error = hub.io(cache.path(), std::io::ErrorKind::StorageFull.into());
    assert!(matches!(error, HubError::DiskFull { .. }));
}

#[test]
fn repositories_are_names_with_an_owner() {
    let of = |name| Repository::from_name(name).map(|r| (r.name, r.revision));
    let timm = "timm/vit_base_patch32_clip_224.openai";
    assert_eq!(of(NAME), Some((timm.into(), "main".into())));
    assert_eq!(
        of("a/b@refs/pr/1"),
        Some(("a/b".into(), "refs/pr/1".into()))
    );
    for wrong in ["x", "/b", "a/", "a/b/c", "../b", "a/..", "a/b@", "a/b@../c"] {
        assert_eq!(of(wrong), None, "{wrong}");
    }
}
