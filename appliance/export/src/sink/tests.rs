//! Real directories, and where this runs as root real file systems that are too small, read-only or change what is written.

use super::*;
use crate::mounts::Tmpfs;
use crate::staging::row_of;
use std::collections::BTreeMap;
use std::process::Command;

const PART: &str = "watchbook-export-7.ab.part";
const FOLDER: &str = "watchbook-export-7";

/// What was released.
struct Bundle(BTreeMap<String, Vec<u8>>);

impl Bundle {
    fn new() -> Self {
        let large: Vec<u8> = (0..5_u32 << 20).map(|at| (at % 251) as u8).collect();
        let files = [("camera-1.mp4", large), ("manifest.json", b"{}".to_vec()), ("empty", Vec::new())];
        Self(files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect())
    }

    fn rows(&self) -> Vec<FileRow> {
        self.0.iter().map(|(name, bytes)| row_of(name, bytes)).collect()
    }

    fn write(&self, dir: &Path, resumed: bool, tell: &mut Tell<'_>) -> Result<()> {
        let files = self.rows();
        let parcel = Parcel { part: PART, folder: FOLDER, files: &files, resumed };
        let mut read = |name: &str, at: u64, len: u64| Ok(self.0[name][at as usize..(at + len) as usize].to_vec());
        Place::open(dir, "the disk")?.write(&parcel, &mut read, tell)
    }

    fn lies_in(&self, folder: &Path) -> bool {
        let there = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let there: BTreeMap<String, Vec<u8>> = there
            .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
            .collect();
        there == self.0
    }
}

fn nothing(_: Phase, _: u64) -> Result<()> {
    Ok(())
}

#[test]
fn a_bundle_is_written_read_back_and_named() {
    let (dir, bundle) = (tempfile::tempdir().unwrap(), Bundle::new());
    let (mut written, mut checked) = (0, 0);
    let mut tell = |phase: Phase, bytes: u64| {
        match phase {
            Phase::Writing => written += bytes,
            Phase::Checking => checked += bytes,
        }
        Ok(())
    };
    bundle.write(dir.path(), false, &mut tell).unwrap();
    assert_eq!((written, checked), ((5 << 20) + 2, (5 << 20) + 2));
    assert!(bundle.lies_in(&dir.path().join(FOLDER)) && !dir.path().join(PART).exists());
    let again = bundle.write(dir.path(), false, &mut nothing).unwrap_err();
    assert!(again.kind == Kind::Conflict && again.message.contains("nothing is written over"), "{again}");
    // The power went before it was noted that it is done.
    bundle.write(dir.path(), true, &mut nothing).unwrap();
    std::fs::write(dir.path().join(FOLDER).join("manifest.json"), b"[]").unwrap();
    assert_eq!(bundle.write(dir.path(), true, &mut nothing).unwrap_err().kind, Kind::Conflict, "somebody else's");
}

#[test]
fn whatever_breaks_it_off_it_goes_on_and_nothing_is_lost() {
    let bundle = Bundle::new();
    for steps in 0..14 {
        let dir = tempfile::tempdir().unwrap();
        let mut left = steps;
        let mut gives_up = |_: Phase, _: u64| {
            left -= 1;
            if left < 0 { Err(Error::new(Kind::Unavailable, "the power went")) } else { Ok(()) }
        };
        let broken = bundle.write(dir.path(), false, &mut gives_up);
        assert_eq!(broken.is_err(), !dir.path().join(FOLDER).exists(), "{steps} steps");
        if steps == 3 {
            // What was under way when the power went may be anything.
            let file = dir.path().join(PART).join(".camera-1.mp4");
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[1_500_000] ^= 1;
            std::fs::write(&file, [bytes, vec![7; 9 << 20]].concat()).unwrap();
        }
        bundle.write(dir.path(), true, &mut nothing).unwrap();
        assert!(bundle.lies_in(&dir.path().join(FOLDER)), "{steps} steps");
    }
}

#[test]
fn proofs_that_were_made_anew_take_the_place_of_those_before() {
    let (dir, mut bundle) = (tempfile::tempdir().unwrap(), Bundle::new());
    let mut gives_up = |phase: Phase, _: u64| match phase {
        Phase::Writing => Ok(()),
        Phase::Checking => Err(Error::new(Kind::Unavailable, "the power went")),
    };
    bundle.write(dir.path(), false, &mut gives_up).unwrap_err();
    bundle.0.insert("manifest.json".to_owned(), b"[]".to_vec());
    bundle.write(dir.path(), true, &mut nothing).unwrap();
    assert!(bundle.lies_in(&dir.path().join(FOLDER)));
}

#[test]
fn what_does_not_read_back_is_not_named() {
    let (dir, bundle) = (tempfile::tempdir().unwrap(), Bundle::new());
    let file = dir.path().join(PART).join("camera-1.mp4");
    let mut rots = |phase: Phase, _: u64| {
        if phase == Phase::Checking {
            std::fs::write(&file, vec![0; 5 << 20]).unwrap();
        }
        Ok(())
    };
    let error = bundle.write(dir.path(), false, &mut rots).unwrap_err();
    assert!(error.kind == Kind::Corrupt && error.message.contains("use another one"), "{error}");
    assert!(!dir.path().join(FOLDER).exists());
    // Nor what is not what was released.
    let files = bundle.rows();
    let parcel = Parcel { part: "other.part", folder: FOLDER, files: &files, resumed: false };
    let mut read = |_: &str, _: u64, len: u64| Ok(vec![1; len as usize]);
    let error = Place::open(dir.path(), "the disk").unwrap().write(&parcel, &mut read, &mut nothing).unwrap_err();
    assert!(error.kind == Kind::Corrupt && error.message.contains("on this recorder"), "{error}");
}

#[test]
fn links_and_other_files_on_the_disk_are_left_alone() {
    let (dir, bundle) = (tempfile::tempdir().unwrap(), Bundle::new());
    let outside = dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious"), b"keep").unwrap();
    let place = dir.path().join("place");
    std::fs::create_dir(&place).unwrap();
    let link = |to: &Path, at: &Path| std::os::unix::fs::symlink(to, at).unwrap();
    link(&outside, &place.join(FOLDER));
    assert_eq!(bundle.write(&place, true, &mut nothing).unwrap_err().kind, Kind::Conflict);
    std::fs::remove_file(place.join(FOLDER)).unwrap();
    link(&outside, &place.join(PART));
    assert!(bundle.write(&place, true, &mut nothing).is_err());
    std::fs::remove_file(place.join(PART)).unwrap();
    std::fs::create_dir(place.join(PART)).unwrap();
    link(&outside.join("precious"), &place.join(PART).join(".camera-1.mp4"));
    assert!(bundle.write(&place, true, &mut nothing).is_err());
    assert_eq!(std::fs::read(outside.join("precious")).unwrap(), b"keep");
    let files = [FileRow { name: "../precious".to_owned(), ..bundle.rows().remove(0) }];
    let parcel = Parcel { part: "p", folder: FOLDER, files: &files, resumed: false };
    let mut read = |_: &str, _: u64, _: u64| Ok(Vec::new());
    let error = Place::open(&place, "the disk").unwrap().write(&parcel, &mut read, &mut nothing).unwrap_err();
    assert!(error.message.contains("no name"), "{error}");
}

#[test]
fn what_is_not_whole_is_removed_and_nothing_else() {
    let (dir, bundle) = (tempfile::tempdir().unwrap(), Bundle::new());
    let mut left = 2;
    let mut gives_up = |_: Phase, _: u64| {
        left -= 1;
        if left < 0 { Err(Error::new(Kind::Unavailable, "the power went")) } else { Ok(()) }
    };
    bundle.write(dir.path(), false, &mut gives_up).unwrap_err();
    let place = Place::open(dir.path(), "the disk").unwrap();
    assert_eq!((place.lies(PART, &bundle.rows()), place.lies(FOLDER, &bundle.rows())), (3 << 20, 0));
    std::fs::write(dir.path().join(PART).join("notes"), b"mine").unwrap();
    assert!(place.remove(PART, &bundle.rows()).is_err(), "somebody's file is in it");
    std::fs::remove_file(dir.path().join(PART).join("notes")).unwrap();
    place.remove(PART, &bundle.rows()).unwrap();
    place.remove(PART, &bundle.rows()).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_disk_that_is_full_or_cannot_be_written_to_says_so() {
    let (dir, bundle) = (tempfile::tempdir().unwrap(), Bundle::new());
    let Some(small) = Tmpfs::mount(dir.path(), "size=3m") else { return };
    let place = Place::open(dir.path(), "the stick").unwrap();
    let error = place.check(&bundle.rows(), 0).unwrap_err();
    assert!(error.kind == Kind::Exhausted && error.message.contains("Make room"), "{error}");
    // Somebody else filled it meanwhile.
    let error = bundle.write(dir.path(), false, &mut nothing).unwrap_err();
    assert!(error.kind == Kind::Exhausted && error.message.contains("it is full"), "{error}");
    place.remove(PART, &bundle.rows()).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(Command::new("mount").args(["-o", "remount,size=20m"]).arg(dir.path()).status().unwrap().success());
    place.check(&bundle.rows(), 0).unwrap();
    bundle.write(dir.path(), false, &mut nothing).unwrap();
    assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(dir.path()).status().unwrap().success());
    let error = place.check(&bundle.rows(), 0).unwrap_err();
    assert!(error.message.contains("cannot be written to"), "{error}");
    drop((place, small));
}

/// A real FAT needs a kernel that has it; its type alone decides.
#[test]
fn a_file_that_fat_cannot_have_is_refused_before_a_byte_is_written() {
    let (dir, mut files) = (tempfile::tempdir().unwrap(), Bundle::new().rows());
    let mut place = Place::open(dir.path(), "the stick").unwrap();
    assert_eq!(place.file_bytes_max(), None, "where tests run there is no FAT");
    // `MSDOS_SUPER_MAGIC` of linux/magic.h, which vfat has, too; 4 GiB less one byte (Microsoft, FAT32 specification 1.03, p. 9).
    place.kind = 0x4d44;
    assert_eq!(place.file_bytes_max(), Some(4_294_967_295));
    let large = files.iter().position(|file| file.name == "camera-1.mp4").unwrap();
    for (bytes, fits) in [(4_294_967_295, true), (4_294_967_296, false), (u64::MAX, false)] {
        files[large].bytes = bytes;
        assert_eq!(place.check_lengths(&files).is_ok(), fits, "{bytes}");
    }
    files[large].bytes = 4_294_967_296;
    assert_eq!(place.check(&files, 0).unwrap_err().kind, Kind::Exhausted);
    // It was asked for when another disk had this name.
    let parcel = Parcel { part: PART, folder: FOLDER, files: &files, resumed: false };
    let mut read = |name: &str, _: u64, _: u64| panic!("{name} is read");
    let error = place.write(&parcel, &mut read, &mut nothing).unwrap_err();
    assert!(
        error.kind == Kind::Exhausted && error.message.contains("FAT") && error.message.contains("exFAT"),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_disk_that_goes_away_takes_nothing_to_the_one_below() {
    let (dir, bundle) = (tempfile::tempdir().unwrap(), Bundle::new());
    let Some(stick) = Tmpfs::mount(dir.path(), "size=20m") else { return };
    let mut gone = |_: Phase, _: u64| {
        let out = Command::new("umount").arg("--lazy").arg(dir.path()).output().unwrap();
        assert!(out.status.success() || !out.stderr.is_empty());
        Ok(())
    };
    // Held open it is written to the end; the directory below sees none of it.
    bundle.write(dir.path(), false, &mut gone).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    drop(stick);
}
