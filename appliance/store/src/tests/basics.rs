use super::harness::*;
use crate::catalog::rows;
use crate::kv::model::ModelKv;
use crate::reader::EventQuery;
use crate::recover::rebuild;
use crate::ring::Ring;
use std::sync::Arc;
use watchbook_access::{Action, CaseNow};
use watchbook_base::{Clock, Event, EventSource, Gap, GapReason, Kind, TimeRange, UtcNanos};
use watchbook_media::{Codec, Packet, RecordingEnd, SpanSource, SpanSummary};

#[test]
fn what_goes_in_comes_out() {
    let machine = Box_::new(1);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 300), Cam::new(2, 900)];
    let mut want: Vec<Vec<_>> = vec![Vec::new(); 2];
    for cam in &mut cams {
        parts.writer.begin(&cam.start(&machine.clock));
    }
    for _ in 0..130 {
        for _ in 0..13 {
            for (cam, want) in cams.iter_mut().zip(&mut want) {
                let packet = cam.packet(&machine.clock);
                want.push((packet.utc, packet.data.clone()));
                parts.writer.append(packet).unwrap();
            }
            machine.clock.advance(STEP_NANOS);
        }
        assert!(parts.committer.step().unwrap());
    }
    for (cam, want) in cams.iter().zip(&want) {
        assert!(samples(&parts, cam.stream) == *want, "every sample of {} in order", cam.stream);
    }
    let spans = parts.reader.spans(&playback(1), cams[0].stream, ALL).unwrap();
    assert!(spans.len() >= 2, "{} spans", spans.len());
    assert!(spans.windows(2).all(|pair| pair[0].end_dts == pair[1].first_dts), "spans of one recording touch");
    assert!(spans.iter().all(|span| span.range().nanos() <= 60_000_000_000));
    let stats = parts.writer.stats();
    assert_eq!((stats.commits, stats.pending_bytes, stats.alarm), (130, 0, None));
    assert!(machine.fs.counters().syncs < 130 + 20, "one sync a commit, whatever the number of streams");
}

#[test]
fn pictures_that_are_all_key_frames_cost_no_more_rows_than_others() {
    let machine = Box_::new(9);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 300), Cam::new(2, 300)];
    for (cam, jpeg) in cams.iter_mut().zip([false, true]) {
        let mut start = cam.start(&machine.clock);
        if jpeg {
            start.format.codec = Codec::Mjpeg { width: 640, height: 360 };
        }
        parts.writer.begin(&start);
    }
    for _ in 0..240 {
        for _ in 0..13 {
            for (cam, jpeg) in cams.iter_mut().zip([false, true]) {
                let packet = cam.packet(&machine.clock);
                parts.writer.append(Packet { key: packet.key || jpeg, ..packet }).unwrap();
            }
            machine.clock.advance(STEP_NANOS);
        }
        assert!(parts.committer.step().unwrap());
    }
    let [other, jpeg] = [1, 2].map(|number| parts.reader.spans(&playback(number), video(number), ALL).unwrap());
    let runs = |spans: &[SpanSummary]| spans.iter().map(|span| (span.run_count, span.sample_count)).collect::<Vec<_>>();
    assert!(
        other.len() >= 2 && runs(&other) == runs(&jpeg),
        "a span is a minute, a run is a commit: {:?}",
        runs(&jpeg)
    );
    assert!(jpeg.iter().all(|span| span.key_count == span.sample_count));
    assert!(jpeg.iter().all(|span| span.format.codec == Codec::Mjpeg { width: 640, height: 360 }));
}

#[test]
fn ends_and_failed_attempts_become_gaps() {
    let machine = Box_::new(2);
    let mut parts = machine.open();
    let mut cam = Cam::new(1, 100);
    let clock = &machine.clock;
    let t0 = clock.utc();
    let end = |utc, reason| RecordingEnd { stream: video(1), utc, reason };
    let second = |n: i64| t0.plus_nanos(n * 1_000_000_000);
    parts.writer.end(&end(t0, GapReason::CameraGone));
    clock.advance(5_000_000_000);
    parts.writer.end(&end(second(5), GapReason::CameraGone));
    parts.committer.step().unwrap();
    clock.advance(5_000_000_000);
    parts.writer.end(&end(second(10), GapReason::CameraDenied));
    parts.writer.begin(&cam.start(clock));
    clock.advance(5_000_000_000);
    cam.begun = second(15);
    (0..25).for_each(|_| parts.writer.append(cam.packet(clock)).unwrap());
    parts.writer.end(&end(second(16), GapReason::FormatChange));
    parts.writer.begin(&cam.start(clock));
    cam.begun = second(16);
    parts.writer.append(cam.packet(clock)).unwrap();
    parts.writer.end(&end(second(20), GapReason::CameraSilent));
    parts.committer.step().unwrap();
    let gap = |a, b, reason| Gap { stream: video(1), range: TimeRange::new(second(a), second(b)).unwrap(), reason };
    let want =
        [gap(0, 10, GapReason::CameraGone), gap(10, 15, GapReason::CameraDenied), gap(20, 30, GapReason::CameraSilent)];
    assert_eq!(parts.reader.gaps(&playback(1), video(1), ALL, second(30)).unwrap(), want);
    let from_12 = TimeRange::new(second(12), second(14)).unwrap();
    assert_eq!(parts.reader.gaps(&playback(1), video(1), from_12, second(30)).unwrap(), want[1..2]);
    let footage = parts.reader.first_last(&playback(1), video(1)).unwrap().unwrap();
    assert_eq!((footage.start, footage.end), (second(15), second(16).plus_nanos(STEP_NANOS as i64)));
    assert_same_index(&machine);
}

fn event(camera_number: u32, start: UtcNanos, kind: &str) -> Event {
    let source = EventSource {
        plugin: "org.example.motion".into(),
        version: "1.2.3".into(),
        component_sha256: "aa".into(),
        settings_sha256: "bb".into(),
    };
    Event {
        camera: camera(camera_number),
        kind: kind.into(),
        score: 0.5,
        start,
        end: Some(start.plus_nanos(1_000)),
        zone: None,
        detections: vec![],
        note: String::new(),
        source,
        lead: None,
        camera_clock: None,
    }
}

#[test]
fn events_are_found_by_camera_time_and_kind_page_by_page() {
    let machine = Box_::new(3);
    let mut parts = machine.open();
    for number in 0..20 {
        let kind = if number % 5 == 0 { "vehicle" } else { "motion" };
        parts.writer.event(&event(1 + number % 2, START.plus_nanos(i64::from(number) * 1_000_000), kind)).unwrap();
    }
    assert_eq!(parts.writer.event(&event(1, START, "")).unwrap_err().kind, Kind::InvalidInput);
    parts.committer.step().unwrap();
    let all = grant(Action::SearchEvents { camera: None, cameras: Vec::new(), range: ALL });
    let query = EventQuery {
        camera: None,
        only: None,
        kind: None,
        zone: None,
        plugin: None,
        range: ALL,
        newest_first: true,
        limit: 7,
        after: None,
    };
    let mut pages = Vec::new();
    let mut next = query.clone();
    loop {
        let page = parts.reader.events(&all, &next).unwrap();
        pages.push(page.events.len());
        let Some(after) = page.next else { break };
        assert!(pages.len() < 10);
        next.after = Some(after);
    }
    assert_eq!(pages.iter().sum::<usize>(), 20, "{pages:?}");
    let list = |query: &EventQuery| -> Vec<u64> {
        parts.reader.events(&all, query).unwrap().events.iter().map(|event| event.number).collect()
    };
    let vehicles = EventQuery { kind: Some("vehicle".into()), newest_first: false, ..query.clone() };
    assert_eq!(list(&vehicles), [1, 6, 11, 16]);
    assert_eq!(list(&EventQuery { only: Some([camera(2)].into()), ..vehicles.clone() }), [6, 16]);
    let one = EventQuery { camera: Some(camera(2)), limit: 100, ..query };
    assert_eq!(list(&one).len(), 10);
    let other = grant(Action::SearchEvents { camera: Some(camera(1)), cameras: Vec::new(), range: ALL });
    assert_eq!(parts.reader.events(&other, &one).unwrap_err().kind, Kind::Denied);
    assert_same_index(&machine);
}

#[test]
fn nothing_is_shown_without_the_right_grant() {
    let machine = Box_::new(4);
    let mut parts = machine.open();
    let mut cam = Cam::new(1, 100);
    parts.writer.begin(&cam.start(&machine.clock));
    (0..50).for_each(|_| parts.writer.append(cam.packet(&machine.clock)).unwrap());
    parts.committer.step().unwrap();
    assert_eq!(parts.reader.spans(&playback(2), video(1), ALL).unwrap_err().kind, Kind::Denied);
    assert_eq!(parts.reader.footage(&playback(2), camera(1), ALL).err().unwrap().kind, Kind::Denied);
    let timeline = grant(Action::Timeline { camera: camera(1) });
    let spans = parts.reader.spans(&timeline, video(1), ALL).unwrap();
    assert_eq!(parts.reader.footage(&timeline, camera(1), ALL).err().unwrap().kind, Kind::Denied);
    let later = TimeRange::new(START.plus_nanos(3_600_000_000_000), ALL.end).unwrap();
    let narrow = grant(Action::Playback { camera: camera(1), range: later, case: CaseNow::MEASURING.into() });
    assert_eq!(parts.reader.footage(&narrow, camera(1), ALL).err().unwrap().kind, Kind::Denied);
    let footage = parts.reader.footage(&narrow, camera(1), later).unwrap();
    assert_eq!(
        footage.read(&spans[0], 0, 1).unwrap_err().kind,
        Kind::Denied,
        "a span an hour before the granted range"
    );
}

/// The index made anew from the log alone is the one that was written along the way.
pub(crate) fn assert_same_index(machine: &Box_) {
    let ring = Arc::new(Ring::open(&machine.config, Arc::new(machine.fs.clone()), &machine.clock, None).unwrap());
    let anew = ModelKv::new();
    rebuild(&ring, Arc::new(anew.clone())).unwrap().indexer.finish(&mut |_| {}).unwrap();
    for table in
        [rows::SPANS, rows::TABLES, rows::RECORDINGS, rows::GAPS, rows::EVENTS, rows::EVENTS_BY_TIME, rows::SEGMENTS]
    {
        let (old, new) = (machine.kv.rows(table), anew.rows(table));
        let keys = |a: &std::collections::BTreeMap<Vec<u8>, Vec<u8>>,
                    b: &std::collections::BTreeMap<Vec<u8>, Vec<u8>>| {
            a.iter().filter(|(key, value)| b.get(*key) != Some(value)).map(|(key, _)| key.clone()).collect::<Vec<_>>()
        };
        assert!(
            old == new,
            "{}: only or otherwise before {:?}, after {:?}",
            table.0,
            keys(&old, &new),
            keys(&new, &old)
        );
    }
}

#[test]
fn no_sample_lies_on_the_disk_in_the_clear_and_a_changed_payload_is_refused() {
    use watchbook_base::fs::{Fs, OpenMode};
    let machine = Box_::new(77);
    let mut parts = machine.open();
    let mut cam = Cam::new(1, 900);
    parts.writer.begin(&cam.start(&machine.clock));
    let mut plain = Vec::new();
    for frame in 0..100 {
        let packet = cam.packet(&machine.clock);
        plain.push(packet.data.clone());
        parts.writer.append(packet).unwrap();
        machine.clock.advance(STEP_NANOS);
        if frame % 12 == 11 {
            parts.committer.step().unwrap();
        }
    }
    parts.committer.step().unwrap();
    let got: Vec<bytes::Bytes> = samples(&parts, video(1)).into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(got, plain);
    let path = std::path::Path::new("/ring/segments/000001.seg");
    let file = machine.fs.open(path, OpenMode::ReadWrite).unwrap();
    let mut raw = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut raw, 0).unwrap();
    let found = |needle: &[u8]| raw.windows(16).any(|window| window == needle);
    assert!(plain.iter().all(|sample| !found(&sample[..16])), "a sample in the clear");
    // Keys neither: what a reader needs is in no file of the ring.
    let master = machine.fs.open(std::path::Path::new("/state/master.key"), OpenMode::Read).unwrap();
    let mut key = [0; 32];
    master.read_exact_at(&mut key, 0).unwrap();
    assert!(!found(&key[..16]));
    // Somebody changes a byte and mends the checksum.
    let ring = crate::ring::Ring::open_existing(std::path::Path::new("/ring"), Arc::new(machine.fs.clone())).unwrap();
    let reader = ring.reader(1, 1).unwrap();
    let mut first = None;
    reader.scan(crate::scan::first_position(&ring.header(1).unwrap()), None, &mut |at, commit, _| {
        first.get_or_insert((at.offset, commit));
    });
    let (offset, mut commit) = first.unwrap();
    let mut payload = reader.payload(offset, &commit.runs[0]).unwrap();
    payload[5] ^= 1;
    commit.runs[0].crc = crc32c::crc32c(&payload);
    let meta = commit.encode();
    file.write_all_at(&[&meta], offset).unwrap();
    file.write_all_at(&[&payload], offset + commit.runs[0].payload_offset).unwrap();
    drop(parts);
    machine.kv.wipe();
    let parts = machine.open();
    let grant = playback(1);
    let span = parts.reader.spans(&grant, video(1), ALL).unwrap().remove(0);
    let footage = parts.reader.footage(&grant, camera(1), ALL).unwrap();
    let error = footage.read(&span, 0, 10).unwrap_err();
    assert!(error.kind == watchbook_base::Kind::Corrupt && error.message.contains("tag"), "{}", error.message);
}

#[test]
fn a_span_ends_where_its_hour_does() {
    let machine = Box_::new(78);
    machine.clock.advance(3_590_000_000_000);
    let mut parts = machine.open();
    let mut cam = Cam::new(1, 100);
    parts.writer.begin(&cam.start(&machine.clock));
    for frame in 0..500 {
        parts.writer.append(cam.packet(&machine.clock)).unwrap();
        machine.clock.advance(STEP_NANOS);
        if frame % 10 == 9 {
            parts.committer.step().unwrap();
        }
    }
    let spans = parts.reader.spans(&playback(1), video(1), ALL).unwrap();
    let starts: Vec<i64> = spans.iter().map(|span| span.start_utc.nanos_since(START)).collect();
    assert_eq!(starts, [3_590_000_000_000, 3_600_000_000_000]);
    assert_eq!(samples(&parts, video(1)).len(), 500);
}

#[test]
fn what_is_sealed_with_a_key_that_no_disk_has_is_not_acknowledged_before_one_has_it() {
    use watchbook_base::fs::sim::Op;
    for cut in [false, true] {
        let machine = Box_::new(77);
        let mut parts = machine.open();
        for path in ["/state/keys/keys", "/ring/keys/keys"] {
            for op in [Op::Write, Op::Open] {
                assert!(machine.fs.fail_file(std::path::Path::new(path), op, libc::EIO));
            }
        }
        let acknowledged = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let counter = acknowledged.clone();
        parts.writer.subscribe(Box::new(move |committed| {
            counter.fetch_add(u64::from(committed.runs), std::sync::atomic::Ordering::SeqCst);
        }));
        let acknowledged = || acknowledged.load(std::sync::atomic::Ordering::SeqCst);
        let mut cam = Cam::new(1, 300);
        parts.writer.begin(&cam.start(&machine.clock));
        for _ in 0..20 {
            for _ in 0..25 {
                parts.writer.append(cam.packet(&machine.clock)).unwrap();
                machine.clock.advance(STEP_NANOS);
            }
            parts.committer.step().unwrap();
        }
        assert_eq!(samples(&parts, video(1)).len(), 500, "it is recorded");
        parts.committer.step().unwrap();
        assert_eq!(parts.writer.flush(std::time::Duration::ZERO).unwrap_err().kind, Kind::Timeout);
        let stats = parts.writer.stats();
        assert_eq!((acknowledged(), stats.commits, stats.last_seq, stats.payload_bytes), (0, 0, 0, 0));
        assert_eq!(parts.committer.owed(), 1, "however many commits there are");
        if cut {
            return expect_lost_with_the_memory(&machine, parts);
        }
        machine.fs.heal();
        parts.part.sealed_with.clone().unwrap().tend();
        parts.committer.step().unwrap();
        let seq = parts.writer.flush(std::time::Duration::ZERO).unwrap();
        assert_eq!((acknowledged(), parts.writer.stats().commits, parts.writer.stats().last_seq), (20, 20, seq));
        drop(parts);
        machine.fs.cut();
        machine.fs.power_on();
        assert_eq!(samples(&machine.open(), video(1)).len(), 500);
    }
}

/// The power goes before a key file has the key: its number is that of no other one, and nobody says that the footage was erased.
fn expect_lost_with_the_memory(machine: &Box_, parts: crate::store::Parts) {
    let grant = playback(1);
    let span = parts.reader.spans(&grant, video(1), ALL).unwrap().remove(0);
    let key_of =
        |keys: &crate::keys::Keys| keys.for_samples(&[(camera(1), machine.clock.mono())]).unwrap().remove(0).id;
    let lost = key_of(parts.part.sealed_with.as_ref().unwrap());
    assert!(span.sample_count > 0);
    drop(parts);
    machine.fs.cut();
    machine.fs.power_on();
    machine.fs.heal();
    let parts = machine.open();
    let keys = parts.part.sealed_with.clone().unwrap();
    let new = key_of(&keys);
    assert_ne!(new, lost);
    assert_eq!(keys.key(lost).err().unwrap().kind, Kind::Corrupt, "it is lost, and was not destroyed");
    keys.destroy(&[new]).unwrap();
    assert_eq!(keys.key(new).err().unwrap().kind, Kind::NotFound);
}
