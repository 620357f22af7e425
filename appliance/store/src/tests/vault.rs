//! Holds and the vault on the simulated file system.

mod copies;
mod crash;
mod faults;
mod life;
mod losses;
mod proofs;
mod rot;
mod settling;
mod unreadable;

use super::harness::*;
use crate::alarm::{AlarmKind, Alarms};
use crate::committer::Committer;
use crate::disk::{Common, Start, Wanted, finish_disk, recover_disk};
use crate::error::{Error, Result};
use crate::format::Run;
use crate::kv::model::ModelKv;
use crate::kv::{Batch, Keys, Kv, Table};
use crate::reader::{PartList, Reader};
use crate::register::Register;
use crate::vault::{HoldKeys, Source, SourceList, Sources, Step, Vault, VaultConfig, VaultDeps, Worker};
use crate::writer::{Routes, Writer};
use crate::{HoldId, HoldInfo, HoldRequest, HoldState, MissingReason};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use watchbook_base::fs::sim::SimFs;
use watchbook_base::{Clock, GapReason, Kind, StreamId, TimeRange, UtcNanos};
use watchbook_media::RecordingEnd;

/// Keys that do not change the bytes: what counts here is which ones there are. Both copies of the real ones are synced before a call returns.
#[derive(Clone, Default)]
pub(crate) struct TestKeys(Arc<Mutex<(u32, BTreeSet<u32>)>>);

impl TestKeys {
    fn live(&self) -> BTreeSet<u32> {
        self.0.lock().unwrap().1.clone()
    }
}

impl HoldKeys for TestKeys {
    fn make(&self) -> Result<u32> {
        let mut keys = self.0.lock().unwrap();
        keys.0 += 1;
        let id = keys.0;
        keys.1.insert(id);
        Ok(id)
    }

    fn destroy(&self, key_id: u32) -> Result<()> {
        self.0.lock().unwrap().1.remove(&key_id);
        Ok(())
    }

    fn seal(&self, key_id: u32, run: &mut Run, payload: &mut Vec<u8>) -> Result<()> {
        if !self.live().contains(&key_id) {
            return Err(Error::new(Kind::NotFound, "the key is gone"));
        }
        run.crc = crc32c::crc32c(payload);
        Ok(())
    }

    fn open(&self, _: &Run, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

/// One box with a ring and a vault: what outlives a restart.
pub(crate) struct HoldBox {
    pub(crate) ring: Box_,
    pub(crate) fs: SimFs,
    pub(crate) kv: ModelKv,
    pub(crate) keys: TestKeys,
    pub(crate) quota_bytes: u64,
    pub(crate) register: Arc<Register>,
    /// What happens before each scan of the ring's index, and of the vault's.
    pub(crate) ring_hook: Hook,
    pub(crate) vault_hook: Hook,
    /// How the ring's disk is doing, as holds see it.
    pub(crate) disk: Arc<Mutex<Disk>>,
}

/// How the ring's disk is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Records,
    Away,
    GivenUp,
}

type OnScan = Box<dyn FnMut(Table) -> Result<()> + Send>;

/// Something that happens in the midst of reading an index; not while it happens already.
#[derive(Clone, Default)]
pub(crate) struct Hook(Arc<Mutex<Option<OnScan>>>);

impl Hook {
    pub(crate) fn set(&self, hook: impl FnMut(Table) -> Result<()> + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(hook));
    }

    pub(crate) fn clear(&self) {
        *self.0.lock().unwrap() = None;
    }

    fn call(&self, table: Table) -> Result<()> {
        let Some(mut hook) = self.0.lock().unwrap().take() else { return Ok(()) };
        let done = hook(table);
        *self.0.lock().unwrap() = Some(hook);
        done
    }
}

/// An index with a hook.
struct HookedKv(ModelKv, Hook);

impl Kv for HookedKv {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.0.get(table, key)
    }

    fn scan(&self, table: Table, keys: &Keys, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        self.1.call(table)?;
        self.0.scan(table, keys, visit)
    }

    fn write(&self, batch: &Batch, sync: bool) -> Result<()> {
        self.0.write(batch, sync)
    }

    fn renew(&self) -> Result<()> {
        self.0.renew()
    }
}

pub(crate) struct HoldParts {
    pub(crate) committer: Committer,
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
    pub(crate) vault: Arc<Vault>,
    pub(crate) worker: Worker,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) sealed_with: Option<Arc<crate::keys::Keys>>,
    /// The ring, as holds see it.
    pub(crate) source: Source,
}

impl HoldBox {
    /// Ring and vault on one disk.
    pub(crate) fn new(seed: u64) -> Self {
        let mut ring = Box_::new(seed);
        ring.sealed = false;
        let fs = ring.fs.clone();
        let (kv, keys) = (ModelKv::crashing(), TestKeys::default());
        let register = Arc::new(Register::on(Arc::new(ModelKv::new()), Arc::new(ring.clock.clone())).unwrap());
        let (ring_hook, vault_hook) = (Hook::default(), Hook::default());
        let disk = Arc::new(Mutex::new(Disk::Records));
        Self { ring, fs, kv, keys, quota_bytes: 1 << 30, register, ring_hook, vault_hook, disk }
    }

    /// Ring and vault are sealed.
    pub(crate) fn sealed(seed: u64) -> Self {
        let mut machine = Self::new(seed);
        machine.ring.sealed = true;
        machine
    }

    /// A vault on a disk of its own.
    pub(crate) fn with_own_disk(seed: u64) -> Self {
        Self { fs: SimFs::new(seed + 1), ..Self::new(seed) }
    }

    pub(crate) fn try_open(&self) -> Result<HoldParts> {
        let sealed_with = self.ring.sealed.then(|| self.ring.keys()).transpose()?;
        let kv: Arc<dyn Kv> = Arc::new(HookedKv(self.ring.kv.clone(), self.ring_hook.clone()));
        let index: crate::store::OpenIndex = Arc::new(move |_| Ok(kv.clone()));
        let deps = crate::Deps { keys: sealed_with.clone(), index, ..self.ring.deps() };
        let common = Common { keys: sealed_with.clone(), ..Common::default() };
        let recovered = recover_disk(&self.ring.config, &deps, &|disk| (deps.index)(disk), Wanted::default())?;
        common.hear_of(&recovered);
        let mut disk = finish_disk(recovered, &deps, (&common, 0), &|_, _| None, Start::Manual)?;
        let routes = Arc::new(Routes::new(common.clone(), self.ring.config.pending_bytes_max));
        routes.add(disk.shared.clone(), disk.part.capacity_bytes());
        let mut committer = *disk.take_committer().expect("it was started by hand");
        committer.finish_index();
        let parts = PartList::new(vec![disk.part.clone()].into());
        let source = Source { part: disk.part.clone(), shared: Some(disk.shared.clone()) };
        let (doing, listed) = (self.disk.clone(), source.clone());
        let sources: SourceList = Arc::new(move || match *doing.lock().unwrap() {
            Disk::Records => Sources { list: vec![listed.clone()], whole: true },
            Disk::Away => Sources { list: Vec::new(), whole: false },
            Disk::GivenUp => Sources { list: Vec::new(), whole: true },
        });
        let kv: Arc<dyn Kv> = Arc::new(HookedKv(self.kv.clone(), self.vault_hook.clone()));
        let vault_deps = VaultDeps {
            fs: Arc::new(self.fs.clone()),
            clock: deps.clock.clone(),
            keys: match &sealed_with {
                Some(keys) => keys.clone(),
                None => Arc::new(self.keys.clone()),
            },
            sealed_with: sealed_with.clone(),
            index: Arc::new(move |_| Ok(kv.clone())),
        };
        let config =
            VaultConfig { dir: "/vault".into(), quota_bytes: self.quota_bytes, register: Some(self.register.clone()) };
        let alarms = common.alarms.clone();
        let vault = Vault::new(config, vault_deps, (sources, parts.clone()), alarms.clone());
        let writer = Writer::new(routes, deps.clock.clone());
        let mut parts = HoldParts {
            committer,
            writer,
            reader: Reader::new(parts),
            vault: Arc::new(vault),
            worker: Worker::default(),
            alarms,
            sealed_with,
            source,
        };
        parts.settle();
        Ok(parts)
    }

    pub(crate) fn open(&self) -> HoldParts {
        self.try_open().unwrap()
    }

    /// What a check of the closed vault finds.
    pub(crate) fn check(&self) -> crate::vault::VaultReport {
        let vault = crate::vault::ClosedVault::open(Path::new("/vault"), Arc::new(self.fs.clone())).unwrap();
        let keys = (!self.ring.sealed).then_some(&self.keys as &dyn HoldKeys);
        vault.check_with(keys, Some(&self.kv), &mut |_| {}).unwrap()
    }

    pub(crate) fn clock(&self) -> &watchbook_base::clock::SimClock {
        &self.ring.clock
    }

    /// Nothing is recorded for so long; then new recordings begin.
    pub(crate) fn pause(&self, parts: &HoldParts, cams: &mut [Cam], secs: u64) {
        let utc = self.clock().utc();
        for cam in cams.iter() {
            parts.writer.end(&RecordingEnd { stream: cam.stream, utc, reason: GapReason::CameraGone });
        }
        self.clock().advance(secs * 1_000_000_000);
        cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(self.clock())));
    }

    /// Records `commits` of twelve pictures each, with the vault's work after each. Gives what was recorded.
    pub(crate) fn record(&self, parts: &mut HoldParts, cams: &mut [Cam], commits: usize) -> Footage {
        let mut recorded = Footage::default();
        for _ in 0..commits {
            for _ in 0..12 {
                for cam in cams.iter_mut() {
                    let packet = cam.packet(self.clock());
                    recorded.0.entry(cam.stream).or_default().insert(packet.utc, packet.data.clone());
                    parts.writer.append(packet).unwrap();
                }
                self.clock().advance(STEP_NANOS);
            }
            parts.committer.step().unwrap();
            parts.settle();
        }
        recorded
    }
}

impl HoldParts {
    /// Lets the vault work until it has nothing to do.
    pub(crate) fn settle(&mut self) {
        let mut steps = 0;
        while self.vault.step(&mut self.worker) == Step::Busy {
            steps += 1;
            assert!(steps < 100_000, "the vault does not come to an end");
        }
    }

    pub(crate) fn hold(&self, cameras: &[u32], range: TimeRange) -> HoldId {
        self.vault.place(request(cameras, range)).unwrap()
    }

    pub(crate) fn info(&self, hold: HoldId) -> HoldInfo {
        self.vault.holds().unwrap().into_iter().find(|info| info.id == hold).unwrap()
    }

    /// Every sample that a reader gets of a stream.
    pub(crate) fn footage(&self, stream: StreamId) -> BTreeMap<UtcNanos, Bytes> {
        let grant = playback(stream.camera.get());
        let spans = self.reader.spans(&grant, stream, ALL).unwrap();
        let footage = self.reader.footage(&grant, stream.camera, ALL).unwrap();
        let all: Vec<(UtcNanos, Bytes)> = spans.iter().flat_map(|span| samples_of(&footage, span)).collect();
        let count = all.len();
        let all: BTreeMap<_, _> = all.into_iter().collect();
        let places = spans.iter().map(|span| (span.recording, span.first_dts, span.end_dts, span.locator));
        assert_eq!(all.len(), count, "a sample is listed twice: {:?}", places.collect::<Vec<_>>());
        all
    }

    pub(crate) fn alarm(&self, kind: AlarmKind) -> Option<String> {
        self.alarms.all().into_iter().find(|alarm| alarm.kind == kind).map(|alarm| alarm.text)
    }
}

/// Samples by stream and UTC.
#[derive(Clone, Default)]
pub(crate) struct Footage(pub(crate) BTreeMap<StreamId, BTreeMap<UtcNanos, Bytes>>);

impl Footage {
    pub(crate) fn add(&mut self, other: Self) {
        for (stream, samples) in other.0 {
            self.0.entry(stream).or_default().extend(samples);
        }
    }

    /// What of it lies in `range` must be in `got`.
    pub(crate) fn assert_in(&self, got: &HoldParts, cameras: &[u32], range: TimeRange) {
        let mut checked = 0;
        for camera in cameras {
            let stored = got.footage(video(*camera));
            for (utc, bytes) in self.0.get(&video(*camera)).into_iter().flatten() {
                if range.contains(*utc) {
                    assert!(stored.get(utc) == Some(bytes), "camera {camera} at {utc} is not held as it was");
                    checked += 1;
                }
            }
        }
        assert!(checked > 0, "nothing was recorded in the range");
    }
}

pub(crate) fn request(cameras: &[u32], range: TimeRange) -> HoldRequest {
    let cameras = cameras.iter().map(|number| camera(*number)).collect();
    HoldRequest { case: "2026-117".into(), cameras, range, note: "as told".into(), by_account: 7 }
}

pub(crate) fn between(from: UtcNanos, to: UtcNanos) -> TimeRange {
    TimeRange::new(from, to).unwrap()
}
