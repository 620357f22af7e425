//! A backup of the configuration.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| watchbook_web::fuzz_body::backup(data));
