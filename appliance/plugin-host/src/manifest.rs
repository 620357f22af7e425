//! `plugin.toml`: what a plugin says about itself and what it asks for.

use crate::wbp::{self, MODELS_MAX};
use crate::{Error, Setting, World};
use serde::{Deserialize, Serialize};
use watchbook_analysis::{Output, PixelFormat};
use watchbook_base::Kind;
use watchbook_base::limits::EVENT_WORD_BYTES_MAX;

/// Version of the interface that this host offers.
pub const API: &str = "0.1";
/// Bytes of a manifest: fifty settings of 1 KiB with room to spare.
pub const MANIFEST_BYTES_MAX: usize = 64 << 10;
/// The capability of asking neural networks that come with the plugin.
pub const INFERENCE: &str = "inference";
/// Capabilities that are tried out: a station gives them only where an administrator has switched that on, and they may change with any release.
pub const TRIED_OUT: [&str; 1] = [INFERENCE];
/// What a model may see: the words for objects in the published vocabulary. None of them tells people apart, and no other word is taken.
pub const MODEL_CLASSES: [&str; 11] =
    ["animal", "bicycle", "bus", "car", "motion", "motorcycle", "person", "train", "tricycle", "truck", "vehicle"];
/// Memory of one instance when the manifest does not say.
pub const MEMORY_MIB_DEFAULT: u32 = 64;
/// The most memory that a manifest may ask for.
pub const MEMORY_MIB_MAX: u32 = 256;
/// Processor time of one call, at most; half the frame interval when that is less.
pub const CALL_MS_MAX: u32 = 100;
/// The most keyed state that a manifest may ask for.
pub const STORE_KIB_MAX: u32 = 1024;
/// Settings, or kinds of events, of one plugin.
const LIST_MAX: usize = 50;
/// An id, a version, a word.
const WORD_BYTES_MAX: usize = 128;
/// A summary, a meaning.
const SENTENCE_BYTES_MAX: usize = 1024;

/// What a plugin is for: a closed list. Biometric identification is not in it, and a manifest that names another purpose is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// That something moves.
    MotionDetection,
    /// How many vehicles or people pass, without telling them apart.
    TrafficCounting,
    /// Stopped vehicles, wrong way, queues, crashes.
    TrafficIncident,
    /// Something crosses a line or enters an area.
    AreaProtection,
    /// What kind of object is seen.
    ObjectDetection,
    /// The camera is covered, moved or out of focus.
    CameraHealth,
    /// Decides about events.
    ExportRule,
}

/// What a plugin may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// It cannot work without these.
    #[serde(default)]
    pub required: Vec<String>,
    /// It copes without these.
    #[serde(default)]
    pub optional: Vec<String>,
}

impl Capabilities {
    /// Both lists, one after the other.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.required.iter().chain(&self.optional).map(String::as_str)
    }
}

/// The frames that it wants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// At most so many frames a second.
    pub fps: f32,
    /// What a pixel is.
    pub format: PixelFormat,
}

impl Input {
    /// No frames.
    pub const NONE: Self = Self { width: 0, height: 0, fps: 0.0, format: PixelFormat::Luma };

    fn none() -> Self {
        Self::NONE
    }
}

/// What it may spend. The host takes the lesser of this and its own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Processor time of one call in milliseconds, 1 to [`CALL_MS_MAX`].
    #[serde(default = "call_ms_default")]
    pub ms_per_frame: u32,
    /// Linear memory of one instance in MiB, 1 to [`MEMORY_MIB_MAX`].
    #[serde(default = "memory_mib_default")]
    pub memory_mib: u32,
    /// Keyed state in KiB, 0 to [`STORE_KIB_MAX`].
    #[serde(default)]
    pub store_kib: u32,
}

fn call_ms_default() -> u32 {
    CALL_MS_MAX
}

fn memory_mib_default() -> u32 {
    MEMORY_MIB_DEFAULT
}

impl Default for Budget {
    fn default() -> Self {
        Self { ms_per_frame: CALL_MS_MAX, memory_mib: MEMORY_MIB_DEFAULT, store_kib: 0 }
    }
}

/// A kind of event that it may give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emits {
    /// The event's kind.
    pub kind: String,
    /// What it means, for people.
    pub meaning: String,
}

/// What a model is for: a closed list. Telling people apart is not in it, and a manifest that names another purpose is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelPurpose {
    /// Where objects are, and of which kind.
    ObjectDetection,
    /// Which kind of scene or object a picture shows.
    ImageClassification,
    /// Which pixels are road, sky, vehicle.
    SceneSegmentation,
    /// Whether the picture is sharp, bright enough and not covered.
    ImageQuality,
}

/// A model that comes with the plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Its file in the package, such as `models/vehicles.onnx`.
    pub file: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// What it is for.
    pub purpose: ModelPurpose,
    /// What it can see, in the order of the numbers that it gives: 1 or more of [`MODEL_CLASSES`].
    #[serde(default)]
    pub classes: Vec<String>,
    /// What it was made from, how good it is and where it fails, or where that is written.
    pub data_sheet: String,
}

/// What the plugin does to how long footage stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetentionEffect {
    /// Nothing.
    #[default]
    None,
    /// It may propose that footage is held for a case. Only an export rule can.
    ProposesHold,
}

/// A checked manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Reverse-DNS id, such as `org.watchbook.motion`.
    pub id: String,
    /// Semantic version.
    pub version: String,
    /// World of the interface: `analytics-plugin` or `export-rule`.
    pub world: String,
    /// Version of the interface: [`API`].
    pub api: String,
    /// Who answers for it.
    pub publisher: String,
    /// SPDX licence expression.
    pub licence: String,
    /// One sentence for people.
    pub summary: String,
    /// What it is for.
    pub purpose: Purpose,
    /// What it may use.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// The frames that it wants; [`Input::NONE`] for an export rule.
    #[serde(default = "Input::none")]
    pub input: Input,
    /// What it may spend.
    #[serde(default)]
    pub budget: Budget,
    /// What an administrator can set; the page makes its form from it.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// Kinds of events that it may give; at least one unless it is an export rule.
    #[serde(default)]
    pub emits: Vec<Emits>,
    /// Models that come with it.
    #[serde(default)]
    pub models: Vec<Model>,
    /// What it does to how long footage stays.
    #[serde(default)]
    pub retention_effect: RetentionEffect,
    /// Where more about it is written: an address that begins with `https://`. The appliance shows it and never opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] with a sentence that names the field.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |sentence: String| Error::new(Kind::InvalidInput, format!("plugin.toml: {sentence}"));
        if text.len() > MANIFEST_BYTES_MAX {
            return Err(wrong(format!("{} bytes; at most {MANIFEST_BYTES_MAX} are allowed", text.len())));
        }
        let manifest: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        manifest.check().map_err(wrong)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        let words =
            [("id", &self.id), ("version", &self.version), ("publisher", &self.publisher), ("licence", &self.licence)];
        for (name, word) in words {
            if word.is_empty() || word.len() > WORD_BYTES_MAX {
                return Err(format!("`{name}` has {} bytes; 1 to {WORD_BYTES_MAX} are allowed", word.len()));
            }
        }
        let id_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
        if !self.id.bytes().all(id_byte) || !self.id.contains('.') || self.id.starts_with(['.', '-']) {
            return Err(format!(
                "`id` is `{}`; reverse-DNS in lower case is expected, as in org.example.counter",
                self.id
            ));
        }
        if self.summary.len() > SENTENCE_BYTES_MAX {
            return Err(format!(
                "`summary` has {} bytes; at most {SENTENCE_BYTES_MAX} are allowed",
                self.summary.len()
            ));
        }
        self.semantic_version()?;
        if let Some(homepage) = &self.homepage
            && (!homepage.starts_with("https://")
                || homepage.len() > SENTENCE_BYTES_MAX
                || homepage.contains(|c: char| c.is_control() || c.is_whitespace()))
        {
            return Err("`homepage`; an address that begins with https:// is expected".to_owned());
        }
        if self.retention_effect != RetentionEffect::None && self.world != "export-rule" {
            return Err("retention_effect; only an export rule can propose holds".to_owned());
        }
        if self.api != API {
            return Err(format!("api `{}`; this host offers `{API}`", self.api));
        }
        self.check_world()?;
        self.check_budget()?;
        self.check_models()?;
        self.check_lists()
    }

    /// What it is.
    ///
    /// # Errors
    /// A sentence when this host knows no such world; a manifest that was parsed has one.
    pub fn kind(&self) -> Result<World, String> {
        let worlds = [World::AnalyticsPlugin, World::ExportRule];
        let found = worlds.into_iter().find(|world| world.name() == self.world);
        found.ok_or_else(|| format!("world `{}`; this host runs `analytics-plugin` and `export-rule`", self.world))
    }

    /// What the world asks for and forbids.
    fn check_world(&self) -> Result<(), String> {
        let (world, offered): (_, &[&str]) = match self.kind()? {
            World::AnalyticsPlugin => {
                if self.input.format != PixelFormat::Luma {
                    return Err("input.format; this host offers luma".to_owned());
                }
                self.output().check().map_err(|error| format!("input: {error}"))?;
                if self.emits.is_empty() {
                    return Err("emits; a plugin that watches a camera names at least one kind of event".to_owned());
                }
                ("a plugin that watches a camera", &["frames", "log", "store", INFERENCE])
            }
            World::ExportRule => {
                if self.input != Input::NONE {
                    return Err("input; an export rule sees no frames".to_owned());
                }
                if self.budget.store_kib != 0 {
                    return Err("budget.store_kib; an export rule keeps nothing".to_owned());
                }
                ("an export rule", &["log"])
            }
        };
        match self.capabilities.all().find(|capability| !offered.contains(capability)) {
            Some(capability) => {
                Err(format!("capability `{capability}`; this host offers {world}: {}", offered.join(", ")))
            }
            None => Ok(()),
        }
    }

    /// The version, for which is newer.
    ///
    /// # Errors
    /// A sentence when it is no semantic version; a manifest that was parsed has one.
    pub fn semantic_version(&self) -> Result<semver::Version, String> {
        semver::Version::parse(&self.version)
            .map_err(|error| format!("`version` is `{}`; as in 1.4.0 is expected: {error}", self.version))
    }

    fn check_models(&self) -> Result<(), String> {
        let asks = self.capabilities.all().any(|capability| capability == INFERENCE);
        match (asks, self.models.is_empty()) {
            (true, true) => {
                return Err(format!("capability `{INFERENCE}`; it is for models, and none is listed under [[models]]"));
            }
            (false, false) => return Err(format!("models; the capability `{INFERENCE}` is needed to ask them")),
            _ => {}
        }
        if self.models.len() > MODELS_MAX {
            return Err(format!("{} models; at most {MODELS_MAX} are allowed", self.models.len()));
        }
        for (index, model) in self.models.iter().enumerate() {
            let file = &model.file;
            if !file.starts_with("models/") || wbp::limit_of(file).is_none() {
                return Err(format!(
                    "model `{file}`; `models/` and 1 to 64 of a-z, A-Z, 0-9, `.`, `_`, `-` are expected"
                ));
            }
            let hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
            if model.sha256.len() != 64 || !model.sha256.bytes().all(hex) {
                return Err(format!("sha256 of model `{file}`; 64 hex digits in lower case are expected"));
            }
            if model.data_sheet.is_empty() || model.data_sheet.len() > SENTENCE_BYTES_MAX {
                return Err(format!("data_sheet of model `{file}`; 1 to {SENTENCE_BYTES_MAX} bytes are allowed"));
            }
            if let Some(word) = biometric(file) {
                return Err(format!("model `{file}`: {word}; Watchbook takes no plugin that tells people apart"));
            }
            check_classes(model)?;
            if self.models[..index].iter().any(|other| other.file == *file) {
                return Err(format!("model `{file}` is there twice"));
            }
        }
        Ok(())
    }

    fn check_budget(&self) -> Result<(), String> {
        let budget = &self.budget;
        for (name, value, range) in [
            ("ms_per_frame", budget.ms_per_frame, 1..=CALL_MS_MAX),
            ("memory_mib", budget.memory_mib, 1..=MEMORY_MIB_MAX),
            ("store_kib", budget.store_kib, 0..=STORE_KIB_MAX),
        ] {
            if !range.contains(&value) {
                return Err(format!("budget.{name} is {value}; {} to {} are allowed", range.start(), range.end()));
            }
        }
        Ok(())
    }

    fn check_lists(&self) -> Result<(), String> {
        if self.emits.len() > LIST_MAX || self.settings.len() > LIST_MAX {
            return Err(format!("at most {LIST_MAX} kinds of events and {LIST_MAX} settings are allowed"));
        }
        for emits in &self.emits {
            if emits.kind.is_empty()
                || emits.kind.len() > EVENT_WORD_BYTES_MAX
                || emits.meaning.len() > SENTENCE_BYTES_MAX
            {
                return Err(format!("emits `{}`: a kind has 1 to {EVENT_WORD_BYTES_MAX} bytes", emits.kind));
            }
            if let Some(word) = biometric(&emits.kind) {
                return Err(format!(
                    "emits `{}`: {word}; Watchbook takes no plugin that tells people apart",
                    emits.kind
                ));
            }
        }
        for (index, setting) in self.settings.iter().enumerate() {
            setting.check()?;
            if self.settings[..index].iter().any(|other| other.name == setting.name) {
                return Err(format!("setting `{}` is there twice", setting.name));
            }
        }
        Ok(())
    }

    /// The frames that it wants, as `analysis` makes them; 0 × 0 for an export rule.
    #[must_use]
    pub fn output(&self) -> Output {
        let Input { width, height, fps, format } = self.input;
        Output { width, height, format, fps_max: fps }
    }

    /// Capabilities that it asks for and that are tried out: [`TRIED_OUT`].
    pub fn tried_out(&self) -> impl Iterator<Item = &str> {
        self.capabilities.all().filter(|capability| TRIED_OUT.contains(capability))
    }

    /// Processor time of one call in milliseconds: the least of the manifest's budget, [`CALL_MS_MAX`] and half the frame interval.
    #[must_use]
    pub fn call_ms(&self) -> u32 {
        let half_interval_ms = (500.0 / self.input.fps) as u32;
        self.budget.ms_per_frame.min(CALL_MS_MAX).min(half_interval_ms).max(1)
    }
}

/// What a model is for, and what it can see.
fn check_classes(model: &Model) -> Result<(), String> {
    let file = &model.file;
    if model.purpose != ModelPurpose::ObjectDetection {
        return Err(format!("purpose of model `{file}`; this host runs models for object-detection only"));
    }
    if model.classes.is_empty() {
        return Err(format!("classes of model `{file}`; at least one of {} is expected", MODEL_CLASSES.join(", ")));
    }
    for (index, class) in model.classes.iter().enumerate() {
        if !MODEL_CLASSES.contains(&class.as_str()) {
            return Err(format!("class `{class}` of model `{file}`; a model may see {}", MODEL_CLASSES.join(", ")));
        }
        if model.classes[..index].contains(class) {
            return Err(format!("class `{class}` of model `{file}` is there twice"));
        }
    }
    Ok(())
}

/// The word of `name` that stands for telling people apart. The closed lists of purposes are the rule; this finds a name that gives itself away.
fn biometric(name: &str) -> Option<&str> {
    let words = ["biometric", "biometrics", "face", "faces", "facial", "faceprint", "gait", "iris", "fingerprint"];
    name.split(|c: char| !c.is_alphanumeric()).find(|word| words.contains(&word.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) const EXAMPLE: &str = r#"
        id = "org.example.counter"
        version = "1.2.3"
        world = "analytics-plugin"
        api = "0.1"
        publisher = "Example"
        licence = "Apache-2.0"
        summary = "Counts."
        purpose = "traffic-counting"
        [capabilities]
        required = ["frames", "log"]
        [input]
        width = 320
        height = 180
        fps = 10.0
        format = "luma"
        [budget]
        memory_mib = 16
        [[settings]]
        name = "sensitivity"
        label = "Sensitivity"
        kind = "integer"
        min = 0
        max = 100
        default = 50
        [[emits]]
        kind = "count"
        meaning = "A vehicle passed."
    "#;

    #[test]
    fn a_good_manifest_gives_its_frames_and_limits() {
        let manifest = Manifest::parse(EXAMPLE).unwrap();
        assert_eq!(manifest.output(), Output { width: 320, height: 180, format: PixelFormat::Luma, fps_max: 10.0 });
        assert_eq!(manifest.call_ms(), 50, "half of 100 ms");
        assert_eq!((manifest.budget.memory_mib, manifest.budget.store_kib), (16, 0));
    }

    #[test]
    fn an_export_rule_sees_no_frames_and_need_not_give_events() {
        let rule = |from: &str, to: &str| {
            let text = EXAMPLE.replacen("analytics-plugin", "export-rule", 1).replacen("\"frames\", ", "", 1);
            let (start, end) = (text.find("[input]").unwrap(), text.find("[budget]").unwrap());
            let text = format!("{}{}", &text[..start], &text[end..text.find("[[emits]]").unwrap()]);
            Manifest::parse(&text.replacen(from, to, 1)).map_err(|error| error.to_string())
        };
        let manifest = rule("", "").unwrap();
        assert_eq!((manifest.kind(), manifest.input, manifest.emits.len()), (Ok(World::ExportRule), Input::NONE, 0));
        assert_eq!(manifest.capabilities.all().collect::<Vec<_>>(), ["log"]);
        for (from, to, word) in [
            ("\"log\"", "\"store\"", "store"),
            ("\"log\"", "\"frames\"", "frames"),
            ("memory_mib", "store_kib", "store_kib"),
            ("export-rule", "analytics-plugin", "input"),
        ] {
            let sentence = rule(from, to).unwrap_err();
            assert!(sentence.contains(word), "{word} is not named in: {sentence}");
        }
    }

    #[test]
    fn each_broken_field_is_named() {
        for (from, to, word) in [
            ("org.example.counter", "Counter", "`id`"),
            ("1.2.3", "", "`version`"),
            ("1.2.3", "1.2", "`version`"),
            ("1.2.3", "01.2.3", "`version`"),
            ("api = ", "homepage = \"http://example.org\"\napi = ", "`homepage`"),
            ("api = ", "retention_effect = \"proposes-hold\"\napi = ", "retention_effect"),
            ("\"count\"", "\"face-match\"", "face"),
            ("analytics-plugin", "export-rule", "input"),
            ("analytics-plugin", "overlay", "world"),
            ("api = \"0.1\"", "api = \"0.2\"", "api"),
            ("traffic-counting", "biometric-identification", "biometric-identification"),
            ("\"log\"", "\"network\"", "network"),
            ("\"luma\"", "\"rgb\"", "format"),
            ("320", "4000", "pixels"),
            ("10.0", "100.0", "frames a second"),
            ("16", "257", "memory_mib"),
            ("kind = \"count\"", "kind = \"\"", "emits"),
            ("default = 50", "default = 101", "sensitivity"),
            ("default = 50", "default = 50\nsecret = 1", "secret"),
        ] {
            let message = Manifest::parse(&EXAMPLE.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(message.contains(word), "{word} is not named in: {message}");
        }
    }

    #[test]
    fn a_model_says_what_it_is_for_and_nothing_biometric() {
        let model = |from: &str, to: &str| {
            let model = format!(
                "[[models]]\nfile = \"models/cars.onnx\"\nsha256 = \"{}\"\npurpose = \"object-detection\"\nclasses = [\"car\", \"bus\"]\ndata_sheet = \"x\"\n",
                "0".repeat(64)
            );
            let asking = EXAMPLE.replacen("\"log\"", "\"log\", \"inference\"", 1);
            let text = format!("{asking}\n{model}");
            assert!(text.contains(from), "{from}");
            Manifest::parse(&text.replacen(from, to, 1)).map_err(|error| error.to_string())
        };
        assert_eq!(model("", "").unwrap().models[0].purpose, ModelPurpose::ObjectDetection);
        for (from, to, word) in [
            ("object-detection", "face-recognition", "face-recognition"),
            ("object-detection", "biometric-identification", "biometric-identification"),
            ("object-detection", "re-identification", "re-identification"),
            ("object-detection", "image-quality", "object-detection only"),
            ("\"car\"", "\"face\"", "class `face`"),
            ("\"car\"", "\"person-7\"", "class `person-7`"),
            ("\"car\"", "\"bus\"", "there twice"),
            ("\"car\", \"bus\"", "", "at least one"),
            (", \"inference\"", "", "the capability `inference` is needed"),
            ("cars", "face", "tells people apart"),
            ("cars", "person-gait.v2", "gait"),
            ("models/cars", "../cars", "../cars"),
            ("0000", "000G", "hex digits"),
            ("\"x\"", "\"\"", "data_sheet"),
            ("data_sheet", "embedding", "embedding"),
        ] {
            let sentence = model(from, to).unwrap_err();
            assert!(sentence.contains(word), "{word} is not named in: {sentence}");
        }
        assert!(biometric("surface-interface").is_none());
        let bare = EXAMPLE.replacen("\"log\"", "\"log\", \"inference\"", 1);
        assert!(Manifest::parse(&bare).unwrap_err().to_string().contains("none is listed"));
        assert_eq!(model("", "").unwrap().tried_out().collect::<Vec<_>>(), ["inference"]);
        assert_eq!(Manifest::parse(EXAMPLE).unwrap().tried_out().next(), None);
    }

    #[test]
    fn nothing_that_a_model_may_see_tells_people_apart() {
        for class in MODEL_CLASSES {
            assert!(biometric(class).is_none() && class.len() <= EVENT_WORD_BYTES_MAX, "{class}");
        }
        assert!(MODEL_CLASSES.is_sorted());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,200}", cut in 0..EXAMPLE.len()) {
            prop_assert!(Manifest::parse(&text).is_err());
            // What is left of a manifest may still be one, with less in it.
            let whole = Manifest::parse(EXAMPLE).unwrap();
            if let Ok(manifest) = Manifest::parse(EXAMPLE.get(..cut).unwrap_or("")) {
                prop_assert_eq!(manifest.id, whole.id);
                prop_assert!(cut > EXAMPLE.len() / 2);
            }
        }
    }
}
