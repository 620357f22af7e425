//! What a test needs before it may play footage: a second factor, and an open case.

use crate::client::Client;
use crate::recorder::now_ms;
use serde_json::{Value, json};

/// How long an emergency is asked for: less than the 30 minutes that it may last, because clocks are looked at twice.
const EMERGENCY_MS: i64 = 29 * 60_000;
/// How much footage before now it is about: less than the day that it may be.
const BEFORE_MS: i64 = 23 * 3_600_000;

/// What an authenticator with this key (base 32) shows at a moment, in seconds since 1970.
///
/// # Panics
/// When the key is not one of 20 bytes.
pub fn code(key: &str, second: u64) -> String {
    let digit =
        |letter: char| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).expect("a key has the letters of base 32");
    let bits: Vec<bool> =
        key.chars().map(digit).flat_map(|digit| (0..5).rev().map(move |at| digit >> at & 1 == 1)).collect();
    let byte = |bits: &[bool]| bits.iter().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit));
    let bytes: Vec<u8> = bits.chunks_exact(8).map(byte).collect();
    let secret: [u8; 20] = bytes.try_into().expect("a key has 32 characters");
    totp_rs::Builder::new().with_secret(secret).build_noncompliant().generate(second).to_string()
}

/// An emergency about everything that some cameras have recorded in the last day, as the API takes it: the one way in which the one person of a station may play footage.
pub fn emergency(number: &str, cameras: &[u64]) -> Value {
    let now = now_ms();
    json!({
        "case": number, "purpose": "equipment_check", "cameras": cameras, "from_utc_ms": now - BEFORE_MS,
        "to_utc_ms": now + EMERGENCY_MS - 60_000, "expires_utc_ms": now + EMERGENCY_MS, "emergency": true,
    })
}

/// Sets up a second factor for the account that is signed in, which has then shown it.
///
/// # Panics
/// When the API refuses.
pub fn second_factor(client: &mut Client, password: &str) -> String {
    let set_up = client.send("POST", "/api/v1/session/second-factor/set-up", &json!({ "password": password })).ok();
    let key = set_up.json()["key"].as_str().expect("a key").to_owned();
    let second = u64::try_from(now_ms() / 1000).expect("the clock is past 1970");
    let shown = json!({ "code": code(&key, second) });
    drop(client.send("POST", "/api/v1/session/second-factor/confirm", &shown).ok());
    key
}
