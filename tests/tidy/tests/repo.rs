//! Holds this repository against every rule.

use watchbook_tidy::{Finding, Repo, check};

/// The breaches of `rules`, one a line.
fn breaches(rules: &[&str]) -> String {
    let repo = Repo::of_this_checkout().expect("git lists the files of this checkout");
    let (findings, _) = check(&repo);
    findings
        .iter()
        .filter(|finding| rules.contains(&finding.rule))
        .map(|finding: &Finding| format!("{finding}\n"))
        .collect()
}

/// One test a group of rules, so that the name of a failing test already says what is wrong.
macro_rules! hold {
    ($($name:ident: $($rule:literal),+;)+) => {$(
        #[test]
        fn $name() {
            let found = breaches(&[$($rule),+]);
            assert!(found.is_empty(), "\n{found}");
        }
    )+};
}

hold! {
    files_and_functions_are_short: "file-length", "function-length", "parameters";
    public_items_are_described: "documented", "empty-doc", "header";
    failures_are_handled: "unwrap", "unsafe", "allow", "parse";
    tests_assert_and_never_sleep: "assertion", "sleep";
    crates_know_only_what_they_may: "dependency", "layer", "registry";
    prose_is_true_everywhere: "cited-path", "open-end", "place";
    everything_lies_where_design_says: "top-level";
    what_is_released_stays: "frozen", "copy";
    no_interface_carries_an_identity: "privacy";
    each_fuzz_target_has_its_corpus_and_its_test: "fuzz-target";
    what_the_security_tables_claim_has_its_tests: "security-table";
}

#[test]
fn every_rule_that_the_checks_know_is_held() {
    let held = include_str!("repo.rs");
    let repo = Repo::of_this_checkout().unwrap();
    for finding in check(&repo).0 {
        assert!(held.contains(&format!("\"{}\"", finding.rule)), "no test holds the rule {}", finding.rule);
    }
}

#[test]
fn figures_are_printed() {
    let (_, figures) = check(&Repo::of_this_checkout().unwrap());
    println!("{figures}");
    assert!(figures.code_lines() > 0 && figures.public > 0);
}
