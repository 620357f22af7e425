//! `--entry`: one entry of the audit log and the proof that it is in there.

use std::path::Path;
use watchbook_evidence::VerifierKey;
use watchbook_evidence::bundle::verdict::plain;
use watchbook_evidence::tlog_proof::{PROOF_BYTES_MAX, TlogProof};

/// Unreadable.
const UNREADABLE: u8 = 3;
/// The proof is not right.
const PROOFS: u8 = 14;
/// Nobody who is trusted has signed the checkpoint.
const CHECKPOINT: u8 = 15;
/// Fewer witnesses than asked for.
const WITNESSES: u8 = 16;

/// Whom to believe.
pub(crate) struct Trusted<'a> {
    pub(crate) log_keys: &'a [VerifierKey],
    pub(crate) witnesses: &'a [VerifierKey],
    pub(crate) quorum: usize,
}

/// What there is to say of the file, and the exit code.
pub(crate) fn verify(path: &Path, trusted: &Trusted<'_>) -> (String, u8) {
    let name = path.display();
    let unreadable =
        |why: String| (format!("FAIL unreadable {}: {}\n", plain(&name.to_string()), plain(&why)), UNREADABLE);
    let text = match super::text_of(path, PROOF_BYTES_MAX as u64) {
        Ok(text) => text,
        Err(why) => return unreadable(why),
    };
    let proof = match TlogProof::parse(text.as_bytes()) {
        Ok(proof) => proof,
        Err(why) => return unreadable(why),
    };
    if let Err(why) = proof.checkpoint.verify(trusted.log_keys) {
        return (format!("FAIL checkpoint: {}\n", plain(&why.to_string())), CHECKPOINT);
    }
    let leaf = match proof.verified_entry(trusted.log_keys) {
        Ok(leaf) => leaf,
        Err(why) => return (format!("FAIL proof-wrong {}: {}\n", proof.index, plain(&why)), PROOFS),
    };
    let checkpoint = proof.checkpoint.checkpoint();
    let mut told = format!(
        "ok entry {}: written {}\n{}\nok checkpoint {}: {} entries\n",
        proof.index,
        leaf.utc,
        plain(&String::from_utf8_lossy(&leaf.body)),
        plain(&checkpoint.origin),
        checkpoint.root.size
    );
    let witnessed = match proof.checkpoint.witnessed(trusted.witnesses) {
        Ok(signed) => signed.len(),
        Err(why) => return (told + &format!("FAIL witness: {}\n", plain(&why.to_string())), WITNESSES),
    };
    if witnessed < trusted.quorum {
        told +=
            &format!("FAIL witness: {witnessed} of the {} witnesses that are asked for have signed\n", trusted.quorum);
        return (told, WITNESSES);
    }
    (told + "VERIFIED: the entry is in the log as it was written\n", 0)
}
