//! The configuration file.

#![no_main]

#[path = "../../../appliance/watchbook/src/config.rs"]
#[allow(dead_code, reason = "reading the file is the program's")]
mod config;
#[path = "../../../appliance/watchbook/src/error.rs"]
#[allow(dead_code, reason = "exit codes are the program's")]
mod error;

libfuzzer_sys::fuzz_target!(|data: &[u8]| config::fuzz_body::config(data));
