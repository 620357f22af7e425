//! The stored form of sample tables: about three bytes a sample, one way to write each table.
//!
//! ```text
//! run   := head:u8  count:varint  sample × count
//!            head    bit 0: some cts_offset is not 0; bit 1: some lost_before is not 0; bits 2–7: 0 (the version)
//!            count   1 to SAMPLES_PER_RUN_MAX
//! sample := time:varint  size:varint  [cts:varint when head bit 0]  [lost:varint when head bit 1]
//!            time    first sample: dts << 1 | key
//!                    later ones:   zigzag(step − previous step) << 1 | key, where step = dts − previous dts and starts as 0
//!            size    zigzag(size − size of the previous sample with the same key bit, 0 at first)
//!            cts     zigzag(cts_offset − previous cts_offset, 0 at first)
//!            lost    lost_before, at most 65,535
//! span  := count:varint  run × count
//!            count   1 to RUNS_PER_SPAN_MAX; dts goes on rising from run to run
//! ```
//! A varint is little-endian base 128 (7 bits a byte, high bit: more follow) in its shortest form. Steps are nearly constant and sizes alike per kind
//! of picture, so deltas stay in one or two bytes. Decoding accepts exactly what encoding writes, so a table and its bytes determine each other.

use crate::error::Error;
use crate::span::{RunTable, Sample, SpanTable};
use watchbook_base::Ticks90k;
use watchbook_base::limits::ACCESS_UNIT_BYTES_MAX;

/// Samples of one run. A commit covers half a second; 4096 is 16 s of 240 frames a second, so only a stalled disk could come near, and the writer
/// then splits the run.
pub const SAMPLES_PER_RUN_MAX: usize = 4096;
/// Runs of one span: a minute of half-second commits is 120.
pub const RUNS_PER_SPAN_MAX: usize = 1024;
/// Samples of one span: a minute at 1000 a second, and the memory for a decoded table (24 B each) stays under 1.6 MB.
pub const SAMPLES_PER_SPAN_MAX: usize = 65_536;
/// Largest decode time: 2⁵⁶ ticks are 25,000 years, and every delta of two such times, zigzagged and shifted, fits 64 bits.
pub const DTS_TICKS_MAX: i64 = 1 << 56;

const HAS_CTS: u8 = 1;
const HAS_LOST: u8 = 2;

/// Appends the stored form of `run` to `out`.
///
/// # Errors
/// `InvalidInput` when the run is empty or too long, decode times do not rise, or a sample is empty or larger than an access unit may be; `out` may
/// then hold a part.
pub fn encode_run(run: &RunTable, out: &mut Vec<u8>) -> Result<(), Error> {
    if run.samples.is_empty() || run.samples.len() > SAMPLES_PER_RUN_MAX {
        return Err(Error::invalid(format!(
            "encoding a run of {} samples; 1 to {SAMPLES_PER_RUN_MAX} go",
            run.samples.len()
        )));
    }
    let has_cts = run.samples.iter().any(|sample| sample.cts_offset != 0);
    let has_lost = run.samples.iter().any(|sample| sample.lost_before != 0);
    out.push((u8::from(has_cts) * HAS_CTS) | (u8::from(has_lost) * HAS_LOST));
    put_varint(out, widen(run.samples.len()));
    let mut state = Predictor::default();
    for (index, sample) in run.samples.iter().enumerate() {
        state.check(sample).map_err(|why| Error::invalid(format!("encoding sample {index} of a run: {why}")))?;
        let step = sample.dts.0 - state.dts.unwrap_or(0);
        let time = match state.dts {
            None => sample.dts.0.cast_unsigned(),
            Some(_) => zigzag(step - state.step),
        };
        put_varint(out, time << 1 | u64::from(sample.key));
        put_varint(out, zigzag(i64::from(sample.size_bytes) - state.size(sample.key)));
        if has_cts {
            put_varint(out, zigzag(i64::from(sample.cts_offset) - state.cts));
        }
        if has_lost {
            put_varint(out, u64::from(sample.lost_before));
        }
        state.advance(sample, step);
    }
    Ok(())
}

/// The run whose stored form is exactly `bytes`.
///
/// # Errors
/// `Corrupt` when `bytes` is not what [`encode_run`] writes.
pub fn decode_run(bytes: &[u8]) -> Result<RunTable, Error> {
    let mut cursor = bytes;
    let run = take_run(&mut cursor)?;
    if !cursor.is_empty() {
        return Err(Error::corrupt(format!("decoding a run table: {} bytes follow its last sample", cursor.len())));
    }
    Ok(run)
}

/// Takes one run off the front of `cursor`, which then points behind it. At most [`SAMPLES_PER_RUN_MAX`] samples are allocated, and never more than
/// half the bytes that are there.
///
/// # Errors
/// `Corrupt` when `cursor` does not start with what [`encode_run`] writes; `cursor` then points anywhere.
pub fn take_run(cursor: &mut &[u8]) -> Result<RunTable, Error> {
    let length = cursor.len();
    read_run(cursor).map_err(|why| {
        let at = length.saturating_sub(cursor.len());
        Error::corrupt(format!("decoding a run table, at byte {at} of {length}: {why}"))
    })
}

fn read_run(cursor: &mut &[u8]) -> Result<RunTable, &'static str> {
    let head = take_byte(cursor)?;
    if head & !(HAS_CTS | HAS_LOST) != 0 {
        return Err("unknown version");
    }
    let (has_cts, has_lost) = (head & HAS_CTS != 0, head & HAS_LOST != 0);
    let count = usize::try_from(take_varint(cursor)?).unwrap_or(usize::MAX);
    if count == 0 || count > SAMPLES_PER_RUN_MAX || count > cursor.len() / 2 {
        return Err("impossible sample count");
    }
    let mut samples = Vec::with_capacity(count);
    let mut state = Predictor::default();
    let (mut cts_seen, mut lost_seen) = (false, false);
    for _ in 0..count {
        let time = take_varint(cursor)?;
        let key = time & 1 == 1;
        let (dts, step) = match state.dts {
            None => {
                let dts = i64::try_from(time >> 1).map_err(|_| "decode time too large")?;
                (dts, dts)
            }
            Some(previous) => {
                let step = state.step.checked_add(unzigzag(time >> 1)).ok_or("decode time too large")?;
                (previous.checked_add(step).ok_or("decode time too large")?, step)
            }
        };
        let size = state.size(key).checked_add(unzigzag(take_varint(cursor)?)).ok_or("sample size too large")?;
        let cts = match has_cts {
            true => state.cts.checked_add(unzigzag(take_varint(cursor)?)).ok_or("composition offset too large")?,
            false => 0,
        };
        let lost = if has_lost { take_varint(cursor)? } else { 0 };
        let sample = Sample {
            dts: Ticks90k(dts),
            cts_offset: i32::try_from(cts).map_err(|_| "composition offset too large")?,
            size_bytes: u32::try_from(size).map_err(|_| "impossible sample size")?,
            key,
            lost_before: u16::try_from(lost).map_err(|_| "impossible loss")?,
        };
        state.check(&sample)?;
        state.advance(&sample, step);
        cts_seen |= cts != 0;
        lost_seen |= lost != 0;
        samples.push(sample);
    }
    if has_cts != cts_seen {
        return Err("composition offsets announced but all 0");
    }
    if has_lost != lost_seen {
        return Err("losses announced but all 0");
    }
    Ok(RunTable { samples })
}

/// Appends the stored form of `span` to `out`.
///
/// # Errors
/// As [`encode_run`], and `InvalidInput` for no or too many runs or samples, or a run that does not start after the one before.
pub fn encode_span(span: &SpanTable, out: &mut Vec<u8>) -> Result<(), Error> {
    check_span(span)
        .map_err(|why| Error::invalid(format!("encoding a span table of {} runs: {why}", span.runs.len())))?;
    put_varint(out, widen(span.runs.len()));
    span.runs.iter().try_for_each(|run| encode_run(run, out))
}

/// The span whose stored form is exactly `bytes`.
///
/// # Errors
/// `Corrupt` when `bytes` is not what [`encode_span`] writes.
pub fn decode_span(bytes: &[u8]) -> Result<SpanTable, Error> {
    let corrupt = |why: &str| Error::corrupt(format!("decoding a span table of {} bytes: {why}", bytes.len()));
    let mut cursor = bytes;
    let count = usize::try_from(take_varint(&mut cursor).map_err(corrupt)?).unwrap_or(usize::MAX);
    // A run takes at least four bytes.
    if count == 0 || count > RUNS_PER_SPAN_MAX || count > cursor.len() / 4 {
        return Err(corrupt("impossible run count"));
    }
    let mut span = SpanTable { runs: Vec::with_capacity(count) };
    let mut sample_count = 0_usize;
    for _ in 0..count {
        let run = take_run(&mut cursor)?;
        sample_count += run.samples.len();
        if sample_count > SAMPLES_PER_SPAN_MAX {
            return Err(corrupt("too many samples"));
        }
        span.runs.push(run);
    }
    if !cursor.is_empty() {
        return Err(corrupt("bytes follow the last run"));
    }
    check_span(&span).map_err(corrupt)?;
    Ok(span)
}

/// What holds between runs; [`Predictor::check`] has what holds inside one.
fn check_span(span: &SpanTable) -> Result<(), &'static str> {
    if span.runs.is_empty() || span.runs.len() > RUNS_PER_SPAN_MAX {
        return Err("impossible run count");
    }
    if span.runs.iter().map(|run| run.samples.len()).sum::<usize>() > SAMPLES_PER_SPAN_MAX {
        return Err("too many samples");
    }
    let rises = |pair: &[RunTable]| match pair {
        [a, b] => a.samples.last().map(|sample| sample.dts) < b.samples.first().map(|sample| sample.dts),
        _ => true,
    };
    if span.runs.windows(2).all(rises) { Ok(()) } else { Err("a run does not start after the one before") }
}

/// What both directions remember of the samples so far.
#[derive(Default)]
struct Predictor {
    dts: Option<i64>,
    step: i64,
    size_key: i64,
    size_other: i64,
    cts: i64,
}

impl Predictor {
    fn size(&self, key: bool) -> i64 {
        if key { self.size_key } else { self.size_other }
    }

    /// Bounds every number, so that no difference of two of them overflows.
    fn check(&self, sample: &Sample) -> Result<(), &'static str> {
        if !(0..=DTS_TICKS_MAX).contains(&sample.dts.0) {
            return Err("decode time out of range");
        }
        if self.dts.is_some_and(|previous| sample.dts.0 <= previous) {
            return Err("decode time does not rise");
        }
        let size = usize::try_from(sample.size_bytes).unwrap_or(usize::MAX);
        if size == 0 || size > ACCESS_UNIT_BYTES_MAX {
            return Err("impossible sample size");
        }
        Ok(())
    }

    fn advance(&mut self, sample: &Sample, step: i64) {
        // The first "step" is the absolute time, which predicts nothing.
        self.step = if self.dts.is_some() { step } else { 0 };
        self.dts = Some(sample.dts.0);
        *(if sample.key { &mut self.size_key } else { &mut self.size_other }) = i64::from(sample.size_bytes);
        self.cts = i64::from(sample.cts_offset);
    }
}

/// A length as a varint value.
fn widen(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// 0, −1, 1, −2 … to 0, 1, 2, 3 …
fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// The inverse of [`zigzag`].
fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low & 0x7F);
            return;
        }
        out.push(low | 0x80);
    }
}

fn take_byte(cursor: &mut &[u8]) -> Result<u8, &'static str> {
    let (first, rest) = cursor.split_first().ok_or("ends too early")?;
    *cursor = rest;
    Ok(*first)
}

fn take_varint(cursor: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(cursor)?;
        let bits = u64::from(byte & 0x7F);
        // The tenth byte has one bit left.
        if shift == 63 && bits > 1 {
            return Err("number over 64 bits");
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return if bits == 0 && shift > 0 { Err("number not in its shortest form") } else { Ok(value) };
        }
    }
    Err("number over 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(dts: i64, size_bytes: u32, key: bool, cts_offset: i32) -> Sample {
        Sample { dts: Ticks90k(dts), cts_offset, size_bytes, key, lost_before: 0 }
    }

    /// Random but valid runs, extremes included.
    fn runs() -> impl Strategy<Value = RunTable> {
        let cts = prop_oneof![3 => Just(0), 1 => any::<i32>()];
        let one = (1_i64..1 << 40, 1_u32..=4 << 20, any::<bool>(), cts, prop_oneof![3 => Just(0), 1 => any::<u16>()]);
        // Some runs without any loss: those have tables of their own form.
        (0_i64..1 << 55, prop::collection::vec(one, 1..200), any::<bool>()).prop_map(|(start, steps, lossy)| {
            let mut dts = start;
            let samples = steps.into_iter().map(|(step, size, key, cts, lost)| {
                dts += step;
                Sample { lost_before: if lossy { lost } else { 0 }, ..sample(dts, size, key, cts) }
            });
            RunTable { samples: samples.collect() }
        })
    }

    #[test]
    fn the_layout_is_as_drawn() {
        let run = RunTable {
            samples: vec![sample(0, 1000, true, 0), sample(3000, 70, false, 0), sample(6000, 72, false, 0)],
        };
        let mut bytes = Vec::new();
        encode_run(&run, &mut bytes).unwrap();
        // head, 3 samples; dts 0 key; zigzag(1000) = 2000 = D0 0F; step 3000: zigzag 6000 << 1 = 12000 = E0 5D;
        // zigzag(70) = 140 = 8C 01; step delta 0; zigzag(2) = 4.
        assert_eq!(bytes, [0, 3, 1, 0xD0, 0x0F, 0xE0, 0x5D, 0x8C, 0x01, 0, 4]);
    }

    #[test]
    fn losses_take_a_byte_a_sample_and_only_in_runs_that_have_some() {
        let mut run = RunTable { samples: vec![sample(0, 1000, true, 0), sample(3000, 70, false, 0)] };
        run.samples[1].lost_before = 300;
        let mut bytes = Vec::new();
        encode_run(&run, &mut bytes).unwrap();
        // As drawn above, and behind each size the number of what was lost: 0, and 300 = 0b10_0101100.
        assert_eq!(bytes, [2, 2, 1, 0xD0, 0x0F, 0, 0xE0, 0x5D, 0x8C, 0x01, 0xAC, 0x02]);
        assert_eq!(decode_run(&bytes).unwrap(), run);
        // 65,536 is more than there can be.
        assert!(decode_run(&[2, 1, 1, 2, 0x80, 0x80, 0x04]).is_err());
        assert!(decode_run(&[2, 1, 1, 2, 0xFF, 0xFF, 0x03]).is_ok());
    }

    #[test]
    fn a_minute_of_30_frames_a_second_takes_under_four_bytes_a_sample() {
        let mut span = SpanTable::default();
        for run in 0..120_i64 {
            let samples =
                (0..15).map(|i| sample((run * 15 + i) * 3000, 9000 + (i as u32 * 977) % 3000, i == 0, 0)).collect();
            span.runs.push(RunTable { samples });
        }
        let mut bytes = Vec::new();
        encode_span(&span, &mut bytes).unwrap();
        assert_eq!(decode_span(&bytes).unwrap(), span);
        assert!(bytes.len() < 1800 * 4, "{} bytes", bytes.len());
    }

    #[test]
    fn impossible_tables_are_refused_in_both_directions() {
        let bad = [
            vec![],
            vec![sample(-1, 1, true, 0)],
            vec![sample(DTS_TICKS_MAX + 1, 1, true, 0)],
            vec![sample(5, 1, true, 0), sample(5, 1, false, 0)],
            vec![sample(0, 0, true, 0)],
            vec![sample(0, (4 << 20) + 1, true, 0)],
            (0..4097).map(|i| sample(i, 1, true, 0)).collect(),
        ];
        for samples in bad {
            let got = encode_run(&RunTable { samples }, &mut Vec::new()).unwrap_err();
            assert_eq!(got.kind, watchbook_base::Kind::InvalidInput);
        }
        let out_of_order = SpanTable { runs: vec![RunTable { samples: vec![sample(9, 1, true, 0)] }; 2] };
        assert!(encode_span(&out_of_order, &mut Vec::new()).is_err());
        // Wrong version, no samples, cut short, trailing byte, long-form varint; flags of cts and of loss without any.
        let bad = [&[4, 1, 1, 2][..], &[0, 0], &[0, 1, 1], &[0, 1, 1, 2, 0], &[0, 0x81, 0, 1, 2]];
        for bytes in bad.into_iter().chain([&[1, 1, 1, 2, 0][..], &[2, 1, 1, 2, 0]]) {
            assert_eq!(decode_run(bytes).unwrap_err().kind, watchbook_base::Kind::Corrupt, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn tables_survive_storage(run in runs()) {
            let mut bytes = Vec::new();
            encode_run(&run, &mut bytes).unwrap();
            prop_assert_eq!(decode_run(&bytes).unwrap(), run);
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(run) = decode_run(&bytes) {
                let mut again = Vec::new();
                encode_run(&run, &mut again).unwrap();
                prop_assert_eq!(again, bytes);
            }
        }

        #[test]
        fn a_damaged_table_never_panics(run in runs(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut bytes = vec![1];
            encode_run(&run, &mut bytes).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Ok(span) = decode_span(&bytes) {
                prop_assert!(span.runs.iter().all(|run| !run.samples.is_empty()));
            }
        }

        #[test]
        fn zigzag_keeps_every_number(value in any::<i64>()) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}
