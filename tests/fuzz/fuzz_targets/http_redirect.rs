//! Path and host of a request in the open.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| watchbook_web::fuzz_body::http_redirect(data));
