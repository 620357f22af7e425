//! A segment of the log, as a start looks through it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| watchbook_store::fuzz_body::segment(data));
