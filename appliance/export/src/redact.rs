//! Redacted copies: what was recorded, decoded, made black where it must be, and encoded anew. No byte of a master is in one, and nobody can take one for a master.
//!
//! The bundle has the same proofs as one with masters: the runs that the copy was made of stand in its manifest as the log has them, without their samples. `appliance/evidence/FORMAT.md`
//! draws it.

pub mod copy;
pub mod notice;

use crate::bundle::{
    Gathered, Maker, Placed, Source, Survey, delivered, file_entry, interval, missing, missing_row, told,
};
use crate::job::{CameraOf, FileRow, Made, MissingRow, Order};
use crate::plan::{At, Logged, Near};
use crate::staging::Staging;
use crate::{Error, Result};
use copy::Copy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use watchbook_base::{Kind, Ticks90k, TimeRange, TrackRole, UtcNanos};
use watchbook_evidence::bundle::redaction::{Corner, MasterLink, Region};
use watchbook_evidence::bundle::{
    FileKind, MANIFEST, Manifest, REDACTED, REDACTED_FORMAT, Redaction, RunOrHash, SegmentEntry, SourceRun,
    StreamEntry, Withheld, to_json,
};
use watchbook_evidence::{hex, sha256};
use watchbook_media::TrackFormat;

/// Longest interval of one copy. On two cores that record nothing else, a minute of 1920×1080 takes about as long.
pub const MINUTES_MAX: i64 = 15;
/// Bytes of a copy that are expected for a byte of footage, with room for an encoder that needs more of them than the camera's.
pub const GROWTH: u64 = 2;
/// Pictures whose time is remembered until they are decoded: more than any decoder holds back.
const PENDING_MAX: usize = 256;

/// What is to be black.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Everything but the regions is made black.
    pub everything_but: bool,
    /// See [`Region`].
    pub regions: Vec<Region>,
    /// The master of the same time that the copy goes with, when there is one.
    pub master: Option<MasterLink>,
}

/// What is made black in one picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Polygons.
    pub outlines: Vec<Vec<Corner>>,
    /// Everything but them; without polygons the whole picture.
    pub but: bool,
}

impl Wish {
    /// What is black in a picture that is shown from the one moment until before the other.
    #[must_use]
    pub fn fill(&self, shown: (UtcNanos, UtcNanos)) -> Fill {
        let shown = (shown.0.0, shown.1.0);
        let outlines = self.regions.iter().filter_map(|region| region.cover(shown, self.everything_but)).collect();
        Fill { outlines, but: self.everything_but }
    }
}

/// Takes the next picture of the copy: the time of the one that it was made of, H.264 in Annex B, shown at once, and whether another encoder made it than the one before, because the
/// pictures have another size. Its error gives the copy up.
pub type OnCoded<'a> = dyn FnMut(UtcNanos, &[u8], bool) -> Result<()> + 'a;

/// An access unit as it is stored.
pub struct Unit<'a> {
    /// UTC of presentation.
    pub utc: UtcNanos,
    /// Decoding can start here.
    pub key: bool,
    /// Its bytes.
    pub data: &'a [u8],
    /// What is made black in its picture; `None`: it does not belong into the copy.
    pub fill: Option<Fill>,
}

/// Who decodes, fills and encodes. Blocking.
pub trait Redactor {
    /// Begins a recording; `fps`: its pictures a second, about.
    ///
    /// # Errors
    /// When its program cannot be spoken to.
    fn open(&mut self, format: &TrackFormat, fps: u32) -> Result<()>;

    /// One access unit, the first of a recording a key picture. A unit that cannot be decoded is passed over.
    ///
    /// # Errors
    /// When the programs end, the pictures cannot be encoded, and what `on` says.
    fn feed(&mut self, unit: Unit<'_>, on: &mut OnCoded<'_>) -> Result<()>;

    /// The recording ends: everything that is on its way comes.
    ///
    /// # Errors
    /// As [`Redactor::feed`].
    fn drain(&mut self, on: &mut OnCoded<'_>) -> Result<()>;

    /// The name of the encoder; empty before the first picture.
    fn encoder(&self) -> String;

    /// Whether a picture has come to which black was added, because its width or height is odd.
    fn padded(&self) -> bool;
}

/// The pictures of the one camera alone: sound is not part of a redacted copy.
#[must_use]
pub fn pictures(survey: Survey) -> Survey {
    let is_picture = |gathered: &Gathered| gathered.stream.stream.role == TrackRole::MainVideo;
    let streams: Vec<Gathered> = survey.streams.into_iter().filter(is_picture).take(1).collect();
    let near = streams.iter().flat_map(|gathered| gathered.runs.iter().filter_map(|at| gathered.stream.near(*at)));
    let bytes = near.map(|near| near.bytes).sum();
    Survey { bytes, streams, without_leaf: survey.without_leaf }
}

/// Where it is made: the number of the export, and its files.
pub type Place<'a> = (u64, &'a Staging);

/// Writes everything but proofs and checkpoint, and gives the bundle its name.
///
/// # Errors
/// What `source`, `redactor` and the disk say; `InvalidInput` when the order has no wish or not one camera; then nothing is left of it but what the next attempt removes.
pub fn make(
    (export, staging): Place<'_>,
    (order, survey): (&Order, &Survey),
    maker: &Maker<'_>,
    source: &mut dyn Source,
    redactor: &mut dyn Redactor,
) -> Result<Made> {
    let wrong = || Error::new(Kind::InvalidInput, format!("making redacted copy {export}: it is of no one camera"));
    let wish = order.redaction.as_ref().ok_or_else(wrong)?;
    let [camera] = &order.cameras[..] else { return Err(wrong()) };
    let gathered = survey.streams.first().ok_or_else(wrong)?;
    staging.begin(export)?;
    let mut copy = Copy::new((export, staging), camera.camera, (order.range, maker.now));
    let used = Filling::new(order, wish, gathered, &mut copy).run(source, redactor)?;
    let (rows, frames) = copy.finish()?;
    let file = rows.first().map(|row| row.name.clone()).unwrap_or_default();
    let placed: Placed = vec![(file, used.runs.iter().map(|at| (*at, Vec::new())).collect())];
    let missing = missing(order, survey, &placed, source)?;
    let leaves: Vec<u64> = told(order, &missing, source)?.into_iter().map(|(_, leaf)| leaf).collect();
    let redaction = Redaction {
        encoder: redactor.encoder(),
        everything_but: wish.everything_but,
        frames,
        left_out: used.expected.saturating_sub(frames),
        master: wish.master.clone(),
        padded: redactor.padded().then_some(true),
        regions: wish.regions.clone(),
    };
    let delivered = delivered(survey, &placed).map(|range| within(range, order.range));
    let missing_rows: Vec<MissingRow> = missing.iter().map(|(stream, hole)| missing_row(*stream, hole)).collect();
    let notice =
        notice::Notice { export, order, maker, redaction: &redaction, files: &rows, delivered, missing: &missing_rows };
    let texts = [("notice-en.txt", notice.english()), ("notice-km.txt", notice.khmer())];
    let files = with_others((export, staging), rows, &texts, maker)?;
    let stream = entry(camera, gathered, &used.runs, leaves);
    let leaves = leaves_of(&stream);
    let manifest = Manifest {
        case: order.case.clone(),
        copy_class: Some(REDACTED.to_owned()),
        delivered: interval(delivered.unwrap_or(TimeRange { start: order.range.start, end: order.range.start })),
        files: files.iter().map(|(kind, row)| file_entry(*kind, row)).collect(),
        format: REDACTED_FORMAT.to_owned(),
        origin: maker.origin.clone(),
        redaction: Some(redaction),
        requested: interval(order.range),
        software: maker.software.clone(),
        streams: vec![stream],
    };
    let json = to_json(&manifest);
    if let Err(why) = Manifest::parse(&json) {
        return Err(Error::new(Kind::Internal, format!("making redacted copy {export}: {why}")));
    }
    let row = staging.put(export, (MANIFEST, &json), false)?;
    staging.finish(export)?;
    let mut files: Vec<FileRow> = files.into_iter().map(|(_, row)| row).chain([row]).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Made {
        manifest_sha256: hex(&sha256(&json)),
        files,
        delivered,
        missing: missing_rows,
        leaves,
        runs: u64::try_from(used.runs.len()).unwrap_or(u64::MAX),
        at: maker.now,
        witnesses: Vec::new(),
        proven: None,
    })
}

/// What of `range` lies in `bounds`.
fn within(range: TimeRange, bounds: TimeRange) -> TimeRange {
    let inside = |at: UtcNanos| at.clamp(bounds.start, bounds.end);
    TimeRange { start: inside(range.start), end: inside(range.end) }
}

/// The copy's files, with what is written beside them, by name.
fn with_others(
    (export, staging): Place<'_>,
    rows: Vec<FileRow>,
    texts: &[(&'static str, String)],
    maker: &Maker<'_>,
) -> Result<Vec<(FileKind, FileRow)>> {
    let mut files: Vec<(FileKind, FileRow)> = rows.into_iter().map(|row| (FileKind::Working, row)).collect();
    let written = texts.iter().map(|(name, text)| (*name, text.as_bytes()));
    for named in written.chain(maker.files.iter().copied()) {
        files.push((FileKind::Other, staging.put(export, named, false)?));
    }
    files.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
    Ok(files)
}

/// The log's leaves that a stream of the manifest names, each once.
fn leaves_of(stream: &StreamEntry) -> Vec<u64> {
    let all = stream.gaps.iter().copied().chain(stream.segments.iter().map(|segment| segment.leaf));
    all.collect::<std::collections::BTreeSet<u64>>().into_iter().collect()
}

fn entry(camera: &CameraOf, gathered: &Gathered, used: &[At], gaps: Vec<u64>) -> StreamEntry {
    let mut segments = Vec::new();
    for (segment, logged) in gathered.stream.segments.iter().enumerate() {
        if !used.iter().any(|at| at.segment == segment) {
            continue;
        }
        let run = |(run, logged): (usize, &Logged)| match logged {
            Logged::Near(near) if used.contains(&At { segment, run }) => RunOrHash::Source(source_run(near)),
            Logged::Near(near) => RunOrHash::Withheld(Withheld { withheld: hex(&near.statement.hash()) }),
            Logged::Far(hash) => RunOrHash::Withheld(Withheld { withheld: hex(hash) }),
        };
        let runs = logged.runs.iter().enumerate().map(run).collect();
        segments.push(SegmentEntry { leaf: logged.leaf, runs });
    }
    StreamEntry { camera: camera.name.clone(), gaps, segments, stream: gathered.stream.stream.to_u32() }
}

fn source_run(near: &Near) -> SourceRun {
    let statement = &near.statement;
    SourceRun {
        clock: statement.clock,
        first_dts: statement.first_dts,
        first_utc_ns: statement.first_utc_ns.to_string(),
        length: statement.length,
        samples: statement.samples,
        sha256: hex(&statement.sha256),
    }
}

/// What became of the footage.
struct Used {
    /// The runs that were read.
    runs: Vec<At>,
    /// Their pictures within what was asked for.
    expected: u64,
}

/// The work on one copy.
struct Filling<'a, 'b> {
    order: &'a Order,
    wish: &'a Wish,
    gathered: &'a Gathered,
    desk: Desk<'a, 'b>,
    /// Nothing but a key picture may come next.
    wait_key: bool,
    recording: Option<u64>,
    /// Decode time of the recording's first sample, and where that lies in the copy.
    base: (i64, i64),
    used: Used,
}

/// What takes the pictures of the copy.
struct Desk<'a, 'b> {
    copy: &'a mut Copy<'b>,
    /// Where pictures that are not decoded yet lie in the copy.
    pending: BTreeMap<UtcNanos, i64>,
}

impl Desk<'_, '_> {
    fn coded(&mut self, utc: UtcNanos, annex_b: &[u8], fresh: bool) -> Result<()> {
        let none = || Error::new(Kind::Corrupt, "making a redacted copy: a picture came that nobody asked for");
        let ticks = self.pending.get(&utc).copied().ok_or_else(none)?;
        // Pictures come in their order: those before it were not decoded.
        self.pending = self.pending.split_off(&utc);
        self.pending.remove(&utc);
        self.copy.picture(ticks, annex_b, fresh)
    }
}

impl<'a, 'b> Filling<'a, 'b> {
    fn new(order: &'a Order, wish: &'a Wish, gathered: &'a Gathered, copy: &'a mut Copy<'b>) -> Self {
        let desk = Desk { copy, pending: BTreeMap::new() };
        let used = Used { runs: Vec::new(), expected: 0 };
        Self { order, wish, gathered, desk, wait_key: true, recording: None, base: (0, 0), used }
    }

    fn run(mut self, source: &mut dyn Source, redactor: &mut dyn Redactor) -> Result<Used> {
        for at in &self.gathered.runs {
            let gathered = self.gathered;
            let gone =
                || Error::new(Kind::Internal, format!("redacting {}: a run is not there", gathered.stream.stream));
            let near = gathered.stream.near(*at).ok_or_else(gone)?;
            let segment = gathered.stream.segments.get(at.segment).ok_or_else(gone)?;
            let bytes = match source.read(gathered.stream.stream, *at) {
                Ok(bytes) => bytes,
                // What it had is missing, and the manifest says so; what depends on it cannot be decoded.
                Err(error) if error.kind == Kind::Corrupt => {
                    self.wait_key = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            source.go_on(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
            if self.recording != Some(segment.recording) {
                self.begin(near, segment.recording, redactor)?;
                redactor.open(&segment.format, fps(near))?;
            }
            self.feed(near, &bytes, redactor)?;
            self.used.runs.push(*at);
        }
        self.drain(redactor)?;
        Ok(self.used)
    }

    fn drain(&mut self, redactor: &mut dyn Redactor) -> Result<()> {
        let desk = &mut self.desk;
        redactor.drain(&mut |utc, annex_b, fresh| desk.coded(utc, annex_b, fresh))
    }

    /// Another recording: by UTC, and never before what is there already.
    fn begin(&mut self, near: &Near, recording: u64, redactor: &mut dyn Redactor) -> Result<()> {
        self.drain(redactor)?;
        self.desk.pending.clear();
        let by_utc = Ticks90k::from_nanos(near.range().start.nanos_since(self.order.range.start)).0;
        let at = by_utc.max(self.desk.copy.pause()?);
        (self.recording, self.base, self.wait_key) = (Some(recording), (near.statement.first_dts, at), true);
        Ok(())
    }

    fn feed(&mut self, near: &Near, bytes: &[u8], redactor: &mut dyn Redactor) -> Result<()> {
        let mut rest = bytes;
        let samples = near.samples()?.samples;
        let end = near.statement.first_dts.saturating_add(i64::from(near.statement.length));
        let nexts = samples.iter().skip(1).map(|next| next.dts.0).chain([end]);
        for (sample, next_dts) in samples.iter().zip(nexts) {
            let odd = || Error::new(Kind::Corrupt, "redacting a run: its table is of other samples");
            let len = usize::try_from(sample.size_bytes).unwrap_or(usize::MAX);
            let (data, behind) = rest.split_at_checked(len).ok_or_else(odd)?;
            rest = behind;
            let shown = sample.dts.0.saturating_add(i64::from(sample.cts_offset));
            let utc = near.utc_of(shown);
            let is_asked = self.order.range.start <= utc && utc < self.order.range.end;
            self.used.expected += u64::from(is_asked);
            if self.wait_key && !sample.key {
                continue;
            }
            self.wait_key = false;
            let (first_dts, base) = self.base;
            if is_asked {
                self.desk.pending.insert(utc, base.saturating_add(shown.saturating_sub(first_dts)));
            }
            if self.desk.pending.len() > PENDING_MAX {
                self.desk.pending.pop_first();
            }
            let until = near.utc_of(shown.saturating_add(next_dts.saturating_sub(sample.dts.0).max(0)));
            let fill = is_asked.then(|| self.wish.fill((utc, until)));
            let (unit, desk) = (Unit { utc, key: sample.key, data, fill }, &mut self.desk);
            redactor.feed(unit, &mut |utc, annex_b, fresh| desk.coded(utc, annex_b, fresh))?;
        }
        Ok(())
    }
}

/// Pictures a second of a run, about; at least 1.
fn fps(near: &Near) -> u32 {
    let (samples, length) = (u64::from(near.statement.samples), u64::from(near.statement.length).max(1));
    u32::try_from((samples * 90_000).div_ceil(length)).unwrap_or(u32::MAX).max(1)
}
