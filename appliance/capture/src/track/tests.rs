use super::*;
use std::sync::Mutex;
use watchbook_base::clock::SimClock;
use watchbook_base::{CameraId, TrackRole};
use watchbook_media::Codec;

const FRAME: i64 = 3600;
const FRAME_NS: u64 = 40_000_000;
const GOP: i64 = 50;
const START: UtcNanos = UtcNanos(1_700_000_000_000_000_000);

#[derive(Default)]
struct Seen(Mutex<Vec<Call>>);

#[derive(Clone, Debug, PartialEq)]
enum Call {
    Begin(RecordingStart),
    Packet(Packet),
    End(RecordingEnd),
}

impl Sink for Seen {
    fn begin(&self, start: &RecordingStart) {
        self.0.lock().unwrap().push(Call::Begin(start.clone()));
    }
    fn packet(&self, packet: Packet) {
        self.0.lock().unwrap().push(Call::Packet(packet));
    }
    fn end(&self, end: &RecordingEnd) {
        self.0.lock().unwrap().push(Call::End(*end));
    }
    fn state(&self, _: CameraId, _: TrackRole, _: crate::StreamState) {}
}

struct Bench {
    track: Track,
    clock: SimClock,
    seen: Arc<Seen>,
    frame: i64,
}

impl Bench {
    fn new() -> Self {
        let (clock, seen) = (SimClock::new(START), Arc::new(Seen::default()));
        let stream = CameraId::new(3).unwrap().stream(TrackRole::MainVideo);
        let mut track = Track::new(stream, seen.clone(), Arc::new(clock.clone()));
        track.set_format(format(1920));
        Self { track, clock, seen, frame: 0 }
    }

    fn arrival(&self) -> Arrival {
        Arrival { mono: self.clock.mono(), utc: self.clock.utc() }
    }

    fn send(&mut self, frames: i64) {
        for _ in 0..frames {
            let unit = Unit {
                rtp: self.frame * FRAME,
                rate_hz: 90_000,
                key: self.frame % GOP == 0,
                data: Bytes::from_static(b"picture"),
            };
            self.track.sample(unit, self.arrival());
            self.clock.advance(FRAME_NS);
            self.frame += 1;
        }
    }

    fn calls(&self) -> Vec<Call> {
        core::mem::take(&mut self.seen.0.lock().unwrap())
    }
}

fn format(width: u32) -> TrackFormat {
    TrackFormat { codec: Codec::H264 { width, height: 1080 }, config: Bytes::from_static(b"avcC") }
}

/// Calls in short, one letter each: b p P e (P a key frame), runs of p as one.
fn shape(calls: &[Call]) -> String {
    let mut shape = String::new();
    for call in calls {
        match call {
            Call::Begin(_) => shape.push('b'),
            Call::Packet(packet) if packet.key => shape.push('P'),
            Call::Packet(_) if shape.ends_with('p') => {}
            Call::Packet(_) => shape.push('p'),
            Call::End(_) => shape.push('e'),
        }
    }
    shape
}

fn ends(calls: &[Call]) -> Vec<(GapReason, UtcNanos)> {
    calls.iter().filter_map(|call| if let Call::End(end) = call { Some((end.reason, end.utc)) } else { None }).collect()
}

fn begins(calls: &[Call]) -> Vec<RecordingStart> {
    calls.iter().filter_map(|call| if let Call::Begin(start) = call { Some(start.clone()) } else { None }).collect()
}

#[test]
fn a_recording_begins_at_a_key_frame_and_nothing_of_it_is_missing() {
    let mut bench = Bench::new();
    bench.frame = 45;
    bench.send(5);
    assert_eq!(bench.calls(), [], "no key frame yet");
    bench.send(100);
    let calls = bench.calls();
    assert_eq!(shape(&calls), "bPpPp");
    assert_eq!(calls.iter().filter(|call| matches!(call, Call::Packet(_))).count(), 100);
    let start = &begins(&calls)[0];
    assert_eq!((start.utc, start.format.clone()), (START.plus_ticks(Ticks90k(5 * FRAME)), format(1920)));
    bench.track.fail(GapReason::CameraGone, bench.clock.utc());
    assert_eq!(ends(&bench.calls()), [(GapReason::CameraGone, START.plus_ticks(Ticks90k(105 * FRAME)))]);
}

#[test]
fn the_same_failure_is_said_once_and_another_one_again() {
    let mut bench = Bench::new();
    for reason in [GapReason::CameraGone, GapReason::CameraGone, GapReason::CameraDenied, GapReason::CameraDenied] {
        bench.track.fail(reason, bench.clock.utc());
        bench.clock.advance(FRAME_NS);
    }
    assert_eq!(
        ends(&bench.calls()),
        [(GapReason::CameraGone, START), (GapReason::CameraDenied, START.plus_ticks(Ticks90k(2 * FRAME)))]
    );
}

#[test]
fn a_stream_that_breaks_off_at_once_loses_nothing_of_what_came() {
    let mut bench = Bench::new();
    bench.send(2);
    assert_eq!(shape(&bench.calls()), "", "still held back");
    bench.track.fail(GapReason::CameraGone, bench.clock.utc());
    assert_eq!(shape(&bench.calls()), "bPpe");
}

#[test]
fn a_slow_stream_is_not_held_back_for_its_second_picture() {
    let mut bench = Bench::new();
    bench.send(1);
    bench.clock.advance(HOLD_NS);
    bench.track.tick(bench.arrival());
    assert_eq!(shape(&bench.calls()), "bP");
}

#[test]
fn another_format_is_another_recording() {
    let mut bench = Bench::new();
    bench.send(100);
    bench.track.set_format(format(1920));
    bench.track.set_format(format(1280));
    bench.send(100);
    let calls = bench.calls();
    assert_eq!(shape(&calls), "bPpPpebPpPp");
    assert_eq!(ends(&calls), [(GapReason::FormatChange, START.plus_ticks(Ticks90k(100 * FRAME)))]);
    assert_eq!(begins(&calls)[1].format, format(1280));
}

#[test]
fn when_our_clock_is_set_the_next_key_frame_begins_a_recording_on_the_new_time() {
    let mut bench = Bench::new();
    bench.send(70);
    let hour = 3600 * NANOS_PER_SEC;
    bench.clock.step(-hour);
    bench.send(50);
    let calls = bench.calls();
    assert_eq!(shape(&calls), "bPpPpebPp");
    let picture_100 = START.plus_ticks(Ticks90k(100 * FRAME));
    assert_eq!(ends(&calls), [(GapReason::ClockStep, picture_100)], "no frame is lost, none is reordered");
    assert_eq!(begins(&calls)[1].utc, picture_100.plus_nanos(-hour));
}

#[test]
fn long_loss_is_a_gap_and_short_loss_is_not() {
    let mut bench = Bench::new();
    bench.send(60);
    bench.frame += 3;
    bench.clock.advance(3 * FRAME_NS);
    bench.track.lose(1);
    bench.send(20);
    assert_eq!(shape(&bench.calls()), "bPpPp");
    bench.frame += 40;
    bench.clock.advance(40 * FRAME_NS);
    bench.track.lose(1);
    bench.send(50);
    let calls = bench.calls();
    assert_eq!(shape(&calls), "ebPp");
    assert_eq!(ends(&calls), [(GapReason::PacketLoss, START.plus_ticks(Ticks90k(83 * FRAME)))]);
}

/// What is missing before each packet that is missing something: its number from the first one on, and how much.
fn losses(calls: &[Call]) -> Vec<(usize, u16)> {
    let packets = calls.iter().filter_map(|call| if let Call::Packet(packet) = call { Some(packet) } else { None });
    packets
        .enumerate()
        .filter(|(_, packet)| packet.lost_before > 0)
        .map(|(at, packet)| (at, packet.lost_before))
        .collect()
}

#[test]
fn a_loss_is_marked_at_the_sample_behind_it() {
    let mut bench = Bench::new();
    bench.send(3);
    // Held back still: the start of the recording is not known.
    bench.track.lose(2);
    bench.track.lose(1);
    bench.send(57);
    bench.frame += 3;
    bench.track.lose(u16::MAX);
    bench.track.lose(7);
    bench.send(20);
    assert_eq!(losses(&bench.calls()), [(3, 3), (60, u16::MAX)], "sums saturate");
}

#[test]
fn what_is_missing_at_the_end_of_a_gap_lies_in_the_gap() {
    let mut bench = Bench::new();
    // Before the first recording, and before the key frame of one that was not there yet.
    bench.frame = 49;
    bench.track.lose(4);
    bench.send(1);
    bench.track.lose(5);
    bench.send(50);
    assert_eq!(losses(&bench.calls()), []);
    // Right before a gap, whether it is a long loss or the camera's end.
    bench.track.lose(6);
    bench.frame += 50;
    bench.send(50);
    bench.track.lose(7);
    bench.track.fail(GapReason::CameraGone, bench.clock.utc());
    bench.send(50);
    let calls = bench.calls();
    assert_eq!(shape(&calls), "ebPpebPp");
    assert_eq!(losses(&calls), []);
}

#[test]
fn a_recording_that_follows_another_without_a_gap_says_what_is_missing_between_them() {
    let mut bench = Bench::new();
    bench.send(70);
    bench.clock.step(-NANOS_PER_SEC);
    bench.send(30);
    bench.track.lose(2);
    bench.send(20);
    let calls = bench.calls();
    assert_eq!((shape(&calls).as_str(), losses(&calls)), ("bPpPpebPp", vec![(100, 2)]));
    bench.send(30);
    bench.calls();
    bench.track.set_format(format(1280));
    bench.track.lose(3);
    bench.send(50);
    assert_eq!(losses(&bench.calls()), [(0, 3)]);
}

#[test]
fn a_stream_without_key_frames_after_a_step_does_not_stay_on_the_old_time_for_ever() {
    let mut bench = Bench::new();
    bench.send(10);
    bench.clock.step(NANOS_PER_SEC);
    for _ in 0..31 * 25 {
        let unit = Unit { rtp: bench.frame * FRAME, rate_hz: 90_000, key: false, data: Bytes::from_static(b"p") };
        bench.track.sample(unit, bench.arrival());
        bench.clock.advance(FRAME_NS);
        bench.frame += 1;
    }
    assert_eq!(shape(&bench.calls()), "bPpe");
}

#[test]
fn what_is_held_back_is_bounded() {
    let mut bench = Bench::new();
    let big = Bytes::from(vec![7; 3 << 20]);
    for frame in 0..3 {
        bench.track.sample(Unit { rtp: frame, rate_hz: 90_000, key: frame == 0, data: big.clone() }, bench.arrival());
    }
    assert_eq!(shape(&bench.calls()), "bPp");
}
