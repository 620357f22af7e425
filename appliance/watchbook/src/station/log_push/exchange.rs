//! What is said to a witness, and what its answers mean. Nothing that is answered is repeated but numbers.

#[cfg(test)]
mod tests;

use watchbook_evidence::note::Signature;
use watchbook_evidence::text::decimal;
use watchbook_evidence::witness::Request;
use watchbook_evidence::{SignedCheckpoint, VerifierKey};
use watchbook_web::api::LogPushOutcome;

/// What a witness said to one request, before anything of it is believed.
pub struct Answer {
    pub status: u16,
    /// Of 200 and 409 alone.
    pub body: Vec<u8>,
}

/// Why there is none.
pub enum Unanswered {
    /// Nobody, or not in time.
    Unreached(String),
    /// Something that is no answer.
    NotAWitness(String),
}

/// Why there is no request.
#[derive(Debug)]
pub enum Asking {
    /// The log has fewer entries: so many.
    Shorter(u64),
    /// In a sentence.
    Failed(String),
}

/// How it ended without a cosignature.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub outcome: LogPushOutcome,
    /// Entries of the checkpoint.
    pub entries: u64,
    /// Without the name of the witness.
    pub text: String,
}

/// Sends the last checkpoint with a proof from `old` entries on, and once again from where the witness says that it is. Gives the checkpoint and the line of `key`, which
/// nobody has verified yet.
///
/// # Errors
/// How it ended otherwise.
pub fn exchange(
    key: &VerifierKey,
    old: u64,
    request: impl Fn(u64) -> Result<Request, Asking>,
    post: impl Fn(&str) -> Result<Answer, Unanswered>,
) -> Result<(SignedCheckpoint, Signature), Ended> {
    let ended = |outcome, entries, text: String| Ended { outcome, entries, text };
    let first = request(old).map_err(|why| asking(why, old))?;
    let entries = first.checkpoint.checkpoint().root.size;
    let send = |request: &Request| post(&request.to_text()).map_err(|why| unanswered(why, request));
    let answer = send(&first)?;
    if answer.status != 409 {
        return judged(key, first, &answer);
    }
    let Some(size) = size_in(&answer.body) else {
        let text = "it answers that it is elsewhere in the log (409), but not where".to_owned();
        return Err(ended(LogPushOutcome::NotAWitness, entries, text));
    };
    // The log may have grown meanwhile, and somebody may have taken that to the witness.
    let second = request(size).map_err(|why| asking(why, size))?;
    let answer = send(&second)?;
    if answer.status == 409 {
        let entries = second.checkpoint.checkpoint().root.size;
        let text = format!("it answers again that it is elsewhere in the log, although it named {size} entries");
        return Err(ended(LogPushOutcome::NotAWitness, entries, text));
    }
    judged(key, second, &answer)
}

fn asking(why: Asking, old: u64) -> Ended {
    match why {
        Asking::Shorter(entries) => {
            let text = format!("ROLLBACK: it says that it saw {old} entries of this log, which has {entries} now");
            Ended { outcome: LogPushOutcome::Rollback, entries, text }
        }
        Asking::Failed(text) => Ended { outcome: LogPushOutcome::NotSent, entries: 0, text },
    }
}

fn unanswered(why: Unanswered, request: &Request) -> Ended {
    let (outcome, text) = match why {
        Unanswered::Unreached(text) => (LogPushOutcome::Unreached, text),
        Unanswered::NotAWitness(text) => (LogPushOutcome::NotAWitness, text),
    };
    Ended { outcome, entries: request.checkpoint.checkpoint().root.size, text }
}

/// The body of a 409: a number in a line.
fn size_in(body: &[u8]) -> Option<u64> {
    decimal(core::str::from_utf8(body).ok()?.strip_suffix('\n')?)
}

fn judged(key: &VerifierKey, request: Request, answer: &Answer) -> Result<(SignedCheckpoint, Signature), Ended> {
    use LogPushOutcome::{Fork, LogUnknown, NotAWitness, Unable, WrongSignature};
    let entries = request.checkpoint.checkpoint().root.size;
    let status = answer.status;
    let (outcome, text) = match status {
        200 => match line_of(key, &answer.body) {
            Ok(line) => return Ok((request.checkpoint, line)),
            Err(text) if text == NO_LINES => (NotAWitness, text.to_owned()),
            Err(text) => (WrongSignature, text.to_owned()),
        },
        300..=399 => (NotAWitness, format!("it sends elsewhere ({status}), and nobody is followed; give the address that answers itself")),
        403 => (LogUnknown, "it does not take the log's signature (403): tell its operator the log's public key".to_owned()),
        404 => (LogUnknown, "it does not watch this log, or nothing is at that address (404): tell its operator the log's name and public key, and compare the address".to_owned()),
        422 => (Fork, format!("FORK: it says (422) that the log of {entries} entries does not begin with the {} that it cosigned", request.old)),
        429 | 500..=599 => (Unable, format!("it cannot answer now ({status})")),
        _ => (NotAWitness, format!("it answers {status}, as no witness does")),
    };
    Err(Ended { outcome, entries, text })
}

const NO_LINES: &str = "it says that it signed (200), but there are no lines of signatures in its answer";

/// The line of this key; lines of others may stand beside it.
fn line_of(key: &VerifierKey, body: &[u8]) -> Result<Signature, &'static str> {
    let text = core::str::from_utf8(body).map_err(|_| NO_LINES)?;
    let lines = text.strip_suffix('\n').ok_or(NO_LINES)?.split('\n');
    let lines: Vec<Signature> = lines.map(Signature::parse).collect::<Option<_>>().ok_or(NO_LINES)?;
    let own = lines.into_iter().find(|line| line.name == key.name() && line.key_id == key.key_id());
    own.ok_or("what it answers is not signed with the key of this witness: compare its public key")
}
