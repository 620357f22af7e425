//! Which crate may name which: the quarantine of the big engines, the layers of the appliance, and public registries in the lock files.

use crate::{Finding, Repo, TextFile};
use toml::{Table, Value};

/// A dependency (or every dependency that starts with the name before `*`) and the only folders that may name it.
const ONLY: [(&str, &[&str]); 16] = [
    ("rocksdb", &["appliance/store"]),
    ("librocksdb-sys", &["appliance/store"]),
    ("wasmtime*", &["appliance/plugin-engine"]),
    ("tract-*", &["appliance/inference"]),
    ("retina", &["appliance/capture"]),
    ("v4l*", &["appliance/capture"]),
    ("axum*", &["appliance/web"]),
    ("hyper*", &["appliance/capture", "appliance/web"]),
    ("tower*", &["appliance/web"]),
    ("utoipa*", &["appliance/web"]),
    ("rust-embed", &["appliance/web"]),
    ("ffmpeg-*", &["appliance/analysis"]),
    ("landlock", &["appliance/confine"]),
    ("seccompiler", &["appliance/confine"]),
    ("argon2", &["appliance/web", "appliance/access"]),
    ("totp-rs", &["appliance/web", "tests/e2e"]),
];
/// Synchronous crates: a function that cannot wait cannot hold up a camera.
const NO_TOKIO: [&str; 7] = [
    "appliance/base",
    "appliance/media",
    "appliance/evidence",
    "appliance/access",
    "appliance/export",
    "appliance/tls",
    "appliance/starter",
];
/// What each lower crate may know of the others. A crate that is not listed may know all.
const LAYERS: [(&str, &[&str]); 16] = [
    ("appliance/base", &[]),
    ("appliance/confine", &[]),
    ("appliance/starter", &["base"]),
    ("appliance/media", &["base"]),
    ("appliance/access", &["base"]),
    ("appliance/evidence", &["base"]),
    ("appliance/evidence/wasm", &["evidence"]),
    ("appliance/export", &["access", "base", "evidence", "media"]),
    ("appliance/capture", &["base", "media"]),
    ("appliance/analysis", &["base", "confine", "media", "starter"]),
    ("appliance/store", &["access", "base", "evidence", "media"]),
    ("appliance/tls", &["base"]),
    ("appliance/plugin-host", &["analysis", "base", "starter"]),
    ("appliance/inference", &[]),
    ("appliance/plugin-engine", &["analysis", "base", "confine", "inference", "plugin-host"]),
    ("appliance/web", &["access", "base", "media", "tls"]),
];

/// Rules `dependency`, `layer` and `registry`.
#[must_use]
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &repo.files {
        match file.name() {
            "Cargo.toml" => findings.extend(check_manifest(file)),
            "Cargo.lock" | "package-lock.json" => findings.extend(check_lock(file)),
            _ => {}
        }
    }
    findings
}

fn check_manifest(file: &TextFile) -> Vec<Finding> {
    let finding = |rule: &'static str, message: String| Finding { path: file.path.clone(), line: 0, rule, message };
    let manifest: Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![finding("dependency", format!("is not TOML: {error}"))],
    };
    let folder = file.folder();
    let mut findings = Vec::new();
    for (kind, name) in dependencies(&manifest) {
        let bare = |pattern: &str| pattern.strip_suffix('*').map_or(name == pattern, |start| name.starts_with(start));
        if let Some((_, allowed)) = ONLY.iter().find(|(pattern, _)| bare(pattern))
            && !allowed.contains(&folder)
        {
            findings.push(finding("dependency", format!("only {} may name `{name}`", allowed.join(", "))));
        }
        if name.starts_with("tokio") && NO_TOKIO.contains(&folder) {
            findings.push(finding("dependency", format!("this crate is synchronous and may not name `{name}`")));
        }
        let ours = name.strip_prefix("watchbook-");
        let layer = LAYERS.iter().find(|(crate_folder, _)| *crate_folder == folder);
        if let (Some(lower), Some((_, known)), true) = (ours, layer, kind != "dev-dependencies")
            && !known.contains(&lower)
        {
            findings
                .push(finding("layer", format!("may not know `{name}`; define a trait here and let wire.rs fill it")));
        }
    }
    findings
}

/// Every `(table, crate)` of a manifest, also those under `[target]`. The root's `[workspace.dependencies]` are no use of a crate and are left out.
fn dependencies(manifest: &Table) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, value) in manifest.get(kind).and_then(Value::as_table).into_iter().flatten() {
            let package = value.get("package").and_then(Value::as_str).unwrap_or(name);
            found.push((kind.to_owned(), package.to_owned()));
        }
    }
    for target in
        manifest.get("target").and_then(Value::as_table).into_iter().flatten().filter_map(|(_, t)| t.as_table())
    {
        found.extend(dependencies(target));
    }
    found
}

/// A lock file must send everybody to the public registries, not to a mirror near its author.
fn check_lock(file: &TextFile) -> Vec<Finding> {
    let allowed = ["registry+https://github.com/rust-lang/crates.io-index", "https://registry.npmjs.org/"];
    let mut findings = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        let line = line.trim();
        let value = line.strip_prefix("source = \"").or_else(|| line.strip_prefix("\"resolved\": \""));
        if let Some(value) = value
            && !allowed.iter().any(|registry| value.starts_with(registry))
        {
            let message = format!("{value} is no public registry");
            findings.push(Finding { path: file.path.clone(), line: at + 1, rule: "registry", message });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        check(&Repo::sample(&[(path, text)])).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn a_big_engine_outside_its_crate_is_found() {
        assert_eq!(rules("appliance/web/Cargo.toml", "[dependencies]\nrocksdb = \"1\""), ["dependency"]);
        assert_eq!(rules("tests/e2e/Cargo.toml", "[dev-dependencies]\naxum-core = \"1\""), ["dependency"]);
        assert_eq!(
            rules("sdk/a/Cargo.toml", "[dependencies]\nx = { package = \"retina\", version = \"1\" }"),
            ["dependency"]
        );
        assert_eq!(
            rules("sdk/a/Cargo.toml", "[target.'cfg(unix)'.dependencies]\nwasmtime-wasi = \"1\""),
            ["dependency"]
        );
        assert!(rules("appliance/store/Cargo.toml", "[dependencies]\nrocksdb = \"1\"").is_empty());
    }

    #[test]
    fn tokio_in_a_synchronous_crate_is_found() {
        assert_eq!(rules("appliance/media/Cargo.toml", "[dev-dependencies]\ntokio-util = \"1\""), ["dependency"]);
        assert!(rules("appliance/capture/Cargo.toml", "[dependencies]\ntokio = \"1\"").is_empty());
    }

    #[test]
    fn a_lower_crate_that_knows_an_upper_one_is_found() {
        assert_eq!(rules("appliance/web/Cargo.toml", "[dependencies]\nwatchbook-store.workspace = true"), ["layer"]);
        assert!(rules("appliance/web/Cargo.toml", "[dependencies]\nwatchbook-media.workspace = true").is_empty());
        assert!(rules("appliance/watchbook/Cargo.toml", "[dependencies]\nwatchbook-store.workspace = true").is_empty());
    }

    #[test]
    fn a_mirror_in_a_lock_file_is_found() {
        assert_eq!(rules("Cargo.lock", "source = \"sparse+http://mirror.local/\""), ["registry"]);
        assert_eq!(rules("sdk/package-lock.json", "  \"resolved\": \"http://10.0.0.1/a.tgz\","), ["registry"]);
        assert!(rules("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\"").is_empty());
    }
}
