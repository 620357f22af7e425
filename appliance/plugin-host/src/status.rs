//! What the page and the log learn about plugins.

use crate::message::{Counts, LINES_PER_MINUTE_MAX, Level};
use crate::rules::Verdict;
use crate::{Emits, Setting};
use serde::{Deserialize, Serialize};
use watchbook_base::{CameraId, Event, EventSource};

/// How one instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// It starts with its next frame, or is starting.
    Starting,
    /// It takes frames.
    Running,
    /// It trapped; a fresh one comes after a pause.
    Restarting,
    /// The plugin refuses its settings, or the host refuses the plugin; change them.
    Faulted,
    /// It trapped too often. Bind it again to try once more.
    Quarantined,
}

/// One plugin on one camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstanceStatus {
    /// Which camera.
    pub camera: CameraId,
    /// How it is.
    pub state: InstanceState,
    /// What the child counts.
    pub counts: Counts,
    /// Frames, or events of a rule, dropped before they reached the child.
    pub missed: u64,
    /// Traps since it was bound.
    pub traps: u64,
    /// Events given, or verdicts of a rule.
    pub events: u64,
    /// Marks, or verdicts, refused because they broke a limit.
    pub marks_refused: u64,
    /// Of the latest frame that gave a mark: from [`crate::Plugins::frame`] until the plugin was done with it, in nanoseconds.
    pub took_ns: Option<u64>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

impl InstanceStatus {
    /// Every frame that this instance should have seen and did not.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.missed + self.counts.skipped
    }

    /// What is wrong with it, in a sentence that names its camera: what went wrong last, else that it logs more than is kept.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let dropped = self.counts.lines_dropped;
        let over = || {
            (dropped > 0)
                .then(|| format!("{dropped} lines of its log were dropped; {LINES_PER_MINUTE_MAX} a minute are kept"))
        };
        self.last_error.clone().or_else(over).map(|sentence| format!("camera {}: {sentence}", self.camera))
    }
}

/// An installed plugin and how each of its instances is doing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PluginStatus {
    /// From the manifest.
    pub id: String,
    /// From the manifest.
    pub version: String,
    /// From the manifest.
    pub summary: String,
    /// SHA-256 of the component, lower-case hex.
    pub component_sha256: String,
    /// Kinds of events.
    pub emits: Vec<Emits>,
    /// What an administrator can set.
    pub settings_schema: Vec<Setting>,
    /// `idle` without instances, else the worst of theirs: `starting`, `running`, `restarting`, `faulted`, `quarantined`.
    pub state: String,
    /// Sum over the instances.
    pub frames_seen: u64,
    /// Sum over the instances.
    pub frames_dropped: u64,
    /// Sum over the instances.
    pub traps: u64,
    /// Of any instance, or of the plugin as a whole.
    pub last_error: Option<String>,
    /// One for each camera.
    pub instances: Vec<InstanceStatus>,
}

/// What plugins have to say. The callback runs on the thread that reads the child: it must not wait.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// A checked event.
    Event(Event),
    /// A log line of a plugin.
    Log {
        /// Its camera.
        camera: CameraId,
        /// Its id.
        plugin: String,
        /// How much it matters.
        level: Level,
        /// Its words, clipped.
        text: String,
    },
    /// A plugin's instance changed its state.
    State {
        /// Its camera.
        camera: CameraId,
        /// Its id.
        plugin: String,
        /// How it is now.
        state: InstanceState,
        /// Why, when it is not running.
        sentence: Option<String>,
    },
    /// What an export rule proposes about an event of its camera: at least one verdict, each within its limits. Policy has not been asked yet.
    Verdicts {
        /// The event.
        event: Box<Event>,
        /// Which rule, of which digest and settings.
        rule: EventSource,
        /// At most [`crate::rules::VERDICTS_MAX`].
        verdicts: Vec<Verdict>,
    },
    /// An export rule trapped or faulted: the event has no verdict of it, and it is not asked again.
    Unjudged {
        /// The event.
        event: Box<Event>,
        /// Id of the rule.
        plugin: String,
        /// What happened.
        sentence: String,
    },
    /// A new version was tried and is not used: the one before it is back on its cameras, with the state that it had.
    RolledBack {
        /// The plugin's id.
        plugin: String,
        /// Which version is back.
        version: String,
        /// Which version was tried.
        tried: String,
        /// Why it is not used.
        sentence: String,
    },
    /// The child ended and will be started again.
    Restarting {
        /// How it ended and when the next one comes.
        sentence: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_logs_too_much_is_told_of_with_its_camera() {
        let counts = Counts { lines_dropped: 7, ..Counts::default() };
        let mut status = InstanceStatus {
            camera: CameraId::new(3).unwrap(),
            state: InstanceState::Running,
            counts: Counts::default(),
            missed: 0,
            traps: 0,
            events: 0,
            marks_refused: 0,
            took_ns: None,
            last_error: None,
        };
        assert_eq!(status.trouble(), None);
        status.counts = counts;
        assert_eq!(status.trouble().unwrap(), "camera 3: 7 lines of its log were dropped; 50 a minute are kept");
        status.last_error = Some("it stopped".into());
        assert_eq!(status.trouble().unwrap(), "camera 3: it stopped");
    }
}
