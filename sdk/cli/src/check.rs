//! What a station would object to, found on the author's machine: all of it at once.

use wasmparser::{Validator, WasmFeatures};
use watchbook_plugin_engine::Models;
use watchbook_plugin_host::component::Ports;
use watchbook_plugin_host::models::ModelFiles;
use watchbook_plugin_host::wbp::{self, Files};
use watchbook_plugin_host::{Manifest, settings};

/// What WebAssembly a station runs: the second version of the standard and a little more. Threads, 64-bit memories, relaxed SIMD, garbage collection,
/// exceptions and asynchronous components are not in it.
fn features() -> WasmFeatures {
    WasmFeatures::WASM2.difference(WasmFeatures::GC_TYPES)
        | WasmFeatures::COMPONENT_MODEL
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::EXTENDED_CONST
}

/// What is wrong with the manifest and the component of a plugin, a sentence each. None in a whole package means that a station takes it, as far as can be
/// told without running it.
#[must_use]
pub fn problems(files: &Files) -> Vec<String> {
    let mut problems = Vec::new();
    let text = files.get("plugin.toml").map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
    match Manifest::parse(&text) {
        Err(error) => problems.push(error.to_string()),
        Ok(manifest) => {
            if let Err(error) = settings::complete(&manifest.settings, &serde_json::Map::new()) {
                problems.push(format!("plugin.toml: the defaults of all settings: {error}"));
            }
            let component = files.get("plugin.wasm").map(Vec::as_slice).unwrap_or_default();
            problems.extend(component_problems(component, &manifest));
            let file = |name: &str| files.get(name).cloned().ok_or_else(|| format!("{name} is missing"));
            let models = ModelFiles::gather(&manifest, file);
            problems.extend(models.and_then(|models| Models::read(&models.parts, &models.bytes)).err());
        }
    }
    problems
}

/// What keeps the files from being a package, of which `problems` knows nothing: a sentence. This compresses them all.
#[must_use]
pub fn pack_problem(files: &Files, problems: &[String]) -> Option<String> {
    let sentence = wbp::pack(files).err()?.to_string();
    let sentence = sentence.strip_prefix("the package is refused: ").unwrap_or(&sentence).to_owned();
    (!problems.contains(&sentence)).then_some(sentence)
}

fn component_problems(component: &[u8], manifest: &Manifest) -> Vec<String> {
    let ports = match Ports::of(component) {
        Ok(ports) => ports,
        Err(sentence) => return vec![sentence],
    };
    let mut problems: Vec<String> = ports.check(manifest).err().into_iter().collect();
    let guest = if manifest.world == "export-rule" { "rule" } else { "analyzer" };
    for interface in ["about", guest] {
        let prefix = format!("watchbook:plugin/{interface}@{}.", manifest.api);
        if !ports.exports.iter().any(|export| export.starts_with(&prefix)) {
            problems.push(format!(
                "plugin.wasm does not export `{interface}`, which the world `{}` has; it exports: {}",
                manifest.world,
                ports.exports.join(", ")
            ));
        }
    }
    if let Err(error) = Validator::new_with_features(features()).validate_all(component) {
        problems.push(match Validator::new_with_features(WasmFeatures::all()).validate_all(component) {
            Ok(_) => format!("plugin.wasm uses WebAssembly that stations do not run: {error}; compile it for less"),
            Err(error) => format!("plugin.wasm is not valid: {error}"),
        });
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = include_str!("../../../plugins/motion/plugin.toml");

    fn found(component: &str) -> Vec<String> {
        let text = |text: &str| text.as_bytes().to_vec();
        let files: Files = [
            ("plugin.toml", text(MANIFEST)),
            ("plugin.wasm", wat::parse_str(component).unwrap()),
            ("LICENSE", text("x")),
            ("README.md", text("x")),
            ("sbom.cdx.json", text("{}")),
        ]
        .map(|(name, content)| (name.to_owned(), content))
        .into();
        let problems = problems(&files);
        assert_eq!(pack_problem(&files, &problems), None);
        problems
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let exports = "(instance $i) (export \"watchbook:plugin/about@0.1.0\" (instance $i)) \
                       (export \"watchbook:plugin/analyzer@0.1.0\" (instance $i))";
        assert!(found(&format!("(component {exports})")).is_empty());
        let rule = "(component (instance $i) (export \"watchbook:plugin/about@0.1.0\" (instance $i)) \
                    (export \"watchbook:plugin/rule@0.1.0\" (instance $i)))";
        let wrong_world = found(rule);
        assert_eq!(wrong_world.len(), 2, "{wrong_world:?}");
        assert!(wrong_world[0].contains("of the world `export-rule`"), "what it is: {wrong_world:?}");
        assert!(wrong_world[1].contains("does not export `analyzer`"), "what it lacks: {wrong_world:?}");
        let import = "(import \"watchbook:plugin/store@0.1.0\" (instance))";
        let undeclared = found(&format!("(component {import} {exports})"));
        assert!(undeclared.len() == 1 && undeclared[0].contains("add \"store\""), "{undeclared:?}");
        for (module, word) in [
            ("(memory i64 1)", "memory64"),
            ("(memory 1 2 shared)", "threads"),
            ("(tag)", "exceptions"),
            (
                "(func (param v128 v128 v128) (result v128) local.get 0 local.get 1 local.get 2 f32x4.relaxed_madd)",
                "relaxed SIMD",
            ),
            ("(type (struct))", "gc"),
        ] {
            let forbidden = found(&format!("(component (core module {module}) {exports})"));
            assert_eq!(forbidden.len(), 1, "{forbidden:?}");
            assert!(forbidden[0].contains("stations do not run"), "{word}: {forbidden:?}");
        }
        let all = found("(component (import \"wasi:io/poll@0.2.0\" (instance)) (core module (memory i64 1)))");
        assert_eq!(all.len(), 4, "{all:?}");
    }
}
