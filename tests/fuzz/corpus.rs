//! The corpus of a fuzz target, run through its body in every test run: what once crashed does so again where it comes back. Tests of several crates include this file.

use std::path::Path;

/// Runs `body` on `seeds` and on every file of the corpus of `target`. With `FUZZ_SEEDS` the seeds are written there, a folder for each target: what a corpus begins with. How many files there were.
pub(crate) fn over_corpus(target: &str, body: fn(&[u8]), seeds: &[Vec<u8>]) -> usize {
    if let Some(dir) = std::env::var_os("FUZZ_SEEDS") {
        let dir = Path::new(&dir).join(target);
        std::fs::create_dir_all(&dir).expect("FUZZ_SEEDS is a folder that can be written");
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(dir.join(format!("seed-{number}")), seed).expect("FUZZ_SEEDS can be written");
        }
    }
    seeds.iter().for_each(|seed| body(seed));
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&dir).expect("each target has a corpus");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a folder can be listed").path()).collect();
    files.sort();
    for file in &files {
        let input = std::fs::read(file).expect("a file of a corpus can be read");
        if let Err(panic) = std::panic::catch_unwind(|| body(&input)) {
            eprintln!("the input is {}", file.display());
            std::panic::resume_unwind(panic);
        }
    }
    files.len()
}
