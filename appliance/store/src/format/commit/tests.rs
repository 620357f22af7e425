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
