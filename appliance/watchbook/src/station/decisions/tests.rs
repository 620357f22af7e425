use super::*;
use std::sync::atomic::{AtomicU64, Ordering};
use watchbook_access::RecipientClass;
use watchbook_base::CameraId;
use watchbook_evidence::SigningKey;
use watchbook_web::ports::Decisions as _;

const NOW_S: u64 = 1_795_737_600;

struct Place {
    _dir: tempfile::TempDir,
    desk: DecisionDesk,
    now_s: Arc<AtomicU64>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let register = Arc::new(Register::open(&dir.path().join("register"), Arc::new(SystemClock)).unwrap());
        let now_s = Arc::new(AtomicU64::new(NOW_S));
        let clock = Arc::clone(&now_s);
        let mut desk = DecisionDesk::new(&register, || "watchbook.station/0011".to_owned());
        desk.now_s = Arc::new(move || clock.load(Ordering::SeqCst));
        Self { _dir: dir, desk, now_s }
    }

    fn read(&self, text: &str) -> Result<SignedDecision> {
        self.desk.read(text, &[(4, key(1).verifier().to_string()), (5, key(2).verifier().to_string())])
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed("hq.example/approver", Algorithm::Ed25519, &[seed; 32]).unwrap()
}

fn export(id: u64, manifest: u8) -> api::Export {
    let made = api::ExportMade {
        manifest_sha256: hex(&[manifest; 32]),
        bytes: 9,
        runs: 1,
        complete: true,
        delivered_start_utc_ms: None,
        delivered_end_utc_ms: None,
        missing: Vec::new(),
        missing_count: 0,
        files: Vec::new(),
        witnesses: Vec::new(),
    };
    api::Export {
        id: id.to_string(),
        case: "7/26".to_owned(),
        cameras: vec![CameraId::new(1).unwrap()],
        start_utc_ms: 5,
        end_utc_ms: 9,
        recipient_class: RecipientClass::Court,
        recipient: "Clerk".to_owned(),
        asked_by: 3,
        asked_by_name: None,
        asked_utc_ms: 5,
        state: api::ExportState::Ready,
        since_utc_ms: 5,
        progress: None,
        made: Some(made),
        answer: None,
        trouble: None,
        expires_utc_ms: None,
        delivered_utc_ms: None,
        deliveries: Vec::new(),
        denied: None,
        redaction: None,
    }
}

fn signed(request: &str, seed: u8, refusal: Option<&str>) -> String {
    let request = Request::parse(request.as_bytes()).unwrap();
    Decision::about(&request, refusal.map(str::to_owned)).sign(&key(seed)).unwrap()
}

fn kind(result: Result<SignedDecision>) -> Option<Kind> {
    result.err().map(|error| error.kind)
}

#[test]
fn a_decision_is_read_for_the_request_that_waits() {
    let place = Place::new();
    let text = place.desk.request(&export(11, 7)).unwrap();
    assert_eq!(place.desk.request(&export(11, 7)).unwrap(), text, "whoever downloads it again gets the same");
    let decision = place.read(&signed(&text, 2, None)).unwrap();
    let want = SignedDecision { export: 11, manifest_sha256: hex(&[7; 32]), account: 5, refusal: None };
    assert_eq!(decision, want);
    // As an editor or a mail program leaves it.
    let mailed = signed(&text, 1, Some("too wide")).replace('\n', "\r\n") + "\r\n\r\n";
    let refused = place.read(&mailed).unwrap();
    assert_eq!((refused.account, refused.refusal.as_deref()), (4, Some("too wide")));
}

#[test]
fn a_wrong_key_another_manifest_a_replay_and_what_is_over_are_refused() {
    let place = Place::new();
    let text = place.desk.request(&export(11, 7)).unwrap();
    let decision = signed(&text, 1, None);
    assert_eq!(kind(place.read(&signed(&text, 9, None))), Some(Kind::Denied), "nobody's key");
    assert_eq!(kind(place.read("rubbish")), Some(Kind::Denied));
    assert_eq!(kind(place.read(&decision.replace("release\n", "refuse\n"))), Some(Kind::Denied), "changed");
    // The bundle was made anew: another manifest, another request.
    let anew = place.desk.request(&export(11, 8)).unwrap();
    assert_ne!(anew, text);
    assert_eq!(kind(place.read(&decision)), Some(Kind::Conflict), "about another manifest");
    let decision = signed(&anew, 1, None);
    assert!(place.read(&decision).is_ok());
    place.desk.taken(11).unwrap();
    assert_eq!(kind(place.read(&decision)), Some(Kind::Conflict), "a replay");
    let again = place.desk.request(&export(11, 8)).unwrap();
    assert_eq!(kind(place.read(&decision)), Some(Kind::Conflict), "a replay against the next request");
    let decision = signed(&again, 1, None);
    place.now_s.store(NOW_S + VALID_S, Ordering::SeqCst);
    assert!(place.read(&decision).is_ok(), "to the last second");
    place.now_s.store(NOW_S + VALID_S + 1, Ordering::SeqCst);
    assert_eq!(kind(place.read(&decision)), Some(Kind::Conflict), "over");
    assert_ne!(place.desk.request(&export(11, 8)).unwrap(), again);
    let other = place.desk.request(&export(12, 8)).unwrap();
    assert_ne!(Request::parse(other.as_bytes()).unwrap().nonce, Request::parse(again.as_bytes()).unwrap().nonce);
}

#[test]
fn only_what_waits_for_its_release_is_asked_about_and_what_is_over_goes() {
    let place = Place::new();
    let states = [api::ExportState::Making, api::ExportState::Released, api::ExportState::Refused];
    for state in states {
        let refused = place.desk.request(&api::Export { state, ..export(1, 1) }).unwrap_err();
        assert_eq!(refused.kind, Kind::Conflict, "{state:?}");
    }
    (1..=5).for_each(|id| drop(place.desk.request(&export(id, 1)).unwrap()));
    place.now_s.fetch_add(VALID_S + 1, Ordering::SeqCst);
    drop(place.desk.request(&export(6, 1)).unwrap());
    assert_eq!(place.desk.register.scan(Namespace::Setting, PREFIX).unwrap().len(), 1);
}

#[test]
fn a_key_is_that_of_an_approver() {
    let place = Place::new();
    let good = key(1).verifier().to_string();
    assert_eq!(place.desk.check_key(&good).unwrap(), good);
    let witness = SigningKey::from_seed("w", Algorithm::Cosignature, &[1; 32]).unwrap().verifier().to_string();
    for bad in ["", "rubbish", &witness, &good.replace('A', "B")] {
        assert_eq!(place.desk.check_key(bad).unwrap_err().kind, Kind::InvalidInput, "{bad}");
    }
}
