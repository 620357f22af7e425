//! A master shows nothing but what was recorded, whatever its boxes say.

use crate::movie::{self, small_box, words};
use crate::sample::Plan;
use crate::two_verifiers::{Asked, Matrix, judged};
use watchbook_evidence::sha256;

/// Where the box that lies behind these names begins in the file.
fn place(video: &[u8], name: &[u8; 4]) -> usize {
    video.windows(4).position(|four| four == name).unwrap() - 4
}

/// Puts a box at the end of the file.
fn put(plan: &mut Plan, bytes: &[u8]) {
    plan.video.extend(bytes);
    plan.list_files();
}

/// Overwrites a number that lies `behind` bytes after the name of a box.
fn set(plan: &mut Plan, name: &[u8; 4], behind: usize, value: u32) {
    let at = place(&plan.video, name) + 8 + behind;
    plan.video[at..at + 4].copy_from_slice(&value.to_be_bytes());
    plan.list_files();
}

const FORGED: [u8; 100] = [0x65; 100];
/// Tables that are broken at random; each costs two programs.
const COUNT: u32 = 40;
const COVERAGE: &[&str] = &["coverage camera-1.mp4"];

#[test]
fn fragments_are_as_good_as_tables() {
    let mut matrix = Matrix(Vec::new());
    matrix.insider("fragments", &[], |plan| plan.fragmented(0));
    matrix.insider("between two fragments", &[], |plan| {
        plan.fragmented(0);
        put(plan, &small_box(b"styp", b"msdh\0\0\0\0"));
        put(plan, &small_box(b"prft", &words(&[0, 1, 0, 0, 0])));
    });
    matrix.insider("with the statement of an ONVIF export", &[], |plan| {
        let meta = [words(&[0]), small_box(b"suep", b"station 7")].concat();
        put(plan, &small_box(b"meta", &meta));
    });
    matrix.check();
}

#[test]
fn a_master_that_shows_what_no_run_has_is_found() {
    let mut matrix = Matrix(Vec::new());
    for name in [b"free", b"skip", b"uuid", b"abcd", b"sidx", b"mfra"] {
        matrix.insider("a box that a recorder does not write", COVERAGE, |plan| put(plan, &small_box(name, &FORGED)));
    }
    matrix.insider("a chunk lies in a box of its own", COVERAGE, |plan| {
        let behind = plan.video.len() as u32 + 8;
        set(plan, b"stco", 8, behind);
        put(plan, &small_box(b"uuid", &FORGED));
    });
    matrix.insider("a chunk lies in the tables", COVERAGE, |plan| {
        let at = place(&plan.video, b"mvhd") as u32;
        set(plan, b"stco", 8, at);
    });
    matrix.insider("a chunk lies between two runs", COVERAGE, |plan| {
        let at = plan.run(0, 0, 1).ranges[1].0 as u32;
        set(plan, b"stco", 8, at - 50);
    });
    matrix.insider("a sample is longer than its run", COVERAGE, |plan| set(plan, b"stsz", 4, 101));
    matrix.insider("more samples than there are", COVERAGE, |plan| set(plan, b"stsz", 8, u32::MAX));
    matrix.insider("a chunk has more samples", COVERAGE, |plan| set(plan, b"stsc", 12, 3));
    matrix.insider("chunks begin at the second", COVERAGE, |plan| set(plan, b"stsc", 8, 2));
    matrix.insider("samples of another file", COVERAGE, |plan| set(plan, b"url ", 0, 0));
    matrix.insider("a fragment behind its data", COVERAGE, |plan| plan.fragmented(1));
    matrix.insider("a fragment before the file", COVERAGE, |plan| plan.fragmented(-100_000));
    matrix.insider("a fragment that counts from the file", COVERAGE, |plan| {
        plan.fragmented(0);
        set(plan, b"tfhd", 0, 0x01);
    });
    matrix.insider("a fragment of no track", COVERAGE, |plan| {
        plan.fragmented(0);
        set(plan, b"tfhd", 4, 7);
    });
    matrix.insider("a fragment without a place", COVERAGE, |plan| {
        plan.fragmented(0);
        set(plan, b"trun", 0, 0x300);
    });
    matrix.insider("two moov", COVERAGE, |plan| put(plan, &movie::moov(&[], false)));
    matrix.insider("two ftyp", COVERAGE, |plan| put(plan, &movie::ftyp()));
    matrix.insider("pictures as items", COVERAGE, |plan| {
        put(plan, &small_box(b"meta", &[words(&[0]), small_box(b"idat", &FORGED)].concat()));
    });
    matrix.insider("a moov with user data", COVERAGE, |plan| {
        // In the place of the header, which players do without.
        let at = place(&plan.video, b"mvhd") + 4;
        plan.video[at..at + 4].copy_from_slice(b"udta");
        plan.list_files();
    });
    matrix.check();
}

#[test]
fn both_verifiers_read_broken_tables_alike() {
    let mut found = 0;
    for number in 0..COUNT {
        let mut plan = Plan::new();
        if number % 2 == 1 {
            plan.fragmented(0);
        }
        // One byte of what comes before the first sample, and what it becomes.
        let end = place(&plan.video, b"mdat");
        let noise = sha256(&number.to_le_bytes());
        let at = usize::from(u16::from_le_bytes([noise[0], noise[1]])) % end;
        plan.video[at] = [0, 1, 0xFF, plan.video[at] ^ 1 << (noise[3] % 8)][usize::from(noise[2] % 4)];
        plan.list_files();
        let (code, _) = judged(&plan.export(1), &Asked::usual());
        found += u32::from(code != 0);
    }
    assert!((COUNT / 4..COUNT).contains(&found), "{found} of {COUNT} were found: some bytes mean nothing, and many do");
}
