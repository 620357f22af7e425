use super::clock::device_clock;
use super::*;
use proptest::prelude::*;
use std::time::SystemTime;

#[test]
fn an_address_may_be_typed_in_many_ways() {
    for (text, whole) in [
        ("192.168.1.10", "http://192.168.1.10/onvif/device_service"),
        (" camera.local:8000 ", "http://camera.local:8000/onvif/device_service"),
        ("http://192.168.1.10/", "http://192.168.1.10/onvif/device_service"),
        ("http://192.168.1.10:80/onvif/service?x", "http://192.168.1.10/onvif/service"),
        ("[fd00::7]:81", "http://[fd00::7]:81/onvif/device_service"),
        ("https://192.168.1.10/", "https://192.168.1.10/onvif/device_service"),
        ("https://camera.local:8443/onvif/x", "https://camera.local:8443/onvif/x"),
    ] {
        assert_eq!(DeviceUrl::parse(text).unwrap().as_str(), whole);
    }
    for text in
        ["", "ftp://192.168.1.10/", "rtsp://192.168.1.10/", "admin:secret@192.168.1.10", "a b", "http://", "%31.0.0.1"]
    {
        let error = DeviceUrl::parse(text).expect_err(text);
        assert!(error.message.ends_with('.') && !error.message.contains("secret"), "{text}: {error}");
    }
}

#[test]
fn a_service_stays_on_the_host_that_was_asked() {
    let device = DeviceUrl::parse("192.168.1.10:8000").unwrap();
    let moved = |given: &str| device.moved(given).map(|url| url.as_str().to_owned());
    assert_eq!(moved("http://10.0.0.7/onvif/media?a=b").as_deref(), Some("http://192.168.1.10/onvif/media?a=b"));
    assert_eq!(moved("http://127.0.0.1:22/x").as_deref(), Some("http://192.168.1.10:22/x"));
    assert_eq!(moved("media"), None);
    let encrypted = DeviceUrl::parse("https://192.168.1.10:8443").unwrap();
    let moved = |given: &str| encrypted.moved(given).map(|url| url.as_str().to_owned());
    assert_eq!(moved("https://10.0.0.7/onvif/media").as_deref(), Some("https://192.168.1.10/onvif/media"));
    let plain = moved("http://10.0.0.7:8000/onvif/media");
    assert_eq!(plain.as_deref(), Some("https://192.168.1.10:8443/onvif/media"), "no question leaves the encryption");
}

fn profile(encoding: Encoding, width: u32, height: u32) -> Profile {
    let token = format!("{width}x{height}");
    let (stream, _) = SourceUrl::parse(&format!("rtsp://192.168.1.10/{token}")).unwrap();
    Profile { name: token.clone(), token, encoding, width, height, fps: 25, bitrate_kbps: 4_000, gop: 50, stream }
}

fn device(profiles: Vec<Profile>) -> Device {
    let empty = String::new;
    let (manufacturer, model, firmware, serial) = (empty(), empty(), empty(), empty());
    let (macs, clock_offset_ms, events, ptz, masks) = (Vec::new(), None, false, false, false);
    Device { manufacturer, model, firmware, serial, macs, clock_offset_ms, events, ptz, masks, profiles }
}

#[test]
fn the_largest_stream_is_recorded_and_a_small_one_is_watched() {
    use Encoding::{H264, H265, Jpeg};
    let suggested = |profiles: &[Profile]| {
        let device = device(profiles.to_vec());
        let (main, sub) = device.suggested();
        (main.map(|main| main.token.clone()), sub.map(|sub| sub.token.clone()))
    };
    let some = |text: &str| Some(text.to_owned());
    let (large, middle, small) = (profile(H265, 2560, 1440), profile(H264, 1280, 720), profile(H264, 640, 360));
    let snapshots = profile(Jpeg, 3840, 2160);
    assert_eq!(
        suggested(&[small.clone(), large.clone(), middle.clone(), snapshots.clone()]),
        (some("2560x1440"), some("640x360"))
    );
    assert_eq!(suggested(&[large.clone(), middle.clone()]), (some("2560x1440"), some("1280x720")));
    assert_eq!(suggested(core::slice::from_ref(&middle)), (some("1280x720"), None));
    assert_eq!(suggested(&[snapshots]), (None, None));
    // Two of one size: the camera's first is its main stream.
    let (first, second) = (Profile { token: "1".into(), ..large.clone() }, Profile { token: "2".into(), ..large });
    assert_eq!(suggested(&[first, second]), (some("1"), None));
}

#[test]
fn a_clock_is_read_and_compared() {
    let reply = |date: &str, time: &str| {
        format!(
            "<R><SystemDateAndTime><UTCDateTime><Time>{time}</Time><Date>{date}</Date></UTCDateTime></SystemDateAndTime></R>"
        )
    };
    let clock = |text: &str| device_clock(xml::parse(text).unwrap().root_element()).map(|clock| clock.utc_ms);
    let (date, time) =
        ("<Year>2026</Year><Month>11</Month><Day>26</Day>", "<Hour>14</Hour><Minute>2</Minute><Second>8</Second>");
    // date -u -d '2026-11-26 14:02:08' +%s
    assert_eq!(clock(&reply(date, time)), Some(1_795_701_728_000));
    assert_eq!(clock(&reply("<Year>2026</Year><Month>13</Month><Day>26</Day>", time)), None);
    assert_eq!(clock(&reply("", "")), None);
    assert_eq!(clock("<R/>"), None);
    let at = |ms| SystemTime::UNIX_EPOCH + core::time::Duration::from_millis(ms);
    assert_eq!(clock::offset_ms(60_000, at(1_000), at(2_000)), Some(59_000));
}

#[test]
fn hardware_addresses_have_one_spelling() {
    let text = "<R><NetworkInterfaces><Info><HwAddress>02-00-5E-10-00-0A</HwAddress></Info></NetworkInterfaces>\
                <NetworkInterfaces><Info><HwAddress>none</HwAddress></Info></NetworkInterfaces></R>";
    assert_eq!(macs(xml::parse(text).unwrap().root_element()), ["02:00:5e:10:00:0a"]);
}

#[test]
fn another_camera_is_told_by_what_both_have_told() {
    let known = Identity {
        manufacturer: "Acme".into(),
        model: "Gate 7".into(),
        firmware: "1.0".into(),
        serial: "SN1".into(),
        hardware: "7".into(),
        macs: vec!["02:00:5e:10:00:0a".into()],
    };
    let differs = |change: &dyn Fn(&mut Identity)| {
        let mut now = known.clone();
        change(&mut now);
        now.differs_from(&known)
    };
    let said =
        |change: &dyn Fn(&mut Identity), part: &str| differs(change).is_some_and(|sentence| sentence.contains(part));
    assert!(said(&|now| now.serial = "SN2".into(), "serial number is SN2"));
    assert!(said(&|now| now.macs = vec!["02:00:5e:10:00:0b".into()], "hardware address"));
    assert!(said(&|now| now.model = "Gate 8".into(), "model"));
    assert!(said(&|now| now.hardware = "8".into(), "hardware number"));
    // An update, an interface more, and what one of the two did not tell are no other camera.
    assert_eq!(differs(&|now| now.firmware = "2.0".into()), None);
    assert_eq!(differs(&|now| now.macs.push("02:00:5e:10:00:0b".into())), None);
    assert_eq!(differs(&|now| *now = Identity::default()), None);
    assert_eq!(known.differs_from(&Identity::default()), None);
}

#[test]
fn xml_that_would_cost_much_is_refused_before_it_does() {
    let deep = "<a>".repeat(100) + &"</a>".repeat(100);
    let wide = format!("<a {}/>", (0..2_000).map(|n| format!("b{n}=''")).collect::<Vec<_>>().join(" "));
    let many = format!("<a>{}</a>", "<b/>".repeat(60_000));
    let bomb = "<!DOCTYPE a [<!ENTITY b 'bbbbbbbb'><!ENTITY c '&b;&b;&b;&b;'>]><a>&c;</a>";
    let outside = "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>";
    let inherited = (0..12)
        .map(|n| format!("<a {}>", (0..30).map(|m| format!("xmlns:b{n}-{m}='u'")).collect::<Vec<_>>().join(" ")));
    let named = inherited.collect::<String>() + &"<a xmlns:b='u'/>".repeat(5_500) + &"</a>".repeat(12);
    for text in [deep.as_str(), &wide, &many, &named, bomb, outside, "<a>&c;</a>", "<a", ""] {
        assert!(xml::parse(text).is_err(), "{}", &text[..text.len().min(60)]);
    }
    assert!(xml::parse("<a b='&#x41;'>&lt;</a>").is_ok());
}

proptest! {
    #[test]
    fn what_is_escaped_is_read_back(text in "\\PC{0,60}") {
        let document = format!("<a b=\"{0}\">{0}</a>", xml::escaped(&text));
        let parsed = xml::parse(&document).unwrap();
        prop_assert_eq!(parsed.root_element().text().unwrap_or_default(), &text);
        prop_assert_eq!(parsed.root_element().attribute("b"), Some(text.as_str()));
    }

    #[test]
    fn no_answer_panics(text in "[<>/a-c=\"'&; !\\[\\]-]{0,200}") {
        if let Ok(document) = xml::parse(&text) {
            let root = document.root_element();
            let _ = (device_clock(root), macs(root), xml::number(root, &["a", "b"]), xml::text(root, "c"));
            prop_assert!(text.contains('<'));
        }
    }
}
