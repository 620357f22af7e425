//! What is served, as clock, addresses and files change.

use super::*;
use crate::config::Storage;
use crate::wire::open_keys;
use std::path::Path;
use std::process::Command;
use watchbook_base::clock::SimClock;

const DAY_NANOS: i64 = 86_400 * 1_000_000_000;

/// A station's register and keys, and what its machine says of itself.
struct Place {
    dir: tempfile::TempDir,
    register: Arc<Register>,
    keys: Arc<Keys>,
    clock: SimClock,
    address: Arc<Mutex<&'static str>>,
}

fn now() -> UtcNanos {
    SystemClock.utc()
}

impl Place {
    fn new(clock: UtcNanos) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["state", "ring"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let storage =
            Storage { state_dir: dir.path().join("state"), ring_dir: dir.path().join("ring"), ..Storage::default() };
        let register = Register::open(&storage.state_dir.join("register"), Arc::new(SystemClock)).unwrap();
        let keys = Arc::new(open_keys(&storage, true).unwrap());
        let address = Arc::new(Mutex::new("192.168.7.2"));
        Self { dir, register: Arc::new(register), keys, clock: SimClock::new(clock), address }
    }

    fn open(&self, files: Option<Files>) -> Desk {
        let address = Arc::clone(&self.address);
        let names = Box::new(move || Names::new("yard", [address.lock().unwrap().parse().unwrap()]));
        let (register, keys) = (Arc::clone(&self.register), Arc::clone(&self.keys));
        Desk::open(Means { register, keys, clock: Arc::new(self.clock.clone()), names, files }).unwrap()
    }

    /// Two files with a certificate for `name` of so many days, as OpenSSL makes them.
    fn write(&self, name: &str, days: u32) -> Files {
        let (certificate, key) = (self.dir.path().join("page.pem"), self.dir.path().join("page.key"));
        let line = format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -days {days} -addext subjectAltName=DNS:{name}"
        );
        let mut openssl = Command::new("openssl");
        openssl.args(line.split(' ')).args([Path::new("-out"), &certificate, Path::new("-keyout"), &key]);
        assert!(openssl.output().unwrap().status.success());
        Files::new(&certificate, &key)
    }
}

fn shown(desk: &Desk) -> (api::TlsSource, String, String) {
    let state = desk.shown();
    let certificate = state.certificate.unwrap();
    (state.source, certificate.sha256, certificate.names.join(" "))
}

#[test]
fn a_start_serves_what_was_served_before_and_another_master_key_begins_anew() {
    let place = Place::new(now());
    let first = place.open(None).shown();
    assert_eq!(place.open(None).shown(), first);
    let other = Place::new(now());
    let keys = Arc::clone(&place.keys);
    let stranger = Place { keys: Arc::clone(&other.keys), ..place };
    let anew = stranger.open(None).shown();
    assert_ne!(anew.authority, first.authority, "a key that cannot be opened must not keep people from the page");
    let back = Place { keys: Arc::clone(&keys), ..stranger };
    assert_eq!(back.open(None).shown().authority, first.authority, "once it can be opened it is back");
}

#[test]
fn the_certificate_follows_addresses_and_dates_without_a_start() {
    let place = Place::new(now());
    let desk = place.open(None);
    let (_, first, names) = shown(&desk);
    assert_eq!(names, "yard.local yard.lan yard.home.arpa yard.internal localhost 192.168.7.2 127.0.0.1 ::1");
    desk.look().unwrap();
    assert_eq!(shown(&desk).1, first);
    *place.address.lock().unwrap() = "192.168.7.9";
    desk.look().unwrap();
    let (_, moved, names) = shown(&desk);
    assert!(moved != first && names.contains("192.168.7.9") && !names.contains("192.168.7.2"), "{names}");
    let authority = desk.shown().authority;
    place.clock.step(370 * DAY_NANOS);
    desk.look().unwrap();
    assert_ne!(shown(&desk).1, moved, "it would have ended in 25 days");
    assert_eq!(desk.shown().authority, authority, "which nobody has to install again");
    *place.address.lock().unwrap() = "203.0.113.5";
    desk.look().unwrap();
    assert_eq!(desk.shown().names_left_out, ["203.0.113.5"]);
    place.clock.step(3640 * DAY_NANOS);
    desk.look().unwrap();
    assert_ne!(desk.shown().authority, authority);
    place.clock.step(-3640 * DAY_NANOS);
    desk.look().unwrap();
    assert_eq!(desk.shown().authority, authority, "a clock that jumped ahead for a while costs nothing");
}

#[test]
fn a_clock_that_began_in_1970_is_put_right_without_a_new_authority() {
    let place = Place::new(UtcNanos(7_000_000_000));
    let desk = place.open(None);
    let (authority, (_, first, _)) = (desk.shown().authority, shown(&desk));
    desk.look().unwrap();
    assert_eq!(shown(&desk).1, first, "it is not made anew each minute");
    place.clock.step(now().0 - 7_000_000_000);
    desk.look().unwrap();
    let state = desk.shown();
    assert_eq!(state.authority, authority);
    let certificate = state.certificate.unwrap();
    assert!((certificate.not_before_utc_ms..certificate.not_after_utc_ms).contains(&now().as_ms()), "{certificate:?}");
}

#[test]
fn files_are_served_read_again_and_told_of_before_they_run_out() {
    // The clock stands: a minute ahead, so that what OpenSSL makes meanwhile is valid.
    let place = Place::new(now().plus_nanos(60_000_000_000));
    let desk = place.open(Some(place.write("a.example", 90)));
    assert_eq!((shown(&desk).0, &shown(&desk).2[..]), (api::TlsSource::Files, "a.example"));
    assert_eq!(desk.alarms(), []);
    drop(place.write("b.example", 20));
    desk.look().unwrap();
    assert_eq!(shown(&desk).2, "b.example");
    let told = desk.alarms();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].kind, told[0].text.contains("runs out in 19 days")), (api::AlarmKind::CertificateEnding, true));
    // Another program is in the middle of writing them.
    std::fs::write(place.dir.path().join("page.key"), "half a key").unwrap();
    desk.look().unwrap();
    assert_eq!(shown(&desk).2, "b.example", "what was good is served on");
    let told = desk.alarms();
    assert_eq!(told[0].kind, api::AlarmKind::CertificateUnusable);
    assert!(told[0].text.contains("page.key") && told[0].text.contains("no private key"), "{told:?}");
    drop(place.write("c.example", 90));
    desk.look().unwrap();
    assert_eq!((&shown(&desk).2[..], desk.alarms()), ("c.example", vec![]));
}

#[test]
fn files_that_are_not_there_at_a_start_leave_the_page_reachable() {
    let place = Place::new(now());
    let files = Files::new(Path::new("/nowhere/page.pem"), Path::new("/nowhere/page.key"));
    let desk = place.open(Some(files));
    assert_eq!(shown(&desk).0, api::TlsSource::OwnAuthority);
    assert!(desk.alarms()[0].text.contains("/nowhere/page.pem"), "{:?}", desk.alarms());
}

#[test]
fn an_upload_outlives_a_start_and_its_key_lies_nowhere_in_the_open() {
    let place = Place::new(now());
    drop(place.write("up.example", 90));
    let read = |name: &str| std::fs::read(place.dir.path().join(name)).unwrap();
    let (chain, key) = (read("page.pem"), read("page.key"));
    let desk = PageCertificate(Some(place.open(None)));
    let own = desk.state();
    desk.upload(&Given::read(&chain, &key, now()).unwrap()).unwrap();
    assert_eq!(desk.state().source, api::TlsSource::Uploaded);
    assert_eq!(desk.state().certificate, PageCertificate(Some(place.open(None))).state().certificate);
    // The secret number, as OpenSSL tells it.
    let told = Command::new("openssl")
        .args(["pkey", "-noout", "-text", "-in"])
        .arg(place.dir.path().join("page.key"))
        .output();
    let told = String::from_utf8(told.unwrap().stdout).unwrap();
    let secret = told.split("priv:").nth(1).and_then(|rest| rest.split("pub:").next()).unwrap();
    let digits: String = secret.chars().filter(char::is_ascii_hexdigit).collect();
    let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
    let canary: Vec<u8> = (1..17).map(byte).collect();
    let listed: Vec<String> = canary.iter().map(u8::to_string).collect();
    let row = place.register.get(Namespace::Setting, UPLOADED).unwrap().unwrap().value;
    assert!(!row.windows(16).any(|part| part == canary));
    assert!(!String::from_utf8(row).unwrap().contains(&listed.join(",")));
    desk.remove().unwrap();
    assert_eq!(desk.state().certificate, own.certificate, "the one of before");
    assert_eq!(place.register.get(Namespace::Setting, UPLOADED).unwrap(), None);
    assert_eq!(desk.remove().unwrap_err().kind, Kind::NotFound);
}

#[test]
fn what_the_configuration_names_is_not_uploaded_over() {
    let place = Place::new(now());
    let files = place.write("a.example", 90);
    let read = |name: &str| std::fs::read(place.dir.path().join(name)).unwrap();
    let given = Given::read(&read("page.pem"), &read("page.key"), now()).unwrap();
    let desk = PageCertificate(Some(place.open(Some(files))));
    assert_eq!(desk.upload(&given).unwrap_err().kind, Kind::Conflict);
    assert_eq!(PageCertificate(None).upload(&given).unwrap_err().kind, Kind::Conflict);
    assert_eq!(PageCertificate(None).state().source, api::TlsSource::Off);
}
