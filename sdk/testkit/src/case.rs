//! What a plugin is run on: from the command line, or from a file of the plugin's folder `tests`.

use crate::clip::{Clip, ClipOptions};
use crate::scene::{SEED_DEFAULT, Scene};
use crate::{Source, wire};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use watchbook_analysis::Output;
use watchbook_plugin_host::Zone;

/// Cases of one plugin.
pub const CASES_MAX: usize = 200;
/// One case's file.
const CASE_BYTES_MAX: usize = 64 << 10;

/// Where a case's pictures or events come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A drawn scene and its seed.
    Scene(Scene, u64),
    /// A recording or a camera.
    Clip {
        /// A file or an address.
        source: String,
        /// Polygons to blacken.
        masks: Vec<String>,
        /// Stop after so much of it.
        seconds: Option<u64>,
    },
    /// Events for a rule, one JSON object a line.
    Events(PathBuf),
}

impl Input {
    /// Opens pictures.
    ///
    /// # Errors
    /// A sentence about the source; events are no pictures.
    pub fn open(&self, output: Output) -> Result<Source, String> {
        match self {
            Self::Scene(scene, seed) => {
                let size = (output.width, output.height);
                Ok(Source::Scene(Box::new(scene.pictures(size, output.fps_max, *seed))))
            }
            Self::Clip { source, masks, seconds } => {
                let options =
                    ClipOptions { masks: masks.clone(), seconds_max: *seconds, ..ClipOptions::new(source, output) };
                Ok(Source::Clip(Box::new(Clip::open(&options)?)))
            }
            Self::Events(path) => {
                Err(format!("{}: events are for rules; this plugin watches a camera", path.display()))
            }
        }
    }
}

/// One run with an expected result.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// For people.
    pub name: String,
    /// What goes in.
    pub input: Input,
    /// What was chosen; the manifest's defaults fill the rest.
    pub settings: Map<String, Value>,
    /// Parts of the picture.
    pub zones: Vec<Zone>,
    /// What must come out.
    pub golden: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    scene: Option<String>,
    seed: Option<u64>,
    clip: Option<String>,
    seconds: Option<u64>,
    #[serde(default)]
    masks: Vec<String>,
    events: Option<PathBuf>,
    #[serde(default)]
    settings: Map<String, Value>,
    zones: Option<PathBuf>,
    golden: PathBuf,
}

impl Case {
    /// Reads a case. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// A sentence that names the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = crate::text_file(path, CASE_BYTES_MAX)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder).map(|case| Self { name: name(path), ..case }).map_err(|sentence| {
            let sentence = sentence.trim_end();
            format!("{}: {sentence}", path.display())
        })
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let shape: Shape = toml::from_str(text).map_err(|error| error.to_string())?;
        let input = match (shape.scene, shape.clip, shape.events) {
            (Some(scene), None, None) => Input::Scene(Scene::named(&scene)?, shape.seed.unwrap_or(SEED_DEFAULT)),
            (None, Some(clip), None) => {
                // An address stays as it is.
                let source = if clip.contains("://") { clip } else { folder.join(clip).display().to_string() };
                Input::Clip { source, masks: shape.masks, seconds: shape.seconds }
            }
            (None, None, Some(events)) => Input::Events(folder.join(events)),
            _ => return Err("one of `scene`, `clip` and `events` is wanted".to_owned()),
        };
        let zones = shape.zones.map(|zones| wire::zones_file(&folder.join(zones))).transpose()?.unwrap_or_default();
        let golden = folder.join(shape.golden);
        Ok(Self { name: String::new(), input, settings: shape.settings, zones, golden })
    }

    /// Every `*.toml` of a plugin's folder `tests`, by name. None when there is no such folder.
    ///
    /// # Errors
    /// As [`Case::read`]; more than [`CASES_MAX`].
    pub fn read_all(plugin: &Path) -> Result<Vec<Self>, String> {
        let folder = plugin.join("tests");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(format!("{}: {error}", folder.display())),
        };
        let is_case = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_case).collect();
        paths.sort();
        if paths.len() > CASES_MAX {
            return Err(format!("{}: {} cases; at most {CASES_MAX} are allowed", folder.display(), paths.len()));
        }
        paths.iter().map(|path| Self::read(path)).collect()
    }
}

fn name(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_in_order_and_paths_are_theirs() {
        let plugin = tempfile::tempdir().unwrap();
        assert_eq!(Case::read_all(plugin.path()).unwrap(), []);
        let tests = plugin.path().join("tests");
        std::fs::create_dir(&tests).unwrap();
        std::fs::write(tests.join("b.toml"), "clip = \"road.mp4\"\nmasks = [\"0,0;1,0;1,1\"]\ngolden = \"b.jsonl\"")
            .unwrap();
        let zones = r#"[{"name": "road", "outline": [{"x": 0, "y": 0}, {"x": 1, "y": 0}, {"x": 0, "y": 1}]}]"#;
        std::fs::write(tests.join("zones.json"), zones).unwrap();
        let text = "scene = \"moving-square\"\nseed = 9\nzones = \"zones.json\"\ngolden = \"a.jsonl\"\nsettings = { sensitivity = 70 }";
        std::fs::write(tests.join("a.toml"), text).unwrap();
        let cases = Case::read_all(plugin.path()).unwrap();
        assert_eq!(cases[0].name, "a");
        assert_eq!(cases[0].input, Input::Scene(Scene::MovingSquare, 9));
        assert_eq!((cases[0].settings["sensitivity"].as_i64(), cases[0].zones.len()), (Some(70), 1));
        assert_eq!(cases[0].golden, tests.join("a.jsonl"));
        let Input::Clip { source, masks, seconds } = &cases[1].input else { panic!("{:?}", cases[1]) };
        assert_eq!((Path::new(source), masks.len(), seconds), (tests.join("road.mp4").as_path(), 1, &None));
    }

    #[test]
    fn each_mistake_in_a_case_is_named() {
        for (text, word) in [
            ("golden = \"a\"", "one of"),
            ("scene = \"moving-square\"\nclip = \"a\"\ngolden = \"a\"", "one of"),
            ("scene = \"street\"\ngolden = \"a\"", "street"),
            ("scene = \"moving-square\"", "golden"),
            ("scene = \"moving-square\"\ngolden = \"a\"\ncolour = 1", "colour"),
        ] {
            let sentence = Case::parse(text, Path::new(".")).unwrap_err();
            assert!(sentence.contains(word), "{word} is not named in: {sentence}");
        }
    }
}
