//! One entry of the audit log, which left the station with the proof that it is in there (`FORMAT.md`, "Checks").

use super::signatures;
use super::verdict::{Code, Report};
use super::verify::Trust;
use crate::leaf::Leaf;
use crate::merkle::verify_inclusion;
use crate::tlog_proof::TlogProof;

/// Checks all there is in the proof `text` of one entry, which came in the file `name`. Of `trust` the keys and the quorum count.
#[must_use]
pub fn verify_entry(name: &str, text: &[u8], trust: &Trust) -> Report {
    let mut report = Report { entry: true, ..Report::default() };
    let proof = match TlogProof::parse(text) {
        Ok(proof) => proof,
        Err(why) => {
            report.fail(Code::Unreadable, name, why);
            return report;
        }
    };
    let written = leaf(&mut report, &proof);
    signatures::of_log(&mut report, &proof.checkpoint, &trust.log_keys);
    let latest_ns = written.map_or(i128::MIN, |leaf| i128::from(leaf.utc.0));
    signatures::of_witnesses(&mut report, &proof.checkpoint, trust, latest_ns);
    report
}

fn leaf(report: &mut Report, proof: &TlogProof) -> Option<Leaf> {
    let number = proof.index.to_string();
    let Some(bytes) = proof.extra.as_deref() else {
        report.fail(Code::Unreadable, number, "the proof has no entry in it");
        return None;
    };
    let leaf = Leaf::decode(bytes).and_then(|leaf| leaf.hash().map(|hash| (leaf, hash)));
    let (leaf, hash) = match leaf {
        Ok(read) => read,
        Err(why) => {
            report.fail(Code::Unreadable, number, why.to_string());
            return None;
        }
    };
    let root = &proof.checkpoint.checkpoint().root;
    if !verify_inclusion(&hash, proof.index, root, &proof.path) {
        let detail = "it is not in the tree of the checkpoint: the entry, its number or the proof was changed";
        report.fail(Code::ProofWrong, number, detail);
        return None;
    }
    let body = String::from_utf8_lossy(&leaf.body).into_owned();
    report.pass("entry", number, format!("written {}, one of {}: {body}", leaf.utc, root.size));
    Some(leaf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{Hash, Root, prove_inclusion, root_of};
    use crate::{Algorithm, Checkpoint, SignedCheckpoint, SigningKey, VerifierKey};
    use watchbook_base::UtcNanos;

    const WRITTEN_S: i64 = 1_790_000_000;

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::from_seed(name, Algorithm::Ed25519, &[seed; 32]).unwrap()
    }

    fn witness() -> SigningKey {
        SigningKey::from_seed("court.example/witness", Algorithm::Cosignature, &[7; 32]).unwrap()
    }

    /// Entry 5 of 21, cosigned `seen_s` after 1970.
    fn proof(seen_s: i64) -> TlogProof {
        let leaf = |number: u8| Leaf {
            salt: [number; crate::leaf::SALT_BYTES],
            utc: UtcNanos(WRITTEN_S * 1_000_000_000),
            body: format!("{{\"action\":\"live\",\"camera\":{number}}}").into_bytes(),
        };
        let leaves: Vec<Leaf> = (0..21).map(leaf).collect();
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf.hash().unwrap()).collect();
        let root = Root { size: hashes.len() as u64, hash: root_of(&hashes) };
        let checkpoint = Checkpoint { origin: "example.com/log".to_owned(), root, extensions: Vec::new() };
        let mut signed = SignedCheckpoint::sign(checkpoint, &[&key("example.com/log", 4)]).unwrap();
        signed.cosign(&witness(), u64::try_from(seen_s).unwrap()).unwrap();
        TlogProof::of_entry(&leaves[5], 5, prove_inclusion(&hashes, 5).unwrap(), signed).unwrap()
    }

    fn trust(keys: &[VerifierKey], quorum: usize) -> Trust {
        let witnesses = vec![witness().verifier().clone()];
        Trust { log_keys: keys.to_vec(), witnesses, quorum, known: None, consistency: None }
    }

    fn codes(proof: &TlogProof, trust: &Trust) -> Vec<Code> {
        let report = verify_entry("entry", proof.to_text().as_bytes(), trust);
        assert_eq!(report.verdict().starts_with("VERIFIED"), report.findings.is_empty(), "{report:?}");
        report.findings.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn each_thing_that_is_wrong_is_found_by_itself() {
        let trusted = trust(&[key("example.com/log", 4).verifier().clone()], 1);
        let good = proof(WRITTEN_S + 1);
        assert_eq!(codes(&good, &trusted), []);
        let body = good.extra.as_ref().unwrap().len() - 3;
        let mut changed = good.clone();
        changed.extra.as_mut().unwrap()[body] ^= 1;
        assert_eq!(codes(&changed, &trusted), [Code::ProofWrong]);
        assert_eq!(codes(&TlogProof { index: 6, ..good.clone() }, &trusted), [Code::ProofWrong]);
        assert_eq!(codes(&TlogProof { extra: None, ..good.clone() }, &trusted), [Code::Unreadable]);
        let mut version = good.clone();
        version.extra.as_mut().unwrap()[0] = 9;
        assert_eq!(codes(&version, &trusted), [Code::Unreadable]);
        assert_eq!(codes(&proof(WRITTEN_S - 61), &trusted), [Code::WitnessEarly, Code::WitnessMissing]);
        assert_eq!(codes(&good, &trust(&trusted.log_keys, 2)), [Code::WitnessMissing]);
        let stranger = trust(&[key("other.example", 9).verifier().clone()], 2);
        assert_eq!(codes(&changed, &stranger), [Code::ProofWrong, Code::CheckpointUnsigned, Code::WitnessMissing]);
    }

    #[test]
    fn what_is_no_proof_is_said_and_has_the_exit_code_of_it() {
        let report = verify_entry("a\nok", b"nothing", &trust(&[], 0));
        assert_eq!((report.exit_code(), report.lines(true).lines().count()), (3, 2), "{report:?}");
        assert!(report.lines(true).ends_with("\nNOT VERIFIED\n"), "{report:?}");
    }
}
