use super::*;
use crate::api::Transport;
use proptest::prelude::*;

fn stream(url: &str) -> StreamAddress {
    StreamAddress { url: Some(url.to_owned()), transport: Transport::Tcp, interval_ms: None }
}

#[test]
fn good_addresses_keep_their_meaning() {
    for (given, stored) in [
        ("rtsp://192.168.1.20/stream1", "rtsp://192.168.1.20/stream1"),
        (" rtsp://cam.local:8554/h264?ch=1&q=2 ", "rtsp://cam.local:8554/h264?ch=1&q=2"),
        ("rtsp://[fe80::1]:554/x", "rtsp://[fe80::1]:554/x"),
        ("RTSP://h/Path", "rtsp://h/Path"),
        ("rtsps://h/a#frag", "rtsps://h/a"),
        ("v4l2:usb:046d:0825:A1:0.0?format=H264&size=1280x720", "v4l2:usb:046d:0825:A1:0.0?format=H264&size=1280x720"),
        ("http://192.168.1.20:80/video.mjpg?fps=5", "http://192.168.1.20/video.mjpg?fps=5"),
    ] {
        assert_eq!(address("main", &stream(given)).unwrap().0.url, stored);
    }
}

#[test]
fn an_interval_is_within_its_bounds() {
    let asked = |interval_ms| address("main", &StreamAddress { interval_ms, ..stream("http://h/snap.jpg") });
    assert_eq!(asked(Some(200)).unwrap().0.interval_ms, Some(200));
    assert!(asked(None).is_ok() && asked(Some(5_000)).is_ok());
    for bad in [0, 199, 5_001, u32::MAX] {
        assert!(asked(Some(bad)).unwrap_err().message.contains("200 to 5000"), "{bad}");
    }
}

#[test]
fn the_destination_knows_default_ports() {
    let same = |a: &str, b: &str| destination(a) == destination(b);
    assert!(same("rtsp://h/a", "rtsp://h:554/b") && same("rtsps://h/a", "rtsps://h:322/b"));
    assert!(same("http://h/a", "http://h:80/b") && !same("http://h/a", "rtsp://h:80/a"));
    assert!(
        !same("rtsp://h/a", "rtsp://h:555/a") && !same("rtsp://h/a", "rtsps://h/a") && !same("rtsp://h/", "rtsp://i/")
    );
}

#[test]
fn khmer_and_emoji_names_are_names() {
    for text in ["សុខា ឆ្នាំង", "Caméra 🎥", "گیت", "ก\u{200D}ข"] {
        assert_eq!(name("name", &format!("  {text} ")).unwrap(), text);
    }
}

proptest! {
    #[test]
    fn no_text_makes_an_address_panic_or_keep_its_password(text in ".{0,80}", user in "[a-z]{1,5}", password in "[A-Z0-9]{8}") {
        drop(address("main", &stream(&text)));
        if let Ok((config, found)) = address("main", &stream(&format!("rtsp://{user}:{password}@h/x"))) {
            prop_assert!(!config.url.contains(&password) && !config.url.contains('@'));
            prop_assert_eq!(found.username.as_deref(), Some(user.as_str()));
            prop_assert_eq!(found.password.as_ref().map(Secret::reveal), Some(password.as_str()));
        }
    }

    #[test]
    fn a_taken_name_fits_its_bounds(text in "\\PC{0,200}") {
        if let Ok(name) = name("name", &text) {
            prop_assert!(!name.is_empty() && name.len() <= NAME_BYTES_MAX && name.trim() == name);
        }
    }
}
