//! Tests of the whole crate on doubles of its ports.

mod accounts;
mod backup;
mod cameras;
mod cases;
mod counts;
mod decisions;
mod device;
mod doubles;
mod events;
mod exports;
mod factor;
mod live;
mod log;
mod mirror;
mod page;
mod passkeys;
mod plugins;
mod policies;
mod proposals;
mod ptz;
mod rederive;
mod report;
mod requests;
mod sessions;
mod settings;
mod station;
mod storage;
mod tls;
mod transcode;
mod video;
mod walk;

/// The application of a station that nobody has claimed, for what needs its book of accounts.
pub(crate) fn some_accounts() -> crate::App {
    station::Station::new().app.clone()
}
