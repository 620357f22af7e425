//! Deriving a stored event again: the same component and settings on the same footage.

use crate::case::Input;
use crate::clip::{Clip, ClipOptions, Picked};
use crate::run::{Mode, Outcome, Runner};
use crate::{Source, wire};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::Path;
use watchbook_analysis::choice::{Stored as Picture, choose};
use watchbook_analysis::{Output, PixelFormat};
use watchbook_base::lead::LEAD_FRAMES_MAX;
use watchbook_base::{Lead, UtcNanos};
use watchbook_plugin_host::compare::verdict;
pub use watchbook_plugin_host::compare::{Difference, Field, Verdict};
use watchbook_plugin_host::package::sha256_hex;
use watchbook_plugin_host::{Package, Zone};

/// A stored event with all that belongs to it.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Every picture of a camera, as small as may be: what is looked at are the times.
const TIMES: Output = Output { width: 16, height: 16, format: PixelFormat::Luma, fps_max: 30.0 };

/// What is to be derived again, and from what.
#[derive(Clone, Debug)]
pub struct Stored {
    /// As the station's API says it.
    pub event: Value,
    /// The settings that were in force.
    pub settings: Map<String, Value>,
    /// The zones that were in force.
    pub zones: Vec<Zone>,
    /// The footage: from before the event, long enough for the plugin to learn the scene, to after it.
    pub clip: Input,
    /// UTC of the clip's first picture in nanoseconds.
    pub clip_start_utc_ns: i64,
    /// The frames that led to it, when the station noted them.
    pub lead: Option<Lead>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    event: Value,
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    zones: Value,
    clip: String,
    clip_start_utc_ms: i64,
    #[serde(default)]
    masks: Vec<String>,
    #[serde(default)]
    lead: Option<LeadShape>,
    /// What a station says beside that, for people.
    #[serde(default, rename = "role")]
    _role: Value,
    #[serde(default, rename = "keys_only")]
    _keys_only: Value,
    #[serde(default, rename = "clip_end_utc_ms")]
    _clip_end_utc_ms: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeadShape {
    fresh: bool,
    times_utc_ns: Vec<String>,
}

impl Stored {
    /// Reads the file, `{"event", "settings", "zones", "clip", "clip_start_utc_ms", "masks", "lead"}`, as the station's API gives it. The clip's path is relative to the
    /// file.
    ///
    /// # Errors
    /// A sentence that names the file and the field.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = crate::text_file(path, FILE_BYTES_MAX)?;
        let fail = |sentence: String| format!("{}: {sentence}", path.display());
        let shape: Shape = serde_json::from_str(&text).map_err(|error| fail(error.to_string()))?;
        let zones =
            if shape.zones.is_null() { Vec::new() } else { wire::zones(&shape.zones.to_string()).map_err(fail)? };
        let source = path.parent().unwrap_or(Path::new(".")).join(shape.clip).display().to_string();
        let clip_start_utc_ns = shape
            .clip_start_utc_ms
            .checked_mul(1_000_000)
            .filter(|start| *start >= 0)
            .ok_or_else(|| fail("clip_start_utc_ms is no time".to_owned()))?;
        let clip = Input::Clip { source, masks: shape.masks, seconds: None };
        let lead = shape.lead.map(|lead| {
            let times =
                lead.times_utc_ns.iter().map(|time| time.parse()).collect::<Result<_, std::num::ParseIntError>>();
            times.map(|times_ns| Lead { fresh: lead.fresh, times_ns, ..Lead::default() })
        });
        let lead = lead.transpose().map_err(|_| fail("times_utc_ns holds what is no time".to_owned()))?;
        if lead.as_ref().is_some_and(|lead| lead.times_ns.len() > LEAD_FRAMES_MAX) {
            return Err(fail(format!("lead has more than {LEAD_FRAMES_MAX} times")));
        }
        Ok(Self { event: shape.event, settings: shape.settings, zones, clip, clip_start_utc_ns, lead })
    }

    /// Refuses a plugin or settings that are not those of the event.
    ///
    /// # Errors
    /// A sentence that names what differs.
    pub fn check(&self, package: &Package, settings_json: &str) -> Result<(), String> {
        let stored = |field: &str| {
            self.event["source"][field].as_str().ok_or_else(|| format!("the event has no source.{field}"))
        };
        let manifest = &package.manifest;
        let settings_sha256 = sha256_hex(settings_json.as_bytes());
        for (field, own, what) in [
            ("plugin", &manifest.id, "another plugin"),
            ("version", &manifest.version, "another version"),
            ("component_sha256", &package.component_sha256, "another component"),
            ("settings_sha256", &settings_sha256, "other settings"),
        ] {
            let expected = stored(field)?;
            if expected != own {
                return Err(format!(
                    "refused: {what} gave the event: its {field} is {expected}, this one's is {own}; the same is needed to derive it again"
                ));
            }
        }
        Ok(())
    }

    /// Derives it again.
    ///
    /// # Errors
    /// As [`Stored::check`]; the engine's and the clip's sentences.
    pub fn derive(&self, package: Package) -> Result<(Verdict, Outcome), String> {
        let output = package.manifest.output();
        let settings = watchbook_plugin_host::settings::complete(&package.manifest.settings, &self.settings)
            .map_err(|error| error.to_string())?;
        self.check(&package, &settings)?;
        let Input::Clip { source, masks, .. } = &self.clip else {
            return Err("footage is wanted".to_owned());
        };
        let options = ClipOptions {
            masks: masks.clone(),
            start_utc_ns: Some(self.clip_start_utc_ns),
            ..ClipOptions::new(source, output)
        };
        let mut source = match &self.lead {
            Some(lead) => Source::Picked(Box::new(picked(&options, lead)?)),
            None => Source::Clip(Box::new(Clip::open(&options)?)),
        };
        let runner = Runner::new(package, Mode::Pure)?;
        let interval_ms = (1_000.0 / f64::from(output.fps_max)).ceil() as i64;
        let outcome = runner.run(&mut source, (&settings, &self.zones), |_| true)?;
        let found = outcome.lines.iter().filter_map(|line| serde_json::from_str(line).ok());
        Ok((verdict(&self.event, found, interval_ms), outcome))
    }
}

/// The frames of a clip that the plugin had seen, and what the rate chooses before them: its times are looked at first.
fn picked(options: &ClipOptions, lead: &Lead) -> Result<Picked, String> {
    let mut times = Vec::new();
    let mut every = Clip::open(&ClipOptions { output: TIMES, masks: Vec::new(), ..options.clone() })?;
    while let Some(picture) = every.next_picture()? {
        times.push(Picture { utc: UtcNanos(picture.utc_ns), media: None });
    }
    let choice = choose(&times, options.output.fps_max, UtcNanos(i64::MIN), Some(lead));
    let output = Output { fps_max: TIMES.fps_max, ..options.output };
    Ok(Picked::new(Clip::open(&ClipOptions { output, ..options.clone() })?, choice.frames))
}
