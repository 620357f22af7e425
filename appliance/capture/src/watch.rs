//! Notices what a session does not send: pictures, parameter sets, key frames.

use crate::failure::Failure;
use core::time::Duration;
use watchbook_base::MonoNanos;

/// A session without a whole picture for this long is given up.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);
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
    /// What was wrong with the last damaged access unit.
    pub(crate) damage: Option<String>,
}

impl Watch {
    pub(crate) fn new(now: MonoNanos, silence: Duration) -> Self {
        Self { ticks: 0, silence, started: now, last_picture: now, first_undecodable: None, damage: None }
    }

    pub(crate) fn picture(&mut self, now: MonoNanos) {
        self.last_picture = now;
        self.first_undecodable = None;
        self.damage = None;
    }

    pub(crate) fn undecodable(&mut self, now: MonoNanos) {
        self.last_picture = now;
        self.first_undecodable.get_or_insert(now);
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
}
