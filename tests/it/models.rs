//! Models pulled from a hub on loopback, by the program itself.

use std::process::Command;

use crate::commands::{Vsearch, indexed};
use crate::fake_hub::{FakeHub, Fault};
use crate::tiny_clip;

/// Serves a tiny model; the command sees it as its hub, with a cache of its own.
fn hub() -> (FakeHub, Vsearch) {
    let model = tempfile::tempdir().unwrap();
    tiny_clip::write(&tiny_clip::goldens()[0], model.path());
    (FakeHub::of(model.path()), indexed())
}

fn run(v: &Vsearch, hub: &FakeHub, args: &[&str]) -> (i32, String) {
    let (code, out, err) = output(with_hub(v.command(args), hub));
    (code, out + &err)
}

fn with_hub(mut command: Command, hub: &FakeHub) -> Command {
    command.env("HF_ENDPOINT", &hub.endpoint);
    command.env("HF_TOKEN", "a-token");
    command.env_remove("HF_HUB_OFFLINE");
    command.env("NO_PROXY", "127.0.0.1");
    command
}

fn output(mut command: Command) -> (i32, String, String) {
    let out = command.output().unwrap();
    let text = |b: Vec<u8>| String::from_utf8_lossy(&b).into_owned();
    (
        out.status.code().unwrap_or(-1),
        text(out.stdout),
        text(out.stderr),
    )
}

#[test]
fn a_model_is_pulled_listed_verified_and_then_the_default() {
    let (hub, v) = hub();
    let (code, said) = run(
        &v,
        &hub,
        &[
            "index",
            "footage",
            "--model",
            "ViT-B-32",
            "--library",
            "clip",
        ],
    );
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("vsearch model pull ViT-B-32"), "{said}");

    let (code, said) = run(&v, &hub, &["model", "pull", "ViT-B-32"]);
    assert_eq!(code, 0, "{said}");
    assert!(hub.seen().iter().all(|l| l.ends_with("Bearer a-token")));

    let (_, listed) = run(&v, &hub, &["model", "list"]);
    assert!(listed.contains("* ViT-B-32 "), "{listed}");
    assert!(listed.contains("  ViT-L-14 "), "{listed}");
    let (code, said) = run(&v, &hub, &["model", "verify", "ViT-B-32"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("2 files have the checksums"), "{said}");

    let (code, said) = run(&v, &hub, &["index", "footage", "--library", "clip"]);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("built-in model"), "{said}");
    let asked = ["query", "a dog", "--library", "clip", "--json"];
    let (code, said) = run(&v, &hub, &asked);
    assert!(code < 2, "{said}");
    assert!(said.contains(r#""model":"ViT-B-32""#), "{said}");
}

#[test]
fn a_hub_that_fails_leaves_nothing_behind() {
    let (hub, v) = hub();
    hub.fail("open_clip_model.safetensors", Fault::Flip, 9);
    let (code, said) = run(&v, &hub, &["model", "pull", "ViT-B-32"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("wrong checksum"), "{said}");
    let (_, listed) = run(&v, &hub, &["model", "list"]);
    assert!(listed.contains("  ViT-B-32 "), "{listed}");

    hub.heal();
    let mut offline = with_hub(v.command(&["model", "pull", "ViT-B-32"]), &hub);
    let (code, _, said) = output({
        offline.env("HF_HUB_OFFLINE", "1");
        offline
    });
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("HF_HUB_OFFLINE"), "{said}");
    let (code, said) = run(&v, &hub, &["model", "pull", "nonsense"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("vsearch model list"), "{said}");
}

#[test]
fn a_model_that_sees_otherwise_than_before_writes_nothing() {
    let (hub, v) = hub();
    run(&v, &hub, &["model", "pull", "ViT-B-32"]);
    let (code, said) = run(
        &v,
        &hub,
        &["index", "footage/grey.mp4", "--library", "clip"],
    );
    assert_eq!(code, 0, "{said}");
    // Another machine's fault: what was recorded is not what the model gives now.
    let path = v.dir.path().join("clip/catalog.sqlite");
    let db = rusqlite::Connection::open(path).unwrap();
    let swap = "UPDATE canaries SET vector = (SELECT vector FROM canaries WHERE position = 3)
         WHERE position = 0";
    assert_eq!(db.execute(swap, []).unwrap(), 1);
    let (code, said) = run(&v, &hub, &["index", "footage", "--library", "clip"]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("self-test") && said.contains("model verify"),
        "{said}"
    );
    let videos = "SELECT count(*) FROM videos";
    let videos: i64 = db.query_row(videos, [], |r| r.get(0)).unwrap();
    assert_eq!(videos, 1);
}

#[test]
fn a_device_that_is_not_there_is_named() {
    let v = Vsearch::new();
    let embed = ["embed", "--text", "x", "--model", "builtin", "--device"];
    for (device, reason) in [
        ("cuda:99", "cuda:99"),
        ("cpu-int8", "no eight-bit products"),
    ] {
        let (code, _, said) = v.run(&[&embed[..], &[device]].concat());
        assert_eq!(code, 2, "{said}");
        assert!(
            said.contains(reason) && said.contains("--device cpu"),
            "{said}"
        );
    }
    let (code, _, said) = v.run(&[&embed[..], &["cpu"]].concat());
    assert_eq!(code, 0, "{said}");
}
