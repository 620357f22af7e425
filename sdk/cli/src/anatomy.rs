//! What a component is made of: what it imports and exports, and which features of WebAssembly it needs.

use wasmparser::{Parser, Validator, WasmFeatures};
use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldItem, WorldKey};

/// What a component imports, exports and needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anatomy {
    /// Names of the imported interfaces with their versions, sorted.
    pub imports: Vec<String>,
    /// Names of the exported interfaces with their versions, sorted.
    pub exports: Vec<String>,
    /// What it needs beyond the first version of WebAssembly and the component model, sorted.
    pub features: Vec<String>,
}

/// Names of features and how to switch them off.
const FEATURES: [(&str, WasmFeatures); 11] = [
    ("bulk-memory", WasmFeatures::BULK_MEMORY),
    ("exceptions", WasmFeatures::EXCEPTIONS),
    ("extended-const", WasmFeatures::EXTENDED_CONST),
    ("gc", WasmFeatures::GC),
    ("memory64", WasmFeatures::MEMORY64),
    ("multi-memory", WasmFeatures::MULTI_MEMORY),
    ("reference-types", WasmFeatures::REFERENCE_TYPES),
    ("relaxed-simd", WasmFeatures::RELAXED_SIMD),
    ("simd", WasmFeatures::SIMD),
    ("tail-call", WasmFeatures::TAIL_CALL),
    ("threads", WasmFeatures::THREADS),
];

/// Takes a component apart.
///
/// # Errors
/// A sentence when it is none, or not a valid one.
pub fn of(component: &[u8]) -> Result<Anatomy, String> {
    if !Parser::is_component(component) {
        return Err("not a component".to_owned());
    }
    let decoded = wit_component::decode(component).map_err(|error| format!("not a component: {error:#}"))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err("not a component: a package of interfaces".to_owned());
    };
    let world = &resolve.worlds[world];
    let names = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>| {
        let mut names: Vec<String> = items.map(|(key, _)| name(&resolve, key)).collect();
        names.sort();
        names
    };
    let (imports, exports) = (names(&mut world.imports.iter()), names(&mut world.exports.iter()));
    let valid = |features| Validator::new_with_features(features).validate_all(component).is_ok();
    if !valid(WasmFeatures::all()) {
        return Err("the component is not valid".to_owned());
    }
    let needed = FEATURES.iter().filter(|(_, feature)| !valid(WasmFeatures::all().difference(*feature)));
    Ok(Anatomy { imports, exports, features: needed.map(|(name, _)| (*name).to_owned()).collect() })
}

fn name(resolve: &Resolve, key: &WorldKey) -> String {
    resolve.name_world_key(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_refused() {
        assert!(of(b"not wasm").unwrap_err().contains("not a component"));
        // A core module: magic and version (WebAssembly core specification §5.5.16).
        assert!(of(b"\0asm\x01\0\0\0").is_err());
    }
}
