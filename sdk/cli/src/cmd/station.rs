//! A station's HTTP API, as far as an author needs it.

use crate::cmd::package::password;
use crate::usage;
use pico_args::Arguments;
use rustls::crypto::aws_lc_rs::default_provider;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{Response, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, RequestBuilder};
use watchbook_base::here::is_here;

/// A package of 16 MiB over a slow line, and the checks of a busy station.
const CALL_MAX: Duration = Duration::from_secs(120);
/// An answer. The list of all plugins with their settings has less.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// A file with authorities. That of a whole system has less.
const CA_BYTES_MAX: u64 = 1 << 20;

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
        let authority: Option<PathBuf> = arguments.opt_value_from_str("--ca").map_err(usage(name))?;
        let agent = agent(&base, authority.as_deref())?;
        let base = base.trim_end_matches('/').to_owned();
        let mut station = Self { agent, base, cookie: String::new() };
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
        match error {
            error if is_distrust(error) => {
                let next = "give its authority's certificate with --ca FILE: the station has it at /ca.crt, and its fingerprint must be the one on the station's console";
                format!("{} could not be trusted: {error}; {next}", self.base)
            }
            error => format!("{} does not answer: {error}", self.base),
        }
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

/// The address leads nowhere but into this machine.
fn leads_here(base: &str) -> bool {
    base.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(is_here))
}

/// A handshake that came to nothing comes as what went wrong with reading, too.
fn is_distrust(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => true,
        ureq::Error::Io(error) => error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()),
        _ => false,
    }
}

/// Over TLS it trusts the authority in the file `authority` (PEM or DER) alone, else those of the system. Plain HTTP is what a station speaks on its own loopback.
fn agent(base: &str, authority: Option<&Path>) -> Result<Agent, String> {
    let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(CALL_MAX));
    let config = config.max_redirects(0).proxy(None);
    let config = match (base.split_once("://").map(|(scheme, _)| scheme), authority) {
        (Some("http"), None) if leads_here(base) => config,
        (Some("http"), None) => {
            return Err(format!(
                "`{base}`: a password is sent in the open to a program on this machine alone; give the address with https://, or one that a tunnel ends at, such as http://127.0.0.1:8080"
            ));
        }
        (Some("https"), authority) => {
            let roots = match authority {
                Some(file) => authorities(file)?,
                None => of_system()?,
            };
            let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots));
            config.tls_config(tls.unversioned_rustls_crypto_provider(Arc::new(default_provider())).build())
        }
        (Some("http"), Some(_)) => return Err("--ca goes with an https:// address".to_owned()),
        _ => {
            return Err(format!(
                "`{base}`; the address of a station's page is expected, such as https://10.0.0.5:8080"
            ));
        }
    };
    Ok(config.build().into())
}

fn authorities(file: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let name = file.display();
    let told = |error: std::io::Error| format!("reading {name}: {error}");
    let mut bytes = Vec::new();
    std::fs::File::open(file).map_err(told)?.take(CA_BYTES_MAX).read_to_end(&mut bytes).map_err(told)?;
    // DER is one SEQUENCE (X.690 §8.9.1): a browser and the station's /ca.crt give a certificate so.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![Certificate::from_der(&bytes).to_owned()]);
    }
    let found = parse_pem(&bytes).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Err(format!("{name} has no certificate; the station gives its own at /ca.crt"));
    }
    Ok(found)
}

fn of_system() -> Result<Vec<Certificate<'static>>, String> {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        let message = "this machine has no list of certificate authorities; give the station's with --ca FILE";
        return Err(message.to_owned());
    }
    Ok(found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_goes_in_the_open_over_a_network() {
        for here in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:8080/", "http://127.9.9.9"] {
            assert!(agent(here, None).is_ok(), "{here}");
        }
        for there in
            ["http://10.0.0.5:8080", "http://127.0.0.1.example", "http://[fd00::1]", "http://", "ftp://127.0.0.1"]
        {
            assert!(agent(there, None).is_err(), "{there}");
        }
    }
}
