//! The name of a camera that is plugged into this machine: `v4l2:<identity>`, and in the query which of its formats to take.
//!
//! An identity has one of three forms, none of which is the number behind `/dev/video`, which changes with the order of plugging:
//! * `usb:046d:0825:SERIAL:0.0`: vendor, product and serial number of a USB camera, wherever it is plugged in;
//! * `port:usb-0000:00:14.0-1:0.0`: what is plugged into this USB port, for cameras without a serial number of their own;
//! * `bus:PCI:0000:01:00.0:0`: anything else, by what the driver calls its place (`bus_info` of `VIDIOC_QUERYCAP`).
//!
//! The last part is the USB interface and the number of the node within it: one device may have several cameras.

use crate::config::Error;
use url::Url;
use watchbook_base::limits::PICTURE_SIDE_PX_MAX;

/// What such an address begins with.
pub(crate) const SCHEME: &str = "v4l2";
/// Longest identity: a serial number of a USB device has at most 126 characters (USB 2.0, 9.6.7).
const IDENTITY_BYTES_MAX: usize = 256;
/// Most pictures a second that are asked for.
const FPS_MAX: u32 = 240;

/// A camera of this machine, and what to take from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceName {
    /// Who it is.
    pub identity: String,
    /// Four letters of the format, as in `H264`; `None`: the best that it has.
    pub format: Option<String>,
    /// Width and height in pixels; `None`: the largest up to 1920×1080.
    pub size: Option<(u32, u32)>,
    /// Pictures a second; `None`: what the device does by itself.
    pub fps: Option<u32>,
    /// JPEG is encoded as H.264, which makes it a tenth as large and costs processor time.
    pub encode: bool,
    /// The camera's masks are made black before anything is encoded: in the record, for good. Only where pictures are encoded here.
    pub permanent_masks: bool,
}

impl DeviceName {
    /// Reads an address that begins with `v4l2:`.
    ///
    /// # Errors
    /// A sentence for whoever typed it.
    pub(crate) fn parse(text: &str) -> Result<(Url, Self), Error> {
        let url = Url::parse(text).map_err(|error| refuse(&format!("this is no address ({error})")))?;
        Self::of(&url).map(|name| (url, name))
    }

    /// That of an address that was checked.
    pub(crate) fn of(url: &Url) -> Result<Self, Error> {
        let identity = url.path();
        if identity.is_empty() || identity.len() > IDENTITY_BYTES_MAX || !identity.chars().all(is_plain) {
            return Err(refuse("letters, digits, dots, colons, hyphens and underscores go into its name"));
        }
        if !["usb:", "port:", "bus:"].iter().any(|form| identity.starts_with(form)) {
            return Err(refuse("its name begins with usb:, port: or bus:"));
        }
        if url.fragment().is_some() {
            return Err(refuse("it has a # in it"));
        }
        let mut name = Self { identity: identity.to_owned(), ..Self::default() };
        for (key, value) in url.query_pairs() {
            match &*key {
                "format" => name.format = Some(four_letters(&value)?),
                "size" => name.size = Some(size(&value)?),
                "fps" => name.fps = Some(rate(&value)?),
                "encode" if value == "h264" => name.encode = true,
                "masks" if value == "permanent" => name.permanent_masks = true,
                _ => {
                    return Err(refuse(
                        "only format, size, fps, encode=h264 and masks=permanent go behind the question mark",
                    ));
                }
            }
        }
        Ok(name)
    }
}

/// Letters of an identity: nothing that means anything in an address.
pub(crate) fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_')
}

fn refuse(why: &str) -> Error {
    Error::refuse(format!("This is not the name of a camera of this machine: {why}. Choose the camera from the list."))
}

fn four_letters(value: &str) -> Result<String, Error> {
    let fits = value.len() == 4 && value.chars().all(|c| c.is_ascii_alphanumeric());
    fits.then(|| value.to_owned()).ok_or_else(|| refuse("a format has four letters or digits, such as H264"))
}

fn size(value: &str) -> Result<(u32, u32), Error> {
    let sides = value.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    sides
        .filter(|&(width, height)| [width, height].iter().all(|side| (1..=PICTURE_SIDE_PX_MAX).contains(side)))
        .ok_or_else(|| refuse("a size is written as 1280x720"))
}

fn rate(value: &str) -> Result<u32, Error> {
    let fps = value.parse().ok().filter(|fps| (1..=FPS_MAX).contains(fps));
    fps.ok_or_else(|| refuse("pictures a second are a number from 1 to 240"))
}

#[cfg(test)]
mod tests {
    use crate::config::SourceUrl;

    #[test]
    fn a_name_says_who_and_what() {
        let (url, credentials) =
            SourceUrl::parse(" v4l2:usb:046d:0825:A1B2:0.0?format=H264&size=1280x720&fps=25 ").unwrap();
        assert_eq!((url.as_str(), credentials), ("v4l2:usb:046d:0825:A1B2:0.0?format=H264&size=1280x720&fps=25", None));
        assert_eq!(url.host_port(), "usb:046d:0825:A1B2:0.0");
        let name = url.device().unwrap();
        assert_eq!((name.format.as_deref(), name.size, name.fps), (Some("H264"), Some((1280, 720)), Some(25)));
        let (url, _) = SourceUrl::parse("v4l2:usb:046d:0825:A1B2:0.0?format=YUYV&masks=permanent").unwrap();
        assert!(url.device().is_some_and(|name| name.permanent_masks) && !name.permanent_masks);
        let (url, _) = SourceUrl::parse("v4l2:bus:platform:vivid-000:0").unwrap();
        let name = url.device().unwrap();
        assert_eq!((name.identity.as_str(), name.format, name.size), ("bus:platform:vivid-000:0", None, None));
        assert_eq!(SourceUrl::parse("rtsp://h/").unwrap().0.device(), None);
    }

    #[test]
    fn what_is_no_name_is_refused_with_a_sentence() {
        for text in [
            "v4l2:",
            "v4l2:/dev/video0",
            "v4l2://usb:1:2:3:0.0",
            "v4l2:../usb:x",
            "v4l2:usb:a%00b",
            "v4l2:usb:a#b",
            "v4l2:usb:1:2:3:0.0?format=H26",
            "v4l2:usb:1:2:3:0.0?format=..%2F.",
            "v4l2:usb:1:2:3:0.0?size=0x10",
            "v4l2:usb:1:2:3:0.0?size=10x99999",
            "v4l2:usb:1:2:3:0.0?fps=0",
            "v4l2:usb:1:2:3:0.0?masks=none",
            "v4l2:usb:1:2:3:0.0?node=/dev/video0",
            &format!("v4l2:usb:{}", "a".repeat(300)),
        ] {
            let error = SourceUrl::parse(text).expect_err(text);
            assert!(error.message.ends_with('.'), "{text}: {error}");
        }
    }
}
