//! What a camera answers about itself.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| watchbook_capture::fuzz::onvif_answer(data));
