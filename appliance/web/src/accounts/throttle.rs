//! Guessing gets slower: failures are counted per address and per account, in a table of bounded size.

use crate::crowd::Neighbours;
use std::collections::HashMap;
use std::net::IpAddr;
use watchbook_base::MonoNanos;
use watchbook_base::time::NANOS_PER_SEC;

/// Rows of the table; about 100 bytes each. When it is full the row that would be forgotten first makes room.
const ROWS_MAX: usize = 4096;
/// Failures from one address that cost nothing: people mistype.
const ADDRESS_FREE: u32 = 5;
/// The longest wait of an address.
const ADDRESS_WAIT_MAX_S: u64 = 900;
/// Failures on one account, from anywhere, that cost nothing.
const ACCOUNT_FREE: u32 = 10;
/// The longest wait of an account: short, because anybody on the network can cause it and the owner must still get in. Together with the
/// other bound it leaves 2880 guesses a day on one account.
const ACCOUNT_WAIT_MAX_S: u64 = 30;
/// Wrong codes of a second factor that cost nothing, and the longest wait after more: as with an address, because only sessions of the account itself
/// can cause it. Forgotten after an hour, that leaves about 280 guesses a day at one of three codes in a million: 1 in 1200 days for whoever has the password.
const FACTOR_FREE: u32 = 5;
/// See [`FACTOR_FREE`].
const FACTOR_WAIT_MAX_S: u64 = 900;
/// A row is forgotten after so long without a failure.
const FORGET_S: u64 = 3600;

/// What failures are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Where it came from.
    Address(Neighbours),
    /// SHA-256 of an account's name in lower case, whether or not it exists; the claim has a name of its own.
    Account([u8; 32]),
    /// The second factor of an account.
    Factor(u32),
}

impl Key {
    pub(super) fn of_address(address: IpAddr) -> Self {
        Self::Address(Neighbours::of(address))
    }

    fn bounds(self) -> (u32, u64) {
        match self {
            Self::Address(_) => (ADDRESS_FREE, ADDRESS_WAIT_MAX_S),
            Self::Account(_) => (ACCOUNT_FREE, ACCOUNT_WAIT_MAX_S),
            Self::Factor(_) => (FACTOR_FREE, FACTOR_WAIT_MAX_S),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Row {
    failures: u32,
    last: MonoNanos,
}

impl Row {
    /// Counts as absent, whether or not it has been removed yet.
    fn is_forgotten(&self, now: MonoNanos) -> bool {
        now.nanos_since(self.last) >= FORGET_S * NANOS_PER_SEC.unsigned_abs()
    }
}

/// Who failed how often.
#[derive(Debug, Default)]
pub(super) struct Throttle(HashMap<Key, Row>);

impl Throttle {
    /// Seconds until the next attempt is looked at; 0 when it is now.
    pub(super) fn wait_s(&self, keys: &[Key], now: MonoNanos) -> u64 {
        keys.iter().map(|key| self.wait_of(*key, now)).max().unwrap_or(0)
    }

    fn wait_of(&self, key: Key, now: MonoNanos) -> u64 {
        let Some(row) = self.0.get(&key).filter(|row| !row.is_forgotten(now)) else { return 0 };
        let (free, wait_max_s) = key.bounds();
        let over = row.failures.saturating_sub(free);
        if over == 0 {
            return 0;
        }
        // 1, 2, 4, … seconds.
        let wait_s = 1_u64.checked_shl(over - 1).unwrap_or(wait_max_s).clamp(1, wait_max_s);
        let since_s = now.nanos_since(row.last) / NANOS_PER_SEC.unsigned_abs();
        wait_s.saturating_sub(since_s)
    }

    /// An attempt begins: it counts as failed until [`Throttle::refund`] says otherwise, so that attempts at the same time count each other.
    pub(super) fn charge(&mut self, keys: &[Key], now: MonoNanos) {
        for key in keys {
            if !self.0.contains_key(key) && self.0.len() >= ROWS_MAX {
                self.forget_some(now);
            }
            let row = self.0.entry(*key).or_insert(Row { failures: 0, last: now });
            if row.is_forgotten(now) {
                row.failures = 0;
            }
            row.failures = row.failures.saturating_add(1);
            row.last = now;
        }
    }

    /// The attempt was not wrong after all, or could not be judged.
    pub(super) fn refund(&mut self, keys: &[Key]) {
        for key in keys {
            if let Some(row) = self.0.get_mut(key) {
                row.failures = row.failures.saturating_sub(1);
                if row.failures == 0 {
                    self.0.remove(key);
                }
            }
        }
    }

    /// An attempt succeeded: the account's owner is here. The address keeps its count, or one good account would pay for guesses at others.
    pub(super) fn succeeded(&mut self, account: Key) {
        self.0.remove(&account);
    }

    fn forget_some(&mut self, now: MonoNanos) {
        self.0.retain(|_, row| !row.is_forgotten(now));
        if self.0.len() >= ROWS_MAX {
            let first =
                self.0.iter().min_by_key(|(_, row)| (row.failures > ADDRESS_FREE, row.last)).map(|(key, _)| *key);
            first.map(|key| self.0.remove(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::clock::SimClock;
    use watchbook_base::{Clock, UtcNanos};

    const SEC: u64 = 1_000_000_000;

    #[test]
    fn waits_double_up_to_their_bound_and_pass_with_time() {
        let clock = SimClock::new(UtcNanos(0));
        let mut throttle = Throttle::default();
        let address = Key::of_address("192.0.2.1".parse().unwrap());
        let mut waits = Vec::new();
        for _ in 0..17 {
            throttle.charge(&[address], clock.mono());
            waits.push(throttle.wait_s(&[address], clock.mono()));
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        clock.advance(899 * SEC);
        assert_eq!(throttle.wait_s(&[address], clock.mono()), 1);
        clock.advance(SEC);
        assert_eq!(throttle.wait_s(&[address], clock.mono()), 0);
    }

    #[test]
    fn failures_are_forgotten_after_an_hour_in_a_table_with_room() {
        let clock = SimClock::new(UtcNanos(0));
        let mut throttle = Throttle::default();
        let address = Key::of_address("192.0.2.1".parse().unwrap());
        for _ in 0..20 {
            throttle.charge(&[address], clock.mono());
        }
        clock.advance(FORGET_S * SEC);
        for _ in 0..ADDRESS_FREE {
            throttle.charge(&[address], clock.mono());
            assert_eq!(throttle.wait_s(&[address], clock.mono()), 0, "people mistype again an hour later");
        }
        throttle.charge(&[address], clock.mono());
        assert_eq!(throttle.wait_s(&[address], clock.mono()), 1);
    }

    #[test]
    fn an_account_is_never_locked_for_long() {
        let clock = SimClock::new(UtcNanos(0));
        let mut throttle = Throttle::default();
        let account = Key::Account([7; 32]);
        for _ in 0..1000 {
            throttle.charge(&[account], clock.mono());
        }
        assert_eq!(throttle.wait_s(&[account], clock.mono()), ACCOUNT_WAIT_MAX_S);
        throttle.succeeded(account);
        assert_eq!(throttle.wait_s(&[account], clock.mono()), 0);
    }

    #[test]
    fn a_flood_of_addresses_neither_grows_the_table_nor_frees_the_worst() {
        let clock = SimClock::new(UtcNanos(0));
        let mut throttle = Throttle::default();
        let worst = Key::of_address("2001:db8::1".parse().unwrap());
        for _ in 0..40 {
            throttle.charge(&[worst], clock.mono());
        }
        for number in 0..2 * ROWS_MAX as u32 {
            clock.advance(1);
            throttle.charge(&[Key::of_address(IpAddr::V4(number.into()))], clock.mono());
            assert!(throttle.0.len() <= ROWS_MAX);
        }
        assert_eq!(throttle.wait_s(&[worst], clock.mono()), ADDRESS_WAIT_MAX_S);
    }

    #[test]
    fn neighbours_in_one_v6_network_count_as_one() {
        let key = |text: &str| Key::of_address(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
