//! What the pool decides. Pure.

/// What is written to one disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) capacity_bytes: u64,
    /// Of the streams that are recorded there now.
    pub(crate) bytes_per_sec: f64,
}

/// A stream stays on its disk unless another would be filled so much slower. Below this the rings' ages drift apart by less than a quarter, and a stream that
/// goes to and fro would cut its footage up for nothing.
const IMBALANCE_MAX: f64 = 1.25;

/// Which of `disks` takes a recording that begins now: the one whose ring then lasts longest; that on which the stream was, `current`, unless it is much
/// worse. `disks` do not count this stream, which brings `bytes_per_sec`.
pub(crate) fn plan_disk(disks: &[Load], current: Option<usize>, bytes_per_sec: f64) -> Option<usize> {
    // Share of the ring that is overwritten in a second.
    let wear = |load: &Load| (load.bytes_per_sec + bytes_per_sec) / load.capacity_bytes.max(1) as f64;
    let (best, load) = disks.iter().enumerate().min_by(|(_, a), (_, b)| wear(a).total_cmp(&wear(b)))?;
    let stays = current.and_then(|at| disks.get(at)).is_some_and(|now| wear(now) <= wear(load) * IMBALANCE_MAX);
    if stays { current } else { Some(best) }
}

/// A commit that takes longer than this hangs. A disk that spins up or remaps a sector takes up to 4 s; with a look a second the streams are elsewhere
/// within 8.
pub(crate) const HANG_NANOS_MAX: u64 = 6_000_000_000;
/// Errors that last longer than this are not a bad moment: six rounds of up to three segments each have failed.
pub(crate) const TROUBLE_NANOS_MAX: u64 = 3_000_000_000;

/// How a disk's committer is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vitals {
    /// How long the commit that is on its way has taken so far.
    pub(crate) busy_nanos: Option<u64>,
    /// For how long no commit has succeeded, since the first failure.
    pub(crate) trouble_nanos: Option<u64>,
}

/// Why a disk is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Hangs,
    Refuses,
}

/// Whether a disk must be given up.
pub(crate) fn plan_verdict(vitals: Vitals) -> Option<Verdict> {
    let over = |nanos: Option<u64>, max: u64| nanos.is_some_and(|nanos| nanos >= max);
    if over(vitals.trouble_nanos, TROUBLE_NANOS_MAX) {
        Some(Verdict::Refuses)
    } else {
        over(vitals.busy_nanos, HANG_NANOS_MAX).then_some(Verdict::Hangs)
    }
}

/// First pause before a disk that was given up is tried again.
const RETRY_NANOS_MIN: u64 = 10_000_000_000;
/// Longest one: a disk that fails again and again costs one attempt in ten minutes.
const RETRY_NANOS_MAX: u64 = 640_000_000_000;

/// How long a disk that failed so many times is left alone.
pub(crate) fn plan_pause(failures: u32) -> u64 {
    RETRY_NANOS_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(RETRY_NANOS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(gib: u64, bytes_per_sec: f64) -> Load {
        Load { capacity_bytes: gib << 30, bytes_per_sec }
    }

    #[test]
    fn a_recording_goes_where_the_ring_lasts_longest_and_stays_if_it_can() {
        assert_eq!(plan_disk(&[], None, 1.0), None);
        assert_eq!(plan_disk(&[load(1, 10.0), load(1, 5.0)], None, 1.0), Some(1));
        assert_eq!(plan_disk(&[load(4, 10.0), load(1, 5.0)], None, 1.0), Some(0), "four times the room");
        assert_eq!(plan_disk(&[load(1, 0.0), load(1, 0.0)], Some(1), 1.0), Some(1), "as good where it is");
        assert_eq!(plan_disk(&[load(1, 3.0), load(1, 4.0)], Some(1), 1.0), Some(1), "a fourth is no reason");
        assert_eq!(plan_disk(&[load(1, 0.0), load(1, 4.0)], Some(1), 1.0), Some(0), "an empty disk is");
    }

    #[test]
    fn a_bad_moment_is_no_failure() {
        let vitals = |busy: Option<u64>, trouble: Option<u64>| {
            let nanos = |secs: Option<u64>| secs.map(|secs| secs * 1_000_000_000);
            plan_verdict(Vitals { busy_nanos: nanos(busy), trouble_nanos: nanos(trouble) })
        };
        assert_eq!(vitals(None, None), None);
        assert_eq!(vitals(Some(5), Some(2)), None);
        assert_eq!(vitals(Some(6), None), Some(Verdict::Hangs));
        assert_eq!(vitals(Some(1), Some(3)), Some(Verdict::Refuses));
    }

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        let secs: Vec<u64> = (1..9).map(|failures| plan_pause(failures) / 1_000_000_000).collect();
        assert_eq!(secs, [10, 20, 40, 80, 160, 320, 640, 640]);
        assert_eq!(plan_pause(u32::MAX), RETRY_NANOS_MAX);
    }

    proptest! {
        #[test]
        fn streams_spread_by_bytes_over_capacity(rates in proptest::collection::vec(1.0_f64..100.0, 8..64), big in 1_u64..8) {
            let mut disks = [load(100, 0.0), load(100 * big, 0.0), load(100, 0.0)];
            for rate in &rates {
                let at = plan_disk(&disks, None, *rate).unwrap();
                disks[at].bytes_per_sec += rate;
            }
            // No two disks differ by more than one stream.
            let wear = |load: &Load| load.bytes_per_sec / load.capacity_bytes as f64;
            let largest = rates.iter().copied().fold(0.0, f64::max);
            for one in &disks {
                for other in &disks {
                    prop_assert!(wear(one) <= wear(other) + 2.0 * largest / other.capacity_bytes as f64);
                }
            }
        }
    }
}
