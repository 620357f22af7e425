//! Every bound that more than one crate must agree on, with its arithmetic. A bound that only one crate needs lives in that crate.

/// Cameras of one station. 200 is the largest station measured; twice that leaves room without unbounding any table.
pub const CAMERAS_MAX: usize = 400;
/// One access unit. A 4K intra picture at 60 Mbit/s and 25 fps averages 300 kB; ten times that, rounded up to a power of two.
pub const ACCESS_UNIT_BYTES_MAX: usize = 4 << 20;
/// `avcC`, `hvcC` or `AudioSpecificConfig` of a track. Real ones stay under 300 bytes.
pub const CODEC_CONFIG_BYTES_MAX: usize = 8 << 10;
/// Picture width and height that are accepted from a camera: 8K UHD with room.
pub const PICTURE_SIDE_PX_MAX: u32 = 8192;
/// A kind, class or zone name of an event.
pub const EVENT_WORD_BYTES_MAX: usize = 64;
/// The note of an event.
pub const EVENT_NOTE_BYTES_MAX: usize = 1024;
/// Detections of one event.
pub const EVENT_DETECTIONS_MAX: usize = 64;
/// A camera's name, an account's name or display name.
pub const NAME_BYTES_MAX: usize = 128;
/// A camera's address.
pub const URL_BYTES_MAX: usize = 1024;
