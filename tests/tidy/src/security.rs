//! The tables under `appliance/security`: what a row claims is a test that exists.

use crate::{Finding, Repo, TextFile};
use std::collections::BTreeSet;

/// Says whether a text is a number of one standard.
type IsNumber = fn(&str) -> bool;
/// A table, how its numbers are written, and how many there are of them: OWASP ASVS 5.0.0 has 70 requirements of level 1 and 183 of level 2, ETSI EN 303 645 V3.1.3 has 78 provisions
/// in its clauses 5 and 6 (its table B.1).
const TABLES: [(&str, IsNumber, usize); 2] =
    [("appliance/security/ASVS.md", is_requirement, 253), ("appliance/security/EN303645.md", is_provision, 78)];
/// What a row may say of what it asks.
const STATES: [&str; 4] = ["met", "partly", "not", "does not apply"];
/// Stands where a row has no test to show.
const NO_TEST: &str = "no test";

/// Rule `security-table`.
#[must_use]
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, is_number, count) in TABLES {
        if let Some(file) = repo.file(path) {
            findings.extend(check_table(repo, file, is_number, count));
        }
    }
    findings
}

fn check_table(repo: &Repo, file: &TextFile, is_number: IsNumber, count: usize) -> Vec<Finding> {
    let finding = |line, message| Finding { path: file.path.clone(), line, rule: "security-table", message };
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, line) in file.text.lines().enumerate() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let head = cells.first().is_none_or(|first| first.is_empty() || *first == "number" || first.starts_with('-'));
        if head || !line.starts_with('|') {
            continue;
        }
        let &[numbers, _, state, why, tests] = cells.as_slice() else {
            findings.push(finding(at + 1, format!("a row has five cells, this one {}", cells.len())));
            continue;
        };
        for number in numbers.split(", ") {
            if !is_number(number) {
                findings.push(finding(at + 1, format!("`{number}` is no number of this standard")));
            } else if !seen.insert(number) {
                findings.push(finding(at + 1, format!("{number} has a row already")));
            }
        }
        findings.extend(check_row(repo, file, (state, why, tests)).into_iter().map(|message| finding(at + 1, message)));
    }
    if seen.len() != count {
        findings.push(finding(0, format!("{} of {count} numbers have a row", seen.len())));
    }
    findings
}

/// What is wrong with the state, the reason and the tests of a row.
fn check_row(repo: &Repo, file: &TextFile, (state, why, tests): (&str, &str, &str)) -> Vec<String> {
    let mut wrong = Vec::new();
    if !STATES.contains(&state) {
        wrong.push(format!("`{state}` is none of: {}", STATES.join(", ")));
    }
    if why.is_empty() {
        wrong.push("does not say why".to_owned());
    }
    let shown = links(tests);
    if shown.is_empty() && (state == "met" || tests != NO_TEST) {
        wrong.push(format!("names no test; what is met has one, everything else says `{NO_TEST}`"));
    }
    for (name, target) in shown {
        let path = from_folder(file.folder(), target);
        match repo.file(&path) {
            None => wrong.push(format!("`{path}` does not exist")),
            Some(source) if !has_test(source, name) => {
                wrong.push(format!("`{path}` has no test `{name}` that every run of the tests runs"));
            }
            Some(_) => {}
        }
    }
    wrong
}

/// Text and target of each link of `cell`.
fn links(cell: &str) -> Vec<(&str, &str)> {
    let parts = cell.split('[').skip(1).filter_map(|rest| rest.split_once("]("));
    parts.filter_map(|(name, rest)| Some((name, rest.split_once(')')?.0))).collect()
}

fn from_folder(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in target.split('/') {
        if part == ".." {
            parts.truncate(parts.len().saturating_sub(1));
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// True when `name` is a test of `file`: in Rust a function under a `test` attribute that is not ignored, or a row of a macro of tests; in Python a function
/// whose name says so; in the page's languages the title of one.
fn has_test(file: &TextFile, name: &str) -> bool {
    if file.is(&["py"]) {
        return name.starts_with("test_") && file.text.contains(&format!("def {name}("));
    }
    if !file.is(&["rs"]) {
        let written = ["it(\"", "it(`", "test(\"", "test(`"];
        return written.iter().any(|call| file.text.contains(&format!("{call}{name}")));
    }
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(at, line)| {
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        let is_it = |rest: &str| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('('));
        if line.strip_prefix(name).is_some_and(|rest| rest.starts_with(": \"")) {
            return true;
        }
        let above = lines.iter().take(at).rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        let marks: Vec<&&str> = above.filter(|line| line.starts_with("#[")).collect();
        function.is_some_and(is_it)
            && marks.iter().any(|mark| mark.contains("test]") || mark.contains("test("))
            && !marks.iter().any(|mark| mark.starts_with("#[ignore"))
    })
}

/// `V1.2.3`, with chapters 1 to 17.
fn is_requirement(text: &str) -> bool {
    let numbers: Option<Vec<u32>> = text
        .strip_prefix('V')
        .map(|rest| rest.split('.').map(|part| if is_plain(part) { part.parse().unwrap_or(0) } else { 0 }).collect());
    matches!(numbers.as_deref(), Some(&[1..=17, section, number]) if section > 0 && number > 0)
}

/// `5.1-2A` with groups 0 to 13, or `6-3B`.
fn is_provision(text: &str) -> bool {
    let Some((group, rest)) = text.split_once('-') else { return false };
    let number = rest.strip_suffix(['A', 'B']).unwrap_or(rest);
    let clause = group.strip_prefix("5.").map_or(group == "6", |within| {
        (is_plain(within) || within == "0") && within.parse::<u32>().is_ok_and(|within| within <= 13)
    });
    clause && is_plain(number)
}

/// Digits without a zero before them.
fn is_plain(text: &str) -> bool {
    !text.starts_with('0') && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: &str = "#[test]\nfn one() {}\n\n#[tokio::test(flavor = \"x\")]\n// why\nasync fn two() {}\n\nfn helper() {}\n\n\
        #[test]\n#[ignore = \"long\"]\nfn three() {}\n\nheld: \"rule\";\n";

    /// What is said of a table of `rows`, but for how many there are.
    fn said(rows: &[&str]) -> Vec<String> {
        let table = format!("| number | asks | state | why | tests |\n|---|---|---|---|---|\n{}\n", rows.join("\n"));
        let files = [
            ("appliance/security/ASVS.md", table.as_str()),
            ("appliance/a/t.rs", RUST),
            ("tests/p.py", "def test_it(self):\n    pass\ndef it():\n    pass\n"),
            ("tests/p.test.mjs", "it(\"is shown\", f); it(`is there, ${view}`, f);"),
        ];
        let all = check(&Repo::sample(&files)).into_iter().filter(|finding| finding.line > 0);
        all.map(|finding| finding.message).collect()
    }

    fn one_row(state: &str, tests: &str) -> Vec<String> {
        said(&[&format!("| V1.2.3 | a | {state} | b | {tests} |")])
    }

    #[test]
    fn a_test_that_is_there_is_taken() {
        for test in ["[one](../a/t.rs)", "[two](../a/t.rs)", "[held](../a/t.rs)", "[one](../a/t.rs), [two](../a/t.rs)"]
        {
            assert_eq!(one_row("met", test), [""; 0], "{test}");
        }
        for test in
            ["[is shown](../../tests/p.test.mjs)", "[is there](../../tests/p.test.mjs)", "[test_it](../../tests/p.py)"]
        {
            assert_eq!(one_row("met", test), [""; 0], "{test}");
        }
        assert_eq!(one_row("partly", "no test"), [""; 0]);
    }

    #[test]
    fn a_test_that_is_not_there_is_found() {
        for test in ["[on](../a/t.rs)", "[helper](../a/t.rs)", "[three](../a/t.rs)", "[one](../b/t.rs)"] {
            assert_eq!(one_row("partly", test).len(), 1, "{test}");
        }
        assert_eq!(one_row("met", "[shown](../../tests/p.test.mjs)").len(), 1);
        assert_eq!(one_row("met", "[it](../../tests/p.py)").len(), 1);
        assert_eq!(one_row("met", "[one](../a/t.rs), [four](../a/t.rs)").len(), 1);
    }

    #[test]
    fn what_is_met_names_a_test_and_the_rest_says_that_it_has_none() {
        assert_eq!(one_row("met", "no test").len(), 1);
        assert_eq!(one_row("met", "one").len(), 1);
        assert_eq!(one_row("not", "").len(), 1);
        assert_eq!(one_row("nearly", "no test").len(), 1);
        assert_eq!(said(&["| V1.2.3 | a | not |  | no test |"]).len(), 1);
        assert_eq!(said(&["| V1.2.3 | a | not | no test |"]).len(), 1);
    }

    #[test]
    fn a_number_stands_once_and_in_the_form_of_its_standard() {
        assert_eq!(said(&["| V1.2.3, V1.2.4 | a | not | b | no test |"]), [""; 0]);
        assert_eq!(said(&["| V1.2.3, V1.2.3 | a | not | b | no test |"]).len(), 1);
        assert_eq!(said(&["| V1.2.3 | a | not | b | no test |", "| V1.2.3 | a | not | b | no test |"]).len(), 1);
        for number in ["1.2.3", "V1.2", "V18.1.1", "V0.1.1", "V1.02.3", "V1.2.3.4", "V1.2.x"] {
            assert!(!is_requirement(number), "{number}");
        }
        for number in ["5.0-1", "5.1-2A", "5.13-1B", "6-8"] {
            assert!(is_provision(number), "{number}");
        }
        for number in ["5.14-1", "5.1", "6.1", "7-1", "5.1-2C", "5.1-0", "5.-1", "6-"] {
            assert!(!is_provision(number), "{number}");
        }
    }

    #[test]
    fn a_number_without_a_row_is_missed() {
        let row = "| 5.1-1 | a | not | b | no test |\n";
        let found = check(&Repo::sample(&[("appliance/security/EN303645.md", row)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].message.starts_with("1 of 78 "), "{}", found[0].message);
    }
}
