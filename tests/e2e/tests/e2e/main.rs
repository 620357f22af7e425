//! End to end: real camera servers → the real recorder → what a client gets.

mod approval;
mod author;
mod backup;
mod bad_input;
mod cameras;
mod canary;
mod checkpoint;
mod crash;
mod crowd;
mod devices;
mod entry;
mod exports;
#[allow(clippy::unwrap_used, reason = "a test's")]
#[path = "../../../../appliance/plugin-engine/tests/fixtures/mod.rs"]
mod fixtures;
mod footage;
mod footage_log;
mod held;
mod hostile_http;
mod hostile_plugins;
mod inference;
mod jpeg;
mod loss;
mod matrix;
mod mirror;
mod objects;
mod places;
mod ports;
mod push;
mod record;
mod redacted;
mod rederive;
mod report;
mod served;
mod storage;
mod subject;
mod tls;
mod transcode;
mod wall;
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
