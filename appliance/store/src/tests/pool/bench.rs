//! A station of several simulated disks without threads: the test says when a commit, a look or a tick happens.

use super::super::harness::*;
use crate::committer::Committer;
use crate::config::Config;
use crate::disk::Start;
use crate::format::DiskId;
use crate::kv::Kv;
use crate::kv::model::ModelKv;
use crate::pool::{DiskState, Pool};
use crate::register::Register;
use crate::store::Deps;
use crate::{Reader, Writer};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use watchbook_base::clock::SimClock;
use watchbook_base::fs::sim::{Dice, SimFs};
use watchbook_base::fs::{File, Fs, LockGuard, OpenMode, Space};
use watchbook_base::{Clock, Gap, Kind, StreamId, TimeRange, UtcNanos};
use watchbook_media::{Packet, SpanSource};

/// Stops whoever writes; or reads too; or opens, grows and syncs as well.
#[derive(Default)]
pub(crate) struct Gate {
    /// Closed, and how many wait.
    state: Mutex<(bool, usize)>,
    changed: Condvar,
    reads: AtomicBool,
    all: AtomicBool,
}

impl Gate {
    pub(crate) fn close(&self) {
        self.state.lock().unwrap().0 = true;
    }

    /// Also for who only reads.
    pub(crate) fn close_for_reads(&self) {
        self.reads.store(true, Ordering::SeqCst);
        self.close();
    }

    /// For whatever is asked of the disk.
    pub(crate) fn close_for_all(&self) {
        self.all.store(true, Ordering::SeqCst);
        self.close_for_reads();
    }

    /// For whoever does anything but read and write.
    fn pass_others(&self) {
        if self.all.load(Ordering::SeqCst) {
            self.pass();
        }
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().0 = false;
        self.changed.notify_all();
    }

    /// Returns once somebody stands before it.
    pub(crate) fn wait_for_somebody(&self) {
        let _unused = self.changed.wait_while(self.state.lock().unwrap(), |state| state.1 == 0).unwrap();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.changed.notify_all();
        state = self.changed.wait_while(state, |state| state.0).unwrap();
        state.1 -= 1;
    }
}

/// Directories that are mounted from simulated disks.
#[derive(Clone, Default)]
pub(crate) struct Mounts(Arc<Mutex<BTreeMap<PathBuf, Mount>>>);

type Mount = (SimFs, Arc<Gate>);

struct GatedFile(Box<dyn File>, Arc<Gate>);

impl Mounts {
    pub(crate) fn mount(&self, dir: &str, fs: &SimFs) {
        self.0.lock().unwrap().insert(dir.into(), (fs.clone(), Arc::default()));
    }

    pub(crate) fn gate(&self, dir: &str) -> Arc<Gate> {
        self.of(Path::new(dir)).unwrap().1
    }

    fn of(&self, path: &Path) -> io::Result<(SimFs, Arc<Gate>)> {
        let mounts = self.0.lock().unwrap();
        mounts
            .iter()
            .find(|(dir, _)| path.starts_with(dir))
            .map(|(_, mount)| mount.clone())
            .ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Fs for Mounts {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.of(dir)?.0.create_dir(dir)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let (fs, gate) = self.of(path)?;
        gate.pass_others();
        Ok(Box::new(GatedFile(fs.open(path, mode)?, gate)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.of(dir)?.0.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.of(from)?.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.of(path)?.0.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.of(dir)?.0.sync_dir(dir)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.of(dir)?.0.space(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        self.of(path)?.0.lock(path)
    }
}

impl File for GatedFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.1.pass_others();
        self.0.allocate(len)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if self.1.reads.load(Ordering::SeqCst) {
            self.1.pass();
        }
        self.0.read_exact_at(buf, offset)
    }

    fn write_all_at(&self, bufs: &[&[u8]], offset: u64) -> io::Result<()> {
        self.1.pass();
        self.0.write_all_at(bufs, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.1.pass_others();
        self.0.sync()
    }
}

/// What became of a sample that was handed over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Waits,
    /// It was acknowledged and listed.
    Stored,
    /// It is in a gap. On a disk that went missing it may turn up again.
    InGap,
    /// The power went before any disk had acknowledged anything of its stream. There is no footage for a gap to begin at, and no log in which it could be: all
    /// that was ever said of the stream was in memory.
    Unheard,
}

/// What was handed over: sample by stream, in order.
#[derive(Default)]
pub(super) struct Model(BTreeMap<StreamId, Vec<(UtcNanos, Bytes, Fate)>>);

pub(super) const DIRS: [&str; 3] = ["/a", "/b", "/c"];

/// What outlives a restart of the recorder.
pub(super) struct Station {
    pub(super) disks: Vec<SimFs>,
    pub(super) mounts: Mounts,
    /// In the order in which the disks were first opened: identities are random, and a seed must be one life.
    indexes: Arc<Mutex<Vec<(DiskId, ModelKv)>>>,
    register: ModelKv,
    pub(super) clock: SimClock,
    pub(super) configs: Vec<Config>,
    pub(super) cams: Vec<Cam>,
    pub(super) model: Model,
    pub(super) seed: u64,
}

/// A running recorder.
pub(super) struct Running {
    pub(super) pool: Arc<Pool>,
    pub(super) writer: Writer,
    pub(super) reader: Reader,
}

impl Station {
    /// So many disks and cameras.
    pub(super) fn new(seed: u64, disks: usize, cams: u32) -> Self {
        let mounts = Mounts::default();
        let disks: Vec<SimFs> = (0..disks).map(|at| SimFs::new(seed * 10 + at as u64)).collect();
        disks.iter().for_each(SimFs::lock_exclusively);
        disks.iter().zip(DIRS).for_each(|(fs, dir)| mounts.mount(dir, fs));
        let config = |dir| Config { segment_bytes: Some(4 * MIB), ..Config::new(dir, 48 * MIB) };
        Self {
            configs: DIRS.iter().take(disks.len()).map(config).collect(),
            disks,
            mounts,
            indexes: Arc::default(),
            register: ModelKv::crashing(),
            clock: SimClock::new(START),
            cams: (1..=cams).map(|number| Cam::new(number, 600 + 200 * number as usize)).collect(),
            model: Model::default(),
            seed,
        }
    }

    pub(super) fn deps(&self) -> Deps {
        let clock = Arc::new(self.clock.clone());
        let indexes = self.indexes.clone();
        let index = move |disk| {
            let mut indexes = indexes.lock().unwrap();
            let known = indexes.iter().find(|(known, _)| *known == disk).map(|(_, index)| index.clone());
            let index = known.unwrap_or_else(|| {
                indexes.push((disk, ModelKv::crashing()));
                indexes[indexes.len() - 1].1.clone()
            });
            Ok(Arc::new(index) as Arc<dyn Kv>)
        };
        let register = Register::on(Arc::new(self.register.clone()), clock.clone()).unwrap();
        Deps {
            fs: Arc::new(self.mounts.clone()),
            clock,
            index: Arc::new(index),
            keys: None,
            register: Some(Arc::new(register)),
        }
    }

    pub(super) fn try_open(&self) -> crate::Result<Running> {
        let pool = Arc::new(Pool::new(&self.configs, &self.deps(), Start::Manual)?);
        pool.places().iter().for_each(|place| pool.visit(place));
        pool.opened()?;
        let writer = Writer::new(pool.routes.clone(), Arc::new(self.clock.clone()));
        let reader = Reader::new(pool.parts.clone());
        let running = Running { pool, writer, reader };
        running.finish_indexes();
        Ok(running)
    }

    pub(super) fn open(&self) -> Running {
        self.try_open().unwrap()
    }

    pub(super) fn begin_all(&mut self, running: &Running) {
        for cam in &mut self.cams {
            running.writer.begin(&cam.start(&self.clock));
        }
    }

    /// `halves` half seconds of every camera; a commit after each, a look and a tick after each second one.
    pub(super) fn record(&mut self, running: &Running, halves: usize) {
        for half in 0..halves {
            self.feed(running);
            running.step();
            self.acknowledge(running);
            if half % 2 == 1 {
                running.look();
            }
        }
    }

    /// Half a second of every camera: 12 pictures.
    pub(super) fn feed(&mut self, running: &Running) {
        for _ in 0..12 {
            for cam in &mut self.cams {
                let packet: Packet = cam.packet(&self.clock);
                let sample = (packet.utc, packet.data.clone(), Fate::Waits);
                self.model.0.entry(cam.stream).or_default().push(sample);
                // A disk that is full or gone may refuse it; a gap then says so.
                let _refused = running.writer.append(packet);
            }
            self.clock.advance(STEP_NANOS);
        }
    }

    /// Notes what is durable by now. What was handed over and is neither stored nor waits is in a gap.
    pub(super) fn acknowledge(&mut self, running: &Running) {
        if running.writer.flush(Duration::ZERO).is_err() {
            return;
        }
        let (seed, now) = (self.seed, self.clock.utc());
        for (stream, samples) in &mut self.model.0 {
            let Some(first) = samples.iter().position(|sample| sample.2 == Fate::Waits) else { continue };
            let stored: Vec<UtcNanos> = running.times(*stream, samples[first].0);
            let gaps = running.gaps(*stream, now);
            for (utc, _, fate) in samples.iter_mut().skip(first).filter(|sample| sample.2 == Fate::Waits) {
                let in_gap = gaps.iter().any(|gap| gap.range.start <= *utc && *utc <= gap.range.end);
                *fate = if stored.contains(utc) { Fate::Stored } else { Fate::InGap };
                assert!(
                    *fate == Fate::Stored || in_gap,
                    "seed {seed}: {stream} at {utc}: neither stored nor in a gap: {gaps:?}"
                );
            }
        }
    }

    /// What does not outlive a power cut goes.
    pub(super) fn cut(&mut self, dice: &mut Dice) {
        for samples in self.model.0.values_mut() {
            if samples.iter().all(|sample| matches!(sample.2, Fate::Waits | Fate::Unheard)) {
                samples.iter_mut().for_each(|sample| sample.2 = Fate::Unheard);
            }
        }
        self.disks.iter().for_each(SimFs::cut);
        self.disks.iter().for_each(SimFs::power_on);
        self.indexes.lock().unwrap().iter().for_each(|(_, index)| index.crash(dice));
        self.register.crash(dice);
    }

    /// Nothing is listed twice or wrong, and every hole has a gap. With `all`: nothing that was acknowledged is missing.
    pub(super) fn check(&self, running: &Running, all: bool) {
        let seed = self.seed;
        for (stream, want) in &self.model.0 {
            let got = running.samples(*stream);
            let mut at = 0;
            for (utc, bytes) in &got {
                assert!(!all || bytes.is_some(), "seed {seed}: {stream} at {utc} cannot be read");
                let same = |data: &Bytes| bytes.as_ref().is_none_or(|bytes| bytes == data);
                let found = want[at..].iter().position(|(time, data, _)| time == utc && same(data));
                let skipped =
                    found.unwrap_or_else(|| panic!("seed {seed}: {stream} at {utc}: wrong, twice or out of order"));
                let missing = want[at..at + skipped].iter().filter(|sample| sample.2 == Fate::Stored).count();
                assert!(
                    !all || missing == 0,
                    "seed {seed}: {stream}: {missing} acknowledged samples before {utc} are lost"
                );
                at += skipped + 1;
            }
            let missing = want[at..].iter().filter(|sample| sample.2 == Fate::Stored).count();
            assert!(!all || missing == 0, "seed {seed}: {stream}: the last {missing} acknowledged samples are lost");
            let gaps = running.gaps(*stream, self.clock.utc());
            for pair in got.windows(2) {
                let (from, to) = (pair[0].0, pair[1].0);
                if to.nanos_since(from) > 1_000_000_000 {
                    let middle = from.plus_nanos(to.nanos_since(from) / 2);
                    assert!(
                        gaps.iter().any(|gap| gap.range.contains(middle)),
                        "seed {seed}: {stream}: no gap between {from} and {to}: {gaps:?}"
                    );
                }
            }
            for gap in &gaps {
                let inside = |utc: &UtcNanos| {
                    gap.range.start.0 + 1_000_000_000 < utc.0 && utc.0 < gap.range.end.0 - 1_000_000_000
                };
                assert!(
                    !got.iter().any(|(utc, _)| inside(utc)),
                    "seed {seed}: {stream}: footage inside the gap {gap:?}"
                );
            }
        }
    }
}

impl Running {
    /// A commit of every disk. What it says is told by alarms.
    pub(super) fn step(&self) {
        for place in self.pool.places() {
            let _told = place.with_committer(|committer| committer.step().is_ok());
        }
        self.finish_indexes();
    }

    /// A look at every directory and at every committer.
    pub(super) fn look(&self) {
        self.pool.places().iter().for_each(|place| self.pool.visit(place));
        self.pool.tick();
        self.finish_indexes();
    }

    /// What the indexers' own threads do: an index that did not survive a cut is made again from the log to its end.
    fn finish_indexes(&self) {
        for place in self.pool.places() {
            place.with_committer(Committer::finish_index);
        }
    }

    pub(super) fn states(&self) -> Vec<DiskState> {
        self.pool.list().iter().map(|status| status.state).collect()
    }

    pub(super) fn gaps(&self, stream: StreamId, now: UtcNanos) -> Vec<Gap> {
        self.reader.gaps(&playback(stream.camera.get()), stream, ALL, now).unwrap()
    }

    /// Every sample that is listed: UTC of its decode time, and its bytes, if its disk can be read.
    pub(super) fn samples(&self, stream: StreamId) -> Vec<(UtcNanos, Option<Bytes>)> {
        let grant = playback(stream.camera.get());
        let footage = self.reader.footage(&grant, stream.camera, ALL).unwrap();
        let mut samples = Vec::new();
        for span in self.reader.spans(&grant, stream, ALL).unwrap() {
            let table = footage.table(&span).unwrap();
            assert_eq!(table.samples().count(), span.sample_count as usize);
            for (at, sample) in table.samples() {
                let bytes = footage.read(&span, at, u64::from(sample.size_bytes));
                let gone = |kind| matches!(kind, Kind::Io | Kind::NotFound);
                assert!(bytes.as_ref().err().is_none_or(|error| gone(error.kind)), "{bytes:?}");
                samples.push((span.start_utc.plus_ticks(sample.dts - span.first_dts), bytes.ok()));
            }
        }
        samples
    }

    /// When samples are listed, from `from` on.
    pub(super) fn times(&self, stream: StreamId, from: UtcNanos) -> Vec<UtcNanos> {
        let grant = playback(stream.camera.get());
        let footage = self.reader.footage(&grant, stream.camera, ALL).unwrap();
        let range = TimeRange { start: from, ..ALL };
        let spans = self.reader.spans(&grant, stream, range).unwrap();
        let times = spans.iter().flat_map(|span| {
            let table = footage.table(span).unwrap();
            let time = |sample: &watchbook_media::Sample| span.start_utc.plus_ticks(sample.dts - span.first_dts);
            table.samples().map(|(_, sample)| time(sample)).collect::<Vec<_>>()
        });
        times.collect()
    }

    /// Streams of each disk.
    pub(super) fn spread(&self) -> Vec<usize> {
        self.pool.list().iter().map(|status| status.streams.len()).collect()
    }

    /// The whole range that a stream is recorded over.
    pub(super) fn extent(&self, stream: StreamId) -> Option<TimeRange> {
        self.reader.first_last(&playback(stream.camera.get()), stream).unwrap()
    }
}
