//! Plugins written as text, for what no orderly plugin does.

use crate::Result;
use crate::error::Attempt;
use std::path::Path;
use watchbook_plugin_host::{Manifest, Package};

/// What a fixture does with each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Reads the whole plane and gives one mark.
    Reads,
    /// Loops for ever.
    Loops,
    /// Stops at once, as a panic does.
    Traps,
    /// Asks for memory without end.
    Bombs,
    /// Calls itself without end.
    Overflows,
    /// 200 log lines a frame, of which 50 a minute are allowed.
    FloodsLog,
    /// 65 marks a frame, one too many.
    FloodsMarks,
    /// Copies its memory over itself without end.
    Copies,
}

/// Where `ok` of nothing and of no marks lies: zeros.
const OK_AT: u32 = 1400;

impl Deed {
    fn name(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Loops => "loops",
            Self::Traps => "traps",
            Self::Bombs => "bombs",
            Self::Overflows => "overflows",
            Self::FloodsLog => "floods-log",
            Self::FloodsMarks => "floods-marks",
            Self::Copies => "copies",
        }
    }

    /// The plugin's id.
    #[must_use]
    pub fn id(self) -> String {
        format!("org.example.{}", self.name())
    }

    /// Writes the plugin into a plugin folder of a recorder.
    ///
    /// # Errors
    /// As [`Deed::package`], and the operating system's.
    pub fn install(self, plugins: &Path) -> Result<()> {
        let place = plugins.join(self.name());
        std::fs::create_dir_all(&place).attempt("making a folder")?;
        std::fs::write(place.join("plugin.wasm"), self.package()?.component).attempt("writing a fixture")?;
        std::fs::write(place.join("plugin.toml"), self.manifest()).attempt("writing a fixture")
    }

    /// The body of `on-frame`. 1520 holds a list of 65 marks; 2048 holds the frame's data, its time at 2064; 1500 the one mark, whose start lies at 4112.
    fn body(self) -> &'static str {
        match self {
            Self::Reads => {
                "(call $luma (local.get 0) (i32.const 2100))
                 (if (i32.ne (i32.load (i32.const 2104)) (i32.const 230400)) (then unreachable))
                 (global.set $top (i32.const 65536))
                 (i64.store (i32.const 4112) (i64.load (i32.const 2064)))
                 (call $drop (local.get 0))
                 (i32.const 1500)"
            }
            Self::Loops => "(loop $again (br $again)) unreachable",
            Self::Traps => "unreachable",
            Self::Bombs => "(loop $again (drop (memory.grow (i32.const 16))) (br $again)) unreachable",
            Self::Overflows => "(drop (call $deeper (i64.const 0))) (i32.const 1400)",
            Self::FloodsLog => {
                "(loop $again
                   (call $log (i32.const 3) (i32.const 1024) (i32.const 11))
                   (local.set $i (i32.add (local.get $i) (i32.const 1)))
                   (br_if $again (i32.lt_u (local.get $i) (i32.const 200))))
                 (call $drop (local.get 0))
                 (i32.const 1400)"
            }
            Self::FloodsMarks => "(call $drop (local.get 0)) (i32.const 1520)",
            Self::Copies => {
                "(loop $again (memory.copy (i32.const 0) (i32.const 1) (i32.const 524287)) (br $again)) unreachable"
            }
        }
    }

    /// The plugin.
    ///
    /// # Errors
    /// The text does not fit the published interface any more.
    pub fn package(self) -> Result<Package> {
        let module = wat::parse_str(self.module()).attempt("assembling a fixture")?;
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/wit/0.1");
        let component =
            watchbook_plugin_cli::build(&module, &wit, "analytics-plugin").attempt("making a fixture a component")?;
        let manifest = Manifest::parse(&self.manifest()).attempt("reading a fixture's manifest")?;
        Ok(Package::new(manifest, component))
    }

    /// As the recorder's plugin folder holds it.
    #[must_use]
    pub fn manifest(self) -> String {
        format!(
            "id = \"org.example.{}\"\nversion = \"1.0.0\"\nworld = \"analytics-plugin\"\napi = \"0.1\"\npublisher = \"Example\"\n\
             licence = \"Apache-2.0\"\nsummary = \"A fixture.\"\npurpose = \"motion-detection\"\n\
             capabilities = {{ required = [\"frames\", \"log\"] }}\ninput = {{ width = 640, height = 360, fps = 5.0, format = \"luma\" }}\n\
             budget = {{ ms_per_frame = 50, memory_mib = 8 }}\nemits = [{{ kind = \"test\", meaning = \"A frame came.\" }}]\n",
            self.name()
        )
    }

    fn module(self) -> String {
        let id = self.id();
        let words = |numbers: &[u32]| {
            numbers
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .map(|byte| format!("\\{byte:02x}"))
                .collect::<String>()
        };
        format!(
            r#"(module
              (import "watchbook:plugin/frames@0.1.0" "[resource-drop]frame" (func $drop (param i32)))
              (import "watchbook:plugin/frames@0.1.0" "[method]frame.info" (func $info (param i32 i32)))
              (import "watchbook:plugin/frames@0.1.0" "[method]frame.luma" (func $luma (param i32 i32)))
              (import "watchbook:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))
              (memory (export "memory") 8)
              (global $top (mut i32) (i32.const 65536))
              (data (i32.const 1024) "{id}")
              (data (i32.const 1100) "1.0.00.1")
              (data (i32.const 1200) "{card}")
              (data (i32.const 1500) "{one_mark}")
              (data (i32.const 1520) "{many_marks}")
              (data (i32.const 1700) "test")
              (data (i32.const 4096) "{kind}")
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
                (global.set $top (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
              (func $deeper (param $at i64) (result i64)
                (i64.add (call $deeper (i64.add (local.get $at) (i64.const 1))) (local.get $at)))
              (func (export "watchbook:plugin/about@0.1.0#describe") (result i32) (i32.const 1200))
              (func (export "watchbook:plugin/analyzer@0.1.0#start")
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const {OK_AT}))
              (func (export "watchbook:plugin/analyzer@0.1.0#on-frame") (param i32) (result i32) (local $i i32)
                (call $info (local.get 0) (i32.const 2048))
                {body})
              (func (export "watchbook:plugin/analyzer@0.1.0#stop") (result i32) (i32.const {OK_AT})))"#,
            card = words(&[1024, u32::try_from(id.len()).unwrap_or(0), 1100, 5, 1105, 3]),
            one_mark = words(&[0, 4096, 1]),
            many_marks = words(&[0, 8192, 65]),
            kind = words(&[1700, 4]),
            body = self.body(),
        )
    }
}
