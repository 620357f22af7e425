//! A signed-in client of Watchbook's API.

use crate::error::Attempt;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::io::Read;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use ureq::http::Response;
use ureq::{Agent, Body};

/// A download of a day's footage takes minutes; anything longer hangs.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(1800);
/// Room for any export of these benchmarks.
const BODY_BYTES_MAX: u64 = 1 << 40;

const PASSWORD: &str = "only for this measurement";

/// One session.
pub struct Client {
    base: String,
    agent: Agent,
    cookie: String,
}

impl Client {
    /// Claims the fresh station at `base` as its one person.
    ///
    /// # Errors
    /// The station does not answer or refuses.
    pub fn claim(base: &str, code: &str) -> Result<Self> {
        let agent: Agent =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(REQUEST_TIME_MAX)).build().into();
        let base = base.trim_end_matches('/').to_owned();
        let body = json!({ "code": code, "name": "load", "password": PASSWORD, "one_person_station": true });
        let answer = agent
            .post(format!("{base}/api/v1/claim"))
            .header("X-Watchbook", "1")
            .send_json(&body)
            .attempt("claiming the station")?;
        let cookie = answer.headers().get("set-cookie").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        if cookie.is_empty() {
            return Err(Error(format!("claiming the station gave {} and no session", answer.status())));
        }
        Ok(Self { base, agent, cookie })
    }

    /// `GET` of a JSON document.
    ///
    /// # Errors
    /// No answer, a status other than 2xx, or no JSON.
    pub fn json(&self, path: &str) -> Result<Value> {
        let mut text = String::new();
        self.get(path)?.read_to_string(&mut text).attempt(format!("reading {path}"))?;
        serde_json::from_str(&text).attempt(format!("understanding {path}"))
    }

    /// `PUT` of a JSON document.
    ///
    /// # Errors
    /// No answer, or a status other than 2xx.
    pub fn put(&self, path: &str, body: &Value) -> Result<()> {
        let request = self.agent.put(format!("{}{path}", self.base)).header("Cookie", &self.cookie);
        let answer = request.header("X-Watchbook", "1").send_json(body).attempt(format!("putting {path}"))?;
        successful(path, answer).map(drop)
    }

    /// `POST` of a JSON document; the document that comes back, null when none does.
    ///
    /// # Errors
    /// No answer, or a status other than 2xx.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.agent.post(format!("{}{path}", self.base)).header("Cookie", &self.cookie);
        let answer = request.header("X-Watchbook", "1").send_json(body).attempt(format!("posting {path}"))?;
        let text = successful(path, answer)?.into_body().read_to_string().attempt(format!("reading {path}"))?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).attempt(format!("understanding {path}"))
    }

    /// Opens an emergency about what these cameras have recorded, with a second factor that it sets up; the number to play with. Once for each station.
    ///
    /// # Errors
    /// The station refuses.
    pub fn open_emergency(&self, cameras: &[u64]) -> Result<&'static str> {
        let set_up = self.post("/api/v1/session/second-factor/set-up", &json!({ "password": PASSWORD }))?;
        let key = set_up["key"].as_str().attempt("reading the second factor's key")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).attempt("asking for the time")?.as_secs();
        let shown = json!({ "code": watchbook_e2e::case::code(key, now) });
        self.post("/api/v1/session/second-factor/confirm", &shown)?;
        self.post("/api/v1/cases", &watchbook_e2e::case::emergency("LOAD-1", cameras))?;
        Ok("LOAD-1")
    }

    /// `GET`; the body is read as it comes.
    ///
    /// # Errors
    /// No answer, or a status other than 2xx.
    pub fn get(&self, path: &str) -> Result<impl Read + use<>> {
        Ok(self.answer(path)?.into_body().into_with_config().limit(BODY_BYTES_MAX).reader())
    }

    /// Time from the request to the first byte of the body, and the body's length as announced.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn first_byte(&self, path: &str) -> Result<(Duration, u64)> {
        let started = Instant::now();
        let answer = self.answer(path)?;
        let length =
            answer.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
        let mut byte = [0];
        answer.into_body().into_reader().read_exact(&mut byte).attempt(format!("reading the first byte of {path}"))?;
        Ok((started.elapsed(), length))
    }

    fn answer(&self, path: &str) -> Result<Response<Body>> {
        let request = self.agent.get(format!("{}{path}", self.base)).header("Cookie", &self.cookie);
        successful(path, request.call().attempt(format!("asking for {path}"))?)
    }
}

fn successful(path: &str, mut answer: Response<Body>) -> Result<Response<Body>> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let problem = answer.body_mut().read_to_string().unwrap_or_default();
    Err(Error(format!("{path} gave {}: {problem}", answer.status())))
}
