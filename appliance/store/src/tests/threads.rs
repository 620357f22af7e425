//! The real thing: files, RocksDB where it is built in, the committer's thread, readers beside it.

use super::harness::*;
use crate::config::Config;
use crate::format::DiskId;
use crate::keys::{Keys, MasterSource, Place};
use crate::kv::Kv;
use crate::store::{Deps, Store};
use crate::synth::Synth;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use watchbook_base::clock::SystemClock;
use watchbook_base::fs::RealFs;
use watchbook_base::{Clock, GapReason, Kind};
use watchbook_media::SpanSource;

const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(feature = "rocks")]
fn index(dir: &Path, disk: DiskId) -> crate::Result<Arc<dyn Kv>> {
    crate::open_index(dir, disk)
}

#[cfg(not(feature = "rocks"))]
fn index(_: &Path, _: DiskId) -> crate::Result<Arc<dyn Kv>> {
    Ok(Arc::new(crate::kv::model::ModelKv::new()))
}

fn open(config: &Config) -> Store {
    let dir = config.dir.clone();
    let keys = Some(keys(&dir));
    let index: crate::store::OpenIndex = Arc::new(move |disk| index(&dir, disk));
    let deps = Deps { fs: Arc::new(RealFs), clock: Arc::new(SystemClock), index, keys, register: None };
    let store = Store::open(std::slice::from_ref(config), &deps).unwrap();
    store.settle_index(PATIENCE).unwrap();
    store
}

fn keys(dir: &Path) -> Arc<Keys> {
    let place = |dir: std::path::PathBuf| Place { fs: Arc::new(RealFs), dir, needs: None };
    let places = [place(dir.join("state/keys")), place(dir.join("keys"))];
    let master = MasterSource::File(dir.join("state/master.key"));
    Arc::new(Keys::open(places, &master, &RealFs, Arc::new(SystemClock)).unwrap())
}

fn small(dir: &Path, segments: u64) -> Config {
    Config { segment_bytes: Some(4 * MIB), commit_interval_ms: 20, ..Config::new(dir, segments * 4 * MIB) }
}

fn read_all(store: &Store, number: u32) -> usize {
    let grant = playback(number);
    let footage = store.reader().footage(&grant, camera(number), ALL).unwrap();
    let spans = store.reader().spans(&grant, video(number), ALL).unwrap();
    spans.iter().map(|span| read_samples(&footage, span).len()).sum()
}

#[test]
fn a_ring_is_written_closed_opened_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let config = small(dir.path(), 8);
    let store = open(&config);
    let commits = Arc::new(AtomicU64::new(0));
    let counter = commits.clone();
    store.writer().subscribe(Box::new(move |committed| {
        counter.fetch_add(u64::from(committed.runs > 0), Ordering::SeqCst);
    }));
    let synth =
        Synth { gop_bytes: vec![9000, 1000, 1000], ..Synth::camera_1080p(vec![video(1), video(2)], START, 130) };
    synth.write(&store).unwrap();
    assert_eq!(read_all(&store, 1), 130 * 30);
    assert!(commits.load(Ordering::SeqCst) >= 260);
    let second = Store::open(
        std::slice::from_ref(&config),
        &Deps {
            fs: Arc::new(RealFs),
            clock: Arc::new(SystemClock),
            index: Arc::new(|_| Ok(Arc::new(crate::kv::model::ModelKv::new()))),
            keys: None,
            register: None,
        },
    );
    assert_eq!(second.err().unwrap().kind, Kind::Conflict, "one program at a time");
    let writer = store.writer();
    store.close().unwrap();
    assert_eq!(writer.flush(PATIENCE).unwrap(), writer.stats().last_seq);
    let mut cam = Cam::new(1, 100);
    assert_eq!(
        writer.append(cam.packet(&watchbook_base::clock::SimClock::new(START))).unwrap_err().kind,
        Kind::Unavailable
    );

    let store = open(&config);
    let [opened] = store.opened().try_into().unwrap();
    assert!(!opened.index_rebuilt || cfg!(not(feature = "rocks")));
    assert_eq!((read_all(&store, 1), read_all(&store, 2)), (130 * 30, 130 * 30));
    store.writer().flush(PATIENCE).unwrap();
    let gaps = store
        .reader()
        .gaps(&playback(1), video(1), ALL, SystemClock.utc().max(START.plus_nanos(i64::MAX / 8)))
        .unwrap();
    assert_eq!((gaps.len(), gaps[0].reason), (1, GapReason::Restart));
    assert_eq!(gaps[0].range.start, START.plus_nanos(130_000_000_000));
    store.close().unwrap();
    let index = index(dir.path(), opened.disk).unwrap();
    let compared = cfg!(feature = "rocks").then_some(&*index);
    let ring = crate::ClosedRing::open(dir.path(), Arc::new(RealFs)).unwrap();
    let report = ring.with_keys(keys(dir.path())).check(compared, &mut |_| {});
    assert!(report.is_clean() && report.runs >= 520 && report.unreadable_runs == 0, "{report:?}");
}

#[test]
fn readers_beside_a_wrapping_ring_get_right_bytes_or_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&small(dir.path(), 4));
    let done = AtomicBool::new(false);
    let (read, gone) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let grant = playback(1);
                    let footage = store.reader().footage(&grant, camera(1), ALL).unwrap();
                    for span in store.reader().spans(&grant, video(1), ALL).unwrap() {
                        match footage.read(&span, 0, span.byte_count) {
                            // Every sample is the beginning of one and the same buffer.
                            Ok(bytes) => {
                                assert_eq!(bytes.len() as u64, span.byte_count);
                                assert_eq!(bytes.first(), Some(&0));
                                read.fetch_add(1, Ordering::SeqCst);
                            }
                            Err(error) => {
                                assert_eq!(error.kind, Kind::NotFound, "{error}");
                                gone.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                    }
                }
            });
        }
        let synth =
            Synth { gop_bytes: vec![60_000, 5000, 5000], ..Synth::camera_1080p(vec![video(1), video(2)], START, 40) };
        let written = synth.write(&store);
        done.store(true, Ordering::SeqCst);
        written.unwrap();
    });
    assert!(read.load(Ordering::SeqCst) > 0);
    let stats = store.writer().stats();
    assert!(stats.written_bytes > 40 * MIB && stats.alarm.is_none(), "{stats:?}");
    store.close().unwrap();
}

#[test]
fn nothing_is_erased_before_the_program_says_so_or_after_it_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&small(dir.path(), 4));
    let retention = store.retention().unwrap();
    assert!(!retention.is_running(), "the maximum ages are not set yet");
    retention.start().unwrap();
    retention.start().unwrap();
    assert!(retention.is_running());
    store.close().unwrap();
    assert!(!retention.is_running());
}

#[cfg(feature = "rocks")]
#[test]
fn the_register_keeps_what_it_acknowledged() {
    use crate::register::{Change, Namespace, Register};
    use watchbook_access::{Action, AuditEntry, AuditLog, Outcome};
    let dir = tempfile::tempdir().unwrap();
    let open = || Register::open(dir.path(), Arc::new(SystemClock)).unwrap();
    let register = open();
    register.apply(&[Change::put(Namespace::Camera, *b"1", *b"{}")]).unwrap();
    let entry = AuditEntry { account: None, action: Action::Claim, outcome: Outcome::Allowed };
    (0..20).for_each(|index| assert_eq!(register.append(&entry), Ok(index)));
    let root = register.audit_root();
    drop(register);
    let register = open();
    assert_eq!(register.get(Namespace::Camera, b"1").unwrap().unwrap().version, 1);
    assert_eq!(register.verify().unwrap(), root);
}

#[test]
fn keys_that_only_memory_has_are_written_before_the_store_is_closed() {
    use watchbook_base::fs::sim::Op;
    let machine = Box_::new(90);
    let keys = machine.keys().unwrap();
    let store =
        Store::open(std::slice::from_ref(&machine.config), &Deps { keys: Some(keys.clone()), ..machine.deps() })
            .unwrap();
    for path in ["/state/keys/keys", "/ring/keys/keys"] {
        for op in [Op::Write, Op::Open] {
            assert!(machine.fs.fail_file(Path::new(path), op, libc::EIO));
        }
    }
    let key = keys.for_samples(&[(camera(1), machine.clock.mono())]).unwrap().remove(0);
    assert!(!keys.is_durable(key.id));
    machine.fs.heal();
    store.close().unwrap();
    assert!(keys.is_durable(key.id));
    drop(keys);
    assert!(machine.keys().unwrap().is_live(key.id));
}
