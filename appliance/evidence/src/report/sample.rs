//! Which accesses of a week an auditor looks at: drawn by a hash that is fixed only once the week is over, so that nobody knows beforehand and anybody can draw
//! again.
//!
//! The seed is the root of the log up to and with the first entry that is dated in another week than the draw before. That entry has a salt that nobody can
//! know before it is written, and once it is written nothing can change the seed: neither when the recorder is switched off and on nor when it signs.

use crate::{Hash, sha256_of};
use std::collections::BTreeSet;

/// How many accesses are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// So many of a hundred, rounded up.
    pub percent: usize,
    /// At least so many, as long as there are so many.
    pub at_least: usize,
}

impl Share {
    /// What a policy says, as the log has it; never less than [`LEAST`].
    #[must_use]
    pub fn of_policy(policy: &super::StationPolicy) -> Self {
        let said = |name: &str| policy.rules.get(name).and_then(serde_json::Value::as_u64);
        let number =
            |name, least: usize| said(name).and_then(|said| usize::try_from(said).ok()).unwrap_or(least).max(least);
        Self {
            percent: number("review_percent", LEAST.percent).min(100),
            at_least: number("review_at_least", LEAST.at_least),
        }
    }
}

/// What no policy goes below.
pub const LEAST: Share = Share { percent: 2, at_least: 5 };

/// Draws from `accesses` (numbers of entries): those with the smallest SHA-256 of seed and number (8 bytes, big-endian).
#[must_use]
pub fn draw(seed: &Hash, accesses: &[u64], share: Share) -> BTreeSet<u64> {
    let wanted = share.at_least.max((accesses.len() * share.percent).div_ceil(100));
    let mut ranked: Vec<(Hash, u64)> =
        accesses.iter().map(|entry| (sha256_of(&[seed, &entry.to_be_bytes()]), *entry)).collect();
    ranked.sort_unstable();
    ranked.into_iter().take(wanted).map(|(_, entry)| entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_has_its_size_and_another_seed_draws_others() {
        for (accesses, drawn) in [(0, 0), (3, 3), (5, 5), (250, 5), (251, 6), (1000, 20)] {
            let accesses: Vec<u64> = (100..100 + accesses).collect();
            let once = draw(&[1; 32], &accesses, LEAST);
            assert_eq!(once.len(), drawn);
            assert!(once.iter().all(|entry| accesses.contains(entry)));
            let mut backwards = accesses.clone();
            backwards.reverse();
            assert_eq!(once, draw(&[1; 32], &backwards, LEAST), "the order does not matter");
            assert_eq!(once == draw(&[2; 32], &accesses, LEAST), drawn == accesses.len());
        }
    }

    #[test]
    fn a_larger_share_draws_more() {
        let accesses: Vec<u64> = (0..1000).collect();
        for (percent, at_least, drawn) in [(2, 5, 20), (5, 5, 50), (2, 40, 40), (100, 5, 1000)] {
            assert_eq!(draw(&[1; 32], &accesses, Share { percent, at_least }).len(), drawn);
        }
    }

    #[test]
    fn every_access_can_be_drawn() {
        let accesses: Vec<u64> = (0..40).collect();
        let drawn: BTreeSet<u64> = (0..100).flat_map(|seed| draw(&[seed; 32], &accesses, LEAST)).collect();
        assert_eq!(drawn.len(), accesses.len());
    }
}
