//! What a browser says about a passkey.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| watchbook_web::fuzz_body::passkey(data));
