//! Checkpoints that go to witnesses by themselves, as the keeper sees them: what is sent, what comes home, and what is an alarm.
//!
//! A witness' answer is not signed by the log: whoever stands in the way can write one. So what only an answer says is an alarm and an entry of the log, and signing goes
//! on; where the log's own signature shows it, nothing is signed any more, as after an import.

use super::{LogKeeper, note};
use crate::station::desk::stored;
use crate::station::log_push::{Answer, Asking, Ended, Turns, Unanswered, exchange};
use crate::station::log_witnesses::{Brought, Kept, Pushing};
use std::sync::Arc;
use std::time::Duration;
use watchbook_base::clock::SystemClock;
use watchbook_base::{Clock as _, Kind, UtcNanos};
use watchbook_evidence::SignedCheckpoint;
use watchbook_evidence::merkle::verify_consistency;
use watchbook_evidence::witness::Request;
use watchbook_web::api::{self, LogPushOutcome};
use watchbook_web::error::Error;

/// A witness that is sent checkpoints and has not signed for so long is an alarm.
const SILENCE: Duration = Duration::from_secs(24 * 3600);

type Result<T> = core::result::Result<T, Error>;
/// Posts a body to an address.
type Post = dyn Fn(&str, &str) -> core::result::Result<Answer, Unanswered>;

impl LogKeeper {
    /// When which witness is sent a checkpoint.
    pub fn turns(&self) -> Arc<Turns> {
        Arc::clone(&self.turns)
    }

    fn signed_now(&self) -> Option<SignedCheckpoint> {
        self.shown().last.as_ref().map(|(last, _)| last.clone())
    }

    fn signed_entries(&self) -> u64 {
        self.signed_now().map_or(0, |last| last.checkpoint().root.size)
    }

    /// Sends the last checkpoint to every witness whose turn it is, one after the other. Blocking: each may take as long as `post` waits, twice.
    pub fn push_due(&self, post: &Post) {
        if self.signed_now().is_none() {
            return;
        }
        let listed = match self.with_address() {
            Ok(listed) => listed,
            Err(error) => {
                tracing::error!(%error, "where to checkpoints are sent could not be read; it is tried again");
                return;
            }
        };
        let turns: Vec<(String, Pushing)> = listed.into_iter().filter_map(|to| Some((turn_of(&to)?, to))).collect();
        self.turns.keep(&turns.iter().map(|(turn, _)| turn.clone()).collect::<Vec<_>>());
        for (turn, to) in turns {
            if !self.turns.take(&turn, self.signed_entries()) {
                continue;
            }
            let last = self.push(&to, post);
            let (entries, is_cosigned) = (last.entries, last.outcome == LogPushOutcome::Cosigned);
            if let Err(error) = self.keep(&to, last) {
                tracing::error!(%error, "what became of a checkpoint that was sent could not be kept");
            }
            self.turns.done(&turn, entries, is_cosigned);
        }
    }

    /// Witnesses to which checkpoints are sent.
    fn with_address(&self) -> Result<Vec<Pushing>> {
        if !self.witnesses.any_push()? {
            return Ok(Vec::new());
        }
        let listed = self.with_log(|log| self.witnesses.pushes(log))?;
        Ok(listed.into_iter().filter(|to| to.url.is_some()).collect())
    }

    fn push(&self, to: &Pushing, post: &Post) -> api::LogPushed {
        let ended = self.sent(to, post).unwrap_or_else(|ended| ended);
        api::LogPushed {
            utc_ms: SystemClock.utc().as_ms(),
            entries: ended.entries,
            outcome: ended.outcome,
            text: ended.text,
        }
    }

    fn sent(&self, to: &Pushing, post: &Post) -> core::result::Result<Ended, Ended> {
        let failed = |outcome, entries, text| Ended { outcome, entries, text };
        let (url, _) =
            to.url.as_ref().ok_or_else(|| failed(LogPushOutcome::NotSent, 0, "it has no address".to_owned()))?;
        let cosigned = to.cosigned.as_ref().map(|(cosigned, _)| cosigned);
        if let Some(cosigned) = cosigned {
            self.still_continues(cosigned)?;
        }
        let old = cosigned.map_or(0, |cosigned| cosigned.checkpoint().root.size);
        let url = url.add_checkpoint();
        let (checkpoint, line) = exchange(&to.key, old, |old| self.asked(old), |body| post(&url, body))?;
        let entries = checkpoint.checkpoint().root.size;
        let brought = Brought::answered(checkpoint, line);
        let taken = self.with_log(|log| self.witnesses.import(log, &brought)).map_err(|error| match error.kind {
            Kind::InvalidInput => failed(LogPushOutcome::WrongSignature, entries, error.message),
            _ => failed(LogPushOutcome::NotSent, entries, format!("keeping what it signed: {}", error.message)),
        })?;
        if taken.is_empty() {
            let text = "it was removed meanwhile".to_owned();
            return Err(failed(LogPushOutcome::WrongSignature, entries, text));
        }
        Ok(failed(LogPushOutcome::Cosigned, entries, format!("it signed {entries} entries")))
    }

    /// The request from `old` entries on. Checkpoints that go out so often are not among those that are kept for lines which come home alone.
    fn asked(&self, old: u64) -> core::result::Result<Request, Asking> {
        let checkpoint = self.signed_now().ok_or_else(|| Asking::Failed("nothing is signed yet".to_owned()))?;
        let size = checkpoint.checkpoint().root.size;
        if old > size {
            return Err(Asking::Shorter(size));
        }
        let proof = self.register.audit_consistency(old, size).map_err(stored);
        let proof =
            proof.map_err(|error| Asking::Failed(format!("reading the audit log for a proof: {}", error.message)))?;
        Ok(Request { old, proof, checkpoint })
    }

    /// What the witness signed has the log's own signature: if the log does not continue it, nothing is signed any more.
    fn still_continues(&self, cosigned: &SignedCheckpoint) -> core::result::Result<(), Ended> {
        let seen = cosigned.checkpoint().root;
        let continues = self
            .asked(seen.size)
            .is_ok_and(|request| verify_consistency(&seen, &request.checkpoint.checkpoint().root, &request.proof));
        if continues {
            return Ok(());
        }
        let entries = self.signed_entries();
        self.learn(cosigned).map_err(|error| {
            let outcome = match error.kind {
                Kind::Conflict if error.message.starts_with("ROLLBACK") => LogPushOutcome::Rollback,
                Kind::Conflict => LogPushOutcome::Fork,
                _ => LogPushOutcome::NotSent,
            };
            Ended { outcome, entries, text: error.message }
        })
    }

    /// Keeps what became of it. The first refusal since the witness signed last is an entry of the log.
    fn keep(&self, to: &Pushing, last: api::LogPushed) -> Result<()> {
        let before = to.kept.as_ref();
        let refuses = matches!(last.outcome, LogPushOutcome::Rollback | LogPushOutcome::Fork);
        let refused = match last.outcome {
            LogPushOutcome::Cosigned => None,
            _ => before.and_then(|kept| kept.refused.clone()).or_else(|| refuses.then(|| last.clone())),
        };
        if before.is_none_or(|kept| kept.last.outcome != last.outcome) {
            let (witness, outcome) = (to.key.name(), last.outcome);
            tracing::info!(
                witness,
                ?outcome,
                entries = last.entries,
                "sending a checkpoint to a witness ended: {}",
                last.text
            );
        }
        let is_new = refused.is_some() && before.is_none_or(|kept| kept.refused.is_none());
        // The entry first: one that could not be written is tried again with the next refusal, and twice is better than never.
        if is_new {
            note(&self.register, format!("the witness {} refuses the audit log: {}", to.key.name(), last.text))?;
        }
        self.with_log(|log| self.witnesses.keep_pushed(log, to, &Kept { last, refused })).map(drop)
    }

    pub(super) fn pushes_shown(&self) -> Result<Vec<api::LogPush>> {
        let listed = self.with_log(|log| self.witnesses.pushes(log))?;
        let (signed, now) = (self.signed_entries(), SystemClock.utc());
        let shown = |to: Pushing| {
            let turn = turn_of(&to).map(|turn| self.turns.shown(&turn, signed));
            let next =
                turn.map(|(_, wait)| now.as_ms().saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)));
            api::LogPush {
                witness: to.key.name().to_owned(),
                url: to.url.map(|(url, _)| url.to_string()),
                pending: turn.is_some_and(|(is_pending, _)| is_pending),
                last: to.kept.as_ref().map(|kept| kept.last.clone()),
                next_utc_ms: next,
                refused: to.kept.and_then(|kept| kept.refused),
            }
        };
        Ok(listed.into_iter().map(shown).collect())
    }

    pub(super) fn ask_for_push(&self, witness: &str) -> Result<()> {
        let listed = self.with_log(|log| self.witnesses.pushes(log))?;
        let to = listed.iter().find(|to| to.key.name() == witness).ok_or_else(|| {
            Error::not_found(format!("there is no witness {witness}")).next("Look at the list of witnesses.")
        })?;
        let turn = turn_of(to).ok_or_else(|| {
            let message = format!("no checkpoints are sent to the witness {witness}: it has no address");
            Error::new(Kind::Conflict, message)
                .next("Have an admin set its address, or take the request there as a file.")
        })?;
        self.turns.ask(&turn);
        Ok(())
    }

    pub(super) fn alarms_of_pushes(&self, now: UtcNanos) -> Vec<api::Alarm> {
        let listed = self.with_address().unwrap_or_else(|error| {
            tracing::error!(%error, "what became of checkpoints that were sent could not be read");
            Vec::new()
        });
        listed.iter().flat_map(|to| alarms_of(to, now)).collect()
    }
}

/// Another address is another turn; `None`: nothing is sent.
fn turn_of(to: &Pushing) -> Option<String> {
    let (url, since) = to.url.as_ref()?;
    Some(format!("{} {url} {}", to.key, since.0))
}

fn alarms_of(to: &Pushing, now: UtcNanos) -> Vec<api::Alarm> {
    let name = to.key.name();
    let alarm = |kind, since_utc_ms, text| api::Alarm {
        kind,
        disk: None,
        camera: None,
        since_utc_ms: Some(since_utc_ms),
        text,
    };
    let refused = to.kept.as_ref().and_then(|kept| kept.refused.as_ref());
    let refused = refused.map(|refused| {
        alarm(api::AlarmKind::LogWitnessRefuses, refused.utc_ms, format!("The witness {name}: {}", refused.text))
    });
    let set = to.url.as_ref().map_or(now, |(_, since)| *since);
    let since = to.cosigned.as_ref().map_or(set, |(_, home)| set.max(*home));
    let silence_ms = i64::try_from(SILENCE.as_millis()).unwrap_or(i64::MAX);
    let is_silent = now.as_ms().saturating_sub(since.as_ms()) >= silence_ms;
    let silent = is_silent.then(|| {
        let last = to.kept.as_ref().map_or("nothing was sent yet".to_owned(), |kept| kept.last.text.clone());
        let text = format!("The witness {name} has not signed for a day, although checkpoints are sent to it: {last}");
        alarm(api::AlarmKind::LogWitnessSilent, since.as_ms(), text)
    });
    refused.into_iter().chain(silent).collect()
}
