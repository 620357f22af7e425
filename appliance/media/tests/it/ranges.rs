//! Any byte range of a file equals that slice of the whole file, whatever it is made of.

use crate::memory::{Memory, NewSpan, h264, range_ms, samples, utc_ms, whole};
use proptest::prelude::*;
use watchbook_base::TrackRole;
use watchbook_media::{ByteFile, FragmentedFile, SpanSummary, chunks};

/// One span: samples, samples a group, runs, gap before it in ms, another format, cts.
type Shape = (i64, i64, usize, i64, bool, bool);

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let gap = prop_oneof![2 => Just(0_i64), 1 => 1_i64..20_000];
    prop::collection::vec((1_i64..40, 1_i64..15, 1_usize..12, gap, prop::bool::weighted(0.2), any::<bool>()), 1..8)
}

/// Video spans of 10 pictures a second.
fn build(shapes: &[Shape]) -> (Memory, Vec<SpanSummary>, i64) {
    let mut memory = Memory::default();
    let mut video = Vec::new();
    let (mut recording, mut dts, mut ms, mut id) = (1_u64, 0_i64, 0_i64, 1_u8);
    for &(count, gop, run_len, gap, other, cts) in shapes {
        if gap > 0 || other {
            (recording, dts, ms) = (recording + 1, 0, ms + gap);
        }
        id += u8::from(other);
        let mut made = samples(dts, count, 9000, gop);
        for (index, (sample, _)) in made.iter_mut().enumerate().filter(|_| cts) {
            sample.cts_offset = (index as i32 % 3) * 9000;
        }
        let format = h264(id);
        let (end_dts, utc) = (dts + count * 9000, utc_ms(ms));
        let role = TrackRole::MainVideo;
        video.push(memory.add(NewSpan { role, recording, format: &format, samples: &made, end_dts, utc, run_len }));
        (dts, ms) = (dts + count * 9000, ms + count * 100);
    }
    (memory, video, ms)
}

/// Cuts as a hostile client would ask: each in whole and through many small reads.
fn check_cuts(file: &dyn ByteFile, memory: &Memory, cuts: &[(prop::sample::Index, prop::sample::Index)], step: usize) {
    let all = whole(file, memory);
    for (a, b) in cuts {
        let (a, b) = (a.index(all.len() + 1), b.index(all.len() + 1));
        let (from, to) = (a.min(b), a.max(b));
        let got: Vec<u8> = chunks(file, from as u64..to as u64, memory).flat_map(|chunk| chunk.unwrap()).collect();
        assert!(got == all[from..to], "bytes {from}..{to} differ from the whole file");
    }
    let mut stepped = Vec::new();
    while stepped.len() < all.len() {
        let chunk = file.read_at(stepped.len() as u64, step, memory).unwrap();
        assert!(!chunk.is_empty() && chunk.len() <= step);
        stepped.extend_from_slice(&chunk);
    }
    assert!(stepped == all, "reads of {step} bytes differ from the whole file");
    assert!(file.read_at(file.len(), 10, memory).unwrap().is_empty());
    assert!(file.read_at(u64::MAX, 10, memory).unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_part_of_a_fragmented_file_is_that_part(
        shapes in shapes(),
        (from, to) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        cuts in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 8),
        step in 1_usize..300,
    ) {
        let (memory, video, ms) = build(&shapes);
        let (from, to) = (from.index(ms as usize) as i64, to.index(ms as usize) as i64 + 1);
        if let Ok(file) = FragmentedFile::plan(&video, range_ms(from.min(to), from.max(to)), Some(utc_ms(0)), &memory) {
            check_cuts(&file, &memory, &cuts, step);
        }
    }
}
