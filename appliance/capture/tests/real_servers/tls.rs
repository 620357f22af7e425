//! Encrypted RTSP against GStreamer's server with a certificate that it made itself, as cameras do.

use crate::support::{Recorded, SOON, Server, assert_contains, camera, password};
use std::process::Command;
use watchbook_base::{GapReason, TrackRole};
use watchbook_capture::{CameraConfig, Fingerprint, Status, probe};

const MAIN: TrackRole = TrackRole::MainVideo;

fn encrypted(folder: &tempfile::TempDir, port: &str) -> Server {
    let folder = folder.path().to_str().unwrap();
    Server::gstreamer(&["--tls", folder, "--user", "guard", "--password", "night watch", "--port", port])
}

fn camera_of(server: &Server) -> CameraConfig {
    let mut config = camera(&format!("{}main", server.url));
    config.credentials = password("guard", "night watch");
    config
}

/// The fingerprint as the `openssl` program tells it.
pub fn told_by_openssl(folder: &tempfile::TempDir) -> Fingerprint {
    let told = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(folder.path().join("camera.pem"))
        .output()
        .unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    text.trim().split_once('=').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_shown_first_then_trusted_by_a_person_and_a_changed_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = encrypted(&folder, "0");
    let mut config = camera_of(&server);
    let failure = probe(&config, SOON).await.main.unwrap_err();
    let shown = told_by_openssl(&folder);
    assert_eq!((failure.reason, failure.certificate), (GapReason::CameraUntrusted, Some(shown)));
    assert!(failure.detail.contains(&shown.to_string()), "{failure}");

    config.certificate = Some(shown);
    let found = probe(&config, SOON).await.main.unwrap();
    assert_eq!((found.format.width, found.format.height), (1280, 720));
    let recorded = Recorded::start(config);
    recorded.wait_packets(MAIN, 50);

    // The same camera with another certificate, or another machine in its place.
    let port = server.port().to_owned();
    drop(server);
    let other = tempfile::tempdir().unwrap();
    let changed = encrypted(&other, &port);
    let tape = recorded.wait("a refusal", |tape| tape.lost(GapReason::CameraUntrusted).is_some());
    let state = tape.lost(GapReason::CameraUntrusted).unwrap();
    assert_contains(&state.detail, "another certificate than the one that is trusted", &state);
    drop(changed);
    let _again = encrypted(&folder, &port);
    recorded.wait("pictures", |tape| tape.is(Status::Live) && tape.begins(MAIN).len() > 1);
    let tape = recorded.finish().await;
    assert!(tape.ends(MAIN).contains(&GapReason::CameraUntrusted));
    assert!(!format!("{:?}", tape.states).contains("night watch"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_without_encryption_is_told() {
    let server = Server::gstreamer(&[]);
    let config = camera(&format!("rtsps://127.0.0.1:{}/main", server.port()));
    let failure = probe(&config, SOON).await.main.unwrap_err();
    assert_eq!(failure.reason, GapReason::StreamUnusable);
    assert!(failure.detail.contains("does not speak TLS"), "{failure}");
}
