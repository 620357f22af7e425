//! A camera's clock, as `GetSystemDateAndTime` tells it.

use super::xml::{Node, number, path};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::time::SystemTime;

/// UTC of the camera in milliseconds since 1970. Some cameras tell local time only (HiKam A7, agsh/onvif#65): that is no answer.
pub(super) fn device_clock(reply: Node<'_, '_>) -> Option<i64> {
    let utc = path(reply, &["SystemDateAndTime", "UTCDateTime"])?;
    let part = |names: &[&str]| i8::try_from(number(utc, names)).ok();
    let year = i16::try_from(number(utc, &["Date", "Year"])).ok()?;
    let (month, day) = (part(&["Date", "Month"])?, part(&["Date", "Day"])?);
    let (hour, minute) = (part(&["Time", "Hour"])?, part(&["Time", "Minute"])?);
    // A leap second is told as 60 (ONVIF's type allows 61).
    let second = part(&["Time", "Second"])?.min(59);
    let time = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    TimeZone::UTC.to_timestamp(time).ok().map(jiff::Timestamp::as_millisecond)
}

/// The camera's clock minus ours in ms: ours is the middle of the question and the answer, theirs half a second into the second that it told.
pub(super) fn offset_ms(theirs_ms: i64, asked: SystemTime, answered: SystemTime) -> Option<i64> {
    let ms = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_millis()).ok())
    };
    let (asked, answered) = (ms(asked)?, ms(answered)?);
    Some(theirs_ms + 500 - (asked + answered) / 2)
}
