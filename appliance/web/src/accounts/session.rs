//! Sessions: a random token in a cookie, its hash in the register.

use super::browser::{BrowserName, SystemName};
use super::password::random;
use crate::error::Error;
use crate::headers::TOKEN_BYTES;
use crate::hex::sha256;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use watchbook_base::MonoNanos;

/// A session that nobody uses ends after 12 h: a watch and its handover.
pub(crate) const IDLE_MAX_S: u64 = 12 * 3600;
/// Any session ends after 7 days.
pub(crate) const SESSION_MAX_S: u64 = 7 * 86_400;
/// Sessions of one account: a few browsers on a few machines. The oldest makes room.
pub(super) const SESSIONS_PER_ACCOUNT_MAX: usize = 16;
/// How stale the stored time of last use may be: a session in constant use costs one write in so long.
pub(super) const SEEN_EVERY_S: u64 = 600;

/// SHA-256 of a session's token.
pub(crate) type SessionKey = [u8; 32];

/// What is stored of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) account: u32,
    pub(super) begun_utc_ms: i64,
    pub(super) seen_utc_ms: i64,
    /// Where it was begun from.
    #[serde(default)]
    pub(super) address: Option<IpAddr>,
    #[serde(default)]
    pub(super) browser: BrowserName,
    #[serde(default)]
    pub(super) system: SystemName,
    /// It was begun over TLS: its token counts for nothing when it comes in the open.
    #[serde(default)]
    pub(super) tls: bool,
    /// When it last showed its second factor; not stored: after a restart it shows it again.
    #[serde(skip)]
    pub(super) factor_at: Option<MonoNanos>,
}

impl Session {
    /// When it ends if nobody uses it any more.
    pub(super) fn ends_utc_ms(&self) -> i64 {
        let after = |since: i64, s: u64| since.saturating_add(i64::try_from(s * 1000).unwrap_or(i64::MAX));
        after(self.begun_utc_ms, SESSION_MAX_S).min(after(self.seen_utc_ms, IDLE_MAX_S))
    }

    /// Over. A session from the future, after the clock was set back by more than a minute, is over too: its age cannot be known.
    pub(super) fn is_over(&self, now_utc_ms: i64) -> bool {
        let age_s =
            |since: i64| u64::try_from((now_utc_ms - since + 60_000).div_euclid(1000)).map(|s| s.saturating_sub(60));
        match (age_s(self.begun_utc_ms), age_s(self.seen_utc_ms)) {
            (Ok(age), Ok(idle)) => age >= SESSION_MAX_S || idle >= IDLE_MAX_S,
            _ => true,
        }
    }
}

/// A new token and its key.
pub(super) fn new_token() -> Result<([u8; TOKEN_BYTES], SessionKey), Error> {
    let token = random::<TOKEN_BYTES>()?;
    Ok((token, sha256(&token)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_idle_when_old_and_when_the_clock_goes_back() {
        let hour = 3_600_000;
        let stored =
            |begun: i64, seen: i64| serde_json::json!({"account": 1, "begun_utc_ms": begun, "seen_utc_ms": seen});
        // As the register has it from before addresses were kept.
        let session = |begun: i64, seen: i64| serde_json::from_value::<Session>(stored(begun, seen)).unwrap();
        assert!(!session(0, 0).is_over(12 * hour - 1000));
        assert!(session(0, 0).is_over(12 * hour));
        assert!(!session(0, 7 * 24 * hour - 2000).is_over(7 * 24 * hour - 1000));
        assert!(session(0, 7 * 24 * hour - 2000).is_over(7 * 24 * hour));
        assert!(!session(60_000, 60_000).is_over(0), "a minute of clock drift");
        assert!(session(hour, hour).is_over(0), "an hour back");
    }
}
