//! What a camera says over an RTSP connection.

#![no_main]

#[path = "../../../appliance/capture/src/relay/fuzz_body.rs"]
mod fuzz_body;
#[path = "../../../appliance/capture/src/relay/message.rs"]
#[allow(dead_code, reason = "what changes a message is capture's")]
mod message;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_body::messages(data));
