//! A commit of the segment log.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| watchbook_store::fuzz_body::commit(data));
