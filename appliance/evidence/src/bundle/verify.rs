//! Holds a bundle against the log, the witnesses and what the reader knows. Nothing ends early: everything that is wrong is told.

use super::coverage::Stretch;
use super::signatures;
use super::verdict::{Code, Report};
use super::{
    CHECKPOINT, FileKind, Interval, JSON_BYTES_MAX, MANIFEST, Manifest, PROOFS, Proofs, RunEntry, RunOrHash,
    SegmentEntry, StreamEntry, coverage, master, nanos,
};
use crate::key::VerifierKey;
use crate::merkle::{Hash, Root, root_of, verify_consistency, verify_inclusion};
use crate::note::NOTE_BYTES_MAX;
use crate::record::Record;
use crate::rotation::Rotation;
use crate::run::Run;
use crate::text::{hash_of_hex, unbase64};
use crate::{Hasher, SignedCheckpoint, hex};
use std::collections::{BTreeMap, BTreeSet};

/// By how much the end of a run and the beginning of the next may differ without a gap, in nanoseconds.
pub const JUMP_NS_MAX: i128 = 1_000_000_000;

/// The files of a bundle.
pub trait Bundle {
    /// Names of all files, in any order.
    ///
    /// # Errors
    /// A sentence, when they cannot be listed.
    fn names(&self) -> Result<Vec<String>, String>;

    /// Length of a file; `None` when there is none of that name.
    ///
    /// # Errors
    /// A sentence, when it cannot be looked at.
    fn size(&self, name: &str) -> Result<Option<u64>, String>;

    /// Gives `length` bytes from `at` on to `sink`, in pieces.
    ///
    /// # Errors
    /// A sentence, when there are fewer or they cannot be read.
    fn read(&self, name: &str, at: u64, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), String>;

    /// Learns once, when the manifest is read, how many bytes are going to be read, by what the manifest states: for whoever shows how far it is.
    fn expect(&self, _bytes: u64) {}
}

/// What the reader believes beforehand.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Keys that may sign for the log.
    pub log_keys: Vec<VerifierKey>,
    /// Keys of witnesses.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them must have cosigned.
    pub quorum: usize,
    /// A checkpoint of the same log from elsewhere, of which the caller has verified the signature.
    pub known: Option<SignedCheckpoint>,
    /// The consistency proof between that and the bundle's, from the smaller to the larger.
    pub consistency: Option<Vec<Hash>>,
}

/// Checks everything.
pub fn verify(bundle: &dyn Bundle, trust: &Trust) -> Report {
    let mut report = Report::default();
    let manifest_bytes = parsed(MANIFEST, whole(bundle, MANIFEST, JSON_BYTES_MAX), &mut report);
    let manifest = manifest_bytes.as_deref().and_then(|bytes| parsed(MANIFEST, Manifest::parse(bytes), &mut report));
    let proofs = parsed(PROOFS, whole(bundle, PROOFS, JSON_BYTES_MAX), &mut report);
    let proofs = proofs.and_then(|bytes| parsed(PROOFS, Proofs::parse(&bytes), &mut report));
    let checkpoint = parsed(CHECKPOINT, whole(bundle, CHECKPOINT, NOTE_BYTES_MAX as u64), &mut report);
    let checkpoint = checkpoint.and_then(|bytes| {
        let read = SignedCheckpoint::parse(&bytes).map_err(|error| error.to_string());
        parsed(CHECKPOINT, read, &mut report)
    });
    report.redacted = manifest.as_ref().is_some_and(Manifest::is_redacted);
    let (Some(manifest), Some(proofs), Some(checkpoint)) = (manifest, proofs, checkpoint) else { return report };
    let mut check = Check {
        bundle,
        manifest: &manifest,
        proofs: &proofs,
        report,
        latest_ns: i128::MIN,
        places: Check::places(&manifest),
    };
    bundle.expect(manifest.bytes_to_read());
    check.files();
    check.streams();
    check.export(&crate::sha256(&manifest_bytes.unwrap_or_default()));
    check.leaves(&checkpoint.checkpoint().root);
    check.checkpoint(&checkpoint, trust);
    signatures::of_witnesses(&mut check.report, &checkpoint, trust, check.latest_ns);
    check.known(&checkpoint, trust);
    check.report
}

/// All of a file that has at most `most` bytes.
///
/// # Errors
/// A sentence, when it is not there, larger, or cannot be read.
pub fn whole(bundle: &dyn Bundle, name: &str, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match bundle.size(name)? {
        Some(size) if size <= most => bundle.read(name, 0, size, &mut |part| bytes.extend_from_slice(part))?,
        Some(size) => return Err(format!("it has {size} bytes; at most {most} are read")),
        None => return Err("it is not there".to_owned()),
    }
    Ok(bytes)
}

fn parsed<T>(name: &str, read: Result<T, String>, report: &mut Report) -> Option<T> {
    read.map_err(|error| report.fail(Code::Unreadable, name, error)).ok()
}

struct Check<'a> {
    bundle: &'a dyn Bundle,
    manifest: &'a Manifest,
    proofs: &'a Proofs,
    report: Report,
    /// The latest time that anything in the bundle states.
    latest_ns: i128,
    places: Places<'a>,
}

/// Where the runs of each master lie in it, see [`Check::places`].
type Places<'a> = BTreeMap<&'a str, Option<Vec<Stretch>>>;

impl Check<'_> {
    fn files(&mut self) {
        for file in &self.manifest.files {
            match self.bundle.size(&file.name) {
                Ok(None) => self.report.fail(Code::FileMissing, &file.name, "it is not there"),
                Ok(Some(size)) if size == file.bytes && self.digest(&file.name, size) == Some(file.sha256.clone()) => {
                    self.report.pass("file", &file.name, format!("{size} bytes as the manifest has them"));
                }
                _ => self.report.fail(Code::FileAltered, &file.name, "it is not the file that the manifest names"),
            }
        }
        let known: BTreeSet<&str> =
            self.manifest.files.iter().map(|file| &*file.name).chain([MANIFEST, PROOFS, CHECKPOINT]).collect();
        match self.bundle.names() {
            Ok(names) => {
                let strangers: BTreeSet<&String> = names.iter().filter(|name| !known.contains(&***name)).collect();
                for name in strangers {
                    self.report.fail(Code::FileUnlisted, name, "the manifest does not name it");
                }
            }
            Err(error) => self.report.fail(Code::Unreadable, "the bundle's folder", error),
        }
    }

    fn digest(&self, name: &str, size: u64) -> Option<String> {
        let mut context = Hasher::default();
        self.bundle.read(name, 0, size, &mut |part| context.update(part)).ok()?;
        Some(hex(&context.finish()))
    }

    fn streams(&mut self) {
        let mut ends: Option<(i128, i128)> = None;
        for stream in &self.manifest.streams {
            for run in self.stream(stream) {
                let (start, end) = (i128::from(run.first_utc_ns), run.end_utc_ns());
                ends = Some(ends.map_or((start, end), |(first, last)| (first.min(start), last.max(end))));
            }
        }
        self.latest_ns = ends.map_or(self.latest_ns, |(_, end)| self.latest_ns.max(end));
        // A redacted copy has no picture from outside of what was asked for.
        let asked = self.manifest.requested.times().filter(|_| self.manifest.is_redacted());
        let ends = match (ends, asked) {
            (Some((start, end)), Some((from, to))) => Some((start.clamp(from, to), end.clamp(from, to))),
            (ends, _) => ends,
        };
        let Interval { start_ns, end_ns } = &self.manifest.delivered;
        let is_right = match (ends, self.manifest.delivered.times()) {
            (None, times) => times.is_some_and(|(start, end)| start == end),
            (ends, times) => ends == times,
        };
        if is_right {
            self.report.pass("delivered", "interval", format!("{start_ns} to {end_ns}"));
        } else {
            let covered = ends.map_or("nothing".to_owned(), |(start, end)| format!("{start} to {end}"));
            let detail = format!("the runs cover {covered}, the manifest states {start_ns} to {end_ns}");
            self.report.fail(Code::DeliveredWrong, "interval", detail);
        }
        for (name, places) in core::mem::take(&mut self.places) {
            self.covered(name, places);
        }
    }

    /// Checks one stream; its runs in the order of the manifest.
    fn stream(&mut self, stream: &StreamEntry) -> Vec<Run> {
        let number = stream.stream;
        if !stream.segments.iter().is_sorted_by(|a, b| a.leaf < b.leaf) {
            self.report.fail(Code::SegmentOrder, number.to_string(), "its segments are not in the order of the log");
        }
        let mut runs = Vec::new();
        for (at, segment) in stream.segments.iter().enumerate() {
            let subject = format!("{number}/{}", segment.leaf);
            let ends = (at == 0, at + 1 == stream.segments.len());
            if !is_one_piece(segment, ends) {
                self.report.fail(Code::RunsWithheld, &subject, "runs between those that are handed out are held back");
            }
            runs.extend(self.segment(number, segment, &subject));
        }
        let gaps = self.gaps(stream);
        for pair in runs.windows(2) {
            let [one, next] = pair else { continue };
            if !is_explained(one.end_utc_ns(), next.first_utc_ns.into(), &gaps) {
                let detail = format!("from {} to {} no gap in the log says why", one.end_utc_ns(), next.first_utc_ns);
                self.report.fail(Code::GapUnexplained, format!("{number}/{}", one.end_utc_ns()), detail);
            }
        }
        self.complete(number, &runs, gaps);
        runs
    }

    /// All of the time that was asked for is in runs or told of by gaps.
    fn complete(&mut self, stream: u32, runs: &[Run], mut told: Vec<(i128, i128)>) {
        let Some((mut reached, end)) = self.manifest.requested.times() else { return };
        told.extend(runs.iter().map(|run| (i128::from(run.first_utc_ns), run.end_utc_ns())));
        told.sort_unstable();
        told.push((end, end));
        for (from, to) in told {
            if from.min(end) - reached > JUMP_NS_MAX {
                let detail =
                    format!("from {reached} to {} was asked for; neither runs nor gaps tell of it", from.min(end));
                return self.report.fail(Code::Incomplete, stream.to_string(), detail);
            }
            reached = reached.max(to);
        }
        self.report.pass("complete", stream.to_string(), "runs and gaps tell of all of the time that was asked for");
    }

    fn segment(&mut self, stream: u32, segment: &SegmentEntry, subject: &str) -> Vec<Run> {
        let record = self.record(segment.leaf);
        let Some(Record::Segment { recording, root, runs: count, stream: of }) = record else {
            self.report.fail(Code::SegmentLeaf, subject, "its leaf is missing or is not a segment's");
            return Vec::new();
        };
        if of != stream {
            self.report.fail(Code::SegmentLeaf, subject, format!("its leaf is one of stream {of}"));
            return Vec::new();
        }
        let (mut hashes, mut runs) = (Vec::new(), Vec::new());
        for (at, entry) in segment.runs.iter().enumerate() {
            let Some(run) = entry.run(stream, recording) else {
                if let RunOrHash::Withheld(run) = entry {
                    hashes.push(hash_of_hex(&run.withheld).unwrap_or_default());
                }
                continue;
            };
            hashes.push(run.hash());
            let subject = format!("{subject}/{at}");
            match entry {
                RunOrHash::Run(entry) => match self.samples(entry) {
                    Ok(None) => {}
                    Ok(Some(digest)) if digest == entry.sha256 => {
                        self.report.pass("run", subject, format!("{} samples as recorded", run.samples));
                    }
                    Ok(_) => self.report.fail(Code::RunAltered, subject, "its samples are not what was recorded"),
                    Err(error) => self.report.fail(Code::RunAltered, subject, error),
                },
                _ => self.report.pass("source", subject, "stated as the log has it; not handed out"),
            }
            runs.push(run);
        }
        if u64::from(count) == hashes.len() as u64 && hex(&root_of(&hashes)) == root {
            self.report.pass("segment", subject, format!("{count} runs as the log has them"));
        } else {
            self.report.fail(Code::SegmentAltered, subject, "what is said of its runs is not what the log has");
        }
        runs
    }

    /// SHA-256 of a run's table and samples as they lie in the bundle; `None` when runs of its file lie over each other, and reading them all could go on without end.
    fn samples(&self, run: &RunEntry) -> Result<Option<String>, String> {
        let places = self.places.get(&*run.file).ok_or("the manifest has no master of that name")?;
        let size = self.bundle.size(&run.file)?.ok_or("its file is not there")?;
        if places.is_none() {
            return Ok(None);
        }
        let mut context = Hasher::default();
        context.update(&unbase64(&run.table).unwrap_or_default());
        for (at, length) in &run.ranges {
            if at.checked_add(*length).is_none_or(|end| end > size) {
                return Err("its samples lie behind the end of its file".to_owned());
            }
            self.bundle.read(&run.file, *at, *length, &mut |part| context.update(part))?;
        }
        Ok(Some(hex(&context.finish())))
    }

    /// Where the runs of each master lie in it: in order, `None` when two lie over each other.
    fn places(manifest: &Manifest) -> Places<'_> {
        let masters = manifest.files.iter().filter(|file| file.kind == FileKind::Master);
        let mut ranges: BTreeMap<&str, Vec<(u64, u64)>> = masters.map(|file| (&*file.name, Vec::new())).collect();
        let runs = manifest.streams.iter().flat_map(|stream| &stream.segments).flat_map(|segment| &segment.runs);
        for run in runs {
            if let RunOrHash::Run(run) = run
                && let Some(ranges) = ranges.get_mut(&*run.file)
            {
                ranges.extend(&run.ranges);
            }
        }
        ranges.into_iter().map(|(name, ranges)| (name, coverage::apart(ranges))).collect()
    }

    fn covered(&mut self, name: &str, places: Option<Vec<Stretch>>) {
        let Ok(Some(size)) = self.bundle.size(name) else { return };
        let Some(places) = places else {
            return self.report.fail(Code::Coverage, name, "runs lie over each other in it; none of them was read");
        };
        let media = master::media_data(size, &places, |at, length| {
            let mut bytes = Vec::new();
            self.bundle.read(name, at, length, &mut |part| bytes.extend_from_slice(part))?;
            Ok(bytes)
        });
        match media.map(|media| coverage::covers(places, media)) {
            Ok(true) => self.report.pass("coverage", name, "its media data and every sample it shows belong to runs"),
            Ok(false) => {
                let detail = "it has media data that belongs to no run, or a run lies outside of it";
                self.report.fail(Code::Coverage, name, detail);
            }
            Err(error) => self.report.fail(Code::Coverage, name, error),
        }
    }

    /// Start and end of the gaps of a stream that the log has.
    fn gaps(&mut self, stream: &StreamEntry) -> Vec<(i128, i128)> {
        let mut gaps = Vec::new();
        for leaf in &stream.gaps {
            let times = match self.record(*leaf) {
                Some(Record::Gap { end_ns, start_ns, stream: of, reason }) if of == stream.stream => {
                    nanos(&start_ns).zip(nanos(&end_ns)).map(|times| (times, reason))
                }
                _ => None,
            };
            let subject = format!("{}/{leaf}", stream.stream);
            match times {
                Some(((start, end), reason)) => {
                    self.report.pass("gap", subject, format!("{start} to {end}: {reason}"));
                    gaps.push((i128::from(start), i128::from(end)));
                }
                None => self.report.fail(Code::GapLeaf, subject, "its leaf is missing or is not a gap of this stream"),
            }
        }
        gaps
    }

    fn record(&self, leaf: u64) -> Option<Record> {
        Record::parse(self.proofs.leaf(leaf)?.body.as_bytes())
    }

    fn export(&mut self, manifest: &Hash) {
        let export = self.proofs.export;
        let Some(Record::Export { manifest: recorded, account, approver }) = self.record(export) else {
            let detail = "the log's entry of this export is missing or is none of an export";
            return self.report.fail(Code::ExportMissing, export.to_string(), detail);
        };
        if recorded != hex(manifest) {
            let detail = "it is not the manifest that was released";
            self.report.fail(Code::ManifestAltered, MANIFEST, detail);
        }
        let streams = self.manifest.streams.iter();
        let mut used = streams.flat_map(|s| s.gaps.iter().copied().chain(s.segments.iter().map(|s| s.leaf)));
        if used.any(|leaf| leaf >= export) {
            let detail = "it was recorded before footage or gaps that it contains";
            self.report.fail(Code::ExportEarly, export.to_string(), detail);
        } else {
            let detail = format!("asked for by account {account}, released by account {approver}");
            self.report.pass("export", export.to_string(), detail);
        }
    }

    fn leaves(&mut self, root: &Root) {
        for entry in &self.proofs.leaves {
            let (Some(leaf), Some(path)) = (entry.leaf(), entry.path()) else { continue };
            self.latest_ns = self.latest_ns.max(leaf.utc.0.into());
            let subject = entry.index.to_string();
            if leaf.hash().is_ok_and(|hash| verify_inclusion(&hash, entry.index, root, &path)) {
                self.report.pass("proof", subject, format!("in the tree of {} entries", root.size));
            } else {
                let detail = format!("it is not in the tree of {} entries at this place", root.size);
                self.report.fail(Code::ProofWrong, subject, detail);
            }
        }
    }

    fn checkpoint(&mut self, signed: &SignedCheckpoint, trust: &Trust) {
        let origin = &signed.checkpoint().origin;
        if *origin != self.manifest.origin {
            let detail = format!("it is one of {origin}, the manifest is of {}", self.manifest.origin);
            self.report.fail(Code::CheckpointOrigin, CHECKPOINT, detail);
        }
        let keys = self.keys(trust);
        signatures::of_log(&mut self.report, signed, &keys);
    }

    /// The keys that were given; where the log says that it changed from one of them, the one that came counts in its stead.
    fn keys(&mut self, trust: &Trust) -> Vec<VerifierKey> {
        let mut keys = trust.log_keys.clone();
        for entry in &self.proofs.leaves {
            let Some(Record::LogKey { note }) = Record::parse(entry.body.as_bytes()) else { continue };
            match Rotation::verify(note.as_bytes()) {
                Ok(change) if change.origin == self.manifest.origin => {
                    if keys.contains(&change.old) {
                        self.report.pass("key-change", entry.index.to_string(), format!("to {}", change.new));
                        keys.retain(|key| *key != change.old && *key != change.new);
                        keys.push(change.new);
                    }
                }
                Ok(change) => {
                    let detail = format!("it is one of the log {}", change.origin);
                    self.report.fail(Code::KeyChange, entry.index.to_string(), detail);
                }
                Err(error) => self.report.fail(Code::KeyChange, entry.index.to_string(), error.to_string()),
            }
        }
        keys
    }

    fn known(&mut self, signed: &SignedCheckpoint, trust: &Trust) {
        let Some(known) = &trust.known else { return };
        let (here, known) = (signed.checkpoint().root, known.checkpoint().root);
        let (old, new) = if known.size <= here.size { (known, here) } else { (here, known) };
        let connected = trust.consistency.as_ref().map(|proof| verify_consistency(&old, &new, proof));
        let (code, detail) = match connected {
            _ if old.size == new.size && old.hash == new.hash => return self.connected(known),
            _ if old.size == new.size => (Code::Fork, "a checkpoint of the same size has another root"),
            Some(true) => return self.connected(known),
            Some(false) => (Code::Fork, "the consistency proof does not connect it with the known checkpoint"),
            None if known.size > here.size => {
                (Code::Older, "a larger tree is known; give the consistency proof from here to there")
            }
            None => (Code::Unconnected, "a smaller tree is known; give the consistency proof from there to here"),
        };
        self.report.fail(code, CHECKPOINT, detail);
    }

    fn connected(&mut self, known: Root) {
        self.report.pass("known", CHECKPOINT, format!("of one log with the known tree of {} entries", known.size));
    }
}

/// True when the runs handed out of a segment are one piece, and what is held back lies at the `(beginning, end)` of what is handed out of the stream.
fn is_one_piece(segment: &SegmentEntry, ends: (bool, bool)) -> bool {
    let out = |run: &RunOrHash| !matches!(run, RunOrHash::Withheld(_));
    let runs = &segment.runs;
    let (Some(first), Some(last)) = (runs.iter().position(out), runs.iter().rposition(out)) else { return false };
    runs.iter().filter(|run| out(run)).count() == last + 1 - first
        && (first == 0 || ends.0)
        && (last + 1 == runs.len() || ends.1)
}

/// True when time goes on from `end` to `next`, at once or over gaps that lie one behind the other.
fn is_explained(end: i128, next: i128, gaps: &[(i128, i128)]) -> bool {
    let near = |a: i128, b: i128| (a - b).abs() <= JUMP_NS_MAX;
    if near(end, next) {
        return true;
    }
    let reached = gaps.iter().fold(end, |at, (start, end)| if near(at, *start) { *end } else { at });
    near(reached, next)
}
