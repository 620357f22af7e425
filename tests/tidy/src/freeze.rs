//! What is published stays as it is: a released file of the plugin contract never changes, and the copies of it that are shipped are copies.

use crate::{Finding, Repo, TextFile};
use sha2::{Digest, Sha256};

/// The folder of the contract: one folder below it is one version.
const CONTRACT: &str = "sdk/wit/";
/// The list of a version's released files: `SHA-256  NAME`, one a line, as `sha256sum` prints it.
const LIST: &str = "FROZEN";
/// The one file of a version that may change.
const UNSTABLE: &str = "unstable.wit";
/// Folders that hold a copy of the contract, because what is packed there must be whole without this repository.
const COPIES: [&str; 1] = ["sdk/rust/wit/"];

/// Rules `frozen` and `copy`.
#[must_use]
pub fn check(repo: &Repo) -> Vec<Finding> {
    let contract = |file: &&TextFile| file.path.starts_with(CONTRACT) && file.is(&["wit"]);
    let mut findings: Vec<Finding> =
        repo.files.iter().filter(contract).filter_map(|file| check_released(repo, file)).collect();
    for list in repo.files.iter().filter(|file| file.path.starts_with(CONTRACT) && file.name() == LIST) {
        let gone = entries(list).filter(|(_, name)| repo.file(&format!("{}/{name}", list.folder())).is_none());
        findings.extend(gone.map(|(_, name)| finding(list, "frozen", format!("`{name}` was released and is gone"))));
    }
    for folder in COPIES {
        findings.extend(check_copy(repo, folder));
    }
    findings
}

fn finding(file: &TextFile, rule: &'static str, message: String) -> Finding {
    Finding { path: file.path.clone(), line: 0, rule, message }
}

fn entries(list: &TextFile) -> impl Iterator<Item = (&str, &str)> {
    list.text.lines().filter_map(|line| line.split_once("  "))
}

fn check_released(repo: &Repo, file: &TextFile) -> Option<Finding> {
    if file.name() == UNSTABLE {
        return None;
    }
    let list = repo.file(&format!("{}/{LIST}", file.folder()));
    let released = list.and_then(|list| entries(list).find(|(_, name)| *name == file.name()));
    let Some((released, _)) = released else {
        return Some(finding(file, "frozen", format!("is not in `{LIST}` of its folder; see sdk/wit/FREEZE.md")));
    };
    let now: String = Sha256::digest(file.text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let message = || {
        "a released file of the contract has changed; take the change back, or make a new version: \
                      sdk/wit/FREEZE.md says how"
            .to_owned()
    };
    (now != released).then(|| finding(file, "frozen", message()))
}

/// Every file of the contract has its equal in `folder`, and `folder` has no other.
fn check_copy(repo: &Repo, folder: &str) -> Vec<Finding> {
    let copies = repo.files.iter().filter(|file| file.path.starts_with(folder));
    let text = |path: String| repo.file(&path).map(|file| file.text.as_str());
    let differing = copies
        .clone()
        .filter(|copy| text(format!("{CONTRACT}{}", copy.path.trim_start_matches(folder))) != Some(copy.text.as_str()));
    let mut findings: Vec<Finding> = differing
        .map(|copy| finding(copy, "copy", format!("differs from `{CONTRACT}`; copy the whole folder again")))
        .collect();
    // A version that the copy has at all, it has whole.
    for copy in copies.filter(|copy| copy.name() == "worlds.wit") {
        let version = copy.folder().trim_start_matches(folder);
        let originals = repo.files.iter().filter(|file| {
            file.folder() == format!("{}{version}", CONTRACT).trim_end_matches('/') && file.is(&["wit"])
        });
        let missing = originals.filter(|file| repo.file(&format!("{}/{}", copy.folder(), file.name())).is_none());
        findings.extend(missing.map(|file| finding(file, "copy", format!("has no copy in `{}`", copy.folder()))));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `abc` (FIPS 180-4, example B.1).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn rules(files: &[(&str, &str)]) -> Vec<&'static str> {
        check(&Repo::sample(files)).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn a_released_file_that_changes_goes_or_is_not_listed_is_found() {
        let list = format!("{ABC}  a.wit\n");
        let good =
            [("sdk/wit/0.1/FROZEN", list.as_str()), ("sdk/wit/0.1/a.wit", "abc"), ("sdk/wit/0.1/unstable.wit", "x")];
        assert!(rules(&good).is_empty());
        assert_eq!(rules(&[good[0], ("sdk/wit/0.1/a.wit", "abc // a comment")]), ["frozen"]);
        assert_eq!(rules(&good[..1]), ["frozen"]);
        assert_eq!(rules(&[good[0], good[1], ("sdk/wit/0.1/b.wit", "abc")]), ["frozen"]);
        assert_eq!(rules(&[("sdk/wit/0.2/a.wit", "abc")]), ["frozen"], "a version without a list");
    }

    #[test]
    fn a_copy_that_is_none_is_found() {
        let list = format!("{ABC}  a.wit\n{ABC}  worlds.wit\n");
        let original =
            [("sdk/wit/0.1/FROZEN", list.as_str()), ("sdk/wit/0.1/a.wit", "abc"), ("sdk/wit/0.1/worlds.wit", "abc")];
        let with = |copies: &[(&'static str, &'static str)]| {
            let files: Vec<(&str, &str)> = original.iter().copied().chain(copies.iter().copied()).collect();
            rules(&files)
        };
        assert!(with(&[("sdk/rust/wit/0.1/a.wit", "abc"), ("sdk/rust/wit/0.1/worlds.wit", "abc")]).is_empty());
        assert_eq!(with(&[("sdk/rust/wit/0.1/a.wit", "ab"), ("sdk/rust/wit/0.1/worlds.wit", "abc")]), ["copy"]);
        assert_eq!(with(&[("sdk/rust/wit/0.1/worlds.wit", "abc")]), ["copy"], "one file is missing");
        assert_eq!(with(&[("sdk/rust/wit/0.1/b.wit", "abc")]), ["copy"], "one file too many");
    }
}
