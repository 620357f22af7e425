//! Capture against real RTSP servers (GStreamer's, live555's, VLC's) and against one that misbehaves on purpose (`tests/e2e/servers`).

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod bad;
mod gstreamer;
mod http;
mod live555;
mod onvif;
mod onvif_follow;
mod support;
mod tls;
mod vlc;
mod worst;
