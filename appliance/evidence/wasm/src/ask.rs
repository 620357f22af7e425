//! One question and its answer, both JSON.

use crate::files::{Chosen, One, Source};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use watchbook_evidence::bundle::archive::Archive;
use watchbook_evidence::bundle::asked::{Asked, keys};
use watchbook_evidence::bundle::verdict::plain;
use watchbook_evidence::bundle::{Bundle, JSON_BYTES_MAX, MANIFEST, Manifest, Report, verify, whole};

/// Exit code of `watchbook-verify` when it is called wrongly.
const USAGE: u8 = 2;

/// A file that was chosen.
#[derive(Clone, Debug, Deserialize)]
pub struct File {
    /// Its name in the folder.
    pub name: String,
    /// Its length; none for what is no file.
    pub bytes: Option<u64>,
}

/// What a person asks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Keys of the log, one a line.
    pub log: String,
    /// Keys of witnesses, one a line.
    pub witness: String,
    /// How many of them must have cosigned.
    pub quorum: Option<u32>,
    /// A checkpoint from elsewhere.
    pub known: Option<String>,
    /// The proof between the two, one hash a line.
    pub consistency: Option<String>,
    /// The files; the number of each is its place.
    pub files: Vec<File>,
    /// The one file is a ZIP.
    pub archive: bool,
}

/// What is wrong, in parts.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// The word for it.
    pub code: &'static str,
    /// Exit code of its group.
    pub exit: u8,
    /// Of what.
    pub subject: String,
    /// A sentence.
    pub detail: String,
}

/// What the verifier says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Answer {
    /// The exit code of `watchbook-verify`.
    pub exit: u8,
    /// What it prints, all lines.
    pub text: String,
    /// Its last line.
    pub verdict: String,
    /// Nothing is wrong and it is footage as it was recorded.
    pub verified: bool,
    /// It is the bundle of a redacted copy.
    pub redacted: bool,
    /// Everything that is wrong.
    pub findings: Vec<Told>,
    /// How many of each kind are right.
    pub passed: BTreeMap<&'static str, usize>,
    /// What was given cannot be used; then nothing was checked.
    pub refused: Option<String>,
    /// Number of the case, for people.
    pub case: Option<String>,
    /// Names of its cameras.
    pub cameras: Vec<String>,
    /// The log that it is of.
    pub origin: Option<String>,
    /// What it delivers, in nanoseconds since 1970, decimal.
    pub delivered: Option<(String, String)>,
}

impl Answer {
    fn of(report: &Report, about: Option<Manifest>) -> Self {
        let mut passed = BTreeMap::new();
        for (kind, ..) in &report.passed {
            *passed.entry(*kind).or_default() += 1;
        }
        let findings = report.findings.iter().map(|finding| {
            let (code, exit) = finding.code.word_and_exit();
            Told { code, exit, subject: finding.subject.clone(), detail: finding.detail.clone() }
        });
        let mut answer = Self {
            exit: report.exit_code(),
            text: report.lines(false),
            verdict: report.verdict(),
            verified: report.is_verified(),
            redacted: report.redacted,
            findings: findings.collect(),
            passed,
            ..Self::default()
        };
        if let Some(manifest) = about {
            answer.case = Some(plain(&manifest.case));
            answer.cameras = manifest.streams.iter().map(|stream| plain(&stream.camera)).collect();
            answer.cameras.dedup();
            answer.origin = Some(plain(&manifest.origin));
            answer.delivered = Some((manifest.delivered.start_ns, manifest.delivered.end_ns));
        }
        answer
    }

    fn refused(sentence: &str) -> Self {
        Self { exit: USAGE, refused: Some(plain(sentence)), ..Self::default() }
    }
}

/// What `watchbook-verify` says of the files that `source` reads. `question` is an [`Ask`] as JSON.
pub fn answer(question: &[u8], source: &dyn Source) -> Answer {
    let ask: Ask = match serde_json::from_slice(question) {
        Ok(ask) => ask,
        Err(error) => return Answer::refused(&format!("the question cannot be read: {error}")),
    };
    said(ask, source).unwrap_or_else(|sentence| Answer::refused(&sentence))
}

fn said(ask: Ask, source: &dyn Source) -> Result<Answer, String> {
    let named = |name: &str, text: Option<String>| text.map(|text| (name.to_owned(), text));
    let asked = Asked {
        log_keys: keys("the key of the log", &ask.log)?,
        witnesses: keys("the key of a witness", &ask.witness)?,
        quorum: ask.quorum,
        known: named("the checkpoint from elsewhere", ask.known),
        consistency: named("the proof", ask.consistency),
    };
    if ask.archive {
        let bytes = ask.files.first().and_then(|file| file.bytes).ok_or("no file was chosen")?;
        let name = ask.files.first().map_or("", |file| &file.name);
        let archive = Archive::open(One { source, bytes }).map_err(|error| format!("reading {name}: {error}"))?;
        return checked(&archive, asked);
    }
    checked(&Chosen::new(source, &ask.files), asked)
}

fn checked(bundle: &dyn Bundle, asked: Asked) -> Result<Answer, String> {
    let report = verify(bundle, &asked.trust(bundle)?);
    // Read anew: the checks hold a manifest no longer than they need it. One that cannot be read was told of by them.
    let about = whole(bundle, MANIFEST, JSON_BYTES_MAX).and_then(|bytes| Manifest::parse(&bytes));
    Ok(Answer::of(&report, about.ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Source for Nothing {
        fn read(&self, _: u32, _: u64, _: &mut [u8]) -> bool {
            false
        }

        fn expect(&self, _: u64) {}
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_a_sentence() {
        for (question, why) in [
            ("", "cannot be read"),
            (r#"{"log":"","witness":"","files":[],"archive":false}"#, "without the key of a log"),
            (r#"{"log":"x","witness":"","files":[],"archive":false}"#, "the key of the log: a key is one line"),
        ] {
            let answer = answer(question.as_bytes(), &Nothing);
            assert_eq!((answer.exit, answer.verified), (USAGE, false));
            assert!(answer.refused.is_some_and(|sentence| sentence.contains(why)), "{question}");
        }
    }

    #[test]
    fn a_folder_without_a_manifest_is_unreadable() {
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let question =
            format!(r#"{{"log":"{key}","witness":"","files":[{{"name":"checkpoint","bytes":3}}],"archive":false}}"#);
        let answer = answer(question.as_bytes(), &Nothing);
        assert_eq!((answer.exit, answer.verdict.as_str()), (3, "NOT VERIFIED"));
        assert!(answer.text.contains("FAIL unreadable manifest.json: it is not there\n"), "{}", answer.text);
        assert!(answer.text.contains("FAIL unreadable checkpoint: reading checkpoint at 0"), "{}", answer.text);
    }
}
