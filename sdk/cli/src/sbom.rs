//! What a plugin was made of, as CycloneDX 1.5 in JSON: from the lock file of its package manager, or the plugin alone.

use crate::base64::base64;
use crate::folder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use watchbook_plugin_host::Manifest;

/// Bytes of a lock file. That of a plugin with a thousand dependencies has 1 MB.
const LOCK_BYTES_MAX: usize = 16 << 20;

/// Something that a plugin was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Component {
    name: String,
    version: String,
    /// `pkg:cargo/…` or `pkg:npm/…`: the package, whatever registry it came from.
    purl: String,
    /// Algorithm and lower-case hex.
    hash: Option<(&'static str, String)>,
    /// False for what only tests and tools need.
    shipped: bool,
    needs: Vec<String>,
}

/// `sbom.cdx.json` of the plugin in `folder`. The same lock file gives the same bytes.
///
/// # Errors
/// A sentence when a lock file is there and cannot be read.
pub fn of_folder(manifest: &Manifest, folder: &Path) -> Result<Vec<u8>, String> {
    let (cargo, npm) = (folder.join("Cargo.lock"), folder.join("package-lock.json"));
    let text = |path: &Path| {
        let bytes = folder::read(path, LOCK_BYTES_MAX)?;
        String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", path.display()))
    };
    let named = |path: &Path, error: String| format!("{}: {error}", path.display());
    let mut components = if cargo.exists() {
        of_cargo(&text(&cargo)?).map_err(|error| named(&cargo, error))?
    } else if npm.exists() {
        of_npm(&text(&npm)?).map_err(|error| named(&npm, error))?
    } else {
        Vec::new()
    };
    components.sort();
    let bom = document(manifest, &components);
    serde_json::to_vec_pretty(&bom).map_err(|error| format!("writing sbom.cdx.json: {error}"))
}

fn document(manifest: &Manifest, components: &[Component]) -> Value {
    let root = format!("{}@{}", manifest.id, manifest.version);
    let listed = |component: &Component| {
        let mut value = json!({
            "type": "library",
            "bom-ref": component.purl,
            "name": component.name,
            "version": component.version,
            "purl": component.purl,
            "scope": if component.shipped { "required" } else { "excluded" },
        });
        if let Some((algorithm, content)) = &component.hash {
            value["hashes"] = json!([{ "alg": algorithm, "content": content }]);
        }
        value
    };
    let needs = |component: &Component| json!({ "ref": component.purl, "dependsOn": component.needs });
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": manifest.id,
                "version": manifest.version,
                "publisher": manifest.publisher,
                "description": manifest.summary,
                "licenses": [{ "expression": manifest.licence }],
            },
        },
        "components": components.iter().map(listed).collect::<Vec<_>>(),
        "dependencies": components.iter().map(needs).collect::<Vec<_>>(),
    })
}

/// The packages of a `Cargo.lock`. It does not say which of them only tests need.
fn of_cargo(text: &str) -> Result<Vec<Component>, String> {
    let lock: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let packages = lock.get("package").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let word = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let purl = |name: &str, version: &str| format!("pkg:cargo/{name}@{version}");
    let mut versions = BTreeMap::<String, Vec<String>>::new();
    for package in packages {
        let name = word(package, "name").ok_or("a package without a name")?;
        versions.entry(name).or_default().push(word(package, "version").unwrap_or_default());
    }
    let mut components = Vec::new();
    for package in packages {
        let name = word(package, "name").unwrap_or_default();
        let version = word(package, "version").unwrap_or_default();
        let dependencies = package.get("dependencies").and_then(toml::Value::as_array);
        // "name" alone when there is one version of it, else "name version".
        let mut needs: Vec<String> = dependencies
            .into_iter()
            .flatten()
            .filter_map(toml::Value::as_str)
            .filter_map(|entry| {
                let mut words = entry.split(' ');
                let name = words.next()?;
                let version = words.next().map(str::to_owned).or_else(|| versions.get(name)?.first().cloned())?;
                Some(purl(name, &version))
            })
            .collect();
        needs.sort();
        components.push(Component {
            purl: purl(&name, &version),
            hash: word(package, "checksum").map(|sum| ("SHA-256", sum)),
            shipped: true,
            needs,
            name,
            version,
        });
    }
    // What nothing else needs and no registry has is the plugin itself.
    let needed: Vec<String> = components.iter().flat_map(|component| component.needs.clone()).collect();
    components.retain(|component| component.hash.is_some() || needed.contains(&component.purl));
    Ok(components)
}

/// The packages of a `package-lock.json` of form 2 or 3.
fn of_npm(text: &str) -> Result<Vec<Component>, String> {
    let lock: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let packages = lock.get("packages").and_then(Value::as_object);
    let packages = packages.ok_or("it has no `packages`; npm 7 or newer writes them")?;
    let mut components = Vec::new();
    for (path, package) in packages {
        // `node_modules/a/node_modules/@scope/b`; the plugin itself has the empty path.
        let Some((_, name)) = path.rsplit_once("node_modules/") else { continue };
        let word = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default();
        let version = word("version").to_owned();
        let hash = word("integrity").strip_prefix("sha512-").and_then(hex_of_base64).map(|hex| ("SHA-512", hex));
        components.push(Component {
            purl: format!("pkg:npm/{}@{version}", name.replace('@', "%40")),
            name: name.to_owned(),
            version,
            hash,
            shipped: package.get("dev").and_then(Value::as_bool) != Some(true),
            needs: Vec::new(),
        });
    }
    components.sort();
    components.dedup();
    Ok(components)
}

fn hex_of_base64(text: &str) -> Option<String> {
    Some(base64(text)?.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cargo_lock_gives_its_packages_without_the_plugin_itself() {
        let lock = r#"
            version = 4
            [[package]]
            name = "counter"
            version = "1.0.0"
            dependencies = ["a", "b 2.0.0", "own"]
            [[package]]
            name = "own"
            version = "0.1.0"
            [[package]]
            name = "a"
            version = "0.3.1"
            source = "registry+https://github.com/rust-lang/crates.io-index"
            checksum = "00ff"
            dependencies = ["b 1.0.0"]
            [[package]]
            name = "b"
            version = "1.0.0"
            checksum = "01"
            [[package]]
            name = "b"
            version = "2.0.0"
            checksum = "02"
        "#;
        let mut components = of_cargo(lock).unwrap();
        components.sort();
        let purls: Vec<&str> = components.iter().map(|component| component.purl.as_str()).collect();
        assert_eq!(purls, ["pkg:cargo/a@0.3.1", "pkg:cargo/b@1.0.0", "pkg:cargo/b@2.0.0", "pkg:cargo/own@0.1.0"]);
        assert_eq!(components[0].hash, Some(("SHA-256", "00ff".to_owned())));
        assert_eq!(components[0].needs, ["pkg:cargo/b@1.0.0"]);
        assert!(of_cargo("[[package]]\nversion = \"1\"").is_err());
    }

    #[test]
    fn a_package_lock_gives_its_packages_with_their_scope() {
        let lock = r#"{"lockfileVersion": 3, "packages": {
            "": {"name": "rule", "version": "1.0.0"},
            "node_modules/@scope/b": {"version": "2.0.0", "dev": true},
            "node_modules/a/node_modules/c": {"version": "3.0.0"},
            "node_modules/a": {"version": "1.0.0", "integrity": "sha512-TWFu"}
        }}"#;
        let components = of_npm(lock).unwrap();
        let seen: Vec<(&str, bool)> = components.iter().map(|c| (c.purl.as_str(), c.shipped)).collect();
        assert_eq!(seen, [("pkg:npm/%40scope/b@2.0.0", false), ("pkg:npm/a@1.0.0", true), ("pkg:npm/c@3.0.0", true)]);
        // RFC 4648 §10 has such vectors; "TWFu" is "Man".
        assert_eq!(components[1].hash, Some(("SHA-512", "4d616e".to_owned())));
        assert!(of_npm("{}").unwrap_err().contains("npm 7"));
    }
}
