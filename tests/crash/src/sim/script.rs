//! What befalls one box: chosen by a seed before its life begins. The script and its faults are the same whenever the seed is lived; the store's threads may take
//! turns otherwise, so a rare failure may need the seed several times (`sim --times`).

use watchbook_base::fs::sim::Dice;

/// What befalls the index while the power is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexFate {
    /// It keeps a part of what was not synced.
    Kept,
    /// It is gone.
    Lost,
    /// It is an older copy of itself.
    Older,
    /// It is another ring's.
    Foreign,
    /// It cannot be read until it is made anew.
    Unreadable,
}

/// What befalls one of the two copies of the keys while the power is off; the other one is never touched in the same life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysFate {
    /// Nothing.
    Kept,
    /// Its file is gone.
    Lost,
    /// A bit of it flips.
    Rotten,
}

/// What befalls the disk while cameras record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// Writes fail, after a part of them got through: a bad sector, or a full disk.
    Write,
    /// Syncs fail, and a part of what was written is lost.
    Sync,
    /// One segment cannot be written at all.
    Slot,
    /// Writes fail for so long that the committer pauses, and memory fills.
    Stall,
}

/// One stretch of a life, from power on to power off.
#[derive(Clone, Debug)]
pub struct Era {
    /// Writes, syncs and name changes after which the power goes.
    pub steps: u64,
    /// Commits after which it goes at the latest.
    pub commits: u64,
    /// Seconds without power before.
    pub dark_secs: u64,
    /// How far UTC is stepped while the power is off.
    pub clock_step_nanos: i64,
    /// The index's fate before.
    pub index: IndexFate,
    /// The fate of one copy of the keys.
    pub keys: KeysFate,
    /// Reads that fail while the ring is opened.
    pub read_faults: u64,
    /// Bytes that rot before.
    pub rots: u64,
    /// What befalls the disk.
    pub faults: Vec<(DiskFault, u64)>,
}

/// One life of a box.
#[derive(Clone, Debug)]
pub struct Script {
    /// Which.
    pub seed: u64,
    /// Bytes of a usual sample, camera by camera.
    pub sample_bytes: Vec<usize>,
    /// Pictures from one key picture to the next.
    pub gop_frames: u32,
    /// Longest sync.
    pub sync_nanos_max: u64,
    /// What memory may hold for the disk.
    pub pending_bytes_max: u64,
    /// Footage is sealed.
    pub sealed: bool,
    /// The copy of the keys that something may befall: 0 in the state directory, 1 in the ring's.
    pub weak_copy: u64,
    /// Its stretches.
    pub eras: Vec<Era>,
}

impl Script {
    /// The life of this seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5EED);
        let cameras = 1 + dice.below(3);
        let large = dice.percent(40);
        let sample_bytes = (0..cameras)
            .map(|_| {
                let bytes = if large { 4_000 + dice.below(16_000) } else { 200 + dice.below(3_000) };
                usize::try_from(bytes).unwrap_or(1_000)
            })
            .collect();
        // A life has one kind of trouble beside power cuts, or several.
        let (sick, moody, rotting, deaf) = (dice.percent(35), dice.percent(30), dice.percent(15), dice.percent(10));
        let timeless = dice.percent(20);
        let (sealed, weak_copy) = (dice.percent(60), dice.below(2));
        let count = 2 + dice.below(3);
        let eras: Vec<Era> = (0..count)
            .map(|at| Era {
                // The first cut may strike while the ring is being made.
                steps: dice.below(if at == 0 { 60 } else { 120 }),
                commits: 40,
                dark_secs: 1 + dice.below(60),
                clock_step_nanos: match timeless && dice.percent(60) {
                    true => i64::try_from(dice.below(7_200_000)).unwrap_or(0) * 1_000_000 - 3_600_000_000_000,
                    false => 0,
                },
                index: if at > 0 && moody { index_fate(&mut dice) } else { IndexFate::Kept },
                keys: if at > 0 && sealed { keys_fate(&mut dice) } else { KeysFate::Kept },
                read_faults: if at > 0 && deaf { dice.below(4) } else { 0 },
                rots: if at > 0 && rotting { dice.below(3) } else { 0 },
                faults: if sick { disk_faults(&mut dice) } else { Vec::new() },
            })
            .collect();
        // A commit with a new key and a new segment syncs four times, and half of P1's second is the interval.
        let sync_nanos_max = if sick { 40_000_000 } else { 120_000_000 };
        let stalls = eras.iter().flat_map(|era| &era.faults).any(|(fault, _)| *fault == DiskFault::Stall);
        let pending_bytes_max = if stalls { 1 << 20 } else { 64 << 20 };
        Self { seed, sample_bytes, gop_frames: 12, sync_nanos_max, pending_bytes_max, sealed, weak_copy, eras }
    }

    /// A short life that a power cut ends at step `steps`, and another one in which the box must be well again.
    #[must_use]
    pub fn cut_at(seed: u64, steps: u64) -> Self {
        let faults = if seed.is_multiple_of(3) { vec![(DiskFault::Sync, 3)] } else { Vec::new() };
        let era = |steps, commits, faults| Era {
            steps,
            commits,
            dark_secs: 5,
            clock_step_nanos: 0,
            index: IndexFate::Kept,
            keys: KeysFate::Kept,
            read_faults: 0,
            rots: 0,
            faults,
        };
        Self {
            seed,
            // Twice 12 pictures of 18 kB and more a commit: a segment of 4 MiB takes five commits, so that a short life wraps.
            sample_bytes: vec![24_000, 18_000],
            gop_frames: 12,
            sync_nanos_max: 40_000_000,
            pending_bytes_max: 64 << 20,
            sealed: seed.is_multiple_of(2),
            weak_copy: 0,
            eras: vec![era(steps, 24, faults), era(u64::MAX, 3, Vec::new())],
        }
    }

    /// True when something other than the power may take acknowledged footage.
    #[must_use]
    pub fn damages(&self) -> bool {
        self.eras.iter().any(|era| era.rots > 0 || era.read_faults > 0)
    }

    /// True when the disk fails while it is written.
    #[must_use]
    pub fn is_sick(&self) -> bool {
        self.eras.iter().any(|era| !era.faults.is_empty())
    }

    /// True when the disk fails for longer than a commit may take.
    #[must_use]
    pub fn stalls(&self) -> bool {
        self.eras.iter().flat_map(|era| &era.faults).any(|(fault, _)| *fault == DiskFault::Stall)
    }
}

fn index_fate(dice: &mut Dice) -> IndexFate {
    match dice.below(6) {
        0 | 1 => IndexFate::Kept,
        2 => IndexFate::Lost,
        3 => IndexFate::Older,
        4 => IndexFate::Foreign,
        _ => IndexFate::Unreadable,
    }
}

fn keys_fate(dice: &mut Dice) -> KeysFate {
    match dice.below(4) {
        0 | 1 => KeysFate::Kept,
        2 => KeysFate::Lost,
        _ => KeysFate::Rotten,
    }
}

fn disk_faults(dice: &mut Dice) -> Vec<(DiskFault, u64)> {
    (0..dice.below(3))
        .map(|_| {
            let kind = match dice.below(20) {
                0..8 => DiskFault::Write,
                8..15 => DiskFault::Sync,
                15..19 => DiskFault::Slot,
                _ => DiskFault::Stall,
            };
            (kind, dice.below(40))
        })
        .collect()
}
