//! Profiles and stream addresses, by the Media2 service, or by Media for cameras that have only that.

use super::soap::Caller;
use super::xml::{Node, child, children, escaped, number, own_text, path, raw, text, token_of};
use super::{DeviceUrl, Encoding, MEDIA1, MEDIA2, PROFILES_MAX, Profile, SCHEMA, Service};
use crate::config::SourceUrl;
use crate::failure::Failure;
use url::Url;
use watchbook_base::GapReason;

/// A profile before its address is known.
pub(super) struct Plan {
    pub(super) token: String,
    pub(super) name: String,
    encoding: Encoding,
    width: u32,
    height: u32,
    fps: u32,
    bitrate_kbps: u32,
    gop: u32,
}

/// All profiles that have a stream. A profile whose address the camera does not give, or gives as what is none, is left out.
///
/// # Errors
/// The camera refuses, or has neither service.
pub(super) async fn profiles(
    caller: &mut Caller,
    device: &DeviceUrl,
    services: &[Service],
) -> Result<Vec<Profile>, Failure> {
    let url_of = |wanted| services.iter().find(|service| service.namespace == wanted).map(|service| &service.url);
    if let Some(url) = url_of(MEDIA2) {
        match ask(caller, device, (url, MEDIA2)).await {
            // Firmwares exist that offer Media2 and fail in it.
            Err(failure) if failure.reason == GapReason::StreamUnusable && url_of(MEDIA1).is_some() => {}
            Ok(profiles) if profiles.is_empty() && url_of(MEDIA1).is_some() => {}
            answered => return answered,
        }
    }
    match url_of(MEDIA1) {
        Some(url) => ask(caller, device, (url, MEDIA1)).await,
        None => Err(Failure::unusable(
            format!("The device at {} has no media service: it is no camera.", device.host_port()),
            "Enter the address of its stream by hand, if it has one.",
        )),
    }
}

async fn ask(
    caller: &mut Caller,
    device: &DeviceUrl,
    (url, namespace): (&Url, &'static str),
) -> Result<Vec<Profile>, Failure> {
    // Media2 leaves the configurations out unless they are asked for (Media2 Specification 5.2.1).
    let request = if namespace == MEDIA2 { "<GetProfiles><Type>All</Type></GetProfiles>" } else { "<GetProfiles/>" };
    let plans = caller
        .call(url, namespace, request, |reply| {
            Ok(children(reply, "Profiles").filter_map(plan).take(PROFILES_MAX).collect::<Vec<_>>())
        })
        .await?;
    let mut profiles = Vec::new();
    for plan in plans {
        let token = escaped(&plan.token);
        let request = if namespace == MEDIA2 {
            format!("<GetStreamUri><Protocol>RTSP</Protocol><ProfileToken>{token}</ProfileToken></GetStreamUri>")
        } else {
            // The setup is of the schema's namespace, not of the service's.
            format!(
                "<GetStreamUri><StreamSetup><t:Stream xmlns:t=\"{0}\">RTP-Unicast</t:Stream>\
                 <t:Transport xmlns:t=\"{0}\"><t:Protocol>RTSP</t:Protocol></t:Transport></StreamSetup>\
                 <ProfileToken>{token}</ProfileToken></GetStreamUri>",
                SCHEMA
            )
        };
        let given = caller
            .call(url, namespace, &request, |reply| Ok(raw(child(reply, "MediaUri").unwrap_or(reply), "Uri")))
            .await;
        let stream = match given {
            Ok(given) => stream(device, &given),
            Err(failure) if failure.reason == GapReason::StreamUnusable => None,
            Err(failure) => return Err(failure),
        };
        let Some(stream) = stream else { continue };
        let Plan { token, name, encoding, width, height, fps, bitrate_kbps, gop } = plan;
        profiles.push(Profile { token, name, encoding, width, height, fps, bitrate_kbps, gop, stream });
    }
    Ok(profiles)
}

/// The stream's address on the host that the camera was asked on, without a user name: cameras put theirs there.
pub(super) fn stream(device: &DeviceUrl, given: &str) -> Option<SourceUrl> {
    let (given, _) = SourceUrl::parse(given).ok()?;
    let mut url = given.url().clone();
    url.set_host(device.0.host_str()).ok()?;
    SourceUrl::parse(url.as_str()).ok().map(|(url, _)| url)
}

pub(super) fn plan(profile: Node<'_, '_>) -> Option<Plan> {
    let token = token_of(profile)?;
    let video =
        path(profile, &["Configurations", "VideoEncoder"]).or_else(|| child(profile, "VideoEncoderConfiguration"))?;
    let encoding = match text(video, "Encoding").to_ascii_uppercase().as_str() {
        "H264" => Encoding::H264,
        "H265" | "HEVC" => Encoding::H265,
        "JPEG" => Encoding::Jpeg,
        _ => Encoding::Other,
    };
    let attribute = |name: &str| video.attribute(name).and_then(|value| value.parse().ok());
    let gop = attribute("GovLength").unwrap_or_else(|| number(video, &["H264", "GovLength"]));
    Some(Plan {
        token,
        name: child(profile, "Name").map(own_text).unwrap_or_default(),
        encoding,
        width: number(video, &["Resolution", "Width"]),
        height: number(video, &["Resolution", "Height"]),
        fps: number(video, &["RateControl", "FrameRateLimit"]),
        bitrate_kbps: number(video, &["RateControl", "BitrateLimit"]),
        gop,
    })
}
