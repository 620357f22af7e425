//! A bundle of made-up footage through the verifier, with a log of its own.

use super::*;
use crate::plan::tests::{SECOND, near, stream};
use std::collections::BTreeMap as Map;
use watchbook_access::{RecipientClass, Role};
use watchbook_evidence::bundle::{Bundle, CHECKPOINT, LeafEntry, PROOFS, Trust, verify};
use watchbook_evidence::key::Algorithm;
use watchbook_evidence::merkle::{leaf_hash, prove_inclusion, root_of};
use watchbook_evidence::record::Record;
use watchbook_evidence::tile::{MemoryTiles, grown};
use watchbook_evidence::{Keeper, Leaf, Root, SigningKey};

const ORIGIN: &str = "box.example/1";

/// Footage in memory, and a log.
struct Box_ {
    log: Vec<Leaf>,
    damaged: Option<At>,
    reasons: Vec<Reason>,
    /// Leaves of gaps that the recorder wrote.
    gaps: Vec<Known>,
    written: u64,
}

fn leaf(body: Vec<u8>) -> Leaf {
    Leaf { salt: [7; 16], utc: UtcNanos(0), body }
}

fn footage() -> Stream {
    stream()
}

impl Box_ {
    fn new() -> Self {
        let other = || leaf(br#"{"account":1,"action":"read_audit","outcome":"allowed"}"#.to_vec());
        let mut log: Vec<Leaf> = (0..9).map(|_| other()).collect();
        for segment in footage().segments {
            let hashes: Vec<_> = segment
                .runs
                .iter()
                .map(|run| match run {
                    Logged::Near(near) => near.statement.hash(),
                    Logged::Far(hash) => *hash,
                })
                .collect();
            let record = Record::Segment {
                recording: segment.recording,
                root: hex(&root_of(&hashes)),
                runs: hashes.len() as u32,
                stream: footage().stream.to_u32(),
            };
            log[segment.leaf as usize] = leaf(record.body());
        }
        Self { log, damaged: None, reasons: Vec::new(), gaps: Vec::new(), written: 0 }
    }
}

impl Source for Box_ {
    fn logged(&mut self, stream: StreamId, _: TimeRange) -> Result<(Stream, u64)> {
        let known = footage();
        Ok((if stream == known.stream { known } else { Stream { stream, segments: Vec::new() } }, 0))
    }

    fn read(&mut self, stream: StreamId, at: At) -> Result<Bytes> {
        if self.damaged == Some(at) {
            return Err(Error::new(Kind::Corrupt, "rotten"));
        }
        let half = if at.segment == 0 { at.run } else { 12 + at.run };
        Ok(near(stream, half as i64, half % 4 == 0).1.into())
    }

    fn reasons(&mut self, _: StreamId, _: TimeRange) -> Result<Vec<Reason>> {
        Ok(self.reasons.clone())
    }

    fn known(&mut self, _: StreamId, _: TimeRange) -> Result<Vec<Known>> {
        Ok(self.gaps.clone())
    }

    fn tell(&mut self, holes: &[(StreamId, Hole)]) -> Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for (stream, hole) in holes {
            let record = Record::Gap {
                end_ns: hole.end.0.to_string(),
                reason: hole.reason.clone(),
                start_ns: hole.start.0.to_string(),
                stream: stream.to_u32(),
            };
            numbers.push(self.log.len() as u64);
            self.log.push(leaf(record.body()));
        }
        Ok(numbers)
    }

    fn go_on(&mut self, bytes: u64) -> Result<()> {
        self.written += bytes;
        Ok(())
    }
}

fn order(end_s: i64) -> Order {
    Order {
        within: crate::job::tests::within(),
        account_name: "Dara".to_owned(),
        case: "7/26".to_owned(),
        cameras: vec![CameraOf { camera: CameraId::new(1).unwrap(), name: "gate".to_owned() }],
        range: TimeRange { start: UtcNanos(3 * SECOND), end: UtcNanos(end_s * SECOND) },
        recipient_class: RecipientClass::Court,
        recipient: "clerk".to_owned(),
        account: 3,
        roles: [Role::Investigator].into_iter().collect(),
        asked: UtcNanos(60 * SECOND),
        redaction: None,
    }
}

fn maker() -> Maker<'static> {
    Maker {
        origin: ORIGIN.to_owned(),
        software: "watchbook 0".to_owned(),
        clocks: vec!["0.1 s behind".to_owned()],
        sealer: None,
        files: vec![("player.html", b"<!doctype html>")],
        now: UtcNanos(61 * SECOND),
    }
}

struct Files(Map<String, Vec<u8>>);

impl Bundle for Files {
    fn names(&self) -> core::result::Result<Vec<String>, String> {
        Ok(self.0.keys().cloned().collect())
    }

    fn size(&self, name: &str) -> core::result::Result<Option<u64>, String> {
        Ok(self.0.get(name).map(|bytes| bytes.len() as u64))
    }

    fn read(&self, name: &str, at: u64, length: u64, sink: &mut dyn FnMut(&[u8])) -> core::result::Result<(), String> {
        let bytes = self.0.get(name).and_then(|bytes| bytes.get(at as usize..(at + length) as usize));
        bytes.map(sink).ok_or_else(|| format!("{name} is too short"))
    }
}

/// A picture of 64×48 as libx264 codes it, with its supplemental information cut short.
const PICTURE: &[u8] = b"\0\0\0\x01\x67\x42\xc0\x0a\xda\x11\xec\x04\x40\0\0\x03\0\x40\0\0\x03\x01\x03\xc4\x89\xa8\0\0\0\x01\x68\xce\x0f\xc8\
\0\0\x01\x06\x05\x04x264\x80\0\0\x01\x65\x88\x84\x3a\x26\x28\x0c\x9c\x9c\x9d\x75\xd7\x5d\x75\xd7\x5e";

/// Stands for the programs that decode and encode, which this crate does not know: every picture that is wanted comes as [`PICTURE`], one later than it was fed.
#[derive(Default)]
struct Echo {
    held: Option<UtcNanos>,
    fills: Vec<crate::redact::Fill>,
    fresh: usize,
}

impl Echo {
    fn say(&mut self, on: &mut crate::redact::OnCoded<'_>) -> Result<()> {
        let Some(utc) = self.held.take() else { return Ok(()) };
        self.fresh += 1;
        on(utc, PICTURE, self.fresh == 1)
    }
}

impl crate::redact::Redactor for Echo {
    fn open(&mut self, _: &watchbook_media::TrackFormat, fps: u32) -> Result<()> {
        assert_eq!(fps, 4);
        Ok(())
    }

    fn feed(&mut self, unit: crate::redact::Unit<'_>, on: &mut crate::redact::OnCoded<'_>) -> Result<()> {
        self.say(on)?;
        self.held = unit.fill.is_some().then_some(unit.utc);
        self.fills.extend(unit.fill);
        Ok(())
    }

    fn drain(&mut self, on: &mut crate::redact::OnCoded<'_>) -> Result<()> {
        self.say(on)
    }

    fn encoder(&self) -> String {
        "echo".to_owned()
    }

    fn padded(&self) -> bool {
        false
    }
}

/// An order for a redacted copy.
fn redacted(end_s: i64) -> Order {
    let region =
        watchbook_evidence::bundle::redaction::Region { polygon: vec![(0, 0), (9, 0), (9, 9)], ..Default::default() };
    let wish = crate::redact::Wish { everything_but: false, regions: vec![region], master: None };
    Order { redaction: Some(wish), ..order(end_s) }
}

/// Makes a bundle, releases it, and gives what the verifier says of it.
fn verdict(box_: &mut Box_, order: &Order) -> (Made, Files, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let staging = Staging::open(dir.path()).unwrap();
    let survey = survey(order, box_).unwrap();
    let made = match &order.redaction {
        Some(_) => {
            let survey = crate::redact::pictures(survey);
            crate::redact::make((7, &staging), (order, &survey), &maker(), box_, &mut Echo::default()).unwrap()
        }
        None => make(7, (order, &survey), &maker(), box_, &staging).unwrap(),
    };
    let export = box_.log.len() as u64;
    box_.log.push(leaf(Record::Export { account: 3, approver: 4, manifest: made.manifest_sha256.clone() }.body()));
    let hashes: Vec<_> = box_.log.iter().map(|leaf| leaf_hash(&leaf.encode().unwrap())).collect();
    let proofs = proofs(&made.leaves, export, &mut |index| {
        let path = prove_inclusion(&hashes, index as usize).unwrap();
        Ok(LeafEntry::new(index, &box_.log[index as usize], &path).unwrap())
    });
    let mut tiles = MemoryTiles::default();
    tiles.write(grown(&tiles, 0, &hashes).unwrap());
    let key = SigningKey::from_seed(ORIGIN, Algorithm::Ed25519, &[5; 32]).unwrap();
    let log_keys = vec![key.verifier().clone()];
    let mut keeper = Keeper::open::<String>(ORIGIN, key, &[], &[]).unwrap();
    let checkpoint = keeper.sign(&tiles, Root { size: hashes.len() as u64, hash: root_of(&hashes) }).unwrap();
    staging.put(7, (PROOFS, &proofs.unwrap()), true).unwrap();
    staging.put(7, (CHECKPOINT, checkpoint.to_text().as_bytes()), true).unwrap();
    let files = std::fs::read_dir(dir.path().join("7")).unwrap().map(|entry| entry.unwrap());
    let files = files.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()));
    let files = Files(files.collect());
    let report = verify(&files, &Trust { log_keys, witnesses: Vec::new(), quorum: 0, known: None, consistency: None });
    let findings =
        report.findings.iter().map(|finding| format!("{} {}", finding.code.word_and_exit().0, finding.subject));
    let findings = findings.collect();
    (made, files, findings)
}

#[test]
fn a_bundle_of_what_is_there_is_verified() {
    let (made, files, findings) = verdict(&mut Box_::new(), &order(7));
    assert_eq!(findings, [""; 0]);
    assert_eq!((made.runs, made.is_complete(), made.bytes() > 0), (10, true, true));
    assert_eq!(made.delivered, Some(TimeRange { start: UtcNanos(2 * SECOND), end: UtcNanos(7 * SECOND) }));
    let names: Vec<&str> = files.0.keys().map(String::as_str).collect();
    let expected = [
        "camera-1.mp4",
        "certificate-en.txt",
        "certificate-km.txt",
        "checkpoint",
        "manifest.json",
        "player.html",
        "proofs.json",
    ];
    assert_eq!(names, expected);
    let text = String::from_utf8(files.0["certificate-en.txt"].clone()).unwrap();
    assert!(text.contains("complete: true") && text.contains("Dara (3)") && text.contains("0.1 s behind"), "{text}");
}

/// What the verifier in `tests/evidence/seal.py` says of a file.
fn seal_verdict(file: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("master.mp4");
    std::fs::write(&path, file).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/evidence/seal.py");
    let output = std::process::Command::new("python3").arg(script).arg(&path).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()
}

#[test]
fn the_seal_of_a_master_is_taken_by_another_program_and_breaks_with_any_byte() {
    let secret = [9; 32];
    let key = crate::seal::SealKey::make(ORIGIN, &secret).unwrap();
    let key = crate::seal::SealKey::open(&key, &secret).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let staging = Staging::open(dir.path()).unwrap();
    let (mut box_, order) = (Box_::new(), order(7));
    let survey = survey(&order, &mut box_).unwrap();
    let maker = Maker { sealer: Some(&key), ..maker() };
    make(7, (&order, &survey), &maker, &mut box_, &staging).unwrap();
    let mut file = std::fs::read(dir.path().join("7/camera-1.mp4")).unwrap();
    assert_eq!(seal_verdict(&file), format!("SEALED by {ORIGIN}"));
    // In the samples, in what the export says of itself, and in the signature.
    let find = |file: &[u8], name: &[u8]| file.windows(4).rposition(|at| at == name).unwrap();
    for place in
        [find(&file, b"mdat") + 5, find(&file, b"suep") + 9, find(&file, b"cstb") + 18, find(&file, b"sibo") + 100]
    {
        file[place] ^= 1;
        assert_eq!(seal_verdict(&file), "NOT SEALED: the signature is not one of this file", "{place}");
        file[place] ^= 1;
    }
    assert_eq!(seal_verdict(&file), format!("SEALED by {ORIGIN}"));
}

#[test]
fn missing_time_is_told_with_its_reasons() {
    let mut box_ = Box_::new();
    let gone = TimeRange { start: UtcNanos(10 * SECOND), end: UtcNanos(12 * SECOND) };
    box_.reasons = vec![Reason { range: gone, reason: "camera_gone".to_owned() }];
    let (made, files, findings) = verdict(&mut box_, &order(15));
    assert_eq!(findings, [""; 0]);
    let told: Vec<_> =
        made.missing.iter().map(|row| (row.range.start.0 / SECOND, row.range.end.0 / SECOND, &*row.reason)).collect();
    assert_eq!(told, [(10, 12, "camera_gone"), (12, 15, "not_stored")]);
    let text = String::from_utf8(files.0["certificate-en.txt"].clone()).unwrap();
    assert!(text.contains("complete: false") && text.contains("camera_gone"), "{text}");
}

#[test]
fn missing_time_that_the_log_has_is_not_told_again() {
    let mut box_ = Box_::new();
    let gone = TimeRange { start: UtcNanos(10 * SECOND), end: UtcNanos(12 * SECOND) };
    box_.reasons = vec![Reason { range: gone, reason: "camera_gone".to_owned() }];
    let stream = footage().stream;
    let hole = Hole { start: gone.start, end: gone.end, reason: "camera_gone".to_owned() };
    let leaf = box_.tell(&[(stream, hole)]).unwrap()[0];
    box_.gaps = vec![Known { leaf, start: gone.start, end: gone.end }];
    let before = box_.log.len();
    let (made, _, findings) = verdict(&mut box_, &order(12));
    assert_eq!(findings, [""; 0]);
    assert_eq!(box_.log.len(), before + 1, "the leaf of the export alone");
    assert!(made.leaves.contains(&leaf) && made.missing.len() == 1, "{made:?}");
}

#[test]
fn a_damaged_run_is_withheld_and_the_verifier_says_so() {
    let mut box_ = Box_::new();
    box_.damaged = Some(At { segment: 0, run: 7 });
    let (made, _, findings) = verdict(&mut box_, &order(7));
    assert_eq!((made.runs, findings), (9, vec![format!("runs-withheld {}/3", footage().stream.to_u32())]));
}

#[test]
fn an_export_of_nothing_says_so() {
    let mut order = order(7);
    order.range = TimeRange { start: UtcNanos(100 * SECOND), end: UtcNanos(107 * SECOND) };
    let (made, files, findings) = verdict(&mut Box_::new(), &order);
    assert_eq!(findings, [""; 0]);
    assert_eq!((made.runs, made.delivered, made.missing.len()), (0, None, 1));
    assert!(!files.0.contains_key("camera-1.mp4"));
}

#[test]
fn a_redacted_copy_has_pictures_of_what_was_asked_for_alone() {
    let (made, files, findings) = verdict(&mut Box_::new(), &redacted(7));
    assert_eq!(findings, [""; 0]);
    let asked = TimeRange { start: UtcNanos(3 * SECOND), end: UtcNanos(7 * SECOND) };
    assert_eq!((made.runs, made.delivered, made.is_complete()), (10, Some(asked), true));
    let name = "WORKING-REDACTED-camera-1.mp4";
    assert!(files.0.contains_key(name) && !files.0.contains_key("camera-1.mp4"));
    let manifest = Manifest::parse(&files.0[MANIFEST]).unwrap();
    let redaction = manifest.redaction.unwrap();
    assert_eq!((redaction.frames, redaction.left_out, &*redaction.encoder), (16, 0, "echo"));
    let copy = &files.0[name];
    assert!(!copy.windows(4).any(|four| four == b"x264"), "supplemental information stays out");
    for language in ["en", "km"] {
        let text = String::from_utf8(files.0[&format!("notice-{language}.txt")].clone()).unwrap();
        assert!(text.contains(name) && text.contains("16") && text.contains("7/26"), "{text}");
    }
}

#[test]
fn what_a_damaged_run_had_is_told_and_its_group_of_pictures_is_not_in_the_copy() {
    let mut box_ = Box_::new();
    box_.damaged = Some(At { segment: 0, run: 9 });
    let (made, files, findings) = verdict(&mut box_, &redacted(7));
    assert_eq!(findings, [format!("runs-withheld {}/3", footage().stream.to_u32())]);
    let redaction = Manifest::parse(&files.0[MANIFEST]).unwrap().redaction.unwrap();
    // Of halves 6 to 13 the damaged one is 9, and 10 and 11 depend on it: the next key is at 12.
    assert_eq!((made.runs, redaction.frames, redaction.left_out), (9, 10, 4));
}

#[test]
fn a_redacted_copy_of_nothing_says_so() {
    let mut order = redacted(7);
    order.range = TimeRange { start: UtcNanos(100 * SECOND), end: UtcNanos(107 * SECOND) };
    let (made, files, findings) = verdict(&mut Box_::new(), &order);
    assert_eq!(findings, [""; 0]);
    assert_eq!((made.runs, made.delivered, made.missing.len()), (0, None, 1));
    assert!(!files.0.keys().any(|name| name.ends_with(".mp4")));
}

/// Pictures stand for a quarter of a second. Whoever says "from here on" has one on the screen that began before.
#[test]
fn a_region_that_begins_while_a_picture_stands_is_black_in_that_picture() {
    let dir = tempfile::tempdir().unwrap();
    let staging = Staging::open(dir.path()).unwrap();
    let fills = |everything_but: bool| {
        let mut order = redacted(7);
        let wish = order.redaction.as_mut().unwrap();
        wish.everything_but = everything_but;
        wish.regions[0].from_ns = Some((4 * SECOND + SECOND / 10).to_string());
        wish.regions[0].to_ns = Some((5 * SECOND + SECOND / 10).to_string());
        let (mut box_, mut echo) = (Box_::new(), Echo::default());
        let survey = crate::redact::pictures(survey(&order, &mut box_).unwrap());
        crate::redact::make((7, &staging), (&order, &survey), &maker(), &mut box_, &mut echo).unwrap();
        echo.fills.iter().map(|fill| fill.outlines.len()).collect::<Vec<_>>()
    };
    // From 3 s on; those at 4 s and at 5 s are on the screen at the beginning and at the end.
    assert_eq!(fills(false), [0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(fills(true), [0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0], "what stays may not be seen sooner");
}
