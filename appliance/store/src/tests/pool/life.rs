//! Whole lives of a box with three disks that fail at random, with power cuts. One seed is one life; it is printed when it fails, and `WATCHBOOK_SEED=n` runs
//! it alone; `WATCHBOOK_SEEDS=n` runs so many.

use super::super::harness::*;
use super::bench::*;
use crate::pool::DiskState;
use std::collections::BTreeSet;
use watchbook_base::Clock;
use watchbook_base::fs::sim::{Dice, Op, SimFs};

const SEEDS: u64 = 24;
/// Faults of one life.
const FAULTS: u64 = 6;

fn one_life(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut station = Station::new(1000 + seed, 3, 4);
    let mut running = station.open();
    station.begin_all(&running);
    let mut sick = BTreeSet::new();
    for _ in 0..FAULTS {
        station.record(&running, dice.below(12) as usize);
        let at = dice.below(3) as usize;
        let what = dice.below(6);
        // One that is well again records only after a pause.
        let states = running.states();
        let others = (0..3)
            .filter(|other| *other != at && !sick.contains(other) && states[*other] == DiskState::Recording)
            .count();
        match what {
            // The last disk that records stays well: alone it would give up footage to go on (FORMAT.md "Commit").
            0..=3 if others == 0 => {}
            0 => station.disks[at].fail(Op::Write, libc::EIO, dice.below(4), u64::MAX),
            1 => station.disks[at].fail(Op::Sync, libc::EIO, dice.below(4), u64::MAX),
            2 => station.disks[at].cut_after(dice.below(12)),
            3 => station.mounts.mount(DIRS[at], &SimFs::new(dice.roll())),
            // A camera begins anew.
            4 => running.writer.begin(&station.cams[at].start(&station.clock)),
            _ => {
                station.disks[at].heal();
                station.disks[at].cut();
                station.disks[at].power_on();
                station.mounts.mount(DIRS[at], &station.disks[at].clone());
                sick.remove(&at);
            }
        }
        if what < 4 && others > 0 {
            sick.insert(at);
        }
        // Half of the time the power goes while the streams move.
        station.record(&running, dice.below(24) as usize);
        station.check(&running, false);
        if dice.percent(40) {
            drop(running);
            station.cut(&mut dice);
            station.clock.advance(dice.below(20) * 1_000_000_000);
            running = station.open();
            station.check(&running, false);
            station.begin_all(&running);
        }
    }
    // All disks are well again, and have what they acknowledged.
    for (disk, dir) in station.disks.iter().zip(DIRS) {
        disk.heal();
        disk.cut();
        disk.power_on();
        station.mounts.mount(dir, disk);
    }
    for _ in 0..30 {
        station.record(&running, 2);
        station.clock.advance(60_000_000_000);
        station.begin_all(&running);
    }
    assert_eq!(running.states(), [DiskState::Recording; 3], "seed {seed}: {:?}", running.pool.common.alarms.all());
    station.check(&running, true);
    drop(running);
    let running = station.open();
    running.step();
    station.check(&running, true);
    assert!(running.extent(video(1)).unwrap().end <= station.clock.utc().plus_nanos(1_000_000_000), "seed {seed}");
}

#[test]
fn nothing_acknowledged_is_lost_or_listed_twice_whatever_disks_do() {
    for seed in seeds(SEEDS) {
        std::panic::catch_unwind(|| one_life(seed)).unwrap_or_else(|_| panic!("replay with WATCHBOOK_SEED={seed}"));
    }
}
