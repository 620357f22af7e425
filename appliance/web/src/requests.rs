//! The book of requests of people who may be in the footage: in memory, and every change in the register before it is in force. Who asks stands in the paper file alone: here
//! is that file's number, and there is no field for a name.

use crate::api;
use crate::error::Error;
use crate::ports::{Change, Register, Space};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_access::{Case, DisclosedTo, Extension, Purpose, Refusing};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, Kind, TimeRange, UtcNanos};

/// Requests that are kept, of at most 4 kB each: nine a day for three years. The one that ended first makes room; what became of it stays in the audit log.
const REQUESTS_MAX: usize = 10_000;
/// An answered request is forgotten after so long: three years, as long as somebody may complain of the answer.
const KEPT_NANOS: i64 = 3 * 365 * DAY;
const DAY: i64 = 86_400 * NANOS_PER_SEC;

/// What the station says of itself to everybody, and how long it takes to answer a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Office {
    /// Its name, as on a sign; empty when nobody said.
    pub name: String,
    /// Whom to ask; empty when nobody said.
    pub contact: String,
    /// Where the public reaches the page, such as `https://192.168.10.2:8080`; empty: at the address at which it is open.
    pub address: String,
    /// A request is answered within so many days.
    pub answer_days: u32,
    /// How many more days one may be given, once.
    pub extension_days: u32,
}

impl Default for Office {
    /// Four weeks, which are never more than a month, and twice that more.
    fn default() -> Self {
        Self {
            name: String::new(),
            contact: String::new(),
            address: String::new(),
            answer_days: 28,
            extension_days: 56,
        }
    }
}

/// So many days after a moment.
pub(crate) fn days_after(moment: UtcNanos, days: u32) -> UtcNanos {
    moment.plus_nanos(i64::from(days) * DAY)
}

/// A request as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredRequest {
    /// Its number, never 0.
    pub(crate) number: u64,
    /// Number of the paper file that says who asks.
    pub(crate) reference: String,
    /// When it was received.
    pub(crate) received: UtcNanos,
    /// When somebody wrote it down here.
    pub(crate) registered: UtcNanos,
    /// Who did.
    pub(crate) registered_by: u32,
    /// When it must be answered.
    pub(crate) due: UtcNanos,
    /// Where footage is looked for; empty while nobody knows.
    pub(crate) cameras: BTreeSet<CameraId>,
    /// When.
    pub(crate) range: TimeRange,
    /// Place and time as whoever asked said them.
    pub(crate) place: String,
    /// Who looks for it.
    pub(crate) handler: Option<u32>,
    /// The case in which it is looked for.
    pub(crate) case: Option<String>,
    /// It was given more time.
    pub(crate) extended: Option<Extended>,
    /// It is over.
    pub(crate) ended: Option<Ended>,
}

/// More time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extended {
    pub(crate) at: UtcNanos,
    pub(crate) by: u32,
    /// The deadline before.
    pub(crate) due_before: UtcNanos,
    pub(crate) why: Extension,
    pub(crate) words: String,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) at: UtcNanos,
    pub(crate) by: u32,
    pub(crate) how: End,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// A copy was handed out: the entry of the disclosure register.
    Answered { export: u64, to: DisclosedTo, reference: String, why: String },
    /// No copy.
    Refused { why: Refusing, words: String },
    /// Whoever asked does not want it any more.
    Withdrawn,
}

impl StoredRequest {
    /// How far it is.
    pub(crate) fn state(&self) -> api::SubjectRequestState {
        use api::SubjectRequestState as State;
        match &self.ended {
            Some(Ended { how: End::Answered { .. }, .. }) => State::Answered,
            Some(Ended { how: End::Refused { .. }, .. }) => State::Refused,
            Some(Ended { how: End::Withdrawn, .. }) => State::Withdrawn,
            None if self.case.is_some() => State::Searching,
            None => State::Open,
        }
    }

    /// It waits for an answer, and the time for that is over.
    pub(crate) fn is_overdue(&self, now: UtcNanos) -> bool {
        self.ended.is_none() && now > self.due
    }

    /// Something can still become of it.
    ///
    /// # Errors
    /// `Conflict` when it is over.
    pub(crate) fn waits(&self) -> Result<(), Error> {
        match self.ended {
            None => Ok(()),
            Some(_) => Err(Error::new(Kind::Conflict, format!("request {} is over", self.number))
                .next("Register another one when somebody asks again.")),
        }
    }

    /// Footage for it may be looked for in this case.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn may_search_in(&self, case: &Case, now: UtcNanos) -> Result<(), Error> {
        self.waits()?;
        let number = &case.number;
        let why = match () {
            () if case.purpose != Purpose::SubjectRequest => {
                format!("case {number} was not opened for somebody's request for footage of themselves")
            }
            () if case.emergency => format!("case {number} is an emergency"),
            () if !case.is_open(now) => format!("case {number} is over"),
            () => return Ok(()),
        };
        Err(Error::new(Kind::Conflict, why)
            .next("Ask an approver to open a case with the purpose of such a request, with its cameras and hours."))
    }

    /// The deadline, `days` later.
    ///
    /// # Errors
    /// Why there is no more time.
    pub(crate) fn extension(&self, days: u32, office: &Office, now: UtcNanos) -> Result<UtcNanos, Error> {
        self.waits()?;
        if self.extended.is_some() {
            let why = format!("request {} was given more time already", self.number);
            return Err(Error::new(Kind::Conflict, why).next("Answer it, or refuse it with a reason."));
        }
        if now > self.due {
            let why = format!("the deadline of request {} is past, and is put off before it is", self.number);
            return Err(Error::new(Kind::Conflict, why).next("Answer it now: the report counts it as late."));
        }
        if !(1..=office.extension_days).contains(&days) {
            return Err(Error::invalid(format!("days must be 1 to {}", office.extension_days)));
        }
        Ok(days_after(self.due, days))
    }

    /// This export may answer it.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn may_be_answered_with(&self, export: &api::Export) -> Result<(), Error> {
        self.waits()?;
        let conflict = |why: String, next: &str| Err(Error::new(Kind::Conflict, why).next(next));
        let Some(case) = &self.case else {
            let why = format!("nobody has looked for request {} in a case yet", self.number);
            return conflict(why, "Begin with the search, or refuse it when there is no such footage.");
        };
        if export.case != *case {
            let why = format!("export {} belongs to case {}, and this request to {case}", export.id, export.case);
            return conflict(why, "Ask for an export in the request's case.");
        }
        if export.recipient_class != watchbook_access::RecipientClass::DataSubject {
            let why = format!("export {} is not for a person who is in it", export.id);
            return conflict(why, "Ask for another export, with that receiver.");
        }
        let was_out = export.state == api::ExportState::Expired && export.delivered_utc_ms.is_some();
        if export.state != api::ExportState::Released && !was_out {
            let why = format!("export {} is not released", export.id);
            return conflict(why, "Ask an approver to look at it and release it.");
        }
        Ok(())
    }

    /// Whether `account` may say no, or take more time: not who looks for it, nor, while nobody does, who took it up.
    ///
    /// # Errors
    /// `Denied`.
    pub(crate) fn may_be_judged_by(&self, account: u32) -> Result<(), Error> {
        match self.handler.unwrap_or(self.registered_by) == account {
            false => Ok(()),
            true => Err(Error::new(Kind::Denied, format!("request {} is handled by this account", self.number))
                .next("Ask another approver.")),
        }
    }
}

/// The requests of the station.
pub(crate) struct RequestBook {
    register: Arc<dyn Register>,
    /// Held while a change is made and written, so that no other comes between.
    writing: Mutex<()>,
    /// Held for moments alone: who reads does not wait for a disk.
    requests: Mutex<BTreeMap<u64, StoredRequest>>,
}

impl RequestBook {
    /// Loads what is stored. Blocking.
    ///
    /// # Errors
    /// When the register cannot be read, or a row in it cannot be understood.
    pub(crate) fn load(register: Arc<dyn Register>) -> Result<Self, Error> {
        let mut requests = BTreeMap::new();
        for (_, row) in register.list(Space::Request)? {
            let request: StoredRequest = serde_json::from_slice(&row).map_err(|error| {
                Error::new(Kind::Corrupt, format!("a request in the register cannot be read: {error}"))
            })?;
            requests.insert(request.number, request);
        }
        Ok(Self { register, writing: Mutex::default(), requests: Mutex::new(requests) })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, StoredRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that wait, the most urgent first, then those that are over, the last one first.
    pub(crate) fn list(&self) -> Vec<StoredRequest> {
        let mut list: Vec<StoredRequest> = self.lock().values().cloned().collect();
        list.sort_by_key(|one| match &one.ended {
            None => (false, one.due.0, one.number),
            Some(ended) => (true, ended.at.0.saturating_neg(), one.number),
        });
        list
    }

    /// The one with this number.
    pub(crate) fn get(&self, number: u64) -> Option<StoredRequest> {
        self.lock().get(&number).cloned()
    }

    /// Keeps a new one. Blocking.
    ///
    /// # Errors
    /// `Conflict` when its number is taken, `Exhausted` when too many wait.
    pub(crate) fn open(&self, request: StoredRequest) -> Result<StoredRequest, Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = self.room_for(&request)?;
        let mut changes = vec![put(&request)?];
        changes.extend(gone.iter().map(|number| Change::Remove { space: Space::Request, key: key(*number) }));
        self.register.write(&changes)?;
        let mut requests = self.lock();
        gone.iter().for_each(|number| drop(requests.remove(number)));
        requests.insert(request.number, request.clone());
        Ok(request)
    }

    /// Those that make room for another one, or were kept long enough.
    fn room_for(&self, request: &StoredRequest) -> Result<Vec<u64>, Error> {
        let requests = self.lock();
        if requests.contains_key(&request.number) {
            return Err(
                Error::new(Kind::Conflict, format!("the number {} is taken", request.number)).next("Try again.")
            );
        }
        let ended = requests.values().filter_map(|one| Some((one.ended.as_ref()?.at, one.number)));
        let mut ended: Vec<(UtcNanos, u64)> = ended.collect();
        ended.sort_unstable();
        let over = (requests.len() + 1).saturating_sub(REQUESTS_MAX);
        let old = |at: UtcNanos| request.registered.nanos_since(at) > KEPT_NANOS;
        let gone = (0..).zip(&ended).filter(|(turn, (at, _))| *turn < over || old(*at)).map(|(_, (_, number))| *number);
        let gone: Vec<u64> = gone.collect();
        match gone.len() < over {
            true => Err(Error::new(Kind::Exhausted, format!("{REQUESTS_MAX} requests wait for an answer"))
                .next("Answer those that wait first.")),
            false => Ok(gone),
        }
    }

    /// Changes one: no other change of it comes between what `change` is given and what it leaves. Blocking.
    ///
    /// # Errors
    /// `NotFound`, or what `change` says; then nothing has changed.
    pub(crate) fn update(
        &self,
        number: u64,
        change: impl FnOnce(&mut StoredRequest) -> Result<(), Error>,
    ) -> Result<StoredRequest, Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut request = self.get(number).ok_or_else(unknown)?;
        change(&mut request)?;
        self.register.write(&[put(&request)?])?;
        self.lock().insert(number, request.clone());
        Ok(request)
    }
}

/// There is no such request.
pub(crate) fn unknown() -> Error {
    Error::not_found("there is no request with this number").next("Look at the list of requests.")
}

fn key(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn put(request: &StoredRequest) -> Result<Change, Error> {
    let value = serde_json::to_vec(request).map_err(|error| {
        Error::new(Kind::Internal, format!("request {} cannot be written into the register: {error}", request.number))
    })?;
    Ok(Change::Put { space: Space::Request, key: key(request.number), value })
}
