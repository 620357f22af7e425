//! What is told when the disk is too slow.

use watchbook_base::{StreamId, UtcNanos};

/// An overload is told for so long after its last drop: one that comes and goes with every commit is one to whoever looks at the page.
const TOLD_NANOS: i64 = 300 * 1_000_000_000;
/// Streams that the alarm names; the rest is counted.
const NAMED_MAX: usize = 12;

/// What is dropped because the disk cannot keep up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overload {
    /// Streams that are dropped now, the least important first.
    pub dropping: Vec<StreamId>,
    /// What waits for the disk in memory.
    pub waiting_bytes: u64,
    /// What may wait at most.
    pub waiting_bytes_max: u64,
    /// When the first packet of this overload was dropped.
    pub since_utc: Option<UtcNanos>,
    /// When the last one was.
    pub last_utc: Option<UtcNanos>,
}

impl Overload {
    /// One more packet is dropped.
    pub(super) fn dropped(&mut self, utc: UtcNanos) {
        if self.last_utc.is_none_or(|last| utc.nanos_since(last) > TOLD_NANOS) {
            self.since_utc = Some(utc);
        }
        self.last_utc = Some(utc);
    }

    /// True while streams are dropped, and for some minutes after.
    pub(super) fn is_told(&self, now: UtcNanos) -> bool {
        self.last_utc.is_some_and(|last| !self.dropping.is_empty() || now.nanos_since(last) <= TOLD_NANOS)
    }

    /// What is dropped on two disks together.
    pub(super) fn and(mut self, mut other: Self) -> Self {
        self.dropping.append(&mut other.dropping);
        Self {
            dropping: self.dropping,
            waiting_bytes: self.waiting_bytes + other.waiting_bytes,
            waiting_bytes_max: self.waiting_bytes_max + other.waiting_bytes_max,
            since_utc: [self.since_utc, other.since_utc].into_iter().flatten().min(),
            last_utc: self.last_utc.max(other.last_utc),
        }
    }

    /// The alarm, with the next step.
    #[must_use]
    pub fn text(&self) -> String {
        let names: Vec<String> = self.dropping.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        let streams = match self.dropping.len().saturating_sub(names.len()) {
            _ if names.is_empty() => "no stream now, but some within the last minutes".to_owned(),
            0 => names.join(", "),
            more => format!("{} and {more} more", names.join(", ")),
        };
        format!(
            "the disk is too slow: {} of {} MiB wait for it in memory, and whole GOPs are dropped, least important first ({streams}). Each hole is \
             listed as a gap (overload). Use a faster disk, lower the cameras' bit rates, or give less important cameras a lower importance",
            self.waiting_bytes >> 20,
            self.waiting_bytes_max >> 20,
        )
    }
}
