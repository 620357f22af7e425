//! What is kept and what is dropped when the disk is slow.

use super::pending::Pending;
use super::shed::{STEPS, resume_below_percent};
use super::{Section, step_of};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;
use watchbook_base::{CameraId, GapReason, Importance, MonoNanos, StreamId, SyncState, Ticks90k, TrackRole, UtcNanos};
use watchbook_media::{Codec, Packet, RecordingEnd, RecordingStart, TrackFormat};

const START: UtcNanos = UtcNanos(1_800_000_000_000_000_000);
const BYTES_MAX: u64 = 1 << 20;
const STEP_TICKS: i64 = 3600;
const STEP_NANOS: i64 = 40_000_000;

/// One stream of each step of importance, the least important first.
fn streams() -> [(StreamId, Importance); STEPS] {
    let of = |camera: u32, role, importance| (CameraId::new(camera).unwrap().stream(role), importance);
    [
        of(1, TrackRole::SubVideo, Importance::Low),
        of(1, TrackRole::MainVideo, Importance::Low),
        of(2, TrackRole::MainVideo, Importance::Normal),
        of(3, TrackRole::MainVideo, Importance::High),
    ]
}

fn utc(tick: i64) -> UtcNanos {
    START.plus_nanos(tick * STEP_NANOS)
}

/// A camera's side of one stream, and what became of its packets.
struct Feed {
    stream: StreamId,
    begun: i64,
    gop: i64,
    /// Tick and whether it was taken.
    told: Vec<(i64, bool)>,
    waits_for_key: bool,
}

impl Feed {
    fn begin(&mut self, pending: &mut Pending, tick: i64) {
        self.begun = tick;
        self.waits_for_key = false;
        let format =
            TrackFormat { codec: Codec::H264 { width: 640, height: 360 }, config: Bytes::from_static(b"config") };
        let (utc, mono, sync) = (utc(tick), MonoNanos(0), SyncState::Synchronised);
        pending.begin(&RecordingStart { stream: self.stream, format, utc, mono, sync });
    }

    /// True, true when it was refused because the memory is too full, and not because its GOP is incomplete already.
    fn append(&mut self, pending: &mut Pending, tick: i64, size: usize) -> (bool, bool) {
        let frame = tick - self.begun;
        let key = frame % self.gop == 0;
        let data: Bytes = vec![7; if key { size * 4 } else { size }].into();
        let dts = Ticks90k(frame * STEP_TICKS);
        let packet = Packet {
            stream: self.stream,
            dts,
            cts_offset: 0,
            utc: utc(tick),
            mono: MonoNanos(0),
            key,
            lost_before: 0,
            data,
        };
        let taken = pending.append(packet).is_ok();
        let refused_as_full = !taken && (key || !self.waits_for_key);
        self.waits_for_key = !taken;
        self.told.push((tick, taken));
        (taken, refused_as_full)
    }
}

/// One tick of every camera, then perhaps a commit taken up or finished.
type Tick = ([usize; STEPS], bool, bool);

fn ticks() -> impl Strategy<Value = Vec<Tick>> {
    let sizes = [1_usize..6000, 1..6000, 1..6000, 1..6000];
    proptest::collection::vec((sizes, proptest::bool::weighted(0.1), proptest::bool::weighted(0.04)), 50..400)
}

fn section_bytes(sections: &[Section]) -> u64 {
    sections.iter().map(Section::bytes).sum()
}

/// Runs a life; returns every section in the order of its stream.
fn live(ticks: &[Tick], gops: [i64; STEPS]) -> Result<(Vec<Feed>, Vec<Section>), TestCaseError> {
    let mut pending = Pending::new(BYTES_MAX, 64 << 20, Arc::default());
    let mut feeds: Vec<Feed> = (streams().iter().zip(gops))
        .map(|((stream, importance), gop)| {
            pending.set_importance(*stream, *importance);
            Feed { stream: *stream, begun: 0, gop, told: Vec::new(), waits_for_key: false }
        })
        .collect();
    feeds.iter_mut().for_each(|feed| feed.begin(&mut pending, 0));
    let mut on_the_way: VecDeque<u64> = VecDeque::new();
    let mut all = Vec::new();
    // Distances from the most important step at which a packet was refused and that are not open again yet.
    let mut closed = [false; STEPS];
    for (tick, (sizes, take, finish)) in ticks.iter().enumerate() {
        let tick = i64::try_from(tick).unwrap();
        for (step, size) in sizes.iter().enumerate().rev() {
            let below_top = STEPS - 1 - step;
            let percent = pending.bytes() * 100 / BYTES_MAX;
            for (below, closed) in closed.iter_mut().enumerate() {
                *closed &= percent >= resume_below_percent(below);
            }
            let (taken, refused_as_full) = feeds[step].append(&mut pending, tick, *size);
            prop_assert!(
                !taken || closed[..below_top].iter().all(|closed| !closed),
                "step {step} got in at tick {tick} while a more important one is refused"
            );
            closed[below_top] |= refused_as_full;
            prop_assert!(pending.bytes() <= BYTES_MAX + 64 * 1024, "{} bytes wait", pending.bytes());
        }
        if *take && on_the_way.len() < 2 {
            let taken = pending.take();
            on_the_way.push_back(section_bytes(&taken.sections));
            all.extend(taken.sections);
        }
        if *finish && let Some(bytes) = on_the_way.pop_front() {
            pending.settle(bytes);
        }
    }
    let rest = pending.take();
    on_the_way.push_back(section_bytes(&rest.sections));
    all.extend(rest.sections);
    on_the_way.into_iter().for_each(|bytes| pending.settle(bytes));
    prop_assert_eq!(pending.bytes(), 0, "nothing is counted twice");
    let drops: u64 = feeds.iter().flat_map(|feed| &feed.told).map(|(_, taken)| u64::from(!taken)).sum();
    prop_assert_eq!(pending.stats.overload_drops, drops);
    prop_assert_eq!(pending.stats.overload_drops_by_step.iter().sum::<u64>(), drops);
    Ok((feeds, all))
}

/// What the sections say of one stream: packets by tick, and after which tick an overload began.
fn said(sections: &[Section], stream: StreamId) -> (Vec<i64>, Vec<i64>) {
    let tick_of = |utc: UtcNanos| utc.nanos_since(START) / STEP_NANOS;
    let (mut packets, mut ends) = (Vec::new(), Vec::new());
    for section in sections.iter().filter(|section| section.stream == stream) {
        packets.extend(section.packets.iter().map(|packet| tick_of(packet.utc)));
        if let Some(RecordingEnd { utc, reason, .. }) = section.end {
            assert_eq!(reason, GapReason::Overload);
            ends.push(tick_of(utc));
        }
    }
    (packets, ends)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_less_important_go_first_and_gaps_cover_what_was_dropped(
        ticks in ticks(),
        gops in [2_i64..30, 2..30, 2..30, 2..30],
    ) {
        let (feeds, sections) = live(&ticks, gops)?;
        for feed in &feeds {
            let (packets, ends) = said(&sections, feed.stream);
            let taken: Vec<i64> = feed.told.iter().filter(|(_, taken)| *taken).map(|(tick, _)| *tick).collect();
            prop_assert_eq!(&packets, &taken, "every packet that was taken is there");
            // A gap begins where the first packet after a taken one (or the first of all) was dropped, and nowhere else.
            let mut before = true;
            let mut want = Vec::new();
            for (tick, taken) in &feed.told {
                if before && !taken {
                    want.push(*tick);
                }
                before = *taken;
            }
            prop_assert_eq!(&ends, &want, "{} tells each hole where it begins", feed.stream);
        }
    }
}

#[test]
fn a_stream_of_high_importance_keeps_all_while_the_rest_makes_room() {
    let mut pending = Pending::new(BYTES_MAX, 64 << 20, Arc::default());
    let mut feeds: Vec<Feed> = streams()
        .into_iter()
        .map(|(stream, importance)| {
            pending.set_importance(stream, importance);
            Feed { stream, begun: 0, gop: 12, told: Vec::new(), waits_for_key: false }
        })
        .collect();
    feeds.iter_mut().for_each(|feed| feed.begin(&mut pending, 0));
    let mut on_the_way = 0;
    for tick in 0..500 {
        // The high one is a quarter of what comes; the disk takes about half.
        for feed in &mut feeds {
            let _ = feed.append(&mut pending, tick, 4000);
        }
        if tick % 12 == 11 {
            pending.settle(on_the_way);
            on_the_way = 0;
            if tick % 24 == 23 {
                on_the_way = section_bytes(&pending.take().sections).min(200_000);
            }
        }
    }
    let kept: Vec<usize> = feeds.iter().map(|feed| feed.told.iter().filter(|(_, taken)| *taken).count()).collect();
    assert!(kept.is_sorted() && kept[0] < kept[3], "{kept:?}");
    let overload = pending.overload(utc(500)).unwrap();
    assert_eq!(overload.dropping.first(), Some(&feeds[0].stream), "the least important one is named first");
    assert!(overload.text().contains("camera 1 sub"), "{}", overload.text());
    assert!(pending.overload(utc(500).plus_nanos(3600 * 1_000_000_000)).is_some(), "told as long as it lasts");
    for (step, feed) in feeds.iter().enumerate() {
        assert_eq!(step_of(streams()[step].1, feed.stream.role), step);
        pending.end(&RecordingEnd { stream: feed.stream, utc: utc(500), reason: GapReason::CameraGone });
    }
    assert!(pending.overload(utc(501)).is_some_and(|overload| overload.text().contains("within the last minutes")));
    assert_eq!(pending.overload(utc(500).plus_nanos(3600 * 1_000_000_000)), None, "and then no more");
}

#[test]
fn importance_changes_while_a_stream_records() {
    let mut pending = Pending::new(BYTES_MAX, 64 << 20, Arc::default());
    let feed = |camera: u32| Feed {
        stream: CameraId::new(camera).unwrap().stream(TrackRole::MainVideo),
        begun: 0,
        gop: 1,

        told: Vec::new(),
        waits_for_key: false,
    };
    let mut feeds = [feed(1), feed(2)];
    feeds.iter_mut().for_each(|feed| feed.begin(&mut pending, 0));
    // Four times 180,000 bytes: more than four fifths wait.
    for tick in 0..5 {
        assert!(feeds[0].append(&mut pending, tick, 44_000).0);
    }
    assert!(feeds[1].append(&mut pending, 5, 1).0, "cameras of one importance use nine tenths alike");
    pending.set_importance(feeds[0].stream, Importance::High);
    assert!(!feeds[1].append(&mut pending, 6, 1).0, "there is a more important one now");
    assert!(feeds[0].append(&mut pending, 6, 1).0);
    let end = RecordingEnd { stream: feeds[0].stream, utc: utc(7), reason: GapReason::CameraGone };
    pending.end(&end);
    assert!(feeds[1].append(&mut pending, 7, 1).0, "the most important one that records is this one again");
}
