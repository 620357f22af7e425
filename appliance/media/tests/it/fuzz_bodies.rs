//! What must hold for any bytes at all. Each body is run here on seeded inputs and in `tests/fuzz` by libFuzzer; it panics when a promise is broken.

use bytes::Bytes;
use std::sync::Arc;
use watchbook_base::limits::{ACCESS_UNIT_BYTES_MAX, PICTURE_SIDE_PX_MAX};
use watchbook_base::{CameraId, Kind, Ticks90k, TimeRange, TrackRole, UtcNanos};
use watchbook_media::h26x::{
    ParameterSets, Standard, annex_b_units, check_access_unit, from_annex_b, is_key_frame, nal_units,
    parameter_sets as sets_of, to_annex_b,
};
use watchbook_media::impaired::{impaired, merged};
use watchbook_media::sample_entry::{codec_string, mime};
use watchbook_media::sample_table::{decode_run, decode_span, encode_run, encode_span};
use watchbook_media::{
    ByteFile, Codec, FragmentedFile, RecordingId, RunTable, Sample, SourceError, SpanSource, SpanSummary, SpanTable,
    TrackFormat, fragment, h264, h265, mjpeg,
};

fn standard_of(choice: u8) -> Standard {
    if choice.is_multiple_of(2) { Standard::H264 } else { Standard::H265 }
}

/// Both framings of an access unit.
pub fn access_unit(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let standard = standard_of(*choice);
    if let Ok(found) = check_access_unit(standard, data) {
        assert!(!data.is_empty() && data.len() <= ACCESS_UNIT_BYTES_MAX);
        let total: usize = nal_units(data).map(|nal| nal.expect("it was checked").len() + 4).sum();
        assert_eq!(total, data.len(), "the lengths add up");
        assert_eq!(found.key, is_key_frame(standard, data));
    }
    if let Ok(stored) = from_annex_b(data) {
        assert!(stored.len() <= ACCESS_UNIT_BYTES_MAX);
        let stored: Vec<&[u8]> = nal_units(&stored).map(|nal| nal.expect("just written")).collect();
        assert!(stored.iter().copied().eq(annex_b_units(data)));
    }
    let codec = Codec::H264 { width: 16, height: 16 };
    let format = TrackFormat { codec, config: Bytes::copy_from_slice(data) };
    for with_sets in [false, true] {
        if let Ok(stream) = to_annex_b(&format, data, with_sets) {
            assert!(stream.len() <= 2 * data.len() + 8 * data.len().max(1));
        }
    }
}

/// Parameter sets in band, and any bytes as a configuration record.
pub fn parameter_sets(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let standard = standard_of(*choice);
    let mut sets = ParameterSets::new(standard);
    for nal in annex_b_units(data) {
        // What cannot be read is refused and must not spoil what came before.
        drop(sets.push(nal));
    }
    if let Ok(Some(format)) = sets.format() {
        let (width, height) = format.codec.dimensions().expect("pictures have a size");
        assert!((1..=PICTURE_SIDE_PX_MAX).contains(&width) && (1..=PICTURE_SIDE_PX_MAX).contains(&height));
        let listed = sets_of(&format).expect("our own record");
        assert!(listed.len() >= 2);
        codec_string(&format).expect("our own record");
        mime(&format).expect("our own record");
        assert!(fragment::init_segment(&format).len() < 16 << 10);
    }
    for codec in [
        Codec::H264 { width: 640, height: 360 },
        Codec::H265 { width: u32::MAX, height: 0 },
        Codec::Aac { sample_rate_hz: u32::MAX, channels: u16::MAX },
        Codec::Pcmu { sample_rate_hz: 8000, channels: 0 },
        Codec::Mjpeg { width: 0, height: u32::MAX },
    ] {
        let format = TrackFormat { codec, config: Bytes::copy_from_slice(data) };
        drop((codec_string(&format), sets_of(&format)));
        assert!(!fragment::init_segment(&format).is_empty());
    }
    drop((h264::Sps::parse(data), h265::Sps::parse(data)));
}

/// Any bytes as a JPEG: what passes has sides within bounds, ends where it says, and is the same without what is behind it.
pub fn jpeg(data: &[u8]) {
    let Ok(picture) = mjpeg::check(data) else { return };
    assert!((1..=PICTURE_SIDE_PX_MAX).contains(&picture.width) && (1..=PICTURE_SIDE_PX_MAX).contains(&picture.height));
    assert!(picture.len <= data.len() && picture.len <= ACCESS_UNIT_BYTES_MAX);
    let cut = &data[..picture.len];
    assert!(cut.starts_with(&mjpeg::START) && cut.ends_with(&[0xFF, 0xD9]));
    assert_eq!(mjpeg::check(cut).as_ref(), Ok(&picture));
    assert!(mjpeg::check(&cut[..picture.len - 1]).is_err(), "a cut picture is no picture");
    assert!(!fragment::init_segment(&picture.format()).is_empty());
}

/// Stored sample tables: what decodes encodes to the same bytes.
pub fn sample_table(data: &[u8]) {
    if let Ok(run) = decode_run(data) {
        let mut again = Vec::new();
        encode_run(&run, &mut again).expect("it was decoded");
        assert_eq!(again, data);
    }
    if let Ok(span) = decode_span(data) {
        let mut again = Vec::new();
        encode_span(&span, &mut again).expect("it was decoded");
        assert_eq!(again, data);
    }
}

/// Numbers out of fuzz input; 0 when it is used up.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Mostly small, sometimes anything.
    fn number(&mut self) -> i64 {
        let head = self.byte();
        let count = if head >= 0xE0 { 8 } else { u32::from(head) % 4 };
        (0..count).fold(0_i64, |value, _| value << 8 | i64::from(self.byte()))
    }
}

/// Tables as the input has them; samples are zeros.
struct Tables(Vec<Arc<SpanTable>>);

impl SpanSource for Tables {
    fn table(&self, span: &SpanSummary) -> Result<Arc<SpanTable>, SourceError> {
        let index = usize::try_from(span.locator).unwrap_or(usize::MAX);
        let gone = || SourceError { kind: Kind::NotFound, message: "reused".into() };
        self.0.get(index).map(Arc::clone).ok_or_else(gone)
    }

    fn read(&self, span: &SpanSummary, offset: u64, len: u64) -> Result<Bytes, SourceError> {
        assert!(len <= 1 << 20, "at most a chunk at once");
        assert!(offset.checked_add(len).is_some_and(|end| end <= span.byte_count), "reading inside the span");
        Ok(Bytes::from(vec![0; usize::try_from(len).expect("at most 1 MiB")]))
    }
}

/// A few spans with any numbers, whose summaries mostly agree with their tables.
fn spans_of(numbers: &mut Numbers<'_>) -> (Vec<SpanSummary>, Tables) {
    let (mut spans, mut tables) = (Vec::new(), Tables(Vec::new()));
    let (mut dts, mut utc, mut recording) = (0_i64, 1_767_225_600_000_000_000_i64, 1_u64);
    for locator in 0..u64::from(numbers.byte() % 12) {
        let mut table = SpanTable::default();
        for _ in 0..1 + numbers.byte() % 3 {
            let sample = |_| {
                let head = numbers.byte();
                let sample = Sample {
                    dts: Ticks90k(dts),
                    cts_offset: if head & 2 == 0 { 0 } else { i32::try_from(numbers.number()).unwrap_or(i32::MIN) },
                    size_bytes: u32::try_from(numbers.number()).unwrap_or(u32::MAX).max(1),
                    key: head & 1 == 1,
                    lost_before: if head & 8 == 0 { 0 } else { u16::from(head >> 4) },
                };
                dts = dts.saturating_add(if head & 4 == 0 { 3000 } else { numbers.number() });
                sample
            };
            let count = 1 + head_count(locator);
            table.runs.push(RunTable { samples: (0..count).map(sample).collect() });
        }
        let first_dts = table.runs.first().and_then(|run| run.samples.first()).map_or(Ticks90k(0), |sample| sample.dts);
        let all = || table.runs.iter().flat_map(|run| &run.samples);
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let config = Bytes::from(vec![1, 0x64, 0, numbers.byte() % 2, 0xFF, 0xE0, 0]);
        let codec = Codec::H264 { width: 64, height: 64 };
        let mut span = SpanSummary {
            stream: CameraId::new(1).expect("1 is a camera").stream(TrackRole::MainVideo),
            recording: RecordingId(recording),
            format: Arc::new(TrackFormat { codec, config }),
            first_dts,
            end_dts: Ticks90k(dts),
            start_utc: UtcNanos(utc),
            sample_count: count(all().count()),
            key_count: count(all().filter(|sample| sample.key).count()),
            run_count: count(table.runs.len()),
            byte_count: all().map(|sample| u64::from(sample.size_bytes)).sum(),
            has_cts: all().any(|sample| sample.cts_offset != 0),
            has_lost: all().any(|sample| sample.lost_before != 0),
            locator,
        };
        utc = utc.saturating_add(Ticks90k(dts.saturating_sub(first_dts.0)).as_nanos());
        match numbers.byte() {
            0..=19 => (recording, dts, utc) = (recording + 1, 0, utc.saturating_add(numbers.number())),
            20..=23 => span.byte_count = numbers.number().unsigned_abs(),
            24..=26 => span.sample_count = count(usize::from(numbers.byte())),
            27..=29 => span.end_dts = Ticks90k(numbers.number()),
            30..=32 => span.start_utc = UtcNanos(numbers.number()),
            33..=35 => span.locator = 99,
            _ => {}
        }
        spans.push(span);
        tables.0.push(Arc::new(table));
    }
    (spans, tables)
}

fn head_count(locator: u64) -> u8 {
    u8::try_from(locator % 5).unwrap_or(0) + 1
}

/// A file is as long as it says, or fails with an error; parts agree with the whole as far as both can be read.
fn check_file(file: &dyn ByteFile, source: &dyn SpanSource, at: u64) {
    let len = file.len();
    assert!(len > 0);
    let (mut offset, mut head) = (0_u64, Vec::new());
    // The header and what follows, up to 2 MiB: sizes may be announced in gigabytes.
    while offset < len.min(2 << 20) {
        let Ok(chunk) = file.read_at(offset, 1 << 20, source) else { break };
        assert!(!chunk.is_empty() && chunk.len() <= 1 << 20);
        offset += chunk.len() as u64;
        assert!(offset <= len, "no byte behind the announced end");
        head.extend_from_slice(&chunk);
    }
    let at = at % len;
    if let Ok(part) = file.read_at(at, 77, source) {
        assert!(!part.is_empty() && part.len() <= 77);
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(same) = from.checked_add(part.len()).and_then(|to| head.get(from..to)) {
            assert_eq!(part, same);
        }
    }
}

/// Plans over impossible, contradicting and ordinary spans.
pub fn mp4_plan(data: &[u8]) {
    let mut numbers = Numbers(data);
    let base = 1_767_225_600_000_000_000_i64;
    let from = base.saturating_add(numbers.number().saturating_mul(1000));
    let range = TimeRange::new(
        UtcNanos(from),
        UtcNanos(from.saturating_add(numbers.number().saturating_abs().saturating_mul(1_000_000))),
    );
    let at = numbers.number().unsigned_abs();
    let (spans, tables) = spans_of(&mut numbers);
    if let Ok(found) = impaired(&spans, &tables) {
        assert!(found.iter().all(|found| found.range.start <= found.range.end && found.lost > 0));
        let (few, merged) = merged(found.clone(), 3);
        assert!(few.len() <= 3 && merged == (found.len() > 3));
    }
    let Some(range) = range else { return };
    if let Ok(file) = FragmentedFile::plan(&spans, range, None, &tables) {
        check_file(&file, &tables, at);
    }
}
