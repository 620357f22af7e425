//! The real `watchbook-plugins --rerun`: one plugin over given frames, orderly and hostile.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod fixtures;

use fixtures::{BOMB, LOOP, OK, STEADY, TRAP, component, install, install_with};
use std::path::Path;
use watchbook_base::{CameraId, Kind, memfd};
use watchbook_plugin_host::message::Mark;
use watchbook_plugin_host::rerun::{Rerun, RunFrame, RunSetup};
use watchbook_plugin_host::{Error, Package};

const SETTINGS: &str = r#"{"sensitivity":50}"#;

fn package(name: &str, start: &str, frame: &str) -> Package {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), name, &component(name, start, frame));
    Package::read(&folder.path().join(name)).unwrap()
}

fn begun(package: &Package) -> Result<Rerun, Error> {
    let mut run = Rerun::spawn(Path::new(env!("CARGO_BIN_EXE_watchbook-plugins")))?;
    let setup = RunSetup { camera: CameraId::new(3).unwrap(), zones: &[], settings_json: SETTINGS };
    run.begin(package, setup)?;
    Ok(run)
}

fn frame(run: &mut Rerun, utc_ns: u64) -> Result<Vec<Mark>, Error> {
    let pixels = memfd::seal("frame", &[128; 32 * 16]).unwrap();
    run.frame(RunFrame { utc_ns, size: (32, 16), masked: false, skipped: 0, pixels })
}

#[test]
fn the_same_frames_give_the_same_marks_in_every_run() {
    let package = package("steady", OK, STEADY);
    let marks = || {
        let mut run = begun(&package).unwrap();
        (1..50).flat_map(|n| frame(&mut run, n * 200_000_000).unwrap()).collect::<Vec<Mark>>()
    };
    let first = marks();
    assert_eq!(first.len(), 49);
    assert_eq!(first[7].start_utc_ns, 8 * 200_000_000);
    assert_eq!(marks(), first);
}

#[test]
fn a_hostile_plugin_ends_its_own_run_with_a_sentence() {
    for (name, body, word) in
        [("endless", LOOP, "500 ms"), ("bomb", BOMB, "8388608 bytes"), ("traps", TRAP, "unreachable")]
    {
        let mut run = begun(&package(name, OK, body)).unwrap();
        let error = frame(&mut run, 1).unwrap_err();
        assert!(error.kind() == Kind::InvalidInput && error.to_string().contains(word), "{name}: {error}");
    }
    let error = begun(&package("stuck", LOOP, STEADY)).map(drop).unwrap_err();
    assert!(error.to_string().contains("2000 ms"), "{error}");
}

#[test]
fn what_the_manifest_does_not_ask_for_cannot_be_imported_here_either() {
    let folder = tempfile::tempdir().unwrap();
    install_with(folder.path(), "greedy", &component("greedy", OK, STEADY), r#""frames""#);
    let package = Package::read(&folder.path().join("greedy")).unwrap();
    let error = begun(&package).map(drop).unwrap_err();
    assert!(error.to_string().contains("imports `log`"), "{error}");
}

#[test]
fn a_child_that_is_gone_is_said_to_be_gone() {
    let mut run = begun(&package("steady", OK, STEADY)).unwrap();
    run.stopper().stop();
    assert_eq!(frame(&mut run, 1).unwrap_err().kind(), Kind::Unavailable);
}
