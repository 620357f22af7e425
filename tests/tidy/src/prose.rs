//! What is written for people: cited paths exist, open ends carry a number, nothing speaks of the place where it was written.

use crate::{Finding, Repo, TextFile};

/// Words for an open end. Written in two halves so that this file does not find itself.
const OPEN_ENDS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
/// What only its author's machine knows, in two halves for the same reason.
const PLACES: [&str; 8] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/", "peers"),
    concat!("issues ", "show"),
    concat!("the ", "brief"),
    concat!("helper ", "session"),
    concat!("this ", "session's"),
    concat!("index.", "crates.io"),
];
/// Folders that a path from the root starts with.
const ROOTS: [&str; 6] = ["appliance", "plugins", "sdk", "image-build", "tests", ".ci"];
/// Endings that make a word without a folder a file of this repository.
const FILE_ENDINGS: [&str; 6] = [".md", ".rs", ".sh", ".ts", ".tsx", ".wit"];
/// Files with comments, and how a line of comment starts in them once it is trimmed.
const COMMENTED: [&str; 12] = ["c", "css", "h", "js", "mjs", "py", "rs", "sh", "toml", "ts", "tsx", "wit"];

/// Rules `open-end`, `place` and `cited-path`.
#[must_use]
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in repo.files.iter().filter(|file| !file.is_generated() && file.path != "LICENSE") {
        for (at, line) in file.text.lines().enumerate() {
            findings.extend(check_line(file, at + 1, line));
        }
        findings.extend(check_paths(repo, file));
    }
    findings
}

fn check_line(file: &TextFile, line_number: usize, line: &str) -> Vec<Finding> {
    let finding = |rule, message| Finding { path: file.path.clone(), line: line_number, rule, message };
    let mut findings = Vec::new();
    for word in OPEN_ENDS {
        if let Some((before, after)) = line.split_once(word)
            && !before.ends_with(char::is_alphanumeric)
            && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            && !has_number(after)
        {
            findings.push(finding("open-end", format!("{word} without a number; write {word}(#12) or do it")));
        }
    }
    for word in PLACES {
        if line.contains(word) {
            findings.push(finding("place", format!("`{word}` speaks of the place of writing, not of the product")));
        }
    }
    findings
}

/// True for `(#12)` and what follows it.
fn has_number(after: &str) -> bool {
    after
        .strip_prefix("(#")
        .and_then(|rest| rest.split_once(')'))
        .is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn check_paths(repo: &Repo, file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, cited) in citations(file) {
        if !resolves(repo, file, &cited) {
            let message = format!("`{cited}` does not exist; a reader would look for it");
            findings.push(Finding { path: file.path.clone(), line, rule: "cited-path", message });
        }
    }
    findings
}

/// Every word between backticks, and every link target, that looks like a path of this repository.
fn citations(file: &TextFile) -> Vec<(usize, String)> {
    let markdown = file.is(&["md"]);
    if !markdown && !file.is(&COMMENTED) && file.name() != "Makefile" {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut fenced = false;
    for (at, line) in file.text.lines().enumerate() {
        let trimmed = line.trim_start();
        if trimmed.trim_start_matches(['/', '!', ' ']).starts_with("```") {
            fenced = !fenced;
        }
        let comment = ["//", "#", "*", "/*"].iter().any(|mark| trimmed.starts_with(mark));
        if fenced || !(markdown || comment) {
            continue;
        }
        let mut words: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        if markdown {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            words.extend(targets.filter(|target| !target.contains(':')));
        }
        let paths = words.into_iter().map(|word| word.split('#').next().unwrap_or(word)).filter(|word| is_path(word));
        found.extend(paths.map(|path| (at + 1, path.trim_end_matches('/').to_owned())));
    }
    found
}

fn is_path(word: &str) -> bool {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/".contains(c));
    let from_root = word.split_once('/').is_some_and(|(first, rest)| ROOTS.contains(&first) && !rest.is_empty());
    let ends = FILE_ENDINGS.iter().any(|ending| word.len() > ending.len() && word.ends_with(ending));
    plain && (from_root || (ends && !word.starts_with(['/', '-'])))
}

/// A path may be written from the root, from the citing file's folder, from any folder above that, or from the `src` of one of those; a bare file name
/// may also name a file anywhere.
fn resolves(repo: &Repo, file: &TextFile, cited: &str) -> bool {
    if !cited.contains('/') && repo.files.iter().any(|other| other.name() == cited) {
        return true;
    }
    let mut folder = file.folder();
    loop {
        let own = normal(&format!("{folder}/{cited}"));
        if repo.knows(&own) || repo.knows(&normal(&format!("{folder}/src/{cited}"))) {
            return true;
        }
        match folder.rsplit_once('/') {
            Some((above, _)) => folder = above,
            None if folder.is_empty() => return false,
            None => folder = "",
        }
    }
}

/// Without empty parts, `.` and `..`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        let repo = Repo::sample(&[(path, text), ("appliance/store/FORMAT.md", ""), ("appliance/store/src/log.rs", "")]);
        check(&repo).into_iter().map(|finding| (finding.line, finding.rule)).collect()
    }

    #[test]
    fn an_open_end_without_a_number_is_found() {
        let word = OPEN_ENDS[0];
        assert_eq!(rules("sdk/a.rs", &format!("// {word}: later")), [(1, "open-end")]);
        assert_eq!(rules("sdk/a.rs", &format!("// {word}(#): later")), [(1, "open-end")]);
        assert!(rules("sdk/a.rs", &format!("// {word}(#12): later\n// {word}S and M{word}")).is_empty());
    }

    #[test]
    fn the_place_of_writing_is_found() {
        for word in PLACES {
            assert_eq!(rules("sdk/a.md", &format!("see {word}x")), [(1, "place")], "{word}");
        }
    }

    #[test]
    fn a_path_that_does_not_exist_is_found() {
        assert_eq!(rules("README.md", "a\n`appliance/store/NOPE.md`"), [(2, "cited-path")]);
        assert_eq!(rules("README.md", "[format](appliance/NOPE.md#bytes)"), [(1, "cited-path")]);
        assert_eq!(rules("appliance/store/src/a.rs", "// as `tests/nope` shows"), [(1, "cited-path")]);
    }

    #[test]
    fn a_path_may_be_written_from_several_places() {
        let text = "`appliance/store` `store/FORMAT.md` `log.rs` `../FORMAT.md` `application/json` `/api/v1/cameras`";
        assert!(rules("appliance/store/src/a.md", text).is_empty());
        assert!(
            rules("README.md", "[format](appliance/store/FORMAT.md#bytes) [out](https://example.org/a.md)").is_empty()
        );
    }

    #[test]
    fn code_is_not_prose() {
        assert!(rules("sdk/a.rs", "let a = `tests/nope`;").is_empty());
        assert!(rules("sdk/a.md", "```\n`tests/nope`\n```").is_empty());
    }
}
