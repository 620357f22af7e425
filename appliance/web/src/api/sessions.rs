//! Where accounts are signed in.

pub use crate::accounts::{BrowserName, SystemName};
use serde::Serialize;
use utoipa::ToSchema;

/// A session of an account. Its address and browser are those that it was begun with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignedIn {
    /// Names it in this list and in the audit log; opens nothing.
    pub id: String,
    /// It is the session of whoever asks.
    pub here: bool,
    /// Whose.
    pub account: u32,
    /// Present name of the account.
    pub account_name: String,
    /// When somebody signed in.
    pub since_utc_ms: i64,
    /// When it was last used, as far as that is written down: every ten minutes.
    pub used_utc_ms: i64,
    /// When it ends by itself if nobody uses it.
    pub ends_utc_ms: i64,
    /// Address that it was begun from; of a proxy where one stands before the recorder. Null for one from before addresses were kept.
    pub address: Option<String>,
    /// What the browser said it is.
    pub browser: BrowserName,
    /// What the browser said that it runs on.
    pub system: SystemName,
}

/// Answer of the lists of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignedInList {
    /// The last used first.
    pub sessions: Vec<SignedIn>,
}
