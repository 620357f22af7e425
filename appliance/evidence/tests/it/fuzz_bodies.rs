//! What must hold for any bytes at all. Each body is run here on seeded inputs and in `tests/fuzz` by libFuzzer; it panics when a promise is broken.

use watchbook_evidence::bundle::archive::{Archive, Bytes};
use watchbook_evidence::bundle::{Bundle, Manifest, Proofs, Trust, coverage, master, to_json, verify_entry};
use watchbook_evidence::record::Record;
use watchbook_evidence::rotation::Rotation;
use watchbook_evidence::tile::{Tile, decode_entries, encode_entries};
use watchbook_evidence::tlog_proof::TlogProof;
use watchbook_evidence::witness::{PROOF_LINES_MAX, Request, Witness};
use watchbook_evidence::{Algorithm, Leaf, SignedCheckpoint, SigningKey, VerifierKey, note};

/// Notes, checkpoints, keys and changes of key: what reads is written back as the same.
pub fn note(data: &[u8]) {
    if let Ok(read) = note::Note::parse(data) {
        assert!(read.text().ends_with('\n') && (1..=note::SIGNATURES_MAX).contains(&read.signatures().len()));
        assert_eq!(note::Note::parse(read.to_text().as_bytes()).as_ref(), Ok(&read));
        assert!(read.verify(&[]).is_err());
    }
    if let Ok(read) = SignedCheckpoint::parse(data) {
        assert_eq!(read.checkpoint().text(), read.note().text());
        assert_eq!(SignedCheckpoint::parse(read.to_text().as_bytes()).as_ref(), Ok(&read));
    }
    if let Ok(rotation) = Rotation::verify(data) {
        assert_ne!(rotation.old, rotation.new);
    }
    if let Ok(text) = core::str::from_utf8(data) {
        if let Ok(key) = VerifierKey::parse(text) {
            assert_eq!(key.to_string(), text);
        }
        if let Ok(key) = SigningKey::parse(text) {
            assert_eq!(*key.secret_text(), text);
        }
    }
}

/// Requests to a witness and proofs of a leaf: they read back, and a witness that watches no log signs none.
pub fn witness_request(data: &[u8]) {
    if let Ok(request) = Request::parse(data) {
        assert!(request.proof.len() <= PROOF_LINES_MAX);
        assert_eq!(Request::parse(request.to_text().as_bytes()).as_ref(), Ok(&request));
    }
    if let Ok(proof) = TlogProof::parse(data) {
        assert_eq!(TlogProof::parse(proof.to_text().as_bytes()).as_ref(), Ok(&proof));
    }
    let key = SigningKey::from_seed("w", Algorithm::Cosignature, &[1; 32]).expect("a good name");
    let witness = Witness::new(key, Vec::new()).expect("a witness's key");
    assert!([400, 404].contains(&witness.answer(data, |_| None, 0).status()));
}

/// Paths of tiles, bundles of entries, leaves: one spelling each.
pub fn tiles(data: &[u8]) {
    if let Ok(path) = core::str::from_utf8(data) {
        if let Some(tile) = Tile::parse(path) {
            assert_eq!(tile.to_string(), path);
        }
        if let Some(tile) = Tile::parse_entries(path) {
            assert_eq!(tile.entries_path(), path);
        }
    }
    if let Some(entries) = decode_entries(data) {
        assert_eq!(encode_entries(entries).as_deref(), Some(data));
    }
    if let Ok(leaf) = Leaf::decode(data) {
        assert_eq!(leaf.encode().as_deref(), Ok(data));
    }
}

/// Manifests, proofs, bodies of leaves: one spelling each. Boxes of a master: stretches within the file, one behind the other.
pub fn bundle(data: &[u8]) {
    if let Ok(manifest) = Manifest::parse(data) {
        assert_eq!(to_json(&manifest), data);
    }
    if let Ok(proofs) = Proofs::parse(data) {
        assert_eq!(to_json(&proofs), data);
    }
    if let Some(record) = Record::parse(data) {
        assert_eq!(record.body(), data);
    }
    let size = data.len() as u64;
    let read = |at: u64, length: u64| Ok(data.iter().copied().skip(at as usize).take(length as usize).collect());
    for runs in [vec![], vec![(0, size)]] {
        if let Ok(media) = master::media_data(size, &runs, read) {
            assert!(media.iter().all(|(from, to)| from < to && *to <= size));
            assert!(media.is_sorted_by(|one, next| one.1 < next.0));
            assert!(coverage::covers(media.clone(), media));
        }
    }
}

/// A master whose run lies where the first four bytes say, in units of 64 bytes: what is found lies in the file, one stretch behind the other, and a sample lies in a run.
pub fn master(data: &[u8]) {
    let Some(([at, at_high, length, length_high], file)) = data.split_first_chunk::<4>() else { return };
    let unit = |low: &u8, high: &u8| u64::from(u16::from_le_bytes([*low, *high])) * 64;
    let (at, size) = (unit(at, at_high), file.len() as u64);
    let run = (at, (at + unit(length, length_high)).min(size));
    let runs = if run.0 < run.1 { vec![run] } else { Vec::new() };
    let read = |at: u64, length: u64| {
        assert!(at + length <= size, "reading inside the file");
        Ok(file[at as usize..(at + length) as usize].to_vec())
    };
    if let Ok(media) = master::media_data(size, &runs, read) {
        assert!(media.iter().all(|(from, to)| from < to && *to <= size));
        assert!(media.is_sorted_by(|one, next| one.1 < next.0));
    }
}

struct InMemory<'a>(&'a [u8]);

impl Bytes for InMemory<'_> {
    fn size(&self) -> Result<u64, String> {
        Ok(self.0.len() as u64)
    }

    fn read(&self, at: u64, length: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let end = at.checked_add(length).ok_or("no such place")?;
        sink(self.0.get(at as usize..end as usize).ok_or("bytes are missing")?);
        Ok(())
    }
}

/// ZIPs: what opens has files that lie in it without a byte in two of them, each as long as it is said to be. Proofs of an entry: nothing is verified without a key.
pub fn archive(data: &[u8]) {
    let nobody = Trust { log_keys: Vec::new(), witnesses: Vec::new(), quorum: 0, known: None, consistency: None };
    assert!(!verify_entry("fuzzed", data, &nobody).is_verified());
    let Ok(archive) = Archive::open(InMemory(data)) else { return };
    let mut byte_count = 0;
    for name in archive.names().expect("an archive in memory has its names") {
        let size = archive.size(&name).expect("it can be asked for").expect("it was named");
        let mut read = 0;
        archive.read(&name, 0, size, &mut |piece| read += piece.len() as u64).expect("its place was checked");
        assert_eq!(read, size, "{name}");
        assert!(archive.read(&name, size, 1, &mut |_| ()).is_err(), "a byte of another file");
        byte_count += size;
    }
    assert!(byte_count <= data.len() as u64, "two files have a byte in common");
}
