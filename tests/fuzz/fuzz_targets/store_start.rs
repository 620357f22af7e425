//! A start of the recorder on a ring that somebody wrote to.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| watchbook_store::fuzz_body::start(data));
