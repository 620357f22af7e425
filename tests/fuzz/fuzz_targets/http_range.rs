//! `Range` and `If-Range` of a request.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| watchbook_web::fuzz_body::http_range(data));
