//! A client of the HTTP API, as strict as a browser about what it gets.

use crate::case;
use serde_json::Value;
use std::io::Read as _;
use std::time::Duration;
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

/// Largest answer that is read into memory.
const BODY_BYTES_MAX: u64 = 1 << 30;

/// One signed-in browser.
pub struct Client {
    base: String,
    agent: Agent,
    cookie: Option<String>,
}

/// Status, headers and body.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }

    /// One header as text, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Itself, when the status is 2xx.
    ///
    /// # Panics
    /// With the problem document otherwise.
    #[must_use]
    pub fn ok(self) -> Self {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, String::from_utf8_lossy(&self.body));
        self
    }
}

impl Client {
    /// A client of the page at `base`, such as `http://127.0.0.1:8080/`.
    pub fn new(base: &str) -> Self {
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(120))).build();
        Self { base: base.trim_end_matches('/').to_owned(), agent: config.into(), cookie: None }
    }

    /// A `GET` with the session of the account, if there is one.
    pub fn get(&self, path: &str) -> Answer {
        self.get_range(path, None)
    }

    /// `GET` with a `Range` header.
    ///
    /// # Panics
    /// When the connection fails.
    pub fn get_range(&self, path: &str, range: Option<&str>) -> Answer {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(cookie) = &self.cookie {
            request = request.header("Cookie", cookie);
        }
        if let Some(range) = range {
            request = request.header("Range", range);
        }
        read(request.call().unwrap_or_else(|error| panic!("GET {path}: {error}")))
    }

    /// Whether somebody answers there, and what is in the way otherwise.
    ///
    /// # Errors
    /// What the connection says.
    pub fn answers(&self, path: &str) -> Result<(), String> {
        self.agent.get(format!("{}{path}", self.base)).call().map(drop).map_err(|error| error.to_string())
    }

    /// `POST` without a body.
    ///
    /// # Panics
    /// When the connection fails.
    pub fn post(&self, path: &str) -> Answer {
        let mut request = self.agent.post(format!("{}{path}", self.base)).header("X-Watchbook", "1");
        if let Some(cookie) = &self.cookie {
            request = request.header("Cookie", cookie);
        }
        read(request.send_empty().unwrap_or_else(|error| panic!("POST {path}: {error}")))
    }

    /// Asks for something to be taken away, with the session and the header against foreign pages.
    ///
    /// # Panics
    /// When the connection fails.
    pub fn delete(&self, path: &str) -> Answer {
        let mut request = self.agent.delete(format!("{}{path}", self.base)).header("X-Watchbook", "1");
        if let Some(cookie) = &self.cookie {
            request = request.header("Cookie", cookie);
        }
        read(request.call().unwrap_or_else(|error| panic!("DELETE {path}: {error}")))
    }

    /// `POST`, `PUT` or `PATCH` with a JSON body.
    ///
    /// # Panics
    /// When the connection fails.
    pub fn send(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let url = format!("{}{path}", self.base);
        let mut request = match method {
            "POST" => self.agent.post(url),
            "PUT" => self.agent.put(url),
            "PATCH" => self.agent.patch(url),
            other => panic!("no method {other}"),
        };
        request = request.header("X-Watchbook", "1");
        if let Some(cookie) = &self.cookie {
            request = request.header("Cookie", cookie);
        }
        let answer = read(request.send_json(body).unwrap_or_else(|error| panic!("{method} {path}: {error}")));
        if let Some((cookie, _)) = answer.header("set-cookie").split_once(';') {
            self.cookie = Some(cookie.to_owned());
        }
        answer
    }

    /// `POST` with bytes, and with the session where there is one.
    ///
    /// # Errors
    /// When the connection fails, as it does when the recorder is killed meanwhile.
    pub fn upload(&self, path: &str, body: &[u8]) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.post(format!("{}{path}", self.base)).header("X-Watchbook", "1");
        if let Some(cookie) = &self.cookie {
            request = request.header("Cookie", cookie);
        }
        request.header("Content-Type", "application/octet-stream").send(body).map(read)
    }

    /// Any request, with the session and the header against foreign pages; a body with its media type.
    ///
    /// # Panics
    /// When the connection fails.
    pub fn call(&self, method: &str, path: &str, body: Option<(&str, &[u8])>) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        request = request.header("X-Watchbook", "1");
        if let Some(cookie) = &self.cookie {
            request = request.header("Cookie", cookie);
        }
        let built = "a path of the API makes a request";
        let answer = match body {
            Some((kind, bytes)) => self.agent.run(request.header("Content-Type", kind).body(bytes).expect(built)),
            None if matches!(method, "GET" | "DELETE") => self.agent.run(request.body(()).expect(built)),
            // Without a length of its own the client would send a body in chunks.
            None => self.agent.run(request.body(&b""[..]).expect(built)),
        };
        read(answer.unwrap_or_else(|error| panic!("{method} {path}: {error}")))
    }

    /// Signs in with a name and a password.
    ///
    /// # Panics
    /// When the recorder does not let them in.
    pub fn sign_in_as(&mut self, name: &str, password: &str) {
        let body = serde_json::json!({ "name": name, "password": password });
        drop(self.send("POST", "/api/v1/session", &body).ok());
    }

    /// Claims the station as its one person and stays signed in.
    pub fn claim(&mut self, code: &str) {
        let body = serde_json::json!({
            "code": code, "name": "tester", "password": "a long enough passphrase", "one_person_station": true,
        });
        let answer = self.send("POST", "/api/v1/claim", &body).ok();
        assert_eq!(answer.status, 201);
    }

    /// Signs in with the account that [`Client::claim`] made.
    pub fn sign_in(&mut self) {
        let body = serde_json::json!({ "name": "tester", "password": "a long enough passphrase" });
        drop(self.send("POST", "/api/v1/session", &body).ok());
    }

    /// Opens an emergency about these cameras, with a second factor that it sets up; the number to play with.
    pub fn open_emergency(&mut self, cameras: &[u64]) -> &'static str {
        drop(case::second_factor(self, "a long enough passphrase"));
        drop(self.send("POST", "/api/v1/cases", &case::emergency("E2E 1", cameras)).ok());
        "E2E%201"
    }

    /// The session cookie, for a WebSocket.
    pub fn cookie(&self) -> &str {
        self.cookie.as_deref().unwrap_or_default()
    }

    /// `host:port` of the page.
    pub fn authority(&self) -> &str {
        self.base.trim_start_matches("http://")
    }
}

fn read(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let mut bytes = Vec::new();
    body.into_with_config()
        .limit(BODY_BYTES_MAX)
        .reader()
        .read_to_end(&mut bytes)
        .unwrap_or_else(|error| panic!("reading the body of a {}: {error}", parts.status));
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: bytes }
}
