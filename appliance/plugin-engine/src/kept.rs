//! What outlives an instance: keyed state, counts, the line limit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watchbook_plugin_host::message::{Counts, LINES_PER_MINUTE_MAX};

/// Keys of one instance's store.
const KEYS_MAX: usize = 1024;
/// One key.
const KEY_BYTES_MAX: usize = 128;

/// What survives an instance: give it to the next one after a trap. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Lasting>>);

impl Kept {
    /// What was counted so far, by all instances that had it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lasting().counts
    }

    /// Counts frames that no instance was called with.
    pub fn skip(&self, frames: u64) {
        self.lasting().counts.skipped += frames;
    }

    /// Nothing is in the keyed state.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lasting().keyed.values.is_empty()
    }

    /// As much of it as goes to the next instance when the settings or the version change: the keyed state and the line limit, not the counts. What one
    /// of the two changes after this the other does not see.
    #[must_use]
    pub fn heir(&self) -> Self {
        let Lasting { keyed, lines, .. } = &*self.lasting();
        Self(Arc::new(Mutex::new(Lasting { keyed: keyed.clone(), lines: lines.clone(), counts: Counts::default() })))
    }

    pub(crate) fn lasting(&self) -> MutexGuard<'_, Lasting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Lasting {
    pub(crate) keyed: Keyed,
    pub(crate) lines: LineLimit,
    pub(crate) counts: Counts,
}

/// Small keyed state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keyed {
    pub(crate) values: HashMap<String, Vec<u8>>,
    bytes: usize,
}

impl Keyed {
    pub(crate) fn set(&mut self, quota: usize, key: String, value: Vec<u8>) -> Result<(), String> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(format!("a key of {} bytes; 1 to {KEY_BYTES_MAX} are allowed", key.len()));
        }
        let old = self.values.get(&key).map_or(0, |value| key.len() + value.len());
        if value.is_empty() {
            self.values.remove(&key);
            self.bytes -= old;
            return Ok(());
        }
        let total = self.bytes - old + key.len() + value.len();
        if total > quota {
            return Err(format!("keys and values of {total} bytes; the quota is {quota}"));
        }
        if old == 0 && self.values.len() >= KEYS_MAX {
            return Err(format!("more than {KEYS_MAX} keys"));
        }
        self.bytes = total;
        self.values.insert(key, value);
        Ok(())
    }
}

/// Lines in the current minute.
#[derive(Clone, Debug)]
pub(crate) struct LineLimit {
    began: Instant,
    lines: u32,
}

impl Default for LineLimit {
    fn default() -> Self {
        Self { began: Instant::now(), lines: 0 }
    }
}

impl LineLimit {
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.began) >= Duration::from_secs(60) {
            (self.began, self.lines) = (now, 0);
        }
        self.lines += 1;
        self.lines <= LINES_PER_MINUTE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_keeps_its_quota() {
        let mut keyed = Keyed::default();
        keyed.set(10, "a".into(), vec![1; 9]).unwrap();
        assert!(keyed.set(10, "b".into(), vec![1]).unwrap_err().contains("12 bytes"));
        keyed.set(10, "a".into(), vec![1; 2]).unwrap();
        keyed.set(10, "b".into(), vec![1; 6]).unwrap();
        keyed.set(10, "b".into(), vec![]).unwrap();
        assert_eq!((keyed.bytes, keyed.values.len()), (3, 1));
        assert!(keyed.set(10, String::new(), vec![1]).is_err());
    }

    #[test]
    fn an_heir_has_the_store_and_goes_its_own_way() {
        let kept = Kept::default();
        kept.skip(3);
        kept.lasting().keyed.set(10, "a".into(), vec![1]).unwrap();
        let heir = kept.heir();
        heir.lasting().keyed.set(10, "a".into(), vec![2]).unwrap();
        assert!(!heir.is_empty() && Kept::default().is_empty());
        assert_eq!((kept.counts().skipped, heir.counts().skipped), (3, 0));
        assert_eq!((&kept.lasting().keyed.values["a"], &heir.lasting().keyed.values["a"]), (&vec![1], &vec![2]));
    }

    #[test]
    fn lines_are_limited_to_the_minute() {
        let mut limit = LineLimit::default();
        let begin = limit.began;
        assert_eq!((0..100).filter(|_| limit.allows(begin)).count(), 50);
        assert!(limit.allows(begin + Duration::from_secs(60)));
    }
}
