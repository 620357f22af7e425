//! ONVIF: what a camera says about itself, so that nobody has to know the address of its streams.
//!
//! An inspection is asked for by a person at the page. A camera that keeps its ONVIF address is followed by a task of its own ([`spawn_device`]): what it notices, its
//! clock, its masks, whether it is still the same one; and it can be turned ([`Ptz`]). Recording depends on none of it. Calls are SOAP 1.2 over HTTP (ONVIF Core Specification 5.1), signed
//! with a WS-UsernameToken (5.9.4) whose time is the camera's own, because cameras refuse a token that is minutes off and their clocks often are; one that asks
//! for HTTP digest instead gets that (RFC 7616), never the password itself.
//!
//! What a camera answers is hostile: at most [`http::BODY_BYTES_MAX`] bytes, no DTD, [`xml::NODES_MAX`] nodes, at most [`PROFILES_MAX`] profiles, texts clipped. Addresses
//! that it gives (of its services, of its streams) keep their port and path and lose their host: the host is the one that it was asked on. That is also what
//! cameras with a stale address in their settings need. At an `https` address every question is encrypted ([`crate::tls`], whose rules about certificates hold): an address of a plain
//! service that the camera gives then loses its port, too.

mod clock;
pub mod discovery;
mod events;
mod follow;
mod http;
mod link;
mod masks;
mod media;
mod ptz;
mod pull;
mod soap;
mod xml;

pub use events::{DeviceEvent, Noticed};
pub use follow::{
    DeviceConfig, DeviceHandle, DeviceSink, DeviceState, DeviceStatus, EventCounts, MaskState, spawn_device,
};
pub use link::Identity;
pub use masks::Corner;
pub use ptz::{Position, Preset, Ptz, PtzAct};

use crate::config::{Credentials, Error, SourceUrl};
use crate::failure::Failure;
use crate::networks::Networks;
use crate::tls::Fingerprint;
use core::fmt::Write as _;
use core::time::Duration;
use link::Link;
use soap::Caller;
use url::Url;

/// Profiles of a camera that are looked at.
pub const PROFILES_MAX: usize = 16;
/// Longest inspection of a camera: some forty questions, of which a camera answers ten a second.
pub const INSPECTION: Duration = Duration::from_secs(30);
/// Characters of a text that a camera gives.
const TEXT_CHARS_MAX: usize = 128;

/// Where the device service of every ONVIF device is (Core Specification 5.10).
const DEVICE_PATH: &str = "/onvif/device_service";
const DEVICE: &str = "http://www.onvif.org/ver10/device/wsdl";
const MEDIA1: &str = "http://www.onvif.org/ver10/media/wsdl";
const MEDIA2: &str = "http://www.onvif.org/ver20/media/wsdl";
const SCHEMA: &str = "http://www.onvif.org/ver10/schema";
const EVENTS: &str = "http://www.onvif.org/ver10/events/wsdl";
const PTZ: &str = "http://www.onvif.org/ver20/ptz/wsdl";

/// The address of a camera's device service, as somebody typed it or discovery found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceUrl(Url);

impl DeviceUrl {
    /// Takes `192.168.1.10`, `camera.local:8000` or a whole `http://` or `https://` address; without a path it is that of every device service.
    ///
    /// # Errors
    /// What is wrong, as a sentence that does not repeat the address: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        if !matches!(scheme, "http" | "https") {
            return Err(Error::refuse("The address of a camera's ONVIF service begins with http:// or https://."));
        }
        // The rules for a host, a length and characters are those of a stream's address.
        let (checked, credentials) = SourceUrl::parse(&format!("rtsp://{rest}"))?;
        if credentials.is_some() {
            return Err(Error::refuse("Enter user name and password in their own fields, not in the address."));
        }
        let mut address = format!("{scheme}://{}", checked.url().host_str().unwrap_or_default());
        if let Some(port) = checked.url().port() {
            let _ = write!(address, ":{port}");
        }
        let path = Some(checked.url().path()).filter(|path| !matches!(*path, "" | "/"));
        address.push_str(path.unwrap_or(DEVICE_PATH));
        let url = Url::parse(&address).map_err(|error| Error::refuse(format!("This is no address ({error}).")))?;
        Ok(Self(url))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Host and port: for sentences.
    #[must_use]
    pub fn host_port(&self) -> String {
        format!("{}:{}", self.0.host_str().unwrap_or_default(), self.0.port_or_known_default().unwrap_or(80))
    }

    /// What a camera gives as the address of one of its services, on the host that it was asked on.
    fn moved(&self, given: &str) -> Option<Url> {
        let given = Url::parse(given.trim()).ok()?;
        let mut url = self.0.clone();
        // A camera that is asked encrypted may give the addresses of its plain services: then the port is not theirs, either.
        if given.scheme() == url.scheme() {
            url.set_port(given.port()).ok()?;
        }
        url.set_path(given.path());
        url.set_query(given.query());
        Some(url)
    }
}

/// Who asks, and whose answers are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// For the camera.
    pub credentials: Option<Credentials>,
    /// The certificate that is trusted at an `https` address; `None`: one that an authority of the machine vouches for.
    pub certificate: Option<Fingerprint>,
}

/// What a camera says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Who made it.
    pub manufacturer: String,
    /// Which model.
    pub model: String,
    /// Version of its firmware.
    pub firmware: String,
    /// Its serial number.
    pub serial: String,
    /// Hardware addresses of its network interfaces, as `02:00:00:00:00:01`: at most 8.
    pub macs: Vec<String>,
    /// Its clock minus ours in ms, good to a second; `None` when it does not tell.
    pub clock_offset_ms: Option<i64>,
    /// It sends events.
    pub events: bool,
    /// It can be turned and zoomed.
    pub ptz: bool,
    /// It has the service that takes masks (Media2); whether it takes any is known when one is set.
    pub masks: bool,
    /// Its streams, in its own order: at most [`PROFILES_MAX`].
    pub profiles: Vec<Profile>,
}

/// How the pictures of a profile are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// Motion JPEG.
    Jpeg,
    /// Anything else.
    Other,
}

/// One stream that a camera offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The camera's own word for it.
    pub token: String,
    /// Its name on the camera.
    pub name: String,
    /// How it is coded.
    pub encoding: Encoding,
    /// Pixels across; 0: not told.
    pub width: u32,
    /// Pixels down; 0: not told.
    pub height: u32,
    /// Most pictures a second; 0: not told.
    pub fps: u32,
    /// Most kilobits a second; 0: not told.
    pub bitrate_kbps: u32,
    /// Pictures from a key frame to the next; 0: not told.
    pub gop: u32,
    /// Where its stream is.
    pub stream: SourceUrl,
}

impl Device {
    /// The profiles to record: the largest that can be stored, and for small tiles and analysis the one nearest to 640 × 360 among those that have at most half of its pixels.
    #[must_use]
    pub fn suggested(&self) -> (Option<&Profile>, Option<&Profile>) {
        let stored = |profile: &&Profile| matches!(profile.encoding, Encoding::H264 | Encoding::H265);
        let pixels = |profile: &&Profile| u64::from(profile.width) * u64::from(profile.height);
        // Of equals the first: cameras list their main stream first.
        let main = self.profiles.iter().filter(stored).rev().max_by_key(pixels);
        let sub = main.and_then(|main| {
            let small =
                |profile: &&Profile| stored(profile) && pixels(profile) > 0 && pixels(profile) <= pixels(&main) / 2;
            self.profiles.iter().filter(small).min_by_key(|profile| pixels(profile).abs_diff(640 * 360))
        });
        (main, sub)
    }
}

/// Asks a camera what it is and which streams it has. Takes at most [`INSPECTION`], and a second or two with most cameras.
///
/// # Errors
/// The address is outside the camera networks, nobody answers, what answers is no ONVIF camera, or it refuses user name and password: each with what to do.
pub async fn inspect(address: &DeviceUrl, access: &Access, networks: &Networks) -> Result<Device, Failure> {
    let asking = tokio::time::timeout(INSPECTION, ask(address, access, networks));
    let late = |_| Failure::no_answer(&address.host_port(), "all questions about itself", INSPECTION.as_secs());
    asking.await.map_err(late)?
}

async fn ask(address: &DeviceUrl, access: &Access, networks: &Networks) -> Result<Device, Failure> {
    let mut link = Link::open(address, access, networks).await?;
    let Identity { manufacturer, model, firmware, serial, macs, .. } = link.identity().await?;
    let profiles = media::profiles(&mut link.caller, address, &link.services).await?;
    if profiles.is_empty() {
        return Err(Failure::unusable(
            format!("The camera at {} offers no stream.", address.host_port()),
            "Enter the address of its stream by hand; the camera's manual or its own page names it.",
        ));
    }
    Ok(Device {
        manufacturer,
        model,
        firmware,
        serial,
        macs,
        clock_offset_ms: link.offset_ms,
        events: link.service(EVENTS).is_some(),
        ptz: link.service(PTZ).is_some(),
        masks: link.service(MEDIA2).is_some(),
        profiles,
    })
}

/// A service of a camera.
struct Service {
    namespace: &'static str,
    url: Url,
}

/// The services that are of use, by GetServices, or GetCapabilities for devices from before 2010.
async fn services(caller: &mut Caller, address: &DeviceUrl) -> Result<Vec<Service>, Failure> {
    const KNOWN: [(&str, &str); 4] = [(MEDIA2, ""), (MEDIA1, "Media"), (EVENTS, "Events"), (PTZ, "PTZ")];
    let body = "<GetServices><IncludeCapability>false</IncludeCapability></GetServices>";
    let listed = caller
        .call(&address.0, DEVICE, body, |reply| {
            let of = |namespace: &'static str| {
                let named = |service: &xml::Node<'_, '_>| xml::raw(*service, "Namespace") == namespace;
                let service = xml::children(reply, "Service").find(named)?;
                Some(Service { namespace, url: address.moved(&xml::raw(service, "XAddr"))? })
            };
            Ok(KNOWN.iter().filter_map(|(namespace, _)| of(namespace)).collect::<Vec<_>>())
        })
        .await;
    match listed {
        Ok(services) if !services.is_empty() => return Ok(services),
        Err(failure) if failure.reason != watchbook_base::GapReason::StreamUnusable => return Err(failure),
        _ => {}
    }
    let body = "<GetCapabilities><Category>All</Category></GetCapabilities>";
    caller
        .call(&address.0, DEVICE, body, |reply| {
            let capabilities = xml::child(reply, "Capabilities").ok_or("it tells no capabilities")?;
            let of = |(namespace, name): &(&'static str, &str)| {
                let service = xml::child(capabilities, name)?;
                Some(Service { namespace, url: address.moved(&xml::raw(service, "XAddr"))? })
            };
            Ok(KNOWN.iter().filter_map(of).collect())
        })
        .await
}

/// Hardware addresses, in one spelling.
fn macs(reply: xml::Node<'_, '_>) -> Vec<String> {
    let spelled = |interface| {
        let digits: String = xml::path(interface, &["Info", "HwAddress"])
            .map(xml::own_text)
            .unwrap_or_default()
            .chars()
            .filter(char::is_ascii_hexdigit)
            .take(13)
            .collect();
        let pairs = digits.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_lowercase());
        (digits.len() == 12).then(|| pairs.collect::<Vec<_>>().join(":"))
    };
    xml::children(reply, "NetworkInterfaces").filter_map(spelled).take(8).collect()
}

/// What must hold for any answer; in `tests/fuzz` by libFuzzer, too.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz_body;

#[cfg(test)]
mod tests;
