//! A full disk under RocksDB: a file system of a few MiB, made for the test.

use crate::catalog::rows;
use crate::kv::rocks::{RocksKv, Use};
use crate::kv::{Batch, Kv};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use watchbook_base::fs::sim::Dice;

/// A mounted file system, taken away at the end.
struct Small<'a>(&'a Path);

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

/// Rows of 4 KiB for which the disk has no room.
const ROWS_MAX: u64 = 40_000;

/// Writes rows until one is refused; how many went in.
fn fill(kv: &RocksKv, sync: bool, from: u64) -> u64 {
    for number in from..from + ROWS_MAX {
        let mut batch = Batch::default();
        // Nothing that can be compressed.
        let mut dice = Dice::new(number);
        let value: Vec<u8> = (0..512).flat_map(|_| dice.roll().to_le_bytes()).collect();
        batch.put(rows::TABLES, number.to_be_bytes(), value);
        if let Err(error) = kv.write(&batch, sync) {
            println!("{error}");
            return number;
        }
    }
    panic!("a disk of 200 MiB took {ROWS_MAX} rows");
}

#[test]
#[ignore = "mounts a file system, which only root may"]
fn index_and_register_go_on_by_themselves_when_a_full_disk_has_room_again() {
    for (purpose, sync) in [(Use::Index, false), (Use::Register, true)] {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=200m", "tmpfs"]).arg(dir.path()).status();
        assert!(mounted.unwrap().success());
        let _small = Small(dir.path());
        let kv = RocksKv::open(&dir.path().join("db"), &rows::INDEX_TABLES, purpose).unwrap();
        let ballast = dir.path().join("ballast");
        std::fs::write(&ballast, vec![1; 120 << 20]).unwrap();
        let written = fill(&kv, sync, 0);
        assert!(written > 1000, "{written}");
        // What was written is still read.
        for number in [0, written / 2, written - 1] {
            assert!(kv.get(rows::TABLES, &number.to_be_bytes()).unwrap().is_some(), "{number}");
        }
        std::fs::remove_file(&ballast).unwrap();
        let began = Instant::now();
        let mut batch = Batch::default();
        batch.put(rows::TABLES, *b"later", *b"row");
        loop {
            match kv.write(&batch, sync) {
                Ok(()) => break,
                Err(error) => {
                    assert!(began.elapsed() < Duration::from_secs(60), "{error}");
                    std::thread::yield_now();
                }
            }
        }
        drop(kv);
        let kv = RocksKv::open(&dir.path().join("db"), &rows::INDEX_TABLES, purpose).unwrap();
        for number in [0, written / 2, written - 1] {
            assert!(kv.get(rows::TABLES, &number.to_be_bytes()).unwrap().is_some(), "{number}");
        }
        assert!(kv.get(rows::TABLES, b"later").unwrap().is_some());
    }
}
