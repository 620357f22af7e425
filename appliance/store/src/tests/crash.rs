//! Power cuts at random steps against a model of what was acknowledged. One seed is one life of a box with several cuts; it is printed when it fails, and
//! `WATCHBOOK_SEED=n` runs it alone; `WATCHBOOK_SEEDS=n` runs so many.

use super::harness::*;
use bytes::Bytes;
use std::collections::BTreeMap;
use watchbook_base::fs::sim::Dice;
use watchbook_base::{Clock, Event, EventSource, GapReason, StreamId, UtcNanos};
use watchbook_media::RecordingEnd;

const SEEDS: u64 = if cfg!(debug_assertions) { 30 } else { 120 };
const CUTS: u64 = 4;

/// What was handed over: sample by stream, in order, with the commit attempt that carried it.
#[derive(Default)]
struct Model {
    samples: BTreeMap<StreamId, Vec<(UtcNanos, Bytes, bool)>>,
    events: Vec<(u64, bool)>,
}

impl Model {
    fn acknowledge(&mut self) {
        self.samples.values_mut().flatten().for_each(|sample| sample.2 = true);
        self.events.iter_mut().for_each(|event| event.1 = true);
    }

    /// Everything acknowledged that the ring has room for is there with the right bytes; of the rest a prefix may be. Then forgets what was lost.
    fn compare(&mut self, parts: &crate::store::Parts, seed: u64) {
        let stored = stored_events(parts);
        // Evicted ones are older than every one that is left.
        let oldest = stored.first().copied().unwrap_or(u64::MAX);
        let lost = self
            .events
            .iter()
            .filter(|(number, acknowledged)| *acknowledged && *number >= oldest && !stored.contains(number));
        assert_eq!(lost.count(), 0, "seed {seed}: of {:?} only {stored:?} are left", self.events);
        self.events = stored.into_iter().map(|number| (number, true)).collect();
        for (stream, want) in &mut self.samples {
            let got = samples(parts, *stream);
            let acknowledged = want.iter().filter(|sample| sample.2).count();
            // The oldest may have been overwritten: align by the first sample that is there.
            let skip = match got.first() {
                Some((utc, _)) => want
                    .iter()
                    .position(|sample| sample.0 == *utc)
                    .unwrap_or_else(|| panic!("seed {seed}: a sample nobody wrote")),
                None => {
                    assert!(acknowledged == 0, "seed {seed}: {stream} lost all of {acknowledged} acknowledged samples");
                    0
                }
            };
            assert!(got.len() + skip <= want.len(), "seed {seed}: more samples than were written");
            assert!(
                got.len() + skip >= acknowledged,
                "seed {seed}: {stream} kept {} of {acknowledged} acknowledged",
                got.len() + skip
            );
            for (got, want) in got.iter().zip(want.iter().skip(skip)) {
                assert!(got.0 == want.0 && got.1 == want.1, "seed {seed}: {stream} at {} has wrong bytes", got.0);
            }
            want.truncate(skip + got.len());
            want.drain(..skip);
            want.iter_mut().for_each(|sample| sample.2 = true);
        }
    }
}

fn event(number: u64, start: UtcNanos) -> Event {
    let source = EventSource {
        plugin: "p".into(),
        version: "1".into(),
        component_sha256: "a".into(),
        settings_sha256: "b".into(),
    };
    let (kind, note) = ("motion".into(), number.to_string());
    let detections = vec![];
    Event {
        camera: camera(1),
        kind,
        score: 0.1,
        start,
        end: None,
        zone: None,
        detections,
        note,
        source,
        lead: None,
        camera_clock: None,
    }
}

/// Records until the power goes. Returns how many commits were acknowledged.
fn record_until_cut(
    machine: &Box_,
    parts: &mut crate::store::Parts,
    cams: &mut [Cam],
    model: &mut Model,
    dice: &mut Dice,
) -> u64 {
    let mut acknowledged = 0;
    for cam in cams.iter_mut() {
        parts.writer.begin(&cam.start(&machine.clock));
    }
    while !machine.fs.is_off() {
        for _ in 0..1 + dice.below(12) {
            for cam in cams.iter_mut() {
                let packet = cam.packet(&machine.clock);
                model.samples.entry(cam.stream).or_default().push((packet.utc, packet.data.clone(), false));
                parts.writer.append(packet).unwrap();
            }
            machine.clock.advance(STEP_NANOS);
        }
        if dice.percent(10) {
            let number = parts.writer.event(&event(1, machine.clock.utc())).unwrap();
            model.events.push((number, false));
        }
        if dice.percent(5) {
            let cam = dice.below(cams.len() as u64) as usize;
            let (stream, utc) = (cams[cam].stream, machine.clock.utc());
            parts.writer.end(&RecordingEnd { stream, utc, reason: GapReason::CameraGone });
            parts.writer.begin(&cams[cam].start(&machine.clock));
        }
        if parts.committer.step().is_ok() {
            model.acknowledge();
            acknowledged += 1;
        }
    }
    acknowledged
}

fn one_life(seed: u64, lying_disk: bool) -> u64 {
    let mut dice = Dice::new(seed);
    // Half of them without keys, whose files take some of the cuts.
    let machine = Box_ { sealed: seed % 2 == 1, ..Box_::new(seed) };
    if lying_disk {
        machine.fs.lie();
    }
    let mut model = Model::default();
    let mut cams: Vec<Cam> =
        (1..=1 + dice.below(3) as u32).map(|n| Cam::new(n, 500 + dice.below(12_000) as usize)).collect();
    let mut acknowledged = 0;
    for cut in 0..CUTS {
        if cut == 0 {
            // The first cut may strike while the ring is being made.
            machine.fs.cut_after(dice.below(60));
        } else {
            machine.fs.cut_after(dice.below(250));
        }
        if let Ok(mut parts) = machine.try_open() {
            model.compare(&parts, seed);
            acknowledged += record_until_cut(&machine, &mut parts, &mut cams, &mut model, &mut dice);
        }
        machine.fs.power_on();
        machine.kv.crash(&mut dice);
        if dice.percent(10) {
            machine.kv.wipe();
        }
        machine.clock.advance(dice.below(60) * 1_000_000_000);
    }
    let mut parts = machine.open();
    model.compare(&parts, seed);
    // The ring goes on, and the index still says what the log says.
    for cam in &mut cams {
        parts.writer.begin(&cam.start(&machine.clock));
        parts.writer.append(cam.packet(&machine.clock)).unwrap();
    }
    parts.committer.step().unwrap();
    for cam in &cams {
        let gaps = parts.reader.gaps(&playback(cam.stream.camera.get()), cam.stream, ALL, machine.clock.utc()).unwrap();
        assert!(gaps.iter().all(|gap| gap.range.nanos() > 0), "seed {seed}");
        let holes = samples(&parts, cam.stream)
            .windows(2)
            .filter(|pair| pair[1].0.nanos_since(pair[0].0) > 1_000_000_000)
            .count();
        assert!(gaps.len() >= holes, "seed {seed}: {holes} holes and only {} gap rows", gaps.len());
    }
    let report = machine.check();
    assert!(
        report.bad_run_count == 0
            && report.damage.is_empty()
            && report.only_in_index == Some(0)
            && report.unreadable_runs == 0,
        "seed {seed}: {report:?}"
    );
    acknowledged
}

fn stored_events(parts: &crate::store::Parts) -> Vec<u64> {
    let all = grant(watchbook_access::Action::SearchEvents { camera: None, cameras: Vec::new(), range: ALL });
    let query = crate::EventQuery {
        camera: None,
        only: None,
        kind: None,
        zone: None,
        plugin: None,
        range: ALL,
        newest_first: false,
        limit: 1000,
        after: None,
    };
    let mut numbers: Vec<u64> =
        parts.reader.events(&all, &query).unwrap().events.iter().map(|event| event.number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn what_was_acknowledged_survives_every_power_cut() {
    let seeds = seeds(SEEDS);
    let acknowledged: u64 = seeds
        .iter()
        .map(|seed| {
            std::panic::catch_unwind(|| one_life(*seed, false))
                .unwrap_or_else(|_| panic!("replay with WATCHBOOK_SEED={seed}"))
        })
        .sum();
    assert!(
        seeds.len() == 1 || acknowledged > seeds.len() as u64 * 50,
        "only {acknowledged} commits were acknowledged in all"
    );
}

#[test]
fn the_test_notices_a_disk_that_lies_about_syncs() {
    let caught = (0..8).filter(|seed| std::panic::catch_unwind(|| one_life(*seed, true)).is_err()).count();
    assert!(caught >= 6, "only {caught} of 8 lives on a lying disk were noticed");
}
