//! A camera's clock, as `GetSystemDateAndTime` tells it and `SetSystemDateAndTime` sets it (Core Specification 8.3.4 and 8.3.5).

use super::link::Link;
use super::xml::{Node, child, escaped, number, own_text, path, text, truth};
use super::{DEVICE, SCHEMA};
use crate::failure::Failure;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::time::SystemTime;

/// A camera's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeviceClock {
    /// What it shows.
    pub(super) utc_ms: i64,
    /// It follows a time server of its own.
    pub(super) ntp: bool,
    /// It adds an hour in summer; not ours to change.
    daylight_savings: bool,
    /// Its time zone as POSIX writes it; not ours to change.
    time_zone: Option<String>,
}

/// Sets the clock to ours, to the second. What the camera does in summer and which zone it is in stays.
///
/// # Errors
/// It refuses, as do accounts without an administrator's rights.
pub(super) async fn set(link: &mut Link, before: &DeviceClock) -> Result<(), Failure> {
    // Half a second later than now: cameras begin the second that they are told.
    let now = jiff::Timestamp::now().as_millisecond() + 500;
    let body = set_request(before, now);
    link.caller.call(&link.address.0, DEVICE, &body, |_| Ok(())).await?;
    link.clock().await.map(drop)
}

pub(super) fn set_request(before: &DeviceClock, now_ms: i64) -> String {
    let now = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let now = TimeZone::UTC.to_datetime(now);
    let zone = before
        .time_zone
        .as_ref()
        .map(|zone| format!("<TimeZone><t:TZ xmlns:t=\"{SCHEMA}\">{}</t:TZ></TimeZone>", escaped(zone)));
    format!(
        "<SetSystemDateAndTime><DateTimeType>Manual</DateTimeType><DaylightSavings>{}</DaylightSavings>{}\
         <UTCDateTime xmlns:t=\"{SCHEMA}\"><t:Time><t:Hour>{}</t:Hour><t:Minute>{}</t:Minute><t:Second>{}</t:Second></t:Time>\
         <t:Date><t:Year>{}</t:Year><t:Month>{}</t:Month><t:Day>{}</t:Day></t:Date></UTCDateTime></SetSystemDateAndTime>",
        before.daylight_savings,
        zone.unwrap_or_default(),
        now.hour(),
        now.minute(),
        now.second(),
        now.year(),
        now.month(),
        now.day(),
    )
}

/// The clock, as far as it tells UTC. Some cameras tell local time only (HiKam A7, agsh/onvif#65): that is no answer.
pub(super) fn device_clock(reply: Node<'_, '_>) -> Option<DeviceClock> {
    let told = child(reply, "SystemDateAndTime")?;
    let utc = child(told, "UTCDateTime")?;
    let part = |names: &[&str]| i8::try_from(number(utc, names)).ok();
    let year = i16::try_from(number(utc, &["Date", "Year"])).ok()?;
    let (month, day) = (part(&["Date", "Month"])?, part(&["Date", "Day"])?);
    let (hour, minute) = (part(&["Time", "Hour"])?, part(&["Time", "Minute"])?);
    // A leap second is told as 60 (ONVIF's type allows 61).
    let second = part(&["Time", "Second"])?.min(59);
    let time = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let utc_ms = TimeZone::UTC.to_timestamp(time).ok()?.as_millisecond();
    Some(DeviceClock {
        utc_ms,
        ntp: text(told, "DateTimeType").eq_ignore_ascii_case("NTP"),
        daylight_savings: truth(&text(told, "DaylightSavings")).unwrap_or(false),
        time_zone: path(told, &["TimeZone", "TZ"]).map(own_text).filter(|zone| !zone.is_empty()),
    })
}

/// The camera's clock minus ours in ms: ours is the middle of the question and the answer, theirs half a second into the second that it told.
pub(super) fn offset_ms(theirs_ms: i64, asked: SystemTime, answered: SystemTime) -> Option<i64> {
    let ms = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_millis()).ok())
    };
    let (asked, answered) = (ms(asked)?, ms(answered)?);
    Some(theirs_ms + 500 - (asked + answered) / 2)
}
