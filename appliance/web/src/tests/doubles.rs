//! The ports in memory. Each checks what its trait says it must check.

mod backups;
mod devices;
mod exports;
mod log;
mod plugins;
mod policies;
mod proposals;
mod rederive;
mod report;
mod storage;
mod thumbnails;
mod transcoders;

pub(super) use backups::MemoryBackups;
pub(super) use exports::{MANIFEST, SINK};
pub(super) use log::{CHECKPOINT, SIGNED};
pub(super) use plugins::{KEY, MemoryPlugins, OTHER_KEY, PLUGIN, WAITING};
pub(super) use policies::{MemoryPolicies, policy_sha256};
pub(super) use proposals::{MemoryProposals, proposal};
pub(super) use rederive::{EVENT, MemoryRederivations};
pub(super) use report::REPORT;
pub(super) use storage::{DISK, FOUND, MemoryHolds, damaged};
pub(super) use transcoders::MemoryTranscoders;

use crate::api;
use crate::error::Error;
use crate::ports::*;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use watchbook_access::{Action, AuditEntry, AuditError, AuditLog, Grant};
use watchbook_base::{
    CameraId, Event, EventSource, Gap, GapReason, Kind, StreamId, Ticks90k, TimeRange, TrackRole, UtcNanos,
};
use watchbook_media::{
    Codec, RecordingId, RunTable, Sample, SourceError, SpanSource, SpanSummary, SpanTable, TrackFormat,
};

/// A Tuesday in 2026, on a whole five minutes.
pub(super) const START_MS: i64 = 1_795_478_400_000;

type Rows = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

#[derive(Default)]
pub(super) struct MemoryRegister {
    pub(super) rows: Mutex<Rows>,
    pub(super) broken: AtomicBool,
    pub(super) writes: AtomicUsize,
    /// A disk that takes its time: held by a test, it makes writes wait.
    pub(super) slow: Mutex<()>,
}

impl Register for MemoryRegister {
    fn list(&self, space: Space) -> Result<Vec<RegisterRow>, Error> {
        let rows = self.rows.lock().unwrap();
        Ok(rows
            .iter()
            .filter(|((of, _), _)| *of == space)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect())
    }

    fn write(&self, changes: &[Change]) -> Result<(), Error> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Io, "the register's disk is read-only"));
        }
        self.writes.fetch_add(1, Ordering::SeqCst);
        drop(self.slow.lock().unwrap());
        let mut rows = self.rows.lock().unwrap();
        for change in changes {
            match change.clone() {
                Change::Put { space, key, value } => drop(rows.insert((space, key), value)),
                Change::Remove { space, key } => drop(rows.remove(&(space, key))),
            }
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct MemoryAudit {
    pub(super) entries: Mutex<Vec<AuditEntry>>,
    /// Bodies of footage leaves.
    pub(super) footage: Mutex<Vec<Vec<u8>>>,
    pub(super) broken: AtomicBool,
}

impl MemoryAudit {
    pub(super) fn count(&self) -> usize {
        self.entries.lock().unwrap().len()
    }

    pub(super) fn since(&self, from: usize) -> Vec<AuditEntry> {
        self.entries.lock().unwrap()[from..].to_vec()
    }
}

impl AuditLog for MemoryAudit {
    fn append(&self, entry: &AuditEntry) -> Result<u64, AuditError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(AuditError("read-only".into()));
        }
        let mut entries = self.entries.lock().unwrap();
        entries.push(entry.clone());
        Ok(entries.len() as u64 - 1)
    }
}

impl AuditBook for MemoryAudit {
    fn page(&self, kind: AuditKind, before: Option<u64>, limit: usize) -> Result<AuditPage, Error> {
        let bodies: Vec<Vec<u8>> = match kind {
            AuditKind::People => {
                self.entries.lock().unwrap().iter().map(|entry| serde_json::to_vec(entry).unwrap()).collect()
            }
            AuditKind::Footage | AuditKind::All => self.footage.lock().unwrap().clone(),
        };
        let end = before.map_or(bodies.len(), |before| (before as usize).min(bodies.len()));
        let record = |index: usize| AuditRecord {
            index: index as u64,
            at: UtcNanos::from_ms(START_MS + index as i64),
            entry_json: bodies[index].clone(),
        };
        let records: Vec<AuditRecord> = (0..end).rev().take(limit).map(record).collect();
        let next = records.last().map(|last| last.index).filter(|index| *index > 0);
        Ok(AuditPage { records, next })
    }
}

/// Cameras, plugins, events and health; counts every call.
#[derive(Default)]
pub(super) struct MemoryBox {
    pub(super) cameras: Mutex<BTreeMap<CameraId, CameraConfig>>,
    pub(super) probes: Mutex<Vec<CameraProbe>>,
    pub(super) events: Mutex<Vec<Event>>,
    pub(super) plugins: Mutex<MemoryPlugins>,
    pub(super) proposals: Mutex<MemoryProposals>,
    pub(super) rederivations: Mutex<MemoryRederivations>,
    pub(super) turned: Mutex<Vec<(CameraId, api::PtzRequest)>>,
    pub(super) turned_again: Condvar,
    pub(super) device_alarms: Mutex<Vec<api::Alarm>>,
    pub(super) certificate: Mutex<Option<api::CertificateFacts>>,
    pub(super) machine_alarms: Mutex<Vec<api::Alarm>>,
    pub(super) calls: AtomicUsize,
    /// Small pictures that were made.
    pub(super) pictures: AtomicUsize,
    /// Who asked for export 1, when it is not account 3. Account 8 asked for export 8.
    pub(super) asked_by: Mutex<Option<u32>>,
    /// A change by somebody else, made just before the next update.
    pub(super) before_update: Mutex<Option<OtherChange>>,
}

pub(super) type OtherChange = Box<dyn FnOnce(&mut CameraConfig) + Send>;

impl MemoryBox {
    fn called(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }

    /// An event of `kind` at this moment.
    pub(super) fn happens(&self, camera: u32, kind: &str, at_ms: i64) {
        let source = EventSource {
            plugin: "org.watchbook.motion".into(),
            version: "0.1.0".into(),
            component_sha256: "00".repeat(32),
            settings_sha256: "11".repeat(32),
        };
        self.events.lock().unwrap().push(Event {
            camera: CameraId::new(camera).unwrap(),
            kind: kind.into(),
            score: 1.0,
            start: UtcNanos::from_ms(at_ms),
            end: None,
            zone: None,
            detections: vec![],
            note: String::new(),
            source,
            lead: None,
            camera_clock: None,
        });
    }

    fn row(id: CameraId, config: &CameraConfig) -> CameraRow {
        let mut state = api::StreamState::bare(api::StreamStatus::Live, START_MS);
        // As a library or a camera may quote it.
        state.detail = Some(format!("no answer to DESCRIBE {}", config.main.url));
        let sub = config.sub.is_some().then(|| state.clone());
        CameraRow {
            id,
            config: config.clone(),
            state: api::CameraStates { main: state, sub, sight: None },
            device: None,
        }
    }
}

impl Cameras for MemoryBox {
    fn list(&self) -> Result<Vec<CameraRow>, Error> {
        self.called();
        Ok(self.cameras.lock().unwrap().iter().map(|(id, config)| Self::row(*id, config)).collect())
    }

    fn get(&self, camera: CameraId) -> Result<CameraRow, Error> {
        self.called();
        let cameras = self.cameras.lock().unwrap();
        let config = cameras.get(&camera).ok_or_else(|| Error::not_found(format!("there is no camera {camera}")))?;
        Ok(Self::row(camera, config))
    }

    fn create(&self, config: CameraConfig) -> Result<CameraRow, Error> {
        self.called();
        let mut cameras = self.cameras.lock().unwrap();
        let id = CameraId::new(cameras.keys().last().map_or(1, |last| last.get() + 1)).unwrap();
        let row = Self::row(id, &config);
        cameras.insert(id, config);
        Ok(row)
    }

    fn update(&self, camera: CameraId, change: CameraChange<'_>) -> Result<CameraRow, Error> {
        self.called();
        if let Some(other) = self.before_update.lock().unwrap().take() {
            other(self.cameras.lock().unwrap().get_mut(&camera).unwrap());
        }
        let mut cameras = self.cameras.lock().unwrap();
        let config =
            cameras.get_mut(&camera).ok_or_else(|| Error::not_found(format!("there is no camera {camera}")))?;
        let mut changed = config.clone();
        change(&mut changed)?;
        *config = changed;
        Ok(Self::row(camera, config))
    }

    fn remove(&self, camera: CameraId) -> Result<(), Error> {
        self.called();
        let removed = self.cameras.lock().unwrap().remove(&camera);
        removed.map(drop).ok_or_else(|| Error::not_found(format!("there is no camera {camera}")))
    }

    fn test(&self, probe: CameraProbe) -> Result<api::CameraTestReport, Error> {
        self.called();
        let problem = api::TestProblem {
            reason: GapReason::CameraDenied,
            detail: format!("the camera refuses the password for {}", probe.main.url),
            certificate_sha256: None,
            next_step: "Check the password.".into(),
        };
        self.probes.lock().unwrap().push(probe);
        Ok(api::CameraTestReport { ok: false, main: None, sub: None, problem: Some(problem), picture: None })
    }

    fn clock(&self, camera: CameraId, limit: usize) -> Result<Vec<api::ClockReading>, Error> {
        self.called();
        let reading = |at: i64| api::ClockReading { at_utc_ms: at, offset_ms: -at, drift_ppm: None, step: at == 2 };
        let known = self.cameras.lock().unwrap().contains_key(&camera);
        let readings = (1..=3).rev().map(reading).take(limit).collect();
        known.then_some(readings).ok_or_else(|| Error::not_found(format!("there is no camera {camera}")))
    }

    fn search(&self) -> Result<Vec<api::FoundDevice>, Error> {
        self.called();
        Ok(Vec::new())
    }

    fn local(&self) -> Result<Vec<api::LocalCamera>, Error> {
        self.called();
        Ok(Vec::new())
    }

    fn inspect(&self, probe: DeviceProbe) -> Result<api::DeviceReport, Error> {
        self.called();
        let problem = api::TestProblem {
            reason: GapReason::CameraDenied,
            detail: format!("the camera at {} refuses the password", probe.url),
            certificate_sha256: None,
            next_step: "Check the password.".into(),
        };
        Ok(api::DeviceReport { device: None, problem: Some(problem) })
    }
}

impl Events for MemoryBox {
    fn query(&self, grant: &Grant, query: &EventQuery) -> Result<EventPage, Error> {
        self.called();
        assert!(matches!(grant.action(), Action::SearchEvents { .. }));
        let mut cameras = query.cameras.iter().flatten();
        assert!(grant.covers_events(None) || cameras.all(|camera| grant.covers_events(Some(*camera))));
        let wanted = |event: &&Event| {
            query.cameras.as_ref().is_none_or(|cameras| cameras.contains(&event.camera))
                && query.kind.as_ref().is_none_or(|kind| *kind == event.kind)
                && query.zone.as_ref().is_none_or(|zone| event.zone.as_ref() == Some(zone))
                && query.plugin.as_ref().is_none_or(|plugin| *plugin == event.source.plugin)
                && query.range.contains(event.start)
        };
        let events = self.events.lock().unwrap();
        let found = events.iter().filter(wanted).enumerate().map(|(id, event)| (id as u64, event.clone()));
        Ok(EventPage { events: found.collect(), next: None })
    }
}

/// Ten spans of 60 s at 25 pictures a second, a key frame every 2 s, on the main stream of camera 1 from [`START_MS`] on.
pub(super) struct MemoryFootage {
    format: Arc<TrackFormat>,
    pub(super) opened: Mutex<Vec<TimeRange>>,
    pub(super) damaged: Mutex<Vec<Damaged>>,
    pub(super) impaired: Mutex<ImpairedList>,
}

const SAMPLE_BYTES: u32 = 300;
const SAMPLES: u32 = 1500;
const SPANS: i64 = 10;

pub(super) fn format() -> TrackFormat {
    // High profile, level 3.1; a made-up SPS and PPS that nothing here decodes.
    let config = [1, 0x64, 0, 0x1F, 0xFF, 0xE1, 0, 4, 0x67, 0x64, 0, 0x1F, 1, 0, 2, 0x68, 0xEE];
    TrackFormat { codec: Codec::H264 { width: 640, height: 360 }, config: Bytes::copy_from_slice(&config) }
}

impl Default for MemoryFootage {
    fn default() -> Self {
        Self {
            format: Arc::new(format()),
            opened: Mutex::default(),
            damaged: Mutex::default(),
            impaired: Mutex::default(),
        }
    }
}

impl MemoryFootage {
    fn span(&self, index: i64) -> SpanSummary {
        let ticks = 60 * 90_000;
        SpanSummary {
            stream: CameraId::new(1).unwrap().stream(TrackRole::MainVideo),
            recording: RecordingId(5),
            format: Arc::clone(&self.format),
            first_dts: Ticks90k(index * ticks),
            end_dts: Ticks90k((index + 1) * ticks),
            start_utc: UtcNanos::from_ms(START_MS + index * 60_000),
            sample_count: SAMPLES,
            key_count: SAMPLES / 50,
            run_count: 1,
            byte_count: u64::from(SAMPLES * SAMPLE_BYTES),
            has_cts: false,
            has_lost: false,
            locator: index as u64,
        }
    }

    fn may_list(grant: &Grant, stream: StreamId) -> Result<(), Error> {
        match grant.covers_timeline(stream.camera) {
            true => Ok(()),
            false => Err(Error::new(Kind::Denied, "the grant is for something else")),
        }
    }
}

impl Footage for MemoryFootage {
    fn spans(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Vec<SpanSummary>, Error> {
        Self::may_list(grant, stream)?;
        let all = (0..SPANS).map(|index| self.span(index));
        Ok(all.filter(|span| span.stream == stream && span.range().overlaps(range)).collect())
    }

    fn gaps(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Vec<Gap>, Error> {
        Self::may_list(grant, stream)?;
        let end = UtcNanos::from_ms(START_MS + SPANS * 60_000);
        let gap = Gap {
            stream,
            range: TimeRange { start: end, end: end.plus_nanos(7_000_000_000) },
            reason: GapReason::CameraGone,
        };
        Ok([gap].into_iter().filter(|gap| gap.range.overlaps(range)).collect())
    }

    fn extent(&self, grant: &Grant, stream: StreamId) -> Result<Option<TimeRange>, Error> {
        Self::may_list(grant, stream)?;
        Ok(Some(TimeRange { start: self.span(0).range().start, end: self.span(SPANS - 1).range().end }))
    }

    fn damaged(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Vec<Damaged>, Error> {
        Self::may_list(grant, stream)?;
        let damaged = self.damaged.lock().unwrap().clone();
        Ok(damaged.into_iter().filter(|found| found.stream == stream && found.range.overlaps(range)).collect())
    }

    fn impaired(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<ImpairedList, Error> {
        Self::may_list(grant, stream)?;
        let mut found = self.impaired.lock().unwrap().clone();
        found.list.retain(|one| stream.role == TrackRole::MainVideo && one.range.overlaps(range));
        Ok(found)
    }

    fn open(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Arc<dyn SpanSource>, Error> {
        if !grant.covers_footage(stream.camera, range) {
            return Err(Error::new(Kind::Denied, "the grant is for something else"));
        }
        self.opened.lock().unwrap().push(range);
        Ok(Arc::new(Pattern))
    }
}

/// Sample bytes that tell where they come from.
struct Pattern;

impl SpanSource for Pattern {
    fn table(&self, span: &SpanSummary) -> Result<Arc<SpanTable>, SourceError> {
        let sample = |index: u32| Sample {
            dts: span.first_dts + Ticks90k(i64::from(index) * 3600),
            cts_offset: 0,
            size_bytes: SAMPLE_BYTES,
            key: index.is_multiple_of(50),
            lost_before: 0,
        };
        Ok(Arc::new(SpanTable { runs: vec![RunTable { samples: (0..SAMPLES).map(sample).collect() }] }))
    }

    fn read(&self, span: &SpanSummary, offset: u64, len: u64) -> Result<Bytes, SourceError> {
        let byte = |at: u64| (at * 31 + span.locator * 7) as u8;
        Ok((offset..offset + len).map(byte).collect())
    }
}
