//! The fuzz bodies on seeded random and mutated inputs, so that they run everywhere. `FUZZ_SEED=n` repeats a run, `FUZZ_RUNS=n` lengthens it.

use crate::corpus::over_corpus;
use crate::fuzz_bodies;
use crate::sample::Plan;
use crate::smoke::smoke;
use watchbook_evidence::rotation::Rotation;
use watchbook_evidence::{Algorithm, SigningKey};

/// What notes and tiles are divided by.
const INSERTED: [u8; 6] = [b'\n', b' ', b'+', b'=', b'0', 0xFF];

const CHECKPOINT: &str = "go.sum database tree\n35225469\nvt5T6GaLCXvyHFl9VUvvItR43XZxfLgftEcTyO3eJCQ=\n\n\
     — sum.golang.org Az3grpukl5AXaVfYkLiDGORx/DN2nlcS5kZHR5uYOBV2KA2HgXpD+gu9HHONebHLAyaKbbTM75QTtPydhKCExixSfwQ=\n";

fn check_every_input(target: &str, seeds: &[Vec<u8>], body: fn(&[u8])) {
    assert!(over_corpus(target, body, seeds) > 0);
    smoke(body, seeds, &INSERTED);
}

#[test]
fn fuzz_smoke_note() {
    let key = |seed| SigningKey::from_seed("log.example", Algorithm::Ed25519, &[seed; 32]).unwrap();
    let rotation = Rotation::sign("log.example", &key(1), &key(2)).unwrap();
    let texts = [CHECKPOINT, &rotation, &key(1).verifier().to_string(), &key(1).secret_text()];
    check_every_input("evidence_note", &texts.map(|text| text.as_bytes().to_vec()), fuzz_bodies::note);
}

#[test]
fn fuzz_smoke_witness_request() {
    let line = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
    let seeds = [
        format!("old 0\n\n{CHECKPOINT}"),
        format!("old 20852014\n{line}{line}\n{CHECKPOINT}"),
        format!("c2sp.org/tlog-proof@v1\nextra YWdl\nindex 5\n{line}{line}\n{CHECKPOINT}"),
    ];
    check_every_input("evidence_witness_request", &seeds.map(String::into_bytes), fuzz_bodies::witness_request);
}

#[test]
fn fuzz_smoke_tiles() {
    let seeds = [
        b"tile/0/x001/x234/067".to_vec(),
        b"tile/entries/x001/000.p/255".to_vec(),
        b"\0\x03abc\0\0\0\x01d".to_vec(),
        [&[1][..], &[7; 24], b"{}"].concat(),
    ];
    check_every_input("evidence_tiles", &seeds, fuzz_bodies::tiles);
}

#[test]
fn fuzz_smoke_bundle() {
    let mut seeds: Vec<Vec<u8>> = Plan::new().export(1).0.into_values().collect();
    seeds.push(br#"{"kind":"gap","end_ns":"9","reason":"x","start_ns":"7","stream":257}"#.to_vec());
    seeds.push(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x12ab\0\0\0\0mdatxyz".to_vec());
    check_every_input("evidence_bundle", &seeds, fuzz_bodies::bundle);
}

#[test]
fn fuzz_smoke_master() {
    let mut seeds: Vec<Vec<u8>> = vec![b"\0\0\0\x08ftyp\0\0\0\x01mdat\0\0\0\0\0\0\0\x12ab\0\0\0\0mdatxyz".to_vec()];
    let masters = Plan::new().export(1).0.into_values().filter(|file| file.get(4..8) == Some(b"ftyp"));
    // One run behind its place and length, in 64 bytes: the file whole.
    seeds.extend(masters.map(|file| [&[0, 0, (file.len() / 64) as u8 + 1, 0][..], &file].concat()));
    assert!(seeds.len() > 1, "an export has a master");
    check_every_input("evidence_master", &seeds, fuzz_bodies::master);
}

/// Written by Python's zipfile: stored, with the fields of a large file, compressed.
const ZIPS: &str = r"
import io, sys, zipfile
def zipped(name, text, how=zipfile.ZIP_STORED, large=False):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as z:
        with z.open(zipfile.ZipInfo(name) if how == zipfile.ZIP_STORED else name, 'w', force_zip64=large) as f:
            f.write(text)
        z.writestr('checkpoint', 'b')
    return out.getvalue()
for one in (zipped('a', b'hello'), zipped('a', b'hello', large=True), zipped('a', b'a' * 99, zipfile.ZIP_DEFLATED)):
    print(one.hex())
";

#[test]
fn fuzz_smoke_archive() {
    let made = std::process::Command::new("python3").args(["-c", ZIPS]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let of_hex = |line: &str| -> Vec<u8> {
        (0..line.len() / 2).map(|at| u8::from_str_radix(&line[2 * at..2 * at + 2], 16).unwrap()).collect()
    };
    let mut seeds: Vec<Vec<u8>> = String::from_utf8(made.stdout).unwrap().lines().map(of_hex).collect();
    assert_eq!(seeds.len(), 3);
    seeds.push(format!("c2sp.org/tlog-proof@v1\nextra YWdl\nindex 5\n\n{CHECKPOINT}").into_bytes());
    assert!(over_corpus("evidence_archive", fuzz_bodies::archive, &seeds) > 0);
    smoke(fuzz_bodies::archive, &seeds, b"PK\x01\x02\x06\xFF");
}
