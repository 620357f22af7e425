//! Requests to approvers elsewhere, and what they have signed. In the register's settings: `decision/<number of the export, big-endian>` has the text of the request that waits.

use super::desk::stored;
use std::sync::{Arc, Mutex, PoisonError};
use watchbook_base::clock::SystemClock;
use watchbook_base::{Clock as _, Kind};
use watchbook_evidence::release::{Decision, ReleaseError, Request};
use watchbook_evidence::text::hash_of_hex;
use watchbook_evidence::{Algorithm, VerifierKey, hex};
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::{self, SignedDecision};

/// A request that nobody answers is over after three days: a long weekend, and less than a bundle waits for its release.
const VALID_S: u64 = 72 * 3600;
/// A request that is over so soon is made anew when somebody asks for it.
const RENEWED_S: u64 = 12 * 3600;
const PREFIX: &[u8] = b"decision/";

type Result<T> = core::result::Result<T, Error>;
type Now = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What waits for approvers elsewhere.
pub struct DecisionDesk {
    register: Arc<Register>,
    /// Name of the log.
    origin: Arc<dyn Fn() -> String + Send + Sync>,
    /// Seconds since 1970.
    now_s: Now,
    /// Held over "read, judge, write".
    changing: Mutex<()>,
}

fn row(export: u64) -> Vec<u8> {
    [PREFIX, &export.to_be_bytes()].concat()
}

impl DecisionDesk {
    /// Of the station whose log has this name.
    pub fn new(register: &Arc<Register>, origin: impl Fn() -> String + Send + Sync + 'static) -> Self {
        let now_s: Now = Arc::new(|| u64::try_from(SystemClock.utc().as_ms() / 1000).unwrap_or_default());
        Self { register: Arc::clone(register), origin: Arc::new(origin), now_s, changing: Mutex::default() }
    }

    fn waiting(&self, export: u64) -> Result<Option<Request>> {
        let entry = self.register.get(Namespace::Setting, &row(export)).map_err(stored)?;
        Ok(entry.and_then(|entry| Request::parse(&entry.value).ok()))
    }

    /// Requests that are over go: there are never more than exports.
    fn over(&self) -> Result<Vec<Change>> {
        let rows = self.register.scan(Namespace::Setting, PREFIX).map_err(stored)?;
        let now_s = (self.now_s)();
        let lives = |value: &[u8]| Request::parse(value).is_ok_and(|request| request.expires_utc_s >= now_s);
        Ok(rows
            .into_iter()
            .filter(|row| !lives(&row.value))
            .map(|row| Change::delete(Namespace::Setting, row.key))
            .collect())
    }

    fn fresh(&self, export: u64, shown: &api::Export, made: &api::ExportMade) -> Result<Request> {
        let bad =
            || Error::new(Kind::Internal, format!("export {export} cannot be asked about: its manifest has no hash"));
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| Error::new(Kind::Io, format!("making a request: {error}")))?;
        let class = serde_json::to_value(shown.recipient_class).ok();
        Ok(Request {
            origin: (self.origin)(),
            export,
            manifest: hash_of_hex(&made.manifest_sha256).ok_or_else(bad)?,
            case: shown.case.clone(),
            cameras: shown.cameras.iter().map(|camera| camera.get()).collect(),
            from_utc_ms: shown.start_utc_ms,
            to_utc_ms: shown.end_utc_ms,
            recipient_class: class.as_ref().and_then(|class| class.as_str()).unwrap_or("other_authority").to_owned(),
            requester: shown.asked_by,
            bytes: made.bytes,
            complete: made.complete,
            nonce,
            expires_utc_s: (self.now_s)() + VALID_S,
        })
    }
}

impl ports::Decisions for DecisionDesk {
    fn check_key(&self, key: &str) -> Result<String> {
        let next = "Ask the approver for the line that `watchbook-approve keygen` printed.";
        let key = VerifierKey::parse(key)
            .map_err(|error| Error::invalid(format!("this is no approver's key: {error}")).next(next))?;
        match key.algorithm() {
            Algorithm::Ed25519 => Ok(key.to_string()),
            Algorithm::Cosignature => {
                Err(Error::invalid("this is the key of a witness, not of an approver").next(next))
            }
        }
    }

    fn request(&self, export: &api::Export) -> Result<String> {
        let made = export.made.as_ref().filter(|_| export.state == api::ExportState::Ready && export.answer.is_none());
        let (Ok(number), Some(made)) = (export.id.parse::<u64>(), made) else {
            let message = format!("export {} waits for no release", export.id);
            return Err(Error::new(Kind::Conflict, message).next("Look at the list of exports."));
        };
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let good = |known: &Request| {
            hex(&known.manifest) == made.manifest_sha256 && known.expires_utc_s > (self.now_s)() + RENEWED_S
        };
        if let Some(known) = self.waiting(number)?.filter(good) {
            return Ok(known.to_text());
        }
        let text = self.fresh(number, export, made)?.to_text();
        if Request::parse(text.as_bytes()).is_err() {
            let message =
                format!("export {number} cannot be asked about in a file: its case has signs that a line cannot have");
            return Err(Error::new(Kind::Internal, message).next("Have it released on the page."));
        }
        let mut changes = self.over()?;
        changes.push(Change::put(Namespace::Setting, row(number), text.clone()));
        self.register.apply(&changes).map_err(stored)?;
        Ok(text)
    }

    fn read(&self, text: &str, keys: &[(u32, String)]) -> Result<SignedDecision> {
        let conflict = |message: String| {
            Error::new(Kind::Conflict, message).next("Download the request again, and have that one signed.")
        };
        let parsed: Vec<(u32, VerifierKey)> =
            keys.iter().filter_map(|(account, key)| Some((*account, VerifierKey::parse(key).ok()?))).collect();
        let known: Vec<VerifierKey> = parsed.iter().map(|(_, key)| key.clone()).collect();
        let text = format!("{}\n", text.replace("\r\n", "\n").trim_end_matches('\n'));
        let (decision, key) = Decision::verify(text.as_bytes(), &known).map_err(|error| match error {
            ReleaseError::Note(why) => Error::new(Kind::Denied, format!("no enrolled approver has signed this: {why}"))
                .next("An admin enrols the approver's key on the page People."),
            ReleaseError::Form(_) => {
                Error::invalid(error.to_string()).next("Bring the file that watchbook-approve wrote.")
            }
        })?;
        let account = parsed.iter().find(|(_, of)| of == key).map(|(account, _)| *account);
        let account = account.ok_or_else(|| Error::new(Kind::Internal, "the key of this decision is nobody's"))?;
        let export = decision.export;
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let request = self.waiting(export)?;
        let request =
            request.ok_or_else(|| conflict(format!("no request about export {export} waits for a decision")))?;
        if request.hash() != decision.request || request.nonce != decision.nonce {
            return Err(conflict(format!(
                "this decision is about another request than the one that waits for export {export}"
            )));
        }
        if (self.now_s)() > request.expires_utc_s {
            return Err(conflict(format!("the time of the request about export {export} is over")));
        }
        Ok(SignedDecision { export, manifest_sha256: hex(&request.manifest), account, refusal: decision.refusal })
    }

    fn taken(&self, export: u64) -> Result<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.register.apply(&[Change::delete(Namespace::Setting, row(export))]).map_err(stored)
    }
}

#[cfg(test)]
mod tests;
