//! Cameras on the network, in the API's shape.

use super::probe::problem;
use watchbook_capture::Failure;
use watchbook_capture::onvif::discovery::Found;
use watchbook_capture::onvif::{Device, DeviceUrl, Encoding, Profile};
use watchbook_web::api;

/// Who answered; `camera_at` knows which camera of the station has a stream from an address.
pub fn found(found: Vec<Found>, camera_at: impl Fn(core::net::IpAddr) -> Option<u32>) -> Vec<api::FoundDevice> {
    let device = |found: Found| api::FoundDevice {
        url: found.url.as_str().to_owned(),
        address: found.address.to_string(),
        name: found.name,
        hardware: found.hardware,
        camera: camera_at(found.address),
    };
    found.into_iter().map(device).collect()
}

/// What a camera said, or why not.
pub fn report(address: &DeviceUrl, inspected: Result<Device, Failure>) -> api::DeviceReport {
    match inspected {
        Ok(device) => api::DeviceReport { device: Some(shown(address, device)), problem: None },
        Err(failure) => api::DeviceReport { device: None, problem: Some(problem(&failure)) },
    }
}

fn shown(address: &DeviceUrl, device: Device) -> api::Device {
    let token = |profile: Option<&Profile>| profile.map(|profile| profile.token.clone());
    let (main, sub) = device.suggested();
    let (main, sub) = (token(main), token(sub));
    api::Device {
        manufacturer: device.manufacturer,
        model: device.model,
        firmware: device.firmware,
        serial: device.serial,
        macs: device.macs,
        clock_offset_ms: device.clock_offset_ms,
        url: address.as_str().to_owned(),
        events: device.events,
        ptz: device.ptz,
        masks: device.masks,
        profiles: device.profiles.into_iter().map(profile).collect(),
        main,
        sub,
    }
}

fn profile(profile: Profile) -> api::DeviceProfile {
    api::DeviceProfile {
        token: profile.token,
        name: profile.name,
        encoding: match profile.encoding {
            Encoding::H264 => api::DeviceEncoding::H264,
            Encoding::H265 => api::DeviceEncoding::H265,
            Encoding::Jpeg => api::DeviceEncoding::Jpeg,
            Encoding::Other => api::DeviceEncoding::Other,
        },
        width: profile.width,
        height: profile.height,
        fps: profile.fps,
        bitrate_kbps: profile.bitrate_kbps,
        gop: profile.gop,
        url: profile.stream.as_str().to_owned(),
    }
}
