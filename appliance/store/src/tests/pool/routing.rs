//! Where streams go while all is well, and disks that join.

use super::super::harness::*;
use super::bench::*;
use crate::pool::DiskState;
use std::path::Path;
use watchbook_base::fs::sim::SimFs;
use watchbook_base::{Clock, GapReason, Kind};
use watchbook_media::RecordingEnd;

#[test]
fn streams_are_spread_and_read_as_if_on_one_disk() {
    let mut station = Station::new(1, 3, 6);
    let running = station.open();
    station.begin_all(&running);
    station.record(&running, 20);
    assert_eq!(running.spread(), [2, 2, 2]);
    station.check(&running, true);
    let ring = running.reader.ring().unwrap();
    assert_eq!((ring.capacity_bytes, ring.segments), (144 * MIB, 36));
    assert_eq!(running.reader.rings().unwrap().len(), 3);
    assert_eq!(running.extent(video(1)).unwrap().start, START);
    let numbers: Vec<u64> = (1..=6)
        .flat_map(|number| running.reader.spans(&playback(number), video(number), ALL).unwrap())
        .map(|span| span.recording.0)
        .collect();
    let distinct: std::collections::BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(distinct.len(), 6, "recording numbers are those of the whole store: {numbers:?}");
    drop(running);
    let running = station.open();
    station.check(&running, true);
    station.begin_all(&running);
    station.record(&running, 4);
    station.check(&running, true);
}

#[test]
fn a_recording_that_begins_elsewhere_leaves_its_gap_behind_closed() {
    let mut station = Station::new(2, 2, 4);
    let running = station.open();
    station.begin_all(&running);
    station.record(&running, 8);
    // Half of the cameras go away, all from the same disk; one of the others comes back and finds its disk much fuller.
    let on_first: Vec<usize> =
        (0..4).filter(|at| running.pool.list()[0].streams.contains(&station.cams[*at].stream)).collect();
    for at in &on_first {
        let stream = station.cams[*at].stream;
        running.writer.end(&RecordingEnd { stream, utc: station.clock.utc(), reason: GapReason::CameraGone });
    }
    let gone: Vec<Cam> = on_first.iter().rev().map(|at| station.cams.remove(*at)).collect();
    assert_eq!(gone.len(), 2);
    station.record(&running, 400);
    let stream = station.cams[0].stream;
    running.writer.end(&RecordingEnd { stream, utc: station.clock.utc(), reason: GapReason::CameraSilent });
    station.clock.advance(5_000_000_000);
    let start = station.cams[0].start(&station.clock);
    running.writer.begin(&start);
    station.record(&running, 8);
    assert!(running.pool.list()[0].streams.contains(&stream), "the stream has moved: {:?}", running.spread());
    station.check(&running, true);
    let gaps = running.gaps(stream, station.clock.utc());
    assert_eq!(gaps.iter().map(|gap| gap.reason).collect::<Vec<_>>(), [GapReason::CameraSilent]);
    assert_eq!(gaps[0].range.end, start.utc);
    drop(running);
    let running = station.open();
    running.step();
    station.clock.advance(2_000_000_000);
    station.check(&running, true);
    assert_eq!(running.gaps(stream, station.clock.utc()).len(), 2, "silent, and the restart that goes on");
}

#[test]
fn a_disk_joins_while_the_others_record_and_is_known_after_a_restart() {
    let mut station = Station::new(3, 1, 3);
    let running = station.open();
    station.begin_all(&running);
    station.record(&running, 4);
    station.mounts.mount("/new", &SimFs::new(77));
    let added = running.pool.add(Path::new("/new"), 48 * MIB).unwrap();
    assert_eq!(running.states(), [DiskState::Recording; 2]);
    assert_eq!(running.pool.add(Path::new("/new"), 48 * MIB).err().unwrap().kind, Kind::Conflict);
    assert_eq!(running.pool.add(Path::new("/nowhere"), 48 * MIB).err().unwrap().kind, Kind::NotFound);
    assert_eq!(running.pool.add(Path::new("/new2"), 3).err().unwrap().kind, Kind::NotFound);
    station.begin_all(&running);
    station.record(&running, 8);
    assert!(running.spread()[1] > 0, "recordings that begin use it: {:?}", running.spread());
    station.check(&running, true);
    drop((running, added));
    let running = station.open();
    assert_eq!(
        running.pool.list().iter().map(|status| status.dir.clone()).collect::<Vec<_>>(),
        [Path::new("/a"), Path::new("/new")]
    );
    station.check(&running, true);
}

#[test]
fn without_any_disk_recording_begins_when_one_comes() {
    let mut station = Station::new(4, 1, 2);
    drop(station.open());
    let empty = SimFs::new(5);
    station.mounts.mount("/a", &empty);
    let running = station.open();
    assert_eq!(running.states(), [DiskState::Missing]);
    assert!(running.pool.common.alarms.joined().unwrap().contains("is missing"));
    station.begin_all(&running);
    station.record(&running, 4);
    assert_eq!(running.reader.ring().unwrap().capacity_bytes, 0);
    assert!(running.writer.flush(std::time::Duration::ZERO).is_err(), "nothing is durable");
    station.mounts.mount("/a", &station.disks[0].clone());
    running.look();
    assert_eq!((running.states(), running.pool.common.alarms.joined()), (vec![DiskState::Recording], None));
    station.record(&running, 4);
    assert_eq!(running.samples(video(1)).len(), 96, "what waited in memory is there too");
    station.check(&running, true);
}
