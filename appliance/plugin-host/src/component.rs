//! What a component wants from its host, read from its bytes. Nothing is compiled or run.

use crate::Manifest;
use crate::message::World;
use wasmparser::{Parser, Payload};

/// The package of the interface; `sdk/wit` has it.
const PACKAGE: &str = "watchbook:plugin/";
/// What a component of each world exports, and no other.
const WORLDS: [(&str, World); 2] = [("analyzer", World::AnalyticsPlugin), ("rule", World::ExportRule)];
/// Interfaces that give nothing: records and words alone.
const HARMLESS: &str = "types";
/// Names that a component may import or export at its top. The interface has less than ten.
const NAMES_MAX: usize = 64;

/// The names that a component imports and exports, such as `watchbook:plugin/frames@0.1.0`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// What it must be given.
    pub imports: Vec<String>,
    /// What it offers.
    pub exports: Vec<String>,
}

impl Ports {
    /// Reads them from the component's bytes. What lies within it (its modules, nested components) is passed over.
    ///
    /// # Errors
    /// A sentence when the bytes are no component or it has more names than a plugin can need.
    pub fn of(component: &[u8]) -> Result<Self, String> {
        let broken = |error: wasmparser::BinaryReaderError| format!("plugin.wasm is no WebAssembly component: {error}");
        if !Parser::is_component(component) {
            return Err(
                "plugin.wasm is no WebAssembly component; `watchbook-plugin build` makes one from a core module"
                    .to_owned(),
            );
        }
        let (mut ports, mut depth) = (Self::default(), 0_usize);
        for payload in Parser::new(0).parse_all(component) {
            match payload.map_err(broken)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        ports.imports.push(import.map_err(broken)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        ports.exports.push(export.map_err(broken)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
            if ports.imports.len() + ports.exports.len() > NAMES_MAX {
                return Err(format!("plugin.wasm imports and exports more than {NAMES_MAX} names"));
            }
        }
        Ok(ports)
    }

    /// Whether everything that it imports is asked for in the manifest, and it is of the world that is named there, so that what an administrator reads and approves
    /// is what it is and all that it can get.
    ///
    /// # Errors
    /// A sentence that names the import or the export.
    pub fn check(&self, manifest: &Manifest) -> Result<(), String> {
        for import in &self.imports {
            let Some(interface) = import.strip_prefix(PACKAGE) else {
                return Err(format!(
                    "plugin.wasm imports `{import}`, which no station offers; a plugin has {PACKAGE}… alone, no files, no clock, no network"
                ));
            };
            let interface = interface.split('@').next().unwrap_or(interface);
            if interface != HARMLESS && !manifest.capabilities.all().any(|capability| capability == interface) {
                return Err(format!(
                    "plugin.wasm imports `{import}`, which plugin.toml does not ask for; add \"{interface}\" to `required` or `optional` under [capabilities]"
                ));
            }
        }
        for export in &self.exports {
            let interface = export.strip_prefix(PACKAGE).and_then(|rest| rest.split('@').next()).unwrap_or_default();
            let other = WORLDS.iter().find(|(name, world)| *name == interface && world.name() != manifest.world);
            if let Some((_, world)) = other {
                return Err(format!(
                    "plugin.wasm exports `{export}`, so it is of the world `{}`, and plugin.toml says `{}`; write the world that it was built for",
                    world.name(),
                    manifest.world
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::EXAMPLE;
    use proptest::prelude::*;

    /// A component that imports instances of these names and nothing from them.
    pub(crate) fn importing(names: &[&str]) -> Vec<u8> {
        let imports: String = names.iter().map(|name| format!("(import \"{name}\" (instance))")).collect();
        // What lies within is not the component's own.
        let nested = "(component (import \"wasi:sockets/tcp@0.2.0\" (instance)))(core module)";
        wat::parse_str(format!("(component {nested} {imports} {nested})")).unwrap()
    }

    #[test]
    fn imports_must_be_asked_for() {
        let manifest = Manifest::parse(EXAMPLE).unwrap();
        let judged = |names: &[&str]| Ports::of(&importing(names)).unwrap().check(&manifest);
        let fine = ["watchbook:plugin/types@0.1.0", "watchbook:plugin/frames@0.1.0", "watchbook:plugin/log@0.1.0"];
        assert_eq!(Ports::of(&importing(&fine)).unwrap().imports, fine);
        assert_eq!(judged(&fine), Ok(()));
        assert!(judged(&["watchbook:plugin/store@0.1.0"]).unwrap_err().contains("add \"store\""));
        assert!(judged(&["wasi:clocks/wall-clock@0.2.0"]).unwrap_err().contains("no station offers"));
        let many: Vec<String> = (0..65).map(|number| format!("a:b/c{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(Ports::of(&importing(&many)).unwrap_err().contains("more than 64"));
        assert!(Ports::of(b"\0asm\x01\0\0\0").unwrap_err().contains("watchbook-plugin build"));
    }

    #[test]
    fn a_component_of_another_world_is_told_from_its_exports() {
        let manifest = Manifest::parse(EXAMPLE).unwrap();
        let judged = |interface: &str| {
            let text = format!(
                "(component (component $c) (instance $i (instantiate $c)) (export \"{PACKAGE}{interface}@0.1.0\" (instance $i)))"
            );
            Ports::of(&wat::parse_str(text).unwrap()).unwrap().check(&manifest)
        };
        assert_eq!((judged("about"), judged("analyzer")), (Ok(()), Ok(())));
        let sentence = judged("rule").unwrap_err();
        for word in ["watchbook:plugin/rule@0.1.0", "export-rule", "analytics-plugin"] {
            assert!(sentence.contains(word), "{word} in: {sentence}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_panics(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut component = importing(&["watchbook:plugin/log@0.1.0"]);
            let at = at.index(component.len());
            component[at] = to;
            if let Ok(ports) = Ports::of(&component) {
                prop_assert!(ports.imports.len() <= NAMES_MAX);
            }
        }
    }
}
