//! Packages from outside: the fuzz bodies on changed and random bytes, so that they run everywhere.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../../tests/fuzz/corpus.rs"]
mod corpus;
mod fuzz_bodies;

use corpus::over_corpus;
use proptest::prelude::*;
use watchbook_analysis::message::{FromDecoder, encode};
use watchbook_plugin_host::message::{Counts, FromPlugins, Level, Mark};
use watchbook_plugin_host::wbp::{self, Files};

const MANIFEST: &str = include_str!("../../../../plugins/motion/plugin.toml");
/// The shortest component: magic, version 13, layer 1.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn package() -> Vec<u8> {
    let files: Files = [
        ("plugin.toml", MANIFEST.as_bytes()),
        ("plugin.wasm", COMPONENT),
        ("LICENSE", b"Apache-2.0"),
        ("README.md", b"# Motion"),
        ("sbom.cdx.json", b"{}"),
    ]
    .map(|(name, content)| (name.to_owned(), content.to_vec()))
    .into();
    wbp::pack(&files).unwrap()
}

fn tar() -> Vec<u8> {
    zstd::stream::decode_all(wbp::split(&package()).unwrap().body()).unwrap()
}

/// Few changes of bytes, and perhaps a cut.
fn changed(seed: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (changes, any::<prop::sample::Index>(), 0..4_u8).prop_map(move |(changes, cut, how)| {
        let mut bytes = seed.clone();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        if how == 0 {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes
    })
}

#[test]
fn a_whole_package_passes_through_every_body() {
    fuzz_bodies::package(&package());
    assert_eq!(wbp::open(&fuzz_bodies::raw_frame(&tar())).unwrap().package.component, COMPONENT);
    fuzz_bodies::package_tar(&tar());
    fuzz_bodies::manifest(MANIFEST.as_bytes());
    fuzz_bodies::component(COMPONENT);
}

#[test]
fn every_corpus_passes_through_its_body() {
    assert!(over_corpus("package", fuzz_bodies::package, &[package()]) > 0);
    assert!(over_corpus("package_tar", fuzz_bodies::package_tar, &[tar()]) > 0);
    assert!(over_corpus("manifest", fuzz_bodies::manifest, &[MANIFEST.as_bytes().to_vec()]) > 0);
    assert!(
        over_corpus(
            "component",
            fuzz_bodies::component,
            &[COMPONENT.to_vec(), wat::parse_str("(component (import \"a:b/c\" (func)))").unwrap()],
        ) > 0
    );
    let text = || "sentence".to_owned();
    let mark = Mark {
        kind: "motion".into(),
        score: 0.5,
        start_utc_ns: 7,
        end_utc_ns: Some(8),
        zone: Some("gate".into()),
        detections: Vec::new(),
        note: text(),
    };
    let mut seeds: Vec<Vec<u8>> = [
        FromPlugins::Begun { missing: vec![text()] },
        FromPlugins::Refused { plugin: 1, sentence: text() },
        FromPlugins::Marks { instance: 1, frame_utc_ns: 2, took_ns: 3, lead: Box::default(), marks: vec![mark] },
        FromPlugins::Log { instance: 1, level: Level::Warn, text: text() },
        FromPlugins::Trapped { instance: 1, sentence: text(), again_ms: Some(5) },
        FromPlugins::Counts { instance: 1, counts: Counts::default() },
    ]
    .iter()
    .map(|message| encode(message).unwrap())
    .collect();
    seeds.push(encode(&FromDecoder::Problem { slot: 1, sentence: text() }).unwrap());
    assert!(over_corpus("child_message", fuzz_bodies::child_message, &seeds) > 0);
}

proptest! {
    #[test]
    fn any_package(bytes in changed(package())) {
        fuzz_bodies::package(&bytes);
        prop_assert!(wbp::open(&[&bytes[..], b"x"].concat()).is_err());
    }

    #[test]
    fn any_tar(bytes in changed(tar())) {
        fuzz_bodies::package_tar(&bytes);
        prop_assert_eq!(wbp::open(&fuzz_bodies::raw_frame(&bytes)).is_ok(), bytes == tar());
    }

    #[test]
    fn any_manifest(bytes in changed(MANIFEST.as_bytes().to_vec())) {
        fuzz_bodies::manifest(&bytes);
        prop_assert!(bytes.len() <= MANIFEST.len());
    }
}
