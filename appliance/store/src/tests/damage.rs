//! Bit rot, lost files, lost index.

use super::harness::*;
use crate::check::rebuild_index;
use crate::format::segment_name;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use watchbook_base::fs::sim::Dice;
use watchbook_base::{Clock, Kind};
use watchbook_media::SpanSource;

fn segment(slot: u32) -> PathBuf {
    Path::new("/ring/segments").join(segment_name(slot))
}

/// Half a ring of two cameras, closed.
fn recorded(seed: u64, commits: usize) -> Box_ {
    let machine = Box_::new(seed);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 3000), Cam::new(2, 3000)];
    for cam in &mut cams {
        parts.writer.begin(&cam.start(&machine.clock));
    }
    for _ in 0..commits {
        for _ in 0..12 {
            cams.iter_mut().for_each(|cam| parts.writer.append(cam.packet(&machine.clock)).unwrap());
            machine.clock.advance(STEP_NANOS);
        }
        parts.committer.step().unwrap();
    }
    machine
}

fn report(machine: &Box_) -> crate::Report {
    machine.check()
}

#[test]
fn a_flipped_bit_is_reported_and_never_served() {
    let machine = recorded(40, 30);
    let parts = machine.open();
    let clean = report(&machine);
    assert!(clean.is_clean() && clean.runs == 60, "{clean:?}");
    let want: Vec<_> = [1, 2].map(|number| samples(&parts, video(number))).to_vec();
    let mut payload_hits = 0;
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let (offset, mask) = (dice.below(2 * MIB), 1 << dice.below(8));
        assert!(machine.fs.rot(&segment(1), offset, mask));
        let found = report(&machine);
        let parts = machine.open();
        for (number, want) in [1, 2].into_iter().zip(&want) {
            let footage = parts.reader.footage(&playback(number), camera(number), ALL).unwrap();
            for span in parts.reader.spans(&playback(number), video(number), ALL).unwrap() {
                let Ok(table) = footage.table(&span) else { continue };
                for (at, sample) in table.samples() {
                    let utc = span.start_utc.plus_ticks(sample.dts - span.first_dts);
                    match footage.read(&span, at, u64::from(sample.size_bytes)) {
                        Ok(bytes) => assert!(want.contains(&(utc, bytes)), "seed {seed}: wrong bytes were served"),
                        Err(error) => assert_eq!(error.kind, Kind::Corrupt, "seed {seed}: {error}"),
                    }
                }
            }
        }
        payload_hits += found.bad_run_count;
        assert!(found.bad_run_count <= 1);
        drop(parts);
        assert!(machine.fs.rot(&segment(1), offset, mask), "and turned back");
        machine.kv.wipe();
        drop(machine.open());
    }
    assert!(payload_hits > 40, "{payload_hits} of 60 flips hit a run");
    assert!(report(&machine).is_log_clean());
}

#[test]
fn a_damaged_commit_header_costs_that_commit_alone() {
    let machine = recorded(41, 30);
    let before = report(&machine).commits;
    // The second commit begins where the first ends; its length is in the header.
    let second = {
        let ring = crate::ring::Ring::open_existing(Path::new("/ring"), Arc::new(machine.fs.clone())).unwrap();
        let (first, _) = ring.reader(1, 1).unwrap().commit_at(4096).unwrap();
        4096 + first.commit_len
    };
    assert!(machine.fs.rot(&segment(1), second + 20, 4));
    let found = report(&machine);
    assert_eq!((found.commits, found.damage.len()), (before - 1, 1));
    assert_eq!((found.damage[0].seq_from, found.damage[0].seq_to), (2, 3));
    machine.kv.wipe();
    let parts = machine.open();
    assert!(parts.opened.index_rebuilt && parts.opened.damage.len() == 1);
    let alarm = parts.writer.stats().alarm.unwrap();
    assert!(alarm.contains("in 1 segments") && alarm.contains("bytes at most"), "{alarm}");
    assert_eq!(samples(&parts, video(1)).len(), 29 * 12);
}

#[test]
fn superblock_and_segment_headers_can_be_lost() {
    let machine = recorded(42, 80);
    let want = samples(&machine.open(), video(1));
    let clean = report(&machine);
    assert!(clean.is_clean() && clean.segments == 3, "{clean:?}");
    assert!(machine.fs.rot(Path::new("/ring/superblock"), 30, 1));
    let found = report(&machine);
    assert!(found.bad_superblock.is_some() && found.bad_slots.is_empty() && !found.is_log_clean(), "{found:?}");
    assert!(machine.fs.rot(&segment(2), 44, 1));
    let found = report(&machine);
    let [header] = found.bad_slots.as_slice() else { panic!("{found:?}") };
    assert!(header.slot == 2 && header.what.contains("header is damaged"), "{header:?}");
    assert_eq!((found.commits, found.runs, found.damage.len()), (clean.commits, clean.runs, 0), "nothing is lost yet");
    machine.kv.wipe();
    let parts = machine.open();
    assert!(samples(&parts, video(1)) == want);
}

#[test]
fn a_lost_or_foreign_or_old_index_is_made_anew() {
    let machine = recorded(43, 60);
    let want = samples(&machine.open(), video(1));
    machine.kv.wipe();
    let parts = machine.open();
    assert!(parts.opened.index_rebuilt && samples(&parts, video(1)) == want);
    drop(parts);
    // The index of another disk.
    let other = recorded(44, 3);
    let foreign = Box_ {
        kv: other.kv.clone(),
        fs: machine.fs.clone(),
        clock: machine.clock.clone(),
        config: machine.config.clone(),
        sealed: true,
    };
    let parts = foreign.open();
    assert!(parts.opened.index_rebuilt && samples(&parts, video(1)) == want);
    drop(parts);
    let mut seen = Vec::new();
    let index = Arc::new(crate::kv::model::ModelKv::new());
    rebuild_index(Path::new("/ring"), Arc::new(machine.fs.clone()), index, &mut |progress| seen.push(progress))
        .unwrap();
    assert!(seen.last().is_some_and(|last| last.segments_done == last.segments && last.segments > 1), "{seen:?}");
}

#[test]
fn a_missing_segment_file_costs_that_segment_alone() {
    use watchbook_base::fs::Fs;
    let machine = recorded(45, 80);
    let all = samples(&machine.open(), video(1)).len();
    machine.fs.remove(&segment(1)).unwrap();
    machine.kv.wipe();
    let parts = machine.open();
    let left = samples(&parts, video(1)).len();
    assert!(left > all / 4 && left < all, "{left} of {all} samples");
}

#[test]
fn an_index_that_cannot_be_read_is_made_anew() {
    let machine = recorded(46, 60);
    let want = samples(&machine.open(), video(1));
    machine.kv.break_reads(true);
    let parts = machine.open();
    assert!(parts.opened.index_rebuilt && samples(&parts, video(1)) == want);
    drop(parts);
    machine.kv.break_reads(true);
    rebuild_index(Path::new("/ring"), Arc::new(machine.fs.clone()), Arc::new(machine.kv.clone()), &mut |_| {}).unwrap();
    assert!(report(&machine).is_clean());
}

#[test]
fn a_segment_written_anew_breaks_the_chain_to_the_next_one() {
    use watchbook_base::fs::{Fs, OpenMode};
    let machine = recorded(48, 80);
    assert!(report(&machine).is_clean());
    let ring = crate::ring::Ring::open_existing(Path::new("/ring"), Arc::new(machine.fs.clone())).unwrap();
    let reader = ring.reader(1, 1).unwrap();
    let first = crate::scan::first_position(&ring.header(1).unwrap());
    let mut commits = Vec::new();
    reader
        .scan(first, ring.header(2).map(|next| next.first_seq), &mut |at, commit, _| commits.push((at.offset, commit)));
    let (offset, mut last) = commits.pop().unwrap();
    // By somebody who has the keys.
    let keys = machine.keys().unwrap();
    let run = &mut last.runs[0];
    let mut payload = keys.open_run(run, reader.payload(offset, run).unwrap()).unwrap().unwrap();
    payload[0] ^= 1;
    run.sha256 = watchbook_evidence::sha256_of(&[&run.table, &payload]);
    let seal = run.seal.unwrap();
    keys.key(seal.key_id).unwrap().seal(run, seal.nonce, &mut payload).unwrap();
    run.crc = crc32c::crc32c(&payload);
    let meta = last.encode();
    let file = machine.fs.open(&segment(1), OpenMode::ReadWrite).unwrap();
    file.write_all_at(&[&meta], offset).unwrap();
    file.write_all_at(&[&payload], offset + last.runs[0].payload_offset).unwrap();
    let found = report(&machine);
    assert_eq!((found.bad_run_count, found.damage.len(), found.broken_links.len()), (0, 0, 1), "{found:?}");
    assert_eq!((found.broken_links[0].slot, found.broken_links[0].seq), (2, last.seq + 1));
    assert!(!found.is_clean());
}

#[test]
fn a_lost_newest_or_oldest_segment_is_told_when_the_index_knew_it() {
    use watchbook_base::fs::Fs;
    let newest = { report(&recorded(49, 80)).segments as u32 };
    assert!(newest > 2);
    for slot in [1, newest] {
        let machine = recorded(49, 80);
        machine.fs.remove(&segment(slot)).unwrap();
        let found = report(&machine);
        assert!(found.damage.iter().any(|damage| damage.slot == slot), "{slot}: {:?}", found.damage);
        assert!(!found.is_log_clean());
    }
}

#[test]
fn an_empty_index_is_not_compared() {
    let machine = recorded(50, 10);
    machine.kv.wipe();
    let found = report(&machine);
    assert_eq!((found.missing_in_index, found.only_in_index), (None, None));
}

#[cfg(feature = "rocks")]
mod rocks {
    use super::*;
    use crate::format::DiskId;
    use crate::store::{Deps, Parts, assemble, open_index};

    fn open(machine: &Box_, state: &Path) -> Parts {
        let state = state.to_owned();
        let keys = machine.sealed.then(|| machine.keys().unwrap());
        let deps = Deps { index: Arc::new(move |disk| open_index(&state, disk)), keys, ..machine.deps() };
        let mut parts = assemble(&machine.config, &deps).unwrap();
        parts.committer.finish_index();
        parts
    }

    fn files(state: &Path, disk: DiskId, part: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(state.join("index").join(disk.to_string())).unwrap();
        let entries = entries.map(|entry| entry.unwrap().path());
        entries.filter(|path| path.file_name().unwrap().to_str().unwrap().contains(part)).collect()
    }

    #[test]
    fn a_real_index_with_a_bad_block_or_without_its_manifest_is_made_anew() {
        let machine = recorded(47, 60);
        let want = samples(&machine.open(), video(1));
        for what in [".sst", "MANIFEST"] {
            let state = tempfile::tempdir().unwrap();
            // What the first run leaves in its write-ahead log, the second one puts into tables.
            drop(open(&machine, state.path()));
            let disk = open(&machine, state.path()).opened.disk;
            let hit = files(state.path(), disk, what);
            assert!(!hit.is_empty(), "{what}");
            for path in hit {
                if what == "MANIFEST" {
                    std::fs::remove_file(&path).unwrap();
                } else {
                    let mut bytes = std::fs::read(&path).unwrap();
                    bytes[..16].fill(0x5A);
                    std::fs::write(&path, bytes).unwrap();
                }
            }
            // Another run of the program has not the cached blocks of this one.
            crate::kv::rocks::forget_cached_blocks();
            let parts = open(&machine, state.path());
            assert!(parts.opened.index_rebuilt && samples(&parts, video(1)) == want, "{what}");
            assert!(state.path().join("index").join(format!("{disk}.damaged")).exists());
            assert_eq!(
                open_index(state.path(), disk).err().unwrap().kind,
                Kind::Conflict,
                "open here, so not set aside"
            );
        }
    }
}

#[test]
fn a_lost_index_behind_segments_that_were_opened_in_vain_still_tells_of_the_restart() {
    let machine = Box_::new(77);
    let mut parts = machine.open();
    let mut cam = Cam::new(1, 2000);
    parts.writer.begin(&cam.start(&machine.clock));
    let mut record = |parts: &crate::store::Parts| {
        for _ in 0..12 {
            parts.writer.append(cam.packet(&machine.clock)).unwrap();
            machine.clock.advance(STEP_NANOS);
        }
    };
    record(&parts);
    parts.committer.step().unwrap();
    let want = samples(&parts, video(1));
    // The second commit fails, and so do the headers of two segments for it; all three stay readable.
    machine.fs.fail(watchbook_base::fs::sim::Op::Sync, libc::EIO, 0, 3);
    record(&parts);
    parts.committer.step().unwrap_err();
    drop(parts);
    machine.kv.wipe();
    machine.clock.advance(60 * STEP_NANOS);

    let mut parts = machine.open();
    parts.committer.step().unwrap();
    let gaps = parts.reader.gaps(&playback(1), video(1), ALL, machine.clock.utc()).unwrap();
    assert!(matches!(gaps.as_slice(), [gap] if gap.reason == watchbook_base::GapReason::Restart), "{gaps:?}");
    assert_eq!(samples(&parts, video(1)), want);
}
