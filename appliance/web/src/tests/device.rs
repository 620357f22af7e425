//! A device that makes and shows passkeys as an authenticator and a browser do together, and the station as it is reached by name over TLS.

use super::station::{Answer, Ask, PASSWORD, Station};
use crate::hex::sha256;
use crate::passkey::{decode, encode};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

/// A name of the certificate that [`super::tls::keep_upload`] keeps.
pub(super) const HOST: &str = "box.example";
pub(super) const ORIGIN: &str = "https://box.example";
pub(super) const OWN: &str = "/api/v1/session/passkeys";
pub(super) const SET_UP: &str = "/api/v1/session/passkeys/set-up";
pub(super) const CHALLENGE: &str = "/api/v1/session/passkey/challenge";
pub(super) const SIGN_IN: &str = "/api/v1/session/passkey";
pub(super) const SHOW: &str = "/api/v1/session/second-factor/passkey";
/// `SubjectPublicKeyInfo` of a point on P-256, up to the point (RFC 5480 section 2.1).
const SPKI: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

/// How an answer of the device is wrong.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) origin: &'static str,
    pub(super) host: &'static str,
    pub(super) flags: u8,
    pub(super) counter: Option<u32>,
    pub(super) kind: Option<&'static str>,
}

impl Default for Said {
    fn default() -> Self {
        Self { origin: ORIGIN, host: HOST, flags: 0x05, counter: None, kind: None }
    }
}

pub(super) struct Device {
    key: EcdsaKeyPair,
    id: Vec<u8>,
    counter: u32,
    pub(super) user: String,
}

impl Device {
    pub(super) fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let id = sha256(key.public_key().as_ref()).to_vec();
        Self { key, id, counter: 0, user: String::new() }
    }

    /// What the page sends when this device made a passkey.
    pub(super) fn made(&mut self, set_up: &Value, name: &str, said: &Said) -> Value {
        self.user = set_up["user"].as_str().unwrap().to_owned();
        let len = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        // The key in CBOR would follow, which nobody reads.
        let made = [&[0; 16][..], &len, &self.id, &[0xA0]].concat();
        let spki = [&crate::hex::decode_all(SPKI).unwrap()[..], self.key.public_key().as_ref()].concat();
        json!({
            "name": name,
            "client_data": encode(client(set_up, said.kind.unwrap_or("webauthn.create"), said.origin).as_bytes()),
            "authenticator_data": encode(&[authenticator(said, said.flags | 0x40, 0), made].concat()),
            "public_key": encode(&spki),
            "algorithm": -7,
        })
    }

    /// What the page sends when this device shows its passkey.
    pub(super) fn shown(&mut self, challenge: &Value, said: &Said) -> Value {
        self.counter += 1;
        let data = authenticator(said, said.flags, said.counter.unwrap_or(self.counter));
        let client = client(challenge, said.kind.unwrap_or("webauthn.get"), said.origin);
        let signed = [&data[..], &sha256(client.as_bytes())].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "credential": encode(&self.id),
            "client_data": encode(client.as_bytes()),
            "authenticator_data": encode(&data),
            "signature": encode(signature.as_ref()),
            "user": self.user,
        })
    }
}

fn authenticator(said: &Said, flags: u8, counter: u32) -> Vec<u8> {
    [&sha256(said.host.as_bytes())[..], &[flags], &counter.to_be_bytes()].concat()
}

fn client(asked: &Value, kind: &str, origin: &str) -> String {
    assert_eq!(decode(asked["challenge"].as_str().unwrap(), 32).unwrap().len(), 32);
    json!({"type": kind, "challenge": asked["challenge"], "origin": origin, "crossOrigin": false}).to_string()
}

/// A request to the station by its name, over TLS.
pub(super) fn by_name(ask: Ask) -> Ask {
    ask.without("host").header("host", HOST).over_tls()
}

impl Station {
    pub(super) async fn post_by_name(&self, path: &str, cookie: &str, body: &Value) -> Answer {
        self.send(by_name(Ask::new("POST", path).by(cookie).json(body))).await
    }

    /// Signs in with name and password over TLS; the station has a certificate for its name from then on.
    pub(super) async fn sign_in_by_name(&self, name: &str) -> String {
        super::tls::keep_upload(self);
        let answer = self.post_by_name("/api/v1/session", "", &json!({"name": name, "password": PASSWORD})).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.cookie()
    }

    pub(super) async fn passkey_challenge(&self) -> Value {
        let answer = self.send(by_name(Ask::new("GET", CHALLENGE))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(super) async fn passkey_set_up(&self, cookie: &str) -> Value {
        let answer = self.post_by_name(SET_UP, cookie, &json!({"password": PASSWORD})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// A device with a passkey for the account of this session, and the passkey's number.
    pub(super) async fn add_passkey(&self, cookie: &str, name: &str) -> (Device, String) {
        let mut device = Device::new();
        let made = device.made(&self.passkey_set_up(cookie).await, name, &Said::default());
        let answer = self.post_by_name(OWN, cookie, &made).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        (device, id)
    }
}
