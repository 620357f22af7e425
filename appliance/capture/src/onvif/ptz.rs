//! Turning a camera (PTZ Service Specification 5.3 and 5.4): continuously for a while, to a place, to a preset, and stop.

use super::link::Link;
use super::xml::{Node, as_token, child, children, escaped, own_text, path, text, token_of};
use super::{Access, DeviceUrl, MEDIA1, MEDIA2, PTZ, SCHEMA};
use crate::failure::Failure;
use crate::networks::Networks;
use core::time::Duration;
use url::Url;
use watchbook_base::GapReason;

/// Presets of a camera that are looked at. Cameras with 256 exist; nobody chooses from more.
pub const PRESETS_MAX: usize = 256;
/// Longest act, with its connection: what a person at the page waits for.
const ACT: Duration = Duration::from_secs(8);
const NEXT: &str = "Turn the camera on its own page, or check the rights of the account on the camera.";

/// What a camera is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum PtzAct {
    /// Move, each part -1 to 1 of the camera's greatest speed, and stop after `timeout_ms` whatever happens to whoever asked.
    Move {
        /// Right, or left below 0.
        pan: f64,
        /// Up, or down below 0.
        tilt: f64,
        /// In, or out below 0.
        zoom: f64,
        /// When it stops by itself.
        timeout_ms: u32,
    },
    /// Stop.
    Stop,
    /// Go to a place.
    GoTo(Position),
    /// Go to the preset with this token.
    GoToPreset(String),
    /// Keep where it is now as a preset of this name; with a token, that of an old one. Gives the token.
    SetPreset {
        /// For people.
        name: String,
        /// Which is replaced.
        token: Option<String>,
    },
    /// Forget the preset with this token.
    RemovePreset(String),
}

/// Where a camera looks, in the generic space of the PTZ Service Specification 5.7.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// -1 to 1.
    pub pan: f64,
    /// -1 to 1.
    pub tilt: f64,
    /// 0 (wide) to 1 (near).
    pub zoom: f64,
}

/// A place that the camera keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preset {
    /// The camera's own word for it.
    pub token: String,
    /// For people; may be empty.
    pub name: String,
}

/// A camera that can be turned.
pub struct Ptz {
    link: Link,
    url: Url,
    profile: String,
}

impl core::fmt::Debug for Ptz {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ptz").field("url", &self.url.as_str()).field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl Ptz {
    /// Finds the camera's PTZ service, and the profile that it turns.
    ///
    /// # Errors
    /// As [`super::inspect`]; or it cannot be turned.
    pub async fn connect(address: &DeviceUrl, access: &Access, networks: &Networks) -> Result<Self, Failure> {
        let connecting = async {
            let mut link = Link::open(address, access, networks).await?;
            let url = link.needed(PTZ, "turning", "Use its own page if it can be turned at all.")?;
            let profile = profile(&mut link).await.map_err(next)?;
            Ok(Self { link, url, profile })
        };
        in_time(connecting, &address.host_port()).await
    }

    /// Does it. Returns the token of a preset that was set.
    ///
    /// # Errors
    /// The camera is gone, or refuses.
    pub async fn act(&mut self, act: &PtzAct) -> Result<Option<String>, Failure> {
        let body = request(&escaped(&self.profile), act);
        let host_port = self.link.address.host_port();
        let set = matches!(act, PtzAct::SetPreset { .. });
        let asking = self.link.caller.call(&self.url, PTZ, &body, |reply| {
            if !set {
                return Ok(None);
            }
            as_token(&text(reply, "PresetToken")).map(Some).ok_or("it names no preset")
        });
        in_time(asking, &host_port).await.map_err(next)
    }

    /// The camera's presets, in its own order; at most [`PRESETS_MAX`].
    ///
    /// # Errors
    /// The camera is gone, or refuses.
    pub async fn presets(&mut self) -> Result<Vec<Preset>, Failure> {
        let body = format!("<GetPresets><ProfileToken>{}</ProfileToken></GetPresets>", escaped(&self.profile));
        let host_port = self.link.address.host_port();
        let asking = self.link.caller.call(&self.url, PTZ, &body, |reply| Ok(presets(reply)));
        in_time(asking, &host_port).await.map_err(next)
    }

    /// Where it looks; `None` when it does not tell.
    ///
    /// # Errors
    /// The camera is gone.
    pub async fn position(&mut self) -> Result<Option<Position>, Failure> {
        let body = format!("<GetStatus><ProfileToken>{}</ProfileToken></GetStatus>", escaped(&self.profile));
        let host_port = self.link.address.host_port();
        let asking = self.link.caller.call(&self.url, PTZ, &body, |reply| Ok(position(reply)));
        match in_time(asking, &host_port).await {
            Err(failure) if failure.reason == GapReason::StreamUnusable => Ok(None),
            told => told,
        }
    }
}

async fn in_time<T>(acting: impl Future<Output = Result<T, Failure>>, host_port: &str) -> Result<T, Failure> {
    let late = |_| Failure::no_answer(host_port, "what it was asked to do", ACT.as_secs());
    tokio::time::timeout(ACT, acting).await.map_err(late)?
}

/// What a refusal here asks of a person has nothing to do with streams.
fn next(failure: Failure) -> Failure {
    match failure.reason {
        GapReason::StreamUnusable => Failure { next_step: NEXT.to_owned(), ..failure },
        _ => failure,
    }
}

/// The first profile that has a PTZ configuration.
async fn profile(link: &mut Link) -> Result<String, Failure> {
    let (url, namespace, body) = match (link.service(MEDIA1), link.service(MEDIA2)) {
        (Some(url), _) => (url, MEDIA1, "<GetProfiles/>"),
        (None, Some(url)) => (url, MEDIA2, "<GetProfiles><Type>PTZ</Type></GetProfiles>"),
        (None, None) => (link.needed(MEDIA1, "media", NEXT)?, MEDIA1, "<GetProfiles/>"),
    };
    let turned = |profile: &Node<'_, '_>| {
        child(*profile, "PTZConfiguration").or_else(|| path(*profile, &["Configurations", "PTZ"])).is_some()
    };
    let asking = link.caller.call(&url, namespace, body, |reply| {
        children(reply, "Profiles").filter(turned).find_map(token_of).ok_or("none of its profiles can be turned")
    });
    asking.await
}

fn request(profile: &str, act: &PtzAct) -> String {
    let profile = format!("<ProfileToken>{profile}</ProfileToken>");
    let vector = |name: &str, pan: f64, tilt: f64, zoom: f64| {
        let (pan, tilt, zoom) = (pan.clamp(-1.0, 1.0), tilt.clamp(-1.0, 1.0), zoom.clamp(-1.0, 1.0));
        format!(
            "<{name} xmlns:t=\"{SCHEMA}\"><t:PanTilt x=\"{pan:.4}\" y=\"{tilt:.4}\"/><t:Zoom x=\"{zoom:.4}\"/></{name}>"
        )
    };
    let preset = |token: &str| format!("<PresetToken>{}</PresetToken>", escaped(token));
    match act {
        PtzAct::Move { pan, tilt, zoom, timeout_ms } => format!(
            "<ContinuousMove>{profile}{}<Timeout>PT{}.{:03}S</Timeout></ContinuousMove>",
            vector("Velocity", *pan, *tilt, *zoom),
            timeout_ms / 1_000,
            timeout_ms % 1_000
        ),
        PtzAct::Stop => format!("<Stop>{profile}<PanTilt>true</PanTilt><Zoom>true</Zoom></Stop>"),
        PtzAct::GoTo(Position { pan, tilt, zoom }) => {
            format!("<AbsoluteMove>{profile}{}</AbsoluteMove>", vector("Position", *pan, *tilt, zoom.max(0.0)))
        }
        PtzAct::GoToPreset(token) => format!("<GotoPreset>{profile}{}</GotoPreset>", preset(token)),
        PtzAct::SetPreset { name, token } => format!(
            "<SetPreset>{profile}<PresetName>{}</PresetName>{}</SetPreset>",
            escaped(name),
            token.as_deref().map(preset).unwrap_or_default()
        ),
        PtzAct::RemovePreset(token) => format!("<RemovePreset>{profile}{}</RemovePreset>", preset(token)),
    }
}

pub(super) fn presets(reply: Node<'_, '_>) -> Vec<Preset> {
    let preset = |preset: Node<'_, '_>| {
        Some(Preset { token: token_of(preset)?, name: child(preset, "Name").map(own_text).unwrap_or_default() })
    };
    children(reply, "Preset").take(PRESETS_MAX).filter_map(preset).collect()
}

pub(super) fn position(reply: Node<'_, '_>) -> Option<Position> {
    let position = path(reply, &["PTZStatus", "Position"])?;
    let part = |name: &str, axis: &str| {
        let value = child(position, name)?.attribute(axis)?.trim().parse::<f64>().ok()?;
        value.is_finite().then(|| value.clamp(-1.0, 1.0))
    };
    Some(Position { pan: part("PanTilt", "x")?, tilt: part("PanTilt", "y")?, zoom: part("Zoom", "x").unwrap_or(0.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onvif::xml::parse;
    use proptest::prelude::*;

    #[test]
    fn every_move_carries_the_time_after_which_it_ends() {
        let text = request("main", &PtzAct::Move { pan: 7.0, tilt: -0.25, zoom: 0.0, timeout_ms: 2_050 });
        let document = parse(&text).unwrap();
        let root = document.root_element();
        assert_eq!(
            (root.tag_name().name(), child(root, "Timeout").unwrap().text()),
            ("ContinuousMove", Some("PT2.050S"))
        );
        let pan_tilt = path(root, &["Velocity", "PanTilt"]).unwrap();
        assert_eq!((pan_tilt.attribute("x"), pan_tilt.attribute("y")), (Some("1.0000"), Some("-0.2500")));
        assert_eq!(pan_tilt.tag_name().namespace(), Some(SCHEMA));
    }

    #[test]
    fn a_place_that_makes_no_sense_is_none() {
        let read = |text: &str| position(parse(text).unwrap().root_element());
        let with = |x: &str| format!("<r><PTZStatus><Position><PanTilt x='{x}' y='0.5'/></Position></PTZStatus></r>");
        assert_eq!(read(&with("-3")), Some(Position { pan: -1.0, tilt: 0.5, zoom: 0.0 }));
        for x in ["NaN", "inf", "", "left"] {
            assert_eq!(read(&with(x)), None, "{x}");
        }
        assert_eq!(read("<r/>"), None);
    }

    proptest! {
        #[test]
        fn a_name_stays_a_name_and_no_answer_panics(name in "\\PC{0,80}", token in "\\PC{0,80}") {
            let text = request("main", &PtzAct::SetPreset { name: name.clone(), token: Some(token.clone()) });
            let document = parse(&text).unwrap();
            prop_assert_eq!(child(document.root_element(), "PresetName").unwrap().text().unwrap_or_default(), &name);
            let escaped = crate::onvif::xml::escaped;
            let reply = format!("<r><Preset token=\"{}\"><Name>{}</Name></Preset></r>", escaped(&token), escaped(&name));
            for preset in presets(parse(&reply).unwrap().root_element()) {
                prop_assert!(!preset.token.is_empty() && preset.token.chars().count() <= 64 && preset.name.chars().count() <= 128);
            }
        }
    }
}
