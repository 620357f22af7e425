//! A camera to ordered packets.
//!
//! * **Enters:** a [`CameraConfig`] (addresses, transport, user name and password), RTSP and RTP or JPEG pictures over HTTP from the network, each also over TLS, buffers from devices of
//!   this machine, two clocks.
//! * **Leaves:** through a [`Sink`]: recordings that begin at a key frame, their [`Packet`](watchbook_media::Packet)s in decode order with the
//!   time model of [`timeline`], and a [`StreamState`] that says in a sentence what is wrong and what to do.
//! * **Promises:** every wait is bounded, every queue and buffer has a named bound. A damaged access unit is dropped and counted, never handed on, and the packet behind it says so; nothing
//!   else is dropped, reordered or rewritten. A camera that fails is tried again for ever. A password is in no message, log or `Debug` output.
//! * **Never:** writes a file, decodes a picture, follows a redirect, connects or sends to an address outside the camera networks ([`networks`]), waits for whoever takes the packets (the sink does not block).
//! * **Proof:** unit and property tests beside each file (simulated clock, a day in a second); `tests/real_servers`, against GStreamer's RTSP server,
//!   live555 and a server that misbehaves on purpose.
//!
//! Inside, bottom up: `tls` says whether a camera that is spoken to encrypted is the one that was meant; `relay` stands between retina and cameras that are spoken to over TLS or UDP; `rtsp` (the only user of
//! retina), `http_mjpeg` (JPEG over HTTP) and `v4l2` (the only user of v4l) turn a session into access units, `session` is any of them; [`timeline`] turns their times into media
//! time and UTC;
//! `track` cuts them into recordings; `run` keeps a session going and [`reconnect`] says when to try again.

pub mod config;
#[cfg(test)]
#[path = "../../../tests/fuzz/corpus.rs"]
mod corpus;
pub mod encode;
mod failure;
mod health;
mod http_mjpeg;
mod multipart;
pub mod networks;
pub mod onvif;
pub mod probe;
pub mod reconnect;
mod relay;
mod rtsp;
mod run;
mod session;
pub mod sink;
pub mod timeline;
mod tls;
mod track;
mod v4l2;
mod watch;

/// What must hold for any bytes of a camera: `tests/fuzz` calls it.
#[cfg(fuzzing)]
pub mod fuzz {
    pub use crate::onvif::fuzz_body::onvif_answer;
    pub use crate::rtsp::fuzz_body::rtsp_session;
}

pub use config::{CameraConfig, Credentials, Error, SourceConfig, SourceUrl, Transport};
pub use encode::{Coded, Encoder, EncoderState, Encoders, Encoding, Masks, OnCoded, RawJob};
pub use failure::Failure;
pub use networks::Networks;
pub use probe::{ProbeReport, StillPicture, StreamProbe, probe, probe_with_picture};
pub use run::{CameraHandle, spawn_camera};
pub use sink::{LastGap, PictureFormat, Sink, Status, StreamState};
pub use tls::Fingerprint;
pub use v4l2::{Coding, DeviceName, LocalCamera, LocalControl, LocalFormat, LocalSize, local_cameras};
