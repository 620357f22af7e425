//! What the commands that run a plugin have in common: which plugin, on what, with which settings.

use crate::usage;
use pico_args::Arguments;
use serde_json::{Map, Value};
use std::path::PathBuf;
use watchbook_plugin_host::{Package, Zone};
use watchbook_plugin_testkit::case::Input;
use watchbook_plugin_testkit::scene::SEED_DEFAULT;
use watchbook_plugin_testkit::{Scene, read_plugin, text_file, wire};

/// Settings in a file.
const SETTINGS_BYTES_MAX: usize = 64 << 10;

/// The part of a command's help that tells of these options.
macro_rules! common_help {
    () => {
        "\
  CLIP               a recording (MP4, Matroska, AVI, MPEG-TS, raw H.264 or H.265) or rtsp://...
  --scene NAME       a drawn scene: moving-square, crossing-squares, static-noise, light-switch, covered-camera
  --seed N           of the scene                                        [1]
  --seconds N        of the clip, 1 to 86400                             [all, at most an hour]
  --mask X,Y;X,Y;... blacken this polygon of the clip, in fractions of the picture; may be repeated
  --plugin PATH      folder with plugin.toml and plugin.wasm, or a .wbp  [.]
  --settings JSON    settings as an object, or @FILE; defaults fill the rest
  --zones FILE       parts of the picture: [{\"name\": ..., \"outline\": [{\"x\": 0.1, \"y\": 0.2}, ...]}, ...]
"
    };
}
pub(crate) use common_help;

/// Which plugin, and how it is set.
pub(crate) struct Wanted {
    pub(crate) plugin: PathBuf,
    pub(crate) settings: Map<String, Value>,
    pub(crate) zones: Vec<Zone>,
    /// `None` when the command line names no clip, scene or events.
    pub(crate) input: Option<Input>,
}

impl Wanted {
    /// Takes the common options; the clip, if any, is the only free argument.
    pub(crate) fn take(arguments: &mut Arguments, command: &'static str) -> Result<Self, String> {
        let plugin = arguments.opt_value_from_str("--plugin").map_err(usage(command))?.unwrap_or_else(|| ".".into());
        let settings: Option<String> = arguments.opt_value_from_str("--settings").map_err(usage(command))?;
        let zones: Option<PathBuf> = arguments.opt_value_from_str("--zones").map_err(usage(command))?;
        let scene: Option<String> = arguments.opt_value_from_str("--scene").map_err(usage(command))?;
        let seed: Option<u64> = arguments.opt_value_from_str("--seed").map_err(usage(command))?;
        let seconds: Option<u64> = arguments.opt_value_from_str("--seconds").map_err(usage(command))?;
        let masks: Vec<String> = arguments.values_from_str("--mask").map_err(usage(command))?;
        let events: Option<PathBuf> = arguments.opt_value_from_str("--events").map_err(usage(command))?;
        let clip: Option<String> = arguments.opt_free_from_str().map_err(usage(command))?;
        if let Some(option) = clip.as_deref().filter(|clip| clip.starts_with('-')) {
            return Err(format!("{command} has no option {option}; `watchbook-plugin {command} --help` lists them"));
        }
        let input = match (clip, scene, events) {
            (None, None, None) => None,
            (Some(source), None, None) => Some(Input::Clip { source, masks, seconds }),
            (None, Some(name), None) => Some(Input::Scene(Scene::named(&name)?, seed.unwrap_or(SEED_DEFAULT))),
            (None, None, Some(path)) => Some(Input::Events(path)),
            _ => return Err("one of a clip, --scene and --events is wanted, not several".to_owned()),
        };
        let settings = settings.map(|text| parse_settings(&text)).transpose()?.unwrap_or_default();
        let zones = zones.map(|path| wire::zones_file(&path)).transpose()?.unwrap_or_default();
        Ok(Self { plugin, settings, zones, input })
    }

    pub(crate) fn package(&self) -> Result<Package, String> {
        read_plugin(&self.plugin).map_err(|sentence| {
            format!("{sentence}; --plugin names the folder with plugin.toml and plugin.wasm, which `watchbook-plugin build` makes")
        })
    }

    /// The clip or scene, which this command cannot do without.
    pub(crate) fn input(&self, command: &str) -> Result<&Input, String> {
        self.input.as_ref().ok_or_else(|| {
            format!("a clip or --scene NAME is wanted; `watchbook-plugin {command} --help` lists the scenes")
        })
    }
}

fn parse_settings(text: &str) -> Result<Map<String, Value>, String> {
    let text = match text.strip_prefix('@') {
        Some(path) => text_file(path.as_ref(), SETTINGS_BYTES_MAX)?,
        None => text.to_owned(),
    };
    serde_json::from_str(&text)
        .map_err(|error| format!("--settings: {error}; an object such as {{\"sensitivity\": 70}} is expected"))
}
