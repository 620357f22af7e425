//! The fuzz bodies on seeded random and mutated inputs, so that they run everywhere. `FUZZ_SEED=n` repeats a run, `FUZZ_RUNS=n` lengthens it.

use crate::fuzz_bodies;
use crate::sample::Plan;
use watchbook_evidence::rotation::Rotation;
use watchbook_evidence::{Algorithm, SigningKey};

/// Inputs for each body.
const RUNS: u64 = 4000;

const CHECKPOINT: &str = "go.sum database tree\n35225469\nvt5T6GaLCXvyHFl9VUvvItR43XZxfLgftEcTyO3eJCQ=\n\n\
     — sum.golang.org Az3grpukl5AXaVfYkLiDGORx/DN2nlcS5kZHR5uYOBV2KA2HgXpD+gu9HHONebHLAyaKbbTM75QTtPydhKCExixSfwQ=\n";

/// `splitmix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Now and then wholly random, else a seed with a few bytes changed, removed, doubled or cut.
    fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut data = seeds[self.below(seeds.len())].clone();
        if self.below(5) == 0 || data.is_empty() {
            return (0..self.below(400)).map(|_| self.next() as u8).collect();
        }
        for _ in 0..self.below(4) {
            let at = self.below(data.len());
            match self.below(6) {
                0 => data[at] = self.next() as u8,
                1 => data[at] ^= 1 << self.below(8),
                2 => data.insert(at, [b'\n', b' ', b'+', b'=', b'0', 0xFF][self.below(6)]),
                3 if data.len() > 1 => drop(data.remove(at)),
                4 => {
                    let again = data[at..].to_vec();
                    data.extend(again);
                }
                _ => data.truncate(at + 1),
            }
        }
        data
    }
}

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn check_every_input(seeds: &[Vec<u8>], body: fn(&[u8])) {
    seeds.iter().for_each(|seed| body(seed));
    let mut random = Random(from_env("FUZZ_SEED", 1));
    for _ in 0..from_env("FUZZ_RUNS", RUNS) {
        body(&random.input(seeds));
    }
}

#[test]
fn fuzz_smoke_note() {
    let key = |seed| SigningKey::from_seed("log.example", Algorithm::Ed25519, &[seed; 32]).unwrap();
    let rotation = Rotation::sign("log.example", &key(1), &key(2)).unwrap();
    let texts = [CHECKPOINT, &rotation, &key(1).verifier().to_string(), &key(1).secret_text()];
    check_every_input(&texts.map(|text| text.as_bytes().to_vec()), fuzz_bodies::note);
}

#[test]
fn fuzz_smoke_witness_request() {
    let line = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
    let seeds = [
        format!("old 0\n\n{CHECKPOINT}"),
        format!("old 20852014\n{line}{line}\n{CHECKPOINT}"),
        format!("c2sp.org/tlog-proof@v1\nextra YWdl\nindex 5\n{line}{line}\n{CHECKPOINT}"),
    ];
    check_every_input(&seeds.map(String::into_bytes), fuzz_bodies::witness_request);
}

#[test]
fn fuzz_smoke_tiles() {
    let seeds = [
        b"tile/0/x001/x234/067".to_vec(),
        b"tile/entries/x001/000.p/255".to_vec(),
        b"\0\x03abc\0\0\0\x01d".to_vec(),
        [&[1][..], &[7; 24], b"{}"].concat(),
    ];
    check_every_input(&seeds, fuzz_bodies::tiles);
}

#[test]
fn fuzz_smoke_bundle() {
    let mut seeds: Vec<Vec<u8>> = Plan::new().export(1).0.into_values().collect();
    seeds.push(br#"{"kind":"gap","end_ns":"9","reason":"x","start_ns":"7","stream":257}"#.to_vec());
    seeds.push(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x12ab\0\0\0\0mdatxyz".to_vec());
    check_every_input(&seeds, fuzz_bodies::bundle);
}
