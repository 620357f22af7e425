//! What a command says: lines for people, or one JSON object a line for machines.

use std::io::{IsTerminal, Write};

/// Where a command's words go. Results go to standard output, progress and errors to standard error.
pub(crate) struct Out {
    json: bool,
    progress: bool,
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, progress: std::io::stderr().is_terminal() }
    }

    /// Text that is the same for people and machines: help.
    pub(crate) fn text(&self, text: &str) {
        // A closed standard output leaves nobody to tell.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }

    /// One result: `line` for people, `object` for machines.
    pub(crate) fn result(&self, line: &str, object: &serde_json::Value) {
        if self.json {
            self.text(&format!("{object}\n"));
        } else {
            // Manifests, comments of signatures and log lines are strangers' words: none of them moves a cursor or paints a terminal.
            let plain =
                |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c };
            let line: String = line.chars().map(plain).collect();
            self.text(&format!("{line}\n"));
        }
    }

    /// Figures beside a result: to standard error for people, so that the result alone is on standard output; one more line for machines.
    pub(crate) fn figures(&self, lines: &str, object: &serde_json::Value) {
        if self.json {
            self.text(&format!("{object}\n"));
        } else {
            crate::complain(lines);
        }
    }

    /// How far long work is, on a terminal only.
    pub(crate) fn progress(&self, line: &str) {
        if self.progress && !self.json {
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
        }
    }

    /// Why the command failed.
    pub(crate) fn fail(&self, sentence: &str) {
        if self.json {
            self.text(&format!("{}\n", serde_json::json!({ "error": sentence })));
        }
        crate::complain(&format!("watchbook-plugin: {sentence}"));
    }
}
