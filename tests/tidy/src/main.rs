//! Prints the figures of this repository and every breach of its rules; ends with 1 when there is one.
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let repo = match watchbook_tidy::Repo::of_this_checkout() {
        Ok(repo) => repo,
        Err(message) => {
            println!("{message}");
            return ExitCode::FAILURE;
        }
    };
    let (findings, figures) = watchbook_tidy::check(&repo);
    print!("{figures}");
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
