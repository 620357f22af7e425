//! Against an ONVIF camera over real SOAP: `tests/e2e/servers/onvif_camera.py`, which an independent client agrees with (`onvif_agrees.py` beside it).

use crate::support::{Server, password};
use crate::tls::told_by_openssl;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use watchbook_base::GapReason;
use watchbook_capture::onvif::{Access, Device, DeviceUrl, Encoding, discovery, inspect};
use watchbook_capture::{Failure, Networks};

pub fn onvif(args: &[&str]) -> Server {
    Server::start("onvif_camera.py", &[&["--user", "guard", "--password", "night <watch>"], args].concat())
}

pub fn here() -> Networks {
    Networks::parse(&["127.0.0.0/8".to_owned()]).unwrap()
}

async fn ask(server: &Server, secret: &str) -> Result<Device, Failure> {
    let address = DeviceUrl::parse(&server.url).unwrap();
    inspect(&address, &access(secret), &here()).await
}

/// For the account of the camera here.
pub fn access(secret: &str) -> Access {
    Access { credentials: password("guard", secret), certificate: None }
}

#[tokio::test]
async fn a_camera_says_what_it_is_and_where_its_streams_are() {
    for args in [
        &["--media", "2"][..],
        &["--media", "1"],
        &["--media", "both", "--auth", "digest"],
        &["--fault", "no-services"],
        &["--fault", "media2-broken"],
        &["--host", "10.255.0.1"],
    ] {
        let server = onvif(args);
        let device = ask(&server, "night <watch>").await.unwrap_or_else(|failure| panic!("{args:?}: {failure}"));
        let said = [&device.manufacturer, &device.model, &device.firmware, &device.serial].map(String::as_str);
        assert_eq!(said, ["Acme <b>", "Gate 7", "1.2.3", "SN0001"]);
        assert_eq!(
            (device.macs.as_slice(), device.events, device.ptz),
            (&["02:00:5e:10:00:0a".to_owned()][..], true, true)
        );
        assert!(device.clock_offset_ms.is_some_and(|offset_ms| offset_ms.abs() < 60_000), "{device:?}");
        let profiles: Vec<_> =
            device.profiles.iter().map(|p| (p.token.as_str(), p.encoding, p.width, p.fps, p.gop)).collect();
        assert_eq!(profiles[0], ("main", Encoding::H264, 1920, 25, 50), "{args:?}");
        assert_eq!(profiles[1], ("sub", Encoding::H264, 640, 15, 30), "{args:?}");
        assert_eq!((profiles[2].0, profiles[2].1, profiles.len()), ("jpeg", Encoding::Jpeg, 3));
        assert_eq!(device.profiles[0].name, "Main <stream> & more");
        let (main, sub) = device.suggested();
        // Whatever host the camera writes into its addresses.
        assert_eq!(main.unwrap().stream.as_str(), "rtsp://127.0.0.1:554/main");
        assert_eq!(sub.unwrap().stream.as_str(), "rtsp://127.0.0.1:554/sub");
    }
}

#[tokio::test]
async fn an_encrypted_camera_is_asked_nothing_before_its_certificate_is_trusted() {
    for auth in ["wsse", "digest"] {
        let folder = tempfile::tempdir().unwrap();
        let server = onvif(&["--tls", folder.path().to_str().unwrap(), "--auth", auth]);
        let address = DeviceUrl::parse(&server.url).unwrap();
        assert!(address.as_str().starts_with("https://127.0.0.1:"));
        let mut access = access("night <watch>");
        let failure = inspect(&address, &access, &here()).await.unwrap_err();
        let shown = told_by_openssl(&folder);
        assert_eq!((failure.reason, failure.certificate), (GapReason::CameraUntrusted, Some(shown)), "{failure}");
        assert!(!server.log().contains("Get"), "{}", server.log());
        access.certificate = Some(shown);
        let device = inspect(&address, &access, &here()).await.unwrap();
        assert_eq!((device.serial.as_str(), device.profiles.len()), ("SN0001", 3));
        assert!(server.log().contains("GetProfiles"), "{}", server.log());
    }
}

/// Cameras whose clock is hours off refuse a token of ours; and their users blame the password (lumeohq/onvif-rs#79).
#[tokio::test]
async fn a_token_bears_the_cameras_own_time() {
    let ahead = onvif(&["--clock-offset-s", "7200", "--window-s", "20"]);
    let device = ask(&ahead, "night <watch>").await.unwrap();
    assert!(device.clock_offset_ms.is_some_and(|offset_ms| (7_190_000..7_260_000).contains(&offset_ms)), "{device:?}");
    let local = onvif(&["--fault", "local-time"]);
    assert_eq!(ask(&local, "night <watch>").await.unwrap().clock_offset_ms, None);
}

#[tokio::test]
async fn a_wrong_password_is_called_one() {
    for auth in ["wsse", "digest"] {
        let server = onvif(&["--auth", auth]);
        let failure = ask(&server, "day watch").await.unwrap_err();
        assert_eq!(failure.reason, GapReason::CameraDenied, "{auth}: {failure}");
        let address = DeviceUrl::parse(&server.url).unwrap();
        let failure = inspect(&address, &Access::default(), &here()).await.unwrap_err();
        assert!(failure.detail.contains("asks for a user name"), "{auth}: {failure}");
        assert!(!server.log().contains("watch"), "a password went out in the clear: {}", server.log());
    }
}

#[tokio::test]
async fn a_camera_that_means_harm_costs_a_sentence() {
    for (fault, part) in [
        ("huge", "more than 262144 bytes"),
        ("bomb", "its XML is broken"),
        ("html", "its XML is broken"),
        ("nested", "nested deeper"),
        ("redirect", "redirects"),
        ("slow", "did not answer"),
    ] {
        let server = onvif(&["--fault", fault]);
        let failure = ask(&server, "night <watch>").await.unwrap_err();
        assert!(failure.detail.contains(part) && failure.next_step.ends_with('.'), "{fault}: {failure}");
    }
    let server = onvif(&["--fault", "hostile-uri"]);
    let device = ask(&server, "night <watch>").await.unwrap();
    assert_eq!(device.profiles[0].stream.as_str(), "rtsp://127.0.0.1:554/main");
}

#[tokio::test]
async fn an_address_that_is_no_cameras_is_not_asked() {
    let server = onvif(&[]);
    let address = DeviceUrl::parse(&server.url).unwrap();
    let failure = inspect(&address, &Access::default(), &Networks::default()).await.unwrap_err();
    assert!(failure.detail.contains("is this machine itself"), "{failure}");
    assert_eq!(server.log(), "");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure =
        inspect(&DeviceUrl::parse(&nobody.to_string()).unwrap(), &Access::default(), &here()).await.unwrap_err();
    assert_eq!(failure.reason, GapReason::CameraGone, "{failure}");
}

#[tokio::test]
async fn a_camera_on_the_network_is_found() {
    // A port that is free a moment ago; the camera says when it listens.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = onvif(&["--discovery-port", &port.to_string(), "--host", "10.255.0.1"]);
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let found = discovery::discover_by(to, &here(), Duration::from_secs(2)).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?} {}", server.log());
    assert_eq!(found[0].url.as_str(), format!("{}onvif/device_service", server.url));
    assert_eq!((found[0].name.as_str(), found[0].hardware.as_str()), ("Gate 7", "G7"));
    let nobody = discovery::discover_by(to, &Networks::default(), Duration::from_secs(1)).await.unwrap();
    assert_eq!(nobody, [], "outside the camera networks");
    assert!(server.log().matches("Probe: answered").count() >= 2, "the question is asked twice: {}", server.log());
}
