//! What lies where: the fixed top level, the header of every `lib.rs`, the length of files.

use crate::{Finding, Repo, TextFile};

/// Everything that may lie at the root. Folders first; the rest is read by machines, but for the README and the licence.
const TOP_LEVEL: [&str; 22] = [
    "appliance",
    "image-build",
    "plugins",
    "sdk",
    "tests",
    ".cargo",
    ".ci",
    ".config",
    ".dockerignore",
    ".editorconfig",
    ".gitattributes",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "clippy.toml",
    "deny.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
];
/// A file of more lines hides more than one decision.
pub const FILE_LINES_MAX: usize = 800;
/// Above this many lines a file is reported in the figures.
pub const FILE_LINES_SOFT: usize = 400;
/// What the length rule reads, beside Rust, which is measured without its tests.
const OTHER_SOURCES: [&str; 9] = ["c", "css", "h", "js", "mjs", "py", "sh", "ts", "tsx"];
/// What the head of every `lib.rs` answers.
const HEADER: [&str; 5] = ["Enters", "Leaves", "Promises", "Never", "Proof"];

/// Rules `top-level`, `header` and, for other languages than Rust, `file-length`.
#[must_use]
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &repo.files {
        findings.extend(check_top_level(file));
        findings.extend(check_header(file));
        if file.is(&OTHER_SOURCES) {
            findings.extend(check_length(file, file.text.lines().count()));
        }
    }
    findings
}

/// Rule `file-length` for a file that has `lines` lines worth counting.
#[must_use]
pub fn check_length(file: &TextFile, lines: usize) -> Option<Finding> {
    (lines > FILE_LINES_MAX && !file.is_generated()).then(|| Finding {
        path: file.path.clone(),
        line: 0,
        rule: "file-length",
        message: format!("{lines} lines; at most {FILE_LINES_MAX}: split it by what each part hides"),
    })
}

fn check_top_level(file: &TextFile) -> Option<Finding> {
    let top = file.path.split('/').next().unwrap_or(&file.path);
    (!TOP_LEVEL.contains(&top)).then(|| Finding {
        path: file.path.clone(),
        line: 0,
        rule: "top-level",
        message: format!("`{top}` is not on the list of the top level; put it into the folder it belongs to"),
    })
}

fn check_header(file: &TextFile) -> Option<Finding> {
    if !file.path.ends_with("src/lib.rs") {
        return None;
    }
    let head: String = file.text.lines().take_while(|line| line.starts_with("//!")).collect();
    let missing: Vec<&str> = HEADER.into_iter().filter(|part| !head.contains(&format!("**{part}:**"))).collect();
    (!missing.is_empty()).then(|| Finding {
        path: file.path.clone(),
        line: 1,
        rule: "header",
        message: format!("the crate's first lines do not say: {}", missing.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(files: &[(&str, &str)]) -> Vec<&'static str> {
        check(&Repo::sample(files)).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn a_stranger_at_the_top_level_is_found() {
        assert_eq!(rules(&[("docs/a.md", ""), ("notes.txt", "")]), ["top-level", "top-level"]);
        assert!(rules(&[("README.md", ""), ("appliance/a.md", "")]).is_empty());
    }

    #[test]
    fn a_crate_that_does_not_say_what_enters_is_found() {
        let good = "//! X.\n//! * **Enters:** a\n//! * **Leaves:** b\n//! * **Promises:** c\n//! * **Never:** d\n//! * **Proof:** e\n";
        assert!(rules(&[("sdk/a/src/lib.rs", good)]).is_empty());
        assert_eq!(rules(&[("sdk/a/src/lib.rs", &good.replace("Never", "Ever"))]), ["header"]);
    }

    #[test]
    fn a_long_file_is_found_unless_a_program_wrote_it() {
        let long = "a\n".repeat(FILE_LINES_MAX + 1);
        assert_eq!(rules(&[("sdk/a.ts", &long)]), ["file-length"]);
        assert!(rules(&[("sdk/a.ts", &format!("// auto-generated\n{long}"))]).is_empty());
        assert!(rules(&[("sdk/a.ts", &"a\n".repeat(FILE_LINES_MAX))]).is_empty());
    }
}
