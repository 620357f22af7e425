//! Rules that need to understand Rust: lengths, parameters, documentation, `unwrap`, `unsafe`, `#[allow]`, sleeping and assertion-free tests.

mod docs;
mod scan;
#[cfg(test)]
mod tests;

use crate::{Figures, Finding, Repo, TextFile, tree};
use scan::Scan;
use std::collections::BTreeSet;

/// A function of more lines cannot be seen at once.
pub const FUNCTION_LINES_MAX: usize = 70;
/// More parameters want a struct with names.
pub const PARAMETERS_MAX: usize = 5;
/// The only files that may say `unsafe`.
pub const UNSAFE_FILES: [&str; 6] = [
    // adjtimex: whether the clock is disciplined; rustix has no wrapper for it.
    "appliance/base/src/clock.rs",
    // The number of an open video node, which its crate lends without a lifetime, to keep it from children.
    "appliance/capture/src/v4l2/node.rs",
    // Calls that no safe wrapper makes, in a process behind the wall, to see them refused.
    "appliance/confine/tests/wall.rs",
    // What the verifier in a browser imports and exports: WebAssembly has no safe form for it.
    "appliance/evidence/wasm/src/door.rs",
    // Machine code of plugins, which wasmtime cannot check; the recorder made it and kept it under an HMAC.
    "appliance/plugin-engine/src/bin/watchbook-plugins/artefact.rs",
    // The ioctl that shuts a file system down; rustix has no wrapper for it.
    "tests/crash/src/shutdown.rs",
];
/// Folders under `tests/` that measure or judge; what they do over time is their work. All others wait for conditions.
const NOT_TESTS: [&str; 2] = ["tests/load/", "tests/tidy/"];

/// Rules about Rust sources and the figures of all of them.
#[must_use]
pub fn check(repo: &Repo) -> (Vec<Finding>, Figures) {
    let mut findings = Vec::new();
    let mut figures = Figures::default();
    let sources: Vec<(&TextFile, syn::File)> = repo
        .files
        .iter()
        .filter(|file| file.is(&["rs"]) && !file.is_generated())
        .filter_map(|file| match syn::parse_file(&file.text) {
            Ok(parsed) => Some((file, parsed)),
            Err(error) => {
                let (path, line) = (file.path.clone(), error.span().start().line);
                findings.push(Finding { path, line, rule: "parse", message: error.to_string() });
                None
            }
        })
        .collect();
    let test_only: BTreeSet<String> =
        sources.iter().flat_map(|(file, parsed)| scan::test_modules(file, parsed)).collect();
    for (file, parsed) in &sources {
        let is_test = is_test_file(&file.path) || test_only.contains(&file.path);
        let waits =
            is_test || (file.path.starts_with("tests/") && !NOT_TESTS.iter().any(|not| file.path.starts_with(not)));
        let mut scan = Scan::new(file, is_test, waits);
        scan.run(parsed);
        let all = file.text.lines().count();
        let code = if is_test { 0 } else { all.saturating_sub(scan.test_lines) };
        findings.extend(tree::check_length(file, if is_test { all } else { code }));
        if !is_test {
            figures.file_lines.push((code, file.path.clone()));
        }
        scan.figures.test_lines = all - code;
        add(&mut figures, scan.figures);
        findings.extend(scan.findings);
    }
    if figures.documented_percent() < crate::figures::DOCUMENTED_PERCENT_MIN {
        let message = format!("only {} % of the public items are documented", figures.documented_percent());
        findings.push(Finding { path: ".".to_owned(), line: 0, rule: "documented", message });
    }
    (findings, figures)
}

/// Files that hold nothing but tests, by their place.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || ["/tests/", "/benches/"].iter().any(|folder| path.contains(folder))
}

fn add(sum: &mut Figures, one: Figures) {
    sum.function_lines.extend(one.function_lines);
    sum.test_lines += one.test_lines;
    sum.public += one.public;
    sum.documented += one.documented;
    sum.unwraps += one.unwraps;
    sum.asserts += one.asserts;
    sum.unsafes += one.unsafes;
    sum.safeties += one.safeties;
}
