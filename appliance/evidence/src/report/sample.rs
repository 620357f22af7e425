//! Which accesses of a week an auditor looks at: drawn by a hash that is fixed only once the week is over, so that nobody knows beforehand and anybody can draw
//! again.

use crate::{Hash, sha256_of};
use std::collections::BTreeSet;

/// So many of a hundred accesses are drawn.
pub const PERCENT: usize = 2;
/// At least so many, as long as there are so many.
pub const AT_LEAST: usize = 5;

/// Draws from `accesses` (numbers of entries): those with the smallest SHA-256 of seed and number (8 bytes, big-endian). The seed is the root of the first
/// checkpoint after the week.
#[must_use]
pub fn draw(seed: &Hash, accesses: &[u64]) -> BTreeSet<u64> {
    let wanted = AT_LEAST.max((accesses.len() * PERCENT).div_ceil(100));
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
            let once = draw(&[1; 32], &accesses);
            assert_eq!(once.len(), drawn);
            assert!(once.iter().all(|entry| accesses.contains(entry)));
            let mut backwards = accesses.clone();
            backwards.reverse();
            assert_eq!(once, draw(&[1; 32], &backwards), "the order does not matter");
            assert_eq!(once == draw(&[2; 32], &accesses), drawn == accesses.len());
        }
    }

    #[test]
    fn every_access_can_be_drawn() {
        let accesses: Vec<u64> = (0..40).collect();
        let drawn: BTreeSet<u64> = (0..100).flat_map(|seed| draw(&[seed; 32], &accesses)).collect();
        assert_eq!(drawn.len(), accesses.len());
    }
}
