//! Notices what a session does not send: pictures, parameter sets, key frames.

use crate::failure::Failure;
use core::time::Duration;
use watchbook_base::MonoNanos;

/// A session without a whole picture for this long is given up.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);
/// Without a picture for this long it is asked whether anybody is there …
const QUIET: Duration = Duration::from_millis(1_500);
/// … unless the camera usually takes this share of its silence from picture to picture.
const QUIET_PICTURES: u64 = 4;
/// Pictures may come without parameter sets for this long.
const PARAMETERS_WAIT: Duration = Duration::from_secs(5);
/// Pictures may come without a key frame for this long: over the longest GOP seen in cameras' menus (20 s).
const KEY_FRAME_WAIT: Duration = Duration::from_secs(30);

/// What a session has and has not sent.
pub(crate) struct Watch {
    /// Seconds the session has played.
    pub(crate) ticks: u64,
    /// How long there may be no picture.
    silence: Duration,
    started: MonoNanos,
    last_picture: MonoNanos,
    first_undecodable: Option<MonoNanos>,
    /// Mean time from picture to picture, of the last few.
    usual_ns: u64,
    /// What has come of asking since the last picture.
    asked: Asked,
    /// What was wrong with the last damaged access unit.
    pub(crate) damage: Option<String>,
}

/// What has come of asking whether anybody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Not,
    /// Nobody answered.
    InVain,
    /// The camera takes connections and sends nothing: more questions tell no more.
    Answered,
}

impl Watch {
    pub(crate) fn new(now: MonoNanos, silence: Duration) -> Self {
        Self {
            ticks: 0,
            silence,
            started: now,
            last_picture: now,
            first_undecodable: None,
            usual_ns: 0,
            asked: Asked::Not,
            damage: None,
        }
    }

    pub(crate) fn picture(&mut self, now: MonoNanos) {
        self.came(now);
        self.first_undecodable = None;
        self.damage = None;
    }

    pub(crate) fn undecodable(&mut self, now: MonoNanos) {
        self.came(now);
        self.first_undecodable.get_or_insert(now);
    }

    fn came(&mut self, now: MonoNanos) {
        self.usual_ns = self.usual_ns / 8 * 7 + now.nanos_since(self.last_picture) / 8;
        (self.last_picture, self.asked) = (now, Asked::Not);
    }

    /// No picture has come for longer than this camera's pictures explain: it should be asked whether it is there.
    pub(crate) fn is_quiet(&self, now: MonoNanos) -> bool {
        let quiet_ns = nanos(QUIET).max(self.usual_ns.saturating_mul(QUIET_PICTURES));
        self.asked != Asked::Answered && now.nanos_since(self.last_picture) >= quiet_ns
    }

    /// Takes the answer to the question. `Some` when the camera did not take connections and takes them again: what was sent meanwhile is repeated at growing intervals
    /// (TCP's back-off, RFC 6298 §5), up to seconds after the network has returned, and a new session is there sooner.
    pub(crate) fn answered(&mut self, there: bool, now: MonoNanos, host_port: &str) -> Option<Failure> {
        let was_away = self.asked == Asked::InVain && self.is_quiet(now);
        self.asked = if there { Asked::Answered } else { Asked::InVain };
        let silent_s = now.nanos_since(self.last_picture).div_ceil(1_000_000_000);
        (there && was_away).then(|| Failure::was_away(host_port, silent_s))
    }

    pub(crate) fn failure(&self, now: MonoNanos, live: bool, host_port: &str) -> Option<Failure> {
        if self.first_undecodable.is_some_and(|first| now.nanos_since(first) >= nanos(PARAMETERS_WAIT)) {
            return Some(Failure::unusable(
                format!(
                    "The camera at {host_port} sends no parameter sets (SPS, PPS): its pictures cannot be decoded by anybody."
                ),
                "Restart the camera, set its video to H.264 or H.265 anew, or update its firmware.",
            ));
        }
        if now.nanos_since(self.last_picture) >= nanos(self.silence) {
            return Some(match &self.damage {
                Some(what) => Failure::unusable(
                    format!("The camera at {host_port} sends only damaged video: {what}."),
                    "Check the network for loss, switch the transport to TCP, or restart the camera.",
                ),
                None if self.asked == Asked::InVain => Failure::away(host_port, self.silence.as_secs()),
                None => Failure::silent(host_port, self.silence.as_secs()),
            });
        }
        let waited = now.nanos_since(self.started);
        (!live && waited >= nanos(KEY_FRAME_WAIT)).then(|| {
            Failure::unusable(
                format!("The camera at {host_port} sent no key frame within {} s.", KEY_FRAME_WAIT.as_secs()),
                "Set the camera's key frame interval (GOP, I-frame interval) to 1 or 2 s.",
            )
        })
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::GapReason;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn each_thing_that_is_missing_has_its_own_failure() {
        let at = |seconds: u64| MonoNanos(seconds * SECOND);
        let reason = |watch: &Watch, seconds, live| {
            watch.failure(at(seconds), live, "h:554").map(|failure| (failure.reason, failure.detail))
        };
        let mut watch = Watch::new(at(0), SILENCE);
        assert_eq!(reason(&watch, 4, false), None);
        assert_eq!(reason(&watch, 5, false).map(|found| found.0), Some(GapReason::CameraSilent));
        watch.damage = Some("a forbidden bit".into());
        assert!(
            reason(&watch, 5, false).is_some_and(
                |(reason, detail)| reason == GapReason::StreamUnusable && detail.contains("a forbidden bit")
            )
        );

        for second in 1..=29 {
            watch.picture(at(second));
        }
        assert_eq!(reason(&watch, 29, false), None);
        watch.picture(at(30));
        assert!(reason(&watch, 30, false).is_some_and(|(_, detail)| detail.contains("no key frame within 30 s")));
        assert_eq!(reason(&watch, 30, true), None);

        for second in 31..=36 {
            watch.undecodable(at(second));
        }
        assert!(reason(&watch, 36, true).is_some_and(|(_, detail)| detail.contains("no parameter sets")));
        watch.picture(at(37));
        assert_eq!(reason(&watch, 37, true), None);
    }

    #[test]
    fn a_camera_that_was_away_and_is_back_is_told_from_one_that_sends_nothing() {
        let at = |ms: u64| MonoNanos(ms * 1_000_000);
        let mut watch = Watch::new(at(0), SILENCE);
        (1..=50).for_each(|picture| watch.picture(at(picture * 40)));
        assert!(!watch.is_quiet(at(3_000)) && watch.is_quiet(at(3_500)));
        // It sends nothing and answers: no more is asked, and its silence has the reason of a silence.
        let mut hangs = Watch { damage: None, ..watch };
        assert_eq!(hangs.answered(true, at(3_600), "h:554"), None);
        assert!(!hangs.is_quiet(at(6_000)));
        assert_eq!(hangs.failure(at(7_000), true, "h:554").map(|it| it.reason), Some(GapReason::CameraSilent));

        let mut watch = Watch::new(at(0), SILENCE);
        (1..=50).for_each(|picture| watch.picture(at(picture * 40)));
        assert_eq!(watch.answered(false, at(4_500), "h:554"), None);
        let back = watch.answered(true, at(5_500), "h:554").expect("it is back");
        assert!(back.at_once && back.reason == GapReason::CameraGone && back.detail.contains("4 s"), "{back}");
        watch.answered(false, at(6_500), "h:554");
        let away = watch.failure(at(7_000), true, "h:554").expect("five seconds without a picture");
        assert!(away.no_answer && away.reason == GapReason::CameraGone, "{away}");
        // A picture in between: nothing was away.
        watch.picture(at(7_500));
        assert_eq!(watch.answered(true, at(7_600), "h:554"), None);
    }

    #[test]
    fn a_camera_that_takes_its_time_from_picture_to_picture_is_not_asked() {
        let mut watch = Watch::new(MonoNanos(0), SILENCE);
        (1..=40).for_each(|picture| watch.picture(MonoNanos(picture * 2 * SECOND)));
        assert!(!watch.is_quiet(MonoNanos(86 * SECOND)) && watch.is_quiet(MonoNanos(88 * SECOND)));
    }
}
