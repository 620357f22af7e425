//! What a second person says, and the proofs that a released bundle gets; and when a witness has signed a checkpoint that has the export, the proofs for that one.

use super::ledger::{Ledger, Topic};
use super::making::remove_files;
use super::{ExportDesk, Result, exported};
use crate::station::log_keys;
use std::sync::PoisonError;
use watchbook_base::Kind;
use watchbook_evidence::SignedCheckpoint;
use watchbook_evidence::bundle::{CHECKPOINT, LeafEntry, PROOFS};
use watchbook_evidence::record::Record;
use watchbook_export::bundle::proofs;
use watchbook_export::job::{Answer, FileRow, Job, State};
use watchbook_web::error::Error;
use watchbook_web::ports;

/// Who has signed a checkpoint beside the log itself.
fn witnesses(checkpoint: &SignedCheckpoint) -> Vec<String> {
    let lines = checkpoint.note().signatures().iter();
    let mut names: Vec<String> =
        lines.filter(|line| line.name != checkpoint.checkpoint().origin).map(|line| line.name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

fn answer_of(job: &Job) -> Option<u64> {
    job.answer.as_ref().and_then(|answer| answer.leaf)
}

/// A release stands once its leaf does. Where its proofs cannot be made at once they are later, by themselves: whoever released it is not told that it came to nothing, and neither is the log.
pub(super) fn or_waits(ledger: &Ledger, export: u64, proven: Result<Job>) -> Result<Job> {
    proven.or_else(|error| {
        ledger.say(Topic::Proofs, waiting(export, &error));
        ledger.get(export)
    })
}

fn waiting(export: u64, error: &Error) -> String {
    format!("Export {export} is released and waits for its proofs: {}", error.message)
}

impl ExportDesk {
    pub(super) fn release(&self, answer: ports::ExportAnswer) -> Result<Job> {
        let ports::ExportAnswer { export, manifest_sha256, account, .. } = answer;
        self.ledger.change_with(
            export,
            |job, now| {
                job.may_answer(account, &manifest_sha256)?;
                job.answer = Some(Answer { account, at: now, reason: String::new(), leaf: None });
                Ok(Record::Export { account: job.order.account, approver: account, manifest: manifest_sha256.clone() })
            },
            |job, leaf| {
                if let Some(answer) = job.answer.as_mut() {
                    answer.leaf = Some(leaf);
                }
            },
        )?;
        or_waits(&self.ledger, export, self.prove(export))
    }

    pub(super) fn refuse(&self, answer: ports::ExportAnswer, reason: String) -> Result<Job> {
        let ports::ExportAnswer { export, manifest_sha256, account, .. } = answer;
        let (job, ()) = self.ledger.change(export, |job, now| {
            job.may_answer(account, &manifest_sha256)?;
            job.answer = Some(Answer { account, at: now, reason, leaf: None });
            job.enter(State::Refused, now);
            Ok(())
        })?;
        remove_files(&self.ledger, &self.staging, export);
        Ok(job)
    }

    /// Finishes releases that waited for a signature, and brings what witnesses have signed since into bundles.
    pub(super) fn prove_all(&self) {
        let mut waits = None;
        for job in self.ledger.list() {
            let is_due = match job.state {
                State::Ready => answer_of(&job).is_some(),
                State::Released => true,
                _ => false,
            };
            if is_due && let Err(error) = self.prove(job.id) {
                waits = Some(waiting(job.id, &error));
            }
        }
        match waits {
            Some(sentence) => self.ledger.say(Topic::Proofs, sentence),
            None => self.ledger.unsay(Topic::Proofs),
        }
    }

    /// The checkpoint for the bundle of an export with this leaf: the longest that witnesses have signed when it has the leaf, else the last that the log has.
    fn checkpoint_of(&self, leaf: u64) -> Result<SignedCheckpoint> {
        match self.means.keeper.cosigned_with(leaf)? {
            Some(cosigned) => Ok(cosigned),
            None => self.means.keeper.checkpoint_with(leaf),
        }
    }

    /// More witnesses have signed than stand in the bundle.
    fn is_witnessed_anew(&self, job: &Job, leaf: u64) -> Result<bool> {
        let known = job.made.as_ref().map_or(0, |made| made.witnesses.len());
        let is_on_its_way =
            job.deliveries.iter().any(|delivery| delivery.state == watchbook_export::delivery::DeliveryState::Waiting);
        let cosigned = if is_on_its_way { None } else { self.means.keeper.cosigned_with(leaf)? };
        Ok(cosigned.is_some_and(|cosigned| witnesses(&cosigned).len() > known))
    }

    /// Puts proofs and checkpoint into a bundle that somebody has released, or better ones in their place.
    ///
    /// 1. Proofs are made and written beside those that are there.
    /// 2. The row says that it waits for its proofs: whatever happens from here on, they are made again.
    /// 3. The files get their names, and the row says that it is released.
    pub(super) fn prove(&self, export: u64) -> Result<Job> {
        let _one = self.proving.lock().unwrap_or_else(PoisonError::into_inner);
        let job = self.ledger.get(export)?;
        let Some(leaf) = answer_of(&job) else { return Ok(job) };
        let renews = job.state == State::Released;
        let has_its_days = renews || job.is_renewed();
        if !(job.state == State::Ready || renews && self.is_witnessed_anew(&job, leaf)?) {
            return Ok(job);
        }
        let checkpoint = self.checkpoint_of(leaf)?;
        let made = self.proofs_for(&job, leaf, checkpoint.checkpoint().root.size)?;
        let mut rows: Vec<FileRow> = Vec::new();
        for named in [(PROOFS, made.as_slice()), (CHECKPOINT, checkpoint.to_text().as_bytes())] {
            rows.push(self.staging.put_beside(export, named).map_err(exported)?);
        }
        let still = |job: &Job, state| match job.state == state && answer_of(job) == Some(leaf) {
            true => Ok(()),
            false => {
                Err(watchbook_export::Error::new(Kind::Conflict, format!("export {export} has changed meanwhile")))
            }
        };
        let since = job.since;
        // Whoever fetches it opens its files before or after.
        let _swap = self.swapping.write().unwrap_or_else(PoisonError::into_inner);
        if renews {
            self.ledger.change(export, |job, _| {
                still(job, State::Released)?;
                job.state = State::Ready;
                Ok(())
            })?;
        }
        self.staging.name_beside(export, &[PROOFS, CHECKPOINT]).map_err(exported)?;
        let (job, ()) = self.ledger.change(export, |job, now| {
            still(job, State::Ready)?;
            let made = job.made.as_mut();
            let made = made.ok_or_else(|| watchbook_export::Error::new(Kind::Internal, "nothing is made of it"))?;
            made.files.retain(|file| rows.iter().all(|row| row.name != file.name));
            made.files.extend(rows);
            made.files.sort_by(|a, b| a.name.cmp(&b.name));
            (made.witnesses, made.proven) = (witnesses(&checkpoint), Some(now));
            job.enter(State::Released, if has_its_days { since } else { now });
            Ok(())
        })?;
        Ok(job)
    }

    fn proofs_for(&self, job: &Job, leaf: u64, size: u64) -> Result<Vec<u8>> {
        let refused = |error: watchbook_store::Error| watchbook_export::Error::new(error.kind, error.message);
        let mut entry = |index: u64| {
            let row = self.register.audit_entries(index, 1).map_err(refused)?.pop();
            let row = row.filter(|row| row.index == index);
            let row = row.ok_or_else(|| {
                watchbook_export::Error::new(Kind::NotFound, format!("there is no audit entry {index}"))
            })?;
            let path = self.register.audit_inclusion(index, size).map_err(refused)?;
            LeafEntry::new(index, &row.leaf, &path)
                .map_err(|error| watchbook_export::Error::new(Kind::Corrupt, format!("audit entry {index}: {error}")))
        };
        // Whoever trusts a key that the log had before follows it to the one of now.
        let changes = log_keys::leaves(&self.register)?.into_iter().filter(|change| *change < size);
        let of_footage = job.made.iter().flat_map(|made| made.leaves.iter().copied());
        let leaves: Vec<u64> = of_footage.chain(changes).collect();
        proofs(&leaves, leaf, &mut entry).map_err(exported)
    }

    /// Lets go what nobody came for.
    pub(super) fn expire(&self) {
        for job in self.ledger.list().into_iter().filter(|job| job.state == State::Expired) {
            // The row is kept as it is looked at: expired.
            let is_noted = self.ledger.is_noted(&job);
            if !is_noted && self.ledger.change(job.id, |_, _| Ok(())).is_ok() {
                remove_files(&self.ledger, &self.staging, job.id);
            }
        }
    }
}
