//! Makes a bundle of what the log has: masters, manifest, certificates; and after its release proofs. `appliance/evidence/FORMAT.md` draws every byte.

use crate::certificate;
use crate::holes::{DAMAGED, Hole, Known, Reason, Teller, holes, tellers};
use crate::job::{CameraOf, FileRow, Made, MissingRow, Order};
use crate::master::{self, Chosen, Ranges};
use crate::plan::{At, Logged, RUNS_MAX, Stream, too_many};
use crate::seal::Sealer;
use crate::staging::Staging;
use crate::{Error, Result};
use bytes::Bytes;
use std::collections::BTreeMap;
use watchbook_base::{CameraId, Kind, StreamId, TimeRange, TrackRole, UtcNanos};
use watchbook_evidence::bundle::{
    FileEntry, FileKind, Interval, MANIFEST, MANIFEST_FORMAT, Manifest, PROOFS_FORMAT, Proofs, RunEntry, RunOrHash,
    SegmentEntry, StreamEntry, Withheld, to_json,
};
use watchbook_evidence::text::base64;
use watchbook_evidence::{hex, sha256};
use watchbook_media::oeff::ExportNote;

/// Streams of a camera that are handed out. The sub stream shows the same with less detail.
const ROLES: [TrackRole; 2] = [TrackRole::MainVideo, TrackRole::MainAudio];

/// Where footage comes from. Blocking.
pub trait Source {
    /// What the log has of a stream around `range`, and the number of runs in there that have no leaf yet.
    ///
    /// # Errors
    /// When ring or register cannot be read, or the grant does not cover it.
    fn logged(&mut self, stream: StreamId, range: TimeRange) -> Result<(Stream, u64)>;

    /// The samples of a run of what [`Source::logged`] gave last for this stream.
    ///
    /// # Errors
    /// `Corrupt` when they are not what was recorded; `NotFound` when the ring has reused their place.
    fn read(&mut self, stream: StreamId, at: At) -> Result<Bytes>;

    /// Why time of a stream is missing, as far as it is known, by start.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn reasons(&mut self, stream: StreamId, range: TimeRange) -> Result<Vec<Reason>>;

    /// What the log tells of time without footage of a stream around `range`, by start.
    ///
    /// # Errors
    /// When the register cannot be read.
    fn known(&mut self, stream: StreamId, range: TimeRange) -> Result<Vec<Known>>;

    /// Writes leaves that tell of these holes, of which the log does not tell yet; their numbers, one each, in their order.
    ///
    /// # Errors
    /// When the log cannot be written.
    fn tell(&mut self, holes: &[(StreamId, Hole)]) -> Result<Vec<u64>>;

    /// So many bytes of footage are written. Waits while recording needs the disk.
    ///
    /// # Errors
    /// `Conflict` when the export is no longer wanted.
    fn go_on(&mut self, bytes: u64) -> Result<()>;
}

/// A stream with the runs that are handed out.
pub struct Gathered {
    /// Index of its camera in the order.
    pub camera: usize,
    /// As the log has it.
    pub stream: Stream,
    /// In the order of the log.
    pub runs: Vec<At>,
}

/// What an order comes to.
pub struct Survey {
    /// Every stream that has runs, and the pictures of every camera.
    pub streams: Vec<Gathered>,
    /// Bytes of all samples.
    pub bytes: u64,
    /// Runs that must have their leaf first.
    pub without_leaf: u64,
}

/// Who makes bundles.
pub struct Maker<'a> {
    /// Name of the log.
    pub origin: String,
    /// Name and version of the program.
    pub software: String,
    /// What is known of the cameras' clocks, in the order of the cameras; empty: nothing.
    pub clocks: Vec<String>,
    /// What masters are sealed with.
    pub sealer: Option<&'a dyn Sealer>,
    /// Files that every bundle has, such as a player.
    pub files: Vec<(&'static str, &'static [u8])>,
    /// Now.
    pub now: UtcNanos,
}

/// Looks up what an order comes to.
///
/// # Errors
/// What `source` says; `Exhausted` when it is too much for one export.
pub fn survey(order: &Order, source: &mut dyn Source) -> Result<Survey> {
    let wide = order.read_range();
    let mut survey = Survey { streams: Vec::new(), bytes: 0, without_leaf: 0 };
    let mut all = 0;
    for (camera, of) in order.cameras.iter().enumerate() {
        for role in ROLES {
            let (stream, without_leaf) = source.logged(of.camera.stream(role), wide)?;
            survey.without_leaf += without_leaf;
            all += stream.segments.iter().map(|segment| segment.runs.len()).sum::<usize>();
            if all > RUNS_MAX {
                return Err(too_many(stream.stream));
            }
            let runs = stream.choose(order.range)?;
            survey.bytes += runs.iter().filter_map(|at| stream.near(*at)).map(|near| near.bytes).sum::<u64>();
            if role == TrackRole::MainVideo || !runs.is_empty() {
                survey.streams.push(Gathered { camera, stream, runs });
            }
        }
    }
    Ok(survey)
}

/// What is in the masters: for each stream the runs with their places.
pub(crate) type Placed = Vec<(String, BTreeMap<At, Ranges>)>;

/// Writes everything but proofs and checkpoint, and gives the bundle its name.
///
/// # Errors
/// What `source` and the disk say; then nothing is left of it but what the next attempt removes.
pub fn make(
    export: u64,
    of: (&Order, &Survey),
    maker: &Maker<'_>,
    source: &mut dyn Source,
    staging: &Staging,
) -> Result<Made> {
    let (order, survey) = of;
    staging.begin(export)?;
    let mut files: Vec<(FileKind, FileRow)> = Vec::new();
    let mut placed: Placed = Vec::new();
    for (index, camera) in order.cameras.iter().enumerate() {
        let streams: Vec<&Gathered> = survey.streams.iter().filter(|gathered| gathered.camera == index).collect();
        let (row, ranges) = master((export, order, camera), &streams, maker, source, staging)?;
        let name = row.as_ref().map(|row| row.name.clone()).unwrap_or_default();
        placed.extend(ranges.into_iter().map(|ranges| (name.clone(), ranges)));
        files.extend(row.map(|row| (FileKind::Master, row)));
    }
    let missing = missing(order, survey, &placed, source)?;
    let told = told(order, &missing, source)?;
    let streams = entries(order, survey, &placed, &told);
    let delivered = delivered(survey, &placed);
    let rows: Vec<MissingRow> = missing.iter().map(|(stream, hole)| missing_row(*stream, hole)).collect();
    let masters: Vec<&FileRow> = files.iter().map(|(_, row)| row).collect();
    let report = certificate::Report { export, order, maker, masters: &masters, delivered, missing: &rows };
    let texts = [("certificate-en.txt", report.english()), ("certificate-km.txt", report.khmer())];
    let texts = texts.iter().map(|(name, text)| (*name, text.as_bytes()));
    for named in texts.chain(maker.files.iter().copied()) {
        files.push((FileKind::Other, staging.put(export, named, false)?));
    }
    files.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
    let manifest = Manifest {
        case: order.case.clone(),
        delivered: interval(delivered.unwrap_or(TimeRange { start: order.range.start, end: order.range.start })),
        copy_class: None,
        files: files.iter().map(|(kind, row)| file_entry(*kind, row)).collect(),
        format: MANIFEST_FORMAT.to_owned(),
        origin: maker.origin.clone(),
        redaction: None,
        requested: interval(order.range),
        software: maker.software.clone(),
        streams,
    };
    let numbers = manifest.streams.iter().flat_map(|s| s.gaps.iter().copied().chain(s.segments.iter().map(|s| s.leaf)));
    let numbers: std::collections::BTreeSet<u64> = numbers.collect();
    let json = to_json(&manifest);
    if let Err(why) = Manifest::parse(&json) {
        return Err(Error::new(Kind::Internal, format!("making export {export}: {why}")));
    }
    let row = staging.put(export, (MANIFEST, &json), false)?;
    staging.finish(export)?;
    let mut files: Vec<FileRow> = files.into_iter().map(|(_, row)| row).chain([row]).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Made {
        manifest_sha256: hex(&sha256(&json)),
        files,
        delivered,
        missing: rows,
        leaves: numbers.into_iter().collect(),
        runs: u64::try_from(placed.iter().map(|(_, runs)| runs.len()).sum::<usize>()).unwrap_or(u64::MAX),
        at: maker.now,
        witnesses: Vec::new(),
        proven: None,
    })
}

/// A master, if there is footage, and for each stream the runs in it with their places.
type Written = (Option<FileRow>, Vec<BTreeMap<At, Ranges>>);

/// The master of one camera; `None` when there is no footage of it.
fn master(
    (export, order, camera): (u64, &Order, &CameraOf),
    streams: &[&Gathered],
    maker: &Maker<'_>,
    source: &mut dyn Source,
    staging: &Staging,
) -> Result<Written> {
    let chosen: Vec<Chosen<'_>> =
        streams.iter().map(|gathered| Chosen { stream: &gathered.stream, runs: &gathered.runs }).collect();
    if chosen.iter().all(|chosen| chosen.runs.is_empty()) {
        return Ok((None, streams.iter().map(|_| BTreeMap::new()).collect()));
    }
    let note = ExportNote {
        unit: maker.origin.clone(),
        time: maker.now,
        operator: format!("account {}", order.account),
        camera: camera.name.clone(),
        start: order.range.start,
    };
    let room = maker.sealer.map(Sealer::room);
    let mut file = staging.file(export, &format!("camera-{}.mp4", camera.camera), false)?;
    let mut read = |index: usize, at: At| {
        let Some(gathered) = streams.get(index) else { return Ok(None) };
        match source.read(gathered.stream.stream, at) {
            Ok(bytes) => {
                source.go_on(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
                Ok(Some(bytes))
            }
            // It is withheld, and the certificate says so.
            Err(error) if error.kind == Kind::Corrupt => Ok(None),
            Err(error) => Err(error),
        }
    };
    let written = master::write(&chosen, &note, room.as_ref(), &mut read, &mut |bytes| file.write(bytes))?;
    let mut tail = written.tail;
    if let Some(sealer) = maker.sealer {
        let signature = sealer.sign(&file.digest_with(&tail))?;
        match tail.get_mut(written.signature.clone()) {
            Some(place) if place.len() == signature.len() => place.copy_from_slice(&signature),
            _ => return Err(Error::new(Kind::Internal, "sealing a master: the signature does not fit its place")),
        }
    }
    file.write(&tail)?;
    Ok((Some(file.finish()?), written.ranges))
}

/// Ranges of the runs of a stream that are in the bundle.
fn given(gathered: &Gathered, placed: &BTreeMap<At, Ranges>) -> Vec<TimeRange> {
    placed.keys().filter_map(|at| gathered.stream.near(*at)).map(crate::plan::Near::range).collect()
}

pub(crate) fn delivered(survey: &Survey, placed: &Placed) -> Option<TimeRange> {
    let all = survey.streams.iter().zip(placed).flat_map(|(gathered, (_, runs))| given(gathered, runs));
    all.reduce(|a, b| TimeRange { start: a.start.min(b.start), end: a.end.max(b.end) })
}

/// What is missing of each stream.
pub(crate) fn missing(
    order: &Order,
    survey: &Survey,
    placed: &Placed,
    source: &mut dyn Source,
) -> Result<Vec<(StreamId, Hole)>> {
    let mut missing = Vec::new();
    for (gathered, (_, runs)) in survey.streams.iter().zip(placed) {
        let stream = gathered.stream.stream;
        let damaged = gathered.runs.iter().filter(|at| !runs.contains_key(at));
        let damaged = damaged.filter_map(|at| gathered.stream.near(*at));
        let mut known: Vec<Reason> =
            damaged.map(|near| Reason { range: near.range(), reason: DAMAGED.to_owned() }).collect();
        known.extend(source.reasons(stream, order.range)?);
        known.sort_by_key(|reason| reason.range.start);
        let found = holes(&given(gathered, runs), order.range, &known);
        missing.extend(found.into_iter().map(|hole| (stream, hole)));
    }
    Ok(missing)
}

/// The leaves that tell of what is missing, those of each stream in their order; those that the log does not have yet are written.
pub(crate) fn told(
    order: &Order,
    missing: &[(StreamId, Hole)],
    source: &mut dyn Source,
) -> Result<Vec<(StreamId, u64)>> {
    let mut all: Vec<(StreamId, Teller)> = Vec::new();
    let mut rest = missing;
    while let Some((stream, _)) = rest.first() {
        let len = rest.iter().take_while(|(of, _)| of == stream).count();
        let (its, after) = rest.split_at(len);
        rest = after;
        let its: Vec<Hole> = its.iter().map(|(_, hole)| hole.clone()).collect();
        let known = source.known(*stream, order.range)?;
        all.extend(tellers(&its, order.range, &known).into_iter().map(|teller| (*stream, teller)));
    }
    let new = all.iter().filter_map(|(stream, teller)| match teller {
        Teller::New(hole) => Some((*stream, hole.clone())),
        Teller::Leaf(_) => None,
    });
    let new: Vec<(StreamId, Hole)> = new.collect();
    let mut written = if new.is_empty() { Vec::new() } else { source.tell(&new)? }.into_iter();
    let few = || Error::new(Kind::Internal, "telling of missing time: the log has fewer entries than were written");
    let number = |(stream, teller)| match teller {
        Teller::Leaf(leaf) => Ok((stream, leaf)),
        Teller::New(_) => Ok((stream, written.next().ok_or_else(few)?)),
    };
    all.into_iter().map(number).collect()
}

pub(crate) fn missing_row(stream: StreamId, hole: &Hole) -> MissingRow {
    MissingRow {
        camera: stream.camera,
        is_sound: stream.role == TrackRole::MainAudio,
        range: TimeRange { start: hole.start.min(hole.end), end: hole.end },
        reason: hole.reason.clone(),
    }
}

fn entries(order: &Order, survey: &Survey, placed: &Placed, told: &[(StreamId, u64)]) -> Vec<StreamEntry> {
    let name = |camera: CameraId| {
        order.cameras.iter().find(|of| of.camera == camera).map(|of| of.name.clone()).unwrap_or_default()
    };
    let mut streams: Vec<StreamEntry> = Vec::new();
    for (gathered, (file, runs)) in survey.streams.iter().zip(placed) {
        let stream = gathered.stream.stream;
        streams.push(StreamEntry {
            camera: name(stream.camera),
            gaps: told.iter().filter(|(of, _)| *of == stream).map(|(_, leaf)| *leaf).collect(),
            segments: segments(gathered, file, runs),
            stream: stream.to_u32(),
        });
    }
    streams.sort_by_key(|stream| stream.stream);
    streams
}

fn segments(gathered: &Gathered, file: &str, runs: &BTreeMap<At, Ranges>) -> Vec<SegmentEntry> {
    let mut segments = Vec::new();
    for (index, segment) in gathered.stream.segments.iter().enumerate() {
        if !runs.keys().any(|at| at.segment == index) {
            continue;
        }
        let entry = |(run, logged): (usize, &Logged)| match (logged, runs.get(&At { segment: index, run })) {
            (Logged::Near(near), Some(ranges)) => {
                let statement = &near.statement;
                RunOrHash::Run(RunEntry {
                    clock: statement.clock,
                    file: file.to_owned(),
                    first_dts: statement.first_dts,
                    first_utc_ns: statement.first_utc_ns.to_string(),
                    length: statement.length,
                    ranges: ranges.clone(),
                    samples: statement.samples,
                    sha256: hex(&statement.sha256),
                    table: base64(&near.table),
                })
            }
            (Logged::Near(near), None) => RunOrHash::Withheld(Withheld { withheld: hex(&near.statement.hash()) }),
            (Logged::Far(hash), _) => RunOrHash::Withheld(Withheld { withheld: hex(hash) }),
        };
        let runs = segment.runs.iter().enumerate().map(entry).collect();
        segments.push(SegmentEntry { leaf: segment.leaf, runs });
    }
    segments
}

pub(crate) fn interval(range: TimeRange) -> Interval {
    Interval { end_ns: range.end.0.to_string(), start_ns: range.start.0.to_string() }
}

pub(crate) fn file_entry(kind: FileKind, row: &FileRow) -> FileEntry {
    FileEntry { bytes: row.bytes, kind, name: row.name.clone(), sha256: row.sha256.clone() }
}

/// Proofs of `leaves`, the last of which is the export's: `entry` gives a leaf with its way up.
///
/// # Errors
/// What `entry` says.
pub fn proofs(
    leaves: &[u64],
    export: u64,
    entry: &mut dyn FnMut(u64) -> Result<watchbook_evidence::bundle::LeafEntry>,
) -> Result<Vec<u8>> {
    let mut numbers: Vec<u64> = leaves.iter().copied().chain([export]).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let leaves = numbers.into_iter().map(entry).collect::<Result<Vec<_>>>()?;
    Ok(to_json(&Proofs { export, format: PROOFS_FORMAT.to_owned(), leaves }))
}

#[cfg(test)]
mod tests;
