//! Evidence bundles: footage that leaves the box with what proves it. `FORMAT.md` beside this crate draws every byte.
//!
//! `manifest.json` says what is handed out, and its hash is in the log; `proofs.json` has the leaves and their way up to the root; `checkpoint` is that root, signed.

pub mod archive;
pub mod asked;
pub mod coverage;
pub mod entry;
pub mod master;
pub mod redaction;
mod signatures;
pub mod verdict;
pub mod verify;

pub use entry::verify_entry;
pub use redaction::{REDACTED, REDACTED_FORMAT, Redaction, SourceRun};
pub use verdict::{Code, Finding, Report};
pub use verify::{Bundle, Trust, verify, whole};

use crate::leaf::{Leaf, SALT_BYTES};
use crate::run::{ClockState, Run};
use crate::text::{hash_of_hex, hash_of_line, unbase64, unhex};
use crate::{Hash, sha256_of};
use serde::{Deserialize, Serialize};
use watchbook_base::UtcNanos;

/// What is handed out.
pub const MANIFEST: &str = "manifest.json";
/// Leaves and their way up to the root.
pub const PROOFS: &str = "proofs.json";
/// The root, signed.
pub const CHECKPOINT: &str = "checkpoint";
/// Value of the manifest's `format`.
pub const MANIFEST_FORMAT: &str = "watchbook-bundle/1";
/// Value of the proofs' `format`.
pub const PROOFS_FORMAT: &str = "watchbook-proofs/1";
/// Bytes of the manifest and of the proofs. A day of two streams with two runs a second has 350,000 runs of about 450 bytes. Read, they
/// take some times that in memory.
pub const JSON_BYTES_MAX: u64 = 256 << 20;
/// Runs of a bundle, withheld ones included.
pub const RUNS_MAX: usize = 1 << 20;
/// Ranges of all runs of a bundle. Each is a stretch of a file that is read once.
pub const RANGES_MAX: usize = 1 << 22;
/// Gaps of a bundle.
pub const GAPS_MAX: usize = 1 << 16;
/// Files of a bundle.
pub const FILES_MAX: usize = 1000;
/// Bytes of a file's name.
pub const NAME_BYTES_MAX: usize = 100;
/// Largest number that stands in JSON as a number (RFC 8785 §3.2.2.3, RFC 7493).
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// What copy of the footage this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// The stored samples, in another box: every sample is checked against the log.
    Master,
    /// Made from a master: redacted, cut or re-encoded. Its bytes are fixed, its pictures prove nothing.
    Working,
    /// Anything else: text, a player.
    Other,
}

/// From `start_ns` to before `end_ns`, in nanoseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// First nanosecond behind it, decimal.
    pub end_ns: String,
    /// First nanosecond of it, decimal.
    pub start_ns: String,
}

impl Interval {
    /// Beginning and end; `None` when they are no times or in the wrong order.
    #[must_use]
    pub fn times(&self) -> Option<(i128, i128)> {
        let (start, end) = (nanos(&self.start_ns)?, nanos(&self.end_ns)?);
        (start <= end).then_some((start.into(), end.into()))
    }
}

/// A file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its length.
    pub bytes: u64,
    /// What it is.
    pub kind: FileKind,
    /// ASCII letters, digits, `.`, `_` and `-`, not beginning with a dot.
    pub name: String,
    /// Over all of it, lower-case hexadecimal.
    pub sha256: String,
}

/// A run that is handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEntry {
    /// As in [`Run`].
    pub clock: ClockState,
    /// The file with its samples.
    pub file: String,
    /// As in [`Run`].
    pub first_dts: i64,
    /// As in [`Run`], decimal.
    pub first_utc_ns: String,
    /// As in [`Run`].
    pub length: u32,
    /// Where its samples lie in the file: offset and length of each piece, in the order of the samples.
    pub ranges: Vec<(u64, u64)>,
    /// As in [`Run`].
    pub samples: u32,
    /// Over table and samples, lower-case hexadecimal.
    pub sha256: String,
    /// The sample table as it was hashed, base64.
    pub table: String,
}

/// A run that is not handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withheld {
    /// Its leaf hash, lower-case hexadecimal.
    pub withheld: String,
}

/// One run of a segment leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RunOrHash {
    /// Handed out.
    Run(RunEntry),
    /// Only its hash.
    Withheld(Withheld),
    /// A redacted copy was made of it.
    Source(SourceRun),
}

/// All runs of one segment leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentEntry {
    /// Number of the leaf in the log.
    pub leaf: u64,
    /// In the order of the leaf.
    pub runs: Vec<RunOrHash>,
}

/// What is handed out of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamEntry {
    /// Name of the camera, for people.
    pub camera: String,
    /// Numbers of the leaves of gaps in it, in the order of time.
    pub gaps: Vec<u64>,
    /// In the order of time.
    pub segments: Vec<SegmentEntry>,
    /// Camera × 256 + role.
    pub stream: u32,
}

/// What is handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Number of the case.
    pub case: String,
    /// [`REDACTED`] in the bundle of a redacted copy, else not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_class: Option<String>,
    /// What the runs cover; of a redacted copy, what of that was asked for.
    pub delivered: Interval,
    /// Every file but the three of this format.
    pub files: Vec<FileEntry>,
    /// [`MANIFEST_FORMAT`], or [`REDACTED_FORMAT`].
    pub format: String,
    /// Origin of the log.
    pub origin: String,
    /// How the copy was made, in the bundle of a redacted copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redaction: Option<Redaction>,
    /// What was asked for.
    pub requested: Interval,
    /// Name and version of the program that made the bundle.
    pub software: String,
    /// Each stream once, by number.
    pub streams: Vec<StreamEntry>,
}

/// A leaf with its way up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafEntry {
    /// Its body as text.
    pub body: String,
    /// Its number.
    pub index: u64,
    /// Audit path from the leaf's sibling up, base64.
    pub path: Vec<String>,
    /// Lower-case hexadecimal.
    pub salt: String,
    /// When it was written, in nanoseconds since 1970, decimal.
    pub utc_ns: String,
}

/// Leaves and their way up to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proofs {
    /// Number of the leaf that records this export.
    pub export: u64,
    /// [`PROOFS_FORMAT`].
    pub format: String,
    /// By number, each once.
    pub leaves: Vec<LeafEntry>,
}

/// Canonical JSON: no white space, fields in alphabetical order, integers only (a subset of RFC 8785).
///
/// # Panics
/// Never: all values have a JSON form.
#[must_use]
pub fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings and numbers always have a JSON form")
}

fn from_json<T: Serialize + for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, String> {
    let value: T = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if to_json(&value) == bytes { Ok(value) } else { Err("it is not in the canonical form".to_owned()) }
}

/// A decimal of nanoseconds: no sign but `-`, no leading zeroes.
pub(crate) fn nanos(text: &str) -> Option<i64> {
    let value: i64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

/// True for a name that a file of a bundle may have.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(good) && !name.starts_with('.')
}

fn ascending<T: Ord>(items: impl IntoIterator<Item = T>) -> bool {
    items.into_iter().is_sorted_by(|a, b| a < b)
}

impl Manifest {
    /// Reads `manifest.json`.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = from_json(bytes)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(what.to_owned());
        match &*self.format {
            MANIFEST_FORMAT => self.check_master()?,
            REDACTED_FORMAT => self.check_redacted()?,
            _ => return wrong("its format is not one that this program knows"),
        }
        let own = [MANIFEST, PROOFS, CHECKPOINT];
        let good_file = |file: &FileEntry| {
            is_file_name(&file.name) && !own.contains(&&*file.name) && hash_of_hex(&file.sha256).is_some()
        };
        if self.files.len() > FILES_MAX || !self.files.iter().all(good_file) {
            return wrong("a file in it has no usable name or hash, or there are too many");
        }
        if !ascending(self.files.iter().map(|file| &file.name)) || !ascending(self.streams.iter().map(|s| s.stream)) {
            return wrong("its files or streams are not in order");
        }
        let intervals = [&self.delivered, &self.requested];
        if intervals.iter().any(|interval| interval.times().is_none()) {
            return wrong("an interval in it has no times, or ends before it begins");
        }
        let runs = || self.streams.iter().flat_map(|stream| &stream.segments).flat_map(|segment| &segment.runs);
        if runs().count() > RUNS_MAX || !runs().all(RunOrHash::is_well_formed) {
            return wrong("a run in it is not well-formed, or there are too many");
        }
        let ranges = runs().map(|run| if let RunOrHash::Run(run) = run { run.ranges.len() } else { 0 });
        if ranges.sum::<usize>() > RANGES_MAX || self.streams.iter().map(|s| s.gaps.len()).sum::<usize>() > GAPS_MAX {
            return wrong("it has too many ranges or gaps");
        }
        let leaves = self.streams.iter().flat_map(|s| s.gaps.iter().copied().chain(s.segments.iter().map(|s| s.leaf)));
        let bytes = self.files.iter().map(|file| file.bytes);
        if leaves.chain(bytes).any(|number| number > INTEGER_MAX) {
            return wrong("a number in it is too large");
        }
        Ok(())
    }
}

impl Manifest {
    /// It is the one of a redacted copy, which is never a master.
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.format == REDACTED_FORMAT
    }

    /// Bytes of all files, and of all ranges of runs: each is read once.
    fn bytes_to_read(&self) -> u64 {
        let ranges = self.runs().filter_map(|run| if let RunOrHash::Run(run) = run { Some(&run.ranges) } else { None });
        let lengths = ranges.flatten().map(|(_, length)| *length);
        self.files.iter().map(|file| file.bytes).chain(lengths).fold(0, u64::saturating_add)
    }

    fn runs(&self) -> impl Iterator<Item = &RunOrHash> {
        self.streams.iter().flat_map(|stream| &stream.segments).flat_map(|segment| &segment.runs)
    }

    fn check_master(&self) -> Result<(), String> {
        let is_source = |run: &RunOrHash| matches!(run, RunOrHash::Source(_));
        if self.copy_class.is_some() || self.redaction.is_some() || self.runs().any(is_source) {
            return Err("it has something of a redacted copy and is not the manifest of one".to_owned());
        }
        Ok(())
    }

    fn check_redacted(&self) -> Result<(), String> {
        let redaction = self.redaction.as_ref().filter(|_| self.copy_class.as_deref() == Some(REDACTED));
        let Some(redaction) = redaction else {
            return Err("it does not say that its copy is a redacted one".to_owned());
        };
        redaction.check()?;
        let good = |file: &FileEntry| match file.kind {
            FileKind::Master => false,
            FileKind::Working => file.name.starts_with(redaction::NAME_BEGIN),
            FileKind::Other => !file.name.starts_with(redaction::NAME_BEGIN),
        };
        if !self.files.iter().all(good) || self.streams.len() > 1 {
            return Err("a redacted copy has working files of one camera, named so, and no master".to_owned());
        }
        if self.runs().any(|run| matches!(run, RunOrHash::Run(_))) {
            return Err("a redacted copy has no samples of runs".to_owned());
        }
        Ok(())
    }
}

impl RunOrHash {
    fn is_well_formed(&self) -> bool {
        match self {
            Self::Withheld(Withheld { withheld }) => hash_of_hex(withheld).is_some(),
            Self::Source(run) => run.is_well_formed(),
            Self::Run(run) => {
                run.first_dts.unsigned_abs() <= INTEGER_MAX
                    && nanos(&run.first_utc_ns).is_some()
                    && unbase64(&run.table).is_some()
                    && hash_of_hex(&run.sha256).is_some()
                    && !run.ranges.is_empty()
                    && run.ranges.iter().all(|(at, len)| *at <= INTEGER_MAX && (1..=INTEGER_MAX).contains(len))
            }
        }
    }
}

impl RunOrHash {
    /// What the manifest states of the run: this is what the leaf of its segment has to confirm. `None`: only its hash is known.
    #[must_use]
    pub fn run(&self, stream: u32, recording: u64) -> Option<Run> {
        let (clock, first_dts, length, first_utc_ns, samples, sha256) = match self {
            Self::Withheld(_) => return None,
            Self::Run(run) => (run.clock, run.first_dts, run.length, &run.first_utc_ns, run.samples, &run.sha256),
            Self::Source(run) => (run.clock, run.first_dts, run.length, &run.first_utc_ns, run.samples, &run.sha256),
        };
        let (first_utc_ns, sha256) = (nanos(first_utc_ns).unwrap_or_default(), hash_of_hex(sha256).unwrap_or_default());
        Some(Run { clock, stream, recording, first_dts, length, first_utc_ns, samples, sha256 })
    }
}

impl Proofs {
    /// Reads `proofs.json`.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let proofs: Self = from_json(bytes)?;
        let wrong = |what: &str| Err(what.to_owned());
        if proofs.format != PROOFS_FORMAT {
            return wrong("its format is not one that this program knows");
        }
        let numbers = || proofs.leaves.iter().map(|leaf| leaf.index);
        if !ascending(numbers()) || numbers().chain([proofs.export]).any(|number| number > INTEGER_MAX) {
            return wrong("its leaves are not in order, or a number in it is too large");
        }
        let good = |leaf: &LeafEntry| leaf.leaf().is_some() && leaf.path().is_some_and(|path| path.len() <= 63);
        if !proofs.leaves.iter().all(good) {
            return wrong("a leaf in it is not well-formed");
        }
        Ok(proofs)
    }

    /// The leaf with this number.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Option<&LeafEntry> {
        let place = self.leaves.binary_search_by_key(&index, |leaf| leaf.index).ok()?;
        self.leaves.get(place)
    }
}

impl LeafEntry {
    /// A leaf for the bundle.
    ///
    /// # Errors
    /// When the body is not text.
    pub fn new(index: u64, leaf: &Leaf, path: &[Hash]) -> Result<Self, core::str::Utf8Error> {
        Ok(Self {
            body: core::str::from_utf8(&leaf.body)?.to_owned(),
            index,
            path: path.iter().map(|hash| crate::text::base64(hash)).collect(),
            salt: crate::hex(&leaf.salt),
            utc_ns: leaf.utc.0.to_string(),
        })
    }

    /// The leaf as it is hashed.
    #[must_use]
    pub fn leaf(&self) -> Option<Leaf> {
        let salt: [u8; SALT_BYTES] = unhex(&self.salt)?.try_into().ok()?;
        let leaf = Leaf { salt, utc: UtcNanos(nanos(&self.utc_ns)?), body: self.body.clone().into_bytes() };
        leaf.encode().is_ok().then_some(leaf)
    }

    /// Its audit path.
    #[must_use]
    pub fn path(&self) -> Option<Vec<Hash>> {
        self.path.iter().map(|line| hash_of_line(line)).collect()
    }
}

/// Hash of a run: its sample table, then its samples.
#[must_use]
pub fn run_digest(table: &[u8], samples: &[u8]) -> Hash {
    sha256_of(&[table, samples])
}
