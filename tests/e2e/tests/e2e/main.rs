//! End to end: real camera servers → the real recorder → what a client gets.

mod approval;
mod author;
mod backup;
mod bad_input;
mod cameras;
mod checkpoint;
mod crash;
mod devices;
mod entry;
mod exports;
#[allow(clippy::unwrap_used, reason = "a test's")]
#[path = "../../../../appliance/plugin-engine/tests/fixtures/mod.rs"]
mod fixtures;
mod footage;
mod footage_log;
mod held;
mod inference;
mod jpeg;
mod loss;
mod mirror;
mod places;
mod push;
mod record;
mod redacted;
mod rederive;
mod report;
mod served;
mod storage;
mod subject;
mod transcode;
mod witness;

/// A test that lacks something passes, and `make test` says so at its end.
fn not_tested(why: &str) {
    use std::io::Write as _;
    eprintln!("NOT TESTED: {why}");
    if let Some(path) = std::env::var_os("WATCHBOOK_NOT_TESTED") {
        let mut file =
            std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the list can be written");
        writeln!(file, "{why}").expect("the list can be written");
    }
}
