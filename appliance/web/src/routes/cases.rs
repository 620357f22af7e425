//! Cases: the list, opening, changing and closing one.

use super::dispatch::{Arguments, Asked, Call, json, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SMALL_BODY, Shape, handler};
use crate::api;
use crate::app::App;
use crate::error::{Error, Problem};
use crate::ports::AuditKind;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use std::collections::BTreeSet;
use watchbook_access::case::{INVESTIGATORS_MAX, REVIEW_NANOS, check_number};
use watchbook_access::{Action, Case, Purpose, Role, Subject};
use watchbook_base::{CameraId, Kind, TimeRange, UtcNanos};

const PATH: &str = "/api/v1/cases";
const ONE: &str = "/api/v1/cases/{case}";
/// Cases in one answer: the page searches among them.
const LISTED_MAX: usize = 1000;

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: PATH,
            id: "cases",
            summary: "The cases that this account may know of: an investigator those that name them, the others all.",
            permission: Permission::Asks(|_| Ok(Action::ReadCases)),
            audit: AuditRule::FirstIn {
                window_s: 3600,
                because: "the page reads it again and again, and it shows no footage",
            },
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::CaseList>()),
            handler: handler!(list),
        },
        Route {
            method: Method::POST,
            path: PATH,
            id: "open_case",
            summary: "Opens a case for others, as an approver; or, with `emergency`, for oneself, as an investigator. Needs the second factor.",
            permission: Permission::Asks(asked_open),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::CaseRequest>()),
            answer: Answer::Json(201, Shape::of::<api::Case>()),
            handler: handler!(open),
        },
        Route {
            method: Method::PATCH,
            path: ONE,
            id: "change_case",
            summary: "Changes what a case admits; what is left out stays. Needs the second factor. An emergency cannot be changed.",
            permission: Permission::InCase(asked_change),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::CasePatch>()),
            answer: Answer::Json(200, Shape::of::<api::Case>()),
            handler: handler!(change),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/cases/{case}/close",
            id: "close_case",
            summary: "Closes a case before its time is over: an approver, or an investigator whom it names.",
            permission: Permission::InCase(|asked, _| Ok(Action::CloseCase { case: number(asked.path)? })),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::Case>()),
            handler: handler!(close),
        },
    ]
}

fn invalid(why: String) -> Error {
    Error::invalid(why)
}

/// The number in the path.
pub(crate) fn number(path: &Arguments) -> Result<String, Error> {
    let number = path.text("case").unwrap_or_default();
    check_number(number).map_err(|_| Error::not_found("there is no case with this number"))?;
    Ok(number.to_owned())
}

fn asked_open(asked: &Asked<'_>) -> Result<Action, Error> {
    // Nothing of the body is read for somebody who is not signed in; what they tried is logged all the same.
    if asked.body.is_empty() {
        return Ok(Action::OpenCase {
            case: String::new(),
            purpose: Purpose::OtherCrime,
            cameras: Vec::new(),
            range: TimeRange { start: UtcNanos(0), end: UtcNanos(0) },
            expires_utc_ms: 0,
            investigators: Vec::new(),
            emergency: false,
        });
    }
    let request: api::CaseRequest = serde_json::from_slice(asked.body)
        .map_err(|_| Error::invalid("the body is no case as the API describes one"))?;
    let range = window(request.from_utc_ms, request.to_utc_ms)?;
    let number = request.case.trim().to_owned();
    check_number(&number).map_err(invalid)?;
    Ok(Action::OpenCase {
        case: number,
        purpose: request.purpose,
        cameras: ordered(request.cameras)?,
        range,
        expires_utc_ms: request.expires_utc_ms,
        investigators: accounts(request.investigators)?.into_iter().collect(),
        emergency: request.emergency,
    })
}

/// In order, each once, and none that cannot be.
fn ordered(cameras: Vec<CameraId>) -> Result<Vec<CameraId>, Error> {
    Ok(crate::check::cameras(cameras)?.into_iter().collect())
}

/// No more of them than the log has room for.
fn accounts(list: Vec<u32>) -> Result<BTreeSet<u32>, Error> {
    match list.len() <= INVESTIGATORS_MAX {
        true => Ok(list.into_iter().collect()),
        false => Err(Error::invalid(format!("investigators may name {INVESTIGATORS_MAX} accounts at most"))),
    }
}

fn window(from_utc_ms: i64, to_utc_ms: i64) -> Result<TimeRange, Error> {
    Arguments::from_pairs([("from_utc_ms", from_utc_ms), ("to_utc_ms", to_utc_ms)]).range(366)
}

/// What becomes different, from what to what: cameras and accounts by number, moments in UTC.
fn asked_change(asked: &Asked<'_>, stored: Option<&Case>) -> Result<Action, Error> {
    let case = number(asked.path)?;
    if asked.body.is_empty() {
        return Ok(Action::ChangeCase { case, what: String::new() });
    }
    let patch: api::CasePatch = serde_json::from_slice(asked.body)
        .map_err(|_| Error::invalid("the body is no change of a case as the API describes one"))?;
    let what = match stored {
        Some(stored) => differences(stored, &patched(stored.clone(), patch)?),
        None => String::new(),
    };
    Ok(Action::ChangeCase { case, what })
}

fn patched(mut case: Case, patch: api::CasePatch) -> Result<Case, Error> {
    if let Some(cameras) = patch.cameras {
        case.cameras = crate::check::cameras(cameras)?;
    }
    let from = patch.from_utc_ms.unwrap_or(case.range.start.as_ms());
    let to = patch.to_utc_ms.unwrap_or(case.range.end.as_ms());
    case.range = window(from, to)?;
    if let Some(expires) = patch.expires_utc_ms {
        case.expires = moment(expires)?;
    }
    if let Some(investigators) = patch.investigators {
        case.investigators = accounts(investigators)?;
    }
    Ok(case)
}

/// A moment that no sum of moments saturates with.
fn moment(utc_ms: i64) -> Result<UtcNanos, Error> {
    match (0..=7_258_118_400_000).contains(&utc_ms) {
        true => Ok(UtcNanos::from_ms(utc_ms)),
        false => Err(Error::invalid("expires_utc_ms must lie between the years 1970 and 2200")),
    }
}

fn differences(old: &Case, new: &Case) -> String {
    fn numbers<T: ToString>(list: impl IntoIterator<Item = T>) -> String {
        list.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" ")
    }
    let interval = |range: TimeRange| format!("{} to {}", range.start, range.end);
    let fields = [
        ("cameras", numbers(&old.cameras), numbers(&new.cameras)),
        ("footage", interval(old.range), interval(new.range)),
        ("end", old.expires.to_string(), new.expires.to_string()),
        ("investigators", numbers(&old.investigators), numbers(&new.investigators)),
    ];
    let changed = fields.iter().filter(|(_, was, is)| was != is);
    let told: Vec<String> = changed.map(|(name, was, is)| format!("{name}: {was} become {is}")).collect();
    if told.is_empty() { "nothing".to_owned() } else { told.join("; ") }
}

async fn list(call: Call) -> Result<Response, Problem> {
    let subject = call.who()?.subject.clone();
    let list = call.blocking(move |app| {
        let now = app.clock().utc();
        let seen = app.ports().cases.list()?.into_iter().filter(|case| may_know(case, &subject)).take(LISTED_MAX);
        let cases = seen.map(|case| shown(app, case, &subject, now)).collect();
        let people = subject.roles.has(Role::Approver).then(|| app.accounts().with_role(Role::Investigator));
        let person = |(account, name)| api::CasePerson { account, account_name: Some(name) };
        Ok(api::CaseList { cases, investigators: people.unwrap_or_default().into_iter().map(person).collect() })
    });
    ok(&list.await?)
}

/// An investigator knows of their own cases; who opens, audits or administers knows of all.
fn may_know(case: &Case, subject: &Subject) -> bool {
    let keeps = [Role::Approver, Role::Auditor, Role::Admin].iter().any(|role| subject.roles.has(*role));
    keeps || subject.account.is_some_and(|account| case.investigators.contains(&account))
}

async fn open(call: Call) -> Result<Response, Problem> {
    let action = call.grant()?.action().clone();
    let subject = call.who()?.subject.clone();
    let Action::OpenCase { case: number, purpose, cameras, range, expires_utc_ms, investigators, emergency } =
        action.clone()
    else {
        return Err(Error::new(Kind::Internal, "this row was opened for something else").into());
    };
    let (account, now) = (subject.account.unwrap_or_default(), call.app.clock().utc());
    let opened = async {
        let case = Case {
            number,
            purpose,
            cameras: cameras.into_iter().collect(),
            range,
            expires: moment(expires_utc_ms)?,
            opened_by: account,
            opened: now,
            investigators: if emergency { [account].into() } else { investigators.into_iter().collect() },
            closed: None,
            emergency,
            reviewed: None,
            stopped: None,
            bookmarks: Vec::new(),
        };
        call.app.ports().policies.in_force().rules.check_case(&case, now).map_err(invalid)?;
        are_investigators(&call.app, &case)?;
        call.blocking(move |app| {
            one_emergency(app, &case, now)?;
            Ok(shown(app, app.ports().cases.open(case)?, &subject, now))
        })
        .await
    };
    json(StatusCode::CREATED, &call.noted(opened.await).await?)
}

/// Everybody whom a case names must hold the role.
fn are_investigators(app: &App, case: &Case) -> Result<(), Error> {
    let known: BTreeSet<u32> =
        app.accounts().with_role(Role::Investigator).into_iter().map(|(account, _)| account).collect();
    match case.investigators.iter().find(|account| !known.contains(account)) {
        Some(account) => Err(Error::invalid(format!("account {account} does not have the role investigator"))
            .next("Name accounts that have it; an admin gives it on the page People.")),
        None => Ok(()),
    }
}

/// Nobody has two emergencies at once.
fn one_emergency(app: &App, case: &Case, now: UtcNanos) -> Result<(), Error> {
    let another = |old: &Case| old.emergency && old.is_open(now) && old.opened_by == case.opened_by;
    match app.ports().cases.list()?.into_iter().find(|old| case.emergency && another(old)) {
        Some(old) => Err(Error::new(Kind::Conflict, format!("your emergency {} is still open", old.number))
            .next("Work in that one, or close it first.")),
        None => Ok(()),
    }
}

async fn change(call: Call) -> Result<Response, Problem> {
    let subject = call.who()?.subject.clone();
    let (number, now) = (number(&call.path)?, call.app.clock().utc());
    let changed = async {
        let patch: api::CasePatch = call.json()?;
        call.blocking(move |app| {
            let own = subject.account;
            let case = app.ports().cases.update(
                &number,
                Box::new(|case| {
                    if case.emergency {
                        return Err(Error::new(Kind::Conflict, "an emergency cannot be changed")
                            .next("Open a case for what is still to be done."));
                    }
                    if case.closed.is_some() {
                        return Err(Error::new(Kind::Conflict, format!("case {} is closed", case.number))
                            .next("Open another one."));
                    }
                    let new = patched(case.clone(), patch)?;
                    app.ports().policies.in_force().rules.check_case(&new, now).map_err(invalid)?;
                    if own.is_some_and(|own| new.investigators.contains(&own)) {
                        return Err(Error::new(Kind::Denied, "nobody makes themselves an investigator of a case")
                            .next("Ask another approver."));
                    }
                    are_investigators(app, &new)?;
                    if let Some(other) = new.cameras.iter().find(|camera| !subject.covers(**camera)) {
                        let why = format!("camera {other} is not among the cameras of this account");
                        return Err(Error::new(Kind::Denied, why).next("Ask an approver who has all of its cameras."));
                    }
                    *case = new;
                    Ok(())
                }),
            )?;
            Ok(shown(app, case, &subject, now))
        })
        .await
    };
    ok(&call.noted(changed.await).await?)
}

async fn close(call: Call) -> Result<Response, Problem> {
    let subject = call.who()?.subject.clone();
    let (number, now) = (number(&call.path)?, call.app.clock().utc());
    let closed = call.blocking(move |app| {
        let case = app.ports().cases.update(
            &number,
            Box::new(|case| {
                let named = subject.account.is_some_and(|account| case.investigators.contains(&account));
                if !named && !subject.roles.has(Role::Approver) {
                    let why = format!("case {} does not name this account", case.number);
                    return Err(Error::new(Kind::Denied, why).next("Ask an approver to close it."));
                }
                if case.emergency && subject.account != Some(case.opened_by) {
                    case.stopped.get_or_insert(now);
                }
                case.closed.get_or_insert(now);
                Ok(())
            }),
        )?;
        Ok(shown(app, case, &subject, now))
    });
    ok(&call.noted(closed.await).await?)
}

/// What `subject` may see of a case.
fn shown(app: &App, case: Case, subject: &Subject, now: UtcNanos) -> api::Case {
    let name = |account| app.accounts().name_of(account);
    let (open, needs_review) = (case.is_open(now), case.needs_review());
    let (own, others): (Vec<_>, Vec<_>) = case.cameras.into_iter().partition(|camera| subject.covers(*camera));
    let person = |account: u32| api::CasePerson { account, account_name: name(account) };
    api::Case {
        case: case.number,
        purpose: case.purpose,
        cameras: own,
        other_camera_count: u32::try_from(others.len()).unwrap_or(u32::MAX),
        from_utc_ms: case.range.start.as_ms(),
        to_utc_ms: case.range.end.as_ms(),
        expires_utc_ms: case.expires.as_ms(),
        opened_by: case.opened_by,
        opened_by_name: name(case.opened_by),
        opened_utc_ms: case.opened.as_ms(),
        investigators: case.investigators.into_iter().map(person).collect(),
        closed_utc_ms: case.closed.map(UtcNanos::as_ms),
        open,
        emergency: case.emergency,
        needs_review,
    }
}

/// What an entry that opened a case says of it.
#[derive(serde::Deserialize)]
struct Opened {
    action: String,
    case: String,
    emergency: bool,
}

/// Somebody else answered for the entry of this number: when it opened an emergency, that is reviewed, and its alarm ends with it; where it was not right, nothing of it goes out any more.
pub(crate) fn reviewed(app: &App, entry: u64, ok: bool) -> Result<(), Error> {
    let page = app.ports().audit.page(AuditKind::People, entry.checked_add(1), 1)?;
    let record = page.records.into_iter().find(|record| record.index == entry);
    let opened = record.and_then(|record| serde_json::from_slice::<Opened>(&record.entry_json).ok());
    let Some(Opened { case, .. }) = opened.filter(|opened| opened.action == "open_case" && opened.emergency) else {
        return Ok(());
    };
    let now = app.clock().utc();
    let marked = app.ports().cases.update(
        &case,
        Box::new(|case| {
            case.reviewed.get_or_insert(now);
            if !ok {
                case.stopped.get_or_insert(now);
            }
            Ok(())
        }),
    );
    match marked {
        // It made room for another one since.
        Err(error) if error.kind == Kind::NotFound => Ok(()),
        marked => marked.map(drop),
    }
}

/// An alarm for each emergency, while it lasts and until somebody has reviewed it or the time for that is over.
pub(crate) fn alarms(app: &App) -> Result<Vec<api::Alarm>, Error> {
    let now = app.clock().utc();
    let loud = |case: &Case| {
        case.emergency && (case.is_open(now) || (case.needs_review() && now.nanos_since(case.opened) < REVIEW_NANOS))
    };
    let alarm = |case: Case| {
        let who = app.accounts().name_of(case.opened_by).unwrap_or_default();
        let cameras: Vec<String> = case.cameras.iter().map(ToString::to_string).collect();
        api::Alarm {
            kind: api::AlarmKind::Emergency,
            disk: None,
            camera: None,
            since_utc_ms: Some(case.opened.as_ms()),
            text: format!(
                "Account {} ({who}) opened the emergency {} alone, for cameras {} from {} to {}. It ends at {} at the latest; an auditor looks at what was played \
                 in it and why",
                case.opened_by,
                case.number,
                cameras.join(", "),
                case.range.start,
                case.range.end,
                case.expires
            ),
        }
    };
    Ok(app.ports().cases.list()?.into_iter().filter(loud).map(alarm).collect())
}
