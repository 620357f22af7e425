//! A log over HTTP (C2SP tlog-tiles), as a recorder serves it below `/api/v1/log`.

use super::source::{BUNDLE_BYTES_MAX, Source, Trouble, decoded};
use rustls::crypto::aws_lc_rs::default_provider;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use watchbook_base::here::is_here;
use watchbook_evidence::Hash;
use watchbook_evidence::note::NOTE_BYTES_MAX;
use watchbook_evidence::tile::{TILE_WIDTH, Tile};

const PREFIX: &str = "/api/v1/log";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// One answer is 4 MiB at most: 70 kB/s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// An agent that follows no redirect, trusts the authorities of the system, and waits for nothing longer than [`ANSWER_TIMEOUT`].
pub(crate) fn agent(url: &str) -> Result<Agent, String> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(ANSWER_TIMEOUT))
        .user_agent("watchbook-witness");
    let config = match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("http") => config,
        Some("https") => {
            let found = rustls_native_certs::load_native_certs();
            let roots: Vec<Certificate<'static>> =
                found.certs.iter().map(|cert| Certificate::from_der(cert).to_owned()).collect();
            if roots.is_empty() {
                return Err("this machine has no list of certificate authorities; install ca-certificates".to_owned());
            }
            let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots));
            config.tls_config(tls.unversioned_rustls_crypto_provider(Arc::new(default_provider())).build())
        }
        _ => return Err("the address of the recorder begins with http:// or https://".to_owned()),
    };
    Ok(config.build().into())
}

/// The address leads nowhere but into this machine.
fn leads_here(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(is_here))
}

/// A recorder.
pub(super) struct Http {
    agent: Agent,
    base: String,
    authorization: String,
}

impl Http {
    pub(super) fn new(url: &str, token: &str) -> Result<Self, String> {
        let plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain {
            return Err("the file with the token has no token; copy the line that the page showed into it".to_owned());
        }
        if url.starts_with("http://") && !leads_here(url) {
            return Err("over a network the token would be sent in the open; give the address with https://, or one that a tunnel ends at on this machine".to_owned());
        }
        let base = format!("{}{PREFIX}", url.trim_end_matches('/'));
        Ok(Self { agent: agent(url)?, base, authorization: format!("Bearer {token}") })
    }

    fn get(&self, path: &str, bytes_max: u64) -> Result<Vec<u8>, Trouble> {
        let url = format!("{}/{path}", self.base);
        let unreached = |why: &dyn core::fmt::Display| Trouble::Unreached(format!("{url}: {why}"));
        let request = self.agent.get(&url).header("Authorization", &self.authorization);
        let answer = request.call().map_err(|error| unreached(&error))?;
        match answer.status() {
            StatusCode::OK => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(Trouble::NotLetIn(format!("{url} answers {status}")));
            }
            status => return Err(unreached(&format!("it answers {status}"))),
        }
        let body = answer.into_body().into_with_config().limit(bytes_max).read_to_vec();
        body.map_err(|error| unreached(&error))
    }
}

impl Source for Http {
    fn checkpoint(&mut self) -> Result<Vec<u8>, Trouble> {
        self.get("checkpoint", NOTE_BYTES_MAX as u64)
    }

    fn entries(&mut self, tile: Tile) -> Result<Vec<Vec<u8>>, Trouble> {
        decoded(tile, &self.get(&tile.entries_path(), BUNDLE_BYTES_MAX)?)
    }

    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, Trouble> {
        let bytes = self.get(&tile.to_string(), u64::from(TILE_WIDTH) * 32)?;
        match bytes.as_chunks::<32>() {
            (hashes, []) if hashes.len() == usize::from(tile.width) => Ok(hashes.to_vec()),
            _ => Err(Trouble::Unreached(format!("{tile} has {} bytes", bytes.len()))),
        }
    }

    fn is_cheap(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_goes_in_the_open_over_a_network() {
        assert!(Http::new("http://127.0.0.1:8080", "token").is_ok());
        assert!(Http::new("http://192.0.2.2:8080", "token").is_err());
    }
}
