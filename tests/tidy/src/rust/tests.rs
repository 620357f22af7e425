//! Each rule fires on a bad sample and is quiet on a good one.

use super::{FUNCTION_LINES_MAX, check};
use crate::{Figures, Repo, tree};

fn rules_at(path: &str, text: &str) -> Vec<(usize, &'static str)> {
    let (findings, _) = check(&Repo::sample(&[(path, text)]));
    findings
        .into_iter()
        .filter(|finding| finding.rule != "documented")
        .map(|finding| (finding.line, finding.rule))
        .collect()
}

fn rules(text: &str) -> Vec<(usize, &'static str)> {
    rules_at("appliance/a/src/a.rs", text)
}

fn figures(text: &str) -> Figures {
    check(&Repo::sample(&[("appliance/a/src/a.rs", text)])).1
}

#[test]
fn a_long_function_is_found() {
    let body = |lines: usize| format!("fn a() {{\n{}}}\n", "b();\n".repeat(lines - 2));
    assert_eq!(rules(&body(FUNCTION_LINES_MAX + 1)), [(1, "function-length")]);
    assert!(rules(&body(FUNCTION_LINES_MAX)).is_empty());
    assert_eq!(figures(&body(12)).function_lines, [12]);
    let method = format!("struct A;\nimpl A {{\n{}}}\n", body(FUNCTION_LINES_MAX + 1));
    assert_eq!(rules(&method), [(3, "function-length")]);
}

#[test]
fn a_sixth_parameter_is_found_unless_a_trait_asks_for_it() {
    let six = "(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8)";
    assert_eq!(rules(&format!("fn a{six} {{}}")), [(1, "parameters")]);
    assert_eq!(rules(&format!("trait T {{\n fn a{six};\n}}")), [(2, "parameters")]);
    assert!(rules(&format!("impl T for A {{ fn a{six} {{}} }}")).is_empty());
}

#[test]
fn unwrap_is_found_outside_tests_also_inside_macros() {
    assert_eq!(rules("fn a() {\n b.unwrap();\n vec![c.unwrap()];\n}"), [(2, "unwrap"), (3, "unwrap")]);
    assert!(rules("fn a() { b.unwrap_or(1); d.expect(\"checked above\"); }").is_empty());
    assert!(rules("#[cfg(test)]\nmod t { fn a() { b.unwrap(); } }").is_empty());
    assert!(rules_at("appliance/a/tests/a.rs", "fn a() { b.unwrap(); }").is_empty());
    let files = [("sdk/a/src/lib.rs", "#[cfg(test)]\nmod probe;"), ("sdk/a/src/probe.rs", "fn a() { b.unwrap(); }")];
    assert!(check(&Repo::sample(&files)).0.is_empty());
}

#[test]
fn a_sleeping_test_is_found() {
    let sleeps = "#[test]\nfn a() {\n std::thread::sleep(b);\n assert!(c);\n}";
    assert_eq!(rules(sleeps), [(3, "sleep")]);
    assert_eq!(rules_at("tests/e2e/src/lib.rs", "fn a() { tokio::time::sleep(b); }"), [(1, "sleep")]);
    assert_eq!(rules("#[test]\nfn a() {\n select! { _ = sleep(b) => assert!(c) }\n}"), [(3, "sleep")]);
    assert!(rules_at("tests/e2e/src/lib.rs", "fn wait_for(c: F) { loop { sleep(b); } }").is_empty());
    assert!(rules("fn pace() { sleep(b); }").is_empty());
}

#[test]
fn a_test_without_an_assertion_is_found() {
    assert_eq!(rules("#[test]\nfn a() { b(); }"), [(2, "assertion")]);
    assert!(rules("#[test]\nfn a() { assert_eq!(b(), 1); }\n#[test]\n#[should_panic]\nfn c() { d(); }").is_empty());
    let helped = "#[test]\nfn a() {\n holds(1);\n}\nfn holds(b: u8) {\n assert_eq!(b, 1);\n}";
    assert!(rules(helped).is_empty());
}

#[test]
fn unsafe_is_found_outside_its_list_and_without_a_reason() {
    assert_eq!(rules("fn a() { unsafe { b() } }"), [(1, "unsafe"), (1, "unsafe")]);
    assert_eq!(rules("fn a() {\n // SAFETY: b has no contract.\n unsafe { b() }\n}"), [(3, "unsafe")]);
    assert_eq!(rules("unsafe impl Send for A {}"), [(1, "unsafe"), (1, "unsafe")]);
    let counted =
        figures("// SAFETY: sound.\nunsafe impl Send for A {}\nfn far() {\n\n\n\n\n\n\n\n\n unsafe { b() }\n}");
    assert_eq!((counted.unsafes, counted.safeties), (2, 1));
}

#[test]
fn a_silenced_lint_without_a_reason_is_found() {
    assert_eq!(rules("#[allow(dead_code)]\nfn a() {}"), [(1, "allow")]);
    assert_eq!(rules("#![expect(dead_code)]"), [(1, "allow")]);
    assert_eq!(rules("#[cfg_attr(test, allow(dead_code))]\nfn a() {}"), [(1, "allow")]);
    assert!(rules("#[allow(dead_code, reason = \"for the other target\")]\nfn a() {}").is_empty());
}

#[test]
fn a_description_that_repeats_the_name_is_found() {
    assert_eq!(rules("/// The span summary.\npub struct SpanSummary;"), [(2, "empty-doc")]);
    assert_eq!(
        rules("/// X y.\npub struct Writer;\nimpl Writer {\n /// Creates a new writer.\n pub fn new(a: u8) {}\n}"),
        [(5, "empty-doc")]
    );
    assert!(rules("/// A minute of one stream.\npub struct SpanSummary {\n /// Width.\n pub width: u32 }").is_empty());
}

#[test]
fn missing_descriptions_lower_the_figure() {
    let half = "/// Said well.\npub struct A {\n pub b: u8,\n c: u8,\n}\nfn hidden() {}\npub(crate) fn d() {}";
    assert_eq!((figures(half).public, figures(half).documented), (2, 1));
    let (findings, _) = check(&Repo::sample(&[("sdk/a.rs", half)]));
    assert_eq!(findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), ["documented"]);
    assert_eq!(figures("/// One.\npub enum E {\n A,\n /// Two.\n B }\n#[cfg(test)]\npub fn t() {}").public, 3);
    assert_eq!(figures("pub trait T {\n fn a();\n}\nimpl T for B {\n fn a() {}\n}").public, 2);
}

#[test]
fn tests_inside_a_file_do_not_make_it_long() {
    let lines = "fn b() {}\n".repeat(tree::FILE_LINES_MAX);
    assert!(rules(&format!("{lines}#[cfg(test)]\nmod t {{\n{lines}}}\n")).is_empty());
    assert_eq!(rules(&format!("{lines}fn c() {{}}\n")), [(0, "file-length")]);
}

#[test]
fn what_does_not_parse_is_found() {
    assert_eq!(rules("fn a( {"), [(1, "parse")]);
}
