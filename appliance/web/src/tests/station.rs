//! A station on doubles, and a client that speaks to its router without a network.

use super::doubles::{
    MemoryAudit, MemoryBackups, MemoryBox, MemoryFootage, MemoryHolds, MemoryPolicies, MemoryRegister,
    MemoryTranscoders, START_MS,
};
use crate::api::{Point, Transport};
use crate::ports::{CameraConfig, Ports, StreamConfig};
use crate::server::Peer;
use crate::tls::Over;
use crate::{App, AppParts, CaseBook, EventFeed, HashCost, LiveHub, router};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use tower_service::Service;
use watchbook_access::{Case, Purpose, Role};
use watchbook_base::clock::SimClock;
use watchbook_base::{CameraId, Clock, TimeRange, UtcNanos};

pub(super) const PASSWORD: &str = "canary-8c51 sings at dawn";
pub(super) const CASE: &str = "7/26";
pub(super) const OTHER_CASE: &str = "9/26";
pub(super) const CAMERA_PASSWORD: &str = "canary-77ab-camera";

pub(super) struct Station {
    pub(super) app: App,
    pub(super) router: Router,
    pub(super) clock: SimClock,
    pub(super) register: Arc<MemoryRegister>,
    pub(super) audit: Arc<MemoryAudit>,
    pub(super) inner: Arc<MemoryBox>,
    pub(super) footage: Arc<MemoryFootage>,
    pub(super) holds: Arc<MemoryHolds>,
    pub(super) live: Arc<LiveHub>,
    pub(super) event_feed: Arc<EventFeed>,
    pub(super) transcoders: Arc<MemoryTranscoders>,
}

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The cookie that this answer sets, as the client sends it back.
    pub(super) fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

/// A request in the making.
pub(super) struct Ask {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    peer: IpAddr,
    over: Over,
}

impl Ask {
    /// Encrypted on its way.
    pub(super) fn over_tls(self) -> Self {
        Self { over: Over::Tls, ..self }
    }

    /// Without a body, and as if there were one.
    pub(super) fn empty(self) -> Self {
        Self { body: Vec::new(), ..self }
    }

    /// With everything a page of ours sends.
    pub(super) fn new(method: &str, path: &str) -> Self {
        let headers = vec![("host".to_owned(), "box".to_owned()), ("x-watchbook".to_owned(), "1".to_owned())];
        let method = method.parse().unwrap();
        Self {
            method,
            path: path.to_owned(),
            headers,
            body: Vec::new(),
            peer: [192, 0, 2, 1].into(),
            over: Over::Plain,
        }
    }

    pub(super) fn by(self, cookie: &str) -> Self {
        self.header("cookie", cookie)
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(super) fn json(mut self, body: &Value) -> Self {
        self.body = serde_json::to_vec(body).unwrap();
        self.header("content-type", "application/json")
    }

    pub(super) fn bytes(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    pub(super) fn from(mut self, peer: [u8; 4]) -> Self {
        self.peer = peer.into();
        self
    }
}

impl Station {
    /// With a case [`CASE`], in which the first accounts may play what there is, and a case [`OTHER_CASE`] of somebody else.
    pub(super) fn new() -> Self {
        let station = Self::on(Arc::default());
        for (number, investigators) in [(CASE, (1..=9).collect()), (OTHER_CASE, [50].into())] {
            station.app.ports().cases.open(Case { number: number.into(), investigators, ..wide_case() }).unwrap();
        }
        station
    }

    /// A station that starts on this register.
    pub(super) fn on(register: Arc<MemoryRegister>) -> Self {
        let clock = SimClock::new(UtcNanos::from_ms(START_MS + 600_000));
        let (audit, inner, footage) = (Arc::<MemoryAudit>::default(), Arc::<MemoryBox>::default(), Arc::default());
        let (live, holds) = (Arc::new(LiveHub::new()), Arc::<MemoryHolds>::default());
        let transcoders = Arc::<MemoryTranscoders>::default();
        inner.cameras.lock().unwrap().insert(CameraId::new(1).unwrap(), camera_config());
        let ports = Ports {
            register: Arc::clone(&register) as _,
            audit: Arc::clone(&audit) as _,
            cameras: Arc::clone(&inner) as _,
            devices: Arc::clone(&inner) as _,
            footage: Arc::clone(&footage) as _,
            thumbnails: Arc::clone(&inner) as _,
            events: Arc::clone(&inner) as _,
            plugins: Arc::clone(&inner) as _,
            health: Arc::clone(&inner) as _,
            retention: Arc::clone(&inner) as _,
            holds: Arc::clone(&holds) as _,
            exports: Arc::clone(&inner) as _,
            decisions: Arc::clone(&inner) as _,
            proposals: Arc::clone(&inner) as _,
            rederivations: Arc::clone(&inner) as _,
            checkpoints: Arc::clone(&inner) as _,
            cases: Arc::new(CaseBook::load(Arc::clone(&register) as _).unwrap()),
            secrets: Arc::clone(&inner) as _,
            reports: Arc::clone(&inner) as _,
            policies: Arc::<MemoryPolicies>::default(),
            transcoders: Arc::clone(&transcoders) as _,
            backups: Arc::new(MemoryBackups(Arc::clone(&register), Arc::clone(&inner))),
            machine: Arc::clone(&inner) as _,
            certificates: Arc::clone(&inner) as _,
        };
        let event_feed = Arc::new(EventFeed::new(7));
        let app = App::load(AppParts {
            ports,
            live: Arc::clone(&live),
            event_feed: Arc::clone(&event_feed),
            clock: Arc::new(clock.clone()),
            hash_cost: HashCost { memory_kib: 8, passes: 1 },
            version: "0.0.0".into(),
            office: crate::Office { name: "Station 7".into(), contact: "Room 3".into(), ..crate::Office::default() },
        })
        .unwrap();
        Self { router: router(&app), app, clock, register, audit, inner, footage, holds, live, event_feed, transcoders }
    }

    pub(super) async fn send(&self, ask: Ask) -> Answer {
        let (parts, body) = self.response(ask).await.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// The body of an answer that is good so far, to be read by hand.
    pub(super) async fn begin(&self, ask: Ask) -> Body {
        let response = self.response(ask).await;
        assert!(response.status().is_success(), "{response:?}");
        response.into_body()
    }

    async fn response(&self, ask: Ask) -> Response {
        let mut request = Request::builder().method(ask.method).uri(ask.path);
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let mut request = request.body(Body::from(ask.body)).unwrap();
        request.extensions_mut().insert(Peer(ask.peer));
        request.extensions_mut().insert(ask.over);
        self.router.clone().call(request).await.unwrap()
    }

    pub(super) async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.send(Ask::new("GET", path).by(cookie)).await
    }

    pub(super) async fn post(&self, path: &str, cookie: &str, body: &Value) -> Answer {
        self.send(Ask::new("POST", path).by(cookie).json(body)).await
    }

    /// Claims the box; the cookie of its first account.
    pub(super) async fn claim(&self, one_person_station: bool) -> String {
        let code = self.app.claim_code().unwrap();
        let body =
            json!({"code": code, "name": "Chief", "password": PASSWORD, "one_person_station": one_person_station});
        let answer = self.post("/api/v1/claim", "", &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.cookie()
    }

    /// An approver elsewhere, whose key is enrolled; the number of the account.
    pub(super) async fn signer(&self, admin: &str) -> u32 {
        self.account(admin, "Signer", &[Role::Approver], None).await;
        let list = self.get("/api/v1/accounts", admin).await.json();
        let number = list["accounts"].as_array().unwrap().last().unwrap()["id"].as_u64().unwrap() as u32;
        self.app.accounts().enrol_key(number, format!("hq.example/approver+00000000+A{number}")).await.unwrap();
        number
    }

    /// An account with these roles, signed in; its cookie.
    pub(super) async fn account(&self, admin: &str, name: &str, roles: &[Role], cameras: Option<&[u32]>) -> String {
        let body = json!({"name": name, "password": PASSWORD, "roles": roles, "cameras": cameras});
        let answer = self.post("/api/v1/accounts", admin, &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        self.sign_in(name).await
    }

    /// Sets up a second factor for the account of this session, which has just shown it afterwards; the key as a person would type it.
    pub(super) async fn second_factor(&self, cookie: &str) -> String {
        let set_up = self.post("/api/v1/session/second-factor/set-up", cookie, &json!({"password": PASSWORD})).await;
        assert_eq!(set_up.status, StatusCode::OK, "{set_up:?}");
        let key = set_up.json()["key"].as_str().unwrap().to_owned();
        let answer =
            self.post("/api/v1/session/second-factor/confirm", cookie, &json!({"code": self.code(&key)})).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
        key
    }

    /// What an authenticator with this key shows now.
    pub(super) fn code(&self, key: &str) -> String {
        crate::accounts::code_at(key, self.clock.utc())
    }

    /// Public number of the session with this cookie.
    pub(super) async fn own_session(&self, cookie: &str) -> String {
        let list = self.get("/api/v1/session/list", cookie).await.json();
        let here = list["sessions"].as_array().unwrap().iter().find(|session| session["here"] == true);
        here.unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Public number of a new session of the account with this name.
    pub(super) async fn session_of(&self, name: &str) -> String {
        let cookie = self.sign_in(name).await;
        self.own_session(&cookie).await
    }

    pub(super) async fn sign_in(&self, name: &str) -> String {
        let answer = self.post("/api/v1/session", "", &json!({"name": name, "password": PASSWORD})).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.cookie()
    }
}

/// About all footage of the doubles, opened by account 99 for a month.
pub(super) fn wide_case() -> Case {
    Case {
        number: String::new(),
        purpose: Purpose::EquipmentCheck,
        cameras: [CameraId::new(1).unwrap(), CameraId::new(2).unwrap()].into(),
        range: TimeRange {
            start: UtcNanos::from_ms(START_MS - 86_400_000),
            end: UtcNanos::from_ms(START_MS + 86_400_000),
        },
        expires: UtcNanos::from_ms(START_MS + 30 * 86_400_000),
        opened_by: 99,
        opened: UtcNanos::from_ms(START_MS),
        investigators: std::collections::BTreeSet::new(),
        closed: None,
        emergency: false,
        reviewed: None,
        stopped: None,
        bookmarks: Vec::new(),
    }
}

/// Camera 1.
fn camera_config() -> CameraConfig {
    let stream = |path: &str| StreamConfig {
        url: format!("rtsp://192.0.2.20/{path}"),
        transport: Transport::Tcp,
        interval_ms: None,
    };
    CameraConfig {
        name: "Gate".into(),
        main: stream("main"),
        sub: Some(stream("sub")),
        username: Some("admin".into()),
        password: Some(crate::api::Secret::new(CAMERA_PASSWORD.into())),
        record_audio: false,
        audio_purpose: String::new(),
        purpose: "Traffic at the gate".into(),
        contact: "Room 3".into(),
        reviewed_utc_ms: Some(START_MS),
        certificate: None,
        enabled: true,
        masks: vec![vec![Point { x: 0.0, y: 0.0 }, Point { x: 0.5, y: 0.0 }, Point { x: 0.0, y: 0.5 }]],
        retention_days_max: 7,
        importance: watchbook_base::Importance::Normal,
        plugins: vec![],
        device: None,
    }
}

/// A problem document with this status and word, and a next step.
pub(super) fn assert_problem(answer: &Answer, status: u16, slug: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header(header::CONTENT_TYPE.as_str()), "application/problem+json");
    let body = answer.json();
    assert_eq!(body["type"], format!("urn:watchbook:problem:{slug}"), "{body}");
    assert_eq!(body["status"], status);
    assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()), "{body}");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
}
