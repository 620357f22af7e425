//! Requests of people who may be in the footage: taking one up, looking for it in a case, and what became of it.

use super::dispatch::{Arguments, Asked, Call, json, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SMALL_BODY, Shape, handler};
use crate::api;
use crate::app::App;
use crate::check;
use crate::error::{Error, Problem};
use crate::requests::{End, Ended, Extended, Office, StoredRequest, days_after, unknown};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use std::collections::BTreeSet;
use watchbook_access::case::check_number;
use watchbook_access::{Action, Case, DisclosedTo, Extension, Refusing, Role, Subject};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, Kind, TimeRange, UtcNanos};

const PATH: &str = "/api/v1/subject-requests";
const ONE: &str = "/api/v1/subject-requests/{request}";
/// Requests in one answer: the page searches among them.
const LISTED_MAX: usize = 1000;
/// Longest interval that is looked through for one request: as long as footage is kept.
const DAYS_MAX: i64 = 31;
/// Place and time, and reasons, in words.
const WORDS_BYTES_MAX: usize = 512;
/// How long ago a request may have been received.
const RECEIVED_NANOS_MAX: i64 = 366 * 86_400 * NANOS_PER_SEC;
/// Numbers that one alarm names.
const NAMED_MAX: usize = 20;
const READ: AuditRule =
    AuditRule::FirstIn { window_s: 3600, because: "the page polls it while it is open, and it shows no footage" };

pub(crate) fn rows() -> Vec<Route> {
    let mut rows = rows_of_all();
    rows.extend(rows_of_one());
    rows
}

/// A row with what most of them have.
fn row(path: &'static str, id: &'static str, summary: &'static str, permission: Permission) -> Route {
    Route {
        method: Method::POST,
        path,
        id,
        summary,
        permission,
        audit: AuditRule::EveryTime,
        body_bytes_max: SMALL_BODY,
        query: &[],
        request: None,
        answer: Answer::Json(200, Shape::of::<api::SubjectRequest>()),
        handler: handler!(register),
    }
}

fn rows_of_all() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            audit: READ,
            body_bytes_max: NO_BODY,
            answer: Answer::Json(200, Shape::of::<api::SubjectRequestList>()),
            handler: handler!(list),
            ..row(
                PATH,
                "subject_requests",
                "Requests of people who may be in the footage, the most urgent first.",
                Permission::Asks(|_| Ok(Action::ReadSubjectRequests)),
            )
        },
        Route {
            request: Some(Shape::of::<api::SubjectRequestInput>()),
            answer: Answer::Json(201, Shape::of::<api::SubjectRequest>()),
            ..row(
                PATH,
                "register_subject_request",
                "Takes a request up. Who asks stands in the paper file alone.",
                Permission::OfRequest(asked_register),
            )
        },
        Route {
            method: Method::PATCH,
            request: Some(Shape::of::<api::SubjectRequestPatch>()),
            handler: handler!(change),
            ..row(
                ONE,
                "change_subject_request",
                "Changes where and when footage is looked for, or who does it; what is left out stays.",
                Permission::OfRequest(asked_change),
            )
        },
    ]
}

fn rows_of_one() -> Vec<Route> {
    vec![
        Route {
            request: Some(Shape::of::<api::SubjectRequestSearch>()),
            handler: handler!(search),
            ..row(
                "/api/v1/subject-requests/{request}/search",
                "search_for_subject_request",
                "Looks for the footage in a case that was opened for such a request.",
                Permission::OfRequest(asked_search),
            )
        },
        Route {
            request: Some(Shape::of::<api::SubjectRequestExtend>()),
            handler: handler!(extend),
            ..row(
                "/api/v1/subject-requests/{request}/extend",
                "extend_subject_request",
                "Puts the deadline off, once and before it is past: an approver who does not handle the request.",
                Permission::OfRequest(asked_extend),
            )
        },
        Route {
            request: Some(Shape::of::<api::SubjectRequestAnswer>()),
            handler: handler!(answer),
            ..row(
                "/api/v1/subject-requests/{request}/answer",
                "answer_subject_request",
                "A released export of the request's case was handed over: the entry of the disclosure register.",
                Permission::OfRequest(asked_answer),
            )
        },
        Route {
            request: Some(Shape::of::<api::SubjectRequestRefuse>()),
            handler: handler!(refuse),
            ..row(
                "/api/v1/subject-requests/{request}/refuse",
                "refuse_subject_request",
                "Refuses a request with a reason: an approver who does not handle it.",
                Permission::OfRequest(asked_refuse),
            )
        },
        Route {
            body_bytes_max: NO_BODY,
            handler: handler!(withdraw),
            ..row(
                "/api/v1/subject-requests/{request}/withdraw",
                "withdraw_subject_request",
                "Whoever asked does not want it any more.",
                Permission::OfRequest(asked_withdraw),
            )
        },
    ]
}

/// What is known of what is asked for, before the gate decides: so that what cannot be is no entry that it was done.
pub(crate) struct Facts {
    now: UtcNanos,
    office: Office,
    found: Option<StoredRequest>,
    case: Option<Case>,
    export: Option<api::Export>,
    subject: Subject,
    one_person: bool,
    investigators: BTreeSet<u32>,
}

/// What [`Facts`] are about.
pub(crate) struct Wanted {
    request: Option<u64>,
    case: String,
    export: String,
    subject: Subject,
}

impl Wanted {
    pub(crate) fn of(asked: &Asked<'_>, subject: &Subject) -> Self {
        #[derive(Default, serde::Deserialize)]
        struct Named {
            export: Option<String>,
        }
        let named: Named = serde_json::from_slice(asked.body).unwrap_or_default();
        Self {
            request: number(asked.path).ok(),
            case: asked.case_number(),
            export: named.export.unwrap_or_default(),
            subject: subject.clone(),
        }
    }

    /// Blocking.
    pub(crate) fn facts(self, app: &App) -> Result<Facts, Error> {
        let exports = if self.export.is_empty() { Vec::new() } else { app.ports().exports.list()? };
        Ok(Facts {
            now: app.clock().utc(),
            office: app.office(),
            found: self.request.and_then(|request| app.requests().get(request)),
            case: if self.case.is_empty() { None } else { app.ports().cases.get(&self.case)? },
            export: exports.into_iter().find(|export| export.id == self.export),
            subject: self.subject,
            one_person: app.accounts().one_person_station(),
            investigators: investigators(app).into_iter().map(|(account, _)| account).collect(),
        })
    }
}

impl Facts {
    fn found(&self) -> Result<&StoredRequest, Error> {
        self.found.as_ref().ok_or_else(unknown)
    }

    /// Not who handles it, unless there is nobody else.
    fn may_judge(&self) -> Result<(), Error> {
        match self.one_person {
            true => Ok(()),
            false => self.found()?.may_be_judged_by(self.subject.account.unwrap_or_default()),
        }
    }

    fn covered(&self, mut cameras: impl Iterator<Item = CameraId>) -> Result<(), Error> {
        match cameras.find(|camera| !self.subject.covers(*camera)) {
            None => Ok(()),
            Some(other) => {
                let why = format!("camera {other} is not among the cameras of this account");
                Err(Error::new(Kind::Denied, why).next("Ask somebody who has all of the cameras."))
            }
        }
    }

    fn handles(&self, account: Option<u32>) -> Result<(), Error> {
        match account {
            Some(account) if !self.investigators.contains(&account) => {
                Err(Error::invalid(format!("account {account} does not have the role investigator"))
                    .next("Name one that has it; an admin gives it on the page People."))
            }
            _ => Ok(()),
        }
    }
}

fn investigators(app: &App) -> Vec<(u32, String)> {
    app.accounts().with_role(Role::Investigator)
}

fn number(path: &Arguments) -> Result<u64, Error> {
    path.text("request").unwrap_or_default().parse().map_err(|_| unknown())
}

/// The number of a paper file: it has a digit, and no form of a name or a sentence.
fn reference(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let next = "It is the number of the paper file, such as SR 12/2026; a name never stands here.";
    if check_number(text).is_err() {
        let why = "reference has 1 to 64 bytes of letters, digits, spaces, -, / and . alone";
        return Err(Error::invalid(why).next(next));
    }
    match text.chars().any(char::is_numeric) {
        true => Ok(text.to_owned()),
        false => Err(Error::invalid("reference has no digit").next(next)),
    }
}

fn words(field: &str, text: &str) -> Result<String, Error> {
    let words = check::line(field, text, WORDS_BYTES_MAX)?;
    match words.is_empty() {
        true => Err(Error::invalid(format!("{field} is empty")).next("Say it in a sentence, without a name.")),
        false => Ok(words),
    }
}

fn window(from_utc_ms: i64, to_utc_ms: i64) -> Result<TimeRange, Error> {
    Arguments::from_pairs([("from_utc_ms", from_utc_ms), ("to_utc_ms", to_utc_ms)]).range(DAYS_MAX)
}

/// A new request, as far as its sender says it.
fn checked(input: api::SubjectRequestInput) -> Result<StoredRequest, Error> {
    let received = UtcNanos::from_ms(input.received_utc_ms.clamp(0, 7_258_118_400_000));
    Ok(StoredRequest {
        number: 0,
        reference: reference(&input.reference)?,
        received,
        registered: received,
        registered_by: 0,
        due: received,
        cameras: check::cameras(input.cameras)?,
        range: window(input.from_utc_ms, input.to_utc_ms)?,
        place: words("place", &input.place)?,
        handler: input.handler,
        case: None,
        extended: None,
        ended: None,
    })
}

fn asked_register(asked: &Asked<'_>, facts: Option<&Facts>) -> Result<Action, Error> {
    let Some(input) = asked.json::<api::SubjectRequestInput>()? else {
        return Ok(Action::RegisterSubjectRequest { request: 0, received_utc_ms: 0, due_utc_ms: 0 });
    };
    let wanted = checked(input)?;
    let (received, received_utc_ms) = (wanted.received, wanted.received.as_ms());
    let Some(facts) = facts else {
        return Ok(Action::RegisterSubjectRequest { request: 0, received_utc_ms, due_utc_ms: 0 });
    };
    let age = facts.now.nanos_since(received);
    if !(-60 * NANOS_PER_SEC..=RECEIVED_NANOS_MAX).contains(&age) {
        return Err(Error::invalid("received_utc_ms must lie within the last year, and not in the future"));
    }
    facts.covered(wanted.cameras.iter().copied())?;
    facts.handles(wanted.handler)?;
    // A number that people can read out: up to ten digits, never 0. The book refuses one that is taken.
    let request = u64::from(u32::from_le_bytes(crate::accounts::random()?).max(1));
    let due_utc_ms = days_after(received, facts.office.answer_days).as_ms();
    Ok(Action::RegisterSubjectRequest { request, received_utc_ms, due_utc_ms })
}

fn asked_change(asked: &Asked<'_>, facts: Option<&Facts>) -> Result<Action, Error> {
    let request = number(asked.path)?;
    let Some(patch) = asked.json::<api::SubjectRequestPatch>()? else {
        return Ok(Action::ChangeSubjectRequest { request, what: String::new() });
    };
    if let Some(facts) = facts {
        facts.found()?.waits()?;
        facts.handles(patch.handler)?;
        let changed = patched(facts.found()?.clone(), patch)?;
        facts.covered(changed.cameras.difference(&facts.found()?.cameras).copied())?;
    }
    Ok(Action::ChangeSubjectRequest { request, what: asked.field_names() })
}

fn patched(mut request: StoredRequest, patch: api::SubjectRequestPatch) -> Result<StoredRequest, Error> {
    if let Some(text) = patch.reference {
        request.reference = reference(&text)?;
    }
    if let Some(cameras) = patch.cameras {
        request.cameras = check::cameras(cameras)?;
    }
    let from = patch.from_utc_ms.unwrap_or(request.range.start.as_ms());
    let to = patch.to_utc_ms.unwrap_or(request.range.end.as_ms());
    request.range = window(from, to)?;
    if let Some(text) = patch.place {
        request.place = words("place", &text)?;
    }
    request.handler = patch.handler.or(request.handler);
    Ok(request)
}

fn asked_search(asked: &Asked<'_>, facts: Option<&Facts>) -> Result<Action, Error> {
    let request = number(asked.path)?;
    let Some(wanted) = asked.json::<api::SubjectRequestSearch>()? else {
        return Ok(Action::SearchForSubjectRequest { request, case: String::new() });
    };
    let case = wanted.case.trim().to_owned();
    check_number(&case).map_err(Error::invalid)?;
    if let Some(facts) = facts {
        let none = || Error::not_found(format!("there is no case {case}")).next("Look at the list of cases.");
        facts.found()?.may_search_in(facts.case.as_ref().ok_or_else(none)?, facts.now)?;
    }
    Ok(Action::SearchForSubjectRequest { request, case })
}

fn asked_extend(asked: &Asked<'_>, facts: Option<&Facts>) -> Result<Action, Error> {
    let request = number(asked.path)?;
    let Some(wanted) = asked.json::<api::SubjectRequestExtend>()? else {
        return Ok(Action::ExtendSubjectRequest { request, due_utc_ms: 0, why: Extension::Complex });
    };
    words("words", &wanted.words)?;
    let due_utc_ms = match facts {
        None => 0,
        Some(facts) => {
            facts.may_judge()?;
            facts.found()?.extension(wanted.days, &facts.office, facts.now)?.as_ms()
        }
    };
    Ok(Action::ExtendSubjectRequest { request, due_utc_ms, why: wanted.why })
}

fn asked_answer(asked: &Asked<'_>, facts: Option<&Facts>) -> Result<Action, Error> {
    let request = number(asked.path)?;
    let Some(wanted) = asked.json::<api::SubjectRequestAnswer>()? else {
        return Ok(Action::AnswerSubjectRequest { request, export: 0, to: DisclosedTo::DataSubject });
    };
    let none = || Error::not_found("there is no export with this number").next("Look at the list of exports.");
    let export = wanted.export.parse().map_err(|_| none())?;
    reference(&wanted.reference)?;
    words("why", &wanted.why)?;
    if let Some(facts) = facts {
        let found = facts.export.as_ref().ok_or_else(none)?;
        facts.covered(found.cameras.iter().copied())?;
        facts.found()?.may_be_answered_with(found)?;
    }
    Ok(Action::AnswerSubjectRequest { request, export, to: wanted.to })
}

fn asked_refuse(asked: &Asked<'_>, facts: Option<&Facts>) -> Result<Action, Error> {
    let request = number(asked.path)?;
    let Some(wanted) = asked.json::<api::SubjectRequestRefuse>()? else {
        return Ok(Action::RefuseSubjectRequest { request, why: Refusing::NoFootage });
    };
    words("words", &wanted.words)?;
    if let Some(facts) = facts {
        facts.found()?.waits()?;
        facts.may_judge()?;
    }
    Ok(Action::RefuseSubjectRequest { request, why: wanted.why })
}

fn asked_withdraw(asked: &Asked<'_>, facts: Option<&Facts>) -> Result<Action, Error> {
    let request = number(asked.path)?;
    facts.map(|facts| facts.found()?.waits()).transpose()?;
    Ok(Action::WithdrawSubjectRequest { request })
}

async fn list(call: Call) -> Result<Response, Problem> {
    let subject = call.who()?.subject.clone();
    let list = call.blocking(move |app| {
        let now = app.clock().utc();
        let rows = app.requests().list().into_iter().take(LISTED_MAX);
        let person = |(account, name)| api::CasePerson { account, account_name: Some(name) };
        Ok(api::SubjectRequestList {
            requests: rows.map(|row| shown(app, row, &subject, now)).collect(),
            answer_days: app.office().answer_days,
            extension_days: app.office().extension_days,
            investigators: investigators(app).into_iter().map(person).collect(),
        })
    });
    ok(&list.await?)
}

fn other_grant() -> Error {
    Error::new(Kind::Internal, "this row was opened for something else")
}

async fn register(call: Call) -> Result<Response, Problem> {
    let action = call.grant()?.action().clone();
    let subject = call.who()?.subject.clone();
    let Action::RegisterSubjectRequest { request: number, due_utc_ms, .. } = action.clone() else {
        return Err(other_grant().into());
    };
    let now = call.app.clock().utc();
    let opened = async {
        let wanted = StoredRequest {
            number,
            registered: now,
            registered_by: subject.account.unwrap_or_default(),
            due: UtcNanos::from_ms(due_utc_ms),
            ..checked(call.json()?)?
        };
        call.blocking(move |app| Ok(shown(app, app.requests().open(wanted)?, &subject, now))).await
    };
    json(StatusCode::CREATED, &call.noted(opened.await).await?)
}

/// Changes the request that the path names, in the way that the gate allowed. What others did meanwhile is looked at again.
async fn changed(
    call: Call,
    change: impl FnOnce(&mut StoredRequest, By) -> Result<(), Error> + Send + 'static,
) -> Result<Response, Problem> {
    let subject = call.who()?.subject.clone();
    let (number, now) = (number(&call.path)?, call.app.clock().utc());
    let by = By { account: subject.account.unwrap_or_default(), at: now };
    let done = call.blocking(move |app| {
        let request = app.requests().update(number, |request| {
            request.waits()?;
            change(request, by)
        })?;
        Ok(shown(app, request, &subject, now))
    });
    ok(&call.noted(done.await).await?)
}

/// Who does something, and when.
#[derive(Clone, Copy)]
struct By {
    account: u32,
    at: UtcNanos,
}

async fn change(call: Call) -> Result<Response, Problem> {
    let patch: api::SubjectRequestPatch = call.json()?;
    changed(call, move |request, _| {
        *request = patched(request.clone(), patch)?;
        Ok(())
    })
    .await
}

async fn search(call: Call) -> Result<Response, Problem> {
    let Action::SearchForSubjectRequest { case, .. } = call.grant()?.action().clone() else {
        return Err(other_grant().into());
    };
    let named = case.clone();
    let found = call.blocking(move |app| app.ports().cases.get(&named)).await?;
    let people = found.map(|found| found.investigators).unwrap_or_default();
    changed(call, move |request, _| {
        request.case = Some(case);
        if request.handler.is_none_or(|handler| !people.contains(&handler)) {
            request.handler = people.first().copied();
        }
        Ok(())
    })
    .await
}

async fn extend(call: Call) -> Result<Response, Problem> {
    let wanted: api::SubjectRequestExtend = call.json()?;
    let Action::ExtendSubjectRequest { due_utc_ms, .. } = *call.grant()?.action() else {
        return Err(other_grant().into());
    };
    let office = call.app.office();
    changed(call, move |request, by| {
        request.extension(wanted.days, &office, by.at)?;
        let words = words("words", &wanted.words)?;
        let due_before = request.due;
        request.extended = Some(Extended { at: by.at, by: by.account, due_before, why: wanted.why, words });
        request.due = UtcNanos::from_ms(due_utc_ms);
        Ok(())
    })
    .await
}

async fn answer(call: Call) -> Result<Response, Problem> {
    let wanted: api::SubjectRequestAnswer = call.json()?;
    let Action::AnswerSubjectRequest { export, to, .. } = *call.grant()?.action() else {
        return Err(other_grant().into());
    };
    let how = End::Answered { export, to, reference: reference(&wanted.reference)?, why: words("why", &wanted.why)? };
    changed(call, move |request, by| end(request, by, how)).await
}

async fn refuse(call: Call) -> Result<Response, Problem> {
    let wanted: api::SubjectRequestRefuse = call.json()?;
    let how = End::Refused { why: wanted.why, words: words("words", &wanted.words)? };
    changed(call, move |request, by| end(request, by, how)).await
}

async fn withdraw(call: Call) -> Result<Response, Problem> {
    changed(call, |request, by| end(request, by, End::Withdrawn)).await
}

#[allow(clippy::unnecessary_wraps, reason = "it stands where others can fail")]
fn end(request: &mut StoredRequest, by: By, how: End) -> Result<(), Error> {
    request.ended = Some(Ended { at: by.at, by: by.account, how });
    Ok(())
}

/// What `subject` may see of a request.
fn shown(app: &App, request: StoredRequest, subject: &Subject, now: UtcNanos) -> api::SubjectRequest {
    let name = |account| app.accounts().name_of(account);
    let (state, overdue) = (request.state(), request.is_overdue(now));
    let (own, others): (Vec<_>, Vec<_>) = request.cameras.into_iter().partition(|camera| subject.covers(*camera));
    api::SubjectRequest {
        request: request.number,
        reference: request.reference,
        received_utc_ms: request.received.as_ms(),
        registered_utc_ms: request.registered.as_ms(),
        registered_by: request.registered_by,
        registered_by_name: name(request.registered_by),
        due_utc_ms: request.due.as_ms(),
        overdue,
        state,
        cameras: own,
        other_camera_count: u32::try_from(others.len()).unwrap_or(u32::MAX),
        from_utc_ms: request.range.start.as_ms(),
        to_utc_ms: request.range.end.as_ms(),
        place: request.place,
        handler: request.handler,
        handler_name: request.handler.and_then(name),
        case: request.case,
        extended: request.extended.map(|extended| api::SubjectRequestExtended {
            at_utc_ms: extended.at.as_ms(),
            account: extended.by,
            account_name: name(extended.by),
            due_before_utc_ms: extended.due_before.as_ms(),
            why: extended.why,
            words: extended.words,
        }),
        ended: request.ended.map(|ended| shown_end(ended, name)),
    }
}

fn shown_end(ended: Ended, name: impl Fn(u32) -> Option<String>) -> api::SubjectRequestEnded {
    let (disclosure, refusal) = match ended.how {
        End::Answered { export, to, reference, why } => {
            (Some(api::SubjectRequestDisclosure { export: export.to_string(), to, reference, why }), None)
        }
        End::Refused { why, words } => (None, Some(api::SubjectRequestRefusal { why, words })),
        End::Withdrawn => (None, None),
    };
    api::SubjectRequestEnded {
        at_utc_ms: ended.at.as_ms(),
        account: ended.by,
        account_name: name(ended.by),
        disclosure,
        refusal,
    }
}

/// One alarm for all requests whose deadline is past.
pub(crate) fn alarm(app: &App) -> Option<api::Alarm> {
    let now = app.clock().utc();
    let overdue: Vec<StoredRequest> = app.requests().list().into_iter().filter(|one| one.is_overdue(now)).collect();
    let since = overdue.first()?.due;
    let named: Vec<String> = overdue.iter().take(NAMED_MAX).map(|one| one.number.to_string()).collect();
    let more = match overdue.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(api::Alarm {
        kind: api::AlarmKind::SubjectRequestOverdue,
        disk: None,
        camera: None,
        since_utc_ms: Some(since.as_ms()),
        text: format!(
            "The deadline of {} of those who asked for footage of themselves is past, and nobody has answered: {}{more}. Answer them or refuse them with a reason; the \
             public report counts them until then",
            overdue.len(),
            named.join(", ")
        ),
    })
}
