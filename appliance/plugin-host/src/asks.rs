//! What a plugin asks for, and what changes from one version to the next: as values, so that a page can say it in any language, each with an English
//! sentence.

use crate::Manifest;
use crate::manifest::{INFERENCE, Input, Model, ModelPurpose, Purpose, RetentionEffect};
use core::fmt;
use serde::Serialize;
use watchbook_analysis::PixelFormat;

/// One thing that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// To see masked pictures of the cameras that it is bound to.
    Frames {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// At most so many a second.
        fps: f32,
        /// Whether it sees colours.
        colour: bool,
    },
    /// To write lines that the administrator reads.
    Log {
        /// False when it copes without.
        required: bool,
    },
    /// To keep notes of its own between starts.
    Store {
        /// False when it copes without.
        required: bool,
        /// At most so many KiB.
        kib: u32,
    },
    /// Another capability of the interface.
    Capability {
        /// Its name in the manifest.
        name: String,
        /// False when it copes without.
        required: bool,
    },
    /// Memory of each instance.
    Memory {
        /// MiB.
        mib: u32,
    },
    /// Processor time of each call.
    CallTime {
        /// Milliseconds.
        ms: u32,
    },
    /// To give events of a kind.
    Event {
        /// The kind's word.
        kind: String,
        /// What it means, in the publisher's words.
        meaning: String,
    },
    /// To use a model that comes with it.
    Model {
        /// Its file.
        file: String,
        /// SHA-256 of the file.
        sha256: String,
        /// What it is for.
        purpose: ModelPurpose,
        /// What it can see.
        classes: Vec<String>,
        /// What it was made from and how good it is, in the publisher's words.
        data_sheet: String,
    },
    /// To propose that footage is held for a case.
    ProposeHolds,
}

/// What `manifest` asks for, the most telling first.
#[must_use]
pub fn asks(manifest: &Manifest) -> Vec<Ask> {
    let mut asks = Vec::new();
    let lists = [(true, &manifest.capabilities.required), (false, &manifest.capabilities.optional)];
    for (required, name) in lists.iter().flat_map(|(required, names)| names.iter().map(move |name| (*required, name))) {
        asks.push(match name.as_str() {
            "frames" => {
                let Input { width, height, fps, format } = manifest.input;
                Ask::Frames { width, height, fps, colour: format != PixelFormat::Luma }
            }
            "log" => Ask::Log { required },
            "store" => Ask::Store { required, kib: manifest.budget.store_kib },
            _ => Ask::Capability { name: name.clone(), required },
        });
    }
    if manifest.retention_effect == RetentionEffect::ProposesHold {
        asks.push(Ask::ProposeHolds);
    }
    asks.extend(
        manifest.emits.iter().map(|emits| Ask::Event { kind: emits.kind.clone(), meaning: emits.meaning.clone() }),
    );
    asks.extend(manifest.models.iter().cloned().map(|Model { file, sha256, purpose, classes, data_sheet }| {
        Ask::Model { file, sha256, purpose, classes, data_sheet }
    }));
    asks.push(Ask::Memory { mib: manifest.budget.memory_mib });
    asks.push(Ask::CallTime { ms: manifest.budget.ms_per_frame });
    asks
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let copes = |required: &bool| if *required { "" } else { "; it copes without" };
        match self {
            Self::Frames { width, height, fps, colour } => {
                let colour = if *colour { "in colour" } else { "without colour" };
                write!(
                    f,
                    "see pictures of its cameras, {width}×{height} {colour}, at most {fps} a second, masks applied"
                )
            }
            Self::Log { required } => write!(f, "write lines for the administrator{}", copes(required)),
            Self::Store { required, kib } => write!(f, "keep up to {kib} KiB of its own notes{}", copes(required)),
            Self::Capability { name, required } if name == INFERENCE => {
                write!(f, "ask neural networks that come with it, which is being tried out{}", copes(required))
            }
            Self::Capability { name, required } => write!(f, "use `{name}`{}", copes(required)),
            Self::Memory { mib } => write!(f, "use up to {mib} MiB of memory on each camera"),
            Self::CallTime { ms } => write!(f, "use up to {ms} ms of processor time a call"),
            Self::Event { kind, meaning } => write!(f, "give events `{kind}`: {meaning}"),
            Self::Model { file, sha256, purpose, classes, data_sheet } => write!(
                f,
                "use the model {file} for {}: it can see {}; its publisher says: {data_sheet} (SHA-256 {sha256})",
                word(purpose),
                classes.join(", ")
            ),
            Self::ProposeHolds => f.write_str("propose that footage is held for a case"),
        }
    }
}

/// One difference between two versions of a plugin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The version.
    Version {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// Another key signed it; nothing stands for not signed.
    SigningKey {
        /// Key id before.
        from: Option<String>,
        /// Key id now.
        to: Option<String>,
    },
    /// Another publisher answers for it.
    Publisher {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// Another licence.
    Licence {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// It is for something else.
    Purpose {
        /// Before.
        from: Purpose,
        /// Now.
        to: Purpose,
    },
    /// Another kind of plugin.
    World {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// It asks for something that it did not ask for.
    NewAsk {
        /// What.
        #[serde(flatten)]
        ask: Ask,
    },
    /// It no longer asks for something.
    NoLongerAsks {
        /// What.
        #[serde(flatten)]
        ask: Ask,
    },
    /// A number that it asks for is another one.
    Amount {
        /// Of what.
        what: Amount,
        /// Before.
        from: f32,
        /// Now.
        to: f32,
    },
    /// A model of the same name has other bytes.
    ModelBytes {
        /// Its file.
        file: String,
    },
    /// A setting that was not there.
    NewSetting {
        /// Its name.
        name: String,
    },
    /// A setting that is gone; what was chosen for it is lost.
    SettingGone {
        /// Its name.
        name: String,
    },
    /// A setting takes other values, or has another default.
    SettingChanged {
        /// Its name.
        name: String,
    },
}

/// What a [`Change::Amount`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// Pixels of a frame across.
    FrameWidthPx,
    /// Pixels of a frame down.
    FrameHeightPx,
    /// Frames a second.
    FramesPerSecond,
    /// Memory in MiB.
    MemoryMib,
    /// Processor time of a call in milliseconds.
    CallMs,
    /// Keyed state in KiB.
    StoreKib,
}

impl Change {
    /// Whether the plugin may do, see or use more than before, or somebody else answers for it: what nobody should approve without reading it.
    #[must_use]
    pub fn widens(&self) -> bool {
        match self {
            Self::SigningKey { .. } | Self::Publisher { .. } | Self::Purpose { .. } | Self::World { .. } => true,
            Self::NewAsk { .. } | Self::ModelBytes { .. } => true,
            Self::Amount { from, to, .. } => to > from,
            _ => false,
        }
    }
}

/// Which key signed, before and now, when that is not the same.
#[must_use]
pub fn signing_key_change(from: Option<&str>, to: Option<&str>) -> Option<Change> {
    (from != to).then(|| Change::SigningKey { from: from.map(str::to_owned), to: to.map(str::to_owned) })
}

/// What is different in `new`: who answers for it first, then what it asks for, then its settings.
#[must_use]
pub fn diff(old: &Manifest, new: &Manifest) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.version != new.version {
        changes.push(Change::Version { from: old.version.clone(), to: new.version.clone() });
    }
    if old.publisher != new.publisher {
        changes.push(Change::Publisher { from: old.publisher.clone(), to: new.publisher.clone() });
    }
    if old.licence != new.licence {
        changes.push(Change::Licence { from: old.licence.clone(), to: new.licence.clone() });
    }
    if old.world != new.world {
        changes.push(Change::World { from: old.world.clone(), to: new.world.clone() });
    }
    if old.purpose != new.purpose {
        changes.push(Change::Purpose { from: old.purpose, to: new.purpose });
    }
    diff_asks(old, new, &mut changes);
    diff_settings(old, new, &mut changes);
    changes
}

/// What an ask is about, without its amounts: two asks about the same thing are one ask with other amounts.
fn subject(ask: &Ask) -> (u8, &str) {
    match ask {
        Ask::Frames { colour, .. } => (0, if *colour { "colour" } else { "" }),
        Ask::Log { .. } => (1, ""),
        Ask::Store { .. } => (2, ""),
        Ask::Capability { name, .. } => (3, name),
        Ask::Memory { .. } => (4, ""),
        Ask::CallTime { .. } => (5, ""),
        Ask::Event { kind, .. } => (6, kind),
        Ask::Model { file, .. } => (7, file),
        Ask::ProposeHolds => (8, ""),
    }
}

/// What of an ask may not change without being a new one: whether it is required, what an event means, what a model is for and can see.
fn same(old: &Ask, new: &Ask) -> bool {
    match (old, new) {
        (Ask::Event { meaning: old, .. }, Ask::Event { meaning: new, .. }) => old == new,
        (Ask::Model { purpose: old, classes: sees, .. }, Ask::Model { purpose: new, classes: will_see, .. }) => {
            old == new && sees == will_see
        }
        _ => true,
    }
}

fn diff_asks(old: &Manifest, new: &Manifest, changes: &mut Vec<Change>) {
    let (before, now) = (asks(old), asks(new));
    let has = |list: &[Ask], ask: &Ask| list.iter().any(|other| subject(other) == subject(ask) && same(other, ask));
    changes.extend(now.iter().filter(|ask| !has(&before, ask)).map(|ask| Change::NewAsk { ask: ask.clone() }));
    changes.extend(before.iter().filter(|ask| !has(&now, ask)).map(|ask| Change::NoLongerAsks { ask: ask.clone() }));
    for model in &new.models {
        if old.models.iter().any(|other| other.file == model.file && other.sha256 != model.sha256) {
            changes.push(Change::ModelBytes { file: model.file.clone() });
        }
    }
    let amounts = |manifest: &Manifest| {
        let (input, budget) = (manifest.input, manifest.budget);
        [
            (Amount::FrameWidthPx, input.width as f32),
            (Amount::FrameHeightPx, input.height as f32),
            (Amount::FramesPerSecond, input.fps),
            (Amount::MemoryMib, budget.memory_mib as f32),
            (Amount::CallMs, budget.ms_per_frame as f32),
            (Amount::StoreKib, budget.store_kib as f32),
        ]
    };
    for ((what, from), (_, to)) in amounts(old).into_iter().zip(amounts(new)) {
        if from != to {
            changes.push(Change::Amount { what, from, to });
        }
    }
}

fn diff_settings(old: &Manifest, new: &Manifest, changes: &mut Vec<Change>) {
    for setting in &new.settings {
        match old.settings.iter().find(|other| other.name == setting.name) {
            None => changes.push(Change::NewSetting { name: setting.name.clone() }),
            Some(other) if other != setting => changes.push(Change::SettingChanged { name: setting.name.clone() }),
            Some(_) => {}
        }
    }
    let gone = |name: &str| !new.settings.iter().any(|other| other.name == name);
    let names = old.settings.iter().map(|setting| setting.name.clone());
    changes.extend(names.filter(|name| gone(name)).map(|name| Change::SettingGone { name }));
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = |key: &Option<String>| key.as_ref().map_or("nobody".to_owned(), |id| format!("the key {id}"));
        match self {
            Self::Version { from, to } => write!(f, "version {from} becomes {to}"),
            Self::SigningKey { from, to } => write!(f, "it is signed by {}, before by {}", key(to), key(from)),
            Self::Publisher { from, to } => write!(f, "its publisher is `{to}`, before `{from}`"),
            Self::Licence { from, to } => write!(f, "its licence is {to}, before {from}"),
            Self::Purpose { from, to } => write!(f, "it is for {}, before for {}", word(to), word(from)),
            Self::World { from, to } => write!(f, "it is of the kind `{to}`, before `{from}`"),
            Self::NewAsk { ask } => write!(f, "it now wants to {ask}"),
            Self::NoLongerAsks { ask } => write!(f, "it no longer wants to {ask}"),
            Self::Amount { what, from, to } => write!(f, "{what}: {to}, before {from}"),
            Self::ModelBytes { file } => write!(f, "the model {file} is another one"),
            Self::NewSetting { name } => write!(f, "there is a new setting `{name}`"),
            Self::SettingGone { name } => write!(f, "the setting `{name}` is gone"),
            Self::SettingChanged { name } => {
                write!(f, "the setting `{name}` takes other values or has another default")
            }
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FrameWidthPx => "pixels of a frame across",
            Self::FrameHeightPx => "pixels of a frame down",
            Self::FramesPerSecond => "frames a second",
            Self::MemoryMib => "memory in MiB",
            Self::CallMs => "processor time of a call in milliseconds",
            Self::StoreKib => "its own notes in KiB",
        })
    }
}

/// The word of a closed list as the manifest spells it, with blanks.
fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok();
    word.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().replace('-', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::EXAMPLE;

    fn changes(edits: &[(&str, &str)]) -> Vec<Change> {
        let mut text = EXAMPLE.to_owned();
        for (from, to) in edits {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, to, 1);
        }
        diff(&Manifest::parse(EXAMPLE).unwrap(), &Manifest::parse(&text).unwrap())
    }

    #[test]
    fn what_it_asks_for_is_said_in_sentences() {
        let sentences: Vec<String> = asks(&Manifest::parse(EXAMPLE).unwrap()).iter().map(ToString::to_string).collect();
        for (sentence, words) in sentences.iter().zip([
            "see pictures of its cameras, 320×180 without colour, at most 10 a second",
            "write lines",
            "give events `count`: A vehicle passed.",
            "16 MiB",
            "100 ms",
        ]) {
            assert!(sentence.contains(words), "{words} is not in: {sentence}");
        }
        assert_eq!(sentences.len(), 5);
    }

    #[test]
    fn each_change_is_found_and_said_whether_it_widens() {
        assert!(changes(&[]).is_empty());
        for (from, to, widens, words) in [
            ("1.2.3", "1.3.0", false, "version 1.2.3 becomes 1.3.0"),
            ("\"Example\"", "\"Other\"", true, "its publisher is `Other`"),
            ("Apache-2.0", "MIT", false, "its licence is MIT"),
            ("traffic-counting", "area-protection", true, "for area protection, before for traffic counting"),
            ("[\"frames\", \"log\"]", "[\"frames\"]", false, "no longer wants to write lines"),
            ("memory_mib = 16", "memory_mib = 32", true, "memory in MiB: 32, before 16"),
            ("memory_mib = 16", "memory_mib = 8", false, "memory in MiB: 8, before 16"),
            ("width = 320", "width = 640", true, "across: 640"),
            ("fps = 10.0", "fps = 12.5", true, "frames a second: 12.5"),
            ("default = 50", "default = 60", false, "`sensitivity` takes other values"),
        ] {
            let found = changes(&[(from, to)]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].widens(), widens, "{found:?}");
            assert!(found[0].to_string().contains(words), "{words} is not in: {}", found[0]);
        }
        let found = changes(&[("\"log\"]", "\"log\"]\noptional = [\"store\"]"), ("memory", "store_kib = 8\nmemory")]);
        let sentences: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            sentences,
            [
                "it now wants to keep up to 8 KiB of its own notes; it copes without",
                "its own notes in KiB: 8, before 0"
            ]
        );
        // The same word for another meaning is another event.
        let found = changes(&[("A vehicle passed.", "Somebody fell.")]);
        assert!(matches!(found.as_slice(), [Change::NewAsk { .. }, Change::NoLongerAsks { .. }]), "{found:?}");
        assert!(found[0].widens() && !found[1].widens());
        let found = changes(&[("name = \"sensitivity\"", "name = \"noise\"")]);
        let names = ["there is a new setting `noise`", "the setting `sensitivity` is gone"];
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), names);
    }

    #[test]
    fn another_signing_key_is_a_change_that_widens() {
        assert_eq!(signing_key_change(Some("A"), Some("A")), None);
        assert_eq!(signing_key_change(None, None), None);
        for (from, to) in [(Some("A"), Some("B")), (Some("A"), None), (None, Some("A"))] {
            assert!(signing_key_change(from, to).unwrap().widens());
        }
    }

    #[test]
    fn a_page_gets_values_and_not_sentences() {
        let found = changes(&[("memory_mib = 16", "memory_mib = 32")]);
        let json = serde_json::to_value(&found[0]).unwrap();
        assert_eq!(json, serde_json::json!({"change": "amount", "what": "memory_mib", "from": 16.0, "to": 32.0}));
        let found = changes(&[("\"log\"]", "\"log\", \"store\"]")]);
        let json = serde_json::to_value(&found[0]).unwrap();
        assert_eq!(json, serde_json::json!({"change": "new_ask", "ask": "store", "required": true, "kib": 0}));
    }
}
