use super::*;
use proptest::prelude::*;
use watchbook_base::Clock;
use watchbook_base::clock::SimClock;

const FRAME: i64 = 3600; // 25 fps at 90 kHz
const FRAME_NS: u64 = 40_000_000;
const START: UtcNanos = UtcNanos(1_700_000_000_000_000_000);

fn arrival(clock: &SimClock) -> Arrival {
    Arrival { mono: clock.mono(), utc: clock.utc() }
}

/// A timeline that knows its first sample, as it arrives now.
fn begin(clock: &SimClock, rate_hz: u32, rtp: i64) -> Timeline {
    Timeline::new(rate_hz, rtp, [(rtp, arrival(clock))])
}

#[test]
fn media_time_is_the_cameras_and_utc_follows_it() {
    let clock = SimClock::new(START);
    let mut timeline = begin(&clock, 90_000, 5_000);
    for frame in 0..100 {
        // The network delays every other frame by 15 ms; media time does not show it.
        let late = if frame % 2 == 1 { 15_000_000 } else { 0 };
        clock.advance(late);
        let placed = timeline.place(5_000 + frame * FRAME, arrival(&clock));
        clock.advance(FRAME_NS - late);
        assert_eq!(placed.times.dts, Ticks90k(frame * FRAME));
        assert_eq!((placed.times.cts_offset, placed.step), (0, None));
        assert_eq!(placed.times.utc, START.plus_ticks(Ticks90k(frame * FRAME)));
    }
    assert_eq!(timeline.end(), START.plus_ticks(Ticks90k(100 * FRAME)));
    assert_eq!(timeline.mono_zero().0, 3_600_000_000_000);
}

#[test]
fn a_burst_of_old_pictures_sets_utc_from_the_last_one() {
    // At PLAY the server sends the GOP it holds: 50 frames of the last two seconds at once.
    let clock = SimClock::new(START);
    let heard: Vec<_> = (0..50).map(|frame| (frame * FRAME, arrival(&clock))).collect();
    let timeline = Timeline::new(90_000, 0, heard);
    assert_eq!(timeline.utc_zero(), START.plus_nanos(-49 * FRAME_NS.cast_signed()));
}

#[test]
fn a_late_start_is_mended_within_seconds_and_utc_never_goes_back() {
    let clock = SimClock::new(START);
    clock.advance(400_000_000);
    let mut timeline = begin(&clock, 90_000, 0); // the first key frame took 400 ms on the way
    clock.advance(FRAME_NS);
    let mut before = UtcNanos(0);
    for frame in 1..500 {
        let truth = START.plus_ticks(Ticks90k(frame * FRAME));
        let late = truth.nanos_since(clock.utc());
        clock.advance(u64::try_from(late.max(0)).unwrap());
        let utc = timeline.place(frame * FRAME, arrival(&clock)).times.utc;
        assert!(utc > before);
        before = utc;
        if frame > 260 {
            assert!((utc.nanos_since(truth)).abs() < 1_000_000, "frame {frame}: {} ns off", utc.nanos_since(truth));
        }
    }
}

#[test]
fn a_camera_whose_clock_drifts_is_followed_for_a_day_and_its_drift_reported() {
    for ppm in [-150_i64, 80] {
        let clock = SimClock::new(START);
        let mut timeline = begin(&clock, 90_000, 0);
        // The camera counts 40 ms while 40 ms × (1 − ppm) pass here.
        let frame_ns = u64::try_from(40_000_000 - 40 * ppm).unwrap();
        for frame in 1..=86_400 * 25 {
            clock.advance(frame_ns);
            let placed = timeline.place(frame * FRAME, arrival(&clock));
            assert_eq!(placed.step, None, "frame {frame}");
            let off = placed.times.utc.nanos_since(clock.utc()).abs();
            assert!(off < 20_000_000, "frame {frame}: {off} ns off");
        }
        let reported = timeline.drift_ppm().unwrap();
        assert!((reported - ppm as f32).abs() < 2.0, "{reported} instead of {ppm}");
    }
}

#[test]
fn a_clock_that_is_set_is_one_step_and_reorders_nothing() {
    for step_ns in [-3_600 * NANOS_PER_SEC, 300 * NANOS_PER_MS] {
        let clock = SimClock::new(START);
        let mut timeline = begin(&clock, 90_000, 0);
        let mut steps = Vec::new();
        for frame in 0..200 {
            if frame == 100 {
                clock.step(step_ns);
            }
            let placed = timeline.place(frame * FRAME, arrival(&clock));
            assert_eq!(placed.times.utc, START.plus_ticks(Ticks90k(frame * FRAME)));
            steps.extend(placed.step.map(|step| (frame, step)));
            clock.advance(FRAME_NS);
        }
        assert_eq!(steps, [(100, Step::OurClock(step_ns))]);
    }
}

#[test]
fn a_small_step_is_slewed() {
    let clock = SimClock::new(START);
    let mut timeline = begin(&clock, 90_000, 0);
    let mut last = UtcNanos(0);
    for frame in 0..25 * 700 {
        if frame == 1_000 {
            clock.step(200 * NANOS_PER_MS);
        }
        let placed = timeline.place(frame * FRAME, arrival(&clock));
        assert_eq!(placed.step, None);
        let grown = placed.times.utc.nanos_since(last);
        assert!(
            frame == 0 || (40_000_000 - 20_001..=40_000_000 + 20_001).contains(&grown),
            "500 ppm of 40 ms is 20 µs: {grown}"
        );
        last = placed.times.utc;
        clock.advance(FRAME_NS);
    }
    assert!(clock.utc().nanos_since(last) < 45_000_000, "200 ms at 500 ppm take 400 s");
}

#[test]
fn jumps_of_rtp_time_are_steps_and_the_row_is_unbroken() {
    for jump in [JUMP_TICKS + 1, 1 << 40, -REORDER_TICKS - 1 - FRAME, -(1 << 40)] {
        let clock = SimClock::new(START);
        let mut timeline = begin(&clock, 90_000, 0);
        let mut steps = 0;
        for frame in 0..200 {
            let rtp = frame * FRAME + if frame >= 50 { jump } else { 0 };
            let placed = timeline.place(rtp, arrival(&clock));
            assert_eq!(placed.times.dts, Ticks90k(frame * FRAME), "jump {jump}, frame {frame}");
            steps += u32::from(placed.step.is_some());
            clock.advance(FRAME_NS);
        }
        assert_eq!(steps, 1, "jump {jump}");
    }
}

#[test]
fn a_jump_that_hides_below_the_limit_is_found_by_its_effect_on_utc() {
    let clock = SimClock::new(START);
    let mut timeline = begin(&clock, 90_000, 0);
    let mut steps = Vec::new();
    for frame in 0..1000 {
        let rtp = frame * FRAME + if frame >= 500 { 8 * TICKS_PER_SEC } else { 0 };
        steps.extend(timeline.place(rtp, arrival(&clock)).step.map(|step| (frame, step)));
        clock.advance(FRAME_NS);
    }
    assert_eq!(steps, [(500, Step::CameraClock(-8 * NANOS_PER_SEC))]);
}

#[test]
fn b_frames_need_no_look_ahead() {
    // Decode order I0 P3 B1 B2 P6 B4 B5 …, as x264 sends it with two B-frames.
    // The encoder needs two more pictures before it can send the first P3, so frame k arrives at (k + 2) × 40 ms.
    let clock = SimClock::new(START);
    let sent: Vec<_> = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
        .map(|pts| {
            clock.advance(FRAME_NS);
            (pts, arrival(&clock))
        })
        .to_vec();
    let mut timeline = Timeline::new(90_000, 0, sent[..6].iter().map(|(pts, arrival)| (pts * FRAME, *arrival)));
    let mut presented = Vec::new();
    let mut last = Ticks90k(-1);
    for (pts, arrival) in sent {
        let Placed { times, step } = timeline.place(pts * FRAME, arrival);
        assert!(times.dts > last && step.is_none());
        last = times.dts;
        assert_eq!(times.dts.0 + i64::from(times.cts_offset), pts * FRAME);
        presented.push(times.utc);
    }
    presented.sort_unstable();
    assert!(
        presented.windows(2).all(|pair| (39_000_000..=41_000_000).contains(&pair[1].nanos_since(pair[0]))),
        "{presented:?}"
    );
    let ends = timeline.end().nanos_since(*presented.last().unwrap());
    assert!((39_000_000..=41_000_000).contains(&ends), "the last picture is shown as long as the others: {ends}");
}

#[test]
fn audio_at_44100_hz_does_not_drift_by_rounding() {
    let clock = SimClock::new(START);
    let mut timeline = begin(&clock, 44_100, 17);
    // 1024 samples an AAC frame: 2089.79… ticks. An hour of them.
    for frame in 0..155_039_i64 {
        let dts = timeline.place(17 + frame * 1024, arrival(&clock)).times.dts.0;
        assert_eq!(dts, frame * 1024 * 90_000 / 44_100);
        clock.advance(23_219_955);
    }
}

#[test]
fn pictures_with_one_time_stay_in_order() {
    let clock = SimClock::new(START);
    let mut timeline = begin(&clock, 90_000, 0);
    let placed: Vec<_> = [0, 0, 0, FRAME].map(|rtp| timeline.place(rtp, arrival(&clock)).times).to_vec();
    assert_eq!(
        placed.iter().map(|t| (t.dts.0, t.cts_offset)).collect::<Vec<_>>(),
        [(0, 0), (1, -1), (2, -2), (FRAME, 0)]
    );
}

proptest! {
    #[test]
    fn whatever_a_camera_says_decode_times_grow_and_nothing_overflows(
        rate in prop_oneof![Just(90_000u32), Just(8_000), Just(44_100), Just(1), any::<u32>()],
        first in any::<i64>(),
        moves in proptest::collection::vec((prop_oneof![any::<i64>(), -200_000i64..400_000], 0u64..20_000_000_000, prop_oneof![Just(0i64), any::<i32>().prop_map(i64::from)]), 1..200),
    ) {
        let clock = SimClock::new(START);
        let mut timeline = begin(&clock, rate, first);
        let (mut rtp, mut last) = (first, -1);
        for (index, (by, wait_ns, step_ns)) in moves.into_iter().enumerate() {
            let placed = timeline.place(rtp, arrival(&clock));
            prop_assert!(placed.times.dts.0 > last && (index > 0 || placed.times.dts.0 == 0));
            last = placed.times.dts.0;
            let _ = (timeline.end(), timeline.drift_ppm(), timeline.mono_zero());
            rtp = rtp.saturating_add(by);
            clock.advance(wait_ns);
            clock.step(step_ns);
        }
    }

    #[test]
    fn without_jumps_utc_grows_with_media_time_whatever_the_network_does(delays_ms in proptest::collection::vec(0u64..900, 2..400)) {
        let clock = SimClock::new(START);
        let mut timeline: Option<Timeline> = None;
        let mut last = UtcNanos(0);
        for (frame, delay_ms) in delays_ms.into_iter().enumerate() {
            let frame = i64::try_from(frame).unwrap();
            let due = START.plus_ticks(Ticks90k(frame * FRAME)).plus_nanos(i64::try_from(delay_ms).unwrap() * NANOS_PER_MS);
            clock.advance(u64::try_from(due.nanos_since(clock.utc())).unwrap_or(0));
            let timeline = timeline.get_or_insert_with(|| begin(&clock, 90_000, 0));
            let placed = timeline.place(frame * FRAME, arrival(&clock));
            prop_assert!(placed.times.utc > last && placed.step.is_none());
            last = placed.times.utc;
        }
    }
}
