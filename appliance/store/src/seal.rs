//! From a planned run's packets to what lies on the disk: sealed with the key of its camera and hour. The digest over the plain bytes is made before, by the
//! plan; the checksum here, over the stored ones.

use crate::codec::wide;
use crate::error::Result;
use crate::format::{Run, Seal};
use crate::keys::{CIPHER, Keys, SealKey, random};
use crate::plan::{Plan, PlannedRun};
use watchbook_evidence::sha256_of;

/// Gives every run of `plan` its stored form, once. Without `keys` that is the packets' bytes. The packets stay: another disk may have to take them.
///
/// # Errors
/// When no key could be made or the system has no random bytes; another call begins again.
pub(crate) fn seal(plan: &mut Plan, keys: Option<&Keys>) -> Result<()> {
    if plan.is_sealed {
        return Ok(());
    }
    match keys {
        None => plan.runs.iter_mut().for_each(keep_plain),
        Some(keys) => {
            let wanted: Vec<_> =
                plan.runs.iter().map(|planned| (planned.run.stream.camera, planned.run.first_mono)).collect();
            for (planned, key) in plan.runs.iter_mut().zip(keys.for_samples(&wanted)?) {
                seal_run(planned, &key)?;
            }
        }
    }
    plan.is_sealed = true;
    Ok(())
}

fn keep_plain(planned: &mut PlannedRun) {
    planned.run.crc = planned.packets.iter().fold(0, |crc, packet| crc32c::crc32c_append(crc, &packet.data));
}

/// One copy of the samples, encrypted in place.
fn seal_run(planned: &mut PlannedRun, key: &SealKey) -> Result<()> {
    let plain_len: usize = planned.packets.iter().map(|packet| packet.data.len()).sum();
    let mut stored = Vec::with_capacity(plain_len + crate::keys::TAG_BYTES);
    planned.packets.iter().for_each(|packet| stored.extend_from_slice(&packet.data));
    // 96 random bits: a key seals some 20,000 runs, and two equal nonces among them have a chance of 1 in 10²⁰.
    let nonce = random()?;
    key.seal(&planned.run, nonce, &mut stored)?;
    planned.run.seal = Some(Seal { cipher: CIPHER, key_id: key.id, nonce });
    planned.run.crc = crc32c::crc32c(&stored);
    planned.run.payload_len = wide(stored.len());
    planned.stored = Some(stored);
    Ok(())
}

/// What the digest of a stored run says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    Right,
    /// Or the tag does not fit: these are not the bytes that were sealed.
    Wrong,
    /// It can only be verified with a key that is destroyed or not at hand.
    Unknown,
}

/// Verifies the digest over the plain bytes of a run. `stored`: its payload, whose checksum is right.
pub(crate) fn digest_of(keys: Option<&Keys>, run: &Run, stored: Vec<u8>) -> Digest {
    let plain = match (run.seal, keys) {
        (None, _) => Some(stored),
        (Some(_), None) => return Digest::Unknown,
        (Some(_), Some(keys)) => match keys.open_run(run, stored) {
            Ok(plain) => plain,
            Err(_) => return Digest::Unknown,
        },
    };
    match plain.is_some_and(|plain| sha256_of(&[&run.table, &plain]) == run.sha256) {
        true => Digest::Right,
        false => Digest::Wrong,
    }
}
