//! The body of a camera that sends JPEG over HTTP.

#![no_main]

#[path = "../../../appliance/capture/src/multipart/fuzz_body.rs"]
mod fuzz_body;
#[path = "../../../appliance/capture/src/multipart.rs"]
#[allow(dead_code, reason = "the boundary of a header is capture's")]
mod multipart;

use multipart::{Broken, Part, Parts};
use watchbook_media::mjpeg;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_body::multipart(data));
