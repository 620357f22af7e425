//! Clocks: the system's, and a simulated twin that moves only when a test says so.

use crate::time::NANOS_PER_SEC;
use crate::{MonoNanos, UtcNanos};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether the system clock is disciplined by NTP or PTP, as the kernel reports it (`adjtimex(2)`). The numbers are stored on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum SyncState {
    /// The kernel cannot say.
    Unknown = 0,
    /// Disciplined; the estimated error is below the kernel's limit.
    Synchronised = 1,
    /// Free-running.
    Unsynchronised = 2,
}

impl SyncState {
    /// The state with this stored number; [`SyncState::Unknown`] for any other.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Synchronised,
            2 => Self::Unsynchronised,
            _ => Self::Unknown,
        }
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// `CLOCK_REALTIME`.
    fn utc(&self) -> UtcNanos;
    /// `CLOCK_MONOTONIC`.
    fn mono(&self) -> MonoNanos;
    /// Whether [`Clock::utc`] is disciplined. Costs a system call: ask once a second, not once a sample.
    fn sync_state(&self) -> SyncState;
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn utc(&self) -> UtcNanos {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        UtcNanos(now.tv_sec.saturating_mul(NANOS_PER_SEC).saturating_add(now.tv_nsec))
    }

    fn mono(&self) -> MonoNanos {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        MonoNanos(u64::try_from(now.tv_sec.saturating_mul(NANOS_PER_SEC).saturating_add(now.tv_nsec)).unwrap_or(0))
    }

    fn sync_state(&self) -> SyncState {
        kernel_sync_state()
    }
}

#[allow(
    unsafe_code,
    reason = "no safe wrapper of adjtimex exists in rustix; this is the only foreign call of the crate"
)]
fn kernel_sync_state() -> SyncState {
    // SAFETY: `timex` is plain old data for which all-zero is valid (modes = 0 asks for the state and changes nothing), and the pointer is
    // to a live local for the length of the call.
    let state = unsafe {
        let mut timex: libc::timex = core::mem::zeroed();
        libc::adjtimex(&raw mut timex)
    };
    match state {
        libc::TIME_ERROR => SyncState::Unsynchronised,
        0.. => SyncState::Synchronised,
        _ => SyncState::Unknown,
    }
}

/// A clock that stands still until it is told to move. Clones share one time.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<Mutex<SimTime>>);

#[derive(Debug)]
struct SimTime {
    utc: UtcNanos,
    mono: MonoNanos,
    sync: SyncState,
}

impl SimClock {
    /// Starts at `utc`, an hour after boot, synchronised.
    #[must_use]
    pub fn new(utc: UtcNanos) -> Self {
        let mono = MonoNanos(3600 * NANOS_PER_SEC.unsigned_abs());
        Self(Arc::new(Mutex::new(SimTime { utc, mono, sync: SyncState::Synchronised })))
    }

    /// Lets `nanos` pass on both clocks.
    pub fn advance(&self, nanos: u64) {
        let mut time = self.time();
        time.mono = MonoNanos(time.mono.0.saturating_add(nanos));
        time.utc = time.utc.plus_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
    }

    /// Steps UTC by `nanos` without letting time pass: what a late NTP answer or a careless hand does.
    pub fn step(&self, nanos: i64) {
        let mut time = self.time();
        time.utc = time.utc.plus_nanos(nanos);
    }

    /// Sets what [`Clock::sync_state`] reports.
    pub fn set_sync_state(&self, sync: SyncState) {
        self.time().sync = sync;
    }

    fn time(&self) -> MutexGuard<'_, SimTime> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for SimClock {
    fn utc(&self) -> UtcNanos {
        self.time().utc
    }

    fn mono(&self) -> MonoNanos {
        self.time().mono
    }

    fn sync_state(&self) -> SyncState {
        self.time().sync
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_runs_and_its_monotonic_side_never_goes_back() {
        let (first, utc) = (SystemClock.mono(), SystemClock.utc());
        assert!(SystemClock.mono() >= first && first.0 > 0);
        assert!(utc > UtcNanos::from_ms(1_700_000_000_000), "this code is younger than 2023: {utc}");
        assert!(matches!(
            SystemClock.sync_state(),
            SyncState::Synchronised | SyncState::Unsynchronised | SyncState::Unknown
        ));
    }

    #[test]
    fn a_step_moves_utc_alone() {
        let clock = SimClock::new(UtcNanos(1_000));
        let (utc, mono) = (clock.utc(), clock.mono());
        clock.advance(5);
        clock.step(-3600 * NANOS_PER_SEC);
        assert_eq!(clock.mono().nanos_since(mono), 5);
        assert_eq!(clock.utc().nanos_since(utc), 5 - 3600 * NANOS_PER_SEC);
    }
}
