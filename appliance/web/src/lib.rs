//! The HTTP API, live pictures, and the page.
//!
//! * **Enters:** requests from the network; packets and states from capture; the rest of the box through [`ports`].
//! * **Leaves:** JSON, problem documents, MP4, live fragments, the page's files; changes and audit entries through [`ports`].
//! * **Promises:** every route is a row with a permission and an audit rule, and an unknown route is refused (P9); no byte of footage leaves
//!   without a grant (P7); no password can be read back; every body, queue, table and connection has a bound; capture never waits for a
//!   viewer (P10).
//! * **Never:** knows a database, a camera protocol or a plugin engine; takes a path, a command or a codec argument from a request.
//! * **Proof:** `tests/walk.rs` walks every row as nobody and as every role; unit and property tests beside each file.

pub mod accounts;
mod address_secret;
pub mod api;
mod app;
mod backup;
mod cases;
mod check;
mod counts;
mod crowd;
pub mod error;
mod event_feed;
mod framing;
#[cfg(any(test, fuzzing))]
pub mod fuzz_body;
mod gate;
mod headers;
mod hex;
pub mod live;
mod mirrors;
mod openapi;
mod page;
mod passkey;
mod places;
pub mod ports;
mod range;
mod requests;
mod rights;
mod routes;
mod server;
mod settings;
mod spared;
mod stall;
mod stills;
pub mod tls;
mod transcode;
mod turning;
mod video;

pub use accounts::HashCost;
pub use app::{App, AppParts};
pub use backup::{BackupRow, BackupTable};
pub use cases::CaseBook;
pub use error::Error;
pub use event_feed::EventFeed;
pub use headers::{COOKIE, COOKIE_TLS, CSRF_HEADER};
pub use live::LiveHub;
pub use openapi::openapi;
pub use requests::Office;
pub use rights::Rights;
pub use server::{PRE_ROLL, router, serve};
pub use settings::{StationSetting, StationSettingKind};

#[cfg(test)]
mod tests;
