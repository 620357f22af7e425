//! A whole session with a camera: answers, session description, RTP, RTCP, pictures and sound.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| watchbook_capture::fuzz::rtsp_session(data));
