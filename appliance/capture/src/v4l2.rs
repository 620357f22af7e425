//! Cameras that are plugged into this machine (Video4Linux): USB cameras, capture cards. The only module that knows the crate v4l.
//!
//! What v4l 0.14.0 does not give, and what is done about it:
//! * It panics where a driver tells a name that is not UTF-8, a colour space or a kind of control that it does not know (libv4l-rs issue 98, an i.MX 8M). Every
//!   call stands on a thread of its own or in [`guarded`]: such a device costs its own session or its own line in the list.
//! * `Stream::next` waits without a way to stop it, and queues a buffer twice after a time-out. [`session`] waits for the device itself and calls it when a picture
//!   is there.
//! * Its mapped buffers are lent, so each picture is copied once, into the form in which it is stored.
//! * It knows no multi-planar devices; those are not listed.
//! * It closes a device that was pulled out at once, which some kernels do not survive, and lends it to every program that is started: [`node`].
//!
//! A device is known by what it is and where it is plugged in ([`name`], [`places`]), never by its number.

mod listing;
pub(crate) mod name;
mod node;
mod outlet;
mod places;
pub(crate) mod session;
mod units;

pub use name::DeviceName;

use crate::failure::Failure;
use core::panic::AssertUnwindSafe;
use listing::{Ask, Listing};
use node::Node;
use places::{Place, SYSFS, places};
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use v4l::capability::Flags;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;
use v4l::{Device, FourCC};
use watchbook_base::GapReason;
use watchbook_base::limits::PICTURE_SIDE_PX_MAX;

/// Formats of a device, sizes of a format, rates of a size, controls of a device: what is over this is left out.
const FORMATS_MAX: usize = 32;
const SIZES_MAX: usize = 64;
const RATES_MAX: usize = 16;
const CONTROLS_MAX: usize = 128;
/// Larger pictures are taken only when somebody asks for them.
const USUAL_PIXELS: u64 = 1920 * 1080;
/// `EACCES`, `EPERM`: the recorder's user may not open the node.
const DENIED: [i32; 2] = [13, 1];
/// `EBUSY`.
const BUSY: i32 = 16;
/// `ENODEV`, `ENXIO`, `ENOENT`: it was there a moment ago.
const GONE: [i32; 3] = [19, 6, 2];

/// How a device codes its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// H.264 as a byte stream.
    H264,
    /// H.265 as a byte stream.
    H265,
    /// One JPEG a picture.
    Jpeg,
    /// Uncompressed.
    Raw,
    /// Anything else.
    Other,
}

impl Coding {
    /// By the four letters of `linux/videodev2.h`.
    #[must_use]
    pub fn of(letters: &str) -> Self {
        match letters {
            "H264" => Self::H264,
            "HEVC" => Self::H265,
            "MJPG" | "JPEG" => Self::Jpeg,
            "YUYV" | "UYVY" | "YVYU" | "NV12" | "NV21" | "NV16" | "YU12" | "YV12" | "422P" | "GREY" | "RGB3"
            | "BGR3" => Self::Raw,
            _ => Self::Other,
        }
    }

    /// It is stored as the device gives it.
    #[must_use]
    pub fn is_stored(self) -> bool {
        matches!(self, Self::H264 | Self::H265 | Self::Jpeg)
    }

    /// It is always encoded as H.264 first.
    #[must_use]
    pub fn is_encoded(self) -> bool {
        self == Self::Raw
    }
}

/// A camera of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalCamera {
    /// What to write behind `v4l2:`.
    pub identity: String,
    /// Its name for itself; a camera may write anything here.
    pub name: String,
    /// Where it is plugged in, as its driver says it.
    pub bus: String,
    /// Its node now, for sentences: `/dev/video2`.
    pub node: String,
    /// Best first; empty when it could not be asked.
    pub formats: Vec<LocalFormat>,
    /// What can be set on it: brightness and the like.
    pub controls: Vec<LocalControl>,
    /// Why it cannot be recorded as it is.
    pub problem: Option<Failure>,
}

/// A format of its pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFormat {
    /// Four letters, as in `H264`.
    pub letters: String,
    /// What that is.
    pub coding: Coding,
    /// Largest first.
    pub sizes: Vec<LocalSize>,
}

/// A size of its pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSize {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Pictures a second, rounded, most first.
    pub fps: Vec<u32>,
}

/// Something that can be set on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalControl {
    /// The driver's word for it.
    pub name: String,
    /// Least value.
    pub min: i64,
    /// Greatest value.
    pub max: i64,
    /// Value at the start.
    pub default: i64,
}

/// The cameras of this machine, by node, and devices that have not answered within [`listing::ANSWER`]. Blocks for no longer than that: each is opened for a moment, on a thread of
/// its own.
#[must_use]
pub fn local_cameras() -> Vec<LocalCamera> {
    static LISTING: LazyLock<Listing> = LazyLock::new(Listing::default);
    let all = places(Path::new(SYSFS));
    let serials: Vec<String> = all.iter().filter_map(Place::by_serial).collect();
    let ask: Arc<Ask> = Arc::new(move |place| guarded(|| local_camera(place, &serials)).flatten());
    LISTING.list(&all, &ask, listing::ANSWER)
}

/// `None` when the crate panics over what a device says.
fn guarded<T>(ask: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(AssertUnwindSafe(ask)).ok()
}

fn local_camera(place: &Place, serials: &[String]) -> Option<LocalCamera> {
    let unique = place.by_serial().filter(|name| serials.iter().filter(|other| *other == name).count() == 1);
    let by_usb = unique.or_else(|| place.by_port());
    let mut camera = LocalCamera { identity: by_usb.clone().unwrap_or_default(), ..bare(place) };
    let node = match Node::open(place) {
        Ok(node) => node,
        Err(error) => {
            // Without its name it could not be added; and a node of a device may be no camera at all.
            camera.problem = Some(open_failure(&camera.identity, place, &error));
            return by_usb.filter(|_| place.index == 0).map(|_| camera);
        }
    };
    let device = node.device();
    let caps = device.query_caps().ok()?;
    if !caps.capabilities.contains(Flags::VIDEO_CAPTURE | Flags::STREAMING) {
        return None;
    }
    camera.identity = by_usb.unwrap_or_else(|| place.by_bus(&caps.bus));
    camera.bus = caps.bus;
    camera.formats = formats(device);
    camera.controls = guarded(|| controls(device)).unwrap_or_default();
    camera.problem = choose(&camera.identity, &camera.formats, &DeviceName::default()).err();
    Some(camera)
}

/// What is known of a device before it is opened.
fn bare(place: &Place) -> LocalCamera {
    LocalCamera {
        identity: place.by_port().unwrap_or_default(),
        name: place.card.clone(),
        bus: place.usb.as_ref().map(|usb| usb.port.clone()).unwrap_or_default(),
        node: place.node.display().to_string(),
        formats: Vec::new(),
        controls: Vec::new(),
        problem: None,
    }
}

fn formats(device: &Device) -> Vec<LocalFormat> {
    let mut formats: Vec<LocalFormat> = Vec::new();
    for described in device.enum_formats().unwrap_or_default() {
        let Ok(letters) = described.fourcc.str() else { continue };
        let coding = Coding::of(letters);
        if coding == Coding::Other || formats.len() >= FORMATS_MAX {
            continue;
        }
        formats.push(LocalFormat { letters: letters.to_owned(), coding, sizes: sizes(device, described.fourcc) });
    }
    formats.sort_by_key(|format| match format.coding {
        Coding::H265 | Coding::H264 => 0,
        Coding::Jpeg => 1,
        Coding::Raw => 2,
        Coding::Other => 3,
    });
    formats
}

fn sizes(device: &Device, letters: FourCC) -> Vec<LocalSize> {
    let mut sizes: Vec<(u32, u32)> = Vec::new();
    for listed in device.enum_framesizes(letters).unwrap_or_default().into_iter().take(SIZES_MAX) {
        match listed.size {
            FrameSizeEnum::Discrete(size) => sizes.push((size.width, size.height)),
            FrameSizeEnum::Stepwise(range) => {
                let fits = |&(width, height): &(u32, u32)| {
                    (range.min_width..=range.max_width).contains(&width)
                        && (range.min_height..=range.max_height).contains(&height)
                };
                let common = [(1920, 1080), (1280, 720), (640, 480), (640, 360), (320, 180)];
                sizes.extend(common.iter().filter(|size| fits(size)));
                sizes.push((range.max_width, range.max_height));
            }
        }
    }
    sizes.retain(|(width, height)| [width, height].iter().all(|side| (1..=PICTURE_SIDE_PX_MAX).contains(*side)));
    sizes.sort_by_key(|&(width, height)| core::cmp::Reverse((u64::from(width) * u64::from(height), width)));
    sizes.dedup();
    let rated = |(width, height)| LocalSize { width, height, fps: rates(device, letters, (width, height)) };
    sizes.into_iter().take(SIZES_MAX).map(rated).collect()
}

fn rates(device: &Device, letters: FourCC, (width, height): (u32, u32)) -> Vec<u32> {
    let of = |interval: &v4l::Fraction| match interval.numerator {
        0 => 0,
        numerator => (interval.denominator + numerator / 2) / numerator,
    };
    let mut rates: Vec<u32> = Vec::new();
    for listed in device.enum_frameintervals(letters, width, height).unwrap_or_default().into_iter().take(RATES_MAX) {
        match listed.interval {
            FrameIntervalEnum::Discrete(interval) => rates.push(of(&interval)),
            FrameIntervalEnum::Stepwise(range) => rates.push(of(&range.min)),
        }
    }
    rates.retain(|rate| (1..=240).contains(rate));
    rates.sort_by_key(|rate| core::cmp::Reverse(*rate));
    rates.dedup();
    rates
}

fn controls(device: &Device) -> Vec<LocalControl> {
    let all = device.query_controls().unwrap_or_default();
    let shown = |control: v4l::control::Description| LocalControl {
        name: control.name.chars().filter(|c| !c.is_control()).collect(),
        min: control.minimum,
        max: control.maximum,
        default: control.default,
    };
    all.into_iter().filter(|control| control.maximum > control.minimum).take(CONTROLS_MAX).map(shown).collect()
}

/// What to take: letters, coding and size, and what becomes of it.
pub(crate) struct Choice {
    /// It is encoded before it is stored.
    encode: bool,
    letters: String,
    coding: Coding,
    size: (u32, u32),
}

/// The format and size that were asked for, else the best: what is stored as it is before what has to be encoded.
fn choose(identity: &str, formats: &[LocalFormat], name: &DeviceName) -> Result<Choice, Failure> {
    let (wanted, size) = (name.format.as_deref(), name.size);
    let usable = |format: &&LocalFormat| format.coding.is_stored() || format.coding.is_encoded();
    let mut fitting =
        formats.iter().filter(usable).filter(|format| wanted.is_none_or(|letters| format.letters == letters));
    let Some(format) = fitting.next() else {
        let has: Vec<&str> = formats.iter().take(8).map(|format| format.letters.as_str()).collect();
        let wanted = wanted.unwrap_or("video");
        let detail = if has.is_empty() {
            format!("The camera {identity} offers no video.")
        } else {
            format!("The camera {identity} cannot be recorded as {wanted}; it offers {}.", has.join(", "))
        };
        return Err(Failure::unusable(detail, "Choose another format of it from the list, or another camera."));
    };
    let encode = format.coding.is_encoded() || (format.coding == Coding::Jpeg && (name.encode || name.permanent_masks));
    if name.permanent_masks && !encode {
        return Err(Failure::unusable(
            format!("The camera {identity} gives {} itself, so nobody can make masks black in it.", format.letters),
            "Choose a format that is encoded here, or switch the permanent masks off.",
        ));
    }
    let usual = |size: &&LocalSize| u64::from(size.width) * u64::from(size.height) <= USUAL_PIXELS;
    let best = format.sizes.iter().find(usual).or(format.sizes.last());
    let size = size.or(best.map(|best| (best.width, best.height))).unwrap_or((640, 480));
    Ok(Choice { encode, letters: format.letters.clone(), coding: format.coding, size })
}

/// The device of that identity, opened.
fn find(identity: &str) -> Result<Node, Failure> {
    let all = places(Path::new(SYSFS));
    let named = |place: &&Place| [place.by_serial(), place.by_port()].iter().flatten().any(|name| name == identity);
    let by_usb: Vec<&Place> = all.iter().filter(named).collect();
    if by_usb.len() > 1 {
        return Err(Failure::unusable(
            format!("Several cameras of this machine say that they are {identity}."),
            "Choose the camera anew from the list: it is then known by the port that it is plugged into.",
        ));
    }
    let mut denied = None;
    // What is plugged into no USB port is known by its bus alone, which only it can say.
    let by_bus = identity.starts_with("bus:");
    for place in all.iter().filter(|place| by_usb.contains(place) || (by_bus && place.usb.is_none())) {
        let node = match Node::open(place) {
            Ok(node) => node,
            Err(error) if by_usb.contains(&place) => return Err(open_failure(identity, place, &error)),
            Err(error) => {
                let refused = error.raw_os_error().is_some_and(|code| DENIED.contains(&code));
                denied = denied.or_else(|| refused.then(|| open_failure(identity, place, &error)));
                continue;
            }
        };
        let is_it = || node.device().query_caps().is_ok_and(|caps| place.by_bus(&caps.bus) == identity);
        if by_usb.contains(&place) || guarded(is_it).unwrap_or(false) {
            return Ok(node);
        }
    }
    Err(denied.unwrap_or_else(|| gone(identity)))
}

/// It is not there.
fn gone(identity: &str) -> Failure {
    Failure::new(
        GapReason::CameraGone,
        format!("The camera {identity} is not connected to this machine."),
        "Check its plug and its power. It is recorded again by itself when it is back.",
    )
}

fn open_failure(identity: &str, place: &Place, error: &io::Error) -> Failure {
    let node = place.node.display();
    match error.raw_os_error() {
        Some(code) if DENIED.contains(&code) => Failure::new(
            GapReason::CameraDenied,
            format!("The recorder may not open {node}, the camera {identity}."),
            "Add the user that the recorder runs as to the group video, and start the recorder again.",
        ),
        Some(code) if GONE.contains(&code) => gone(identity),
        _ => device_failure(identity, "opened", error),
    }
}

/// The device refuses to be `what`.
fn device_failure(identity: &str, what: &str, error: &io::Error) -> Failure {
    match error.raw_os_error() {
        Some(BUSY) => Failure::new(
            GapReason::StreamUnusable,
            format!("The camera {identity} is in use by another program, or by another camera of this station."),
            "A camera that this station records already needs no second one. Else close the other program; fuser -v on the node of the camera names it. It is tried again by itself.",
        ),
        Some(code) if GONE.contains(&code) => Failure::new(
            GapReason::CameraGone,
            format!("The camera {identity} was unplugged."),
            "Plug it in again: it is recorded again by itself, in any port if it has a serial number.",
        ),
        _ => Failure::new(
            GapReason::StreamUnusable,
            format!("The camera {identity} could not be {what}: {error}."),
            "Choose another size or format; unplug the camera and plug it in again. It is tried again by itself.",
        ),
    }
}

#[cfg(test)]
mod tests;
