//! Commits that are on the disk and not acknowledged: a key that they use is in no key file yet. Bounded by the number of such keys, however long it takes.

use crate::writer::Committed;
use std::collections::{HashSet, VecDeque};

/// What is still to be acknowledged, oldest first.
#[derive(Default)]
pub(super) struct Owed(VecDeque<Debt>);

/// Commits that are acknowledged at one moment: no later one of them waits for a key that the first does not wait for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Debt {
    /// What the last of them completes of what was taken.
    pub(super) completes: Option<u64>,
    /// Their runs and bytes together, and the number of the last.
    pub(super) committed: Committed,
    pub(super) commits: u64,
    /// Keys that were not durable when they were made, and for which no older one waits.
    keys: Vec<u32>,
}

impl Owed {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Commits that are acknowledged apart from each other.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// One more commit. `keys`: those that it uses and that are not durable.
    pub(super) fn add(&mut self, completes: Option<u64>, committed: Committed, keys: impl Iterator<Item = u32>) {
        let waited_for: HashSet<u32> = self.0.iter().flat_map(|debt| &debt.keys).copied().collect();
        let keys: HashSet<u32> = keys.filter(|key_id| !waited_for.contains(key_id)).collect();
        match self.0.back_mut() {
            Some(debt) if keys.is_empty() => {
                debt.completes = completes.or(debt.completes);
                debt.committed = Committed {
                    seq: committed.seq,
                    runs: debt.committed.runs + committed.runs,
                    payload_bytes: debt.committed.payload_bytes + committed.payload_bytes,
                };
                debt.commits += 1;
            }
            _ => {
                let keys = keys.into_iter().collect();
                self.0.push_back(Debt { completes, committed, commits: 1, keys });
            }
        }
    }

    /// The oldest, once all of its keys are durable.
    pub(super) fn pop_durable(&mut self, is_durable: impl Fn(u32) -> bool) -> Option<Debt> {
        self.0.pop_front_if(|debt| debt.keys.iter().all(|key_id| is_durable(*key_id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(seq: u64) -> Committed {
        Committed { seq, runs: 1, payload_bytes: 10 }
    }

    #[test]
    fn what_is_owed_grows_with_the_keys_and_not_with_the_commits() {
        let mut owed = Owed::default();
        for seq in 1..=1000 {
            owed.add(Some(seq), committed(seq), [7, 7, 8 + u32::try_from(seq / 400).unwrap()].into_iter());
        }
        assert_eq!(owed.len(), 3, "one for each key that came later");
        owed.add(None, committed(1001), [].into_iter());
        assert_eq!(owed.pop_durable(|key_id| key_id != 7), None);
        let first = owed.pop_durable(|key_id| key_id < 9).unwrap();
        assert_eq!((first.commits, first.committed.seq, first.completes), (399, 399, Some(399)));
        assert_eq!(owed.pop_durable(|key_id| key_id < 9), None);
        let rest: Vec<Debt> = std::iter::from_fn(|| owed.pop_durable(|_| true)).collect();
        assert_eq!(rest.iter().map(|debt| debt.commits).sum::<u64>(), 602);
        assert_eq!(rest.last().map(|debt| (debt.committed.seq, debt.completes)), Some((1001, Some(1000))));
        assert!(owed.is_empty());
    }
}
