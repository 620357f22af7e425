//! What must hold for any answer of a camera, to a call or to a question to the whole network. Run here on a corpus and in `tests/fuzz` by libFuzzer; it panics when a promise is broken.

use super::discovery::devices;
use super::events::{Came, Episodes, NOTIFICATIONS_MAX, notifications};
use super::masks::{CORNERS_MAX, MASKS_MAX, find, masks};
use super::xml::{self, Node, child, path};
use super::{DeviceUrl, TEXT_CHARS_MAX, clock, macs, media, ptz, pull, soap};
use core::net::{IpAddr, Ipv4Addr};
use watchbook_base::{CameraId, MonoNanos, UtcNanos};

/// The answer as each call of ours reads it, a probe's answer, and the text as a challenge of HTTP. Lists and texts stay within their bounds, no address leaves the camera, what we write of it is XML.
pub fn onvif_answer(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let sender = IpAddr::from(Ipv4Addr::new(192, 168, 1, 64));
    for found in devices(&text, sender) {
        assert_eq!((found.url.0.host_str(), found.address), (Some("192.168.1.64"), sender));
        assert!(found.name.chars().count() <= TEXT_CHARS_MAX && found.endpoint.chars().count() <= TEXT_CHARS_MAX);
    }
    drop(soap::digest_client(&text));
    let device = DeviceUrl::parse("https://192.168.1.64:8443/").expect("it is an address");
    for moved in [device.moved(&text), media::stream(&device, &text).map(|stream| stream.url().clone())] {
        assert!(moved.is_none_or(|url| url.host_str() == Some("192.168.1.64")), "no address leaves the camera");
    }
    let Ok(document) = xml::parse(&text) else { return };
    assert!(data.contains(&b'<'));
    let root = document.root_element();
    answers(path(root, &["Body"]).and_then(|body| body.first_element_child()).unwrap_or(root));
}

fn answers(reply: Node<'_, '_>) {
    if let Some(told) = clock::device_clock(reply) {
        let request = clock::set_request(&told, told.utc_ms);
        assert!(xml::parse(&request).is_ok(), "{request}");
    }
    assert!(macs(reply).iter().all(|mac| mac.len() == 17));
    let profiles = xml::children(reply, "Profiles").filter_map(media::plan);
    profiles.for_each(|plan| {
        assert!(!plan.token.is_empty() && plan.name.chars().count() <= TEXT_CHARS_MAX);
    });
    let held = masks(reply);
    assert!(held.len() <= MASKS_MAX);
    assert!(held.iter().all(|held| !held.token.is_empty() && held.outline.len() <= CORNERS_MAX));
    let wanted: Vec<_> = held.iter().map(|held| held.outline.clone()).collect();
    assert_eq!(find(&wanted, &held).len(), wanted.len());
    assert!(ptz::presets(reply).len() <= ptz::PRESETS_MAX);
    if let Some(position) = ptz::position(reply) {
        assert!([position.pan, position.tilt, position.zoom].iter().all(|part| (-1.0..=1.0).contains(part)));
    }
    if let Some(reference) = child(reply, "SubscriptionReference") {
        let blocks = pull::parameters(reference);
        assert!(xml::parse(&format!("<a>{blocks}</a>")).is_ok(), "{blocks}");
    }
    events(reply);
}

fn events(reply: Node<'_, '_>) {
    let (known, others) = notifications(reply);
    assert!(known.len() as u64 + others <= NOTIFICATIONS_MAX as u64);
    let mut episodes = Episodes::new(CameraId::new(1).expect("1 is a camera"));
    let came = Came {
        utc: UtcNanos(1_767_225_600_000_000_000),
        mono: MonoNanos(60_000_000_000),
        offset_ms: known.first().and_then(|first| first.camera_clock).map(|clock| clock.0),
    };
    for notification in known {
        if let Some(event) = episodes.take(notification, came) {
            assert!(event.start <= came.utc, "nothing begins after it was told");
        }
    }
    episodes.tick(came.utc, came.mono, true);
}

#[cfg(test)]
mod tests {
    use super::onvif_answer;
    use crate::corpus::over_corpus;

    /// Answers as the Core, Media, PTZ and Event specifications draw them.
    const ANSWERS: [&str; 9] = [
        "<R><SystemDateAndTime><DateTimeType>NTP</DateTimeType><DaylightSavings>true</DaylightSavings><TimeZone><TZ>ICT-7</TZ></TimeZone>\
         <UTCDateTime><Time><Hour>14</Hour><Minute>2</Minute><Second>60</Second></Time><Date><Year>2026</Year><Month>11</Month><Day>26</Day></Date>\
         </UTCDateTime></SystemDateAndTime></R>",
        "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body><R><NetworkInterfaces><Info><HwAddress>02-00-5E-10-00-0A</HwAddress></Info>\
         </NetworkInterfaces></R></s:Body></s:Envelope>",
        "<R><Profiles token='a' fixed='true'><Name>main</Name><VideoEncoderConfiguration token='v'><Encoding>H264</Encoding><Resolution><Width>1920</Width>\
         <Height>1080</Height></Resolution><RateControl><FrameRateLimit>25</FrameRateLimit><BitrateLimit>4096</BitrateLimit></RateControl><H264><GovLength>50\
         </GovLength></H264></VideoEncoderConfiguration></Profiles></R>",
        "<R><Masks token='m'><Polygon><Point x='-1.0' y='1.0'/><Point x='1' y='1'/><Point x='0' y='-1e3'/></Polygon><Enabled>1</Enabled></Masks></R>",
        "<R><Preset token='1'><Name>gate</Name></Preset><PTZStatus><Position><PanTilt x='0.5' y='-2'/><Zoom x='1'/></Position></PTZStatus></R>",
        "<R><SubscriptionReference><Address>http://192.168.1.64/e</Address><ReferenceParameters><x:Id xmlns:x='urn:x'>7&amp;8</x:Id></ReferenceParameters>\
         </SubscriptionReference></R>",
        "<R><NotificationMessage><Topic>tns1:RuleEngine/CellMotionDetector/Motion</Topic><Message><Message UtcTime='2026-11-26T14:02:08Z' \
         PropertyOperation='Changed'><Source><SimpleItem Name='Rule' Value='r'/></Source><Data><SimpleItem Name='IsMotion' Value='true'/></Data></Message>\
         </Message></NotificationMessage></R>",
        "<E><Body><ProbeMatches><ProbeMatch><EndpointReference><Address>urn:uuid:1</Address></EndpointReference><Scopes>onvif://www.onvif.org/name/a%20b \
         onvif://www.onvif.org/hardware/X-1</Scopes><XAddrs>https://192.168.1.64/o http://10.0.0.9:8000/o</XAddrs></ProbeMatch></ProbeMatches></Body></E>",
        "Digest realm=\"c\", nonce=\"1\", qop=\"auth\", algorithm=MD5, Basic realm=\"c\"",
    ];

    #[test]
    fn any_answer() {
        assert!(over_corpus("onvif_answer", onvif_answer, &ANSWERS.map(|text| text.as_bytes().to_vec())) > 0);
    }
}
