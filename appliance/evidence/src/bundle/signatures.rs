//! Who has signed a checkpoint.

use super::CHECKPOINT;
use super::verdict::{Code, Report};
use super::verify::Trust;
use crate::SignedCheckpoint;
use crate::key::VerifierKey;
use crate::note::NoteError;
use std::collections::BTreeSet;

/// By how much a witness's clock may be behind the box's, in seconds.
pub const WITNESS_BEHIND_S_MAX: i128 = 60;

/// The log's own signatures.
pub(super) fn of_log(report: &mut Report, signed: &SignedCheckpoint, keys: &[VerifierKey]) {
    match signed.verify(keys) {
        Ok(keys) => {
            for signed in keys {
                report.pass("checkpoint", signed.key.name(), "signed by the log");
            }
        }
        Err(NoteError::Unsigned) => {
            report.fail(Code::CheckpointUnsigned, CHECKPOINT, "none of the keys given has signed it");
        }
        Err(error) => report.fail(Code::CheckpointForged, CHECKPOINT, error.to_string()),
    }
}

/// Those of the witnesses, who cannot have seen before it was written what was written at `latest_ns` since 1970.
pub(super) fn of_witnesses(report: &mut Report, signed: &SignedCheckpoint, trust: &Trust, latest_ns: i128) {
    let found = signed.witnessed(&trust.witnesses).unwrap_or_else(|error| {
        report.fail(Code::WitnessForged, CHECKPOINT, error.to_string());
        Vec::new()
    });
    let mut good = BTreeSet::new();
    for signed in found {
        let (name, at_s) = (signed.key.name(), signed.at_s.unwrap_or_default());
        if i128::from(at_s) + WITNESS_BEHIND_S_MAX < latest_ns.div_euclid(1_000_000_000) {
            report.fail(Code::WitnessEarly, name, format!("it says that it saw at {at_s} s what was written later"));
        } else {
            good.insert(signed.key.to_string());
            report.pass("witness", name, format!("cosigned at {at_s} s since 1970"));
        }
    }
    if good.len() < trust.quorum {
        let detail = format!("{} of the witnesses have cosigned, {} must have", good.len(), trust.quorum);
        report.fail(Code::WitnessMissing, CHECKPOINT, detail);
    }
}
