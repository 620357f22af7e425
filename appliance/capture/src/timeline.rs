//! The time model: a camera's RTP times and our two clocks give each sample a decode time, a presentation offset and UTC.
//!
//! * **Media time** runs by the camera's clock, in 1/90,000 s since the recording's first sample, and is exact: a duration is what the camera says it is, whatever
//!   the network does.
//! * **UTC of media time 0** comes from the least-delayed sample. A sample cannot arrive before it was taken, so the smallest difference between arrival and media
//!   time is the best estimate of when media time 0 was; network and scheduling only add to it. The smallest of the last minute is used, so the estimate follows a
//!   camera whose clock runs fast or slow. The mapping is slewed towards it by at most [`SLEW_PPM`], in the first seconds by at most [`SLEW_FIRST_PPM`], never
//!   stepped: within a recording UTC is a smooth function of media time.
//! * **B-frames** need no look-ahead: a sample's decode time is its presentation time, or one tick after the last decode time when that is later; the presentation
//!   offset makes up the difference.
//! * **Steps** end a recording. When `CLOCK_REALTIME − CLOCK_MONOTONIC` jumps by more than [`CLOCK_STEP_NS`], somebody set our clock; when RTP time jumps ahead by more than
//!   [`JUMP_TICKS`] or back by more than [`REORDER_TICKS`], or the mapping is off by more than [`MAPPING_ERROR_NS`], the camera's clock was set. Samples go on being placed
//!   in an unbroken row until the caller finds a key frame to begin the next recording at.
//!
//! Pure: no clock is read here, so that a day passes in a test in a moment.

use std::collections::VecDeque;
use watchbook_base::time::{NANOS_PER_MS, NANOS_PER_SEC, TICKS_PER_SEC};
use watchbook_base::{MonoNanos, Ticks90k, UtcNanos};

/// Fastest slew of the mapping once it has settled. 500 ppm is the limit the kernel's own clock discipline uses (`adjtimex(2)`), over any crystal's error.
pub const SLEW_PPM: i64 = 500;
/// Fastest slew in the first [`SETTLE_NS`]: 5 %, so that half a second of error from a late first picture is gone after ten seconds, and UTC still only grows.
pub const SLEW_FIRST_PPM: i64 = 50_000;
/// How long a mapping takes to settle.
pub const SETTLE_NS: i64 = 10 * NANOS_PER_SEC;
/// RTP time that runs further ahead than this from one sample to the next is a jump: a session that is silent for half as long is given up before.
pub const JUMP_TICKS: i64 = 10 * TICKS_PER_SEC;
/// RTP time may go back by this much: 16 frames (the largest H.264 and H.265 picture buffer) at 8 fps.
pub const REORDER_TICKS: i64 = 2 * TICKS_PER_SEC;
/// A change of `CLOCK_REALTIME − CLOCK_MONOTONIC` between two samples that counts as a step. NTP slews what is under 128 ms.
pub const CLOCK_STEP_NS: i64 = 250 * NANOS_PER_MS;
/// A settled mapping that is off by more than this is not slewed (that would take over an hour): the recording starts anew.
pub const MAPPING_ERROR_NS: i64 = 2 * NANOS_PER_SEC;

/// One bucket of the delay filter.
const BUCKET_NS: u64 = 10 * NANOS_PER_SEC.unsigned_abs();
/// Buckets whose smallest delay is the estimate: a minute.
const WINDOW_BUCKETS: usize = 6;
/// Buckets kept to measure drift: 20 minutes, 16 bytes each.
const HISTORY_BUCKETS: usize = 120;
/// Buckets before drift is reported: two minutes.
const DRIFT_BUCKETS_MIN: usize = 12;

/// When a sample's last byte arrived, by both clocks, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// `CLOCK_MONOTONIC`.
    pub mono: MonoNanos,
    /// `CLOCK_REALTIME`.
    pub utc: UtcNanos,
}

impl Arrival {
    fn mono_ns(self) -> i64 {
        i64::try_from(self.mono.0).unwrap_or(i64::MAX)
    }

    /// `CLOCK_REALTIME − CLOCK_MONOTONIC`: changes only when somebody steps the clock.
    fn utc_minus_mono(self) -> i64 {
        self.utc.0.saturating_sub(self.mono_ns())
    }
}

/// Times of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Decode time: strictly increasing, first one 0.
    pub dts: Ticks90k,
    /// Presentation − decode time.
    pub cts_offset: i32,
    /// UTC of presentation.
    pub utc: UtcNanos,
}

/// Why a recording should end at the next key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Our clock was set, by so many nanoseconds.
    OurClock(i64),
    /// The camera's media clock jumped or is off by so many nanoseconds.
    CameraClock(i64),
}

/// Where a sample lies, and whether the recording should be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The sample's times in the recording that is open.
    pub times: Times,
    /// A step, seen for the first time with this sample.
    pub step: Option<Step>,
}

/// The clock of one recording.
#[derive(Clone, Debug)]
pub struct Timeline {
    rate_hz: i64,
    /// RTP time of media time 0.
    origin: i64,
    last_dts: i64,
    newest_pts: i64,
    /// Usual distance of two pictures: the length given to the last sample.
    interval: i64,
    /// Samples since presentation time last moved forward; over 0 with B-frames.
    reordered: i64,
    /// UTC of media time 0, as the mapping stands.
    utc_zero: i64,
    /// Media time up to which the mapping has been slewed.
    slewed_to_ns: i64,
    /// `CLOCK_REALTIME − CLOCK_MONOTONIC` as last seen.
    offset_seen: i64,
    /// The same as the mapping uses it: without the step that ends the recording.
    offset_used: i64,
    /// A step was reported: the mapping stands still until the recording ends.
    stepped: bool,
    delays: DelayFilter,
}

impl Timeline {
    /// A recording whose first sample has RTP time `first_rtp` on a clock of `rate_hz` (at least 1). `heard` are the RTP times and arrivals of the samples that are
    /// known already, the first one included: the least-delayed of them sets UTC. An empty `heard` sets it to 1970, which no caller wants.
    #[must_use]
    pub fn new(rate_hz: u32, first_rtp: i64, heard: impl IntoIterator<Item = (i64, Arrival)>) -> Self {
        let mut timeline = Self {
            rate_hz: i64::from(rate_hz.max(1)),
            origin: first_rtp,
            last_dts: -1,
            newest_pts: 0,
            interval: 0,
            reordered: 0,
            utc_zero: 0,
            slewed_to_ns: 0,
            offset_seen: 0,
            offset_used: 0,
            stepped: false,
            delays: DelayFilter::default(),
        };
        for (rtp, arrival) in heard {
            let media_ns = Ticks90k(timeline.ticks(rtp)).as_nanos();
            timeline.offset_seen = arrival.utc_minus_mono();
            timeline.offset_used = timeline.offset_seen;
            timeline.delays.add(arrival.mono, arrival.mono_ns().saturating_sub(media_ns));
        }
        timeline.utc_zero = timeline.target();
        timeline
    }

    /// UTC of media time 0 as the mapping stands: at first, what a recording's start says.
    #[must_use]
    pub fn utc_zero(&self) -> UtcNanos {
        UtcNanos(self.utc_zero)
    }

    /// Monotonic time of media time 0.
    #[must_use]
    pub fn mono_zero(&self) -> MonoNanos {
        MonoNanos(u64::try_from(self.utc_zero.saturating_sub(self.offset_used)).unwrap_or(0))
    }

    /// UTC of the end of the newest sample, which is taken to last as long as the one before it.
    #[must_use]
    pub fn end(&self) -> UtcNanos {
        self.utc_zero().plus_ticks(Ticks90k(self.newest_pts.saturating_add(self.interval)))
    }

    /// Media time since the newest sample, were the next one to have RTP time `rtp`.
    #[must_use]
    pub fn since_newest(&self, rtp: i64) -> Ticks90k {
        Ticks90k(self.ticks(rtp).saturating_sub(self.newest_pts))
    }

    /// How much faster the camera's clock runs than ours, in parts per million, over up to the last 20 minutes; `None` before two minutes.
    #[must_use]
    pub fn drift_ppm(&self) -> Option<f32> {
        self.delays.drift_ppm()
    }

    /// Places the next sample in decode order. A step is reported once; the sample itself follows the one before it in any case.
    pub fn place(&mut self, rtp: i64, arrival: Arrival) -> Placed {
        let mut step = self.follow_our_clock(arrival);
        let ahead = self.since_newest(rtp).0;
        if !(-REORDER_TICKS..=JUMP_TICKS).contains(&ahead) {
            self.bridge(rtp);
            step = step.or(Some(Step::CameraClock(Ticks90k(ahead).as_nanos())));
        }
        let pts = self.ticks(rtp);
        self.advance(pts);
        let media_ns = Ticks90k(pts).as_nanos();
        self.delays.add(arrival.mono, arrival.mono_ns().saturating_sub(media_ns));
        step = step.or_else(|| self.slew(media_ns));
        let dts = pts.max(self.last_dts + 1);
        self.last_dts = dts;
        // pts is at most REORDER_TICKS before the newest; dts runs ahead of it by one tick per sample that shares its time.
        let cts_offset = i32::try_from(pts - dts).unwrap_or(i32::MIN);
        let utc = UtcNanos(self.utc_zero.saturating_add(media_ns));
        let step = step.filter(|_| !self.stepped);
        self.stepped |= step.is_some();
        Placed { times: Times { dts: Ticks90k(dts), cts_offset, utc }, step }
    }

    fn follow_our_clock(&mut self, arrival: Arrival) -> Option<Step> {
        let now = arrival.utc_minus_mono();
        let moved = now.saturating_sub(core::mem::replace(&mut self.offset_seen, now));
        if moved.abs() > CLOCK_STEP_NS {
            // What is still recorded before the next key frame stays on the old time: shifting it would reorder the recording.
            return Some(Step::OurClock(moved));
        }
        self.offset_used = self.offset_used.saturating_add(moved);
        None
    }

    /// Lets the sample at `rtp` follow the newest one by the usual interval. The delays measured so far mean nothing after a jump.
    fn bridge(&mut self, rtp: i64) {
        let follows_ticks = self.newest_pts.saturating_add(self.interval.max(1));
        self.origin = rtp.saturating_sub(self.units(follows_ticks));
        self.delays = DelayFilter::default();
    }

    fn advance(&mut self, pts: i64) {
        self.reordered += 1;
        if pts > self.newest_pts {
            self.interval = (pts - self.newest_pts) / self.reordered;
            (self.newest_pts, self.reordered) = (pts, 0);
        }
    }

    fn target(&self) -> i64 {
        self.delays.least().saturating_add(self.offset_used)
    }

    fn slew(&mut self, media_ns: i64) -> Option<Step> {
        let passed_ns = media_ns.saturating_sub(self.slewed_to_ns);
        if passed_ns <= 0 || self.stepped {
            return None;
        }
        self.slewed_to_ns = media_ns;
        let error = self.target().saturating_sub(self.utc_zero);
        let settling = media_ns < SETTLE_NS;
        if !settling && error.abs() > MAPPING_ERROR_NS {
            return Some(Step::CameraClock(error));
        }
        // passed_ns is under JUMP_TICKS in nanoseconds (10^10), so the product stays under 10^15.
        let most = passed_ns.saturating_mul(if settling { SLEW_FIRST_PPM } else { SLEW_PPM }) / 1_000_000;
        self.utc_zero = self.utc_zero.saturating_add(error.clamp(-most, most));
        None
    }

    /// RTP time in ticks since media time 0, rounded down; from the origin each time, so that no error adds up.
    fn ticks(&self, rtp: i64) -> i64 {
        let units = i128::from(rtp) - i128::from(self.origin);
        let ticks = (units * i128::from(TICKS_PER_SEC)).div_euclid(i128::from(self.rate_hz));
        // Within ±2^62, so that the sums above cannot overflow.
        i64::try_from(ticks.clamp(-(1 << 62), 1 << 62)).unwrap_or(0)
    }

    fn units(&self, ticks: i64) -> i64 {
        // Rounded up, so that `ticks(units(t)) >= t`.
        let units = (i128::from(ticks) * i128::from(self.rate_hz) + i128::from(TICKS_PER_SEC) - 1)
            .div_euclid(i128::from(TICKS_PER_SEC));
        i64::try_from(units).unwrap_or(i64::MAX)
    }
}

/// Smallest `arrival − media time` of each ten seconds.
#[derive(Clone, Debug, Default)]
struct DelayFilter {
    /// Number of the bucket and its smallest value, oldest first; at most [`HISTORY_BUCKETS`].
    buckets: VecDeque<(u64, i64)>,
    /// Smallest value of the window without its newest bucket.
    older_least: Option<i64>,
}

impl DelayFilter {
    fn add(&mut self, mono: MonoNanos, value: i64) {
        let number = mono.0 / BUCKET_NS;
        match self.buckets.back_mut() {
            Some((newest, least)) if *newest == number => *least = value.min(*least),
            _ => {
                if self.buckets.len() == HISTORY_BUCKETS {
                    self.buckets.pop_front();
                }
                self.older_least = self.buckets.iter().rev().take(WINDOW_BUCKETS - 1).map(|bucket| bucket.1).min();
                self.buckets.push_back((number, value));
            }
        }
    }

    fn least(&self) -> i64 {
        let newest = self.buckets.back().map(|bucket| bucket.1);
        match (newest, self.older_least) {
            (Some(newest), Some(older)) => newest.min(older),
            (one, other) => one.or(other).unwrap_or(0),
        }
    }

    /// Slope of the buckets by least squares. A camera whose clock runs fast makes media time grow faster than arrival, so the values fall.
    fn drift_ppm(&self) -> Option<f32> {
        // The newest bucket is not full, the oldest has the start in it.
        let full = self.buckets.len().checked_sub(1)?;
        if full < DRIFT_BUCKETS_MIN {
            return None;
        }
        let (first_number, first_value) = *self.buckets.front()?;
        let points = self.buckets.iter().take(full).skip(1).map(|&(number, value)| {
            let seconds = (number - first_number) as f64 * BUCKET_NS as f64 / NANOS_PER_SEC as f64;
            (seconds, value.saturating_sub(first_value) as f64 / NANOS_PER_SEC as f64)
        });
        let (mut n, mut sx, mut sy, mut sxx, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (x, y) in points {
            n += 1.0;
            sx += x;
            sy += y;
            sxx += x * x;
            sxy += x * y;
        }
        let spread: f64 = n * sxx - sx * sx;
        (spread > 0.0).then(|| (-(n * sxy - sx * sy) / spread * 1e6) as f32)
    }
}

#[cfg(test)]
mod tests;
