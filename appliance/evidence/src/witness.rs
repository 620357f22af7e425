//! A witness (C2SP tlog-witness v1.0.0): somebody outside who remembers the last tree of a log that they saw, and signs the next one only when it continues that.
//! Here is what is decided; whoever runs a witness keeps its state and has the clock.
//!
//! Order of the caller: 1. read the state, 2. [`Witness::answer`], 3. store [`Cosigned::state`] durably and in place of the old one, 4. hand out the lines. Nobody
//! else may do the same for that log in between.

use crate::checkpoint::SignedCheckpoint;
use crate::key::{Algorithm, SigningKey, VerifierKey};
use crate::merkle::{Hash, Root, empty_root, verify_consistency};
use crate::note::{NOTE_BYTES_MAX, NoteError, Signature};
use crate::text::{base64, decimal, hash_of_line};
use core::fmt;

/// Hashes of a consistency proof (tlog-witness).
pub const PROOF_LINES_MAX: usize = 63;
/// Bytes of a request: the line with the old size, the proof with 45 bytes a line, an empty line, the checkpoint.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 32 + PROOF_LINES_MAX * 45;

/// The body of `add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Size of the tree that the witness is thought to have seen last.
    pub old: u64,
    /// From there to the checkpoint.
    pub proof: Vec<Hash>,
    /// What is to be cosigned.
    pub checkpoint: SignedCheckpoint,
}

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(format!("the request has {} bytes, at most {REQUEST_BYTES_MAX} are read", bytes.len()));
        }
        let text = core::str::from_utf8(bytes).map_err(|_| "the request is not UTF-8")?;
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or("the request has no empty line before its checkpoint")?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(decimal);
        let old = old.ok_or("the request does not begin with `old` and a size")?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == PROOF_LINES_MAX {
                return Err(format!("the request's proof has more than {PROOF_LINES_MAX} lines"));
            }
            proof.push(hash_of_line(line).ok_or("a line of the request's proof is not base64 of a hash")?);
        }
        let checkpoint = SignedCheckpoint::parse(checkpoint.as_bytes()).map_err(|error| error.to_string())?;
        Ok(Self { old, proof, checkpoint })
    }

    /// The body.
    #[must_use]
    pub fn to_text(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| format!("{}\n", base64(hash))).collect();
        format!("old {}\n{proof}\n{}", self.old, self.checkpoint.to_text())
    }
}

/// A log that a witness watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// First line of its checkpoints.
    pub origin: String,
    /// Keys that may sign for it.
    pub keys: Vec<VerifierKey>,
}

/// Who a witness is and what it watches.
#[derive(Debug)]
pub struct Witness {
    /// Its key.
    pub key: SigningKey,
    /// The logs that it knows.
    pub logs: Vec<Log>,
}

/// A checkpoint that was found to continue what was seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// What the log takes home: one line.
    pub line: Signature,
    /// What the witness remembers from now on: the checkpoint with the log's signature and its own.
    pub state: SignedCheckpoint,
}

/// What a witness answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: cosigned.
    Cosigned(Box<Cosigned>),
    /// 400: not a request.
    BadRequest(String),
    /// 403: no signature of a key that may sign for this log, or a false one.
    Forbidden(NoteError),
    /// 404: a log that this witness does not watch. Its origin.
    UnknownLog(String),
    /// 409: the request starts from another size than the one that was seen last, which is this.
    Conflict(u64),
    /// 422: the tree does not continue the one that was seen last, or is impossible.
    Fork(Fork),
    /// 503: the witness cannot answer now: its state is not its own, or its clock is behind.
    Unable(String),
}

/// A log's proof against itself: it signed both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// Seen and cosigned last.
    pub seen: Root,
    /// What is signed now.
    pub now: Root,
    /// What does not fit.
    pub why: &'static str,
}

impl Answer {
    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Cosigned(_) => 200,
            Self::BadRequest(_) => 400,
            Self::Forbidden(_) => 403,
            Self::UnknownLog(_) => 404,
            Self::Conflict(_) => 409,
            Self::Fork(_) => 422,
            Self::Unable(_) => 503,
        }
    }

    /// HTTP content type.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "text/x.tlog.size",
            _ => "text/plain; charset=utf-8",
        }
    }

    /// HTTP body.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::Cosigned(cosigned) => format!("{}\n", cosigned.line),
            Self::Conflict(size) => format!("{size}\n"),
            other => format!("{other}\n"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cosigned(cosigned) => {
                let root = cosigned.state.checkpoint().root;
                write!(f, "cosigned {} entries of {}", root.size, cosigned.state.checkpoint().origin)
            }
            Self::BadRequest(what) | Self::Unable(what) => f.write_str(what),
            Self::Forbidden(error) => write!(f, "invalid signature of the log: {error}"),
            Self::UnknownLog(origin) => write!(f, "unknown log: {origin} is not watched here"),
            Self::Conflict(size) => write!(
                f,
                "this witness saw {size} entries of the log last; ask the log for a consistency proof from there"
            ),
            Self::Fork(Fork { seen, now, why }) => write!(
                f,
                "FORK: {why} ({} entries now, {} were cosigned). Keep the request: the log's own signature is the proof",
                now.size, seen.size
            ),
        }
    }
}

impl Witness {
    /// Judges the request `body`. `state` gives what was stored last for a log, by its origin; `now_s` is the time in seconds since 1970.
    pub fn answer(&self, body: &[u8], state: impl FnOnce(&str) -> Option<SignedCheckpoint>, now_s: u64) -> Answer {
        match Request::parse(body) {
            Ok(request) => self.judge(request, state, now_s).unwrap_or_else(|refusal| refusal),
            Err(what) => Answer::BadRequest(what),
        }
    }

    fn judge(
        &self,
        request: Request,
        state: impl FnOnce(&str) -> Option<SignedCheckpoint>,
        now_s: u64,
    ) -> Result<Answer, Answer> {
        let Request { old, proof, mut checkpoint } = request;
        let origin = checkpoint.checkpoint().origin.clone();
        let log = self.logs.iter().find(|log| log.origin == origin);
        let log = log.ok_or_else(|| Answer::UnknownLog(origin.clone()))?;
        checkpoint.verify(&log.keys).map_err(Answer::Forbidden)?;
        // Lines of strangers mean nothing here, and a note has room for so many.
        checkpoint.keep(&log.keys);
        let now = checkpoint.checkpoint().root;
        if old > now.size {
            return Err(Answer::BadRequest(format!("the old size {old} is larger than the checkpoint's {}", now.size)));
        }
        let seen = self.seen(state(&origin), &origin, now_s)?;
        if old != seen.size {
            return Err(Answer::Conflict(seen.size));
        }
        let fork = |why| Answer::Fork(Fork { seen, now, why });
        if !checkpoint.checkpoint().root_is_possible() {
            return Err(fork("a log without entries has another root than this"));
        }
        if old == now.size && seen.hash != now.hash {
            return Err(fork("the same number of entries has another root than before"));
        }
        if !verify_consistency(&seen, &now, &proof) {
            return Err(fork("the consistency proof does not lead from what was cosigned to this"));
        }
        let cosigned = checkpoint.cosign(&self.key, now_s);
        let line = cosigned.map_err(|error| Answer::Unable(format!("this witness cannot sign: {error}")))?;
        Ok(Answer::Cosigned(Box::new(Cosigned { line, state: checkpoint })))
    }

    /// The tree that `state` says was seen last; the empty one without it.
    fn seen(&self, state: Option<SignedCheckpoint>, origin: &str, now_s: u64) -> Result<Root, Answer> {
        if now_s == 0 {
            return Err(Answer::Unable("this witness's clock is not set".to_owned()));
        }
        let Some(state) = state else { return Ok(Root { size: 0, hash: empty_root() }) };
        let own = [self.key.verifier().clone()];
        let signed = state.witnessed(&own).unwrap_or_default();
        let at_s = signed.iter().filter_map(|signed| signed.at_s).max();
        match at_s {
            Some(at_s) if at_s > now_s => Err(Answer::Unable(format!(
                "this witness's clock says {now_s} s, but it has cosigned at {at_s} s; set the clock"
            ))),
            Some(_) if state.checkpoint().origin == origin => Ok(state.checkpoint().root),
            _ => Err(Answer::Unable(format!(
                "the state of this witness for {origin} does not carry its own signature; restore it from a copy"
            ))),
        }
    }

    /// What a fresh witness needs: a key for cosignatures.
    ///
    /// # Errors
    /// When the key is one for logs.
    pub fn new(key: SigningKey, logs: Vec<Log>) -> Result<Self, String> {
        match key.verifier().algorithm() {
            Algorithm::Cosignature => Ok(Self { key, logs }),
            Algorithm::Ed25519 => Err("this is the key of a log; a witness has one of its own".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
