//! Who may what, asked of the running recorder: every route of its own description, as nobody and as every role, for a camera that the account may see and for one that it may not.

pub mod asked;
mod rules;

use asked::{Asked, GATE, YARD};
use rules::{PUBLIC, ROLES, may, whole_log};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use watchbook_e2e::client::Answer;
use watchbook_e2e::{Client, Recorder};

const PASSWORD: &str = "a long enough passphrase";

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// Nobody is signed in.
    SignInFirst,
    /// The account does not have the role.
    Role,
    /// The account does not have the camera.
    Camera,
    /// Whatever else: the gate let it pass.
    Past(u16),
}

fn text<'a>(problem: &'a Value, field: &str) -> &'a str {
    problem[field].as_str().unwrap_or_default()
}

/// The answer's class, and the sentence of a refusal.
fn seen(answer: &Answer) -> (Seen, Option<String>) {
    let problem: Value = match answer.header("content-type") {
        "application/problem+json" => answer.json(),
        _ => Value::Null,
    };
    let (kind, detail) = (text(&problem, "type").rsplit(':').next().unwrap_or_default(), text(&problem, "detail"));
    let refusal = matches!(answer.status, 401 | 403).then(|| detail.to_owned());
    let class = match (answer.status, kind) {
        (401, "sign-in-first") => Seen::SignInFirst,
        (403, "denied") if detail.starts_with("this needs the role ") => Seen::Role,
        (403, "denied") if detail.contains(&format!("camera {YARD}")) => Seen::Camera,
        (status, _) => Seen::Past(status),
    };
    (class, refusal.filter(|detail| !detail.is_empty()))
}

/// One station with two cameras, and an account of each role that has the first camera alone.
struct Station {
    recorder: Recorder,
    base: String,
    _dir: tempfile::TempDir,
}

impl Station {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (mut recorder, code) = Recorder::unclaimed(dir.path());
        let claim = json!({ "code": code, "name": "Chief", "password": PASSWORD, "one_person_station": false });
        drop(recorder.client.send("POST", "/api/v1/claim", &claim).ok());
        for (name, id) in [("Gate", GATE), ("Yard", YARD)] {
            // Nobody answers there: this is about who may ask.
            assert_eq!(recorder.add_camera(name, &format!("rtsp://127.0.0.1:9/{id}"), None).id, id);
        }
        for role in ROLES {
            let account = json!({ "name": role, "password": PASSWORD, "roles": [role], "cameras": [GATE] });
            drop(recorder.client.send("POST", "/api/v1/accounts", &account).ok());
        }
        let base = format!("http://{}/", recorder.client.authority());
        Self { recorder, base, _dir: dir }
    }

    fn nobody(&self) -> Client {
        Client::new(&self.base)
    }

    fn signed_in(&self, role: &str) -> Client {
        let mut client = self.nobody();
        client.sign_in_as(role, PASSWORD);
        client
    }

    /// Every route, as the running recorder describes them.
    fn routes(&self) -> Vec<Asked> {
        let document = self.nobody().get("/api/v1/openapi.json").ok().json();
        let mut routes = Vec::new();
        for (path, methods) in document["paths"].as_object().expect("the description has paths") {
            for (method, operation) in methods.as_object().expect("a path has methods") {
                routes.push(Asked::new(path, method, operation));
            }
        }
        // Whoever signs out asks nothing more.
        routes.sort_by_key(|route| (route.id == "sign_out", route.id.clone()));
        routes
    }

    fn not_logged(&self) -> u64 {
        self.recorder.client.get("/api/v1/health").ok().json()["refusals_not_logged"].as_u64().expect("a count")
    }

    /// What stands in the log as refused, as often as it stands there: by whom, and with which sentence.
    fn refused(&self) -> BTreeMap<(Option<u64>, String), u64> {
        let (auditor, mut refused, mut cursor) = (self.signed_in("auditor"), BTreeMap::new(), String::new());
        loop {
            let page = auditor.get(&format!("/api/v1/audit?limit=500{cursor}")).ok().json();
            for entry in page["entries"].as_array().into_iter().flatten().filter(|entry| entry["outcome"] == "refused")
            {
                let key = (entry["account"].as_u64(), text(entry, "reason").to_owned());
                *refused.entry(key).or_insert(0) += 1;
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return refused,
            }
        }
    }
}

/// What must come of it, by the rules alone.
fn expected(route: &Asked, role: &str, camera: u64) -> Seen {
    if !may(role, &route.id) {
        Seen::Role
    } else if camera == GATE || whole_log(&route.id) {
        Seen::Past(0)
    } else if matches!(&*route.id, "camera" | "camera_clock" | "camera_sign") {
        // Cameras of others are not there at all.
        Seen::Past(404)
    } else {
        Seen::Camera
    }
}

fn fits(seen: &Seen, expected: &Seen) -> bool {
    match (seen, expected) {
        // The gate is passed; what the handler then says of a thing that is not there is its own matter, as long as it can say it.
        (Seen::Past(status), Seen::Past(0)) => !matches!(status, 0 | 401 | 500 | 502 | 505..),
        _ => seen == expected,
    }
}

/// What came of all routes for one role.
#[derive(Default)]
struct Walk {
    /// Answers that do not fit.
    wrong: Vec<String>,
    /// The sentences of what was refused for want of a role or a camera.
    refused: Vec<String>,
    /// What was refused for another reason: no case, no second factor.
    otherwise: u64,
}

/// Asks every route as this role.
fn walk(client: &Client, role: &str, routes: &[Asked]) -> Walk {
    let mut walked = Walk::default();
    for route in routes.iter().filter(|route| !PUBLIC.contains(&&*route.id)) {
        for camera in [GATE, YARD].into_iter().filter(|camera| *camera == GATE || route.names_camera()) {
            let answer = route.send(client, camera);
            let (seen, refusal) = seen(&answer);
            match seen {
                Seen::Role | Seen::Camera => walked.refused.extend(refusal),
                _ => walked.otherwise += u64::from(refusal.is_some()),
            }
            let expected = expected(route, role, camera);
            if !fits(&seen, &expected) {
                let body = String::from_utf8_lossy(&answer.body);
                walked
                    .wrong
                    .push(format!("{role} {} camera {camera}: {seen:?} instead of {expected:?}: {body}", route.id));
            }
        }
    }
    walked
}

#[test]
fn every_route_answers_each_role_and_camera_as_the_rules_say_and_logs_each_refusal() {
    let station = Station::new();
    let routes = station.routes();
    let known: BTreeSet<&str> = routes.iter().map(|route| &*route.id).collect();
    rules::assert_complete(&known);
    let (before, logged_before) = (station.not_logged(), station.refused());
    let walks: Vec<Walk> = thread::scope(|scope| {
        let started: Vec<_> = ROLES
            .map(|role| {
                let (station, routes) = (&station, &routes);
                scope.spawn(move || walk(&station.signed_in(role), role, routes))
            })
            .into_iter()
            .collect();
        started.into_iter().map(|walk| walk.join().expect("a walk does not panic")).collect()
    });
    let wrong: Vec<&String> = walks.iter().flat_map(|walk| &walk.wrong).collect();
    assert!(wrong.is_empty(), "{} answers are wrong:\n{wrong:#?}", wrong.len());
    // Account 1 claimed the station; the others are as they were made.
    let mut told: BTreeMap<(Option<u64>, String), u64> = BTreeMap::new();
    for (account, walk) in (2..).zip(&walks) {
        for refusal in &walk.refused {
            *told.entry((Some(account), refusal.clone())).or_insert(0) += 1;
        }
    }
    let shared = shared(&station, &told, &logged_before);
    // The other refusals may be counted, too.
    let (counted, otherwise) = (station.not_logged() - before, walks.iter().map(|walk| walk.otherwise).sum::<u64>());
    assert!((shared..=shared + otherwise).contains(&counted), "{counted} were counted of {shared} and {otherwise}");
    assert!(told.values().sum::<u64>() > 300, "only {told:?} were refused");
}

/// Each refusal that was told is an entry, or one of the same words is: none is made up. How many share one, which are to be counted.
fn shared(
    station: &Station,
    told: &BTreeMap<(Option<u64>, String), u64>,
    logged_before: &BTreeMap<(Option<u64>, String), u64>,
) -> u64 {
    let logged = station.refused();
    let mut shared = 0;
    for (key, times) in told {
        let entries =
            logged.get(key).copied().unwrap_or_default() - logged_before.get(key).copied().unwrap_or_default();
        assert!(
            entries > 0 && entries <= *times,
            "{key:?} was told {times} times and stands in the log {entries} times"
        );
        shared += times - entries;
    }
    shared
}

#[test]
fn nobody_gets_anything_from_any_route_but_the_public_ones() {
    let station = Station::new();
    let (nobody, before, logged_before) = (station.nobody(), station.not_logged(), station.refused());
    let (public, others): (Vec<Asked>, Vec<Asked>) =
        station.routes().into_iter().partition(|route| PUBLIC.contains(&&*route.id));
    for route in &others {
        let answer = route.send(&nobody, GATE);
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!(seen(&answer).0, Seen::SignInFirst, "{}: {body}", route.id);
    }
    let told = u64::try_from(others.len()).expect("a number of routes");
    let entries = |of: &BTreeMap<(Option<u64>, String), u64>| -> u64 {
        of.iter()
            .filter(|((account, why), _)| account.is_none() && why == "sign in first")
            .map(|(_, times)| times)
            .sum()
    };
    let logged = entries(&station.refused()) - entries(&logged_before);
    // The first of each kind from this address, up to the bound of a minute (60).
    assert!(logged >= 50, "{logged} entries");
    assert_eq!(logged + station.not_logged() - before, told, "refusals that are neither logged nor counted");
    public.iter().for_each(|route| assert_public(route, &nobody));
}

/// What anybody may ask is answered, and tells nothing that is not for anybody.
fn assert_public(route: &Asked, nobody: &Client) {
    let answer = route.send(nobody, GATE);
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let status = match &*route.id {
        // Asked in the open, where passkeys do not work.
        "claim" | "claim_with_backup" | "passkey_challenge" | "sign_in_with_passkey" => 409,
        "session" | "sign_in" => 401,
        // Nothing is signed in the first seconds, and no month is over.
        "report" | "report_text" | "log_checkpoint" | "log_cosigned" if answer.status == 404 => 404,
        _ => 200,
    };
    assert_eq!(answer.status, status, "{}: {body}", route.id);
    for secret in [PASSWORD, "rtsp://", "argon2"] {
        assert!(!body.contains(secret) || route.id == "openapi", "{} tells {secret}: {body}", route.id);
    }
    assert!(!answer.header("content-type").starts_with("video/"), "{}", route.id);
}
