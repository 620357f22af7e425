use super::*;
use crate::format::record::kind;
use bytes::Bytes;
use proptest::prelude::*;
use watchbook_base::{CameraId, Event, EventSource, GapReason, TrackRole};
use watchbook_media::{Codec, RecordingEnd, RecordingStart, TrackFormat};

fn event() -> Event {
    Event {
        camera: CameraId::new(3).unwrap(),
        kind: "motion".into(),
        score: 0.3,
        start: UtcNanos(1),
        end: None,
        zone: Some("gate".into()),
        detections: vec![],
        note: String::new(),
        source: EventSource {
            plugin: "org.example.motion".into(),
            version: "1.0.0".into(),
            component_sha256: "00".into(),
            settings_sha256: "11".into(),
        },
        lead: None,
        camera_clock: None,
    }
}

pub(crate) fn sample_commit(runs: usize) -> Commit {
    let stream = CameraId::new(3).unwrap().stream(TrackRole::MainAudio);
    let start = RecordingStart {
        stream,
        format: TrackFormat {
            codec: Codec::Aac { sample_rate_hz: 48_000, channels: 2 },
            config: Bytes::from_static(&[0x11, 0x90]),
        },
        utc: UtcNanos(123),
        mono: MonoNanos(9),
        sync: SyncState::Synchronised,
    };
    let end = RecordingEnd { stream, utc: UtcNanos(500), reason: GapReason::CameraDenied };
    let run = |index: usize| Run {
        stream,
        recording: RecordingId(index as u64 + 1),
        payload_offset: 0,
        payload_len: 1000 * index as u64 + 1,
        table: vec![index as u8; index % 5],
        sample_count: 7,
        key_count: 1,
        has_cts: index % 2 == 1,
        has_lost: index % 3 == 1,
        first_dts: Ticks90k(90_000),
        length_ticks: 3000,
        first_utc: UtcNanos(-5),
        first_mono: MonoNanos(6),
        crc: 0xDEAD_BEEF,
        sha256: [index as u8; 32],
        seal: (index == 2).then_some(Seal { cipher: 1, key_id: 77, nonce: [3; 12] }),
    };
    Commit {
        seq: 42,
        generation: 7,
        disk: DiskId([1; 16]),
        prev_hash: [2; 32],
        commit_len: 0,
        utc: UtcNanos(1_000),
        mono: MonoNanos(2_000),
        sync: SyncState::Unsynchronised,
        next_recording: 5,
        next_event: 6,
        runs: (0..runs).map(run).collect(),
        records: vec![
            (0, Record::Start { recording: RecordingId(1), start, restated: true }),
            (1, Record::End { recording: None, end, restated: false }),
            (1, Record::of_event(9, &event()).unwrap()),
        ],
    }
}

#[test]
fn commits_survive_storage() {
    for runs in [0, 1, 3, 200] {
        let mut commit = sample_commit(runs);
        let meta = commit.encode();
        assert_eq!(meta.len() as u64, commit.meta_len());
        assert!(commit.commit_len.is_multiple_of(BLOCK_BYTES));
        assert_eq!(Commit::decode(&meta), Some(commit));
    }
}

/// Offsets as FORMAT.md draws them, read with nothing but the drawing.
#[test]
fn the_layout_is_as_drawn() {
    let mut commit = sample_commit(3);
    let meta = commit.encode();
    let u32_at = |at: usize| u64::from(u32::from_le_bytes(meta[at..at + 4].try_into().unwrap()));
    let u64_at = |at: usize| u64::from_le_bytes(meta[at..at + 8].try_into().unwrap());
    assert_eq!(&meta[..8], b"WB-CMIT\n");
    assert_eq!((u64_at(16), u64_at(24), &meta[32..48], &meta[48..80]), (42, 7, &[1; 16][..], &[2; 32][..]));
    assert_eq!((u64_at(80), u32_at(88)), (commit.commit_len, meta.len() as u64));
    assert_eq!((u32_at(92), u32_at(96), u32_at(100)), (3, 3, 192 + 3 * 128));
    assert_eq!((u32_at(108), u32_at(100) + u32_at(104)), (u32_at(108), u32_at(108)));
    assert_eq!(u32_at(108) + u32_at(112), meta.len() as u64);
    assert_eq!((u32_at(116), u64_at(120), u64_at(128), u64_at(136), u64_at(144)), (2, 1_000, 2_000, 5, 6));
    let run = 192 + 2 * 128;
    assert_eq!((u32_at(run), meta[run + 4], meta[run + 5]), (3 << 8 | 2, 1, 0));
    assert_eq!((u64_at(run + 8), u64_at(run + 16), u64_at(run + 24)), (3, commit.runs[2].payload_offset, 2001));
    assert_eq!((u32_at(run + 36), u32_at(run + 40), u32_at(run + 44)), (2, 7, 1));
    assert_eq!((u64_at(run + 48), u64_at(run + 56) as i64, u64_at(run + 64)), (90_000, -5, 6));
    assert_eq!((u32_at(run + 72), u32_at(run + 76), &meta[run + 80..run + 112]), (0xDEAD_BEEF, 77, &[2; 32][..]));
    assert_eq!((&meta[run + 112..run + 124], u32_at(run + 124)), (&[3; 12][..], 3000));
    let record = u32_at(100) as usize;
    assert_eq!((meta[record], meta[record + 2], u32_at(record + 4), u32_at(record + 8)), (1, 1, 50, 0));
    assert_eq!((u32_at(record + 16), meta[record + 20], meta[record + 21], meta[record + 22]), (3 << 8 | 2, 3, 1, 2));
    assert_eq!((u64_at(record + 24), u64_at(record + 32), u64_at(record + 40)), (1, 123, 9));
    assert_eq!(
        (u32_at(record + 56), u32_at(record + 60), &meta[record + 64..record + 66]),
        (48_000, 2, &[0x11, 0x90][..])
    );
    let table = u32_at(run + 32) as usize;
    assert_eq!(meta[table..table + 2], [2, 2]);
}

#[test]
fn payloads_follow_each_other_inside_the_commit() {
    let mut commit = sample_commit(4);
    let meta_len = commit.encode().len() as u64;
    let mut at = align(meta_len, 64);
    for run in &commit.runs {
        assert_eq!(run.payload_offset, at);
        at += run.payload_len;
    }
    assert_eq!(commit.commit_len, align(at, 4096));
}

#[test]
fn every_changed_byte_is_noticed() {
    let meta = sample_commit(3).encode();
    for at in 0..meta.len() {
        let mut bad = meta.clone();
        bad[at] ^= 0x10;
        assert_eq!(Commit::decode(&bad), None, "byte {at}");
    }
}

#[test]
fn a_record_of_a_later_program_is_skipped() {
    let mut commit = sample_commit(1);
    commit.records = vec![(0, Record::Unknown(kind::ERASURE)), (1, Record::of_event(1, &event()).unwrap())];
    let meta = commit.encode();
    assert_eq!(Commit::decode(&meta).unwrap().records, commit.records);
}

proptest! {
    /// With the checksum made right again, the decoder itself meets the bad lengths.
    #[test]
    fn hostile_metadata_never_panics(at in 0_usize..900, byte in any::<u8>(), cut in 0_usize..900) {
        let mut meta = sample_commit(3).encode();
        let last = meta.len() - 1;
        meta[at.min(last)] = byte;
        meta.truncate(meta.len() - cut.min(last - COMMIT_HEADER_BYTES));
        meta[CRC_AT..CRC_AT + 4].fill(0);
        let crc = crc32c::crc32c(&meta).to_le_bytes();
        meta[CRC_AT..CRC_AT + 4].copy_from_slice(&crc);
        if let Some(commit) = Commit::decode(&meta) {
            prop_assert!(commit.runs.len() <= meta.len() / RUN_ENTRY_BYTES);
        }
    }
}
