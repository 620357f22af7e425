//! A new plugin's folder: the templates of `sdk/templates`, embedded, with their blanks filled in.

use crate::project::Language;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// 1 to 64 of a-z, 0-9 and `-`, beginning with a letter.
    pub name: &'a str,
    /// Reverse-DNS id.
    pub id: &'a str,
    /// What it is written in.
    pub language: Language,
    /// `analytics-plugin` or `export-rule`.
    pub world: &'a str,
    /// Folder of the crate `watchbook-plugin`, for Rust; `None` puts a copy into the new folder.
    pub sdk: Option<&'a str>,
}

/// The two worlds of the contract.
pub const WORLDS: [&str; 2] = ["analytics-plugin", "export-rule"];

/// The files of a new plugin: path below its folder, and content.
///
/// # Errors
/// A sentence that names the word that does not fit.
pub fn files(wanted: &Wanted<'_>) -> Result<Vec<(String, String)>, String> {
    check(wanted)?;
    let Wanted { name, id, language, world, sdk } = *wanted;
    let rule = world == "export-rule";
    let manifest = if rule {
        include_str!("../../templates/common/rule.toml")
    } else {
        include_str!("../../templates/common/analyzer.toml")
    };
    let interpreted = matches!(language, Language::Js | Language::Python);
    let blanks = [
        ("name", name),
        ("id", id),
        ("publisher", "Example"),
        ("sdk", sdk.unwrap_or("vendor/watchbook-plugin")),
        // An interpreter has its heap; native code here keeps a few numbers.
        ("memory_mib", if interpreted { "32" } else { "4" }),
        ("fps", if interpreted { "1.0" } else { "5.0" }),
        ("what", if rule { "Marks motion outside office hours and tells people on duty." } else { COUNTS }),
        ("emits", if rule { "" } else { ", which events it gives" }),
        ("source", language.source()),
        ("before", unit_tests(language, false)),
        ("after", unit_tests(language, true)),
        ("test", if rule { ON_EVENTS } else { ON_A_CLIP }),
        ("needs", language.needs()),
    ];
    let own = |path: &str, text: &str| (path.to_owned(), filled(text, &blanks));
    let mut files = vec![
        own("plugin.toml", manifest),
        own("README.md", include_str!("../../templates/common/README.md")),
        own("LICENSE", include_str!("../../../LICENSE")),
        own(".gitignore", include_str!("../../templates/common/gitignore")),
        own("tests/golden/README.md", include_str!("../../templates/common/golden-readme.md")),
        own(language.source(), source(language, rule)),
    ];
    let case = if rule { RULE_CASE } else { ANALYZER_CASE };
    files.extend(case.iter().map(|(path, text)| own(path, text)));
    match language {
        Language::Rust => {
            files.push(own("Cargo.toml", include_str!("../../templates/rust/Cargo.toml")));
            if sdk.is_none() {
                let place =
                    |(path, text): &(&str, &str)| (format!("vendor/watchbook-plugin/{path}"), (*text).to_owned());
                files.extend(RUST_SDK.iter().map(place));
            }
        }
        Language::C => files.push(own("watchbook_plugin.h", include_str!("../../c/watchbook_plugin.h"))),
        Language::Js => {
            files.push(own("watchbook.d.ts", include_str!("../../js/watchbook.d.ts")));
            files.push(own("package.json", include_str!("../../templates/js/package.json")));
            files.push(own("plugin.test.js", test_source(language, rule)));
        }
        Language::Python => files.push(own("test_plugin.py", test_source(language, rule))),
    }
    Ok(files)
}

const COUNTS: &str = "Counts how often the brightness of the picture changes at once.";
const ON_A_CLIP: &str = "\
watchbook-plugin test                           # its cases, in the engine of a station; --update keeps what it says now
watchbook-plugin test CLIP.mp4                  # what it says about a clip of your own
";
const ON_EVENTS: &str = "\
watchbook-plugin test                           # its cases, in the engine of a station; --update keeps what it says now
watchbook-plugin test --events EVENTS.jsonl     # what it says about the events that `watchbook-plugin test CLIP.mp4` printed
                                                # for a plugin that watches a camera
";

/// A case for `watchbook-plugin test`, with what it must give: path below the plugin's folder, and text.
const ANALYZER_CASE: &[(&str, &str)] = &[
    ("tests/lights.toml", include_str!("../../templates/common/lights.toml")),
    ("tests/golden/lights.jsonl", include_str!("../../templates/common/lights.golden.jsonl")),
];
const RULE_CASE: &[(&str, &str)] = &[
    ("tests/after-hours.toml", include_str!("../../templates/common/after-hours.toml")),
    ("tests/after-hours.events.jsonl", include_str!("../../templates/common/after-hours.events.jsonl")),
    ("tests/golden/after-hours.jsonl", include_str!("../../templates/common/after-hours.golden.jsonl")),
];

/// The command for tests that need no WebAssembly, where it belongs: before the build, or after it.
fn unit_tests(language: Language, after: bool) -> &'static str {
    match (language, after) {
        (Language::Rust, false) => {
            "cargo test                                      # its own tests, without WebAssembly\n"
        }
        (Language::Js, false) => {
            "node --test                                     # its own tests, without WebAssembly\n"
        }
        (Language::Python, true) => {
            "PYTHONPATH=target/watchbook-plugin/bindings python3 -m unittest   # its own tests\n"
        }
        _ => "",
    }
}

/// Tests that stand beside the source; Rust's are in it.
fn test_source(language: Language, rule: bool) -> &'static str {
    match (language, rule) {
        (Language::Js, _) => include_str!("../../templates/js/rule/plugin.test.js"),
        (Language::Python, true) => include_str!("../../templates/python/rule/test_plugin.py"),
        (Language::Python, false) => include_str!("../../templates/python/analyzer/test_plugin.py"),
        (Language::Rust | Language::C, _) => "",
    }
}

fn source(language: Language, rule: bool) -> &'static str {
    match (language, rule) {
        (Language::Rust, true) => include_str!("../../templates/rust/rule/lib.rs"),
        (Language::Rust, false) => include_str!("../../templates/rust/analyzer/lib.rs"),
        (Language::C, true) => include_str!("../../templates/c/rule/plugin.c"),
        (Language::C, false) => include_str!("../../templates/c/analyzer/plugin.c"),
        // `check` has refused the other world.
        (Language::Js, _) => include_str!("../../templates/js/rule/plugin.js"),
        (Language::Python, true) => include_str!("../../templates/python/rule/plugin.py"),
        (Language::Python, false) => include_str!("../../templates/python/analyzer/plugin.py"),
    }
}

fn check(wanted: &Wanted<'_>) -> Result<(), String> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let name = wanted.name;
    if !(1..=64).contains(&name.len())
        || !name.bytes().all(letter)
        || !name.starts_with(|c: char| c.is_ascii_lowercase())
    {
        return Err(format!("`{name}` is no name for a plugin: 1 to 64 of a-z, 0-9 and -, beginning with a letter"));
    }
    let id = wanted.id;
    let dotted = id.contains('.') && !id.starts_with(['.', '-']) && id.len() <= 128;
    if !dotted || !id.bytes().all(|byte| letter(byte) || byte == b'.') {
        return Err(format!(
            "`{id}` is no id: a reverse domain name in lower case is expected, as in org.example.counter"
        ));
    }
    if !WORLDS.contains(&wanted.world) {
        return Err(format!("there is no world `{}`; the worlds are {}", wanted.world, WORLDS.join(" and ")));
    }
    if wanted.language == Language::Js && wanted.world != "export-rule" {
        return Err(JS_ANALYZER.to_owned());
    }
    Ok(())
}

/// componentize-qjs 0.4.5 never drops a borrowed handle that an export was given; the canonical ABI traps when such a call returns.
const JS_ANALYZER: &str = "an analyser cannot be written in JavaScript: componentize-qjs does not give a lent frame back at the end of a call, and an \
                           engine must stop such a plugin; take rust, c or python";

fn filled(text: &str, blanks: &[(&str, &str)]) -> String {
    blanks.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
}

macro_rules! embedded {
    ($folder:literal: $($path:literal),* $(,)?) => { &[$(($path, include_str!(concat!($folder, $path)))),*] };
}

/// The crate `watchbook-plugin`, whole.
const RUST_SDK: &[(&str, &str)] = embedded!("../../rust/":
    "Cargo.toml", "README.md", "LICENSE", "src/lib.rs", "src/analyzer.rs", "src/fault.rs", "src/frame.rs", "src/geometry.rs", "src/guest.rs", "src/log.rs",
    "src/inference.rs", "src/mark.rs", "src/rule.rs", "src/settings.rs", "src/store.rs", "src/testing.rs",
    "wit/0.1/guest.wit", "wit/0.1/host.wit", "wit/0.1/types.wit", "wit/0.1/unstable.wit", "wit/0.1/worlds.wit",
);

/// The contract that this tool builds for: name and text of each file of `sdk/wit/0.1`.
pub const WIT: &[(&str, &str)] =
    embedded!("../../wit/0.1/": "guest.wit", "host.wit", "types.wit", "unstable.wit", "worlds.wit");

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn wanted(language: Language, world: &str) -> Wanted<'_> {
        Wanted { name: "night-watch", id: "org.example.night-watch", language, world, sdk: None }
    }

    fn has_blank(text: &str) -> bool {
        let word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        text.split("{{").skip(1).any(|rest| rest.split_once("}}").is_some_and(|(before, _)| word(before)))
    }

    #[test]
    fn every_language_and_world_has_a_folder_without_blanks() {
        for language in Language::ALL {
            for world in WORLDS {
                if language == Language::Js && world != "export-rule" {
                    assert!(files(&wanted(language, world)).unwrap_err().contains("JavaScript"));
                    continue;
                }
                let files = files(&wanted(language, world)).unwrap();
                for wanted in ["plugin.toml", "README.md", "LICENSE", "tests/golden/README.md", language.source()] {
                    assert!(files.iter().any(|(path, _)| path == wanted), "{language:?} {world}: no {wanted}");
                }
                let cases = files.iter().filter(|(path, _)| path.starts_with("tests/") && path.ends_with(".toml"));
                let mut named = cases.flat_map(|(_, text)| text.split('"').skip(1).step_by(2)).peekable();
                assert!(named.peek().is_some(), "{language:?} {world}: no case");
                for file in named.filter(|word| word.ends_with(".jsonl")) {
                    let path = format!("tests/{file}");
                    assert!(files.iter().any(|(own, _)| *own == path), "{language:?} {world}: a case names {path}");
                }
                for (path, text) in &files {
                    assert!(!has_blank(text) || path.starts_with("vendor/"), "{language:?} {world}: a blank in {path}");
                }
                let manifest = &files.iter().find(|(path, _)| path == "plugin.toml").unwrap().1;
                assert!(
                    manifest.contains(&format!("world = \"{world}\"")) && manifest.contains("org.example.night-watch")
                );
            }
        }
    }

    #[test]
    fn the_embedded_copies_are_whole() {
        let rust = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rust");
        for entry in std::fs::read_dir(rust.join("src")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = format!("src/{name}");
            assert!(RUST_SDK.iter().any(|(embedded, _)| *embedded == path), "{path} is not embedded");
        }
        let wit = std::fs::read_dir(rust.join("../wit/0.1")).unwrap();
        let count =
            wit.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "wit")).count();
        assert_eq!(WIT.len(), count);
    }

    #[test]
    fn words_that_do_not_fit_are_named() {
        for (name, id, world, word) in [
            ("Night", "org.example.a", "export-rule", "Night"),
            ("", "org.example.a", "export-rule", "name"),
            ("a", "example", "export-rule", "example"),
            ("a", "org.example.a", "rules", "rules"),
        ] {
            let message = files(&Wanted { name, id, world, ..wanted(Language::C, "") }).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }
}
