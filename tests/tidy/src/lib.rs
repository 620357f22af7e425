//! The rules of this repository, so that review can be about design.
//!
//! * **Enters:** the files that git tracks.
//! * **Leaves:** [`Finding`]s, each naming file, line and rule; [`Figures`] about size and documentation.
//! * **Promises:** each rule has a test beside it that shows it firing on a bad sample.
//! * **Never:** changes a file, reads the network, judges what a build produced.
//! * **Proof:** the tests beside each rule; `tests/repo.rs` holds this repository against all of them.
//!
//! `cargo run -p watchbook-tidy` prints the figures and every finding.

pub mod deps;
pub mod figures;
pub mod freeze;
pub mod fuzz;
pub mod privacy;
pub mod prose;
pub mod repo;
pub mod rust;
pub mod security;
pub mod tree;
mod words;

pub use figures::Figures;
pub use repo::{Repo, TextFile};

use core::fmt;

/// One breach of one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path from the root of the repository.
    pub path: String,
    /// 1 for the first line; 0 when the finding is about the whole file.
    pub line: usize,
    /// Short name of the rule.
    pub rule: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: [{}] {}", self.path, self.line, self.rule, self.message)
    }
}

/// Everything the rules have to say about `repo`, in the order of paths and lines.
#[must_use]
pub fn check(repo: &Repo) -> (Vec<Finding>, Figures) {
    let (mut findings, figures) = rust::check(repo);
    findings.extend(tree::check(repo));
    findings.extend(prose::check(repo));
    findings.extend(deps::check(repo));
    findings.extend(privacy::check(repo));
    findings.extend(freeze::check(repo));
    findings.extend(fuzz::check(repo));
    findings.extend(security::check(repo));
    findings.sort();
    (findings, figures)
}
