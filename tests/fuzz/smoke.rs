//! A fuzz body on seeded random and mutated inputs, so that it runs everywhere without a fuzzer. The tests of `media` and `evidence` include this file. `FUZZ_SEED=n` repeats a run, `FUZZ_RUNS=n`
//! lengthens it.

/// Inputs for each body.
const RUNS: u64 = 4000;

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

    /// Now and then wholly random, else a seed with a few bytes changed, removed, doubled or cut; `inserted` are bytes that mean something to the body.
    fn input(&mut self, seeds: &[Vec<u8>], inserted: &[u8]) -> Vec<u8> {
        let mut data = seeds[self.below(seeds.len())].clone();
        if self.below(4) == 0 || data.is_empty() {
            return (0..self.below(400)).map(|_| self.next() as u8).collect();
        }
        for _ in 0..self.below(5) {
            let at = self.below(data.len());
            match self.below(6) {
                0 => data[at] = self.next() as u8,
                1 => data[at] ^= 1 << self.below(8),
                2 => data.insert(at, inserted[self.below(inserted.len())]),
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

/// Runs `body` on the seeds and on what becomes of them. A panic in it is told with seed and input.
pub(crate) fn smoke(body: fn(&[u8]), seeds: &[Vec<u8>], inserted: &[u8]) {
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    let seed = from_env("FUZZ_SEED", now);
    eprintln!("FUZZ_SEED={seed}");
    let mut random = Random(seed);
    seeds.iter().for_each(|seed| body(seed));
    for _ in 0..from_env("FUZZ_RUNS", RUNS) {
        let input = random.input(seeds, inserted);
        let kept = input.clone();
        if let Err(panic) = std::panic::catch_unwind(move || body(&input)) {
            eprintln!("FUZZ_SEED={seed}, input {kept:02x?}");
            std::panic::resume_unwind(panic);
        }
    }
}
