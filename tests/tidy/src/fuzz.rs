//! The fuzz targets: each has its corpus, a test that runs it, and its promise in the table.

use crate::{Finding, Repo};

const MANIFEST: &str = "tests/fuzz/Cargo.toml";
/// What runs a corpus; tests of `media` and `evidence` hand the name on.
const CALLS: [&str; 2] = ["over_corpus(", "check_every_input("];
const TABLE: &str = "tests/fuzz/README.md";

/// Rule `fuzz-target`.
#[must_use]
pub fn check(repo: &Repo) -> Vec<Finding> {
    let Some(manifest) = repo.file(MANIFEST) else { return Vec::new() };
    let calls = |file: &&crate::TextFile| file.is(&["rs"]) && CALLS.iter().any(|call| file.text.contains(call));
    // However the call is broken over lines.
    let in_one = |file: &crate::TextFile| file.text.split_whitespace().collect::<String>();
    let tests: String = repo.files.iter().filter(calls).map(in_one).collect();
    let mut findings = Vec::new();
    let lines: Vec<&str> = manifest.text.lines().collect();
    for (at, pair) in lines.windows(2).enumerate() {
        let &["[[bin]]", name] = pair else { continue };
        let name = name.trim_start_matches("name = ").trim_matches('"');
        let missing = missing(repo, &tests, name).into_iter();
        findings.extend(missing.map(|message| Finding {
            path: MANIFEST.to_owned(),
            line: at + 2,
            rule: "fuzz-target",
            message,
        }));
    }
    findings
}

/// What the target lacks.
fn missing(repo: &Repo, tests: &str, name: &str) -> Vec<String> {
    let corpus = format!("tests/fuzz/corpus/{name}/");
    let in_table = format!("| `{name}` | ");
    let is_run = CALLS.iter().any(|call| tests.contains(&format!("{call}\"{name}\"")));
    let checks = [
        (
            repo.files.iter().any(|file| file.path.starts_with(&corpus)),
            format!("the fuzz target {name} has no corpus: run `tests/fuzz/run.sh --minimise {name}` after a search"),
        ),
        (
            repo.file(TABLE).is_some_and(|table| table.text.lines().any(|line| line.starts_with(&in_table))),
            format!("the fuzz target {name} has no row in {TABLE} that says what must hold"),
        ),
        (
            is_run,
            format!(
                "no test runs the body of the fuzz target {name} over its corpus; call `over_corpus` from tests/fuzz/corpus.rs"
            ),
        ),
    ];
    checks.into_iter().filter(|(there, _)| !there).map(|(_, message)| message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(files: &[(&str, &str)]) -> Vec<String> {
        let manifest = (MANIFEST, "[dependencies]\nname = 1\n\n[[bin]]\nname = \"range\"\npath = \"x\"\n");
        check(&Repo::sample(&[&[manifest], files].concat())).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_target_has_a_corpus_a_row_and_a_test() {
        let corpus = ("tests/fuzz/corpus/range/a", "x");
        let row = (TABLE, "| `range` | holds |");
        for test in ["over_corpus(\"range\", body, &[]);", "check_every_input(\"range\", &seeds, body);"] {
            assert_eq!(said(&[corpus, row, ("a/t.rs", test)]), [""; 0]);
        }
        let test = ("a/t.rs", "over_corpus(\"range\", body, &[]);");
        for (files, word) in [([row, test], "corpus"), ([corpus, test], "row"), ([corpus, row], "test")] {
            let said = said(&files);
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].contains(word), "{said:?}");
        }
        assert_eq!(said(&[]).len(), 3);
    }

    #[test]
    fn another_target_s_corpus_is_not_its_own() {
        let files =
            [("tests/fuzz/corpus/ranges/a", "x"), (TABLE, "| `ranges` | holds |"), ("a.rs", "over_corpus(\"ranges\"")];
        assert_eq!(said(&files).len(), 3);
    }
}
