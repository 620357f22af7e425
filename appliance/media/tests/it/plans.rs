//! Which samples a plan takes, and what it says about them.

use crate::memory::{Memory, NewSpan, h264, range_ms, samples, utc_ms, whole};
use watchbook_base::{Kind, TrackRole};
use watchbook_media::{FragmentedFile, SpanSummary};

/// Spans of one recording: `count` of them with 100 pictures of 100 ms each, a key frame every 2 s, `offset_ms` after New Year.
fn recording(memory: &mut Memory, number: u64, offset_ms: i64, count: i64, id: u8) -> Vec<SpanSummary> {
    let span = |index: i64| {
        let made = samples(index * 900_000, 100, 9000, 20);
        memory.add(NewSpan {
            role: TrackRole::MainVideo,
            recording: number,
            format: &h264(id),
            samples: &made,
            end_dts: (index + 1) * 900_000,
            utc: utc_ms(offset_ms + index * 10_000),
            run_len: 5,
        })
    };
    (0..count).map(span).collect()
}

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Where the boxes of this kind lie in a file, behind their kind.
fn boxes<'a>(file: &'a [u8], kind: &'a [u8; 4]) -> impl Iterator<Item = &'a [u8]> {
    file.windows(4).enumerate().filter(move |(_, found)| *found == kind).map(|(at, _)| &file[at + 4..])
}

/// Decode time of each fragment: `tfdt`, version 1 (ISO/IEC 14496-12 §8.8.12).
fn decode_times(file: &[u8]) -> Vec<u64> {
    boxes(file, b"tfdt").map(|content| be(&content[4..12])).collect()
}

/// Samples of all fragments: the count of each `trun` (§8.8.8).
fn pictures(file: &[u8]) -> u64 {
    boxes(file, b"trun").map(|content| be(&content[4..8])).sum()
}

#[test]
fn another_format_ends_a_file() {
    let mut memory = Memory::default();
    let mut spans = recording(&mut memory, 1, 0, 1, 1);
    spans.extend(recording(&mut memory, 2, 11_000, 1, 2));
    let played = FragmentedFile::plan(&spans, range_ms(0, 40_000), None, &memory).unwrap();
    assert_eq!(played.range(), range_ms(0, 10_000), "playback stops at any change");
}

#[test]
fn the_key_frame_may_lie_in_an_earlier_span_or_be_missing() {
    let mut memory = Memory::default();
    let mut add = |index: i64, gop: i64, first_key: bool| {
        let mut made = samples(index * 900_000, 100, 9000, gop);
        made[0].0.key = first_key;
        let utc = utc_ms(index * 10_000);
        let end_dts = (index + 1) * 900_000;
        memory.add(NewSpan {
            role: TrackRole::MainVideo,
            recording: 1,
            format: &h264(1),
            samples: &made,
            end_dts,
            utc,
            run_len: 10,
        })
    };
    let spans = [add(0, 1000, true), add(1, 1000, false), add(2, 1000, false), add(3, 50, true)];
    let file = FragmentedFile::plan(&spans, range_ms(25_000, 26_000), None, &memory).unwrap();
    assert_eq!(pictures(&whole(&file, &memory)), 260, "from the key frame at 0");
    let file = FragmentedFile::plan(&spans[1..], range_ms(25_000, 40_000), None, &memory).unwrap();
    assert_eq!(file.range(), range_ms(30_000, 40_000), "forward to the next key frame");
    let error = FragmentedFile::plan(&spans[1..3], range_ms(12_000, 25_000), None, &memory).unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
}

#[test]
fn playback_stands_where_the_viewer_puts_time_0() {
    let mut memory = Memory::default();
    let mut spans = recording(&mut memory, 1, 0, 1, 1);
    spans.extend(recording(&mut memory, 2, 15_000, 1, 1));
    let file = FragmentedFile::plan(&spans, range_ms(9_000, 16_000), Some(utc_ms(-60_000)), &memory).unwrap();
    assert_eq!(file.range(), range_ms(8_000, 16_000));
    let bytes = whole(&file, &memory);
    assert_eq!(decode_times(&bytes), [68 * 90_000, 75 * 90_000]);
    let late = FragmentedFile::plan(&spans, range_ms(9_000, 16_000), Some(utc_ms(9_000)), &memory).unwrap_err();
    assert_eq!(late.kind, Kind::InvalidInput);
    let long = FragmentedFile::plan(&spans, range_ms(0, 900_001), None, &memory).unwrap_err();
    assert_eq!(long.kind, Kind::InvalidInput);
}

#[test]
fn a_table_that_disagrees_with_its_summary_is_corrupt() {
    let mut memory = Memory::default();
    let spans = recording(&mut memory, 1, 0, 3, 1);
    for harm in [
        |span: &mut SpanSummary| span.key_count -= 1,
        |span: &mut SpanSummary| span.byte_count += 1,
        |span: &mut SpanSummary| span.run_count -= 1,
        |span: &mut SpanSummary| span.has_cts = true,
        |span: &mut SpanSummary| span.has_lost = true,
        |span: &mut SpanSummary| span.end_dts.0 -= 9000,
    ] {
        let mut spans = spans.clone();
        harm(&mut spans[1]);
        let error = FragmentedFile::plan(&spans, range_ms(0, 30_000), None, &memory).unwrap_err();
        assert_eq!(error.kind, Kind::Corrupt, "{error}");
    }
    let mut spans = spans;
    spans[1].sample_count = 0;
    assert_eq!(FragmentedFile::plan(&spans, range_ms(0, 30_000), None, &memory).unwrap_err().kind, Kind::Corrupt);
}

#[test]
fn a_clock_that_was_set_back_loses_no_picture() {
    let mut memory = Memory::default();
    let mut spans = recording(&mut memory, 1, 0, 1, 1);
    spans.extend(recording(&mut memory, 2, 4_000, 1, 1));
    let file = FragmentedFile::plan(&spans, range_ms(0, 60_000), None, &memory).unwrap();
    assert_eq!(file.range(), range_ms(0, 14_000));
    let bytes = whole(&file, &memory);
    assert_eq!(pictures(&bytes), 200, "all of both recordings");
    let rising = decode_times(&bytes);
    assert!(rising.is_sorted() && rising.last() == Some(&(18 * 90_000)), "one behind the other: {rising:?}");
}

#[test]
fn damaged_footage_is_left_out_up_to_the_next_key_frame_and_is_a_gap() {
    let mut memory = Memory::default();
    let spans = recording(&mut memory, 1, 0, 2, 1);
    // A run of half a second; the pictures behind it need it until the key frame at 6 s.
    memory.lost = vec![range_ms(4_500, 5_000)];
    let file = FragmentedFile::plan(&spans, range_ms(0, 20_000), None, &memory).unwrap();
    assert_eq!((file.gaps(), file.range()), (&[range_ms(4_500, 6_000)][..], range_ms(0, 20_000)));
    assert_eq!(pictures(&whole(&file, &memory)), 200 - 15);
    let played = FragmentedFile::plan(&spans, range_ms(4_600, 9_000), None, &memory).unwrap();
    assert_eq!(played.gaps(), [range_ms(4_500, 6_000)]);
    memory.lost = vec![range_ms(0, 20_000)];
    assert_eq!(FragmentedFile::plan(&spans, range_ms(0, 9_000), None, &memory).unwrap_err().kind, Kind::Corrupt);
}

#[test]
fn a_span_that_needs_the_damaged_one_before_it_begins_at_its_key_frame() {
    let mut memory = Memory::default();
    let first = recording(&mut memory, 1, 0, 1, 1);
    // The first key frame of the second span comes after a second.
    let mut made = samples(900_000, 100, 9000, 20);
    made.iter_mut().zip(0..).for_each(|((sample, _), index)| sample.key = index % 20 == 10);
    let second = memory.add(NewSpan {
        role: TrackRole::MainVideo,
        recording: 1,
        format: &h264(1),
        samples: &made,
        end_dts: 1_800_000,
        utc: utc_ms(10_000),
        run_len: 5,
    });
    memory.lost = vec![range_ms(9_500, 10_000)];
    let spans = [first[0].clone(), second];
    let file = FragmentedFile::plan(&spans, range_ms(0, 20_000), None, &memory).unwrap();
    assert_eq!(file.gaps(), [range_ms(9_500, 11_000)]);
    assert_eq!(pictures(&whole(&file, &memory)), 95 + 90);
}
