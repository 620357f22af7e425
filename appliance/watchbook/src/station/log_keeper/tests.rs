mod pushes;

use super::*;
use crate::config::Storage;
use crate::wire::open_keys;
use std::process::Command;
use std::sync::Barrier;
use watchbook_evidence::{Algorithm, SigningKey};
use watchbook_web::ports::Checkpoints as _;

const SOON: Duration = Duration::from_secs(60);

struct Place {
    dir: tempfile::TempDir,
    register: Arc<Register>,
    keys: Arc<Keys>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["state", "ring"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let storage =
            Storage { state_dir: dir.path().join("state"), ring_dir: dir.path().join("ring"), ..Storage::default() };
        let register = Register::open(&storage.state_dir.join("register"), Arc::new(SystemClock)).unwrap();
        let keys = Arc::new(open_keys(&storage, true).unwrap());
        Self { register: Arc::new(register), keys, dir }
    }

    fn keeper(&self) -> LogKeeper {
        LogKeeper::open(&self.register, &self.keys, &self.dir.path().join("ring"))
    }

    fn grow(&self) {
        note(&self.register, "a test".to_owned()).unwrap();
    }

    fn second(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("ring/log-checkpoint")).unwrap_or_default()
    }
}

fn told_of(keeper: &LogKeeper) -> api::LogCheckpoint {
    ports::Checkpoints::shown(keeper)
}

fn witness(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, Algorithm::Cosignature, &[seed; 32]).unwrap()
}

#[test]
fn a_second_place_that_hangs_holds_up_no_signature_and_is_an_alarm() {
    let place = Place::new();
    let keeper = Arc::new(place.keeper());
    // A pipe that nobody reads hangs whoever opens it to write, as a dead disk does.
    let pipe = place.dir.path().join("ring/log-checkpoint.new");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (told, signed) = std::sync::mpsc::channel();
    let signing = Arc::clone(&keeper);
    place.grow();
    let first = std::thread::spawn(move || {
        signing.tick();
        told.send(told_of(&signing).signed_entries).unwrap();
    });
    assert_eq!(signed.recv_timeout(SOON), Ok(1), "signed and shown although the copy is not written");
    first.join().unwrap();
    place.grow();
    keeper.tick();
    assert_eq!(told_of(&keeper).signed_entries, 2);
    assert!(keeper.second.trouble(Instant::now()).is_none(), "it may take a moment");
    let told = keeper.second.trouble(Instant::now() + Duration::from_secs(31)).unwrap();
    assert!(told.contains("log-checkpoint") && told.contains("31 s"), "{told}");
    // The disk answers again, with an error: what is at work ends, and the next signing puts the copy there.
    let reader = std::fs::File::open(&pipe).unwrap();
    keeper.second.wait(SOON);
    drop(reader);
    let _ = std::fs::remove_file(&pipe);
    let _ = std::fs::remove_file(place.dir.path().join("ring/log-checkpoint"));
    keeper.tick();
    keeper.end();
    assert_eq!(place.second(), told_of(&keeper).checkpoint.unwrap());
    assert!(keeper.alarms().is_empty(), "{:?}", keeper.alarms());
}

#[test]
fn of_two_who_add_a_witness_of_one_name_at_once_one_is_told_that_it_is_there() {
    let place = Place::new();
    let keeper = place.keeper();
    for round in 0..20 {
        let start = Barrier::new(4);
        let name = format!("w{round}.example");
        let add = |seed: u8| {
            let key = witness(&name, seed).verifier().to_string();
            start.wait();
            keeper.trust_witness(&key).is_ok()
        };
        let taken: Vec<bool> = std::thread::scope(|scope| {
            let all: Vec<_> = (1..=4).map(|seed| scope.spawn(move || add(seed))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{name}");
        keeper.distrust_witness(&name).unwrap();
        assert!(keeper.witnesses().unwrap().is_empty());
    }
}

#[test]
fn what_anybody_may_ask_for_is_read_once_for_each_checkpoint() {
    let place = Place::new();
    let keeper = place.keeper();
    keeper.trust_witness(&witness("w.example", 1).verifier().to_string()).unwrap();
    assert_eq!(keeper.witnesses().unwrap().len(), 1);
    // Behind its back: whoever reads the register again finds nobody.
    let rows = place.register.scan(Namespace::Setting, b"log/witness/").unwrap();
    place.register.apply(&[Change::delete(Namespace::Setting, rows[0].key.clone())]).unwrap();
    assert_eq!(keeper.witnesses().unwrap().len(), 1, "nothing was read again");
    place.grow();
    keeper.tick();
    assert!(keeper.witnesses().unwrap().is_empty(), "there is another checkpoint");
    keeper.trust_witness(&witness("v.example", 2).verifier().to_string()).unwrap();
    assert_eq!(keeper.witnesses().unwrap().len(), 1, "the witnesses have changed");
}
