//! The plugin author's tool, as a library: what `watchbook-plugin` does, callable by tests.
//!
//! * **Enters:** what an author has: a plugin's folder, or a core WebAssembly module and the published WIT; a publisher's key.
//! * **Leaves:** what an appliance takes: a component, a signed package.
//! * **Promises:** a component that this crate gives out has passed the validator, and an error says what to do.
//! * **Never:** needs a network; a folder's own language needs its compiler, and nothing else needs another program.
//! * **Proof:** the tests below; `plugins/motion` and the hostile fixtures of `plugin-host` are made with it.

pub mod anatomy;
mod base64;
pub mod check;
pub mod folder;
pub mod keys;
pub mod project;
pub mod sbom;
pub mod template;

use std::path::Path;
use watchbook_plugin_host::manifest::TRIED_OUT;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Custom section that a language's bindings leave in a core module to say which world it was written for.
const BINDINGS_SECTION: &[u8] = b"component-type";

/// Turns a core module into a component of `world`, as described by the WIT files in the folder `wit`.
///
/// A module whose bindings have left their world's description (Rust with wit-bindgen) keeps it; a bare module (C, hand-written text) gets the
/// description from `wit`.
///
/// # Errors
/// A sentence for the author: a folder that is no WIT package, a world that it does not have, exports or imports that the world does not know.
pub fn build(core: &[u8], wit: &Path, world: &str) -> Result<Vec<u8>, String> {
    let mut resolve = Resolve::default();
    // What is tried out may be used; a station says whether it takes that.
    resolve.features.extend(TRIED_OUT.map(str::to_owned));
    let (package, _) =
        resolve.push_path(wit).map_err(|error| format!("{} is not a WIT package: {error:#}", wit.display()))?;
    let world = resolve
        .select_world(&[package], Some(world))
        .map_err(|error| format!("{} has no world `{world}`: {error:#}", wit.display()))?;
    let mut module = core.to_vec();
    if !core.windows(BINDINGS_SECTION.len()).any(|window| window == BINDINGS_SECTION) {
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .map_err(|error| format!("the module is not WebAssembly: {error:#}"))?;
    }
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| format!("the module does not fit the world: {error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wit() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/0.1")
    }

    #[test]
    fn mistakes_are_named() {
        // The shortest core module: magic and version (WebAssembly core specification §5.5.16). It exports nothing.
        let empty = b"\0asm\x01\0\0\0";
        let wrong_world = build(empty, &wit(), "no-such-world").unwrap_err();
        assert!(wrong_world.contains("no-such-world"), "{wrong_world}");
        let wrong_folder = build(empty, Path::new("/proc"), "analytics-plugin").unwrap_err();
        assert!(wrong_folder.contains("/proc"), "{wrong_folder}");
        let no_exports = build(empty, &wit(), "analytics-plugin").unwrap_err();
        assert!(no_exports.contains("watchbook:plugin/about@0.1.0"), "{no_exports}");
        assert!(build(b"not wasm", &wit(), "analytics-plugin").is_err());
    }
}
