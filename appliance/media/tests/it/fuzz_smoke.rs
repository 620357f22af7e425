//! The fuzz bodies on seeded random and mutated inputs, so that they run everywhere. `FUZZ_SEED=n` repeats a run, `FUZZ_RUNS=n` lengthens it.

use crate::corpus::over_corpus;
use crate::fuzz_bodies;
use crate::smoke;

/// Bytes of start codes and markers.
const INSERTED: [u8; 5] = [0, 1, 3, 0x80, 0xFF];

/// The parameter sets of three streams of 1282 × 722 pictures with pixels of 4:3: x264 High 4:2:2, 10 bits; x264 Baseline; x265 Main 10.
pub(crate) const H264_HIGH_422: [&str; 2] =
    ["677a0020b6cd9405105de223f0e6a02020280000030008000003019078c18cb0", "68ebe3cb22c0"];
pub(crate) const H264_BASELINE: [&str; 2] =
    ["6742c020d9005105de22230e6a020202800000030080000019078c1924", "68cb83cb20"];
pub(crate) const H265_MAIN_10: [&str; 3] = [
    "40010c01ffff02200000030090000003000003005d959809",
    "42010102200000030090000003000003005da00284802d9c92365959a4932bc39a808080820000030002000003003210",
    "4401c172b46240",
];

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn check_every_input(target: &str, body: fn(&[u8]), seeds: &[Vec<u8>]) {
    assert!(over_corpus(target, body, seeds) > 0);
    smoke::smoke(body, seeds, &INSERTED);
}

/// Parameter sets in Annex B behind the byte that chooses the standard.
fn set_seeds() -> Vec<Vec<u8>> {
    let annex_b = |choice: u8, sets: &[&str]| {
        let mut stream = vec![choice];
        sets.iter().for_each(|set| stream.extend([&[0, 0, 0, 1], &unhex(set)[..]].concat()));
        stream
    };
    vec![annex_b(0, &H264_HIGH_422), annex_b(0, &H264_BASELINE), annex_b(1, &H265_MAIN_10)]
}

#[test]
fn any_access_unit() {
    let mut seeds = set_seeds();
    seeds.push(vec![0, 0, 0, 0, 2, 0x67, 1, 0, 0, 0, 3, 0x65, 0x88, 0x84]);
    seeds.push(vec![1, 0, 0, 0, 4, 0x26, 1, 0xAF, 0x08]);
    check_every_input("access_unit", fuzz_bodies::access_unit, &seeds);
}

#[test]
fn any_parameter_sets() {
    check_every_input("parameter_sets", fuzz_bodies::parameter_sets, &set_seeds());
}

#[test]
fn any_jpeg() {
    // By T.81 figure B.2: a table, a frame header of 16 × 8, a scan with a stuffed byte and a restart, the end.
    let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xC4, 0, 4, 1, 2, 0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 16, 1, 1, 0x11, 0];
    jpeg.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 1, 0xFF, 0, 2, 0xFF, 0xD0, 3, 0xFF, 0xD9]);
    fuzz_bodies::jpeg(&jpeg);
    assert!(watchbook_media::mjpeg::check(&jpeg).is_ok(), "the seed is a JPEG");
    check_every_input("jpeg", fuzz_bodies::jpeg, &[jpeg]);
}

#[test]
fn any_sample_table() {
    let mut seeds =
        vec![vec![0, 3, 1, 0xD0, 0x0F, 0xE0, 0x5D, 0x8C, 1, 0, 4], vec![1, 1, 2, 1, 2, 4, 0xE0, 0x5D, 9, 8]];
    seeds.push(vec![2, 2, 1, 0xD0, 0x0F, 0, 0xE0, 0x5D, 0x8C, 0x01, 0xAC, 0x02]);
    check_every_input("sample_table", fuzz_bodies::sample_table, &seeds);
}

#[test]
fn any_mp4_plan() {
    // Ordinary spans: range from 0 for a minute, five spans, all samples with 30 a second and a key in front.
    let mut plain = vec![0, 3, 0, 0xEA, 0x60, 1, 9, 5];
    plain.extend([1, 1, 200, 0, 1, 200, 0, 1, 200, 1, 40].repeat(30));
    check_every_input("mp4_plan", fuzz_bodies::mp4_plan, &[plain]);
}
