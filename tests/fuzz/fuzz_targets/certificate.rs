//! A certificate that somebody uploads.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| watchbook_tls::fuzz_body::certificate(data));
