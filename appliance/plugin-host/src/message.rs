//! What the recorder and `watchbook-plugins` say to each other. Encoded as [`watchbook_analysis::message::encode`] does.

use crate::models::ModelPart;
use crate::rules::Verdict;
use serde::{Deserialize, Serialize};
use watchbook_analysis::Point;
use watchbook_base::{Area, Lead};

/// Which instance a message is about. Every binding takes a new number.
pub type InstanceNumber = u64;
/// Which event a rule is asked about: counts the events that one instance was given.
pub type EventNumber = u64;
/// Which plugin a message is about. Every package takes a new number, also one that takes the place of another version.
pub type PluginNumber = u32;

/// Marks of one call.
pub const MARKS_MAX: usize = 64;
/// Bytes of the marks of one call, encoded.
pub const MARKS_BYTES_MAX: usize = 16 << 10;
/// One log line.
pub const LOG_BYTES_MAX: usize = 1024;
/// Log lines of one instance; what is over is dropped and counted.
pub const LINES_PER_MINUTE_MAX: u32 = 50;
/// A sentence about a trap or a fault.
pub const SENTENCE_BYTES_MAX: usize = 1024;

/// What `stop` of an instance may return for the next one.
pub const SAVED_BYTES_MAX: usize = 1 << 20;

/// What a plugin is: the set of functions that it has and may call. Spelled as in manifests and in `sdk/wit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// Watches one camera: frames in, marks out.
    AnalyticsPlugin,
    /// Decides about events: pure.
    ExportRule,
}

impl World {
    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AnalyticsPlugin => "analytics-plugin",
            Self::ExportRule => "export-rule",
        }
    }
}

/// A part of the picture with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// 1 to 64 bytes, unique within one binding.
    pub name: String,
    /// A closed polygon of 3 to 64 corners.
    pub outline: Vec<Point>,
}

/// Limits of a plugin's instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory.
    pub memory_bytes: u64,
    /// Processor time of one call.
    pub call_ms: u32,
    /// Keyed state.
    pub store_bytes: u32,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For the author only.
    Trace,
    /// For the author.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something does not work.
    Error,
}

/// What a plugin saw, as it left the plugin: unchecked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Kind of event.
    pub kind: String,
    /// 0 to 1 if the plugin is right.
    pub score: f32,
    /// UTC in nanoseconds.
    pub start_utc_ns: u64,
    /// UTC in nanoseconds.
    pub end_utc_ns: Option<u64>,
    /// Name of a zone.
    pub zone: Option<String>,
    /// What was seen where.
    pub detections: Vec<Seen>,
    /// For people.
    pub note: String,
}

/// One detection of a [`Mark`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// A term of the vocabulary.
    pub class: String,
    /// 0 to 1 if the plugin is right.
    pub score: f32,
    /// Where.
    pub area: Area,
    /// Same object within one mark.
    pub track: Option<u64>,
}

/// From the recorder to the child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToPlugins {
    /// A plugin that can be bound from now on. It is being compiled: [`ToPlugins::Compiled`] or [`ToPlugins::NotCompiled`] follows.
    Load {
        /// Its number.
        plugin: PluginNumber,
        /// Id and version that it must give itself.
        id: String,
        /// See `id`.
        version: String,
        /// Of each instance.
        limits: Limits,
        /// What the manifest asks for: the only interfaces that the component may import.
        capabilities: Vec<String>,
        /// What it is.
        world: World,
        /// Its models. Their bytes lie one after another in the sealed memory file beside the message; without models there is none.
        models: Vec<ModelPart>,
    },
    /// The artefact of a loaded plugin is in the sealed memory file beside the message: made by the recorder's own compile child, and unchanged since.
    /// Answered by [`FromPlugins::Loaded`] or [`FromPlugins::Refused`].
    Compiled {
        /// Of which plugin.
        plugin: PluginNumber,
    },
    /// A loaded plugin cannot be used. Answered by [`FromPlugins::Refused`].
    NotCompiled {
        /// Which.
        plugin: PluginNumber,
        /// Why.
        sentence: String,
    },
    /// Start an instance of a loaded plugin. Beside the message of one that watches is the end of a link of its own: there come its frames, each as a
    /// [`FrameHead`] with the pixels in a sealed memory file, one for each [`FromPlugins::Waits`]. The end of that link is the end of the instance.
    Bind {
        /// A number never used before.
        instance: InstanceNumber,
        /// Of which plugin.
        plugin: PluginNumber,
        /// The instance whose place it takes: that one is stopped first, and what it saved and its store are handed on. When that one, of another version,
        /// took the place of an instance of this very plugin and that plugin has not been unloaded since, what the earlier one left is handed on.
        after: Option<InstanceNumber>,
        /// The camera's word.
        camera: String,
        /// Parts of the picture.
        zones: Vec<Zone>,
        /// Complete settings.
        settings_json: String,
    },
    /// Forget a plugin that has no instances any more, and what its instances left.
    Unload {
        /// Which.
        plugin: PluginNumber,
    },
    /// Stop an instance. What it saves and its store are gone.
    Unbind {
        /// Which.
        instance: InstanceNumber,
    },
    /// One event for a rule: a [`crate::rules::Situation`], encoded, in the sealed memory file beside the message. Answered by [`FromPlugins::Verdicts`] or
    /// [`FromPlugins::Unjudged`].
    Evaluate {
        /// For which instance.
        instance: InstanceNumber,
        /// To be given back with the answer.
        event: EventNumber,
    },
}

/// One frame on an instance's own link; its brightness plane is in the sealed memory file beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameHead {
    /// UTC of presentation in nanoseconds.
    pub utc_ns: u64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Whether there are privacy masks.
    pub masked: bool,
    /// Frames dropped since the one before, by the recorder.
    pub missed: u32,
    /// When the recorder was given the frame: `CLOCK_MONOTONIC` in nanoseconds, which is the same in both processes.
    pub given_ns: u64,
}

/// Bytes of a [`FrameHead`], encoded: three numbers of at most 10 bytes, two of 5, and one of 1.
pub const FRAME_HEAD_BYTES_MAX: usize = 64;

/// Counts of one instance since it was bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Frames that the plugin was called with.
    pub seen: u64,
    /// Frames dropped in the child because the plugin was paused or set aside.
    pub skipped: u64,
    /// Times that it read pixels.
    pub reads: u64,
    /// Log lines dropped.
    pub lines_dropped: u64,
    /// Processor time of all calls, in microseconds.
    pub busy_us: u64,
    /// Longest call, in microseconds of processor time.
    pub call_us_max: u32,
    /// Linear memory now.
    pub memory_bytes: u64,
}

impl Counts {
    /// These and what was counted before by a child that is gone. Memory is not a sum.
    #[must_use]
    pub fn after(self, before: Self) -> Self {
        Self {
            seen: self.seen.saturating_add(before.seen),
            skipped: self.skipped.saturating_add(before.skipped),
            reads: self.reads.saturating_add(before.reads),
            lines_dropped: self.lines_dropped.saturating_add(before.lines_dropped),
            busy_us: self.busy_us.saturating_add(before.busy_us),
            call_us_max: self.call_us_max.max(before.call_us_max),
            memory_bytes: self.memory_bytes,
        }
    }
}

/// From the child to the recorder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromPlugins {
    /// First word: it stands behind its wall and reads from now on.
    Begun {
        /// A sentence for each part of the wall that this kernel cannot do.
        missing: Vec<String>,
    },
    /// A plugin can be bound.
    Loaded {
        /// Which.
        plugin: PluginNumber,
    },
    /// A plugin cannot be used.
    Refused {
        /// Which.
        plugin: PluginNumber,
        /// Why.
        sentence: String,
    },
    /// An instance has started; sent again after each trap.
    Running {
        /// Which.
        instance: InstanceNumber,
    },
    /// A watching instance takes a frame now. It has at most one: while it is at work the recorder keeps the newest.
    Waits {
        /// Which.
        instance: InstanceNumber,
    },
    /// What a call gave.
    Marks {
        /// Of which instance.
        instance: InstanceNumber,
        /// UTC of the frame in nanoseconds.
        frame_utc_ns: u64,
        /// From [`FrameHead::given_ns`] until the plugin was done with the frame.
        took_ns: u64,
        /// The frames that led to them.
        lead: Box<Lead>,
        /// At most [`MARKS_MAX`] and [`MARKS_BYTES_MAX`].
        marks: Vec<Mark>,
    },
    /// What a rule said about an event; none is the usual answer.
    Verdicts {
        /// Of which instance.
        instance: InstanceNumber,
        /// About which event.
        event: EventNumber,
        /// At most [`crate::rules::VERDICTS_MAX`], each text clipped a little over its limit.
        verdicts: Vec<Verdict>,
    },
    /// A rule trapped or faulted: the event has no verdict.
    Unjudged {
        /// Of which instance.
        instance: InstanceNumber,
        /// About which event.
        event: EventNumber,
        /// What happened.
        sentence: String,
        /// It trapped; else it said itself that it could not.
        trapped: bool,
    },
    /// A log line.
    Log {
        /// Of which instance.
        instance: InstanceNumber,
        /// How much it matters.
        level: Level,
        /// At most [`LOG_BYTES_MAX`].
        text: String,
    },
    /// A call went wrong in an orderly way.
    Faulted {
        /// Of which instance.
        instance: InstanceNumber,
        /// The plugin's words.
        sentence: String,
        /// It will not be started again with these settings.
        set_aside: bool,
    },
    /// A call was stopped. The instance is gone.
    Trapped {
        /// Which.
        instance: InstanceNumber,
        /// What happened.
        sentence: String,
        /// Pause before a fresh instance; `None` when there will be none: quarantine.
        again_ms: Option<u64>,
    },
    /// Counts, about once a second while frames come.
    Counts {
        /// Of which instance.
        instance: InstanceNumber,
        /// Since it was bound.
        counts: Counts,
    },
}

/// Time of the clock that both processes read and nobody sets, in nanoseconds.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// At most `bytes_max` of `text`, cut between characters.
#[must_use]
pub fn clipped(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::{ZONE_POINTS_MAX, ZONES_MAX};
    use crate::settings::SETTINGS_BYTES_MAX;
    use proptest::prelude::*;
    use watchbook_analysis::message::{decode, encode};
    use watchbook_base::link::MESSAGE_BYTES_MAX;

    #[test]
    fn the_largest_binding_fits_one_message() {
        let outline = vec![Point { x: u16::MAX, y: u16::MAX }; ZONE_POINTS_MAX];
        let message = ToPlugins::Bind {
            instance: u64::MAX,
            plugin: u32::MAX,
            after: Some(u64::MAX),
            camera: "c".repeat(64),
            zones: vec![Zone { name: "z".repeat(64), outline }; ZONES_MAX],
            settings_json: "s".repeat(SETTINGS_BYTES_MAX),
        };
        let bytes = encode(&message).unwrap();
        assert!(bytes.len() < MESSAGE_BYTES_MAX, "{}", bytes.len());
        assert_eq!(decode::<ToPlugins>(&bytes).unwrap(), message);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        // Khmer letters take three bytes each.
        assert_eq!(clipped("កខ", 5), "ក");
        assert_eq!(clipped("abc", 5), "abc");
    }

    #[test]
    fn the_largest_head_of_a_frame_fits_its_buffer() {
        let (utc_ns, given_ns, missed) = (u64::MAX, u64::MAX, u32::MAX);
        let head = FrameHead { utc_ns, width: u32::MAX, height: u32::MAX, masked: true, missed, given_ns };
        let bytes = encode(&head).unwrap();
        assert!(bytes.len() <= FRAME_HEAD_BYTES_MAX, "{}", bytes.len());
        assert_eq!(decode::<FrameHead>(&bytes).unwrap(), head);
    }

    proptest! {
        #[test]
        fn no_bytes_from_a_child_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(message) = decode::<FromPlugins>(&bytes) {
                prop_assert!(encode(&message).is_ok());
            }
        }
    }
}
