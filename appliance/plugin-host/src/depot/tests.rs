//! The life of a plugin on a station, and what is left of it after a power cut, a changed byte, a key that is no longer trusted.

use super::*;
use crate::manifest::tests::EXAMPLE;
use crate::wbp::tests::{COMPONENT, component, files_of, key, signed};
use std::path::PathBuf;
use watchbook_base::fs::sim::SimFs;

const DIR: &str = "/plugins";
const HOUR: i64 = 3600 * NANOS_PER_SEC;

fn at(hours: i64) -> UtcNanos {
    UtcNanos(1_764_000_000 * NANOS_PER_SEC).plus_nanos(hours * HOUR)
}

/// An unsigned package of the plugin `id`.
fn package(id: &str, version: &str) -> Vec<u8> {
    let manifest = EXAMPLE.replacen("org.example.counter", id, 1).replacen("1.2.3", version, 1);
    let mut files = files_of(&manifest);
    // Each version has a component of its own.
    files.insert("plugin.wasm".to_owned(), component(version));
    wbp::pack(&files).unwrap()
}

struct Station {
    fs: SimFs,
    depot: Depot,
    pair: minisign::KeyPair,
    publisher: PublisherKey,
}

impl Station {
    /// Trusts one publisher.
    fn new() -> Self {
        let fs = SimFs::new(7);
        let (pair, publisher) = key("Example");
        let (depot, problems) = Depot::open_on(Arc::new(fs.clone()), Path::new(DIR)).unwrap();
        assert!(problems.is_empty());
        depot.trust("Example", publisher.public_key(), at(0)).unwrap();
        Self { fs, depot, pair, publisher }
    }

    fn signed(&self, version: &str) -> Vec<u8> {
        signed(&package("org.example.counter", version), &self.pair)
    }

    fn install(&self, version: &str) -> Installed {
        self.depot.install(&self.signed(version), at(1)).unwrap()
    }

    /// Installs and approves; gives the package's SHA-256.
    fn run(&self, version: &str) -> String {
        let installed = self.install(version);
        self.depot.approve(&installed.id, &installed.package_sha256, at(2), 5).unwrap();
        installed.package_sha256
    }

    fn again(self) -> (Self, Vec<Error>) {
        let Self { fs, depot, pair, publisher } = self;
        drop(depot);
        let (depot, problems) = Depot::open_on(Arc::new(fs.clone()), Path::new(DIR)).unwrap();
        (Self { fs, depot, pair, publisher }, problems)
    }

    fn stages(&self) -> Vec<(String, Stage)> {
        self.depot.list().into_iter().map(|installed| (installed.version, installed.stage)).collect()
    }

    fn running(&self) -> Vec<String> {
        let (packages, problems) = self.depot.approved(at(3));
        assert!(problems.is_empty(), "{problems:?}");
        packages.into_iter().map(|package| package.manifest.version).collect()
    }

    fn refused(&self) -> Error {
        let (packages, mut problems) = self.depot.approved(at(3));
        assert!(packages.is_empty());
        assert_eq!(problems.len(), 1);
        problems.remove(0)
    }
}

const ID: &str = "org.example.counter";

#[test]
fn only_what_was_approved_runs_and_it_outlives_a_restart() {
    let station = Station::new();
    let installed = station.install("1.0.0");
    assert_eq!((installed.stage, installed.approved, installed.changes.len()), (Stage::Waiting, None, 0));
    let signer = installed.signer.unwrap();
    assert_eq!((signer.name.as_str(), signer.key_id.as_str()), ("Example", station.publisher.key_id()));
    assert!(signer.trusted);
    assert!(station.running().is_empty());
    let approved = station.depot.approve(ID, &installed.package_sha256, at(2), 5).unwrap();
    assert_eq!(
        (approved.stage, approved.approved, approved.approved_by_account),
        (Stage::Approved, Some(at(2)), Some(5))
    );
    assert_eq!(station.running(), ["1.0.0"]);
    let (station, problems) = station.again();
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(station.running(), ["1.0.0"]);
    assert_eq!(station.depot.list(), [approved]);
    assert_eq!(station.depot.publishers()[0].trusted, at(0));
    let opened = station.depot.read(&installed.package_sha256, at(3)).unwrap();
    assert_eq!(opened.files["README.md"], b"# Counter");
}

#[test]
fn an_upgrade_says_what_changes_and_can_be_rolled_back() {
    let station = Station::new();
    let old = station.run("1.0.0");
    let mut files = files_of(&EXAMPLE.replacen("1.2.3", "1.1.0", 1).replacen("= 16", "= 32", 1));
    files.insert("plugin.wasm".to_owned(), COMPONENT.to_vec());
    let new = station.depot.install(&signed(&wbp::pack(&files).unwrap(), &station.pair), at(2)).unwrap();
    let changes: Vec<String> = new.changes.iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["version 1.0.0 becomes 1.1.0", "memory in MiB: 32, before 16"]);
    assert_eq!(station.running(), ["1.0.0"], "the old one runs until the new one is approved");
    station.depot.approve(ID, &new.package_sha256, at(3), 5).unwrap();
    assert_eq!(station.running(), ["1.1.0"]);
    assert_eq!(station.stages(), [("1.0.0".into(), Stage::Superseded), ("1.1.0".into(), Stage::Approved)]);
    assert_eq!(station.depot.approve(ID, &old, at(3), 5).unwrap_err().kind(), Kind::Conflict);
    assert_eq!(station.depot.roll_back(ID, at(4)).unwrap().package_sha256, old);
    assert_eq!(station.running(), ["1.0.0"]);
    let (station, _) = station.again();
    assert_eq!(station.running(), ["1.0.0"]);
    assert_eq!(station.depot.roll_back(ID, at(5)).unwrap_err().kind(), Kind::NotFound);
    // Forward again is an approval.
    station.depot.approve(ID, &new.package_sha256, at(6), 6).unwrap();
    assert_eq!(station.running(), ["1.1.0"]);
}

#[test]
fn an_older_version_or_other_bytes_under_the_same_version_are_refused() {
    let station = Station::new();
    station.run("1.10.0");
    for version in ["1.9.0", "1.10.0-beta.1", "0.99.99"] {
        let refused = station.depot.install(&station.signed(version), at(2)).unwrap_err();
        assert_eq!(refused.kind(), Kind::Conflict, "{version}");
        assert!(refused.to_string().contains("older than 1.10.0"), "{refused}");
    }
    let mut files = files_of(&EXAMPLE.replacen("1.2.3", "1.10.0", 1));
    files.insert("README.md".to_owned(), b"# Other".to_vec());
    let other = signed(&wbp::pack(&files).unwrap(), &station.pair);
    assert!(station.depot.install(&other, at(2)).unwrap_err().to_string().contains("needs another version"));
    // An older one that waited is older still once a newer one was approved.
    let waited = station.install("1.11.0");
    station.run("1.12.0");
    assert_eq!(station.depot.approve(ID, &waited.package_sha256, at(2), 5).unwrap_err().kind(), Kind::Conflict);
}

#[test]
fn a_stranger_is_refused_before_anything_is_decompressed() {
    let station = Station::new();
    let (stranger, _) = key("Stranger");
    let refused = |package: &[u8]| station.depot.install(package, at(1)).unwrap_err();
    assert_eq!(refused(&signed(&package(ID, "1.0.0"), &stranger)).kind(), Kind::Denied);
    assert_eq!(refused(&package(ID, "1.0.0")).kind(), Kind::Denied);
    // A frame that cannot be decompressed: the answer is still about who signed.
    let mut broken = package(ID, "1.0.0");
    let middle = broken.len() / 2;
    broken[middle] ^= 0xFF;
    assert!(wbp::open(&broken).is_err());
    assert_eq!(refused(&broken).kind(), Kind::Denied);
    let mut tampered = station.signed("1.0.0");
    tampered[middle] ^= 0xFF;
    assert_eq!(refused(&tampered).kind(), Kind::Corrupt);
    assert!(station.depot.list().is_empty());
}

#[test]
fn a_changed_byte_on_the_disk_and_a_key_no_longer_trusted_keep_a_plugin_from_running() {
    let station = Station::new();
    let sha256 = station.run("1.0.0");
    let path = PathBuf::from(DIR).join(format!("{sha256}.wbp"));
    assert!(station.fs.rot(&path, 100, 1));
    let error = station.refused();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.to_string().contains("org.example.counter 1.0.0"), "{error}");
    let (station, problems) = station.again();
    assert_eq!(problems.len(), 1);
    assert!(station.depot.list()[0].problem.is_some() && station.depot.list()[0].manifest.is_none());
    let bytes = station.signed("1.0.0");
    assert!(
        station.depot.install(&bytes, at(3)).unwrap_err().kind() == Kind::Conflict,
        "signed anew, so another package"
    );
    assert!(station.fs.rot(&path, 100, 1), "the same bit again: whole");
    let whole = station.depot.disk.read_package(&sha256).unwrap();
    assert!(station.fs.rot(&path, 200, 1));
    station.refused();
    station.depot.install(&whole, at(3)).unwrap();
    assert_eq!(station.running(), ["1.0.0"]);
    station.depot.distrust(station.publisher.key_id()).unwrap();
    let error = station.refused();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(error.to_string().contains(station.publisher.key_id()), "{error}");
    assert!(!station.depot.list()[0].signer.clone().unwrap().trusted);
    assert_eq!(station.depot.distrust("0").unwrap_err().kind(), Kind::NotFound);
    station.depot.trust("Example again", station.publisher.public_key(), at(3)).unwrap();
    assert_eq!(station.running(), ["1.0.0"]);
}

#[test]
fn unsigned_packages_run_only_while_they_are_allowed() {
    let station = Station::new();
    let bytes = package(ID, "1.0.0");
    assert!(station.depot.allow_unsigned(at(0), at(25)).is_err());
    station.depot.allow_unsigned(at(0), at(24)).unwrap();
    assert_eq!(station.depot.unsigned_until(at(1)), Some(at(24)));
    let installed = station.depot.install(&bytes, at(1)).unwrap();
    assert_eq!(installed.signer, None);
    station.depot.approve(ID, &installed.package_sha256, at(1), 5).unwrap();
    assert_eq!(station.running(), ["1.0.0"]);
    // The author builds again: the same version, other bytes.
    let mut files = files_of(&EXAMPLE.replacen("1.2.3", "1.0.0", 1));
    files.insert("README.md".to_owned(), b"# Again".to_vec());
    station.depot.install(&wbp::pack(&files).unwrap(), at(2)).unwrap();
    // Over, and with the clock set back to before it began.
    for when in [at(24), at(-1)] {
        let (packages, problems) = station.depot.approved(when);
        assert!(packages.is_empty());
        assert_eq!(problems[0].kind(), Kind::Denied);
        assert_eq!(station.depot.install(&package(ID, "2.0.0"), when).unwrap_err().kind(), Kind::Denied);
    }
    station.depot.allow_unsigned(at(2), at(2)).unwrap();
    assert_eq!(station.depot.unsigned_until(at(2)), None);
    assert_eq!(station.refused().kind(), Kind::Denied);
}

#[test]
fn the_least_needed_version_goes_when_there_are_too_many() {
    let station = Station::new();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        station.run(version);
    }
    station.install("1.3.0");
    assert_eq!(
        station.stages(),
        [("1.1.0".into(), Stage::Superseded), ("1.2.0".into(), Stage::Approved), ("1.3.0".into(), Stage::Waiting)]
    );
    station.install("1.4.0");
    assert_eq!(
        station.stages(),
        [("1.1.0".into(), Stage::Superseded), ("1.2.0".into(), Stage::Approved), ("1.4.0".into(), Stage::Waiting)],
        "what waits goes before what can be rolled back to"
    );
    let files = station.fs.list(Path::new(DIR)).unwrap();
    assert_eq!(files.iter().filter(|name| name.ends_with(".wbp")).count(), VERSIONS_MAX, "{files:?}");
}

#[test]
fn what_does_not_run_can_be_rejected_and_a_plugin_removed_whole() {
    let station = Station::new();
    let running = station.run("1.0.0");
    let waiting = station.install("1.1.0").package_sha256;
    assert_eq!(station.depot.reject(ID, &running).unwrap_err().kind(), Kind::Conflict);
    assert_eq!(station.depot.reject("org.example.other", &waiting).unwrap_err().kind(), Kind::NotFound);
    station.depot.reject(ID, &waiting).unwrap();
    assert_eq!(station.stages(), [("1.0.0".into(), Stage::Approved)]);
    station.depot.remove(ID).unwrap();
    assert_eq!(station.depot.remove(ID).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(station.fs.list(Path::new(DIR)).unwrap(), ["state.json"]);
    assert!(station.running().is_empty());
}

#[test]
fn publishers_and_plugins_are_bounded() {
    let station = Station::new();
    assert_eq!(station.depot.trust("Again", station.publisher.public_key(), at(0)).unwrap_err().kind(), Kind::Conflict);
    for number in 1..PUBLISHERS_MAX {
        let (_, publisher) = key("More");
        station.depot.trust(&format!("More {number}"), publisher.public_key(), at(0)).unwrap();
    }
    let (_, publisher) = key("More");
    assert_eq!(station.depot.trust("More", publisher.public_key(), at(0)).unwrap_err().kind(), Kind::Exhausted);
    for number in 0..PLUGINS_MAX {
        let package = signed(&package(&format!("org.example.p{number}"), "1.0.0"), &station.pair);
        station.depot.install(&package, at(1)).unwrap();
    }
    let package = signed(&package("org.example.more", "1.0.0"), &station.pair);
    assert_eq!(station.depot.install(&package, at(1)).unwrap_err().kind(), Kind::Exhausted);
    assert_eq!(station.depot.list().len(), PLUGINS_MAX);
}

#[test]
fn a_damaged_list_trusts_nobody_and_a_newer_one_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    std::fs::write(&state, "{").unwrap();
    let (depot, problems) = Depot::open(folder.path()).unwrap();
    assert_eq!(problems[0].kind(), Kind::Corrupt);
    assert!(depot.publishers().is_empty());
    assert!(folder.path().join("state.damaged").exists() && !state.exists());
    assert_eq!(Depot::open(folder.path()).unwrap_err().kind(), Kind::Conflict, "open twice");
    drop(depot);
    std::fs::write(&state, r#"{"form":2}"#).unwrap();
    assert_eq!(Depot::open(folder.path()).unwrap_err().kind(), Kind::Conflict);
    assert_eq!(std::fs::read(&state).unwrap(), br#"{"form":2}"#);
}

/// A life of a station: each step is a call that either is done or is not.
fn life(depot: &Depot, packages: &[Vec<u8>], public_key: &str, done: &mut usize) -> Result<(), Error> {
    let [first, second] = packages else { panic!("two packages") };
    let mut step = |result: Result<(), Error>| {
        *done += usize::from(result.is_ok());
        result
    };
    step(depot.trust("Example", public_key, at(0)).map(drop))?;
    step(depot.install(first, at(1)).map(drop))?;
    step(depot.approve(ID, &sha256_hex(first), at(1), 5).map(drop))?;
    step(depot.install(second, at(2)).map(drop))?;
    step(depot.approve(ID, &sha256_hex(second), at(2), 5).map(drop))?;
    step(depot.roll_back(ID, at(3)).map(drop))?;
    step(depot.remove(ID))
}

/// What is seen of a station: how many publishers, and the versions with their stages.
fn seen(depot: &Depot) -> (usize, Vec<(String, Stage)>) {
    let versions = depot.list().into_iter().map(|installed| (installed.version, installed.stage)).collect();
    (depot.publishers().len(), versions)
}

/// What is to be seen after the first `steps` calls of [`life`].
fn expected(steps: usize) -> (usize, Vec<(String, Stage)>) {
    use Stage::{Approved, Superseded, Waiting};
    let versions: &[(&str, Stage)] = match steps {
        2 => &[("1.0.0", Waiting)],
        3 => &[("1.0.0", Approved)],
        4 => &[("1.0.0", Approved), ("1.1.0", Waiting)],
        5 => &[("1.0.0", Superseded), ("1.1.0", Approved)],
        6 => &[("1.0.0", Approved), ("1.1.0", Superseded)],
        _ => &[],
    };
    (usize::from(steps > 0), versions.iter().map(|(version, stage)| ((*version).to_owned(), *stage)).collect())
}

/// A life that the power cut after `cuts` steps of the disk, and the station that starts again: calls that were done, whether all were, and what is there.
fn cut_life(fs: &SimFs, cuts: u64, packages: &[Vec<u8>], public_key: &str) -> (usize, bool, Depot, Vec<Error>) {
    fs.create_dir(Path::new(DIR)).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    let (mut done, mut whole) = (0, false);
    fs.cut_after(cuts);
    if let Ok((depot, _)) = Depot::open_on(Arc::new(fs.clone()), Path::new(DIR)) {
        whole = life(&depot, packages, public_key, &mut done).is_ok();
    }
    fs.power_on();
    let (depot, problems) = Depot::open_on(Arc::new(fs.clone()), Path::new(DIR)).unwrap();
    (done, whole, depot, problems)
}

#[test]
fn a_power_cut_at_any_point_leaves_the_state_before_a_call_or_after_it() {
    let (pair, publisher) = key("Example");
    let packages = ["1.0.0", "1.1.0"].map(|version| signed(&package(ID, version), &pair));
    let (mut cuts, mut ended) = (0, false);
    while !ended {
        assert!(cuts < 1000, "the life does not end");
        for seed in 0..4 {
            let fs = SimFs::new(seed * 1000 + cuts);
            let (done, whole, depot, problems) = cut_life(&fs, cuts, &packages, publisher.public_key());
            ended = whole;
            assert!(problems.is_empty(), "cut {cuts}: {problems:?}");
            let found = seen(&depot);
            assert!(
                found == expected(done) || found == expected(done + 1),
                "cut {cuts}, seed {seed}: after {done} calls there is {found:?}"
            );
            let (running, problems) = depot.approved(at(4));
            assert!(problems.is_empty(), "cut {cuts}: {problems:?}");
            assert_eq!(running.len(), found.1.iter().filter(|(_, stage)| *stage == Stage::Approved).count());
            // Nothing lies about that nobody names.
            let files = fs.list(Path::new(DIR)).unwrap();
            let named = files.iter().filter(|name| name.ends_with(".wbp")).count();
            assert_eq!(named, found.1.len(), "cut {cuts}: {files:?}");
            assert!(!files.iter().any(|name| name.ends_with(".tmp")), "cut {cuts}: {files:?}");
        }
        cuts += 1;
    }
    assert!(cuts > 40, "only {cuts} points were cut");
}

#[test]
fn on_a_disk_that_lies_about_syncs_the_same_cuts_are_seen_to_lose_something() {
    let (pair, publisher) = key("Example");
    let packages = ["1.0.0", "1.1.0"].map(|version| signed(&package(ID, version), &pair));
    let mut lost = 0;
    for cuts in 10..40 {
        let fs = SimFs::new(cuts);
        fs.lie();
        let (done, _, depot, problems) = cut_life(&fs, cuts, &packages, publisher.public_key());
        let found = seen(&depot);
        lost += usize::from(!problems.is_empty() || (found != expected(done) && found != expected(done + 1)));
    }
    assert!(lost > 0, "the test above would see nothing");
}

#[test]
fn what_is_being_tried_out_runs_only_while_it_is_offered() {
    let station = Station::new();
    // FIPS 180-2 appendix B.1: SHA-256 of "abc".
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let asking = EXAMPLE.replacen("\"log\"", "\"log\", \"inference\"", 1);
    let mut files = files_of(&format!(
        "{asking}\n[[models]]\nfile = \"models/a.onnx\"\nsha256 = \"{abc}\"\npurpose = \"object-detection\"\nclasses = [\"car\"]\ndata_sheet = \"Own.\"\n"
    ));
    files.insert("models/a.onnx".to_owned(), b"abc".to_vec());
    let package = signed(&wbp::pack(&files).unwrap(), &station.pair);
    let refused = station.depot.install(&package, at(1)).unwrap_err();
    assert!(refused.kind() == Kind::Denied && refused.to_string().contains(TRIED_OUT_SWITCH), "{refused}");
    assert!(station.depot.list().is_empty() && !station.depot.offers_tried_out());

    station.depot.offer_tried_out(true).unwrap();
    let installed = station.depot.install(&package, at(1)).unwrap();
    station.depot.approve(ID, &installed.package_sha256, at(2), 5).unwrap();
    let (station, _) = station.again();
    let (packages, _) = station.depot.approved(at(3));
    assert_eq!(packages[0].models.bytes, b"abc");
    station.depot.offer_tried_out(false).unwrap();
    let refused = station.refused();
    assert!(
        refused.to_string().contains("does not run") && refused.to_string().contains(TRIED_OUT_SWITCH),
        "{refused}"
    );
    // Others are not concerned.
    assert!(station.depot.offers(&Manifest::parse(EXAMPLE).unwrap()).is_ok());
}
