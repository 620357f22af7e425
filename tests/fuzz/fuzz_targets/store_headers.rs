//! The heads of superblocks, segments and key files.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| watchbook_store::fuzz_body::headers(data));
