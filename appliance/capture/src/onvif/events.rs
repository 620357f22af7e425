//! What a camera notices by itself: notifications by topic and state, and the events that become of them. Pure.
//!
//! A camera tells that a state begins and that it ends (Core Specification 9.5). Motion becomes an event when it is over, or each minute while it lasts; tampering and a
//! digital input become one at once, because somebody may wait for them.

use super::xml::{Node, child, children, path, truth};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, MonoNanos, UtcNanos};

/// Notifications of one answer that are looked at: as many as are asked for.
pub(super) const NOTIFICATIONS_MAX: usize = 64;
/// Events of one camera in a minute; more are counted. A camera on a busy street tells of motion some ten times a minute.
pub(super) const EVENTS_PER_MINUTE_MAX: u32 = 60;
/// States that are open at once: the rules and inputs of one camera.
const OPEN_MAX: usize = 16;
/// Longest event: motion that goes on is cut here, so that it shows while it lasts.
const EVENT_NANOS_MAX: i64 = 60 * NANOS_PER_SEC;
/// A notification may be told so long after it happened, or before by the same error of clocks. What is further off has the time at which it came.
const LATE_NANOS_MAX: i64 = 60 * NANOS_PER_SEC;
const EARLY_NANOS_MAX: i64 = 2 * NANOS_PER_SEC;

/// What a camera notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Noticed {
    /// Something moves.
    Motion,
    /// The picture is not what it should be: another scene, too dark, too bright, out of focus.
    Tamper,
    /// A contact at the camera closed.
    DigitalInput,
}

/// What a camera noticed, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceEvent {
    /// Which camera.
    pub camera: CameraId,
    /// What.
    pub noticed: Noticed,
    /// The camera's word for which of its rules or inputs; at most 64 characters, may be empty.
    pub source: String,
    /// When it began, by our clock.
    pub start: UtcNanos,
    /// When it ended; `None` for a moment.
    pub end: Option<UtcNanos>,
    /// When it began by the camera's clock, as it told it.
    pub camera_clock: Option<UtcNanos>,
}

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notification {
    pub(super) noticed: Noticed,
    pub(super) source: String,
    pub(super) active: bool,
    /// How things stood when the subscription began: nothing has happened.
    pub(super) initial: bool,
    pub(super) camera_clock: Option<UtcNanos>,
}

/// The notifications of a `PullMessagesResponse` that mean something here, and how many others there are.
pub(super) fn notifications(reply: Node<'_, '_>) -> (Vec<Notification>, u64) {
    let messages = children(reply, "NotificationMessage").take(NOTIFICATIONS_MAX);
    let (mut known, mut others) = (Vec::new(), 0);
    for message in messages {
        match notification(message) {
            Some(notification) => known.push(notification),
            None => others += 1,
        }
    }
    (known, others)
}

fn notification(message: Node<'_, '_>) -> Option<Notification> {
    let noticed = noticed(child(message, "Topic")?.text()?)?;
    let told = path(message, &["Message", "Message"])?;
    let values = |part: &str| {
        let part = child(told, part);
        part.into_iter().flat_map(|part| children(part, "SimpleItem")).take(8)
    };
    let active = values("Data").find_map(|item| truth(item.attribute("Value")?))?;
    let source: Vec<&str> = values("Source").filter_map(|item| item.attribute("Value")).collect();
    let source = source.join(" ").chars().filter(|c| !c.is_control()).take(64).collect();
    Some(Notification {
        noticed,
        source,
        active,
        initial: told.attribute("PropertyOperation") == Some("Initialized"),
        camera_clock: told.attribute("UtcTime").and_then(moment),
    })
}

/// What a topic is about, whatever prefix a camera gives ONVIF's namespace of topics.
fn noticed(topic: &str) -> Option<Noticed> {
    let segments: Vec<&str> =
        topic.trim().split('/').take(8).map(|part| part.rsplit_once(':').map_or(part, |(_, name)| name)).collect();
    match segments.as_slice() {
        ["RuleEngine", "CellMotionDetector" | "MotionRegionDetector", "Motion"] | ["VideoSource", "MotionAlarm"] => {
            Some(Noticed::Motion)
        }
        ["VideoSource", "GlobalSceneChange" | "ImageTooDark" | "ImageTooBright" | "ImageTooBlurry", _]
        | ["RuleEngine", "TamperDetector", "Tamper"] => Some(Noticed::Tamper),
        ["Device", "Trigger", "DigitalInput"] => Some(Noticed::DigitalInput),
        _ => None,
    }
}

/// An `xsd:dateTime`; one without a zone is UTC, as its name in ONVIF says.
fn moment(text: &str) -> Option<UtcNanos> {
    // The longest that makes sense has nine digits of a second and an offset.
    let text = Some(text.trim()).filter(|text| text.len() <= 40)?;
    let zoned = text.parse::<Timestamp>().ok();
    let told = zoned.or_else(|| TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok())?;
    i64::try_from(told.as_nanosecond()).ok().map(UtcNanos)
}

/// When something happened by our clock: the camera's time less its offset, as far as that is near to when it was told.
fn ours(camera_clock: Option<UtcNanos>, offset_ms: Option<i64>, told: UtcNanos) -> UtcNanos {
    let Some((theirs, offset_ms)) = camera_clock.zip(offset_ms) else { return told };
    let ours = theirs.plus_nanos(offset_ms.saturating_neg().saturating_mul(1_000_000));
    let late = told.nanos_since(ours);
    if (-EARLY_NANOS_MAX..=LATE_NANOS_MAX).contains(&late) { ours.min(told) } else { told }
}

struct Open {
    start: UtcNanos,
    camera_clock: Option<UtcNanos>,
}

/// From notifications to events, of one camera.
pub(super) struct Episodes {
    camera: CameraId,
    open: BTreeMap<(Noticed, String), Open>,
    minute: u64,
    in_minute: u32,
    /// Events that were given out.
    pub(super) given: u64,
    /// Those that were too many.
    pub(super) dropped: u64,
}

/// When a notification came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub(super) utc: UtcNanos,
    pub(super) mono: MonoNanos,
    /// The camera's clock minus ours.
    pub(super) offset_ms: Option<i64>,
}

impl Episodes {
    pub(super) fn new(camera: CameraId) -> Self {
        Self { camera, open: BTreeMap::new(), minute: 0, in_minute: 0, given: 0, dropped: 0 }
    }

    /// Takes a notification.
    pub(super) fn take(&mut self, notification: Notification, came: Came) -> Option<DeviceEvent> {
        let Notification { noticed, source, active, initial, camera_clock } = notification;
        let at = ours(camera_clock, came.offset_ms, came.utc);
        let key = (noticed, source);
        if !active {
            let open = self.open.remove(&key).filter(|_| noticed == Noticed::Motion)?;
            return self.give(key, open, Some(at), came.mono);
        }
        if initial || self.open.contains_key(&key) {
            return None;
        }
        if self.open.len() >= OPEN_MAX {
            self.dropped += 1;
            return None;
        }
        self.open.insert(key.clone(), Open { start: at, camera_clock });
        if noticed == Noticed::Motion {
            return None;
        }
        self.give(key, Open { start: at, camera_clock }, None, came.mono)
    }

    /// What has lasted long enough by now. Without a connection nobody knows how long it goes on: then all that is open ends.
    pub(super) fn tick(&mut self, now: UtcNanos, mono: MonoNanos, lost: bool) -> Vec<DeviceEvent> {
        let over = |open: &Open| lost || now.nanos_since(open.start) >= EVENT_NANOS_MAX;
        let due: Vec<_> = self
            .open
            .iter()
            .filter(|((noticed, _), open)| *noticed == Noticed::Motion && over(open))
            .map(|(key, _)| key.clone())
            .collect();
        let mut events = Vec::new();
        for key in due {
            let Some(open) = self.open.remove(&key) else { continue };
            if !lost {
                // It goes on as another event; how far its clock is from ours does not change within a minute.
                let past = now.nanos_since(open.start);
                let camera_clock = open.camera_clock.map(|clock| clock.plus_nanos(past));
                self.open.insert(key.clone(), Open { start: now, camera_clock });
            }
            events.extend(self.give(key, open, Some(now), mono));
        }
        if lost {
            self.open.clear();
        }
        events
    }

    fn give(
        &mut self,
        (noticed, source): (Noticed, String),
        open: Open,
        end: Option<UtcNanos>,
        mono: MonoNanos,
    ) -> Option<DeviceEvent> {
        let minute = mono.0 / (60 * NANOS_PER_SEC.unsigned_abs());
        if self.minute != minute {
            (self.minute, self.in_minute) = (minute, 0);
        }
        if self.in_minute >= EVENTS_PER_MINUTE_MAX {
            self.dropped += 1;
            return None;
        }
        self.in_minute += 1;
        self.given += 1;
        let (start, camera_clock) = (open.start, open.camera_clock);
        Some(DeviceEvent {
            camera: self.camera,
            noticed,
            source,
            start,
            end: end.map(|end| end.max(start)),
            camera_clock,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onvif::xml::parse;
    use proptest::prelude::*;

    const SECOND: i64 = NANOS_PER_SEC;

    fn message(topic: &str, operation: &str, time: &str, data: (&str, &str)) -> String {
        // Core Specification 9.5.2, the example, with the prefixes of a camera.
        format!(
            "<wsnt:NotificationMessage><wsnt:Topic Dialect=\"x\">{topic}</wsnt:Topic><wsnt:Message><tt:Message UtcTime=\"{time}\" \
             PropertyOperation=\"{operation}\"><tt:Source><tt:SimpleItem Name=\"Source\" Value=\"1\"/><tt:SimpleItem Name=\"Rule\" Value=\"R 2\"/></tt:Source>\
             <tt:Data><tt:SimpleItem Name=\"{}\" Value=\"{}\"/></tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>",
            data.0, data.1
        )
    }

    fn read(messages: &[String]) -> (Vec<Notification>, u64) {
        let text = format!("<r xmlns:wsnt='n' xmlns:tt='t'>{}</r>", messages.concat());
        notifications(parse(&text).unwrap().root_element())
    }

    #[test]
    fn topics_are_known_whatever_their_prefix_and_others_are_counted() {
        let time = "2026-11-26T14:02:08.5Z";
        let of = |topic: &str, data: &str| message(topic, "Changed", time, (data, "true"));
        let (known, others) = read(&[
            of("tns1:RuleEngine/CellMotionDetector/Motion", "IsMotion"),
            of("tns1:VideoSource/tnsx:MotionAlarm", "State"),
            of("x:VideoSource/GlobalSceneChange/ImagingService", "State"),
            of("VideoSource/ImageTooDark/AnalyticsService", "State"),
            of("tns1:Device/Trigger/DigitalInput", "LogicalState"),
            of("tns1:Device/Trigger/Relay", "LogicalState"),
            of("tns1:RuleEngine/FaceDetector/Face", "State"),
            "<wsnt:NotificationMessage/>".to_owned(),
        ]);
        let noticed: Vec<_> = known.iter().map(|one| one.noticed).collect();
        use Noticed::{DigitalInput, Motion, Tamper};
        assert_eq!((noticed, others), (vec![Motion, Motion, Tamper, Tamper, DigitalInput], 3));
        // date -u -d '2026-11-26 14:02:08' +%s
        let at = UtcNanos(1_795_701_728_500_000_000);
        let first = Notification {
            noticed: Motion,
            source: "1 R 2".into(),
            active: true,
            initial: false,
            camera_clock: Some(at),
        };
        assert_eq!(known[0], first);
    }

    #[test]
    fn a_time_without_a_zone_is_utc_and_nonsense_is_none() {
        let at = Some(UtcNanos(1_795_701_728_000_000_000));
        for text in
            ["2026-11-26T14:02:08Z", "2026-11-26T14:02:08", "2026-11-26T21:02:08+07:00", " 2026-11-26T14:02:08.000Z "]
        {
            assert_eq!(moment(text), at, "{text}");
        }
        for text in ["", "yesterday", "2026-13-26T14:02:08Z", "2026-11-26T14:02:08.00000000000000000000000000000000Z"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    fn at(second: i64, offset_ms: Option<i64>) -> Came {
        let nanos = 1_000 * SECOND + second * SECOND;
        Came { utc: UtcNanos(nanos), mono: MonoNanos(nanos.unsigned_abs()), offset_ms }
    }

    fn told(noticed: Noticed, active: bool, clock: Option<i64>) -> Notification {
        let camera_clock = clock.map(|second| UtcNanos((1_000 + second) * SECOND));
        Notification { noticed, source: "1".into(), active, initial: false, camera_clock }
    }

    fn episodes() -> Episodes {
        Episodes::new(CameraId::new(3).unwrap())
    }

    #[test]
    fn motion_has_our_time_and_keeps_the_cameras() {
        let mut episodes = episodes();
        // The camera is two hours ahead and tells half a second late.
        let ahead = Some(7_200_000);
        assert_eq!(episodes.take(told(Noticed::Motion, true, Some(7_209)), at(10, ahead)), None);
        let event = episodes.take(told(Noticed::Motion, false, Some(7_214)), at(15, ahead)).unwrap();
        assert_eq!((event.start, event.end), (at(9, None).utc, Some(at(14, None).utc)));
        assert_eq!(event.camera_clock, Some(UtcNanos(8_209 * SECOND)));
        // A clock that nobody can convert, and one that is far from what it was measured to be, give the time of arrival; what was told is kept.
        for (clock, offset_ms) in [(Some(7_209), None), (Some(0), ahead), (None, ahead)] {
            episodes.take(told(Noticed::Motion, true, clock), at(20, offset_ms));
            let event = episodes.take(told(Noticed::Motion, false, clock), at(25, offset_ms)).unwrap();
            assert_eq!((event.start, event.end), (at(20, None).utc, Some(at(25, None).utc)), "{clock:?} {offset_ms:?}");
            assert_eq!(event.camera_clock, clock.map(|second| UtcNanos((1_000 + second) * SECOND)));
        }
    }

    #[test]
    fn what_somebody_waits_for_is_told_at_once_and_only_once() {
        let mut episodes = episodes();
        for noticed in [Noticed::Tamper, Noticed::DigitalInput] {
            let event = episodes.take(told(noticed, true, None), at(1, None)).unwrap();
            assert_eq!((event.noticed, event.start, event.end), (noticed, at(1, None).utc, None));
            assert_eq!(episodes.take(told(noticed, true, None), at(2, None)), None);
            assert_eq!(episodes.take(told(noticed, false, None), at(3, None)), None);
            assert!(episodes.take(told(noticed, true, None), at(4, None)).is_some());
        }
        // How things stand when a subscription begins is no event.
        let standing = Notification { initial: true, source: "2".into(), ..told(Noticed::DigitalInput, true, None) };
        assert_eq!(episodes.take(standing, at(5, None)), None);
    }

    #[test]
    fn motion_that_goes_on_is_cut_each_minute_and_ends_with_the_connection() {
        let mut episodes = episodes();
        episodes.take(told(Noticed::Motion, true, Some(0)), at(0, Some(0)));
        assert_eq!(episodes.tick(at(59, None).utc, at(59, None).mono, false), []);
        let first = episodes.tick(at(60, None).utc, at(60, None).mono, false);
        assert_eq!((first[0].start, first[0].end), (at(0, None).utc, Some(at(60, None).utc)));
        let second = episodes.tick(at(70, None).utc, at(70, None).mono, true);
        assert_eq!((second[0].start, second[0].end), (at(60, None).utc, Some(at(70, None).utc)));
        assert_eq!(second[0].camera_clock, Some(UtcNanos(1_060 * SECOND)));
        assert_eq!(episodes.tick(at(200, None).utc, at(200, None).mono, true), []);
    }

    #[test]
    fn a_flood_is_counted_and_not_kept() {
        let mut episodes = episodes();
        let mut given = 0_u64;
        for round in 0..500 {
            // All within one minute.
            let now = at(20 + round % 30, None);
            given += u64::from(episodes.take(told(Noticed::DigitalInput, true, None), now).is_some());
            episodes.take(told(Noticed::DigitalInput, false, None), now);
        }
        assert_eq!((given, episodes.given, episodes.dropped), (60, 60, 440));
        assert!(episodes.take(told(Noticed::DigitalInput, true, None), at(120, None)).is_some(), "another minute");
        let mut many = Episodes::new(CameraId::new(3).unwrap());
        for source in 0..100 {
            many.take(Notification { source: source.to_string(), ..told(Noticed::Motion, true, None) }, at(1, None));
        }
        assert_eq!((many.open.len(), many.dropped), (OPEN_MAX, 100 - OPEN_MAX as u64));
    }

    proptest! {
        #[test]
        fn no_notification_panics(topic in "[a-zA-Z:/]{0,60}", time in "\\PC{0,50}", value in "\\PC{0,8}", operation in "[a-zA-Z]{0,12}") {
            let escaped = crate::onvif::xml::escaped;
            let message = message(&topic, &operation, &escaped(&time), ("State", &escaped(&value)));
            let (known, others) = read(&[message.clone(), message]);
            prop_assert_eq!(known.len() as u64 + others, 2);
        }
    }
}
