//! The time by which footage grows old. Erasing too early loses footage and erasing too late breaks the maximum, so a step of the system clock is believed
//! only when the kernel says that NTP or PTP made it; otherwise this time goes on by the monotonic clock. Pure.

use watchbook_base::{MonoNanos, SyncState, UtcNanos};

/// How long a clock that is not synchronised may be put right after the start before it is believed: NTP answers within minutes of the network.
const SETTLE_NANOS: u64 = 15 * 60 * 1_000_000_000;
/// How much later than the time noted last the clock may be after a start to be believed at once: time is noted with each hour's keys.
const RESTART_NANOS_MAX: i64 = 2 * 3600 * 1_000_000_000;
/// How far ahead the clock may be then to be believed without NTP: so long may a recorder have lain switched off. A clock that jumps by years would have all
/// footage erased.
const FORWARD_NANOS_MAX: i64 = 30 * 24 * 3600 * 1_000_000_000;
/// Difference between the system clock and this time that is worth an alarm.
const ALARM_NANOS: i64 = 5 * 60 * 1_000_000_000;

/// The time by which footage grows old.
#[derive(Clone, Debug)]
pub(crate) struct Trusted {
    /// `utc` was the time at `mono`.
    utc: UtcNanos,
    mono: MonoNanos,
    started: MonoNanos,
    /// NTP has confirmed it since the start.
    confirmed: bool,
    /// The clock of this start was taken as it is, because nobody put it right in time.
    settled: bool,
    /// The system clock minus this time, when last looked at.
    apart_nanos: i64,
}

impl Trusted {
    /// The time at start-up. `noted`: the newest time that the key files know; `None` when there are none.
    pub(crate) fn new(noted: Option<UtcNanos>, utc: UtcNanos, mono: MonoNanos) -> Self {
        let floor = noted.unwrap_or(utc);
        let later = utc.0.saturating_sub(floor.0);
        let near = (0..=RESTART_NANOS_MAX).contains(&later);
        let mut trusted = Self {
            utc: if near { utc } else { floor },
            mono,
            started: mono,
            confirmed: false,
            settled: near,
            apart_nanos: 0,
        };
        trusted.apart_nanos = utc.0.saturating_sub(trusted.utc.0);
        trusted
    }

    /// The time at a moment of the monotonic clock of this run.
    pub(crate) fn at(&self, mono: MonoNanos) -> UtcNanos {
        let ahead = i64::try_from(mono.0.abs_diff(self.mono.0)).unwrap_or(i64::MAX);
        self.utc.plus_nanos(if mono >= self.mono { ahead } else { ahead.saturating_neg() })
    }

    /// Looks at the system clock. Returns by how much this time was put right: what was dated by it since the start, and not confirmed, moves along.
    pub(crate) fn observe(&mut self, utc: UtcNanos, mono: MonoNanos, sync: SyncState) -> i64 {
        let now = self.at(mono);
        let apart = utc.0.saturating_sub(now.0);
        let waited = mono.0.saturating_sub(self.started.0) >= SETTLE_NANOS;
        let may_settle = !self.confirmed && !self.settled && waited;
        let believed = sync == SyncState::Synchronised || (may_settle && (1..=FORWARD_NANOS_MAX).contains(&apart));
        self.settled |= waited;
        self.confirmed |= sync == SyncState::Synchronised;
        (self.utc, self.mono) = (if believed { utc } else { now }, mono);
        self.apart_nanos = if believed { 0 } else { apart };
        if believed { apart } else { 0 }
    }

    /// True once NTP has confirmed this time.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Why this time may be wrong, as a sentence.
    pub(crate) fn alarm(&self) -> Option<String> {
        (self.apart_nanos.abs() > ALARM_NANOS).then(|| {
            format!(
                "the system clock is {} s {} the time by which footage is erased, and is not synchronised; footage grows old by the latter until it is. Set up NTP",
                self.apart_nanos.unsigned_abs() / 1_000_000_000,
                if self.apart_nanos > 0 { "ahead of" } else { "behind" },
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: i64 = 1_000_000_000;
    const HOUR: i64 = 3600 * SEC;
    const T: UtcNanos = UtcNanos(1_800_000_000 * SEC);

    fn mono(nanos: i64) -> MonoNanos {
        MonoNanos(1000 * SEC.unsigned_abs() + nanos.unsigned_abs())
    }

    #[test]
    fn a_step_is_believed_only_when_the_kernel_says_that_it_is_synchronised() {
        for step in [-900 * HOUR, -1, 1, 50 * 60 * SEC, 900 * HOUR] {
            let mut trusted = Trusted::new(Some(T), T, mono(0));
            assert_eq!(trusted.observe(T.plus_nanos(HOUR), mono(HOUR), SyncState::Synchronised), 0);
            let stepped = T.plus_nanos(2 * HOUR + step);
            for sync in [SyncState::Unsynchronised, SyncState::Unknown] {
                assert_eq!(trusted.observe(stepped, mono(2 * HOUR), sync), 0, "{step}");
            }
            assert_eq!(trusted.at(mono(2 * HOUR)), T.plus_nanos(2 * HOUR));
            assert_eq!(trusted.alarm().is_some(), step.abs() > ALARM_NANOS, "{step}");
            assert_eq!(trusted.observe(stepped, mono(2 * HOUR), SyncState::Synchronised), step);
            assert_eq!((trusted.at(mono(3 * HOUR)), trusted.alarm()), (stepped.plus_nanos(HOUR), None));
        }
    }

    #[test]
    fn a_clock_that_is_not_synchronised_after_a_start_is_believed_late_and_only_forward() {
        let week = 7 * 24 * HOUR;
        let mut trusted = Trusted::new(Some(T), T.plus_nanos(week), mono(0));
        let minute = 60 * SEC;
        assert_eq!(trusted.observe(T.plus_nanos(week + minute), mono(minute), SyncState::Unsynchronised), 0);
        assert_eq!(trusted.at(mono(minute)), T.plus_nanos(minute), "NTP may still answer");
        let later = 15 * minute;
        assert_eq!(trusted.observe(T.plus_nanos(week + later), mono(later), SyncState::Unsynchronised), week);
        assert_eq!(trusted.at(mono(HOUR)), T.plus_nanos(week + HOUR));
        assert_eq!(trusted.observe(T.plus_nanos(9 * week), mono(HOUR), SyncState::Unsynchronised), 0, "once only");
        let mut behind = Trusted::new(Some(T), UtcNanos(0), mono(0));
        assert_eq!(behind.observe(UtcNanos(HOUR), mono(HOUR), SyncState::Unsynchronised), 0);
        assert_eq!(behind.at(mono(HOUR)), T.plus_nanos(HOUR), "it never runs backwards by itself");
        assert!(behind.alarm().is_some());
    }

    #[test]
    fn a_clock_that_is_years_ahead_after_a_start_is_not_believed_without_ntp() {
        let later = 15 * 60 * SEC;
        for (step, is_believed) in
            [(FORWARD_NANOS_MAX, true), (FORWARD_NANOS_MAX + 1, false), (9000 * 24 * HOUR, false)]
        {
            let mut trusted = Trusted::new(Some(T), T.plus_nanos(step), mono(0));
            let clock = |nanos| T.plus_nanos(step + nanos);
            let moved = trusted.observe(clock(later), mono(later), SyncState::Unsynchronised);
            assert_eq!(moved, if is_believed { step } else { 0 });
            assert_eq!(trusted.alarm().is_some(), !is_believed, "{step}");
            let left = if is_believed { 0 } else { step };
            assert_eq!(trusted.observe(clock(HOUR), mono(HOUR), SyncState::Synchronised), left, "NTP is believed");
        }
    }

    #[test]
    fn after_a_quick_restart_the_clock_is_believed_at_once() {
        let trusted = Trusted::new(Some(T), T.plus_nanos(HOUR), mono(0));
        assert_eq!(trusted.at(mono(SEC)), T.plus_nanos(HOUR + SEC));
        assert_eq!(Trusted::new(None, UtcNanos(5), mono(0)).at(mono(0)), UtcNanos(5));
    }
}
