//! A station's HTTP API, as far as an author needs it.

use crate::cmd::package::password;
use crate::usage;
use pico_args::Arguments;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use ureq::{Agent, Body, RequestBuilder, http::Response};

/// A package of 16 MiB over a slow line, and the checks of a busy station.
const CALL_MAX: Duration = Duration::from_secs(120);
/// An answer. The list of all plugins with their settings has less.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// An account that is signed in at a station, until it is dropped.
pub(crate) struct Station {
    agent: Agent,
    base: String,
    cookie: String,
}

impl Station {
    /// Signs in at the address that follows `option`.
    pub(crate) fn sign_in(arguments: &mut Arguments, name: &'static str, option: &'static str) -> Result<Self, String> {
        let base: String = arguments.value_from_str(option).map_err(usage(name))?;
        let account: String = arguments.value_from_str("--account").map_err(usage(name))?;
        let file: Option<PathBuf> = arguments.opt_value_from_str("--password-file").map_err(usage(name))?;
        if !base.starts_with("http://") {
            return Err(format!("`{base}`; the address of a station's page is expected, such as http://10.0.0.5:8080"));
        }
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(CALL_MAX)).max_redirects(0);
        let base = base.trim_end_matches('/').to_owned();
        let mut station = Self { agent: config.build().into(), base, cookie: String::new() };
        let password = password(file.as_deref(), &format!("Password of {account} at {}: ", station.base))?;
        let url = station.url("/api/v1/session");
        let request = station.agent.post(&url).header("X-Watchbook", "1");
        let answer = request.send_json(json!({ "name": account, "password": password }));
        let answer = answer.map_err(|error| station.unreachable(&error))?;
        let cookie = answer.headers().get("set-cookie").and_then(|value| value.to_str().ok());
        station.cookie = cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or_default().to_owned();
        station.read(answer)?;
        Ok(station)
    }

    /// The address of its page.
    pub(crate) fn address(&self) -> &str {
        &self.base
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, String> {
        let answer = self.with_cookie(self.agent.get(self.url(path))).call();
        self.read(answer.map_err(|error| self.unreachable(&error))?)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let answer = self.with_cookie(self.agent.post(self.url(path))).send_json(body);
        self.read(answer.map_err(|error| self.unreachable(&error))?)
    }

    pub(crate) fn upload(&self, path: &str, bytes: &[u8]) -> Result<Value, String> {
        let request = self.with_cookie(self.agent.post(self.url(path)));
        let answer = request.header("Content-Type", "application/octet-stream").send(bytes);
        self.read(answer.map_err(|error| self.unreachable(&error))?)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn with_cookie<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        request.header("X-Watchbook", "1").header("Cookie", &self.cookie)
    }

    fn unreachable(&self, error: &ureq::Error) -> String {
        format!("{} does not answer: {error}", self.base)
    }

    /// The JSON of an answer; what went wrong and what to do when it is a problem document.
    fn read(&self, answer: Response<Body>) -> Result<Value, String> {
        let status = answer.status();
        let bytes = answer.into_body().into_with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let bytes = bytes.map_err(|error| self.unreachable(&error))?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        let word =
            |key: &str, before: &str| value[key].as_str().map(|word| format!("{before}{word}")).unwrap_or_default();
        Err(format!("{} answers {status}{}{}", self.base, word("detail", ": "), word("next_step", ". ")))
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        // A session that was not ended ends by itself after a while.
        if !self.cookie.is_empty() {
            let request = self.agent.delete(self.url("/api/v1/session"));
            let _ = request.header("X-Watchbook", "1").header("Cookie", &self.cookie).call();
        }
    }
}
