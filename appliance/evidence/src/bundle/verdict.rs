//! What a verifier says. `FORMAT.md` lists the codes; the program's exit codes come from them and never change.

use core::fmt;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// One of the bundle's own three files is missing or not in its format.
    Unreadable,
    /// A file that the manifest names is not there.
    FileMissing,
    /// A file is not the one that the manifest names.
    FileAltered,
    /// A file that the manifest does not name.
    FileUnlisted,
    /// Samples or their table are not what was recorded.
    RunAltered,
    /// What is said of the runs (times, clock, order, number) is not what was recorded.
    SegmentAltered,
    /// The leaf of a segment is missing, of another stream, or no segment's.
    SegmentLeaf,
    /// Segments are not in the order of the log.
    SegmentOrder,
    /// Media data in a master that no run has.
    Coverage,
    /// Runs between others are held back.
    RunsWithheld,
    /// Time is missing between two runs, or goes back, and no gap says why.
    GapUnexplained,
    /// The leaf of a gap is missing, of another stream, or no gap's.
    GapLeaf,
    /// The interval that was delivered is not the one that the manifest states.
    DeliveredWrong,
    /// Time that was asked for, of which neither runs nor gaps tell.
    Incomplete,
    /// The log's entry of this export is missing or no export's.
    ExportMissing,
    /// The manifest is not the one whose hash is in the log.
    ManifestAltered,
    /// The export was recorded before footage that it contains.
    ExportEarly,
    /// A leaf is not in the tree of the checkpoint at its place.
    ProofWrong,
    /// The checkpoint is one of another log.
    CheckpointOrigin,
    /// A change of the log's key that is not signed with both keys, or one of another log.
    KeyChange,
    /// No key that was given has signed the checkpoint, nor one that it was changed to.
    CheckpointUnsigned,
    /// A key that was given has not made the signature that bears its name.
    CheckpointForged,
    /// A witness that was given has not made the cosignature that bears its name.
    WitnessForged,
    /// A witness's time is before what it is said to have seen.
    WitnessEarly,
    /// Fewer witnesses than asked for.
    WitnessMissing,
    /// A checkpoint that is known and this one cannot be of one log that only grew.
    Fork,
    /// A larger tree is known, and nothing shows that this one is its beginning.
    Older,
    /// A smaller tree is known, and nothing shows that this one continues it.
    Unconnected,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 28] = [
        Self::Unreadable,
        Self::FileMissing,
        Self::FileAltered,
        Self::FileUnlisted,
        Self::RunAltered,
        Self::SegmentAltered,
        Self::SegmentLeaf,
        Self::SegmentOrder,
        Self::Coverage,
        Self::RunsWithheld,
        Self::GapUnexplained,
        Self::GapLeaf,
        Self::DeliveredWrong,
        Self::Incomplete,
        Self::ExportMissing,
        Self::ManifestAltered,
        Self::ExportEarly,
        Self::ProofWrong,
        Self::CheckpointOrigin,
        Self::KeyChange,
        Self::CheckpointUnsigned,
        Self::CheckpointForged,
        Self::WitnessForged,
        Self::WitnessEarly,
        Self::WitnessMissing,
        Self::Fork,
        Self::Older,
        Self::Unconnected,
    ];

    /// The word for programs, and the exit code of the group that it belongs to.
    #[must_use]
    pub fn word_and_exit(self) -> (&'static str, u8) {
        match self {
            Self::Unreadable => ("unreadable", 3),
            Self::FileMissing => ("file-missing", 10),
            Self::FileAltered => ("file-altered", 10),
            Self::FileUnlisted => ("file-unlisted", 10),
            Self::RunAltered => ("run-altered", 11),
            Self::SegmentAltered => ("segment-altered", 11),
            Self::SegmentLeaf => ("segment-leaf", 11),
            Self::SegmentOrder => ("segment-order", 11),
            Self::Coverage => ("coverage", 11),
            Self::RunsWithheld => ("runs-withheld", 12),
            Self::GapUnexplained => ("gap-unexplained", 12),
            Self::GapLeaf => ("gap-leaf", 12),
            Self::DeliveredWrong => ("delivered-wrong", 12),
            Self::Incomplete => ("incomplete", 12),
            Self::ExportMissing => ("export-missing", 13),
            Self::ManifestAltered => ("manifest-altered", 13),
            Self::ExportEarly => ("export-early", 13),
            Self::ProofWrong => ("proof-wrong", 14),
            Self::CheckpointOrigin => ("checkpoint-origin", 15),
            Self::KeyChange => ("key-change", 15),
            Self::CheckpointUnsigned => ("checkpoint-unsigned", 15),
            Self::CheckpointForged => ("checkpoint-forged", 15),
            Self::WitnessForged => ("witness-forged", 16),
            Self::WitnessEarly => ("witness-early", 16),
            Self::WitnessMissing => ("witness-missing", 16),
            Self::Fork => ("fork", 17),
            Self::Older => ("older", 17),
            Self::Unconnected => ("unconnected", 17),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word_and_exit().0)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// Of what: a file, `stream/leaf/run`, a leaf's number, the name of a key.
    pub subject: String,
    /// A sentence for a person.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FAIL {} {}: {}", self.code, self.subject, self.detail)
    }
}

/// Text for a terminal: control characters and those that turn the direction of writing round become `\u{…}`, so that nothing in a bundle can look like a line of the
/// verifier's.
#[must_use]
pub fn plain(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if c.is_control() || turns(c) {
            shown.extend(c.escape_unicode())
        } else {
            shown.push(c)
        }
        shown
    })
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong. Empty: verified.
    pub findings: Vec<Finding>,
    /// What was checked and is right: kind, subject and a sentence.
    pub passed: Vec<(&'static str, String, String)>,
    /// It is the bundle of a redacted copy: whole or not, it is never verified as footage.
    pub redacted: bool,
    /// It is one entry of the audit log, not footage.
    pub entry: bool,
}

/// Exit code of a redacted copy of which nothing is wrong: not 0, so that no script takes it for footage as it was recorded.
pub const EXIT_REDACTED: u8 = 20;

impl Report {
    pub(crate) fn fail(&mut self, code: Code, subject: impl Into<String>, detail: impl Into<String>) {
        self.findings.push(Finding { code, subject: plain(&subject.into()), detail: plain(&detail.into()) });
    }

    pub(crate) fn pass(&mut self, kind: &'static str, subject: impl Into<String>, detail: impl Into<String>) {
        self.passed.push((kind, plain(&subject.into()), plain(&detail.into())));
    }

    /// True when nothing is wrong and it is footage, or an entry of the log, as it was recorded.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.findings.is_empty() && !self.redacted
    }

    /// The last line, for a person.
    #[must_use]
    pub fn verdict(&self) -> String {
        match (self.redacted, self.findings.is_empty()) {
            (false, true) if self.entry => "VERIFIED: the entry is in the log as it was written".to_owned(),
            (false, true) => format!("VERIFIED: {} runs", self.runs()),
            (false, false) => "NOT VERIFIED".to_owned(),
            (true, true) => format!("REDACTED WORKING COPY, intact: made of {} runs", self.sources()),
            (true, false) => "REDACTED WORKING COPY, altered".to_owned(),
        }
    }

    /// All of it as lines of text: what is right unless `quiet`, what is wrong, the verdict.
    #[must_use]
    pub fn lines(&self, quiet: bool) -> String {
        let mut text = String::new();
        for (kind, subject, detail) in self.passed.iter().filter(|_| !quiet) {
            text += &format!("ok {kind} {subject}: {detail}\n");
        }
        for finding in &self.findings {
            text += &format!("{finding}\n");
        }
        text + &self.verdict() + "\n"
    }

    /// How many runs the log has that a redacted copy was made of.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.passed.iter().filter(|(kind, ..)| *kind == "source").count()
    }

    /// How many runs are as they were recorded.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.passed.iter().filter(|(kind, ..)| *kind == "run").count()
    }

    /// 0 when verified, [`EXIT_REDACTED`] for a redacted copy of which nothing is wrong, else the lowest exit code of what is wrong.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let good = if self.redacted { EXIT_REDACTED } else { 0 };
        self.findings.iter().map(|finding| finding.code.word_and_exit().1).min().unwrap_or(good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_a_word_and_an_exit_code_and_the_format_lists_both() {
        let format = include_str!("../../FORMAT.md");
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.word_and_exit().0).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            let (word, exit) = code.word_and_exit();
            assert!(format.contains(&format!("| `{word}` | {exit} |")), "FORMAT.md does not list {word} with {exit}");
        }
    }

    #[test]
    fn the_exit_code_is_the_lowest() {
        let mut report = Report::default();
        assert_eq!((report.exit_code(), report.is_verified()), (0, true));
        report.fail(Code::Fork, "", "");
        report.fail(Code::RunAltered, "", "");
        assert_eq!((report.exit_code(), report.is_verified()), (11, false));
        let intact = Report { redacted: true, ..Report::default() };
        assert_eq!((intact.exit_code(), intact.is_verified()), (EXIT_REDACTED, false), "a redacted copy is no footage");
        assert!(intact.verdict().starts_with("REDACTED WORKING COPY, intact"));
    }
}
