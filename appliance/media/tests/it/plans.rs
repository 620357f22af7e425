//! Which samples a plan takes, what it says about them, and how little it reads.

use crate::memory::{Memory, NewSpan, h264, pcmu, range_ms, samples, utc_ms, whole};
use std::sync::atomic::Ordering;
use watchbook_base::{Kind, TrackRole};
use watchbook_media::{ByteFile, FragmentedFile, ProgressiveFile, SpanSummary};

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

/// The content of the first box `kind` of `file`.
fn body<'a>(file: &'a [u8], kind: &[u8; 4]) -> &'a [u8] {
    let at = file.windows(4).position(|window| window == kind).unwrap();
    let size = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
    &file[at + 4..at - 4 + size]
}

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[test]
fn an_export_starts_at_the_key_frame_and_hides_what_is_early() {
    let mut memory = Memory::default();
    let spans = recording(&mut memory, 1, 0, 3, 1);
    let file = ProgressiveFile::plan(&spans, &[], range_ms(13_300, 21_050), &memory).unwrap();
    assert_eq!(file.delivered(), range_ms(13_300, 21_050));
    let bytes = whole(&file, &memory);
    // 12.0 s is the key frame; pictures start up to 21.0 s: 91 of them.
    assert_eq!(be(&body(&bytes, b"stsz")[8..12]), 91);
    let elst = body(&bytes, b"elst");
    assert_eq!((be(&elst[4..8]), be(&elst[8..16]), be(&elst[16..24])), (1, 7_750 * 90, 1_300 * 90));
    // The key frames at 12, 14, 16, 18 and 20 s.
    assert_eq!(be(&body(&bytes, b"stss")[4..8]), 5);
    assert!(file.gaps().is_empty());
}

#[test]
fn a_gap_lengthens_the_sample_before_it_and_is_reported() {
    let mut memory = Memory::default();
    let mut spans = recording(&mut memory, 1, 0, 1, 1);
    spans.extend(recording(&mut memory, 2, 15_000, 1, 1));
    let file = ProgressiveFile::plan(&spans, &[], range_ms(0, 60_000), &memory).unwrap();
    assert_eq!(file.gaps(), [range_ms(10_000, 15_000)]);
    assert_eq!(file.delivered(), range_ms(0, 25_000));
    let bytes = whole(&file, &memory);
    let stts = body(&bytes, b"stts");
    let durations: Vec<u64> = stts[8..].chunks(8).map(|entry| be(&entry[4..])).collect();
    assert_eq!(durations.len(), 200);
    assert_eq!(durations[99], 9000 + 5 * 90_000);
    assert_eq!(durations.iter().sum::<u64>(), 25 * 90_000);
}

#[test]
fn a_gap_of_a_day_takes_six_hours_of_the_timeline() {
    let mut memory = Memory::default();
    let mut spans = recording(&mut memory, 1, 0, 1, 1);
    spans.extend(recording(&mut memory, 2, 86_400_000, 1, 1));
    let file = ProgressiveFile::plan(&spans, &[], range_ms(0, 90_000_000), &memory).unwrap();
    assert_eq!(file.gaps(), [range_ms(10_000, 86_400_000)]);
    let bytes = whole(&file, &memory);
    assert_eq!(be(&body(&bytes, b"stts")[8 + 99 * 8 + 4..][..4]), 9000 + 6 * 3600 * 90_000);
    assert_eq!(be(&body(&bytes, b"elst")[8..16]), (20 + 6 * 3600) * 90_000);
}

#[test]
fn other_settings_share_a_file_and_another_codec_ends_it() {
    let mut memory = Memory::default();
    let mut spans = recording(&mut memory, 1, 0, 1, 1);
    spans.extend(recording(&mut memory, 2, 11_000, 1, 2));
    let mut hevc = recording(&mut memory, 3, 22_000, 1, 3);
    for span in &mut hevc {
        let codec = watchbook_media::Codec::H265 { width: 640, height: 360 };
        span.format = std::sync::Arc::new(watchbook_media::TrackFormat { codec, config: span.format.config.clone() });
    }
    spans.extend(hevc);
    let file = ProgressiveFile::plan(&spans, &[], range_ms(0, 40_000), &memory).unwrap();
    assert_eq!(file.delivered(), range_ms(0, 21_000));
    assert_eq!(file.video_formats().len(), 2);
    let bytes = whole(&file, &memory);
    assert_eq!(be(&body(&bytes, b"stsd")[4..8]), 2);
    // 20 runs each; the last one belongs to the second entry.
    let stsc = body(&bytes, b"stsc");
    assert_eq!((be(&stsc[4..8]), be(&stsc[8 + 8..8 + 12]), be(&stsc[8 + 39 * 12 + 8..])), (40, 1, 2));
    let played = FragmentedFile::plan(&spans, range_ms(0, 40_000), None, &memory).unwrap();
    assert_eq!(played.range(), range_ms(0, 10_000), "playback stops at any change");
}

#[test]
fn chunk_offsets_lead_to_the_samples() {
    let mut memory = Memory::default();
    let spans = recording(&mut memory, 1, 0, 3, 1);
    let sound = samples(0, 1000, 1800, 1);
    let audio = memory.add(NewSpan {
        role: TrackRole::MainAudio,
        recording: 9,
        format: &pcmu(),
        samples: &sound,
        end_dts: 1000 * 1800,
        utc: utc_ms(4_000),
        run_len: 25,
    });
    let file = ProgressiveFile::plan(&spans, &[audio], range_ms(0, 30_000), &memory).unwrap();
    assert!(file.has_audio());
    let bytes = whole(&file, &memory);
    let second = bytes.windows(4).rposition(|kind| kind == b"trak").unwrap();
    let (video, audio) = bytes.split_at(second);
    for (track, run_len, expected) in [(video, 5, samples(0, 100, 9000, 20)), (audio, 25, sound)] {
        let co64 = body(track, b"co64");
        let mut made = expected.chunks(run_len);
        for (entry, run) in co64[8..].chunks(8).zip(&mut made) {
            let at = be(entry) as usize;
            let wanted: Vec<u8> = run.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
            assert_eq!(bytes[at..at + wanted.len()], wanted);
        }
        assert!(made.next().is_none());
    }
    // The sound starts 4 s late: an empty edit, then the media from its start.
    let elst = body(audio, b"elst");
    assert_eq!((be(&elst[4..8]), be(&elst[8..16]), be(&elst[16..24])), (2, 4 * 90_000, u64::MAX));
}

#[test]
fn a_day_is_planned_from_its_ends_and_starts_at_once() {
    let mut memory = Memory::default();
    let spans = recording(&mut memory, 1, 0, 8640, 1);
    let started = std::time::Instant::now();
    let file = ProgressiveFile::plan(&spans, &[], range_ms(5_000, 86_395_000), &memory).unwrap();
    let first = file.read_at(0, 1 << 20, &memory).unwrap();
    let elapsed = started.elapsed();
    assert!(!first.is_empty());
    let tables = memory.tables_read.load(Ordering::Relaxed);
    assert!(tables < 100, "{tables} of 8640 tables were read before the first bytes");
    assert!(elapsed.as_millis() < 500, "{elapsed:?} to the first bytes");
    println!(
        "24 h in 8640 spans: {elapsed:?} to the first {} bytes of {}, {tables} tables read",
        first.len(),
        file.len()
    );
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
    let file = ProgressiveFile::plan(&spans, &[], range_ms(25_000, 26_000), &memory).unwrap();
    assert_eq!(be(&body(&whole(&file, &memory), b"stsz")[8..12]), 260, "from the key frame at 0");
    let file = ProgressiveFile::plan(&spans[1..], &[], range_ms(25_000, 40_000), &memory).unwrap();
    assert_eq!(file.delivered(), range_ms(30_000, 40_000), "forward to the next key frame");
    let error = ProgressiveFile::plan(&spans[1..3], &[], range_ms(12_000, 25_000), &memory).unwrap_err();
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
    let times: Vec<u64> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, kind)| *kind == b"tfdt")
        .map(|(at, _)| be(&bytes[at + 8..at + 16]))
        .collect();
    assert_eq!(times, [68 * 90_000, 75 * 90_000]);
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
        let file = ProgressiveFile::plan(&spans, &[], range_ms(0, 30_000), &memory).unwrap();
        let error = watchbook_media::chunks(&file, 0..u64::MAX, &memory).find_map(Result::err).unwrap();
        assert_eq!(error.kind, Kind::Corrupt, "{error}");
    }
    let mut spans = spans;
    spans[1].sample_count = 0;
    assert_eq!(ProgressiveFile::plan(&spans, &[], range_ms(0, 30_000), &memory).unwrap_err().kind, Kind::Corrupt);
}

#[test]
fn a_clock_that_was_set_back_loses_no_picture() {
    let mut memory = Memory::default();
    let mut spans = recording(&mut memory, 1, 0, 1, 1);
    spans.extend(recording(&mut memory, 2, 4_000, 1, 1));
    let file = ProgressiveFile::plan(&spans, &[], range_ms(0, 60_000), &memory).unwrap();
    assert_eq!(file.delivered(), range_ms(0, 14_000));
    let bytes = whole(&file, &memory);
    assert_eq!(be(&body(&bytes, b"stsz")[8..12]), 200);
    assert_eq!(be(&body(&bytes, b"elst")[8..16]), 20 * 90_000, "all of both recordings is shown, one behind the other");
}

#[test]
fn damaged_footage_is_left_out_up_to_the_next_key_frame_and_is_a_gap() {
    let mut memory = Memory::default();
    let spans = recording(&mut memory, 1, 0, 2, 1);
    let plain = whole(&ProgressiveFile::plan(&spans, &[], range_ms(0, 20_000), &memory).unwrap(), &memory);
    // A run of half a second; the pictures behind it need it until the key frame at 6 s.
    memory.lost = vec![range_ms(4_500, 5_000)];
    let file = ProgressiveFile::plan(&spans, &[], range_ms(0, 20_000), &memory).unwrap();
    assert_eq!((file.gaps(), file.delivered()), (&[range_ms(4_500, 6_000)][..], range_ms(0, 20_000)));
    let bytes = whole(&file, &memory);
    let sizes = |file: &[u8]| body(file, b"stsz")[12..].chunks(4).map(be).collect::<Vec<u64>>();
    let (all, left) = (sizes(&plain), sizes(&bytes));
    assert_eq!((left.len(), &left[..45], &left[45..]), (185, &all[..45], &all[60..]));
    let stts = body(&bytes, b"stts");
    assert_eq!(be(&stts[8 + 44 * 8 + 4..][..4]), 9000 + 1_500 * 90, "the last picture before it is held");

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
    let file = ProgressiveFile::plan(&spans, &[], range_ms(0, 20_000), &memory).unwrap();
    assert_eq!(file.gaps(), [range_ms(9_500, 11_000)]);
    assert_eq!(be(&body(&whole(&file, &memory), b"stsz")[8..12]), 95 + 90);
}
