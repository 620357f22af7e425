//! Whoever opens all that they can and says as little as possible: each bound holds, what is idle is let go, and everybody else is served and recorded meanwhile.

use crate::cameras::gst;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use watchbook_e2e::raw::status;
use watchbook_e2e::recorder::now_ms;
use watchbook_e2e::{Client, Raw, Recorder, wait_for};

const PASSWORD: &str = "a long enough passphrase";
/// Any answer of a recorder that is not kept from answering.
const PATIENCE: Duration = Duration::from_secs(10);
/// A head must have come within 20 s and a body within 16 s (`HEAD_TIMEOUT`, `BODY_TIMEOUT`), and who sends no sign of life is gone after 30 s (`SILENCE_MAX`) and the look after it; the rest is for a busy machine.
const LET_GO: Duration = Duration::from_secs(50);
/// Connections of one address (`CONNECTIONS_PER_ADDRESS_MAX`).
const OF_ADDRESS: usize = 64;

/// Another machine, as far as the recorder can tell.
fn machine(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, number)
}

/// A connection that says a byte at a time, and never all.
struct Slow {
    raw: Raw,
    left: std::vec::IntoIter<u8>,
    closed_after: Option<Duration>,
}

impl Slow {
    fn new(recorder: &Recorder, from: Ipv4Addr, with_body: bool) -> Self {
        let mut raw = Raw::from(from, recorder.client.authority(), PATIENCE);
        let head = "POST /api/v1/session HTTP/1.1\r\nHost: box\r\nX-Watchbook: 1\r\nContent-Type: application/json\r\n";
        let slow = match with_body {
            true => {
                raw.send(format!("{head}Content-Length: 4000\r\n\r\n").as_bytes());
                "{".repeat(3000)
            }
            false => format!("{head}X: {}", "y".repeat(3000)),
        };
        Self { raw, left: slow.into_bytes().into_iter(), closed_after: None }
    }

    /// One more byte, unless it has been let go.
    fn tick(&mut self, began: Instant) {
        if self.closed_after.is_none() {
            let sent = self.left.next().is_none_or(|byte| self.raw.send(&[byte]));
            if !sent || self.raw.is_closed() {
                self.closed_after = Some(began.elapsed());
            }
        }
    }
}

#[test]
fn hundreds_who_send_a_byte_at_a_time_are_let_go_and_hold_up_nobody() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let (start, _) = recorder.wait_recorded(&camera, 2);
    let began = Instant::now();
    let mut slow: Vec<Slow> = Vec::new();
    for number in 1..=6 {
        let all = (0..OF_ADDRESS).map(|at| Slow::new(&recorder, machine(number), at % 2 == 0));
        slow.extend(all);
    }
    // One more of the same address is not let in at all.
    let mut more = Raw::from(machine(1), recorder.client.authority(), PATIENCE);
    more.send(b"GET /api/v1/status HTTP/1.1\r\nHost: box\r\n\r\n");
    assert_eq!(more.head(), "");
    let mut slowest = Duration::ZERO;
    wait_for("all who are slow to be let go", LET_GO, || {
        slow.iter_mut().for_each(|one| one.tick(began));
        let asked = Instant::now();
        assert_eq!(recorder.client.get("/api/v1/session").status, 200);
        slowest = slowest.max(asked.elapsed());
        match slow.iter().filter(|one| one.closed_after.is_none()).count() {
            0 => Ok(()),
            open => Err(format!("{open} are open")),
        }
    });
    let longest = slow.iter().filter_map(|one| one.closed_after).max();
    eprintln!(
        "{} slow connections, the last let go after {longest:?}; an honest answer took {slowest:?} at most",
        slow.len()
    );
    assert!(slowest < PATIENCE, "an honest answer took {slowest:?}");
    assert!(recorder.output().contains("connections of one address"), "{}", recorder.output());
    // Recorded all the while, in one piece.
    let whole = wait_for("footage of all that time", PATIENCE, || {
        let recordings = recorder.recordings(&camera);
        let end = recordings["spans"].as_array().and_then(|spans| spans.last()?["end_utc_ms"].as_i64()).unwrap_or(0);
        if end > start + i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX) - 5_000 {
            Ok(recordings)
        } else {
            Err(recordings.to_string())
        }
    });
    assert!(whole["spans"].as_array().is_some_and(|spans| spans.len() == 1), "{whole}");
    assert_eq!(whole["gaps"], json!([]), "{whole}");
}

/// Sessions of somebody who may watch and follow events.
fn sessions(recorder: &mut Recorder, name: &str, count: usize) -> Vec<String> {
    let account = json!({ "name": name, "password": PASSWORD, "roles": ["viewer", "investigator"] });
    drop(recorder.client.send("POST", "/api/v1/accounts", &account).ok());
    let base = format!("http://{}/", recorder.client.authority());
    let session = |_| {
        let mut client = Client::new(&base);
        client.sign_in_as(name, PASSWORD);
        client.cookie().to_owned()
    };
    (0..count).map(session).collect()
}

/// Who asks, and for what that has no end.
struct Door<'a> {
    recorder: &'a Recorder,
    path: String,
    upgrade: &'static str,
}

impl<'a> Door<'a> {
    fn live(recorder: &'a Recorder, camera: u64) -> Self {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        Self { recorder, path: format!("/api/v1/cameras/{camera}/live"), upgrade }
    }

    fn events(recorder: &'a Recorder) -> Self {
        let now = now_ms();
        let path = format!("/api/v1/events/live?from_utc_ms={}&to_utc_ms={}", now - 1000, now + 3_600_000);
        Self { recorder, path, upgrade: "" }
    }

    fn knock(&self, from: Ipv4Addr, cookie: &str) -> (Raw, String) {
        let mut raw = Raw::from(from, self.recorder.client.authority(), PATIENCE);
        raw.send(
            format!("GET {} HTTP/1.1\r\nHost: box\r\nCookie: {cookie}\r\n{}\r\n", self.path, self.upgrade).as_bytes(),
        );
        let head = raw.head();
        (raw, head)
    }

    /// Opens as many as it may, in `tries`; those that are open, and the sentence that refuses the last.
    fn fill(&self, from: Ipv4Addr, cookie: &str, tries: usize) -> (Vec<Raw>, String) {
        let (mut open, mut why) = (Vec::new(), String::new());
        for _ in 0..tries {
            let (mut raw, head) = self.knock(from, cookie);
            match status(&head) {
                101 | 200 => open.push(raw),
                429 => why = raw.body_of(&head),
                _ => panic!("{head:?} instead of 429 after {} are open", open.len()),
            }
        }
        (open, why)
    }
}

fn viewers(recorder: &Recorder) -> Value {
    recorder.client.get("/api/v1/health").ok().json()["live"]["viewers"].clone()
}

#[test]
fn thousands_of_idle_streams_are_bounded_for_each_session_account_and_address_and_let_go() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let live = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    // Nothing ever comes of it: whoever watches it is idle.
    let dead = recorder.add_camera("Yard", "rtsp://127.0.0.1:9/none", None);
    let [crowd, other, honest] =
        [("crowd", 5), ("other", 1), ("honest", 1)].map(|(name, count)| sessions(&mut recorder, name, count));
    recorder.wait_recorded(&live, 1);
    let door = Door::live(&recorder, dead.id);
    let (near, far) = (machine(1), machine(2));
    let mut idle = Vec::new();
    for (cookie, tries, most, whose) in [
        (&crowd[0], 500, 96, "this session has 96 live pictures open"),
        (&crowd[1], 500, 32, "this account has 128 live pictures open"),
        (&other[0], 500, 64, "this network address has 192 live pictures open"),
        (&crowd[2], 500, 0, "this account has 128 live pictures open"),
    ] {
        let (open, why) = door.fill(near, cookie, tries);
        assert!(open.len() == most && why.contains(whose), "{} are open: {why}", open.len());
        idle.extend(open);
    }
    assert_eq!(viewers(&recorder), 192);
    // Somebody else, elsewhere, sees the camera that has pictures.
    let (mut seen, head) = Door::live(&recorder, live.id).knock(far, &honest[0]);
    assert_eq!(status(&head), 101, "{head}");
    assert!(seen.comes(b"moof"), "no picture came");
    drop(seen);

    let door = Door::events(&recorder);
    let mut following = Vec::new();
    for (at, most) in [4, 4, 4, 4, 0].into_iter().enumerate() {
        let (open, why) = door.fill(near, &crowd[at], 200);
        let whose = if at < 4 { "this session has 4 feeds" } else { "this account has 16 feeds" };
        assert!(open.len() == most && why.contains(whose), "{} are open: {why}", open.len());
        following.extend(open);
    }
    assert_eq!(status(&door.knock(far, &honest[0]).1), 200);
    assert!(recorder.output().contains("turned away"), "{}", recorder.output());
    let counted = recorder.client.get("/api/v1/health").ok().json()["refusals_not_logged"].as_u64();
    assert!(counted >= Some(2000 - 192 + 1000 - 16), "{counted:?} were counted");
    // Nobody answers a ping: all are let go, and there is room again.
    wait_for("idle viewers to be let go", LET_GO, || match viewers(&recorder) {
        none if none == 0 => Ok(()),
        some => Err(some.to_string()),
    });
    assert!(idle.iter_mut().all(Raw::is_closed));
    assert_eq!(status(&Door::live(&recorder, dead.id).knock(near, &crowd[0]).1), 101);
    drop(following);
}
