//! Room on a file system that the ring shares: foreign files that eat the reserve raise an alarm; then the ring gives up its oldest segments, one by one,
//! before anything on that file system meets a full disk; and it grows again when the room is back.

use crate::alarm::AlarmKind;
use crate::config::SLOTS_MIN;
use crate::reader::Part;
use crate::ring::{add_slot, remove_slot, reserve_bytes};
use crate::writer::Shared;
use std::sync::Arc;
use watchbook_base::fs::Space;
use watchbook_base::{MonoNanos, UtcNanos};

/// Time between two looks while there is room. At 200 MB/s others write 1 GB meanwhile: as much as the smallest reserve.
const LOOK_NANOS: u64 = 5 * 1_000_000_000;
/// And while the reserve is eaten: a fifth of that.
const LOOK_EATEN_NANOS: u64 = 1_000_000_000;
/// Of the reserve, what may be eaten before the ring shrinks, as a divisor: half.
const SHRINK_BELOW: u64 = 2;
/// Segments given up at one look. The next look comes a second later and sees what that has freed.
const SHRINK_MAX: u32 = 8;
/// Pause after a file that could not be removed: its footage is out of sight for the attempt.
const RETRY_NANOS: u64 = 60 * 1_000_000_000;
/// Room must have been there for so long before the ring grows: files that come and go must not cost footage each time.
const ROOMY_NANOS: u64 = 600 * 1_000_000_000;

/// What care asks of the committer, and what the committer has done, about slots that are to go. FORMAT.md "Shrink".
#[derive(Debug, Default)]
pub(crate) struct Shrinking {
    /// So many of the oldest slots are to be taken away.
    pub(crate) wanted: u32,
    /// Taken away, with the generation that they had: their files are to be removed.
    pub(crate) taken: Vec<(u32, u64)>,
    /// Their files are gone for good: their rows are to go too.
    pub(crate) removed: Vec<(u32, u64)>,
}

/// What is known of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    free_bytes: u64,
    reserve_bytes: u64,
    segment_bytes: u64,
    slots: u32,
    /// By the configuration.
    wanted: u32,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Nothing,
    /// Give up so many segments.
    Shrink(u32),
    /// Make one more, if the room has been there for long enough.
    Grow,
}

fn plan_pressure(room: Room) -> Act {
    let may_go = room.slots.saturating_sub(u32::try_from(SLOTS_MIN).unwrap_or(u32::MAX)).min(SHRINK_MAX);
    let lacking = (room.reserve_bytes / SHRINK_BELOW).saturating_sub(room.free_bytes);
    let lacking = u32::try_from(lacking.div_ceil(room.segment_bytes.max(1))).unwrap_or(u32::MAX);
    let too_many = room.slots.saturating_sub(room.wanted);
    match lacking.max(too_many).min(may_go) {
        0 if lacking > 0 || room.slots >= room.wanted => Act::Nothing,
        0 if room.free_bytes >= room.reserve_bytes.saturating_add(room.segment_bytes) => Act::Grow,
        0 => Act::Nothing,
        go => Act::Shrink(go),
    }
}

/// The look-out of one ring.
pub(crate) struct Pressure {
    shared: Arc<Shared>,
    part: Arc<Part>,
    next_look: MonoNanos,
    roomy_since: Option<MonoNanos>,
    /// The ring has changed its size for want of room, so what was said at the start is no longer true.
    shrunk: bool,
    /// The last failure was told.
    told: bool,
}

impl Pressure {
    pub(crate) fn new(shared: Arc<Shared>, part: Arc<Part>) -> Self {
        Self { shared, part, next_look: MonoNanos(0), roomy_since: None, shrunk: false, told: false }
    }

    /// Removes files of slots that the committer has taken away; looks at the room when it is time.
    pub(crate) fn step(&mut self, now: MonoNanos, utc: UtcNanos) {
        if !self.remove_taken() {
            self.next_look = MonoNanos(now.0.saturating_add(RETRY_NANOS));
        }
        // What was asked for must be done before the room is judged again.
        let busy = { self.shared.shrinking().wanted > 0 };
        if now < self.next_look || busy {
            return;
        }
        let ring = &self.part.ring;
        match ring.fs.space(&ring.dir) {
            Ok(space) => {
                let eaten = self.look(space, now, utc);
                self.next_look = MonoNanos(now.0.saturating_add(if eaten { LOOK_EATEN_NANOS } else { LOOK_NANOS }));
            }
            Err(error) => {
                self.tell_once(&format!("asking how much room is left in {}: {error}", ring.dir.display()));
                self.next_look = MonoNanos(now.0.saturating_add(LOOK_NANOS));
            }
        }
    }

    fn tell_once(&mut self, what: &str) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::error!(what, "the size of the ring cannot be kept in step with the room on its disk");
        }
    }

    /// True when the reserve is eaten.
    fn look(&mut self, space: Space, now: MonoNanos, utc: UtcNanos) -> bool {
        let ring = self.part.ring.clone();
        let room = Room {
            free_bytes: space.free_bytes,
            reserve_bytes: reserve_bytes(space),
            segment_bytes: ring.superblock.segment_bytes,
            slots: ring.slots.count(),
            wanted: ring.wanted,
        };
        let act = plan_pressure(room);
        if act != Act::Grow {
            self.roomy_since = None;
        }
        match act {
            Act::Nothing => {}
            Act::Shrink(slots) => {
                self.shrunk = room.slots <= room.wanted;
                self.shared.shrinking().wanted = slots;
            }
            Act::Grow => {
                let since = *self.roomy_since.get_or_insert(now);
                if now.nanos_since(since) >= ROOMY_NANOS {
                    self.grow(room.segment_bytes);
                }
            }
        }
        self.tell(room, space, utc);
        room.free_bytes < room.reserve_bytes
    }

    /// FORMAT.md "Grow".
    fn grow(&mut self, segment_bytes: u64) {
        let ring = &self.part.ring;
        let Some(slot) = ring.slots.first_absent() else { return };
        match add_slot(&*ring.fs, &ring.segments(), segment_bytes, slot) {
            Ok(()) => {
                ring.slots.add(slot);
                (self.shrunk, self.told) = (true, false);
            }
            Err(error) => self.tell_once(&format!("making segment {slot} of {}: {error}", ring.dir.display())),
        }
    }

    /// FORMAT.md "Shrink", steps 2 and 3. False when a file could not be removed.
    fn remove_taken(&mut self) -> bool {
        let mut all = true;
        let taken = { std::mem::take(&mut self.shared.shrinking().taken) };
        for (slot, generation) in taken {
            self.part.files.let_go(slot);
            let ring = self.part.ring.clone();
            match remove_slot(&*ring.fs, &ring.segments(), slot) {
                Ok(()) => {
                    tracing::warn!(slot, dir = %ring.dir.display(), "a segment was given up: there is too little room on its disk");
                    self.shared.shrinking().removed.push((slot, generation));
                    self.told = false;
                }
                Err(error) => {
                    all = false;
                    if ring.open_slot(slot, watchbook_base::fs::OpenMode::Read).is_ok() {
                        ring.slots.put_back(slot, generation);
                    }
                    // A file that is gone and may come back keeps its rows: the next start sees which it is.
                    self.tell_once(&format!("removing segment {slot} of {}: {error}", ring.dir.display()));
                }
            }
        }
        all
    }

    fn tell(&mut self, room: Room, space: Space, utc: UtcNanos) {
        let ring = &self.part.ring;
        let disk = Some(self.shared.disk);
        let (mib, dir) = (|bytes: u64| bytes >> 20, ring.dir.display());
        let held = u64::from(room.slots).saturating_mul(room.segment_bytes);
        let others = space.total_bytes.saturating_sub(room.free_bytes).saturating_sub(held);
        let eaten = (room.free_bytes < room.reserve_bytes).then(|| {
            format!(
                "only {} MiB are free on the disk of {dir}, and {} MiB should be: of {} MiB the ring has {}, other files have {}. Remove files that do \
                 not belong to the recorder, or lower capacity_bytes; below {} MiB the ring gives up its oldest footage",
                mib(room.free_bytes),
                mib(room.reserve_bytes),
                mib(space.total_bytes),
                mib(held),
                mib(others),
                mib(room.reserve_bytes / SHRINK_BELOW),
            )
        });
        self.shared.alarms.set(AlarmKind::ReserveEaten, disk, eaten, utc);
        if room.slots >= room.wanted {
            ring.set_alarm(None);
        } else if self.shrunk {
            ring.set_alarm(Some(format!(
                "the ring in {dir} has {} of {} segments, because other files take the room, and keeps less footage for it. It grows again when the \
                 room has been there for ten minutes. Free space on this disk or lower capacity_bytes",
                room.slots, room.wanted
            )));
        }
        self.shared.alarms.set(AlarmKind::RingShrunk, disk, ring.alarm(), utc);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_shrinks_by_what_lacks_and_grows_when_there_is_more_than_the_reserve() {
        let plan = |free_bytes, slots, wanted| {
            plan_pressure(Room { free_bytes, reserve_bytes: 1000, segment_bytes: 100, slots, wanted })
        };
        assert_eq!(plan(5000, 64, 64), Act::Nothing);
        assert_eq!(plan(999, 64, 64), Act::Nothing, "the reserve is eaten: that is told, and no more");
        assert_eq!(plan(500, 64, 64), Act::Nothing);
        assert_eq!(plan(499, 64, 64), Act::Shrink(1));
        assert_eq!(plan(299, 64, 64), Act::Shrink(3));
        assert_eq!(plan(0, 64, 64), Act::Shrink(5));
        assert_eq!(plan(0, 6, 64), Act::Shrink(2), "four stay");
        assert_eq!(plan(0, 4, 64), Act::Nothing);
        assert_eq!(plan(1099, 60, 64), Act::Nothing);
        assert_eq!(plan(1100, 60, 64), Act::Grow);
        assert_eq!(plan(1100, 64, 64), Act::Nothing);
        assert_eq!(plan(1100, 64, 60), Act::Shrink(4), "the configuration has been lowered");
        assert_eq!(plan(1100, 64, 2), Act::Shrink(SHRINK_MAX));
    }
}
